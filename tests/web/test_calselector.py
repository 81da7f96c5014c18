from __future__ import annotations

import csv
from collections.abc import Callable
from email import message_from_bytes
from xml.etree import ElementTree

import httpx
import pytest
from pyvo.dal.adhoc import DatalinkResults

PATH = "/calselector/v1/associations"
SCIENCE = "UVES.2012-03-12T04:00:00.000"
ALONE = "UVES.2012-03-12T05:00:00.000"
OTHER = "XSHOO.2012-03-12T05:00:00.000"

Expected = Callable[[str, bytes], None]


def test_one_frame_is_answered_as_calselector_does(client: httpx.Client, expected: Expected):
    answer = client.get(PATH, params={"dp_id": SCIENCE, "mode": "Raw2Raw"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/xml; content=calselector"
    assert answer.headers["content-disposition"] == f'filename="{SCIENCE}_raw2raw.xml"'
    expected("one_raw2raw.xml", answer.content)


def test_a_post_asks_as_a_get_does(client: httpx.Client):
    params = {"dp_id": [SCIENCE, ALONE], "mode": "raw2raw", "responseformat": "json"}
    got = client.get(PATH, params=params)
    form = client.post(PATH, data=params)
    parts = client.post(PATH, files=[(n, (None, v)) for n in params for v in _many(params[n])])
    mixed = client.post(PATH, params={"responseformat": "json"}, data={"dp_id": [SCIENCE, ALONE]})
    assert got.status_code == 200
    assert got.content == form.content == parts.content == mixed.content


def test_masters_answer_raw2master_and_the_file_is_named_so(client: httpx.Client):
    answer = client.get(PATH, params={"dp_id": SCIENCE, "mode": "RAW2MASTER"})
    assert answer.headers["content-disposition"] == f'filename="{SCIENCE}_raw2master.xml"'
    assert _names(answer.content) == {
        SCIENCE,
        "M.UVES.2012-03-13T00:00:00.001",
        "M.UVES.2012-03-13T00:00:00.002",
        "M.UVES.2009-11-05T10:00:00.001",
    }


def test_without_masters_the_executed_mode_is_told(client: httpx.Client):
    answer = client.get(PATH, params={"dp_id": ALONE, "mode": "Raw2Master"})
    assert answer.headers["content-disposition"] == f'filename="{ALONE}_raw2raw.xml"'
    root = ElementTree.fromstring(answer.content)
    assert (root.get("mode"), root.get("complete")) == ("Raw2Raw", "false")


def test_the_mode_is_raw2raw_unless_told(client: httpx.Client):
    assert client.get(PATH, params={"dp_id": SCIENCE}).content == _xml(client, SCIENCE)


@pytest.mark.parametrize(
    "names", ["dp_id mode responseformat", "DP_ID MODE RESPONSEFORMAT", "Dp_Id Mode ResponseFormat"]
)
def test_the_case_of_names_modes_and_formats_does_not_matter(client: httpx.Client, names: str):
    words = names.split()
    answer = client.get(
        PATH, params=dict(zip(words, [SCIENCE, words[1], "XML"], strict=True)) | {words[1]: "rAW2rAW"}
    )
    assert answer.content == _xml(client, SCIENCE)


def test_several_frames_come_in_parts_that_astroquery_can_read(client: httpx.Client):
    answer = client.post(PATH, data={"dp_id": [ALONE, SCIENCE, ALONE], "mode": "Raw2Raw"})
    kind = answer.headers["content-type"]
    assert kind.startswith("multipart/form-data; boundary=") and kind.endswith(";charset=UTF-8")
    # As astroquery.eso does: the header before the body, read as a mail.
    parts = message_from_bytes(f"Content-Type: {kind}\n".encode() + b"\r\n" + answer.content).get_payload()
    assert isinstance(parts, list)
    assert [part.get_filename() for part in parts] == [f"{ALONE}_raw2raw.xml", f"{SCIENCE}_raw2raw.xml"]
    for part, dp_id in zip(parts, (ALONE, SCIENCE), strict=True):
        assert part["Content-Type"] == "application/xml;content=calselector"
        body = part.get_payload(decode=True)
        assert body.removesuffix(b"\r\n") == _xml(client, dp_id)


def test_the_same_frame_twice_is_one_frame(client: httpx.Client):
    answer = client.get(PATH, params={"dp_id": [SCIENCE, SCIENCE]})
    assert answer.content == _xml(client, SCIENCE)


def test_json_tells_the_reasons(client: httpx.Client):
    tree = client.get(PATH, params={"dp_id": ALONE, "responseformat": "json"}).json()
    slots = {slot["label"]: slot for slot in tree["tree"]["slots"]}
    assert slots["MASTER_BIAS_BLUE"]["satisfied"]
    missing = slots["MASTER_FLAT_BLUE"]
    assert not missing["satisfied"]
    assert "INS.GRAT1.WLEN = 437.0" in missing["why"]["needed"]
    assert all(slot["why"]["counted"] for slot in slots.values())


def test_several_frames_in_json_are_an_array_of_what_each_is_alone(client: httpx.Client):
    params = {"responseformat": "json"}
    both = client.get(PATH, params={"dp_id": [ALONE, SCIENCE]} | params).json()
    assert both == [client.get(PATH, params={"dp_id": one} | params).json() for one in (ALONE, SCIENCE)]


@pytest.mark.parametrize("mode", ["raw2raw", "raw2master"])
def test_the_sof_of_every_step(client: httpx.Client, expected: Expected, mode: str):
    answer = client.get(PATH, params={"dp_id": SCIENCE, "mode": mode, "responseformat": "sof"})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == f'inline; filename="{SCIENCE}_{mode}.sof"'
    expected(f"one_{mode}.sof", answer.content)


def test_several_frames_in_sof_are_sections(client: httpx.Client):
    params = {"responseformat": "sof"}
    both = client.get(PATH, params={"dp_id": [ALONE, SCIENCE]} | params).text
    alone, science = (client.get(PATH, params={"dp_id": one} | params).text for one in (ALONE, SCIENCE))
    assert both == f"# ==== {ALONE}, Raw2Raw\n\n{alone}\n# ==== {SCIENCE}, Raw2Raw\n\n{science}"


def test_one_script_downloads_the_files_of_several_frames_once(client: httpx.Client):
    answer = client.get(PATH, params={"dp_id": [SCIENCE, ALONE], "responseformat": "script"})
    assert answer.headers["content-type"].startswith("text/x-shellscript")
    assert "default_url=https://calsel.example.org/dataPortal/file/\n" in answer.text
    wanted = [
        line.split()[1]
        for line in answer.text.splitlines()
        if line.startswith("get UVES") or line.startswith("get M.")
    ]
    assert len(wanted) == len(set(wanted))
    assert set(wanted) == _names(_xml(client, SCIENCE)) | _names(_xml(client, ALONE))


def test_every_format_names_the_same_files(client: httpx.Client):
    names = _names(_xml(client, SCIENCE))
    for form in ("json", "sof", "script", "votable", "csv"):
        text = client.get(PATH, params={"dp_id": SCIENCE, "responseformat": form}).text
        assert all(name in text for name in names), form


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/xml"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/xml"),
        ("application/json", "application/json"),
        ("text/plain, application/json;q=0.5", "text/plain"),
        ("text/x-shellscript", "text/x-shellscript"),
        ("application/x-votable+xml", "application/x-votable+xml"),
        ("application/x-votable+xml;content=datalink, */*;q=0.1", "application/x-votable+xml"),
        ("text/csv", "text/csv"),
    ],
)
def test_accept_chooses_the_format(client: httpx.Client, accept: str, kind: str):
    answer = client.get(PATH, params={"dp_id": SCIENCE}, headers={"Accept": accept})
    assert answer.headers["content-type"].partition(";")[0] == kind


