import hashlib
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from processing.simulate import hawki, hawki_chain, hawki_measure
from processing.simulate.fits import mjd, write_images, write_table
from processing.simulate.hawki import CHIPS, Chip, Setup
from processing.simulate.hawki_chain import CHAIN, LOG, STATICS, Template

SEED = 1
SMALL = 512  # a corner of a chip is enough for most
STARS = hawki.stars(SEED)


@pytest.fixture(scope="module")
def arrays() -> list[hawki.Array]:
    return [hawki.array(chip, SEED, SMALL) for chip in CHIPS]


def named(kind: str, setup: Setup) -> Template:
    return next(each for each in LOG if (each.kind, each.setup, each.why) == (kind, setup, ""))


SCIENCE = named("JITTER", Setup())
DARK = named("DARK", Setup())
FLAT = named("TWILIGHT", Setup(dit=1.6762))
FLAT_DARK = named("DARK", Setup(dit=1.6762))
BREAKPOINT = 57671.5


# --- the instrument ---------------------------------------------------------------------------


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.extension)
@pytest.mark.parametrize(("x", "y"), [(1.0, 1.0), (1024.0, 1024.0), (2048.0, 100.0)])
def test_a_chip_lies_in_the_sky_where_the_recipe_takes_it_to_lie(chip: Chip, x: float, y: float) -> None:
    a, b, c, d, e, f = chip.to_first
    ra, dec = hawki.projection(chip, hawki.POINTING).all_pix2world(x, y, 1)
    first = hawki.projection(CHIPS[0], hawki.POINTING).all_world2pix(ra, dec, 1)
    assert first == pytest.approx([a * x + b * y + c, d * y + e * x + f], abs=1e-3)


def test_the_chips_are_as_sensitive_as_one_on_average() -> None:
    assert np.mean([chip.sensitivity for chip in CHIPS]) == pytest.approx(1.0)


def test_an_array_has_its_sensitivity_its_dead_and_its_hot_pixels(arrays: list[hawki.Array]) -> None:
    for chip, array in zip(CHIPS, arrays, strict=True):
        assert float(np.median(array.response)) == pytest.approx(chip.sensitivity, rel=1e-4)
        assert (array.response < 0.5).mean() == pytest.approx(hawki.DEAD_FRACTION, rel=0.5)
        assert (array.dark > hawki.HOT).mean() == pytest.approx(hawki.HOT_FRACTION, rel=0.5)
        assert not ((array.response < 0.5) & (array.dark > hawki.HOT)).any()


@pytest.mark.parametrize(("light", "ndit"), [(0.0, 1), (10000.0, 1), (10000.0, 4)])
def test_a_frame_has_the_noise_of_its_photons_and_its_read_out(
    arrays: list[hawki.Array], light: float, ndit: int
) -> None:
    chip, array, setup = CHIPS[0], arrays[0], Setup(dit=2.0, ndit=ndit)
    frame = hawki.expose(chip, array, light, setup, np.random.default_rng(3))
    charge = array.response * light + array.dark * 2.0
    good = (array.response > 0.5) & (array.dark < 1.0)
    scatter = float((frame - charge - chip.pedestal)[good].std())
    assert scatter == pytest.approx(np.sqrt((charge[good].mean() / 1.8 + 25.0) / ndit), rel=0.01)


def test_stars_move_over_the_chip_as_the_telescope_goes() -> None:
    chip = CHIPS[0]
    x, y = (
        hawki.projection(chip, hawki.pointing(number)).all_world2pix(11.02, -30.02, 0) for number in (0, 1)
    )
    along, north = hawki.OFFSETS[1]
    # RA grows to the left: what the telescope moves to the east the stars move to the right.
    assert y[0] - x[0] == pytest.approx(along / hawki.SCALE, rel=0.01)
    assert y[1] - x[1] == pytest.approx(-north / hawki.SCALE, rel=0.01)


def test_the_telescope_is_not_where_it_says_but_near() -> None:
    for number in range(3):
        said, true = hawki.pointing(number), hawki.pointing(number, true=True)
        assert 0.5 < 3600 * np.hypot((said[0] - true[0]) * 0.866, said[1] - true[1]) < 2.0


