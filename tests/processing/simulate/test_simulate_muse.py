from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.simulate import muse, muse_measure, muse_sky, muse_static
from processing.simulate import muse_light as light
from processing.simulate.fits import write_images, write_table
from processing.simulate.muse_sky import EXPOSURE, LAMPS, LINES, STARS

SEED = 1


# --- light ------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.floats(4700, 9500), st.floats(1.0, 1e6), st.floats(1.0, 5.0))
def test_a_spectrum_holds_the_light_of_its_line_where_it_is(
    wave: float, strength: float, sigma: float
) -> None:
    grid = np.arange(wave - 60, wave + 60, 0.05)
    seen = light.at(light.spectrum({wave: strength}, sigma=sigma), grid)
    assert seen.sum() * 0.05 == pytest.approx(strength, rel=1e-3)
    assert (seen * grid).sum() / seen.sum() == pytest.approx(wave, abs=0.01)
    # The pixel's width adds to the line's.
    spread = np.sqrt((seen * (grid - wave) ** 2).sum() / seen.sum())
    assert spread == pytest.approx(np.hypot(sigma, light.STEP / np.sqrt(12)), rel=0.02)


def test_slices_neither_overlap_nor_leave_the_detector() -> None:
    y = np.array([0.0, light.ROWS - 1.0])
    found = light.slices()
    assert (len(found), found[0].number, found[-1].number) == (light.SLICES, 1, light.SLICES)
    for left, right in pairwise(found):
        assert (left.edge(y) + light.WIDTH + 5 < right.edge(y)).all()
    assert (found[0].edge(y) > 5).all()
    assert (found[-1].edge(y) + light.WIDTH < light.COLUMNS - 5).all()


def test_a_uniform_scene_lights_each_slice_over_its_width_and_nothing_between() -> None:
    where = light.slices()[20]
    image = light.through(lambda _x, _row, wave: np.ones_like(wave), [where])
    assert image.sum(axis=1) == pytest.approx(light.WIDTH * light.STEP, rel=1e-5)
    middle = light.ROWS // 2
    assert image[middle, round(where.left) - 5] < 1e-3 * light.STEP
    assert image[middle, round(where.left + light.WIDTH / 2)] == pytest.approx(light.STEP)


