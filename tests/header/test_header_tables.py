from __future__ import annotations

import csv
import gzip
import warnings
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from astropy.io.votable import from_table, writeto
from astropy.table import Table
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import HeaderError
from app.header import Header, read_header, read_table

SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples"
real_tables = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no sample tables at {SAMPLES}")

HEAD = "dp_id,dp_cat,object,target,ob_id,det_dit,ins_slit1_wid,ins_filt1_name,exp_start,mjd_obs,period"
ROW = (
    "NACO.2007-11-11T02:38:36.826,SCIENCE,1685,Toro,200187889,2.0,0.4,5,2007-11-11T02:38:36.827Z,54415.11,80"
)


def table(path: Path, *lines: str) -> Path:
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "T.CSV"])
def test_a_row_is_a_header_with_the_keywords_of_its_columns(tmp_path: Path, name: str) -> None:
    [(dp_id, header, _)] = read_table(table(tmp_path / name, HEAD, ROW))
    assert dp_id == "NACO.2007-11-11T02:38:36.826"
    assert dict(header) == {
        "INSTRUME": "NAOS+CONICA",
        "ARCFILE": "NACO.2007-11-11T02:38:36.826.fits",
        "DPR.CATG": "SCIENCE",
        "OBJECT": "1685",
        "OBS.TARG.NAME": "Toro",
        "OBS.ID": 200187889,
        "DET.DIT": 2.0,
        "INS.SLIT1.WID": 0.4,
        "INS.FILT1.NAME": "5",
        "DATE-OBS": "2007-11-11T02:38:36.827",
        "MJD-OBS": pytest.approx(54415 + (2 * 3600 + 38 * 60 + 36.827) / 86400, abs=1e-9),
    }


def test_the_single_precision_mjd_obs_of_the_archive_counts_only_without_a_start(tmp_path: Path) -> None:
    [(_, header, _)] = read_table(table(tmp_path / "t.csv", "dp_id,mjd_obs", "UVES.1,56531.047"))
    assert dict(header) == {"INSTRUME": "UVES", "ARCFILE": "UVES.1.fits", "MJD-OBS": 56531.047}


def test_an_empty_cell_is_an_absent_keyword(tmp_path: Path) -> None:
    [(_, header, _)] = read_table(table(tmp_path / "t.csv", "dp_id,object,det_dit,exp_start", "UVES.1,, ,"))
    assert set(header) == {"INSTRUME", "ARCFILE"}


@pytest.mark.parametrize(
    ("dp_id", "instrument"),
    [
        ("SPHER.x", "SPHERE"),
        ("CRIRE.x", "CRIRES"),
        ("FORS2.x", "FORS2"),
        ("VCAM.x", "VIRCAM"),
        ("NACO.x", "NAOS+CONICA"),
    ],
)
def test_the_instrument_comes_from_the_dp_id_unless_a_column_says_it(
    tmp_path: Path, dp_id: str, instrument: str
) -> None:
    lines = ("dp_id,instrument", f"{dp_id},", f"{dp_id},OTHER")
    assert [header["INSTRUME"] for _, header, _ in read_table(table(tmp_path / "t.csv", *lines))] == [
        instrument,
        "OTHER",
    ]


