from __future__ import annotations

import csv
import os
import subprocess
from email import message_from_bytes
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from pyvo.dal.adhoc import DatalinkResults

PATH = "/calselector/v1/associations"
SCIENCE = "UVES.2012-03-12T04:00:00.000"
UNKNOWN = "UVES.X"
SAID = f"No association could be established: {UNKNOWN} is not in this archive"
BOTH = {"dp_id": [SCIENCE, UNKNOWN]}


def _ask(client: httpx.Client, form: str, **more: str) -> httpx.Response:
    answer = client.get(PATH, params={**BOTH, "responseformat": form, **more})
    assert answer.status_code == 200
    return answer


def _alone(client: httpx.Client, form: str) -> httpx.Response:
    return client.get(PATH, params={"dp_id": SCIENCE, "responseformat": form})


@pytest.mark.parametrize("mode", ["Raw2Raw", "Raw2Master"])
def test_a_part_of_its_own_says_that_a_frame_is_not_here(client: httpx.Client, mode: str):
    answer = _ask(client, "xml", mode=mode)
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    known, unknown = message_from_bytes(head + answer.content).get_payload()
    assert known.get_filename() == f"{SCIENCE}_{mode.lower()}.xml"
    assert unknown.get_filename() == f"{UNKNOWN}_{mode.lower()}.xml"
    root = ElementTree.fromstring(unknown.get_payload(decode=True))
    assert root.attrib == {
        "category": "UNKNOWN", "certified": "false", "complete": "false", "mode": mode, "type": "main"
    }  # fmt: skip
    assert [message.get("text") for message in root.iter("message")] == [SAID]
    assert not list(root.iter("file"))


def test_json_has_a_tree_without_files(client: httpx.Client):
    known, unknown = _ask(client, "json").json()
    assert known == _alone(client, "json").json()
    assert unknown.keys() == known.keys()
    assert (unknown["dp_id"], unknown["tree"]["files"]) == (UNKNOWN, [])
    assert unknown["tree"]["messages"] == [SAID]


def test_votable_has_a_row_with_an_error_message_and_nothing_to_follow(client: httpx.Client):
    address = f"{client.base_url}{PATH}?dp_id={SCIENCE}&dp_id={UNKNOWN}&responseformat=votable"
    rows = list(DatalinkResults.from_result_url(address))
    (row,) = (row for row in rows if row["ID"].endswith(UNKNOWN))
    assert row["semantics"] == "#this"
    assert row["error_message"] == f"NotFoundFault: {SAID}"
    assert f'complete="false" mode="Raw2Raw" type="main" messages="{SAID}"' in row["description"]
    assert not row["access_url"]
    assert len(rows) - 1 == _alone(client, "votable").text.count("<TR>")


def test_csv_has_a_row_of_its_own_role(client: httpx.Client):
    rows = list(csv.DictReader(_ask(client, "csv").text.splitlines()))
    assert [row for row in rows if row["role"] == "unknown"] == [dict.fromkeys(rows[0], "") | rows[-1]]
    assert {name: value for name, value in rows[-1].items() if value} == {"dp_id": UNKNOWN, "role": "unknown"}
    assert rows[:-1] == list(csv.DictReader(_alone(client, "csv").text.splitlines()))


def test_sof_has_a_section_with_a_comment(client: httpx.Client):
    text = _ask(client, "sof").text
    assert text == (
        f"# ==== {SCIENCE}, Raw2Raw\n\n{_alone(client, 'sof').text}\n# ==== {UNKNOWN}, Raw2Raw\n\n# {SAID}\n"
    )


def test_the_script_counts_it_as_missing_and_fetches_the_rest(client: httpx.Client, tmp_path: Path):
    script = _ask(client, "script").text
    curl = tmp_path / "bin" / "curl"  # every file is empty, and of no size that is known
    curl.parent.mkdir()
    curl.write_text('#!/bin/bash\nwhile [ "$1" != -o ]; do shift; done\n: >"$2"\nprintf 200\n')
    curl.chmod(0o755)
    done = subprocess.run(
        ["bash", "-s", str(tmp_path / "data")],
        input=script, capture_output=True, text=True,
        env=os.environ | {"PATH": f"{curl.parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 1
    assert f"  {SAID}\n" in done.stderr
    assert f"get {UNKNOWN}" not in script
    assert (tmp_path / "data" / f"{UNKNOWN}_raw2raw.xml").is_file()


def test_where_it_stands_among_the_others_does_not_matter(client: httpx.Client):
    trees = client.post(PATH, data={"dp_id": [UNKNOWN, "Y", SCIENCE], "responseformat": "json"}).json()
    assert [(tree["dp_id"], len(tree["tree"]["files"])) for tree in trees] == [
        (UNKNOWN, 0), ("Y", 0), (SCIENCE, 1)
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["xml", "json", "votable"])
@pytest.mark.parametrize("dp_ids", [[UNKNOWN], [UNKNOWN, "Y"]])
def test_where_nothing_is_known_there_is_no_answer(client: httpx.Client, form: str, dp_ids: list[str]):
    assert client.get(PATH, params={"dp_id": dp_ids, "responseformat": form}).status_code == 404


def test_what_was_unknown_then_is_told_as_unknown(client: httpx.Client):
    for dp_ids in ([SCIENCE], [SCIENCE, UNKNOWN]):
        answer = client.get(PATH, params={"dp_id": dp_ids, "as_of": "2001-01-01"})
        assert answer.status_code == 404
        assert answer.text == (
            f"{', '.join(dp_ids)} was not in this archive at 2001-01-01T00:00:00+00:00; "
            "ask with a later as_of\n"
        )
    never = client.get(PATH, params={"dp_id": UNKNOWN, "as_of": "2001-01-01"})
    assert "is not in this archive; check the spelling" in never.text
    trees = _ask(client, "json", as_of="2112-01-01").json()
    assert [bool(tree["tree"]["files"]) for tree in trees] == [True, False]
    assert "was not in this archive at 2112-01-01T" in trees[1]["tree"]["messages"][0]


@pytest.mark.parametrize("dp_id", ["'; rm -rf $HOME #", 'x" onload="', "</TD>", "a\u00a0b", "ß&<>"])
@pytest.mark.parametrize("form", ["xml", "json", "votable", "csv", "sof", "script"])
def test_hostile_names_stay_names(client: httpx.Client, form: str, dp_id: str):
    answer = client.get(PATH, params={"dp_id": [SCIENCE, dp_id], "responseformat": form})
    assert answer.status_code == (200 if dp_id.isprintable() else 400)
    match form:
        case "votable" if answer.status_code == 200:
            ElementTree.fromstring(answer.content)
        case "script" if answer.status_code == 200:
            subprocess.run(["bash", "-n"], input=answer.content, check=True)
            assert "\nrm" not in answer.text
