from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from app.header import parse_header
from processing.simulate.fits import card, mjd, timestamp, when, write_image, write_images, write_table

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.rstrip)
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
)
# Between two leap seconds: on the day of one, UTC days differ in length.
TIMES = st.datetimes(datetime(2009, 1, 1), datetime(2012, 6, 29)).map(lambda t: t.replace(tzinfo=UTC))


@given(st.sampled_from(["EXPTIME", "MJD-OBS", "DET.DIT", "INS.GRAT1.WLEN"]), VALUES)
def test_a_card_reads_back_with_its_value_and_its_type(key: str, value: bool | int | float | str) -> None:
    # Our own reader: astropy cuts a text at a quote before a slash.
    read = parse_header(card(key, value).encode() + f"{'END':80}".encode())
    assert list(read) == [key]
    assert read[key] == value
    assert type(read[key]) is type(value)


def test_a_whole_number_of_type_float_keeps_its_decimal_point() -> None:
    assert card("BSCALE", 1.0).startswith("BSCALE  =                  1.0 ")


@pytest.mark.parametrize(("key", "value"), [("OBJECT", "x" * 80), ("TOOLONGKEY", 1)])
def test_a_card_that_does_not_fit_is_refused(key: str, value: str | int) -> None:
    with pytest.raises(ValueError, match=key):
        card(key, value)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_an_image_reads_back_pixel_by_pixel(tmp_path: Path, kind: type) -> None:
    pixels = np.array([[0, 1, 2], [32767, 32768, 65535]], dtype=kind)
    write_image(tmp_path / "a.fits", pixels, {"OBJECT": "SKY", "DET.DIT": 2.0})
    with fits.open(tmp_path / "a.fits") as hdus:
        hdus.verify("exception")
        assert np.array_equal(hdus[0].data, pixels)
        assert hdus[0].header["ESO DET DIT"] == 2.0
    assert (tmp_path / "a.fits").stat().st_size % 2880 == 0


def test_a_cube_has_its_last_axis_first(tmp_path: Path) -> None:
    cube = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    write_image(tmp_path / "c.fits", cube, {})
    with fits.open(tmp_path / "c.fits") as hdus:
        assert [hdus[0].header[f"NAXIS{axis}"] for axis in (1, 2, 3)] == [4, 3, 2]
        assert np.array_equal(hdus[0].data, cube)


def test_image_extensions_read_back_each_with_its_cards(tmp_path: Path) -> None:
    chips = [np.array([[0, 65535]], dtype=np.uint16), np.array([[-1], [7]], dtype=np.int32)]
    heads = [{"EXTNAME": f"CHIP{number}", "DET.CHIP.LIVE": True} for number in (1, 2)]
    write_images(tmp_path / "m.fits", {"DET.DIT": 2.0}, zip(chips, heads, strict=True))
    with fits.open(tmp_path / "m.fits") as hdus:
        hdus.verify("exception")
        assert hdus[0].data is None and hdus[0].header["ESO DET DIT"] == 2.0
        assert [hdu.name for hdu in hdus[1:]] == ["CHIP1", "CHIP2"]
        for hdu, pixels in zip(hdus[1:], chips, strict=True):
            assert np.array_equal(hdu.data, pixels)
            assert hdu.header["ESO DET CHIP LIVE"] is True


def test_an_image_of_another_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="float64"):
        write_image(tmp_path / "a.fits", np.zeros((2, 2)), {})


def test_a_table_reads_back_column_by_column(tmp_path: Path) -> None:
    columns = {"WAVE": np.array([3200.5, 4000.25]), "IDENT": np.array([b"ThAr", b"Ne"], dtype="S10")}
    write_table(tmp_path / "t.fits", columns, {"PRO.CATG": "LINE_REFER_TABLE"}, {"EXTNAME": "LINES"})
    with fits.open(tmp_path / "t.fits") as hdus:
        hdus.verify("exception")
        assert hdus[0].header["ESO PRO CATG"] == "LINE_REFER_TABLE"
        assert hdus[1].name == "LINES"
        assert hdus[1].data["WAVE"].tolist() == [3200.5, 4000.25]
        assert hdus[1].data["IDENT"].tolist() == ["ThAr", "Ne"]


@given(TIMES)
def test_modified_julian_dates_agree_with_astropy(time: datetime) -> None:
    assert mjd(time) == pytest.approx(Time(time.replace(tzinfo=None), scale="utc").mjd, abs=1e-8)


@given(TIMES)
def test_a_timestamp_is_the_time_cut_to_milliseconds(time: datetime) -> None:
    assert when(timestamp(time)) == time.replace(microsecond=time.microsecond // 1000 * 1000)
