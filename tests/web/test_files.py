from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from app.archive.database import connect
from app.archive.files import Holding
from app.archive.index import Index
from app.config import Settings
from app.ingest import ingest

SCIENCE = "UVES.2012-03-12T04:00:00.000"
LOGGED = "UVES.2012-03-12T04:10:00.000"
PACKED = "UVES.2012-03-12T04:20:00.000"
HEADER_ONLY = "UVES.2012-03-12T04:30:00.000"
BESIDE = "UVES.2012-03-12T23:00:00.000"  # the next night
FILE = "/dataPortal/file/"
LOG = "OB:\t\t1427665\nWind: 3 m/s, 12 °C\nGrade:       \t \tA\n"


def _write(folder: Path, dp_id: str, suffix: str = ".fits", **more: object) -> Path:
    header = fits.Header()
    header["INSTRUME"] = "UVES"
    header["ARCFILE"] = f"{dp_id}.fits"
    header["ORIGFILE"] = f"UVES_{dp_id[16:18]}.fits"
    header["MJD-OBS"] = 55998 + (int(dp_id[16:18]) + int(dp_id[19:21]) / 60) / 24
    header["DATE-OBS"] = dp_id[5:]
    header["HIERARCH ESO DPR CATG"] = "SCIENCE"
    header["HIERARCH ESO DPR TYPE"] = "OBJECT"
    header["HIERARCH ESO OBS ID"] = 1427665
    header["HIERARCH ESO OBS PROG ID"] = "088.D-0512(A)"
    for name, value in more.items():
        header[name] = value
    path = folder / f"{dp_id}{suffix}"
    fits.PrimaryHDU(bytes_of(dp_id), header).writeto(path, output_verify="exception")
    return path


def bytes_of(dp_id: str):
    import numpy as np

    return np.frombuffer(hashlib.sha512(dp_id.encode()).digest() * 500, dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    _write(folder, SCIENCE)
    _write(folder, LOGGED)
    _write(folder, PACKED, ".fits.gz")
    _write(folder, BESIDE)
    (folder / f"{LOGGED}.NL.txt").write_text(LOG)
    header = f"SIMPLE  =                    T\nINSTRUME= 'UVES'\nARCFILE = '{HEADER_ONLY}.fits'\nEND\n"
    (folder / f"{HEADER_ONLY}.hdr").write_text(header)
    return folder


@pytest.fixture(scope="module")
def archive(make_shared_database, serve, folder: Path) -> Iterator[httpx.Client]:
    url = make_shared_database()
    engine = connect(url)
    assert ingest(Index(engine), [folder]).skipped == []
    engine.dispose()
    with serve(Settings(database_url=url)) as client:
        yield client


def test_a_file_comes_byte_for_byte_with_its_name_and_its_checksum(archive: httpx.Client, folder: Path):
    content = (folder / f"{SCIENCE}.fits").read_bytes()
    answer = archive.get(FILE + SCIENCE)
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == "application/fits"
    assert answer.headers["content-disposition"] == f"attachment; filename={SCIENCE}.fits"
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert archive.get(f"/dataportal_new/file/{SCIENCE}").content == content


def test_a_compressed_file_keeps_its_bytes_and_its_ending(archive: httpx.Client, folder: Path):
    answer = archive.get(FILE + PACKED)
    assert answer.content == (folder / f"{PACKED}.fits.gz").read_bytes()
    assert answer.headers["content-disposition"] == f"attachment; filename={PACKED}.fits.gz"
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/a/x.fits", ".fits"),
        ("/a/x.FITS.Z", ".fits.Z"),
        ("/a/x.fits.fz", ".fits.fz"),
        ("/a/x.fit.gz", ".fits.gz"),
        ("/a.fits.gz/x.fits", ".fits"),
        (None, ".fits"),
    ],
)
def test_the_name_ends_as_the_stored_file_does(path: str | None, wanted: str):
    assert Holding("X", "UVES", True, None, 1, None, path, None, "", None).suffix == wanted


def test_head_tells_all_but_the_bytes(archive: httpx.Client):
    answer, whole = archive.head(FILE + SCIENCE), archive.get(FILE + SCIENCE)
    assert answer.content == b""
    assert {**answer.headers, "date": ""} == {**whole.headers, "date": ""}


