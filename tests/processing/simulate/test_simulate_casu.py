from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from processing.simulate import casu
from processing.simulate.casu import Band, Stars

STARS = Stars(np.array([10.0, 11.0]), np.array([-30.0, -31.0]), {"Kmag": np.array([14.0, 15.0])})
BANDS = (Band("J", "Jmag", 0.1, 0.9), Band("Ks", "Kmag", 0.05, 0.36, offset=1.85, zero_point=24.0))


def test_the_photometric_table_is_found_by_the_name_of_the_catalogue(tmp_path: Path) -> None:
    casu.write_catalogue(tmp_path / "c.fits", "FIELD", STARS, {})
    casu.write_photcal(tmp_path / "p.fits", "FIELD", BANDS, {})
    with fits.open(tmp_path / "c.fits") as catalogue, fits.open(tmp_path / "p.fits") as table:
        for hdus in (catalogue, table):
            hdus.verify("exception")
        assert catalogue[0].header["CATNAME"] == catalogue[1].name == table[1].name == "FIELD"


def test_a_band_reads_magnitudes_that_the_catalogue_has(tmp_path: Path) -> None:
    casu.write_catalogue(tmp_path / "c.fits", "FIELD", STARS, {})
    casu.write_photcal(tmp_path / "p.fits", "FIELD", BANDS[1:], {}, system="AB")
    with fits.open(tmp_path / "c.fits") as catalogue, fits.open(tmp_path / "p.fits") as table:
        row, columns = table[1].data[0], catalogue[1].columns.names
        assert (row["filter_name"], row["coleq_columns"], row["coleq_errcols"]) == ("Ks", "Kmag", "e_Kmag")
        assert {row["coleq_columns"], row["coleq_errcols"], "RA", "Dec"} == set(columns)
        assert row["mag_offset"] == pytest.approx(1.85)
        assert row["default_zp"] == 24.0
        assert table[1].header["PHOTOSYS"] == "AB"
        assert catalogue[1].data["RA"].tolist() == [10.0, 11.0]
        assert catalogue[1].data["RA"].dtype.itemsize == 8


def test_a_map_of_the_extinction_is_the_same_everywhere(tmp_path: Path) -> None:
    casu.write_extinction(tmp_path / "s.fits", 0.05, {"PRO.CATG": "SCHLEGEL_MAP_NORTH"})
    with fits.open(tmp_path / "s.fits") as hdus:
        assert np.unique(hdus[0].data).tolist() == [np.float32(0.05)]
        assert hdus[0].header["ESO PRO CATG"] == "SCHLEGEL_MAP_NORTH"


def test_a_static_file_is_valid_from_the_time_in_its_name() -> None:
    cards = casu.static_cards("M.HAWKI.2016-10-01T12:00:00.000", "PHOTCAL_TAB")
    assert cards["INSTRUME"] == "HAWKI"
    assert cards["MJD-OBS"] == 57662.5
    assert cards["ARCFILE"] == "M.HAWKI.2016-10-01T12:00:00.000.fits"
    assert cards["PRO.CATG"] == "PHOTCAL_TAB"


INSIDE = st.floats(30.0, 70.0)


@given(INSIDE, INSIDE, st.floats(2.0, 7.0))
def test_a_star_has_its_flux_and_its_place_wherever_it_falls(x: float, y: float, fwhm: float) -> None:
    image = np.zeros((101, 101))
    casu.add_stars(image, np.array([x]), np.array([y]), np.array([1000.0]), fwhm)
    rows, columns = np.indices(image.shape)
    assert image.sum() == pytest.approx(1000.0, rel=1e-6)
    assert (image * columns).sum() / image.sum() == pytest.approx(x, abs=1e-4)
    assert (image * rows).sum() / image.sum() == pytest.approx(y, abs=1e-4)


@pytest.mark.parametrize(("x", "y"), [(-200.0, 50.0), (50.0, 500.0)])
def test_a_star_far_outside_leaves_no_trace(x: float, y: float) -> None:
    image = np.zeros((101, 101))
    casu.add_stars(image, np.array([x]), np.array([y]), np.array([1000.0]), 5.0)
    assert not image.any()


def test_of_a_star_on_the_edge_half_is_seen() -> None:
    image = np.zeros((101, 101))
    casu.add_stars(image, np.array([-0.5]), np.array([50.0]), np.array([1000.0]), 5.0)
    assert image.sum() == pytest.approx(500.0, rel=1e-6)
