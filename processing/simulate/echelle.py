"""The echelle format of UVES, taken from the recipes' own physical model, and light sent through it.

In the reduced image x (pixels from 1) runs along the dispersion, 3000 long, and y across it, 2048 wide.
Wavelengths are Angstrom in air; light is in electrons, in the orientation of a raw frame.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits as astropy_fits
from numpy.typing import NDArray

from processing.simulate import SimulationError
from processing.simulate.fits import Value, mjd, timestamp, when, write_image, write_table
from processing.simulate.uves import BIAS, EDGE, NX, NY, SLIT, Light, Setup, Vector, setup_cards

SIGMA = 1.9  # spectral line-spread function, pixels
_PATIENCE = 120  # seconds; the physical model takes less than one


@dataclass(frozen=True, slots=True)
class Line:
    """An absorption line as the instrument shows it: Gaussian, air wavelength and sigma in Angstrom."""

    name: str
    wave: float
    depth: float
    sigma: float


@dataclass(frozen=True, slots=True)
class Order:
    """An echelle order: polynomials of u = x / 3000, highest power first, for y and for wavelength."""

    number: int
    trace: tuple[float, ...]
    dispersion: tuple[float, ...]

    def y(self, x: Vector) -> Vector:
        """Centre of the order across the dispersion, pixels from 1."""
        return np.asarray(np.polyval(self.trace, x / NY))

    def wave(self, x: Vector) -> Vector:
        """Wavelength at x."""
        return np.asarray(np.polyval(self.dispersion, x / NY))

    def step(self, x: Vector) -> Vector:
        """Angstrom per pixel at x."""
        return np.asarray(np.polyval(np.polyder(self.dispersion), x / NY) / NY)

    def x(self, wave: Vector) -> Vector:
        """Where a wavelength falls (Newton's method from the middle of the order)."""
        x = np.full_like(wave, NY / 2)
        for _ in range(8):
            x = np.clip(x - (self.wave(x) - wave) / self.step(x), -NY, 2 * NY)
        return x


def blaze(x: Vector, length: int = NY) -> Vector:
    """Grating efficiency along an order on a chip of this length."""
    return np.asarray(np.sinc((x - length / 2) / (1900 * length / NY)) ** 2)


def predict(setup: Setup) -> tuple[Order, ...]:
    """The echelle format of a setting, from the physical model inside uves_cal_predict.

    With --debug the recipe writes its prediction for each line of the line list into the working
    directory; a dense list over a dark frame gives the whole format. It then fails for want of lines.
    """
    with tempfile.TemporaryDirectory(prefix="echelle-") as name:
        work = Path(name)
        start = when("2012-03-01T12:00:00")
        cards: dict[str, Value] = {
            "ORIGIN": "ESO",
            "INSTRUME": "UVES",
            "MJD-OBS": mjd(start),
            "DATE-OBS": timestamp(start),
            "DPR.CATG": "CALIB",
            "DPR.TYPE": "LAMP,FMTCHK",
            "DPR.TECH": "ECHELLE",
            "TPL.START": timestamp(start),
            **setup_cards("FMTCHK", setup, 30.0),
        }
        write_image(work / "dark.fits", np.full((NY, NX + 2 * EDGE), int(BIAS), np.uint16), cards)
        write_lines(work / "lines.fits", np.arange(2900.0, 5300.0, 2.0), {"INSTRUME": "UVES"})
        return run_model(work, "ARC_LAMP_FORM_BLUE", "blue", setup.wlen)


def run_model(work: Path, tag: str, chip: str, wlen: float, *options: str) -> tuple[Order, ...]:
    """The format of a chip, of `dark.fits` and `lines.fits` in this folder; see `predict`."""
    esorex = shutil.which("esorex")
    if esorex is None:
        raise SimulationError("esorex is not installed: the UVES format comes from uves_cal_predict")
    (work / "format.sof").write_text(f"dark.fits {tag}\nlines.fits LINE_REFER_TABLE\n")
    try:
        run = subprocess.run(
            [esorex, "--log-file=none", "uves_cal_predict", "--debug=TRUE", *options, "format.sof"],
            cwd=work,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(work)},  # no ESOREX_* of the caller
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired as slow:
        raise SimulationError(f"uves_cal_predict did not end within {_PATIENCE} s") from slow
    table = work / f"model_prediction_{chip}.fits"
    if not table.exists():
        raise SimulationError(
            f"uves_cal_predict made no prediction for {wlen} nm (exit code {run.returncode}); "
            f"is the UVES pipeline installed? Its last words: {(run.stderr or run.stdout)[-500:]}"
        )
    with astropy_fits.open(table) as hdus:
        return _fit(hdus[1].data)


def _fit(rows: Any) -> tuple[Order, ...]:
    """Smooth polynomials through the predicted positions; orders with too few points are at the edge."""
    orders = []
    for number in sorted(set(rows["ORDER"].tolist())):
        line = rows[rows["ORDER"] == number]
        u = line["XMOD"].astype(np.float64) / NY
        if len(line) >= 8:
            trace = np.polyfit(u, line["YMOD"].astype(np.float64), 3)
            wave = np.polyfit(u, line["WAVE"].astype(np.float64) * 10, 4)  # the model speaks nm
            orders.append(Order(int(number), tuple(trace.tolist()), tuple(wave.tolist())))
    return tuple(orders)


def lamp_lines(
    seed: int, low: float = 2950.0, high: float = 5050.0, number: int = 2250
) -> tuple[Vector, Vector]:
    """Wavelengths and strengths [e-] of a thorium-argon-like lamp, no two closer than 0.45 Angstrom."""
    rng = np.random.default_rng([seed, 2])
    waves = np.sort(rng.uniform(low, high, number))
    waves = waves[np.concatenate(([True], np.diff(waves) > 0.45))]
    return waves, 10 ** rng.uniform(4.5, 5.7, len(waves))


def write_lines(path: Path, waves: Vector, cards: dict[str, Value]) -> None:
    """A LINE_REFER_TABLE: column WAVE, Angstrom in air (uves_cal_wavecal)."""
    columns: dict[str, NDArray[Any]] = {
        "WAVE": waves,
        "INT": np.ones(len(waves), np.float32),
        "IDENT": np.full(len(waves), b"ThAr", dtype="S10"),
    }
    write_table(path, columns, {**cards, "PRO.CATG": "LINE_REFER_TABLE"})


def arc(
    orders: tuple[Order, ...], waves: Vector, strengths: Vector, height: float, length: int = NY
) -> Light:
    """Emission lines through a slit of this half height [pixels]: the lamp of an arc or a format check."""
    light = np.full((length, NX), 5.0, np.float32)
    reach = round(height) + 3
    for order in orders:
        centres = order.x(waves)
        inside = (centres > 3) & (centres < length - 3)
        heights = order.y(centres[inside])
        flux = strengths[inside] * blaze(centres[inside], length)
        for xc, yc, electrons in zip(centres[inside], heights, flux, strict=True):
            x = np.arange(max(1, int(xc) - 10), min(length, int(xc) + 12) + 1)
            y = np.arange(max(1, int(yc) - reach), min(NX, int(yc) + reach) + 1)
            along = np.exp(-0.5 * ((x - xc) / SIGMA) ** 2) / (SIGMA * np.sqrt(2 * np.pi))
            across = np.clip(height + 0.5 - np.abs(y - yc), 0, 1) / 20
            light[length - x[:, None], y[None, :] - 1] += electrons * along[:, None] * across[None, :]
    return light


def continuum(
    orders: tuple[Order, ...],
    across: Callable[[Vector], Vector],
    spectrum: Callable[[Vector], Vector],
    length: int = NY,
) -> Light:
    """A continuous source: electrons per pixel = blaze(x) spectrum(wavelength) across(y - centre)."""
    return _spread(orders, across, lambda order, x: spectrum(order.wave(x)), length)


def dispersed(
    orders: tuple[Order, ...],
    across: Callable[[Vector], Vector],
    density: Callable[[Vector], Vector],
    length: int = NY,
) -> Light:
    """As `continuum`, of a density [electrons per Angstrom]: a pixel that spans more of them gets more."""
    return _spread(orders, across, lambda order, x: density(order.wave(x)) * order.step(x), length)


def _spread(
    orders: tuple[Order, ...],
    across: Callable[[Vector], Vector],
    electrons: Callable[[Order, Vector], Vector],
    length: int,
) -> Light:
    light = np.full((length, NX), 5.0, np.float32)
    x = np.arange(1.0, length + 1)
    reach = np.arange(-SLIT - 3, SLIT + 4)
    columns = np.broadcast_to(length - x.astype(np.intp), (len(reach), length))
    for order in orders:
        centre = order.y(x)
        y = np.rint(centre)[None, :] + reach[:, None]
        inside = (y >= 1) & (y <= NX)
        values = across(y - centre[None, :]) * (blaze(x, length) * electrons(order, x))[None, :]
        light[columns[inside], y[inside].astype(np.intp) - 1] += values[inside].astype(np.float32)
    return light


def slit(offset: Vector) -> Vector:
    """A uniformly lit slit."""
    return np.clip(SLIT + 0.5 - np.abs(offset), 0.0, 1.0)


def gaussian(sigma: float) -> Callable[[Vector], Vector]:
    """A point source of this sigma [pixels], its light normalised to 1."""
    return lambda offset: np.exp(-0.5 * (offset / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))


def flat_lamp(level: float) -> Callable[[Vector], Vector]:
    """A lamp without features [electrons per spectral pixel]."""
    return lambda wave: np.full_like(wave, level)


def stellar(lines: Sequence[Line], level: float) -> Callable[[Vector], Vector]:
    """A star's spectrum [electrons per spectral pixel]: a smooth continuum, `level` at 4000 A, and lines."""

    def spectrum(wave: Vector) -> Vector:
        flux = level * (wave / 4000.0) ** 2
        for line in lines:
            flux = flux * (1 - line.depth * np.exp(-0.5 * ((wave - line.wave) / line.sigma) ** 2))
        return np.asarray(flux)

    return spectrum