CELLS = st.text("ABC xyz09.,\"'&<>é", max_size=12).map(str.strip)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "dp_id": st.integers(0, 999).map(lambda n: f"UVES.{n}"),
            "object": CELLS,
            "det_dit": st.floats(0.125, 1024, width=32),
            "exposure": st.floats(1e-3, 1e3),
            "tpl_expno": st.integers(1, 99),
            "ins_mode": st.sampled_from(["RED", "1", "DICHR#1"]),
        }
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25)
@given(
    rows=ROWS,
    suffix=st.sampled_from([".vot", ".xml", ".votable", ".vot.gz"]),
    layout=st.sampled_from(["tabledata", "binary2"]),
)
def test_a_votable_and_a_csv_of_the_same_rows_give_the_same_headers(
    rows: list[dict[str, str | float]], suffix: str, layout: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    columns = Table(rows=rows, names=list(rows[0]))
    columns["det_dit"] = columns["det_dit"].astype("f4")
    path = folder / f"t{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writeto(from_table(columns), str(folder / "t"), tabledata_format=layout)
    data = (folder / "t").read_bytes()
    path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    from_csv = list(read_table(folder / "t.csv"))
    for (dp_id, expected, _), (same, header, _) in zip(from_csv, read_table(path), strict=True):
        assert dp_id == same
        assert {k: v for k, v in header.items() if k != "DET.DIT"} == {
            k: v for k, v in expected.items() if k != "DET.DIT"
        }
        assert header["DET.DIT"] == pytest.approx(expected["DET.DIT"], rel=1e-6)


def test_a_32_bit_cell_keeps_the_digits_it_was_written_with_and_a_null_is_absent(tmp_path: Path) -> None:
    path = tmp_path / "t.vot"
    path.write_text(
        '<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">'
        '<INFO name="QUERY_STATUS" value="OK"/><TABLE>'
        '<FIELD name="dp_id" datatype="char" arraysize="*"/><FIELD name="det_dit" datatype="float"/>'
        '<FIELD name="det_ndit" datatype="int"><VALUES null="-1"/></FIELD>'
        '<FIELD name="object" datatype="char" arraysize="*"/>'
        "<DATA><TABLEDATA><TR><TD>UVES.1</TD><TD>1.427049</TD><TD>13</TD><TD>nan</TD></TR>"
        "<TR><TD>UVES.2</TD><TD>NaN</TD><TD>-1</TD><TD></TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    (_, first, _), (_, second, _) = read_table(path)
    assert (first["DET.DIT"], first["DET.NDIT"], first["OBJECT"]) == (1.427049, 13, "nan")
    assert set(second) == {"INSTRUME", "ARCFILE"}


@given(moment=st.datetimes(datetime(1990, 1, 1), datetime(2026, 1, 1)))
def test_mjd_obs_is_what_astropy_computes(moment: datetime, tmp_path_factory: pytest.TempPathFactory) -> None:
    # On a day that ends in a leap second astropy's days are longer; a FITS MJD-OBS is not that subtle.
    if (moment.month, moment.day) in ((6, 30), (12, 31)):
        moment += timedelta(days=1)
    path = table(tmp_path_factory.mktemp("t") / "t.csv", "dp_id,date_obs", f"UVES.1,{moment.isoformat()}")
    [(_, header, _)] = read_table(path)
    assert header["MJD-OBS"] == pytest.approx(Time(moment.isoformat(), scale="utc").mjd, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "lines", "reason"),
    [
        ("t.csv", [], "no column dp_id; the first are none at all"),
        (
            "t.csv",
            ["Object,RA", "x,5"],
            "no column dp_id; the first are object, ra. Name the columns as dbo.raw",
        ),
        ("t.csv", ["dp_id,object", ",x"], "row 1 has no dp_id"),
        ("t.csv", ["dp_id,object", "UVES.1,x", "UVES.2"], "row 2 has 1 cells, but the first line 2 names"),
        ("t.csv", ["dp_id,exp_start", "UVES.1,yesterday"], "row 1 (UVES.1): 'yesterday' is no time"),
        ("t.csv", ["dp_id,exp_start", "UVES.1,2007-13-11T02:38:36"], "row 1 (UVES.1)"),
        ("t.csv", ["dp_id,object", 'UVES.1,"torn'], "no CSV"),
        ("t.vot", ["<html>404</html>"], "no VOTable"),
        ("t.vot", ["<VOTABLE"], "no VOTable"),
        ("t.xml", ["<VOTABLE version='1.3'></VOTABLE>"], "no VOTable"),
        ("t.txt", ["dp_id"], "no table by its name; known are .csv"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(
    tmp_path: Path, name: str, lines: list[str], reason: str
) -> None:
    path = table(tmp_path / name, *lines)
    with pytest.raises(HeaderError) as caught:
        list(read_table(path))
    assert caught.value.path == str(path)
    assert reason in caught.value.reason


def test_torn_gzip_foreign_letters_and_absent_files_are_header_errors(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(f"{HEAD}\n{ROW}\n".encode())[:-20])
    with pytest.raises(HeaderError, match="cannot be read"):
        list(read_table(path))
    path = tmp_path / "t.csv"
    path.write_bytes(b"dp_id,object\nUVES.1,Mu\xf1oz\n")
    with pytest.raises(HeaderError, match="no CSV in UTF-8"):
        list(read_table(path))
    with pytest.raises(HeaderError, match="No such file"):
        list(read_table(tmp_path / "gone.csv"))


def real(name: str) -> dict[str, Header]:
    return {dp_id: header for dp_id, header, _ in read_table(SAMPLES / "tables" / name)}


@real_tables
def test_the_real_naco_table_loads() -> None:
    rows = real("NACO_2007-11-11_dboraw.csv")
    assert len(rows) == 50
    assert {header["INSTRUME"] for header in rows.values()} == {"NAOS+CONICA"}
    header = rows["NACO.2007-11-11T02:39:14.592"]
    assert header["DPR.TECH"] == "IMAGE,JITTER"
    assert header["DET.NDIT"] == 5
    assert header["TPL.START"] == "2007-11-11T02:38:47"


@real_tables
def test_the_real_crires_tables_load() -> None:
    flats = real("CRIRES_LM_deep_flats.csv.gz")
    assert len(flats) == 914
    assert flats["CRIRE.2021-10-03T15:55:46.362"]["INS.WLEN.CWLEN"] == 3425.891
    frames = real("CRIRES_LM_science_frames.csv.gz")
    assert len(frames) == 11131
    header = frames["CRIRE.2021-09-15T23:28:05.540"]
    assert header["INSTRUME"] == "CRIRES"
    assert header["OBS.PROG.ID"] == "107.22TZ.001"
    assert header["INS.SLIT1.WID"] == 0.2
    assert header["SEQ.NODPOS"] == "A"
    assert all(isinstance(each["MJD-OBS"], float) for each in frames.values())


@real_tables
def test_the_real_answers_to_astroquery_load_with_exact_times() -> None:
    for name in ("astroquery_query_main_sgra.csv", "astroquery_query_inst_sinfoni_sgra.csv"):
        for dp_id, header in real(name).items():
            assert header["INSTRUME"] == "SINFONI"
            started = Time(dp_id.removeprefix("SINFO."), scale="utc").mjd
            assert header["MJD-OBS"] == pytest.approx(started, abs=0.01 / 86400)


@real_tables
def test_a_computed_mjd_obs_is_the_one_in_real_headers(tmp_path: Path) -> None:
    for path in sorted((SAMPLES / "headers").glob("*T*.hdr")):
        header = read_header(path)
        [(_, row, _)] = read_table(table(tmp_path / "t.csv", "dp_id,date_obs", f"X.1,{header['DATE-OBS']}"))
        # Eight decimals are written: 0.4 ms.
        assert row["MJD-OBS"] == pytest.approx(header["MJD-OBS"], abs=1e-8)
