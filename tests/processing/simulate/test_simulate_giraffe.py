from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from processing.simulate import giraffe, giraffe_measure
from processing.simulate.fits import write_image
from processing.simulate.giraffe_measure import COLUMNS, EDGE, ROWS

SEED = 1


@pytest.fixture(scope="module")
def frames() -> dict[str, np.ndarray]:
    return {kind: giraffe.expose(kind, SEED, np.random.default_rng(3)) for kind in ("BIAS", "DARK")}


def test_dark_current_falls_on_pixels_not_on_the_overscan(frames: dict[str, np.ndarray]) -> None:
    gain = frames["DARK"].astype(float) - frames["BIAS"]
    assert gain.shape == (ROWS, COLUMNS + 2 * EDGE)
    truth = giraffe_measure.dark_rate() * 3600
    assert gain[:, EDGE:-EDGE].mean() == pytest.approx(truth.mean(), rel=0.01)
    assert abs(gain[:, [*range(EDGE), *range(-EDGE, 0)]].mean()) < 0.02


def test_bad_pixels_are_bad_in_every_frame(frames: dict[str, np.ndarray]) -> None:
    y, x = giraffe_measure.bad_pixels(SEED)
    for frame in frames.values():
        assert np.median(frame[y, x + EDGE]) - np.median(frame) > 140


def test_each_frame_has_its_own_name_template_and_number() -> None:
    headers = [giraffe.cards(entry, n) for entry in giraffe.LOG for n in range(entry.n)]
    assert len({header["ARCFILE"] for header in headers}) == len(headers)
    for entry in giraffe.LOG:
        numbers = [giraffe.cards(entry, n)["TPL.EXPNO"] for n in range(entry.n)]
        assert numbers == list(range(1, entry.n + 1))


def test_no_decoy_is_part_of_the_chain() -> None:
    used = {dp_id for entry in giraffe.LOG if not entry.decoy for dp_id in entry.dp_ids()}
    assert giraffe.CHAIN.science in used
    assert giraffe.CHAIN.decoys
    assert not used & giraffe.CHAIN.decoys.keys()


@pytest.mark.parametrize(("offset", "good"), [(0.0, True), (0.1, False)])
def test_a_bias_of_another_level_fails(tmp_path: Path, offset: float, good: bool) -> None:
    path = tmp_path / "bias.fits"
    image = np.full((ROWS, COLUMNS + 2 * EDGE), giraffe_measure.BIAS + offset, np.float32)
    write_image(path, image, {"QC.OUT1.RON.RAW": 2.546})
    level, noise = giraffe_measure.bias(path, SEED)
    assert (level.ok, noise.ok) == (good, True)


@pytest.mark.parametrize(("factor", "good"), [(1.0, True), (1.05, False)])
def test_the_simulated_dark_passes_and_a_brighter_one_fails(
    tmp_path: Path, factor: float, good: bool
) -> None:
    path = tmp_path / "dark.fits"
    write_image(path, (factor * giraffe_measure.dark_rate()).astype(np.float32), {})
    assert [number.ok for number in giraffe_measure.dark(path, SEED)] == [good, good]


def test_bad_pixels_that_were_missed_or_blamed_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "map.fits"
    flags = np.zeros((ROWS, COLUMNS + 2 * EDGE), np.int32)
    y, x = giraffe_measure.bad_pixels(SEED)
    flags[y, x + EDGE] = 1
    write_image(path, flags, {})
    assert all(number.ok for number in giraffe_measure.bad_pixel_map(path, SEED))
    flags[y[0], x[0] + EDGE] = 0
    flags[:100, 0:EDGE] = 1  # the overscan does not count
    flags[10, EDGE : EDGE + 20] = 1
    write_image(path, flags, {})
    found, blamed = giraffe_measure.bad_pixel_map(path, SEED)
    assert (found.measured, found.ok, blamed.ok) == (giraffe_measure.BADS - 1, False, False)


def test_only_the_products_that_are_there_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "dark.fits"
    write_image(path, giraffe_measure.dark_rate().astype(np.float32), {})
    names = [number.name for number in giraffe_measure.measure({"MASTER_DARK": (path,), "LOG": ()}, SEED)]
    assert names == ["GIRAFFE dark current", "GIRAFFE glow"]


def test_a_frame_is_one_image_with_the_keywords_of_the_recipes(tmp_path: Path) -> None:
    entry = giraffe.LOG[0]
    write_image(tmp_path / "dark.fits", np.zeros((4, 4), np.uint16), giraffe.cards(entry, 0))
    header = fits.getheader(tmp_path / "dark.fits")
    assert header["EXPTIME"] == 3600.0
    assert [header[f"ESO DET OUT1 {key}"] for key in ("PRSCX", "OVSCX", "PRSCY", "OVSCY")] == [50, 50, 0, 0]
