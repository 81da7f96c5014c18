from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import orjson
import pytest
from astropy.io import fits
from astropy.io.votable import parse
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from pyvo.dal.adhoc import DatalinkRecord, DatalinkResults

from app.archive.database import connect
from app.archive.index import Index
from app.config import Settings
from app.ingest import ingest

RAW = "NACO.2012-03-15T03:55:04.642"
PACKED = "MUSE.2019-11-13T15:06:26.605"
LOCKED = "NACO.2012-03-15T04:00:00.000"
STATIC = "M.NACO.2009-11-05T10:00:00.001"
MASTER = "r.NACO.2012-03-15T11:00:04.624_MASTER_IMG_DARK_0a1b2c3d"
SCIENCE = "r.NACO.2012-03-15T03:55:04.642_COADDED_IMG_0becb8a7"
ESO = "http://archive.eso.org/rdf/datalink/eso#"
BASE = "https://calsel.example.org"
PATH = "/datalink/links"
SAMPLES = Path(__file__).parents[3] / "shared/samples/datalink"


def _write(path: Path, **keywords: object) -> Path:
    header = fits.Header()
    header["INSTRUME"] = "NAOS+CONICA"
    for name, value in keywords.items():
        header[f"HIERARCH ESO {name.replace('_', ' ')}" if "_" in name else name] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(header=header).writeto(path)
    return path


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw frame under another name, a locked one, a static table, a master, and a science product."""
    folder = tmp_path_factory.mktemp("datalink")
    raw = _write(folder / "NACO_IMG_0001.fits", ARCFILE=f"{RAW}.fits", DPR_CATG="SCIENCE")
    packed = folder / f"{PACKED}.fits.fz"
    packed.write_bytes(_write(folder / "x.fit", ARCFILE=f"{PACKED}.fits", DPR_CATG="SCIENCE").read_bytes())
    (folder / "x.fit").unlink()
    _write(folder / f"{STATIC}.fits", PRO_CATG="IMG_STD_CATALOG")
    master = _write(folder / f"one/{MASTER}.fits", PRO_CATG="MASTER_IMG_DARK", OBS_ID=1)
    science = _write(folder / f"two/{SCIENCE}.fits", PRO_CATG="COADDED_IMG", OBS_ID=2)
    inputs = [
        {"tag": "IM_JITTER_OBJ", "name": raw.name, "sha256": _sum(raw)},
        {"tag": "MASTER_IMG_DARK", "name": master.name, "sha256": _sum(master)},
    ]
    task = {"inputs": inputs, "products": [{"name": science.name, "sha256": _sum(science)}]}
    (science.parent / "task.json").write_bytes(orjson.dumps(task))
    (master.parent / "task.json").write_text("[]")  # somebody else's
    (master.parent / "report.json").write_text("[]")
    report = {"files": [{"path": science.name}], "absent": [], "mended": [], "remarks": [], "problems": []}
    (science.parent / "report.json").write_bytes(orjson.dumps(report))
    return folder


@pytest.fixture(scope="module")
def archive(make_shared_database, serve, folder: Path, tmp_path_factory) -> Iterator[httpx.Client]:
    url = make_shared_database()
    engine = connect(url)
    index = Index(engine)
    assert ingest(index, [folder]).skipped == []
    locked = _write(
        tmp_path_factory.mktemp("locked") / f"{LOCKED}.fits",
        DPR_CATG="SCIENCE",
        **{"DATE-OBS": "2012-03-15T04:00:00"},
    )
    assert ingest(index, [locked], proprietary_days=36_500).skipped == []
    engine.dispose()
    with serve(Settings(database_url=url, public_url=BASE)) as client:
        yield client


def _text(client: httpx.Client, *ids: str) -> str:
    answer = client.get(PATH, params={"ID": list(ids)})
    assert (answer.status_code, answer.headers["content-type"]) == (
        200,
        "application/x-votable+xml;content=datalink",
    )
    return answer.text


def _links(client: httpx.Client, *ids: str) -> list[dict[str, object]]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = parse(io.BytesIO(_text(client, *ids).encode()), verify="exception")
    rows = table.get_first_table().to_table()
    return [{name: row[name] for name in rows.colnames} for row in rows]


def test_a_raw_file_has_its_calibrations_and_its_night_log(archive: httpx.Client):
    rows = _links(archive, f"ivo://eso.org/ID?{RAW}")
    assert [row["semantics"] for row in rows] == [
        "#this",
        f"{ESO}calSelector_raw2raw",
        f"{ESO}calSelector_raw2master",
        f"{ESO}night_log",
    ]
    assert {row["ID"] for row in rows} == {f"ivo://eso.org/ID?{RAW}"}
    associations = f"{BASE}/calselector/v1/associations?dp_id={RAW}&mode="
    assert [row["access_url"] for row in rows] == [
        f"{BASE}/dataPortal/file/{RAW}",
        f"{associations}Raw2Raw&responseformat=votable",
        f"{associations}Raw2Master&responseformat=votable",
        f"{BASE}/dataPortal/file/{RAW}.NL",
    ]
    assert [row["content_length"] for row in rows] == [2880, 500_000, 500_000, 10_000]
    assert [row["eso_origfile"] for row in rows] == [f"{RAW}.fits", "", "", f"{RAW}.NL.txt"]
    assert rows[0]["eso_datalink"] == f"{BASE}{PATH}?ID=ivo://eso.org/ID?{RAW}"


def test_calibrations_that_nobody_here_made_have_only_their_file(archive: httpx.Client):
    rows = _links(archive, STATIC)
    assert [(row["semantics"], row["content_type"]) for row in rows] == [("#this", "application/fits")]


def test_a_product_says_what_it_was_made_from_and_a_calibration_what_was_made_of_it(archive: httpx.Client):
    """By content: the raw file has another name than its dp_id."""
    found = {row["semantics"]: row for row in _links(archive, MASTER)}
    assert found["#derivation"]["access_url"] == f"{BASE}/dataPortal/file/{SCIENCE}"
    assert found["#derivation"]["eso_category"] == "COADDED_IMG"
    rows = _links(archive, SCIENCE)
    assert [(row["semantics"], row["access_url"].rpartition("/")[2]) for row in rows] == [
        ("#this", SCIENCE),
        ("#documentation", SCIENCE),
        ("#documentation", "report"),
        ("#progenitor", RAW),
        ("#progenitor", MASTER),
    ]


def test_a_product_leads_to_how_it_was_made(archive: httpx.Client):
    row, _ = [row for row in _links(archive, SCIENCE) if row["semantics"] == "#documentation"]
    answer = archive.get(row["access_url"].removeprefix(BASE))
    assert (answer.status_code, answer.headers["content-type"]) == (200, row["content_type"])
    assert f"file:{SCIENCE}" in answer.json()["entity"]


def test_an_archive_science_product_leads_to_what_its_packaging_said(archive: httpx.Client, folder: Path):
    _, row = [row for row in _links(archive, SCIENCE) if row["semantics"] == "#documentation"]
    assert row["access_url"] == f"{BASE}/provenance/{SCIENCE}/report"
    answer = archive.get(row["access_url"].removeprefix(BASE))
    assert (answer.status_code, answer.headers["content-type"]) == (200, row["content_type"])
    assert answer.content == (folder / "two/report.json").read_bytes()
    assert len(answer.content) == row["content_length"]


def test_products_of_others_are_followed_by_the_names_in_their_headers(database_url, serve, tmp_path: Path):
    names = {"PRO_REC1_RAW1_NAME": f"{RAW}.fits", "PRO_REC1_CAL1_NAME": "gone.fits"}
    _write(tmp_path / "product.fits", PRO_CATG="COADDED_IMG", **names)
    _write(tmp_path / f"{RAW}.fits", DPR_CATG="SCIENCE")
    engine = connect(database_url)
    ingest(Index(engine), [tmp_path])
    engine.dispose()
    with serve(Settings(database_url=database_url)) as client:
        rows = _links(client, "product")
    assert [row["semantics"] for row in rows] == ["#this", "#documentation", "#progenitor"]


def test_a_product_with_pixels_has_a_picture(database_url, serve, tmp_path: Path):
    header = fits.Header({"INSTRUME": "NAOS+CONICA"})
    header["HIERARCH ESO PRO CATG"] = "COADDED_IMG"
    header["HIERARCH ESO PRO REC1 RAW1 NAME"] = f"{RAW}.fits"
    pixels = np.arange(6.0).reshape(2, 3)
    for name in ("product", "torn"):
        fits.PrimaryHDU(pixels, header).writeto(tmp_path / f"{name}.fits")
    _write(tmp_path / f"{RAW}.fits", DPR_CATG="SCIENCE")
    engine = connect(database_url)
    ingest(Index(engine), [tmp_path])
    engine.dispose()
    (tmp_path / "torn.fits").write_bytes(b"")
    with serve(Settings(database_url=database_url, public_url=BASE)) as client:
        assert [row["semantics"] for row in _links(client, "torn")] == [
            "#this",
            "#documentation",
            "#progenitor",
        ]
        assert client.get("/previews/v1/files/torn/preview").status_code == 404
        (row,) = (row for row in _links(client, "product") if row["semantics"] == "#preview")
        assert (row["content_type"], row["eso_category"], row["eso_origfile"]) == ("image/png", "", "")
        path = row["access_url"].removeprefix(BASE)
        picture = client.get(path)
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
        assert imread(io.BytesIO(picture.content), format="png").shape == pixels.shape
        again = client.get(path, headers={"If-None-Match": picture.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.head(path).headers["content-length"] == picture.headers["content-length"]
        nothing = client.get(f"/previews/v1/files/{RAW}/preview")
        assert (nothing.status_code, "neither an image nor a spectrum" in nothing.text) == (404, True)
        assert client.get("/previews/v1/files/NOPE/preview").status_code == 404


def test_a_frame_without_a_file_has_no_length(database_url, serve, tmp_path: Path):
    (tmp_path / "rows.csv").write_text(f"dp_id,dp_cat,exp_start\n{RAW},SCIENCE,2012-03-15T03:55:04Z\n")
    engine = connect(database_url)
    ingest(Index(engine), [tmp_path])
    engine.dispose()
    with serve(Settings(database_url=database_url)) as client:
        rows = _links(client, RAW)
    assert len(rows) == 4
    assert np.ma.is_masked(rows[0]["content_length"])


@pytest.mark.parametrize(
    ("dp_id", "fault"),
    [("NACO.unknown", "NotFoundFault"), (LOCKED, "DefaultFault"), ("", "NotFoundFault")],
)
def test_what_is_not_here_or_not_for_you_has_a_row_with_the_error(
    archive: httpx.Client, dp_id: str, fault: str
):
    (row,) = _links(archive, f"ivo://eso.org/ID?{dp_id}")
    assert row["error_message"] == f"{fault}: you have no permission or the file does not exist"
    assert (row["access_url"], row["semantics"], row["ID"]) == ("", "#this", f"ivo://eso.org/ID?{dp_id}")


def test_several_ids_are_answered_in_their_order_by_any_spelling_of_the_parameter(archive: httpx.Client):
    asked = f"id=ivo://eso.org/ID?{STATIC}&Id={RAW}&ID=nothing&iD={STATIC}"
    for answer in (
        archive.get(f"{PATH}?{asked}"),
        archive.post(PATH, content=asked, headers={"Content-Type": "application/x-www-form-urlencoded"}),
    ):
        ids = re.findall(r"<TR>\s*<TD>(.*?)</TD>", answer.text)
        assert list(dict.fromkeys(ids)) == [
            f"ivo://eso.org/ID?{STATIC}",
            f"ivo://eso.org/ID?{RAW}",
            "nothing",
        ]


def test_without_an_id_the_table_is_empty(archive: httpx.Client):
    assert _links(archive) == []


def _of(results: DatalinkResults, semantics: str) -> list[DatalinkRecord]:
    # Narrower terms would be looked up in IVOA's vocabulary on the internet.
    return list(results.bysemantics(semantics, include_narrower=False))


def test_pyvo_finds_the_links_by_their_semantics(archive: httpx.Client):
    results = DatalinkResults.from_result_url(f"{archive.base_url}{PATH}?ID={RAW}")
    (this,) = _of(results, "#this")
    assert this.access_url == f"{BASE}/dataPortal/file/{RAW}"
    (log,) = _of(results, f"{ESO}night_log")
    assert (log.content_type, log.content_length) == ("text/plain", 10_000)
    (raw2raw,) = _of(results, f"{ESO}calSelector_raw2raw")
    assert raw2raw.content_type == "application/x-votable+xml"
    products = DatalinkResults.from_result_url(f"{archive.base_url}{PATH}?ID={SCIENCE}")
    assert len(_of(products, "#progenitor")) == 2


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ("file", f"/dataPortal/file/{RAW}"),
        ("calSelector_raw2raw", f"dp_id={RAW}&mode=Raw2Raw&responseformat=votable"),
        ("CALSELECTOR_RAW2MASTER", f"dp_id={RAW}&mode=Raw2Master&responseformat=votable"),
    ],
)
def test_eso_download_leads_to_the_object(archive: httpx.Client, wanted: str, place: str):
    answer = archive.get(PATH, params={"ID": f"ivo://eso.org/ID?{RAW}", "eso_download": wanted})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(BASE)
    assert answer.headers["location"].endswith(place)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (f"ID={RAW}&eso_download=data_documentation", "there is no eso_download=data_documentation"),
        ("eso_download=file", "needs one ID"),
        (f"ID={RAW}&RESPONSEFORMAT=json", "links are a VOTable"),
        ("&".join(f"ID={number}" for number in range(1001)), "at most 1000"),
    ],
)
def test_requests_that_make_no_sense_are_told_why(archive: httpx.Client, query: str, said: str):
    answer = archive.get(f"{PATH}?{query}")
    assert (answer.status_code, said in answer.text) == (400, True)


def test_a_large_form_is_refused(archive: httpx.Client):
    answer = httpx.post(f"{archive.base_url}{PATH}", data={"ID": "x" * 5_000_000}, timeout=60)
    assert (answer.status_code, "the most is 4194304" in answer.text) == (413, True)


@settings(max_examples=100)
@given(
    st.text(max_size=30) | st.sampled_from(["<TD>", "]]>", "&amp;", "\r\n", "\ud7ff\ue000", "\ufffe", "\x00"])
)
def test_whatever_the_id_the_table_is_valid(archive: httpx.Client, dp_id: str):
    (row,) = _links(archive, dp_id)
    assert "NotFoundFault" in row["error_message"]


@pytest.mark.skipif(not SAMPLES.exists(), reason="needs ESO's sample answers")
@pytest.mark.parametrize(
    ("sample", "dp_id", "same"),
    [
        ("modern_muse_datalink.vot", PACKED, PACKED),
        ("uves_calib_datalink.vot", STATIC, "M.UVES.2022-02-24T17:04:11.596"),
    ],
)
def test_the_bytes_are_esos_but_for_addresses_and_sizes(
    archive: httpx.Client, sample: str, dp_id: str, same: str
):
    wanted = (SAMPLES / sample).read_text()
    for eso in ("https://dataportal.eso.org", "https://archive.eso.org"):
        wanted = wanted.replace(eso, BASE)
    size = r"<TD>\d+</TD>"
    written = re.sub(size, "", _text(archive, f"ivo://eso.org/ID?{dp_id}")).replace(dp_id, same)
    written = written.replace("<TD>IMG_STD_CATALOG</TD>", "<TD />")
    assert written == re.sub(size, "", wanted)