def test_a_star_falls_into_the_slices_of_its_stack_mirrored() -> None:
    star = STARS[0]
    stack = min(light.STACKS, key=lambda centre: abs(centre - star.x))
    (where,) = (each for each in light.slices() if each.stack == stack and each.row == 5)
    image = light.through(lambda x, row, wave: star.profile(x, row) + 0 * wave, [where])
    profile = image[light.ROWS // 2]
    column = (profile * np.arange(light.COLUMNS)).sum() / profile.sum()
    place = 0.5 - (star.x - stack) / light.LENGTH
    edge = where.edge(np.array(light.ROWS // 2))
    assert column == pytest.approx(edge + place * light.WIDTH, abs=0.01)


def test_the_twelve_rows_catch_nearly_all_of_a_star() -> None:
    star = STARS[0]
    x = np.arange(-30, 30, light.LENGTH / light.WIDTH) + star.x
    caught = sum(star.profile(x, float(row)).sum() for row in range(12))
    assert caught == pytest.approx(star.caught(), rel=1e-6)
    assert 0.99 < caught < 1


def test_both_stars_are_far_from_the_ends_of_their_slices() -> None:
    for star in STARS:
        assert min(abs(star.x - stack) for stack in light.STACKS) < light.LENGTH / 2 - 5 * muse_sky.SEEING


# --- lamps and lines --------------------------------------------------------------------------


def test_the_lamps_have_their_own_lines_that_can_be_told_apart() -> None:
    waves = sorted(wave for lamp in LAMPS for wave in lamp.lines)
    assert len(waves) == len(set(waves))
    assert min(np.diff(waves)) > 2 * 2.5  # twice the width of a line
    assert {lamp.number for lamp in LAMPS} == {3, 4, 5}
    assert LAMPS[2].ion(5460.75) == "HgI"


@pytest.mark.parametrize(("number", "lit"), [(0, {"Ne"}), (1, {"Xe"}), (2, {"HgCd"})])
def test_each_arc_exposure_has_one_lamp_on(number: int, lit: set[str]) -> None:
    (entry,) = (each for each in muse.LOG if each.kind == "ARC" and not each.decoy)
    header = muse.cards(entry, number)
    on = {
        str(header[f"INS.LAMP{n}.NAME"]).rpartition("-")[2] for n in range(1, 7) if header[f"INS.LAMP{n}.ST"]
    }
    assert on == lit


# --- frames -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bias() -> np.ndarray:
    return muse.expose(np.zeros((light.ROWS, light.COLUMNS), np.float32), np.random.default_rng(3))


def test_overscans_show_the_level_of_each_port_and_the_ramp_is_outside(bias: np.ndarray) -> None:
    height, width = bias.shape[0] // 2, bias.shape[1] // 2
    assert (height, width) == (2120, 2112)
    assert bias[:height, width - 30 : width].mean() == pytest.approx(1000.0, abs=0.1)
    assert bias[:height, width : width + 30].mean() == pytest.approx(1010.0, abs=0.1)
    assert bias[height:, width - 30 : width].mean() == pytest.approx(1005.0, abs=0.1)
    assert bias[height:, width : width + 30].mean() == pytest.approx(990.0, abs=0.1)
    lit = slice(muse.EDGE, height)
    assert bias[lit, 32:42].mean() == pytest.approx(1000 + light.RAMP, abs=0.1)
    assert bias[lit, -42:-32].mean() == pytest.approx(1010 + light.RAMP, abs=0.1)


def test_read_out_noise_is_that_of_the_header(bias: np.ndarray) -> None:
    noise = bias[:2000, 2090:2110].std() * light.GAIN
    rounding = light.GAIN / np.sqrt(12)
    assert noise == pytest.approx(np.hypot(light.RON, rounding), rel=0.02)


def test_an_unknown_template_is_refused() -> None:
    with pytest.raises(ValueError, match="MASK"):
        muse.electrons("MASK", 0)


def test_the_field_is_at_the_zenith_in_the_middle_of_the_exposure() -> None:
    header = muse.cards(muse.LOG[0], 0)
    hours = (float(header["RA"]) - float(header["LST"]) / 240) * 240
    assert hours == pytest.approx(EXPOSURE / 2 * 1.0027379, abs=0.01)  # sidereal seconds
    assert header["DEC"] == muse.GEOLAT


def test_sidereal_time_is_that_of_the_almanac() -> None:
    # Meeus, Astronomical Algorithms, example 12.a: 1987 April 10, 0h UT, 197.693195 degrees at Greenwich.
    assert (muse.sidereal(46895.0) - muse.GEOLON) % 360 == pytest.approx(197.6932, abs=1e-3)


def test_statics_and_decoys_are_in_the_archive_and_decoys_are_not_of_the_chain(tmp_path: Path) -> None:
    muse_static.write(tmp_path)
    categories = {fits.getheader(path)["ESO PRO CATG"] for path in tmp_path.glob("*.fits")}
    tables = {"LINE_CATALOG", "GEOMETRY_TABLE", "EXTINCT_TABLE", "STD_RESPONSE"}
    assert categories == tables | {"ASTROMETRY_WCS"}
    used = {dp_id for entry in muse.LOG if not entry.decoy for dp_id in entry.dp_ids()}
    assert muse.CHAIN.science in used
    assert not used & muse.CHAIN.decoys.keys()
    assert muse_static.DECOYS.keys() <= {path.stem for path in tmp_path.glob("*.fits")}


# --- measuring --------------------------------------------------------------------------------


@pytest.mark.parametrize(("shift", "good"), [(0.0, True), (0.2, False)])
def test_traces_pass_where_the_slices_are(tmp_path: Path, shift: float, good: bool) -> None:
    half = light.ROWS / 2
    found = light.slices()
    columns: dict[str, Any] = {"SliceNo": np.array([each.number for each in found], np.int32)}
    for edge, at in ((1, 0.0), (2, light.WIDTH)):
        sign = 1 if edge == 1 else -1
        start = [each.left - each.lean * (1 + half) / half + 1 + at + sign * shift for each in found]
        columns |= {f"tc{edge}_0{n}": np.zeros(light.SLICES) for n in range(6)}
        columns[f"tc{edge}_00"] = np.array(start)
        columns[f"tc{edge}_01"] = np.array([each.lean / half for each in found])
    write_table(tmp_path / "trace.fits", columns, {})
    slices, edges = muse_measure.trace(tmp_path / "trace.fits", SEED)
    assert (slices.ok, edges.ok) == (True, good)


@pytest.mark.parametrize(("factor", "good"), [(1.0, True), (0.5, False)])
def test_the_pixels_response_passes_and_a_smoothed_one_fails(
    tmp_path: Path, factor: float, good: bool
) -> None:
    flat = 1 + factor * (light.pixels(SEED) - 1)
    where = light.slices()[10]
    wave = where.wave(np.array(0.5), np.arange(float(light.ROWS)))[:, None]
    write_images(
        tmp_path / "flat.fits",
        {},
        [((flat * light.efficiency(wave)).astype(np.float32), {"EXTNAME": "DATA"})],
    )
    (slope,) = muse_measure.flat(tmp_path / "flat.fits", SEED)
    assert slope.ok is good


def made_cube(path: Path, shift: float = 0.0, factor: float = 1.0) -> None:
    """A cube as the recipe makes it, without noise."""
    header = {key: muse.cards(muse.LOG[0], 0)[key] for key in ("RA", "DEC", "MJD-OBS")}
    wave = 4750 + 1.25 * np.arange(3681)
    velocity = 1 + muse_measure.barycentric(fits.Header(header)) / 299792.458
    data = np.zeros((len(wave), 12, 301), np.float32)
    x = np.arange(301) - 150.0
    for star in STARS:
        spectrum = light.at(muse_sky.star(star), wave / velocity + shift) / star.flux
        rows = np.array([star.profile(x, float(row)) for row in range(12)])
        shape = rows / rows.sum()
        data += (factor * muse_measure.flux_of(star) * spectrum[:, None, None] * shape).astype(np.float32)
    cards = {
        "EXTNAME": "DATA",
        "CRPIX3": 1.0,
        "CRVAL3": 4750.0,
        "CD3_3": 1.25,
        "CD1_1": -0.2 / 3600,
    }
    write_images(path, header, [(data, cards)])


def test_a_perfect_cube_passes(tmp_path: Path) -> None:
    made_cube(tmp_path / "cube.fits")
    found = muse_measure.cube(tmp_path / "cube.fits", SEED)
    assert len(found) == 1 + len(STARS) * (3 + 2 * len(LINES))
    assert all(number.ok for number in found), [number for number in found if not number.ok]


@pytest.mark.parametrize(("wrong", "what"), [({"shift": 0.3}, "place"), ({"factor": 0.95}, "flux")])
def test_a_cube_with_wrong_wavelengths_or_fluxes_fails_there(
    tmp_path: Path, wrong: dict[str, float], what: str
) -> None:
    made_cube(tmp_path / "cube.fits", **wrong)
    found = muse_measure.cube(tmp_path / "cube.fits", SEED)
    assert {number.ok for number in found if what in number.name} == {False}
    assert {number.ok for number in found if what not in number.name} == {True}