def test_responseformat_overrules_accept(client: httpx.Client):
    answer = client.get(
        PATH, params={"dp_id": SCIENCE, "responseformat": "sof"}, headers={"Accept": "application/json"}
    )
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_frame_without_rules_gets_calselectors_message_and_on_request_the_reason(client: httpx.Client):
    said = "No association could be established: this file type is not supported"
    answer = client.get(PATH, params={"dp_id": OTHER})
    assert answer.status_code == 200
    assert _messages(answer.content) == [said]
    first, reason = _messages(client.get(PATH, params={"dp_id": OTHER, "explain": "true"}).content)
    assert first == said
    assert "XSHOOTER" in reason
    table = client.get(PATH, params={"dp_id": OTHER, "responseformat": "votable"})
    assert table.status_code == 200
    assert f'messages="{said}"' in table.text


def test_masters_that_are_missing_are_answered_by_raw_files_without_a_word(client: httpx.Client):
    asked = {"dp_id": ALONE, "mode": "Raw2Master"}
    assert _messages(client.get(PATH, params=asked).content) == []
    told = _messages(client.get(PATH, params=asked | {"explain": "TRUE"}).content)
    assert told[0].startswith("Raw2Master was asked for, but MASTER_FLAT_BLUE has no certified master")
    assert any(text.startswith("MASTER_BIAS_BLUE (rule uves.2000-01-01.oca:") for text in told)


