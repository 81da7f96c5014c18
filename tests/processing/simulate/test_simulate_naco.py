from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from processing.simulate import measure_naco, naco, naco_chain
from processing.simulate.fits import Value, write_image
from processing.simulate.naco import STARS, Setup, Star
from processing.simulate.nightlog import LOG, named

PLACES = st.floats(180.0, 330.0)


@settings(max_examples=20)
@given(PLACES, PLACES, st.floats(1e3, 1e6))
def test_a_field_holds_the_light_of_its_star(x: float, y: float, flux: float) -> None:
    total = float(naco.field([Star(x, y, flux)], 0.0, 0.0).sum(dtype=np.float64))
    assert total == pytest.approx(flux, rel=0.01)


@settings(max_examples=20)
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


def test_the_standard_star_moves_by_its_offsets_and_leaves_the_ring_of_its_sky_free() -> None:
    places = []
    for number, (dx, dy) in enumerate(naco.STANDARD_OFFSETS):
        frame = naco.signal("STD", number)
        assert isinstance(frame, np.ndarray)
        y, x = np.unravel_index(int(frame.argmax()), frame.shape)
        assert (x, y) == (naco.STANDARD.x + dx, naco.STANDARD.y + dy)
        cards = naco.setup_cards("STD", Setup(), number)
        assert (cards["SEQ.CUMOFFSETX"], cards["SEQ.CUMOFFSETY"]) == (dx, dy)
        assert (x + 1, y + 1) == (cards["CRPIX1"], cards["CRPIX2"])
        assert 110 < min(x, y) <= max(x, y) < naco.SIZE - 110
        places.append((x, y))
    for (x, y), (other_x, other_y) in pairwise(places):
        assert np.hypot(x - other_x, y - other_y) > 110 + naco.HALO_RADIUS


def test_only_a_standard_tells_of_the_atmosphere() -> None:
    told = [kind for kind in ("DARK", "JITTER", "STD") if "AOS.RTC.DET.DST.R0MEAN" in cards_of(kind)]
    assert told == ["STD"]


def cards_of(kind: str) -> dict[str, Value]:
    return naco.setup_cards(kind, Setup(), 0)


def test_responses_hot_pixels_and_zero_points_pass_when_right_and_fail_when_not(tmp_path: Path) -> None:
    chip, other = naco.detector(1), naco.detector(2)
    path = tmp_path / "product.fits"
    write_image(path, chip.flat, {"QC.ZPOINT": 22.93})
    assert all(each.ok for each in measure_naco.response("FLAT", path, chip, 0.01))
    assert not all(each.ok for each in measure_naco.response("FLAT", path, other, 0.01))
    assert measure_naco.zero_point(path, 22.945)[0].ok
    assert not measure_naco.zero_point(path, 22.90)[0].ok
    write_image(path, (chip.dark > 1000).astype(np.float32), {})
    assert all(each.ok for each in measure_naco.hot_pixels(path, chip))
    assert not measure_naco.hot_pixels(path, other)[0].ok


@pytest.mark.parametrize(("error", "good"), [(0.0, True), (0.5, False)])
def test_world_coordinates_that_are_half_a_pixel_off_fail(tmp_path: Path, error: float, good: bool) -> None:
    scale = naco.SCALES["S27"] / 3600
    world: dict[str, Value] = {
        "CRPIX1": 256.0 + error,
        "CRPIX2": 256.0 - error,
        "CD1_1": -scale,
        "CD2_2": scale,
    }
    write_image(tmp_path / "stack.fits", naco.field(STARS, 0.0, 0.0), world)
    found = measure_naco.world(tmp_path / "stack.fits", STARS)
    assert [each.ok for each in found] == [good, good]


def test_the_chain_has_the_demos_science_and_names_its_decoys() -> None:
    frames = {dp_id: entry for entry in naco_chain.log() for dp_id in entry.dp_ids()}
    assert naco_chain.CHAIN.science == named("NACO", "jitter").dp_ids()[0]
    assert naco_chain.CHAIN.decoys == {dp_id: entry.why for dp_id, entry in frames.items() if entry.why}
    taken = {entry.obs_id for entry in LOG}
    own = [entry.obs_id for entry in naco_chain.EXTRA]
    assert len(taken | set(own)) == len(taken) + len(own)


def test_the_catalogue_has_the_standard_in_every_band(tmp_path: Path) -> None:
    naco_chain.write_catalogue(tmp_path / "catalogue.fits")
    with fits.open(tmp_path / "catalogue.fits") as hdus:
        assert hdus[0].header["HIERARCH ESO PRO CATG"] == "IMG_STD_CATALOG"
        (star,) = hdus[1].data
        assert (star["RA"], star["DEC"], star["Ks"]) == (150.0, -30.0, naco_chain.MAGNITUDE)
