from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.simulate import measure_visir, visir, visir_chain
from processing.simulate.fits import write_image
from processing.simulate.visir import CYCLES, NODS, STARS, THROW, Setup, Star

PLACES = st.floats(40.0, 215.0)
SETUP = Setup()
PIXELS = THROW / float(SETUP.pfov)


@settings(max_examples=20)
@given(PLACES, PLACES, st.floats(1e3, 1e6))
def test_a_field_holds_the_light_of_its_star_where_it_is(x: float, y: float, flux: float) -> None:
    image = visir.field([Star(x, y, flux)], 0.0, 0.127).astype(np.float64)
    rows, columns = np.indices(image.shape)
    assert image.sum() == pytest.approx(flux, rel=1e-4)
    assert (image * columns).sum() / image.sum() == pytest.approx(x, abs=0.01)
    assert (image * rows).sum() / image.sum() == pytest.approx(y, abs=0.01)


@pytest.mark.parametrize(("nod", "positive", "negative"), [("A", 0.0, -PIXELS), ("B", PIXELS, 0.0)])
def test_a_cube_ends_with_on_less_off_and_the_nod_moves_both_beams_up(
    nod: str, positive: float, negative: float
) -> None:
    rng = np.random.default_rng(1)
    chip = replace(visir.detector(1), flat=np.ones((visir.SIZE, visir.SIZE), np.float32))
    star = Star(128.0, 120.0, 1e7)
    planes = visir.cube([star], nod, SETUP, chip, rng)
    assert planes.shape == (2 * CYCLES + 1, visir.SIZE, visir.SIZE)
    assert planes.dtype == np.float32
    brightest, darkest = (
        np.unravel_index(int(index), planes[-1].shape)[0]
        for index in (planes[-1].argmax(), planes[-1].argmin())
    )
    assert (brightest, darkest) == (round(star.y + positive), round(star.y + negative))


def test_each_running_mean_is_of_all_cycles_until_then() -> None:
    planes = visir.cube(STARS, "A", SETUP, visir.detector(1), np.random.default_rng(1))
    means = planes[1:-1:2]
    assert np.array_equal(planes[-1], means[-1])
    quiet = [float(mean[:, :20].std()) for mean in means]
    assert quiet == sorted(quiet, reverse=True)


def test_no_beam_of_a_star_falls_into_the_aperture_of_another_or_off_the_array() -> None:
    beams = [(star.x, star.y + side * PIXELS) for star in STARS for side in (-1, 0, 1)]
    for number, (x, y) in enumerate(beams):
        assert measure_visir.APERTURE < min(x, y) <= max(x, y) < visir.SIZE - measure_visir.APERTURE
        for other in beams[:number]:
            assert np.hypot(x - other[0], y - other[1]) > 2 * measure_visir.APERTURE


def test_the_recipes_are_told_of_the_first_detector_and_the_field_as_a_text() -> None:
    cards = visir.setup_cards("SCIENCE", SETUP, "A")
    assert "DET.NAVRG" not in cards
    assert cards["INS.PFOV"] == "0.127"
    assert (cards["DET.FRAM.TYPE"], cards["SEQ.NODPOS"]) == ("CUBE2", "A")
    assert "DET.FRAM.TYPE" not in visir.setup_cards("DARK", SETUP, "")


def test_an_archive_has_the_same_bytes_for_the_same_seed_and_others_for_another(tmp_path: Path) -> None:
    entry = visir_chain.LOG[2]
    dp_id = entry.dp_ids()[0]

    def frame(seed: int) -> bytes:
        data = visir_chain.pixels(entry, 0, visir.detector(seed), np.random.default_rng([seed, 1]))
        write_image(tmp_path / "frame.fits", data, visir_chain.cards(entry, 0))
        return (tmp_path / "frame.fits").read_bytes()

    assert frame(1) == frame(1) != frame(2)
    assert fits.getheader(tmp_path / "frame.fits")["ARCFILE"] == f"{dp_id}.fits"
    assert fits.getdata(tmp_path / "frame.fits").dtype == np.dtype(">i4")


def test_the_nods_of_a_template_come_as_a_b_b_a() -> None:
    science = next(entry for entry in visir_chain.LOG if entry.kind == "SCIENCE")
    told = [visir_chain.cards(science, number)["SEQ.NODPOS"] for number in range(science.n)]
    assert told == list(NODS) == ["A", "B", "B", "A"]


def combined(folder: Path, factor: float) -> Path:
    """What the recipe makes of the stars, without noise but for a little."""
    beams = (
        share * visir.field(STARS, side * PIXELS, float(SETUP.pfov)) / SETUP.dit
        for side, share in ((0, 0.5), (-1, -0.25), (1, -0.25))
    )
    noise = np.random.default_rng(1).normal(0, 153.0, (visir.SIZE, visir.SIZE))
    write_image(folder / "combined.fits", (factor * sum(beams) + noise).astype(np.float32), {})
    return folder / "combined.fits"


@pytest.mark.parametrize(("factor", "good"), [(1.0, True), (0.95, False), (1.05, False)])
def test_beams_pass_within_three_per_cent_and_fail_beyond(tmp_path: Path, factor: float, good: bool) -> None:
    found = measure_visir.beams(combined(tmp_path, factor), SETUP)
    assert len(found) == 3 * len(STARS) + 2
    assert all(each.ok is good for each in found if "beam" in each.name)
    assert all(each.ok for each in found if "background" in each.name)


def test_a_combination_that_left_out_a_nod_is_too_noisy(tmp_path: Path) -> None:
    path = combined(tmp_path, 1.0)
    write_image(path, (2 * fits.getdata(path)).astype(np.float32), {})
    assert not measure_visir.beams(path, SETUP)[-1].ok


def test_calibrations_that_were_simulated_pass_and_others_fail(tmp_path: Path) -> None:
    chip, other = visir.detector(1), visir.detector(2)
    path = tmp_path / "product.fits"
    write_image(path, chip.dark, {})
    assert all(each.ok for each in measure_visir.dark(path, chip))
    assert not all(each.ok for each in measure_visir.dark(path, other))
    write_image(path, chip.flat, {})
    assert all(each.ok for each in measure_visir.flat(path, chip))
    assert not all(each.ok for each in measure_visir.flat(path, other))
    write_image(path, chip.dead.astype(np.int32), {})
    assert all(each.ok for each in measure_visir.bad_pixels(path, chip))
    assert not any(each.ok for each in measure_visir.bad_pixels(path, other))


@pytest.mark.parametrize(("factor", "good"), [(1.004, True), (0.73, False)])
def test_a_conversion_factor_that_lacks_the_core_of_the_star_fails(
    tmp_path: Path, factor: float, good: bool
) -> None:
    write_image(tmp_path / "std.fits", np.zeros((2, 2), np.float32), {"QC.CONVER": factor * 1.6e6})
    assert measure_visir.conversion(tmp_path / "std.fits", 1.6e6)[0].ok is good