def test_each_part_names_the_mode_that_was_executed_for_it(client: httpx.Client):
    answer = client.post(PATH, data={"dp_id": [ALONE, SCIENCE], "mode": "Raw2Master"})
    names = [line for line in answer.text.splitlines() if line.startswith("Content-Disposition")]
    assert names == [
        f'Content-Disposition: attachment; filename="{ALONE}_raw2raw.xml"',
        f'Content-Disposition: attachment; filename="{SCIENCE}_raw2master.xml"',
    ]


def test_reasons_change_only_the_messages(client: httpx.Client):
    plain, told = (
        ElementTree.fromstring(client.get(PATH, params={"dp_id": SCIENCE} | more).content)
        for more in ({}, {"explain": "1"})
    )
    for messages in [*plain.iter("messages"), *told.iter("messages")]:
        messages.clear()
    assert ElementTree.tostring(plain) == ElementTree.tostring(told)


def test_json_tells_the_reasons_unless_it_shall_not(client: httpx.Client):
    asked = {"dp_id": SCIENCE, "responseformat": "json"}
    plain, told, silent = (
        client.get(PATH, params=asked | more).json()
        for more in ({}, {"explain": "true"}, {"explain": "false"})
    )
    assert plain == told
    assert not any(slot["why"]["counted"] for slot in silent["tree"]["slots"])


def test_the_datalink_table_is_one_that_pyvo_reads(client: httpx.Client):
    address = f"{client.base_url}{PATH}?dp_id={SCIENCE}&mode=Raw2Raw&responseformat=votable"
    links = DatalinkResults.from_result_url(address)
    names = [str(url).rpartition("/")[2] for url in links["access_url"]]
    assert set(names[:-1]) == _names(_xml(client, SCIENCE))
    assert (links["semantics"][0], names[0]) == ("#this", SCIENCE)
    assert links["access_url"][-1] == f"https://calsel.example.org{PATH}?dp_id={SCIENCE}&mode=Raw2Raw"
    answer = client.get(address)
    assert answer.headers["content-type"] == "application/x-votable+xml"
    assert answer.headers["content-disposition"] == f'inline; filename="{SCIENCE}_raw2raw.vot"'


def test_several_frames_are_one_table_with_the_rows_of_each(client: httpx.Client):
    asked = {"mode": "raw2master", "responseformat": "votable"}
    both = client.post(PATH, data=asked | {"dp_id": [ALONE, SCIENCE]})
    alone = [client.get(PATH, params=asked | {"dp_id": one}).text for one in (ALONE, SCIENCE)]
    rows = ["".join(text.partition("<TABLEDATA>")[2].partition("        </TABLEDATA>")[0]) for text in alone]
    assert both.text.partition("<TABLEDATA>")[2].startswith(rows[0] + rows[1].lstrip("\n"))
    assert both.text.count("<TABLE>") == 1


def test_one_manifest_names_the_files_of_several_frames_once(client: httpx.Client):
    answer = client.get(PATH, params={"dp_id": [SCIENCE, ALONE], "responseformat": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    rows = list(csv.DictReader(answer.text.splitlines()))
    wanted = _names(_xml(client, SCIENCE)) | _names(_xml(client, ALONE))
    assert sorted(row["dp_id"] for row in rows) == sorted(wanted)
    assert [row["dp_id"] for row in rows if row["role"] == "science"] == [SCIENCE, ALONE]
    assert {row["access_url"].rpartition("/")[0] for row in rows} == {
        "https://calsel.example.org/dataPortal/file"
    }


def _xml(client: httpx.Client, dp_id: str) -> bytes:
    return client.get(PATH, params={"dp_id": dp_id, "mode": "Raw2Raw", "responseformat": "xml"}).content


def _messages(xml: bytes) -> list[str]:
    return [str(each.get("text")) for each in ElementTree.fromstring(xml).iter("message")]


def _names(xml: bytes) -> set[str]:
    return {str(file.get("name")) for file in ElementTree.fromstring(xml).iter("file")}


def _many(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
