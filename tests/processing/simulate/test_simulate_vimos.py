from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from processing.simulate import vimos, vimos_camera, vimos_measure
from processing.simulate.casu import Stars
from processing.simulate.vimos import LOG, SCIENCE, Template
from processing.simulate.vimos_camera import (
    HEIGHT,
    OUTSIDE,
    PIXEL,
    POINTING,
    PRESCAN,
    QUADRANTS,
    WIDTH,
    Quadrant,
)

Q1 = QUADRANTS[0]
BIAS = Template("2012-03-20T11:00:00", "BIAS", 1, quadrants=(2,))


def headers(template: Template) -> dict[str, dict[str, Any]]:
    return {
        dp_id: vimos.cards(template, dp_id, taken, number, quadrant)
        for dp_id, taken, number, quadrant in template.files()
    }


def test_the_four_files_of_an_exposure_share_the_sidereal_time_and_no_two_exposures_do() -> None:
    times: dict[int, set[Any]] = {}
    for header in headers(SCIENCE).values():
        times.setdefault(header["TPL.EXPNO"], set()).add(header["LST"])
    assert [len(each) for each in times.values()] == [1] * SCIENCE.n
    assert len(set.union(*times.values())) == SCIENCE.n


def test_every_file_has_a_name_of_its_own_and_the_science_is_asked_for_by_the_first() -> None:
    names = [dp_id for template in LOG for dp_id, *_ in template.files()]
    assert len(set(names)) == len(names)
    assert vimos.CHAIN.science == sorted(headers(SCIENCE))[0]
    assert set(vimos.CHAIN.decoys) <= {*names, vimos.ELSEWHERE}


def test_the_first_file_of_a_template_can_be_of_any_quadrant() -> None:
    first = {min(headers(template).items())[1]["OCS.CON.QUAD"] for template in LOG}
    assert len(first) > 1


def test_a_file_tells_the_filter_of_its_own_quadrant_only() -> None:
    for header in headers(SCIENCE).values():
        told = [key for key in header if key.startswith("INS.FILT") and key.endswith("NAME")]
        assert told == [f"INS.FILT{header['OCS.CON.QUAD']}.NAME"]


@pytest.mark.parametrize("quadrant", QUADRANTS, ids=lambda quadrant: quadrant.chip)
def test_the_header_puts_the_stars_where_they_are_drawn_but_for_the_error_of_pointing(
    quadrant: Quadrant,
) -> None:
    offset = (10.0, 6.0)
    sky = vimos_camera.stars(1)
    wcs = WCS(
        {key: value for key, value in vimos_camera.coordinates(quadrant, offset).items() if key != "RA"}
    )
    x, y = wcs.all_world2pix(sky.ra, sky.dec, 0)
    east, north = vimos_camera.project(sky, (offset[0] + POINTING[0], offset[1] + POINTING[1]))
    drawn = np.array(quadrant.centre)[:, None] + np.array([east, north])
    off = np.array([x - PRESCAN, y]) - drawn
    assert off[0] == pytest.approx(-POINTING[0] / PIXEL, abs=0.05)
    assert off[1] == pytest.approx(POINTING[1] / PIXEL, abs=0.05)


def test_the_read_out_has_the_gain_the_noise_and_the_bias_of_its_quadrant() -> None:
    rng = np.random.default_rng(1)
    frame = vimos_camera.read_out(Q1, 20000.0, 0.0, rng).astype(np.float64)
    assert frame.shape == (HEIGHT, WIDTH + 2 * PRESCAN)
    for outside in (frame[:, :PRESCAN], frame[:, -PRESCAN:]):
        assert outside.mean() == pytest.approx(Q1.bias, abs=0.05)
        assert outside.std() == pytest.approx(np.hypot(Q1.noise, 12**-0.5), rel=0.01)
    light = frame[:, PRESCAN:-PRESCAN] - Q1.bias - vimos_camera.bias_structure()
    assert light.mean() == pytest.approx(20000 / Q1.gain, rel=1e-3)
    assert light.mean() / (light.var() - Q1.noise**2) == pytest.approx(Q1.gain, rel=0.01)


def test_the_dark_current_grows_with_the_time() -> None:
    short, long = (
        vimos_camera.read_out(Q1, 0.0, seconds, np.random.default_rng(2)).mean() for seconds in (0.0, 1000.0)
    )
    share = WIDTH / (WIDTH + 2 * PRESCAN)
    assert long - short == pytest.approx(1000 * vimos_camera.DARK / Q1.gain * share, rel=0.01)


def test_the_stars_keep_apart_further_than_the_recipe_looks_for_their_light() -> None:
    sky = vimos_camera.stars(1)
    x, y = vimos_camera.project(sky, (0.0, 0.0))
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    assert distance[~np.eye(len(x), dtype=bool)].min() > OUTSIDE


