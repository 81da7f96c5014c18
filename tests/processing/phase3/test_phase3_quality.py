from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.phase3.headers import barycentre, distance, surrounds
from processing.phase3.notes import Absent
from processing.phase3.photometry import ZeroPoint, broad_band
from processing.phase3.quality import Width, background, faintest_flux, star_width
from processing.phase3.spectra import dicd_unit

ALL = np.ones((150, 160), bool)


def field(fwhm: float, seed: int, noise: float = 1.0) -> np.ndarray:
    """Four stars of 500 sigma and a faint one."""
    y, x = np.mgrid[:150, :160]
    image = np.random.default_rng(seed).normal(10.0, noise, ALL.shape)
    for row, column, peak in ((30, 40, 500), (30, 120, 450), (110, 40, 400), (110, 120, 350), (75, 80, 15)):
        distance = (x - column - 0.4) ** 2 + (y - row + 0.3) ** 2
        image += peak * noise * np.exp(-4 * np.log(2) * distance / fwhm**2)
    return image


@settings(max_examples=20)
@given(fwhm=st.floats(1.8, 6.0), seed=st.integers(0, 2**32))
def test_the_width_of_stars_is_found_at_any_width(fwhm: float, seed: int) -> None:
    width = star_width(field(fwhm, seed), ALL)
    assert isinstance(width, Width)
    assert width.stars >= 4
    assert width.fwhm == pytest.approx(fwhm, rel=0.03)


@settings(max_examples=20)
@given(fwhm=st.floats(1.8, 4.0), noise=st.floats(0.1, 100.0), seed=st.integers(0, 2**32))
def test_the_faintest_star_stands_five_sigma_out_of_white_noise(fwhm: float, noise: float, seed: int) -> None:
    found = faintest_flux(np.random.default_rng(seed).normal(0, noise, ALL.shape), ALL, fwhm)
    # Optimal extraction on uncorrelated noise: sigma times the root of the noise pixels of a Gaussian.
    assert found == pytest.approx(5 * noise * fwhm * np.sqrt(np.pi / (2 * np.log(2))), rel=0.15)


@settings(max_examples=30)
@given(level=st.floats(-1e4, 1e4), noise=st.floats(0.01, 1e3), seed=st.integers(0, 2**32))
def test_stars_do_not_raise_the_background(level: float, noise: float, seed: int) -> None:
    image = np.random.default_rng(seed).normal(level, noise, ALL.shape)
    image[:5] += 1000 * noise
    found, sigma = background(image, ALL)
    assert found == pytest.approx(level, abs=0.1 * noise)
    assert sigma == pytest.approx(noise, rel=0.08)


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (np.random.default_rng(1).normal(0, 1, (150, 160)), "no star"),
        (np.zeros((150, 160)), "no noise"),
        (np.zeros((20, 160)), "160 x 20 pixels, too small"),
    ],
)
def test_an_image_without_stars_has_no_width_and_a_reason(image: np.ndarray, why: str) -> None:
    width = star_width(image, np.ones(image.shape, bool))
    assert isinstance(width, Absent)
    assert why in width.why


def test_a_hot_pixel_is_no_star() -> None:
    image = np.random.default_rng(1).normal(0, 1, ALL.shape)
    image[75, 80] = 5000.0
    assert isinstance(star_width(image, ALL), Absent)


def test_a_flat_spectrum_of_the_ab_system_has_the_magnitude_it_is_defined_with() -> None:
    low, high, light = 4800.0, 9300.0, 2.99792458e18
    wave = np.linspace(low, high, 200_001)
    density = 3.631e-20 * light / wave**2  # magnitude 0 at any wavelength, per angstrom
    mean = np.trapezoid(density, wave) / (high - low)
    assert broad_band(1.0, low, high).magnitude - 2.5 * np.log10(mean) == pytest.approx(0.0, abs=1e-3)


def test_only_known_filters_go_from_vega_to_ab() -> None:
    zero = ZeroPoint(20.0, None, "VEGA")
    assert zero.ab("Ks") == pytest.approx(21.85)
    assert isinstance(zero.ab("NB_1.64"), Absent)
    assert ZeroPoint(20.0, None, "AB").ab("NB_1.64") == 20.0


@pytest.mark.parametrize(
    ("said", "spelled"),
    [
        ("ADU", "adu"),
        ("10^-16 erg/cm^2/s/Angstrom", "10**(-16)erg.s**(-1).cm**(-2).angstrom**(-1)"),
        ("10**(-20)*erg/s/cm**2/Angstrom", "10**(-20)erg.s**(-1).cm**(-2).angstrom**(-1)"),
        ("erg/s/cm^2/Angstrom", "erg.s**(-1).cm**(-2).angstrom**(-1)"),
        ("count", "count"),
    ],
)
def test_units_are_spelled_as_eso_does(said: str, spelled: str) -> None:
    assert dicd_unit(said) == spelled


@given(ra=st.floats(0, 360), dec=st.floats(-80, 80), east=st.floats(-3, 3), north=st.floats(-3, 3))
def test_a_square_on_the_sky_surrounds_what_lies_in_it_and_nothing_else(
    ra: float, dec: float, east: float, north: float
) -> None:
    half = 1.0  # degrees
    stretch = np.cos(np.radians(dec))
    corners = np.array(
        [[ra + x * half / stretch, dec + y * half] for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    )
    inside = max(abs(east), abs(north))
    if abs(inside - half) > 0.2:  # parallels are no great circles
        assert surrounds(corners, (ra + east / stretch) % 360, dec + north) == (inside < half)


def test_the_middle_of_places_around_the_zero_of_right_ascension_is_between_them() -> None:
    assert barycentre([(359.0, 10.0), (1.0, 10.0)])[0] in (pytest.approx(0.0, abs=1e-9), pytest.approx(360.0))


@given(ra=st.floats(0, 360), dec=st.floats(-89, 89), away=st.floats(0, 1))
def test_the_distance_along_a_meridian_is_the_difference_in_declination(
    ra: float, dec: float, away: float
) -> None:
    assert distance((ra, dec), (ra - 360, dec + away)) == pytest.approx(away, abs=1e-6)