def test_no_star_saturates() -> None:
    image = hawki.field(CHIPS[0], STARS, 0, SCIENCE.setup.dit)
    assert image.max() > hawki.SKY * SCIENCE.setup.dit * 1.2
    assert image.max() * 1.05 < 40000


def test_twilight_levels_are_among_those_that_the_recipe_takes_and_the_first_two_nearly_equal() -> None:
    assert all(4000 < level < 30000 for level in hawki.TWILIGHT)
    assert hawki.TWILIGHT[1] / hawki.TWILIGHT[0] < 1.05


# --- the archive ------------------------------------------------------------------------------


def _usable(wanted: Template, trigger: Template, key: str) -> list[Template]:
    """Templates of the wanted kind and set-up on the trigger's side of the breakpoint."""
    side = mjd(trigger.times()[0]) > BREAKPOINT
    return [
        entry
        for entry in LOG
        if entry.kind == wanted.kind
        and getattr(entry.setup, key) == getattr(trigger.setup, key)
        and (mjd(entry.times()[0]) > BREAKPOINT) is side
    ]


@pytest.mark.parametrize(
    ("trigger", "wanted", "key", "plan"),
    [(SCIENCE, DARK, "dit", 1), (SCIENCE, FLAT, "filter", 21), (FLAT, FLAT_DARK, "dit", 1)],
)
def test_the_right_group_is_the_nearest_that_may_be_used(
    trigger: Template, wanted: Template, key: str, plan: float
) -> None:
    def distance(entry: Template) -> timedelta:
        return abs(entry.times()[0] - trigger.times()[0])

    assert min(_usable(wanted, trigger, key), key=distance) is wanted
    assert distance(wanted) < timedelta(days=plan)
    assert any(entry.why and distance(entry) < distance(wanted) for entry in LOG if entry.kind == wanted.kind)


def test_the_noise_needs_flats_and_darks_of_one_integration_and_one_time() -> None:
    assert FLAT.setup.ndit == FLAT_DARK.setup.ndit == 1
    assert FLAT.setup.dit == FLAT_DARK.setup.dit
    nearer = [entry for entry in LOG if entry.kind == "TWILIGHT" and entry is not FLAT]
    assert all(entry.setup.ndit > 1 or mjd(entry.times()[0]) < BREAKPOINT for entry in nearer)


def test_frames_follow_each_other_and_none_shares_a_name() -> None:
    names = [dp_id for entry in LOG for dp_id in entry.dp_ids()]
    assert len(set(names)) == len(names)
    assert all(first.times()[-1] < second.times()[0] for first, second in pairwise(LOG))


def test_every_decoy_says_why_and_is_neither_asked_for_nor_needed() -> None:
    needed = {dp_id for entry in (SCIENCE, DARK, FLAT, FLAT_DARK) for dp_id in entry.dp_ids()}
    assert all(CHAIN.decoys.values())
    assert not CHAIN.decoys.keys() & needed
    assert CHAIN.science == SCIENCE.dp_ids()[0]


def test_each_category_of_static_files_has_one_that_is_no_decoy_and_is_older_than_the_science() -> None:
    good = [static for static in STATICS if not static.why]
    assert len({static.category for static in good}) == len(good)
    assert all(static.dp_id.removeprefix("M.") < CHAIN.science for static in good)


@pytest.mark.parametrize(
    ("keyword", "kind"),
    [("EXPTIME", float), ("MJD-OBS", float), ("RA", float), ("DET.DIT", float), ("DET.NDIT", int),
     ("OBS.ID", int), ("TPL.NEXP", int), ("TPL.EXPNO", int), ("TEL.AIRM.START", float),
     ("TEL.AMBI.FWHM.END", float), ("INS.FILT1.NAME", str)],
)  # fmt: skip
def test_every_header_value_has_the_type_that_the_recipes_read(keyword: str, kind: type) -> None:
    assert {type(hawki_chain.cards(entry, 0)[keyword]) for entry in LOG} == {kind}


