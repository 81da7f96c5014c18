import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy import constants, units
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from processing.simulate import echelle, measure_uves_flux, uves_chain, uves_flux, uves_red, uves_red_chain
from processing.simulate.chain import Chain
from processing.simulate.echelle import Order
from processing.simulate.fits import write_image
from processing.simulate.uves import BIAS, NX, NY, READ_NOISE, setup_cards
from processing.simulate.uves_chain import TARGET
from processing.simulate.uves_flux import STANDARD
from processing.simulate.uves_frames import BIN, Shot, binned, cards, light, noise, read_out, response
from processing.simulate.uves_red import CHIPS, LENGTH, LOWER, UPPER

# Two orders as the physical model gives them at 390 nm; they share the light about 4520 Angstrom.
ORDERS = (
    Order(103, (-7.4, 127.2, 1500.0), (-0.9, -16.8, 86.8, 4493.5)),
    Order(104, (-7.3, 125.8, 1440.0), (-0.9, -16.7, 86.0, 4450.3)),
)
# As the reddest order of the red arm at 580 nm, 4096 pixels long.
REDDEST = Order(89, (-20.0, 180.0, 1000.0), (-13.6, 101.5, 6798.6))
needs_model = pytest.mark.skipif(
    shutil.which("esorex") is None, reason="esorex with the UVES pipeline is not installed"
)
both = pytest.mark.parametrize("chain", [uves_chain.CHAIN, uves_red_chain.CHAIN], ids=["blue", "red"])


def plane(electrons: float) -> np.ndarray:
    return np.full((NY, NX), electrons, np.float32)


@given(st.sampled_from(ORDERS), st.floats(1, NY / BIN))
def test_a_binned_order_lies_where_the_middle_of_its_bins_does(order: Order, x: float) -> None:
    middle = np.array([BIN * (x - 0.5) + 0.5])  # unbinned pixels 1 and 2 are bin 1: their middle is 1.5
    small, at = binned(order), np.array([x])
    assert BIN * (small.y(at) - 0.5) + 0.5 == pytest.approx(order.y(middle))
    assert small.wave(at) == pytest.approx(order.wave(middle), abs=1e-8)
    assert small.step(at) == pytest.approx(BIN * order.step(middle))


def test_a_source_over_the_flat_is_the_same_in_two_orders() -> None:
    star = echelle.dispersed(ORDERS, echelle.gaussian(2.4), lambda wave: 3e5 * (wave / 4000) ** 2)
    flat = echelle.dispersed(ORDERS, echelle.gaussian(2.4), lambda wave: 6e5 * (wave / 4000))
    at = np.array([4500.0])
    ratios = []
    for order in ORDERS:
        x = order.x(at)
        row, column = NY - round(x[0]), round(order.y(x)[0]) - 1
        ratios.append((star[row, column] - 5) / (flat[row, column] - 5))
    assert ratios == pytest.approx([0.5 * 4500 / 4000] * 2, rel=1e-3)


def test_a_pixel_that_spans_more_wavelengths_gets_more_light() -> None:
    image = echelle.dispersed(ORDERS[:1], echelle.gaussian(2.4), lambda wave: np.full_like(wave, 1e5))
    along = (image - 5.0).sum(axis=1, dtype=np.float64)[::-1]
    x = np.arange(1.0, NY + 1)
    assert along == pytest.approx(1e5 * ORDERS[0].step(x) * echelle.blaze(x), rel=1e-3, abs=1e-6)


