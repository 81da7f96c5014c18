from __future__ import annotations

import socket

import httpx
import pytest

from app.web.asked import MOST

PATH = "/calselector/v1/associations"
SCIENCE = "UVES.2012-03-12T04:00:00.000"
ID = {"dp_id": SCIENCE}


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        (
            "dp_id=UVES.X",
            404,
            ["dp_id 'UVES.X' is not in this archive", "check the spelling", "calsel ingest"],
        ),
        (
            "dp_id=A&dp_id=B",
            404,
            ["2 dp_ids are not in this archive: 'A', 'B'", "calsel ingest"],
        ),
        (f"dp_id={SCIENCE}&mode=raw2cooked", 400, ["mode 'raw2cooked'", "Raw2Raw, Raw2Master"]),
        (f"dp_id={SCIENCE}&mode=", 400, ["mode ''", "Raw2Raw, Raw2Master"]),
        (
            f"dp_id={SCIENCE}&mode=Raw2Raw&MODE=raw2master",
            400,
            ["mode is given as raw2master and as raw2raw"],
        ),
        ("", 400, ["no dp_id is given;", "dp_id=<ID>"]),
        ("dpid=X&mode=Raw2Raw", 400, ["no dp_id is given (only dpid, mode)", "dp_id=<ID>"]),
        ("dp_id=", 400, ["dp_id='' is none", "UVES.2012"]),
        ("dp_id=A%00B", 400, ["dp_id='A\\x00B' is none"]),
        (f"dp_id={'A' * 300}", 400, ["AAA' is none", "1 to 200"]),
        (
            f"dp_id={SCIENCE}&responseformat=pdf",
            400,
            ["no format 'pdf'", "xml, json, sof, script, votable, csv"],
        ),
        (
            "dp_id=&mode=x&responseformat=y&explain=z",
            400,
            ["dp_id='' is none", "no mode 'x'", "no format 'y'", "explain='z' is neither"],
        ),
    ],
)
def test_bad_input_is_told_what_is_wrong_and_how_to_mend_it(
    client: httpx.Client, query: str, status: int, said: list[str]
):
    for answer in (
        client.get(f"{PATH}?{query}"),
        client.post(PATH, content=query, headers={"Content-Type": "application/x-www-form-urlencoded"}),
    ):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert [part for part in said if part not in answer.text] == []


def test_more_dp_ids_than_the_limit_are_refused_with_the_limit(client: httpx.Client):
    answer = client.post(PATH, data={"dp_id": [f"UVES.{i}" for i in range(MOST + 1)]})
    assert answer.status_code == 413
    assert answer.text == (
        f"10001 dp_ids are asked for; ask for at most {MOST} dp_ids at a time, in several requests\n"
    )


def test_an_address_longer_than_the_server_can_read_is_told_the_way_out(client: httpx.Client):
    query = "&".join(f"dp_id=UVES.2012-03-12T04:00:00.{i:05}" for i in range(MOST + 1))
    # By hand, as httpx refuses to send it.
    with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as wire:
        wire.sendall(f"GET {PATH}?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: wire.recv(65536), b"")).decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 414 ")
    assert f"content-length: {len(body)}" in head
    assert body.startswith(f"the address has {len(PATH) + 1 + len(query)} bytes, the most is 65535; ")
    assert "POST" in body


@pytest.mark.parametrize("noise", [b"dp_id, please\r\n\r\n", b"\x16\x03\x01\x02"])
def test_what_is_no_http_still_gets_400(client: httpx.Client, noise: bytes):
    with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as wire:
        wire.sendall(noise)
        assert wire.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_the_same_dp_id_ten_thousand_times_is_one(client: httpx.Client):
    assert client.post(PATH, data={"dp_id": [SCIENCE] * 10_000}).status_code == 200


def test_a_form_of_many_megabytes_is_refused_before_it_is_read(client: httpx.Client):
    answer = httpx.post(f"{client.base_url}{PATH}", data={"dp_id": "A" * 5_000_000}, timeout=60)
    assert answer.status_code == 413
    assert "the form has 5000006 bytes, the most is 4194304" in answer.text


def test_a_form_in_chunks_is_read_as_one_in_one_piece(client: httpx.Client):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.post(PATH, content=iter([b"dp_id=UV", b"ES.X"]), headers=headers)
    assert (answer.status_code, "'UVES.X'" in answer.text) == (404, True)


def test_an_endless_form_is_refused(client: httpx.Client):
    answer = httpx.post(f"{client.base_url}{PATH}", content=(b"x" * 65_536 for _ in range(100)), timeout=60)
    assert (answer.status_code, "more than 4194304 bytes" in answer.text) == (413, True)


def test_an_upload_is_no_dp_id(client: httpx.Client):
    answer = client.post(PATH, files={"dp_id": ("list.txt", b"UVES.X")})
    assert answer.status_code == 400


def test_a_torn_multipart_form_is_a_bad_request(client: httpx.Client):
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    for torn in (b"--b\r\nContent-Disp", b"dp_id=X", b"--c\r\n\r\n"):
        answer = client.post(PATH, content=torn, headers=headers)
        assert answer.status_code == 400, torn
    assert client.post(PATH, content=b"x", headers={"Content-Type": "multipart/form-data"}).status_code == 400


@pytest.mark.parametrize(
    "wanted",
    [
        {"params": ID | {"mode": "x"}, "headers": {"Accept": "application/json"}},
        {"params": ID | {"mode": "x", "responseformat": "JSON"}},
    ],
)
def test_an_error_is_told_in_json_to_who_asks_for_json(
    client: httpx.Client, wanted: dict[str, dict[str, str]]
):
    answer = client.get(PATH, **wanted)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert answer.json() == {
        "error": "there is no mode 'x'; mode is one of Raw2Raw, Raw2Master",
        "type": "RequestError",
    }


@pytest.mark.parametrize("accept", ["image/png", "application/x-votable", "application/xml;q=0, */*;q=0"])
def test_a_client_that_accepts_nothing_there_is_gets_406(client: httpx.Client, accept: str):
    answer = client.get(PATH, params=ID, headers={"Accept": accept})
    assert answer.status_code == 406
    assert "responseformat=xml|json|sof|script|votable|csv" in answer.text


@pytest.mark.parametrize("quality", ["high", "2", "nan", ""])
def test_a_quality_that_is_none_is_a_bad_request(client: httpx.Client, quality: str):
    answer = client.get(PATH, params=ID, headers={"Accept": f"text/plain, application/json;q={quality}"})
    assert answer.status_code == 400
    assert f"'application/json;q={quality}'" in answer.text


def test_another_path_and_another_method_are_told_as_clearly(client: httpx.Client):
    lost = client.get("/calselector/v2", headers={"Accept": "application/json"})
    assert (lost.status_code, lost.json()["error"]) == (
        404,
        "there is no /calselector/v2 here; / lists what there is",
    )
    put = client.put(PATH)
    assert (put.status_code, put.headers["allow"]) == (405, "GET, HEAD, POST")
    assert put.text == f"PUT is not possible at {PATH}; use GET, HEAD, POST\n"
    post = client.post("/")
    assert (post.status_code, post.text) == (405, "POST is not possible at /; use GET, HEAD\n")
