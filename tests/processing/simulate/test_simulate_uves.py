import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.simulate import echelle, measure_uves, uves
from processing.simulate.archive import LINES
from processing.simulate.echelle import Line, Order
from processing.simulate.fits import write_image

# Two orders as the physical model gives them at 390 nm, curved and 40 Angstrom apart.
ORDERS = (
    Order(103, (-7.4, 127.2, 1500.0), (-0.9, -16.8, 86.8, 4493.5)),
    Order(104, (-7.3, 125.8, 1440.0), (-0.9, -16.7, 86.0, 4450.3)),
)
LINE = Line("Fe I", 4000.0, 0.6, 0.15)


@given(st.sampled_from(ORDERS), st.floats(1, 3000))
def test_a_wavelength_falls_where_its_pixel_says(order: Order, x: float) -> None:
    assert order.x(order.wave(np.array([x])))[0] == pytest.approx(x, abs=1e-6)


@given(st.floats(1, 3000))
def test_the_step_is_the_slope_of_the_wavelength(x: float) -> None:
    order = ORDERS[0]
    slope = (order.wave(np.array([x + 0.5])) - order.wave(np.array([x - 0.5])))[0]
    assert order.step(np.array([x]))[0] == pytest.approx(slope, rel=1e-5)


def test_an_arc_line_lands_on_its_order_in_the_turned_frame() -> None:
    x = np.array([1200.0])
    light = echelle.arc(ORDERS[:1], ORDERS[0].wave(x), np.array([1e6]), uves.SLIT)
    row, column = np.unravel_index(int(light.argmax()), light.shape)
    assert row == uves.NY - 1200
    assert abs(column + 1 - ORDERS[0].y(x)[0]) <= uves.SLIT + 1


def test_a_point_source_keeps_its_light() -> None:
    light = echelle.continuum(ORDERS[:1], echelle.gaussian(2.4), echelle.flat_lamp(1000.0))
    x = np.arange(1.0, uves.NY + 1)
    along = (light - 5.0).sum(axis=1, dtype=np.float64)[::-1]
    assert along == pytest.approx(1000.0 * echelle.blaze(x), rel=1e-3)


def test_the_slit_lights_its_length_and_nothing_else() -> None:
    offset = np.arange(-30.0, 31.0)
    assert echelle.slit(offset).sum() == pytest.approx(2 * uves.SLIT)
    assert not echelle.slit(offset)[np.abs(offset) > uves.SLIT + 1].any()


@given(st.integers(0, 10))
def test_lamp_lines_can_be_told_apart(seed: int) -> None:
    waves, strengths = echelle.lamp_lines(seed)
    assert np.diff(waves).min() > 0.45
    assert len(waves) == len(strengths) > 1000


@pytest.mark.parametrize(("binning", "shape"), [(1, (3000, 2148)), (2, (1500, 1074))])
def test_a_bias_has_its_level_and_its_read_noise(binning: int, shape: tuple[int, int]) -> None:
    frame = uves.expose(None, uves.response(1), np.random.default_rng(5), binning)
    assert frame.shape == shape
    assert frame.mean() == pytest.approx(uves.BIAS, abs=0.02)
    assert frame.std() == pytest.approx(uves.READ_NOISE, rel=0.02)


def test_light_falls_between_prescan_and_overscan_with_photon_noise() -> None:
    light = np.full((uves.NY, uves.NX), 18000.0, np.float32)
    frame = uves.expose(light, np.ones_like(light), np.random.default_rng(5)).astype(np.float64)
    lit = frame[:, uves.EDGE : uves.EDGE + uves.NX]
    assert lit.mean() == pytest.approx(uves.BIAS + 10000.0, abs=1)
    assert lit.std() == pytest.approx(np.hypot(np.sqrt(18000.0) / 1.8, uves.READ_NOISE), rel=0.01)
    assert frame[:, : uves.EDGE].mean() == pytest.approx(uves.BIAS, abs=0.1)
    assert frame[:, uves.EDGE + uves.NX :].mean() == pytest.approx(uves.BIAS, abs=0.1)


def test_cosmic_rays_hit_only_an_exposure() -> None:
    assert not uves.cosmic_rays(np.random.default_rng(1), 0.0).any()
    hits = uves.cosmic_rays(np.random.default_rng(1), 1200.0)
    assert 500 < np.count_nonzero(hits) < 1300