def test_a_star_leaves_the_electrons_of_its_magnitude() -> None:
    seconds = 60.0
    centre = np.array([vimos_camera.RA + 0.06]), np.array([vimos_camera.DEC + 0.06])
    sky = Stars(*centre, {"rmag": np.array([18.0])})
    (quadrant,) = (
        each
        for each in QUADRANTS
        if vimos_camera.scene(each, sky, (0.0, 0.0), seconds).max() > 2 * vimos_camera.SKY * seconds
    )
    image = vimos_camera.scene(quadrant, sky, (0.0, 0.0), seconds).astype(np.float64)
    electrons = float((image - vimos_camera.SKY * seconds).sum())
    assert -2.5 * np.log10(electrons) + vimos_camera.magnitude_of_an_electron(seconds) == pytest.approx(
        18.0, abs=0.002
    )


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    written = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        vimos.write(tmp_path / name, BIAS, seed)
        (path,) = (tmp_path / name).iterdir()
        written.append(path.read_bytes())
    assert written[0] == written[1] != written[2]


def test_the_static_files_are_of_the_field_but_for_the_one_elsewhere(tmp_path: Path) -> None:
    vimos.write_statics(tmp_path, 1)
    for category, dp_id in vimos.STATICS.items():
        assert fits.getheader(tmp_path / f"{dp_id}.fits")["ESO PRO CATG"] == category
    here, there = (
        fits.getheader(tmp_path / f"{name}.fits")
        for name in (vimos.STATICS["MASTER_LOCAL_CATALOGUE_ASTROM"], vimos.ELSEWHERE)
    )
    assert abs(there["RA"] - here["RA"]) > 0.1
    assert there["MJD-OBS"] > here["MJD-OBS"]


def mosaic(path: Path, images: dict[str, Any]) -> Path:
    """A product as the recipes write it: one extension for each chip."""
    extensions = [fits.ImageHDU(image, name=chip) for chip, image in images.items()]
    for extension, chip in zip(extensions, images, strict=True):
        extension.header["EXTNAME"] = chip
    fits.HDUList([fits.PrimaryHDU(), *extensions]).writeto(path)
    return path


@pytest.mark.parametrize("wrong", [0.0, 0.2])
def test_a_bias_level_is_within_its_limit_unless_it_is_wrong(tmp_path: Path, wrong: float) -> None:
    level = np.zeros(WIDTH + 2 * PRESCAN, dtype=np.float32)
    level[PRESCAN:-PRESCAN] = vimos_camera.bias_structure()
    images = {each.chip: np.tile(level + each.bias + wrong, (20, 1)) for each in QUADRANTS}
    found = list(vimos_measure.biases(mosaic(tmp_path / "bias.fits", images)))
    assert [each.ok for each in found] == [wrong == 0] * 4


def test_a_quadrant_in_the_place_of_another_is_noticed(tmp_path: Path) -> None:
    rates = {each.chip: vimos_camera.DARK / each.gain for each in QUADRANTS}
    rates["BRIAN"], rates["Keith"] = rates["Keith"], rates["BRIAN"]
    images = {
        chip: np.full((20, WIDTH + 2 * PRESCAN), rate, dtype=np.float32) for chip, rate in rates.items()
    }
    found = list(vimos_measure.darks(mosaic(tmp_path / "dark.fits", images)))
    assert [each.ok for each in found] == [False, False, True, True]


def test_stars_are_matched_with_the_rows_of_a_catalogue_in_any_order() -> None:
    x, y = np.array([100.0, 200.0, 300.0, 390.0]), np.array([100.0, 250.0, 80.0, 100.0])
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = (
        [150.0, -30.0],
        [200.0, 200.0],
        [-PIXEL / 3600, PIXEL / 3600],
    )
    ra, dec = wcs.all_pix2world(x, y, 1)
    sky = Stars(ra, dec, {"rmag": np.array([18.0, 19.0, 20.0, 21.0])})
    # the third star is 30 pixels off, so it is another one; the fourth lies at the edge
    table = np.zeros(3, dtype=[("X_coordinate", "f4"), ("Y_coordinate", "f4")]).view(fits.FITS_rec)
    table["X_coordinate"], table["Y_coordinate"] = [330.0, 200.5, 100.0], [80.0, 250.0, 99.5]
    magnitudes, rows, off = vimos_measure.matched(sky, wcs, (400, 400), table)
    assert list(magnitudes) == [18.0, 19.0]
    assert list(rows) == [2, 1]
    assert off == pytest.approx(np.array([[0.0, 0.5], [-0.5, 0.0]]), abs=1e-3)