def test_one_wheel_is_open() -> None:
    assert {hawki_chain.cards(entry, 0)["INS.FILT1.NAME"] for entry in LOG} == {"OPEN"}


def test_a_frame_is_four_chips_in_the_order_of_the_detector(
    arrays: list[hawki.Array], tmp_path: Path
) -> None:
    hawki_chain.write(tmp_path, SCIENCE, 1, arrays, STARS, SEED)
    with fits.open(tmp_path / f"{SCIENCE.dp_ids()[1]}.fits") as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus[1:]] == ["CHIP1.INT1", "CHIP2.INT1", "CHIP4.INT1", "CHIP3.INT1"]
        assert hdus[0].header["ESO TPL EXPNO"] == 2
        for chip, hdu in zip(CHIPS, hdus[1:], strict=True):
            assert hdu.data.shape == (SMALL, SMALL)
            assert hdu.header["CRVAL1"] == hdus[0].header["RA"] == hawki.pointing(1)[0]
            assert hdu.header["ESO DET CHIP LIVE"] is True
            level = chip.pedestal + 4.0 + 5000.0 * chip.sensitivity
            assert float(np.median(hdu.data)) == pytest.approx(level, abs=2)


def test_a_seed_gives_the_same_bytes_again_and_another_seed_others(
    arrays: list[hawki.Array], tmp_path: Path
) -> None:
    digests = []
    for seed in (1, 1, 2):
        hawki_chain.write(tmp_path, DARK, 0, arrays, STARS, seed)
        path = tmp_path / f"{DARK.dp_ids()[0]}.fits"
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("static", STATICS, ids=lambda static: static.dp_id)
def test_static_files_are_small_and_valid(static: hawki_chain.Static, tmp_path: Path) -> None:
    path = tmp_path / f"{static.dp_id}.fits"
    hawki_chain.write_static(path, static, STARS)
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert hdus[0].header["ESO PRO CATG"] == static.category
    assert path.stat().st_size < 30000


# --- the measurements -------------------------------------------------------------------------


def _write(path: Path, images: list[np.ndarray], **cards: float) -> Path:
    heads = [{"EXTNAME": chip.extension, **cards} for chip in CHIPS]
    write_images(path, {"DET.DIT": 10.0}, zip(images, heads, strict=True))
    return path


@pytest.mark.parametrize(("shift", "good"), [(0.0, True), (1.0, False), (-1.0, False)])
def test_a_dark_passes_at_its_level_and_fails_an_adu_off(
    arrays: list[hawki.Array], tmp_path: Path, shift: float, good: bool
) -> None:
    images = [array.dark * 10 + chip.pedestal + shift for chip, array in zip(CHIPS, arrays, strict=True)]
    levels = list(hawki_measure.dark(_write(tmp_path / "d.fits", images), arrays))[::2]
    assert [each.ok for each in levels] == [good] * 4


def test_a_dark_whose_hot_pixels_were_lost_fails(arrays: list[hawki.Array], tmp_path: Path) -> None:
    images = [np.full((SMALL, SMALL), chip.pedestal + 4, np.float32) for chip in CHIPS]
    found = list(hawki_measure.dark(_write(tmp_path / "d.fits", images), arrays))
    assert [each.ok for each in found] == [True, False] * 4


@pytest.mark.parametrize(("noisy", "good"), [(1.0, True), (0.0, False), (1.2, False)])
def test_a_flat_passes_with_the_noise_of_its_photons_only(
    arrays: list[hawki.Array], tmp_path: Path, noisy: float, good: bool
) -> None:
    rng = np.random.default_rng(5)
    images = []
    for array in arrays:
        photons = np.sqrt(0.298 / (1.8 * np.mean(hawki.TWILIGHT)))
        noise = rng.standard_normal(array.response.shape, dtype=np.float32)
        images.append((array.response * (1 + noisy * photons * noise)).astype(np.float32))
    path = tmp_path / "f.fits"
    heads = [{"EXTNAME": chip.extension, "DRS.MEDFLAT": 9000 * chip.sensitivity} for chip in CHIPS]
    write_images(path, {}, zip(images, heads, strict=True))
    found = list(hawki_measure.flat(path, arrays))
    assert [each.ok for each in found] == [good, True] * 4


