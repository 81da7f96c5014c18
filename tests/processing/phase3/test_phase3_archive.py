"""An archive product that goes back into the archive is found there, and leads to what it was made from."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from astropy.io import fits
from astropy.io.votable import parse_single_table

from app.archive.database import connect
from app.archive.index import Index
from app.config import ROOT, Settings
from app.header import read_header
from app.ingest import ingest, use_rules
from app.rights import Lock, lock_of, release_of
from app.rulebook import load_library
from processing.phase3.package import Packaged

RULES = Path(__file__).parents[2] / "data/web/rules"  # of UVES and NACO: of the others every keyword is kept
PUBLIC = "https://calsel.example.org"
LOCKED_FOR = 36_500  # days
TYPES = {"image": "image", "mosaic": "image", "spectrum": "spectrum", "cube": "cube"}


@pytest.fixture(scope="module")
def archive(
    make_shared_database: Callable[[], str],
    serve: Callable[[Settings], AbstractContextManager[httpx.Client]],
    cases: Mapping[str, Any],
    packaged: Mapping[str, Packaged],
) -> Iterator[httpx.Client]:
    """Raw frames, and of them nothing but the archive products; those of UVES are locked."""
    url = make_shared_database()
    engine = connect(url)
    index = Index(engine)
    use_rules(index, load_library(RULES), RULES)
    for kind, made in packaged.items():
        files = [*cases[kind].raws, *(file.path for file in made.files)]
        days = LOCKED_FOR if kind == "spectrum" else 0
        assert ingest(index, files, proprietary_days=days).skipped == []
    engine.dispose()
    with serve(Settings(database_url=url, public_url=PUBLIC)) as client:
        yield client


def ask(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    told = client.post("/tap_obs/sync", data={"QUERY": query, "LANG": "ADQL", "FORMAT": "json"})
    assert told.status_code == 200, told.text
    answer = told.json()
    names = [column["name"] for column in answer["metadata"]]
    return [dict(zip(names, row, strict=True)) for row in answer["data"]]


def name_of(packaged: Packaged) -> str:
    return packaged.files[0].path.name.removesuffix(".fits")


def row_of(client: httpx.Client, packaged: Packaged) -> dict[str, Any]:
    (row,) = ask(client, f"SELECT * FROM ivoa.ObsCore WHERE dp_id = '{name_of(packaged)}'")
    return row


def links_of(client: httpx.Client, dp_id: str, semantics: str) -> list[str]:
    told = client.get("/datalink/links", params={"ID": f"ivo://eso.org/ID?{dp_id}"})
    table = parse_single_table(io.BytesIO(told.content)).to_table()
    return [str(row["access_url"]) for row in table if row["semantics"] == semantics]


@pytest.mark.parametrize("kind", TYPES)
def test_obscore_lists_it_with_its_observation(
    archive: httpx.Client, cases: Mapping[str, Any], packaged: Mapping[str, Packaged], kind: str
) -> None:
    first, header = cases[kind].raws[0], fits.getheader(packaged[kind].files[0].path)
    assert "ARCFILE" not in header
    row, dp_id = row_of(archive, packaged[kind]), name_of(packaged[kind])
    assert row["dataproduct_type"] == TYPES[kind]
    assert row["dataproduct_subtype"] == header["ESO PRO CATG"]
    assert row["target_name"] == header["OBJECT"] == "FIELD"
    assert row["obs_id"] == first.name.removesuffix(".fits")
    assert row["obs_publisher_did"] == f"ivo://eso.org/ID?{dp_id}"
    assert row["access_url"] == f"{PUBLIC}/dataPortal/file/{dp_id}"
    assert row["proposal_id"] == "088.D-0512(A)"
    assert (row["t_min"], row["t_max"]) == pytest.approx((header["MJD-OBS"], header["MJD-END"]), abs=1e-9)
    assert row["t_exptime"] == header["EXPTIME"]
    assert (row["s_ra"], row["s_dec"]) == pytest.approx((header["RA"], header["DEC"]))
    assert (row["obs_release_date"] or "")[:4] == ("2112" if kind == "spectrum" else "")


@pytest.mark.parametrize("kind", TYPES)
def test_obscore_tells_what_the_product_says_of_its_quality(
    archive: httpx.Client, packaged: Mapping[str, Packaged], kind: str
) -> None:
    header, row = fits.getheader(packaged[kind].files[0].path), row_of(archive, packaged[kind])
    said = {"snr": "SNR", "em_res_power": "SPEC_RES", "abmaglim": "ABMAGLIM", "filter": "FILTER"}
    assert {name: row[name] for name in said} == {name: header.get(said[name]) for name in said}
    if kind in ("spectrum", "cube"):  # nanometres there, metres here
        limits = (header["WAVELMIN"] * 1e-9, header["WAVELMAX"] * 1e-9)
        assert (row["em_min"], row["em_max"]) == pytest.approx(limits)
    else:
        assert row["em_min"] is row["em_max"] is None


def test_obscore_lists_products_and_not_what_goes_with_them(
    archive: httpx.Client, packaged: Mapping[str, Packaged]
) -> None:
    assert any(len(made.files) > 1 for made in packaged.values())
    listed = {row["dp_id"] for row in ask(archive, "SELECT dp_id FROM ivoa.ObsCore")}
    assert listed == {name_of(made) for made in packaged.values()}


@pytest.mark.parametrize("kind", ["image", "mosaic", "cube"])
def test_it_leads_to_the_raw_frames_that_it_names(
    archive: httpx.Client, cases: Mapping[str, Any], packaged: Mapping[str, Packaged], kind: str
) -> None:
    progenitors = links_of(archive, name_of(packaged[kind]), "#progenitor")
    names = {path.name.removesuffix(".fits") for path in cases[kind].raws}
    assert set(progenitors) == {f"{PUBLIC}/dataPortal/file/{name}" for name in names}
    assert len(progenitors) == len(names)


def test_a_product_of_a_locked_frame_is_locked_with_all_that_goes_with_it(
    archive: httpx.Client, packaged: Mapping[str, Packaged]
) -> None:
    for file in packaged["spectrum"].files:
        dp_id = file.path.name.removesuffix(".fits")
        assert archive.get(f"/dataPortal/file/{dp_id}").status_code == 401
        assert links_of(archive, dp_id, "#progenitor") == []


@pytest.mark.parametrize("kind", ["image", "spectrum"])  # of the others the recipe made a file
def test_the_programme_and_the_date_of_all_that_packaging_makes_are_known(
    packaged: Mapping[str, Packaged], kind: str
) -> None:
    for file in packaged[kind].files:
        assert lock_of("2112-01-01", read_header(file.path)) == Lock(
            datetime(2112, 1, 1, tzinfo=UTC), "088.D-0512(A)"
        )
        assert release_of(read_header(file.path), 365) == "2013-03-15T03:55:00.000Z"


def test_the_migration_gives_older_products_what_obscore_needs(
    make_database: Callable[[], str], cases: Mapping[str, Any], packaged: Mapping[str, Packaged]
) -> None:
    engine = connect(make_database())
    index = Index(engine)
    use_rules(index, load_library(RULES), RULES)
    ingest(index, [*cases["image"].raws, packaged["image"].files[0].path])
    asked = "SELECT dp_id, keywords FROM frame ORDER BY dp_id"
    with index.connection() as connection:
        wanted = connection.execute(asked).fetchall()
        connection.execute("UPDATE frame SET keywords = keywords - '{PRODCATG,PROV1,MJD-END}'::text[]")
        assert connection.execute(asked).fetchall() != wanted
    name = ROOT / "migrations/versions/0007_archive_products.py"
    spec = importlib.util.spec_from_file_location("archive_products", name)
    assert spec and spec.loader
    migration = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(migration)
    with engine.begin() as sqlalchemy, Operations.context(MigrationContext.configure(sqlalchemy)):
        migration.upgrade()
    with index.connection() as connection:
        assert connection.execute(asked).fetchall() == wanted
    engine.dispose()