def test_a_chip_of_another_length_is_filled_to_its_end() -> None:
    image = echelle.continuum(ORDERS[:1], echelle.slit, echelle.flat_lamp(1000.0), LENGTH)
    assert image.shape == (LENGTH, NX)
    assert image.max() == image[LENGTH // 2 - 50 : LENGTH // 2 + 50].max()
    line = echelle.arc(ORDERS[:1], ORDERS[0].wave(np.array([3900.0])), np.array([1e6]), 16.0, LENGTH)
    assert int(line.argmax()) // NX == LENGTH - 3900


@pytest.mark.parametrize("shape", [(NY, NX), (LENGTH, NX)])
def test_a_bias_has_its_level_noise_and_margins(shape: tuple[int, int]) -> None:
    frame = read_out(None, response(1, 0, shape), noise(1, "UVES.x"))
    assert frame.shape == (shape[0] // BIN, shape[1] // BIN + 50)
    assert frame.mean() == pytest.approx(BIAS, abs=0.02)
    assert frame.std() == pytest.approx(READ_NOISE, rel=0.02)


def test_a_bin_holds_the_light_of_its_pixels() -> None:
    frame = read_out(plane(4500.0), plane(1.0), noise(1, "UVES.x")).astype(np.float64)
    lit = frame[:, 25:-25]
    assert lit.mean() == pytest.approx(BIAS + 10000.0, abs=1)
    assert lit.std() == pytest.approx(np.hypot(np.sqrt(18000.0) / 1.8, READ_NOISE), rel=0.01)
    assert frame[:, :25].mean() == pytest.approx(BIAS, abs=0.1)
    assert frame[:, -25:].mean() == pytest.approx(BIAS, abs=0.1)


def test_each_chip_of_each_frame_has_noise_of_its_own_and_always_the_same() -> None:
    drawn = [noise(*key).random() for key in ((1, "a", 1), (1, "a", 2), (1, "b", 1), (2, "a", 1))]
    assert len(set(drawn)) == 4
    assert noise(1, "a", 1).random() == drawn[0]


@pytest.mark.parametrize(
    ("log", "orders", "length"), [(uves_chain.LOG, ORDERS, NY), (uves_red_chain.LOG, (REDDEST,), LENGTH)]
)
def test_no_lamp_and_no_star_saturates(log: Sequence[Shot], orders: tuple[Order, ...], length: int) -> None:
    line = orders[0].wave(np.array([length / 2]))
    for shot in log:
        electrons = light(shot, orders, (line, np.array([5e5])), length)
        if electrons is not None:
            assert 1000 < BIN**2 * electrons.max() / 1.8 < 60000


def test_photons_are_counted_as_astropy_counts_them() -> None:
    wave = np.array([4000.0])
    energy = (constants.h * constants.c / (wave * units.AA)).to_value("erg")
    flux = STANDARD.spectrum(wave) * 10 ** (-0.4 * 1.3 * uves_flux.extinction(wave))
    area = np.pi / 4 * (8.18**2 - 1.4**2) * 1e4
    expected = flux / energy * area * 60 * uves_flux.efficiency(wave)
    assert uves_flux.detected(STANDARD, 1.3, 60.0)(wave) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("wave", "low", "high"), [(3900.0, 0.35, 0.50), (5500.0, 0.10, 0.16)])
def test_the_air_absorbs_about_what_it_does_on_la_silla(wave: float, low: float, high: float) -> None:
    assert low < uves_flux.extinction(np.array(wave)) < high


def test_the_catalogue_holds_the_star_as_float32_arrays(tmp_path: Path) -> None:
    uves_flux.write_standards(tmp_path / "std.fits", {"INSTRUME": "UVES"})
    with fits.open(tmp_path / "std.fits") as hdus:
        hdus.verify("exception")
        assert hdus[0].header["HIERARCH ESO PRO CATG"] == "FLUX_STD_TABLE"
        row = hdus[1].data[0]
        assert (row["OBJECT"], row["RA_DEG"], row["DEC_DEG"]) == (STANDARD.name, STANDARD.ra, STANDARD.dec)
        assert row["NDATA"] == len(row["LAMBDA"]) == len(row["BIN_WIDTH"]) == len(row["F_LAMBDA"])
        assert row["F_LAMBDA"].dtype.itemsize == 4
        assert row["F_LAMBDA"] == pytest.approx(STANDARD.spectrum(row["LAMBDA"].astype(float)), rel=1e-6)


def test_the_response_is_fitted_beside_the_lines_of_the_standard(tmp_path: Path) -> None:
    uves_flux.write_fit_points(tmp_path / "points.fits", {"INSTRUME": "UVES"})
    with fits.open(tmp_path / "points.fits") as hdus:
        hdus.verify("exception")
        index = hdus[1].data[0]
        assert (index["ra"], index["dec"]) == (STANDARD.ra, STANDARD.dec)
        points = 10 * hdus[int(index["ext_id"])].data["LAMBDA"]
    smooth = STANDARD.flux * (points / 4000) ** STANDARD.slope
    assert STANDARD.spectrum(points) == pytest.approx(smooth, rel=1e-6)
    assert np.diff(points).max() < 100


def test_the_extinction_table_is_in_angstrom(tmp_path: Path) -> None:
    uves_flux.write_extinction(tmp_path / "ext.fits", {"INSTRUME": "UVES"})
    with fits.open(tmp_path / "ext.fits") as hdus:
        hdus.verify("exception")
        rows = hdus[1].data
    assert rows["LA_SILLA"] == pytest.approx(uves_flux.extinction(rows["LAMBDA"].astype(float)), rel=1e-5)


@both
def test_the_archive_holds_one_science_frame_and_decoys_beside_what_is_needed(chain: Chain) -> None:
    log = uves_chain.LOG if chain is uves_chain.CHAIN else uves_red_chain.LOG
    names = [dp_id for shot in log for dp_id in shot.dp_ids()]
    assert len(names) == len(set(names))
    needed = [shot.kind for shot in log if not shot.why]
    assert sorted(needed) == sorted(("BIAS", "FMTCHK", "ORDERDEF", "FLAT", "WAVE", "STD", "SCIENCE"))
    assert chain.science in names
    assert chain.decoys.keys() < set(names)
    assert chain.science not in chain.decoys


def test_a_standard_is_a_calibration_that_looks_at_its_star() -> None:
    shot = next(shot for shot in uves_chain.LOG if shot.kind == "STD")
    header = cards(shot, 0, {})
    assert (header["DPR.CATG"], header["DPR.TYPE"], header["DPR.TECH"]) == ("CALIB", "STD", "ECHELLE")
    assert (header["RA"], header["DEC"]) == (STANDARD.ra, STANDARD.dec)
    assert header["TEL.AIRM.START"] == header["TEL.AIRM.END"] == shot.airmass


def test_a_red_file_holds_the_upper_chip_then_the_lower(tmp_path: Path) -> None:
    frames = {chip: np.full((4, 6), chip.number, np.uint16) for chip in CHIPS}
    setup = uves_red.primary_cards("BIAS", "DICHR#1", 1.0, BIN, 0.0)
    uves_red.write_frame(
        tmp_path / "red.fits", cards(Shot("2011-01-21T10:20:00", "BIAS"), 0, setup), frames, BIN
    )
    with fits.open(tmp_path / "red.fits") as hdus:
        hdus.verify("exception")
        assert [hdu.data[0, 0] for hdu in hdus[1:]] == [UPPER.number, LOWER.number]
        assert hdus[1].header["HIERARCH ESO DET CHIP1 NAME"] == "MIT"
        assert hdus[2].header["HIERARCH ESO DET CHIP2 NAME"] == "EEV"
        primary = hdus[0].header
    assert primary["HIERARCH ESO DET CHIPS"] == 2
    assert primary["HIERARCH ESO INS GRAT2 WLEN"] == 580.0
    assert "HIERARCH ESO INS GRAT1 WLEN" not in primary


def test_the_efficiency_is_measured_at_three_blazes(tmp_path: Path) -> None:
    wave = np.linspace(3300.0, 4500.0, 40)
    for wrong, ok in ((1.0, True), (1.03, False)):
        header = {f"QC.BLAZWLEN{i}": float(w) / 10 for i, w in enumerate(wave, start=1)} | {
            f"QC.BLAZEFF{i}": wrong * float(uves_flux.efficiency(w)) for i, w in enumerate(wave, start=1)
        }
        write_image(tmp_path / "eff.fits", np.zeros((2, 2), np.float32), header)
        found = measure_uves_flux.efficiencies(tmp_path / "eff.fits")
        assert [each.ok for each in found] == [ok] * 3


@pytest.mark.parametrize(("factor", "ok"), [(1.0, True), (1.02, False), (0.98, False), (np.nan, False)])
def test_a_flux_that_is_off_fails(tmp_path: Path, factor: float, ok: bool) -> None:
    wave = np.arange(3400.0, 4400.0, 0.05)
    write_image(
        tmp_path / "flux.fits",
        (factor * TARGET.spectrum(wave)).astype(np.float32)[None, :],
        {"CRVAL1": 3400.0, "CRPIX1": 1.0, "CDELT1": 0.05},
    )
    with fits.open(tmp_path / "flux.fits", mode="update") as hdus:
        hdus[0].data = hdus[0].data[0]  # the recipe's spectrum has one axis
    found = measure_uves_flux.fluxes(tmp_path / "flux.fits", TARGET, uves_chain.WINDOWS)
    assert [each.ok for each in found] == [ok] * len(uves_chain.WINDOWS)


def test_the_blue_setup_is_binned_in_header_and_frame() -> None:
    shot = uves_chain.LOG[0]
    setup = setup_cards(shot.kind, uves_chain.setup(shot), shot.about.exptime)
    assert setup["DET.WIN1.BINX"] == setup["DET.WIN1.BINY"] == BIN
    frame = read_out(None, response(1, 0, (NY, NX)), noise(1, "UVES.x"))
    assert frame.shape == (setup["DET.WIN1.NY"], setup["DET.WIN1.NX"])


@needs_model
def test_the_physical_model_gives_both_red_chips_of_580_nm() -> None:
    formats = uves_red.predict()
    middle = np.array([LENGTH / 2])
    waves = {chip.name: sorted(float(order.wave(middle)[0]) for order in formats[chip]) for chip in CHIPS}
    assert 4750 < waves["REDL"][0] < 4900
    assert 5650 < waves["REDL"][-1] < waves["REDU"][0] < 5900
    assert 6750 < waves["REDU"][-1] < 6900
    numbers = [order.number for chip in CHIPS for order in formats[chip]]
    assert len(numbers) == len(set(numbers))
