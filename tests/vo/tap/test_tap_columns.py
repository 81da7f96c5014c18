"""The columns against ESO's own table (public answers of its TAP service)."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from astropy.io.votable.ucd import parse_ucd
from astropy.units import Unit

from app.archive.database import connect
from app.archive.index import Index
from app.archive.storing import store
from app.classify import Frame
from app.config import Settings
from app.header import read_table
from app.vo.schema.obscore import OBSCORE
from app.vo.schema.raw import RAW

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "tables"
SAMPLE = SAMPLES / "astroquery_query_main_sgra.csv"
# What is not known here, or comes from where a row of a table does not tell it.
OTHER = {
    "access_estsize", "access_url", "datalink_url", "dec_pnt", "ra_pnt", "release_date", "det_dit",
    "ins_mode",
    "filter_path", "grat_path", "gris_path", "slit_path", "last_mod_date", "obs_mode", "prog_title",
    "prog_type",     "lambda_min", "lambda_max", "s_region", "mjd_obs", "tel_ambi_rhum",
}  # fmt: skip


@pytest.fixture
def sample() -> list[dict[str, str]]:
    if not SAMPLE.exists():
        pytest.skip("the sample of ESO's dbo.raw is not beside this checkout")
    with SAMPLE.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_column_has_a_ucd_and_a_unit_of_the_standards() -> None:
    for column in (*RAW, *OBSCORE):
        parse_ucd(column.ucd, check_controlled_vocabulary=True)
        Unit(column.unit, format="vounit")
        assert column.description


def test_dbo_raw_has_the_columns_of_esos_table(sample: list[dict[str, str]]) -> None:
    assert [column.name for column in RAW] == [name for name in sample[0] if name]


def test_obscore_has_every_mandatory_column() -> None:
    mandatory = (
        "dataproduct_type calib_level obs_collection obs_id obs_publisher_did access_url access_format "
        "access_estsize target_name s_ra s_dec s_fov s_region s_resolution s_xel1 s_xel2 t_min t_max "
        "t_exptime t_resolution t_xel em_min em_max em_res_power em_xel o_ucd pol_states pol_xel "
        "facility_name instrument_name"
    )
    assert set(mandatory.split()) <= {column.name for column in OBSCORE if column.utype}


def test_rows_of_esos_table_come_back_as_they_went_in(
    sample: list[dict[str, str]], database_url: str, serve: Callable[..., Any]
) -> None:
    engine = connect(database_url)
    index = Index(engine)
    frames = [Frame(dp_id, header) for dp_id, header, *_ in read_table(SAMPLE)]
    with index.connection() as connection:
        store(connection, {}, frames)
    engine.dispose()
    client: httpx.Client
    with serve(Settings(database_url=database_url)) as client:
        told = client.get(
            "/tap_obs/sync",
            params={"QUERY": "SELECT * FROM dbo.raw ORDER BY exp_start, dp_id", "FORMAT": "json"},
        ).json()
    names = [each["name"] for each in told["metadata"]]
    found = {row[names.index("dp_id")]: dict(zip(names, row, strict=True)) for row in told["data"]}
    assert len(found) == len(sample)
    kinds = {column.name: column.kind for column in RAW}
    for row in sample:
        mine = found[row["dp_id"]]
        for name in names:
            if name in OTHER or row[name] == "":
                continue
            if name == "ecl_lon":
                # ESO's runs the other way: 273.15 at ra 266.41, dec -29.01, whose longitude is 266.85.
                assert mine[name] == pytest.approx(540 - float(row[name]), abs=2e-3)
            elif name in ("ecl_lat", "gal_lat", "gal_lon"):
                assert mine[name] == pytest.approx(float(row[name]), abs=2e-3)
            elif name == "exp_start":
                assert mine[name][:19] == row[name][:19] or mine[name][:17] == row[name][:17]
            elif kinds[name] == "number":
                assert mine[name] == pytest.approx(float(row[name])), name
            else:
                assert mine[name] == row[name], name
        assert mine["mjd_obs"] == pytest.approx(float(row["mjd_obs"]), abs=5e-3)  # ESO's has single precision
        words, own = row["s_region"].split(), mine["s_region"].split()
        assert own[:2] == words[:2] == ["POSITION", "J2000"]
        assert [float(word) for word in own[2:]] == pytest.approx(
            [float(word) for word in words[2:]], abs=1e-5
        )
