from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from processing.simulate import measure_naco, naco
from processing.simulate.fits import write_image
from processing.simulate.naco import STARS, Setup, Star

PLACES = st.floats(180.0, 330.0)


@settings(deadline=None, max_examples=20)
@given(PLACES, PLACES, st.floats(1e3, 1e6))
def test_a_field_holds_the_light_of_its_star(x: float, y: float, flux: float) -> None:
    total = float(naco.field([Star(x, y, flux)], 0.0, 0.0).sum(dtype=np.float64))
    assert total == pytest.approx(flux, rel=0.01)


@settings(deadline=None, max_examples=20)
@given(PLACES, PLACES, st.floats(-50, 50), st.floats(-50, 50))
def test_aperture_photometry_gives_back_the_flux_of_a_star_anywhere(
    x: float, y: float, dx: float, dy: float
) -> None:
    image = naco.field([Star(x, y, 1e5)], dx, dy).astype(np.float64) + 1000.0
    assert measure_naco.photometry(image, x + dx, y + dy) == pytest.approx(1e5, rel=0.003)


@pytest.mark.parametrize("radius", [2.0, 5.0, 12.0])
def test_the_encircled_energy_is_the_integral_of_the_profile(radius: float) -> None:
    total, _ = quad(lambda r: 2 * np.pi * r * float(naco.profile(np.array(r))), 0, radius, limit=200)
    assert naco.encircled(radius) == pytest.approx(total, rel=1e-5)


def test_stars_outside_the_array_are_cut_not_wrapped() -> None:
    assert naco.field([Star(-200.0, 100.0, 1e5)], 0.0, 0.0).sum() == 0


def test_two_set_ups_share_their_hot_pixels_but_not_their_illumination() -> None:
    ks, j = naco.detector(1, Setup()), naco.detector(1, Setup(filter="J"))
    assert np.array_equal(ks.dark, j.dark)
    assert not np.array_equal(ks.flat, j.flat)


def test_more_integrations_average_the_noise_away() -> None:
    chip = naco.detector(1)
    one, sixteen = (
        naco.expose(2000.0, chip, np.random.default_rng(3), ndit) - chip.dark - 2000.0 * chip.flat
        for ndit in (1, 16)
    )
    assert one.std() / sixteen.std() == pytest.approx(4.0, rel=0.01)


def test_no_star_saturates() -> None:
    assert naco.SKY + naco.field(STARS, 0.0, 0.0).max() < 15000  # NACO user manual: HighDynamic well


def test_every_star_stays_on_the_array_in_every_frame() -> None:
    margin = measure_naco.SKY_OUTER
    for dx, dy in naco.OFFSETS:
        assert all(margin < s.x + dx < naco.SIZE - margin for s in STARS)
        assert all(margin < s.y + dy < naco.SIZE - margin for s in STARS)


def test_lamp_flats_begin_with_the_lamp_on_and_alternate() -> None:
    states = [naco.setup_cards("LAMPFLAT", Setup(), n)["INS.LAMP2.SET"] for n in range(4)]
    assert states == [3, 0, 3, 0]


def test_an_unknown_template_is_refused() -> None:
    with pytest.raises(ValueError, match="CORONOGRAPHY"):
        naco.signal("CORONOGRAPHY", 0)


@pytest.mark.parametrize(("factor", "good"), [(1.0, True), (0.97, False), (1.03, False)])
def test_fluxes_pass_within_two_per_cent_and_fail_beyond(tmp_path: Path, factor: float, good: bool) -> None:
    write_image(tmp_path / "stack.fits", factor * naco.field(STARS, 31.0, 24.0), {})
    found = measure_naco.fluxes(tmp_path / "stack.fits", STARS)
    assert len(found) == len(STARS)
    assert all(measurement.ok is good for measurement in found)


def test_a_dark_of_another_level_fails(tmp_path: Path) -> None:
    write_image(tmp_path / "dark.fits", np.full((64, 64), naco.DARK + 5, np.float32), {})
    assert not measure_naco.dark(tmp_path / "dark.fits")[0].ok


def test_the_flat_that_was_simulated_passes_and_a_smooth_one_fails(tmp_path: Path) -> None:
    write_image(tmp_path / "flat.fits", naco.detector(1).flat, {})
    write_image(tmp_path / "smooth.fits", np.ones((64, 64), np.float32), {})
    assert measure_naco.flat(tmp_path / "flat.fits")[0].ok
    assert not measure_naco.flat(tmp_path / "smooth.fits")[0].ok
