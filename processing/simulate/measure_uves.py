"""UVES products against the truth: bias, order traces, dispersion solution, absorption lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.optimize import least_squares

from processing.simulate.echelle import Line, Order
from processing.simulate.measurement import Measurement
from processing.simulate.uves import BIAS, Vector

RMS_LIMIT = 0.05  # pixels
CENTROID_LIMIT = 0.02  # Angstrom


def bias(path: Path) -> list[Measurement]:
    """The level of a master bias."""
    with fits.open(path) as hdus:
        level = float(np.mean(hdus[0].data))
    return [Measurement("UVES bias level", BIAS, level, 0.5, "ADU")]


def traces(path: Path, orders: Sequence[Order]) -> list[Measurement]:
    """Where uves_cal_orderpos found the orders, against where they are.

    Its Order is counted from 1 on the chip, so each position is compared with the nearest true order.
    """
    with fits.open(path) as hdus:
        rows = hdus["ORDER_TAB"].data
        x, y = (np.array(rows[name], dtype=np.float64) for name in ("X", "Yfit"))
    true = np.array([order.y(x) for order in orders])
    offset = np.min(np.abs(true - y), axis=0)
    return [Measurement("UVES order position rms", 0.0, _rms(offset), 0.2, "px")]


def dispersion(path: Path, orders: Sequence[Order]) -> list[Measurement]:
    """The recipe's wavelength at each identified arc line, against the true one at that pixel.

    Not the recipe's residuals: a solution that is wrong and smooth would have small ones. All three
    extraction windows count. Column names: LINE_TABLE of uves_cal_wavecal.
    """
    true = {order.number: order for order in orders}
    errors: list[Vector] = []
    with fits.open(path) as hdus:
        for rows in (hdu.data for hdu in hdus[1:] if "WaveC" in hdu.columns.names):
            x, wave, named, identified = (
                np.array(rows[name], dtype=np.float64) for name in ("X", "WaveC", "Order", "Ident")
            )
            for number, order in true.items():
                of = (named == number) & np.isfinite(identified)
                errors.append((wave[of] - order.wave(x[of])) / order.step(x[of]))
    every = np.concatenate(errors)
    return [
        Measurement("UVES wavelength rms", 0.0, _rms(every), RMS_LIMIT, "px"),
        Measurement("UVES wavelength offset", 0.0, float(np.mean(every)), RMS_LIMIT, "px"),
    ]


def centroids(path: Path, lines: Sequence[Line]) -> list[Measurement]:
    """The centres of the absorption lines in the extracted, merged spectrum."""
    wave, flux = spectrum(path)
    return [
        Measurement(f"UVES {line.name}", line.wave, centre(wave, flux, line), CENTROID_LIMIT, "Angstrom")
        for line in lines
    ]


def spectrum(path: Path) -> tuple[Vector, Vector]:
    """Wavelength [Angstrom, air] and flux of a one-dimensional product."""
    with fits.open(path) as hdus:
        header, flux = hdus[0].header, np.array(hdus[0].data, dtype=np.float64)
    pixel = np.arange(len(flux)) + 1 - header["CRPIX1"]
    return header["CRVAL1"] + header["CDELT1"] * pixel, flux


def centre(wave: Vector, flux: Vector, line: Line) -> float:
    """The centre of a Gaussian line on a sloping continuum, by least squares; NaN where there is none."""
    near = np.abs(wave - line.wave) < 5 * line.sigma + 0.5
    if not near.any():
        return float("nan")
    x, y = wave[near] - line.wave, flux[near]

    def misfit(p: Vector) -> Vector:
        level, slope, depth, at, sigma = p
        model = (level + slope * x) * (1 - depth * np.exp(-0.5 * ((x - at) / sigma) ** 2))
        return np.asarray(model - y)

    level = float(np.max(y))
    scale = [level, level, 1.0, line.sigma, line.sigma]
    fit = least_squares(misfit, [level, 0.0, line.depth, 0.0, line.sigma], x_scale=scale)
    return line.wave + float(fit.x[3])


def _rms(values: Vector) -> float:
    return float(np.sqrt(np.mean(values**2)))
