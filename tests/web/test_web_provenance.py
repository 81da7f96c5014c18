from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import httpx
import prov
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from prov.model import ProvActivity

from app.archive.database import connect
from app.archive.index import Index
from app.config import Settings
from app.ingest import ingest

RAW = "TOY.2012-03-12T04:00:00.000"
MASTER = f"r.{RAW}_MASTER_0a1b2c3d"
LOCKED = "r.TOY.LOCKED"
REPORT = {"files": [{"path": f"{MASTER}.fits"}, {"path": f"{LOCKED}.fits"}], "absent": [], "mended": [],
          "remarks": ["said"], "problems": []}  # fmt: skip


def _write(path: Path, **keywords: object) -> Path:
    header = fits.Header({"INSTRUME": "TOY", "DATE-OBS": "2012-03-12T04:00:00"})
    for name, value in keywords.items():
        header[f"HIERARCH ESO {name.replace('_', ' ')}" if "_" in name else name] = value
    fits.PrimaryHDU(header=header).writeto(path)
    return path


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def archive(make_shared_database, serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A raw frame, a master of it with its task, and a locked product."""
    folder = tmp_path_factory.mktemp("provenance")
    raw = _write(folder / f"{RAW}.fits", ARCFILE=f"{RAW}.fits")
    master = _write(folder / f"{MASTER}.fits", PRO_CATG="MASTER")
    _write(folder / f"{LOCKED}.fits", PRO_CATG="IMAGE", PRO_SCIENCE=True)
    task = {
        "key": "ab" * 32,
        "recipe": "toy_recipe",
        "pipeline": "toy/1.0",
        "parameters": [],
        "begun": "2026-03-01T10:00:00+00:00",
        "host": "vista",
        "esorex": "3.13.6",
        "elapsed": 1.5,
        "peak_mb": 20.0,
        "origin": f"toy.oca sha256:{'cd' * 32} revision 7",
        "inputs": [{"tag": "BIAS", "name": raw.name, "sha256": _sum(raw)}],
        "products": [{"name": master.name, "category": "MASTER", "sha256": _sum(master)}],
    }
    (folder / "task.json").write_text(json.dumps(task))
    (folder / "report.json").write_text(json.dumps(REPORT))
    url = make_shared_database()
    engine = connect(url)
    assert ingest(Index(engine), [folder], proprietary_days=36_500).skipped == []
    engine.dispose()
    with serve(Settings(database_url=url, public_url="https://calsel.example.org")) as client:
        yield client


def test_without_a_wish_it_is_w3c_prov_json(archive: httpx.Client) -> None:
    answer = archive.get(f"/provenance/{MASTER}", headers={"Accept": "*/*"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["content-disposition"] == f'inline; filename="{MASTER}_provenance.json"'
    assert answer.headers["vary"].startswith("Accept")
    assert answer.headers["cache-control"] == "no-cache"
    made = prov.read(io.BytesIO(answer.content), format="json")
    (activity,) = made.get_records(ProvActivity)
    assert {str(value) for value in activity.get_attribute("calsel:recipe")} == {"toy_recipe"}
    entity = f"file:{RAW}"
    assert made.get_record(entity)[0].identifier.uri == f"https://calsel.example.org/dataPortal/file/{RAW}"


@pytest.mark.parametrize(
    ("name", "media_type", "begin"),
    [
        ("json", "application/json", "{"),
        ("svg", "image/svg+xml", "<svg"),
        ("script", "text/x-shellscript; charset=utf-8", "#!/usr/bin/env bash"),
        ("provn", "text/provenance-notation; charset=utf-8", "document"),
    ],
)
def test_a_format_is_named_or_accepted(archive: httpx.Client, name: str, media_type: str, begin: str) -> None:
    named = archive.get(f"/provenance/{MASTER}", params={"FORMAT": name.upper()}, headers={"Accept": "a/b"})
    accepted = archive.get(
        f"/provenance/{MASTER}", headers={"Accept": f"text/html, {media_type.partition(';')[0]};q=0.5"}
    )
    for answer in (named, accepted):
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
        assert answer.text.strip().startswith(begin)
    assert named.content == accepted.content


def test_the_drawing_tells_the_chain(archive: httpx.Client) -> None:
    root = ElementTree.fromstring(archive.get(f"/provenance/{MASTER}?format=svg").content)
    heads = [
        each.text for each in root.iter("{http://www.w3.org/2000/svg}text") if each.get("class") == "head"
    ]
    assert heads == ["BIAS", "MASTER", "toy_recipe"]


def test_the_script_fetches_from_this_service(archive: httpx.Client) -> None:
    script = archive.get(f"/provenance/{MASTER}?format=script").text
    assert "default_url=https://calsel.example.org/dataPortal/file/\n" in script
    assert f"\nget {RAW} files/{RAW}.fits {RAW}.fits " in script


def test_what_the_packaging_had_to_say_is_served(archive: httpx.Client) -> None:
    answer = archive.get(f"/provenance/{MASTER}/report")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["content-disposition"] == f'inline; filename="{MASTER}_report.json"'
    assert answer.json() == REPORT
    assert archive.head(f"/provenance/{MASTER}/report").status_code == 200


@pytest.mark.parametrize(
    ("dp_id", "status", "said"),
    [
        ("none", 404, "dp_id 'none' is not in this archive"),
        (RAW, 404, f"{RAW} has no report: it was not packaged here as an archive science product"),
        (LOCKED, 401, f"{LOCKED} is proprietary"),
    ],
)
def test_a_report_is_of_what_was_packaged_and_for_those_who_may_read_that(
    archive: httpx.Client, dp_id: str, status: int, said: str
) -> None:
    answer = archive.get(f"/provenance/{dp_id}/report")
    assert (answer.status_code, said in answer.text) == (status, True), answer.text


@pytest.mark.parametrize(
    ("path", "accept", "status", "said"),
    [
        ("none", "*/*", 404, "dp_id 'none' is not in this archive"),
        (f"{MASTER}?format=png", "*/*", 400, "no format png; there are json, svg, script, provn"),
        (f"{MASTER}?format=svg&format=json", "*/*", 400, "FORMAT is given several times"),
        (MASTER, "image/png", 406, "nothing here is written as 'image/png'"),
        (MASTER, "image/svg+xml;q=2", 400, "qualities are 0 to 1"),
        (LOCKED, "*/*", 401, f"{LOCKED} is proprietary"),
    ],
)
def test_what_cannot_be_told_says_why(
    archive: httpx.Client, path: str, accept: str, status: int, said: str
) -> None:
    answer = archive.get(f"/provenance/{path}", headers={"Accept": accept})
    assert (answer.status_code, said in answer.text) == (status, True), answer.text


@given(st.text(min_size=1))
def test_a_foreign_name_is_not_found_and_breaks_nothing(archive: httpx.Client, name: str) -> None:
    address = f"/provenance/{quote(name.encode('utf-8', 'replace'), safe='')}"
    # One that ends with a slash is led to the same without it.
    assert archive.get(address, follow_redirects=True).status_code in (400, 404)


def test_the_interface_is_documented(archive: httpx.Client) -> None:
    told = archive.get("/openapi.json").json()["paths"]["/provenance/{dp_id}"]["get"]
    assert set(told["responses"]) >= {"200", "400", "401", "403", "404", "406"}
    kinds = {"application/json", "image/svg+xml", "text/x-shellscript", "text/provenance-notation"}
    assert set(told["responses"]["200"]["content"]) == kinds
    assert [each["name"] for each in told["parameters"]] == ["dp_id", "format"]