def test_bad_pixels_must_be_found_and_not_made_up(arrays: list[hawki.Array], tmp_path: Path) -> None:
    right = [(array.response > 0.5).astype(np.int32) * 100 for array in arrays]
    none = [np.full_like(image, 100) for image in right]
    many = [image * (np.arange(SMALL) > 0) for image in right]
    for images, wanted in ((right, [True, True]), (none, [False, True]), (many, [True, False])):
        path = _write(tmp_path / "c.fits", [image.astype(np.int32) for image in images])
        assert [each.ok for each in hawki_measure.bad_pixels(path, arrays)] == wanted * 4


@pytest.mark.parametrize(("gain", "noise", "covariance"), [(1.5, 5.1, 1.0), (1.8, 6.0, 1.0), (1.8, 5.1, 1.3)])
def test_each_number_of_the_noise_can_fail_alone(
    tmp_path: Path, gain: float, noise: float, covariance: float
) -> None:
    columns = {
        "EXTNAME": np.array([chip.extension.encode() for chip in CHIPS]),
        "READNOISE": np.full(4, noise, np.float32),
        "GAIN": np.full(4, gain, np.float32),
        "COVAR": np.full(4, covariance, np.float32),
    }
    write_table(tmp_path / "g.fits", columns, {})
    found = [each.ok for each in hawki_measure.noise(tmp_path / "g.fits")]
    assert found == [gain == 1.8, noise < 5.35, covariance == 1.0] * 4


def _stack(folder: Path, east: float, dimmer: float, zero: float) -> tuple[Path, Path]:
    """A perfect stack and its catalogue, but for an offset [arcsec], a dimming and a zero point [mag]."""
    image, catalogue = folder / "stack.fits", folder / "catalogue.fits"
    shape = (1000, 1100)
    frames, tables = [], fits.HDUList([fits.PrimaryHDU()])
    for chip in CHIPS:
        head = hawki.chip_cards(chip, Setup(), hawki.POINTING)
        cards = {**head, "PSF_FWHM": 0.7, "DRS.ZPIM1": 25.07 + zero, "DRS.EXTINCT": 0.001}
        frames.append((np.full(shape, 5000.0, np.float32), cards))
        wcs = hawki_measure.world(_header(cards))
        x, y = wcs.all_world2pix(STARS.ra + east / 3600 / 0.866, STARS.dec, 1)
        flux = 10 ** (0.4 * (hawki.ZERO_POINT - dimmer - STARS.magnitudes["Kmag"])) * hawki.JITTER_DIT
        columns = {"X_coordinate": x, "Y_coordinate": y, "Aper_flux_3": flux}
        table = fits.BinTableHDU.from_columns(
            [fits.Column(name, "D", array=values) for name, values in columns.items()], name=chip.extension
        )
        table.header["APCOR3"] = 0.069
        tables.append(table)
    write_images(image, {}, frames)
    tables.writeto(catalogue)
    return image, catalogue


def _header(cards: dict[str, object]) -> fits.Header:
    return fits.Header({key: value for key, value in cards.items() if "." not in key})


@pytest.mark.parametrize(
    ("east", "dimmer", "zero", "wrong"),
    [
        (0.0, 0.0, 0.0, set()),
        (0.1, 0.0, 0.0, {"positions, rms", "position, east"}),
        (0.0, 0.05, 0.0, {"magnitudes"}),
        (0.0, 0.0, 0.1, {"zero point"}),
        (5.0, 0.0, 0.0, {"stars found"}),
    ],
)
def test_a_stack_fails_in_what_is_wrong_with_it(
    tmp_path: Path, east: float, dimmer: float, zero: float, wrong: set[str]
) -> None:
    found = list(hawki_measure.stack(*_stack(tmp_path, east, dimmer, zero), SEED))
    assert {each.name.split(" ", 2)[2] for each in found if not each.ok} == wrong