def test_ranges_are_answered_or_refused(archive: httpx.Client, folder: Path):
    content = (folder / f"{SCIENCE}.fits").read_bytes()
    part = archive.get(FILE + SCIENCE, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(content)}"
    beyond = archive.get(FILE + SCIENCE, headers={"Range": f"bytes={len(content)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(content)}")
    other = archive.get(FILE + SCIENCE, headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, content)


def test_who_has_the_file_is_not_sent_it_again(archive: httpx.Client):
    tag = archive.head(FILE + SCIENCE).headers["etag"]
    assert archive.get(FILE + SCIENCE, headers={"If-None-Match": tag}).status_code == 304
    assert archive.get(FILE + SCIENCE, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is needed")
def test_curl_resumes_a_torn_download_under_the_files_name(
    archive: httpx.Client, folder: Path, tmp_path: Path
):
    content = (folder / f"{SCIENCE}.fits").read_bytes()
    torn = tmp_path / f"{SCIENCE}.fits"
    torn.write_bytes(content[:10_000])
    address = f"{archive.base_url}{FILE}{SCIENCE}"
    subprocess.run(["curl", "-fsS", "-C", "-", "-o", torn, address], check=True)
    assert torn.read_bytes() == content
    named = tmp_path / "named"
    named.mkdir()
    subprocess.run(["curl", "-fsSOJ", address], cwd=named, check=True)
    assert [path.name for path in named.iterdir()] == [f"{SCIENCE}.fits"]


def test_a_night_log_is_given_as_it_was_ingested(archive: httpx.Client):
    answer = archive.get(f"{FILE}{LOGGED}.NL")
    assert (answer.status_code, answer.text) == (200, LOG)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == f"attachment; filename={LOGGED}.NL.txt"


def test_without_a_night_log_the_headers_of_the_block_are_listed_and_no_grade_is_invented(
    archive: httpx.Client,
):
    text = archive.get(f"{FILE}{SCIENCE}.NL").text
    assert text.startswith("Not a night log of the observatory: none was ingested for this frame.\n")
    assert "Run:        088.D-0512(A)\n" in text
    assert f"UVES_04.fits\t{SCIENCE}\t" in text
    assert LOGGED in text
    assert BESIDE not in text
    assert "Grade" not in text


def test_a_frame_without_a_file_says_so(archive: httpx.Client):
    answer = archive.get(FILE + HEADER_ONLY)
    assert (answer.status_code, answer.text) == (
        404,
        f"of {HEADER_ONLY} only the header is known here, not the file\n",
    )


def test_a_file_that_changed_behind_the_index_is_not_served_as_the_one_that_was_ingested(
    make_database, serve, tmp_path: Path
):
    path = _write(tmp_path, SCIENCE)
    url = make_database()
    engine = connect(url)
    ingest(Index(engine), [path])
    engine.dispose()
    with serve(Settings(database_url=url)) as client:
        before = client.get(FILE + SCIENCE).headers["etag"]
        os.utime(path, ns=(0, 0))
        assert client.get(FILE + SCIENCE).headers["etag"] != before
        with path.open("ab") as stream:
            stream.write(b"more")
        assert client.get(FILE + SCIENCE).status_code == 404
        path.unlink()
        answer = client.get(FILE + SCIENCE)
        assert answer.status_code == 404
        assert "ingest it again" in answer.text


def _raw_get(client: httpx.Client, target: str) -> bytes:
    """The answer to a request line as it stands: HTTP clients tidy paths up before they send them."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=60) as stream:
        stream.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: stream.recv(65536), b""))


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        f"{SCIENCE}%00.NL",
        f"{SCIENCE}/../{SCIENCE}.fits",
        f"{SCIENCE}.fits",
        "%ff%fe",
        "",
        ".NL",
        "%00",
    ],
)
def test_a_name_that_is_no_dp_id_reads_nothing(archive: httpx.Client, name: str):
    head = _raw_get(archive, FILE + name)
    assert head.startswith(b"HTTP/1.1 404 ")
    assert b"root:" not in head


_PIECES = st.sampled_from(["..", "/", "%2f", "%2e", "%00", "\\", "~", "etc/passwd", SCIENCE, ".fits", ".NL"])


@settings(max_examples=60)
@given(st.lists(_PIECES | st.text(max_size=3).map(lambda text: quote(text, safe="")), max_size=8))
def test_no_path_leads_out_of_the_index(archive: httpx.Client, pieces: list[str]):
    name = "".join(pieces)
    answer = _raw_get(archive, FILE + name)
    known = name in (SCIENCE, f"{SCIENCE}.NL")
    assert answer.startswith(b"HTTP/1.1 200 " if known else b"HTTP/1.1 404 ")


def test_a_night_log_that_comes_again_changes_nothing_and_a_new_one_replaces_it(database_url, tmp_path: Path):
    engine = connect(database_url)
    index = Index(engine)
    path = tmp_path / f"{SCIENCE}.NL.txt"
    counts = []
    for text in ("one", "one", "two"):
        path.write_text(text)
        counts.append(ingest(index, [tmp_path]).stored)
    assert [(each.new, each.changed, each.unchanged) for each in counts] == [(1, 0, 0), (0, 0, 1), (0, 1, 0)]
    engine.dispose()
