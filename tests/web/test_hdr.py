from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from astropy.io import fits
from astroquery.eso import Eso
from hypothesis import given
from hypothesis import strategies as st

from app.archive.database import connect
from app.archive.index import Index
from app.config import Settings
from app.header import Header
from app.ingest import ingest
from app.web.hdr import simple, written

FILED = "UVES.2012-03-12T04:00:00.000"
LISTED = "UVES.2012-03-12T05:00:00.000"
SAMPLES = Path(__file__).parents[3] / "shared/samples"


@pytest.fixture(scope="module")
def archive(make_shared_database, serve, tmp_path_factory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("headers")
    header = fits.Header()
    header["INSTRUME"] = ("UVES", "the <instrument> & more")
    header["ARCFILE"] = f"{FILED}.fits"
    header["EXPTIME"] = 10.5
    header["HIERARCH ESO DET READ SPEED"] = "225kHz,1x1,low"
    header["HIERARCH ESO DET DIT"] = (2, "a = b")
    header["HIERARCH ESO INS LAMP ST"] = True
    header["NOTHING"] = (None, "without a value")
    header["HISTORY"] = "scaled by x = y"
    header["COMMENT"] = "z = 3"
    header["HIERARCH ESO OBS PATH"] = "a/b"
    fits.PrimaryHDU(header=header).writeto(folder / "x.fits")
    rows = f"dp_id,dp_cat,object,det_dit,exp_start\n{LISTED},SCIENCE,NGC 'x' <1>,1e-05,2012-03-12T05:00:00Z\n"
    (folder / "rows.csv").write_text(rows)
    url = make_shared_database()
    engine = connect(url)
    assert ingest(Index(engine), [folder]).skipped == []
    engine.dispose()
    with serve(Settings(database_url=url)) as client:
        yield client


def _as_astroquery_reads(answer: httpx.Response) -> dict[str, Any]:
    eso = Eso()
    eso._request = lambda *_, **__: answer
    (row,) = eso.get_headers(["X"])
    return dict(row)


def test_astroquery_reads_the_header_of_a_file(archive: httpx.Client):
    row = _as_astroquery_reads(archive.get("/hdr", params={"DpId": FILED}))
    assert row["INSTRUME"].strip() == "UVES"
    assert row["EXPTIME"] == 10.5
    assert row["HIERARCH ESO DET READ SPEED"] == "225kHz,1x1,low"
    assert row["HIERARCH ESO DET DIT"] == 2
    assert row["HIERARCH ESO INS LAMP ST"]
    assert "NOTHING" not in row
    assert not [key for key in row if key.startswith("HISTORY")]


def test_astroquery_reads_the_keywords_of_a_frame_without_a_file(archive: httpx.Client):
    row = _as_astroquery_reads(archive.get("/hdr", params={"DpId": LISTED}))
    assert row["OBJECT"].rstrip() == "NGC ''x'' <1>"
    assert row["HIERARCH ESO DET DIT"] == 1e-5
    page = archive.get(f"/hdr?dpid={LISTED}").text
    assert "COMMENT Written from the keywords of the index: the file itself is not here." in page


def test_the_cards_are_as_they_stand_in_the_file_and_safe_in_a_page(archive: httpx.Client):
    answer = archive.get(f"/hdr?DpId={FILED}")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "INSTRUME= &#x27;UVES    &#x27;           / the &lt;instrument&gt; &amp; more\n" in answer.text
    assert "COMMENT NOTHING =" in answer.text
    assert answer.text.count("<pre>") == 1
    assert "\nEND</pre>" in answer.text


@pytest.mark.parametrize("query", ["", "DpId=A&DpId=B", "Dp=1"])
def test_a_request_that_names_no_single_frame_is_told_how(archive: httpx.Client, query: str):
    answer = archive.get(f"/hdr?{query}")
    assert (answer.status_code, "ERROR   = &#x27;name one frame, as in " in answer.text) == (400, True)
    assert _as_astroquery_reads(answer)["ERROR"].startswith("name one frame")


@pytest.mark.parametrize("dp_id", ["UVES.X", "", "%00", "../../etc/passwd", "<script>"])
def test_an_unknown_frame_is_told(archive: httpx.Client, dp_id: str):
    answer = archive.get("/hdr", params={"DpId": dp_id})
    assert answer.status_code == 404
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in answer.text
    assert answer.text.count("<pre>") == 1
    assert "is not in this archive" in _as_astroquery_reads(answer)["ERROR"]


def test_an_error_is_json_for_who_asks_for_json(archive: httpx.Client):
    answer = archive.get("/hdr?DpId=UVES.X", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (404, "UnknownFrameError")


_NAMES = st.from_regex(r"[A-Z][A-Z0-9_-]{0,7}|[A-Z]{1,5}(\.[A-Z0-9]{1,8}){1,4}", fullmatch=True)
_VALUES = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80)
)


def _read(lines: list[str]) -> dict[str, object]:
    """As astroquery.eso get_headers reads the lines of a page."""
    header: dict[str, object] = {}
    for line in lines:
        if "=" not in line:
            continue
        key, value = line.split("=", 1)
        key, value = key.strip(), value.split("/", 1)[0].strip()
        if key[0:7] == "COMMENT":
            continue
        if value in ("T", "F"):
            header[key] = value == "T"
        elif value[0] == "'":
            header[key] = value[1:-1]
        else:
            header[key] = float(value) if "." in value or "E" in value else int(value)
    return header


@given(st.dictionaries(_NAMES, _VALUES, max_size=8))
def test_every_keyword_is_read_back_with_its_value(keywords):
    cards = [simple(card) for card in written(Header(keywords))]
    read = _read(cards)
    for name, value in keywords.items():
        if name.startswith("COMMENT") or name == "CONTINUE":
            continue
        key = f"HIERARCH ESO {name.replace('.', ' ')}" if "." in name else name
        if not isinstance(value, str):
            assert read[key] == value
        elif "/" not in value and value.isprintable():
            assert read[key].rstrip() == value.replace("'", "''").rstrip()


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80) | _NAMES.map(lambda n: f"{n} = ")
)
def test_no_card_makes_a_client_stumble(card: str):
    _read([simple(card)])


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("X       =                1.0D3 / c", "X       =                1.0E3 / c"),
        ("X       =                 1e-5", "X       =                 1E-5"),
        ("X       = (1.0, 2.0)", "COMMENT X       = (1.0, 2.0)"),
        ("HISTORY a = 3", "COMMENT HISTORY a = 3"),
        ("CONTINUE  'a = 3'", "COMMENT CONTINUE  'a = 3'"),
        ("COMMENT a = ", "COMMENT a = "),
        ("HIERARCH ESO A B = 'x=y/z' / w", "HIERARCH ESO A B = 'x=y/z' / w"),
    ],
)
def test_only_what_clients_cannot_read_is_written_otherwise(card: str, said: str):
    assert simple(card) == said


@pytest.mark.skipif(not (SAMPLES / "headers").exists(), reason="needs ESO's sample headers")
def test_real_headers_stay_as_they_are_and_can_be_read():
    for path in (SAMPLES / "headers").glob("*.hdr"):
        lines = path.read_text("latin-1").splitlines()
        assert len(_read([simple(line) for line in lines])) > 300
        changed = [line for line in lines if simple(line) != line]
        assert len(changed) <= 0.02 * len(lines), changed