@settings(max_examples=25)
@given(st.floats(-0.1, 0.1), st.floats(-0.02, 0.02))
def test_a_centroid_is_found_on_a_sloping_continuum(shift: float, slope: float) -> None:
    wave = np.arange(3990.0, 4010.0, 0.0135)
    line = Line(LINE.name, LINE.wave + shift, LINE.depth, LINE.sigma)
    flux = echelle.stellar((line,), 1e4)(wave) * (1 + slope * (wave - 4000))
    assert measure_uves.centre(wave, flux, LINE) == pytest.approx(line.wave, abs=1e-3)


def test_a_line_outside_the_spectrum_is_not_ok(tmp_path: Path) -> None:
    _spectrum(tmp_path / "s.fits", (LINE,))
    (found,) = measure_uves.centroids(tmp_path / "s.fits", [Line("far", 5000.0, 0.5, 0.1)])
    assert not found.ok


@pytest.mark.parametrize(("shift", "good"), [(0.0, True), (0.03, False), (-0.03, False)])
def test_centroids_pass_within_their_limit_and_fail_beyond(tmp_path: Path, shift: float, good: bool) -> None:
    moved = tuple(Line(line.name, line.wave + shift, line.depth, line.sigma) for line in LINES)
    _spectrum(tmp_path / "s.fits", moved)
    assert [found.ok for found in measure_uves.centroids(tmp_path / "s.fits", LINES)] == [good] * len(LINES)


@pytest.mark.parametrize(("pixels", "good"), [(0.0, True), (0.1, False)])
def test_a_smoothly_wrong_dispersion_is_seen(tmp_path: Path, pixels: float, good: bool) -> None:
    x = np.linspace(10, 2990, 60)
    wave = ORDERS[0].wave(x)
    columns = {"X": x, "WaveC": ORDERS[0].wave(x + pixels), "Order": np.full(60, 103), "Ident": wave}
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, "D", array=values) for name, values in columns.items()]
    )
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "lines.fits")
    rms, offset = measure_uves.dispersion(tmp_path / "lines.fits", ORDERS)
    assert rms.measured == pytest.approx(pixels, abs=1e-3)
    assert offset.ok is rms.ok is good


def test_a_bias_of_another_level_fails(tmp_path: Path) -> None:
    write_image(tmp_path / "bias.fits", np.full((8, 8), uves.BIAS + 1, np.float32), {})
    assert not measure_uves.bias(tmp_path / "bias.fits")[0].ok


@pytest.mark.parametrize(("shift", "good"), [(0.0, True), (0.5, False)])
def test_orders_traced_beside_their_place_fail(tmp_path: Path, shift: float, good: bool) -> None:
    x = np.linspace(10, 2990, 60)
    columns = [fits.Column("X", "D", array=x), fits.Column("Yfit", "D", array=ORDERS[0].y(x) + shift)]
    table = fits.BinTableHDU.from_columns(columns, name="ORDER_TAB")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "orders.fits")
    assert measure_uves.traces(tmp_path / "orders.fits", ORDERS)[0].ok is good


@pytest.mark.skipif(shutil.which("esorex") is None, reason="esorex with the UVES pipeline is not installed")
def test_the_physical_model_gives_the_format_of_390_nm() -> None:
    orders = echelle.predict(uves.Setup())
    middle = np.array([1500.0])
    assert [order.number for order in orders] == list(range(103, 103 + len(orders)))
    assert 35 <= len(orders) <= 41
    waves = np.array([order.wave(middle)[0] for order in orders])
    # The blaze law of an echelle: order times central wavelength hardly changes.
    products = waves * [order.number for order in orders]
    assert np.ptp(products) / products.mean() < 0.01
    assert (np.diff([order.y(middle)[0] for order in orders]) < -2 * uves.SLIT).all()


def _spectrum(path: Path, lines: tuple[Line, ...]) -> None:
    wave = np.arange(3280.0, 4515.0, 0.0135)
    flux = echelle.stellar(lines, 9000.0)(wave).astype(np.float32).reshape(1, -1)
    write_image(path, flux, {"CRVAL1": 3280.0, "CDELT1": 0.0135, "CRPIX1": 1.0})
    with fits.open(path, mode="update") as hdus:
        hdus[0].data = hdus[0].data[0]
