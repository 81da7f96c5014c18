"""MUSE products against the truth: bias, trace, flat, wavelengths; places, fluxes and lines of the stars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from astropy.coordinates import get_body_barycentric_posvel
from astropy.io import fits
from astropy.time import Time
from numpy.polynomial.polynomial import polyval, polyval2d
from numpy.typing import NDArray

from processing.simulate import muse_light as light
from processing.simulate.measurement import Measurement
from processing.simulate.muse_light import BIAS, COLUMNS, RAMP, RON, ROWS, Vector
from processing.simulate.muse_sky import EXPOSURE, EXTINCTION, LINES, RESPONSE, STARS, Star

Cube: TypeAlias = NDArray[np.float64]
_HALF = 20  # spaxels on each side of a star: all of its light


def measure(products: Mapping[str, tuple[Path, ...]], seed: int) -> list[Measurement]:
    """Every number of the products that are there and known."""
    measures: Mapping[str, Callable[[Path, int], list[Measurement]]] = {
        "MASTER_BIAS": bias,
        "MASTER_FLAT": flat,
        "TRACE_TABLE": trace,
        "WAVECAL_TABLE": wavelengths,
        "DATACUBE_FINAL": cube,
    }
    return [
        number
        for category, numbers in measures.items()
        for path in products.get(category, ())
        for number in numbers(path, seed)
    ]


def bias(path: Path, _: int) -> list[Measurement]:
    """The levels of the four ports, the ramp that remains, the read-out noise."""
    with fits.open(path) as hdus:
        header, image = hdus[0].header, np.array(hdus["DATA"].data, np.float64)
    found = []
    for port, level in enumerate(BIAS, start=1):
        measured = float(header[f"ESO DRS MUSE OVSC{port} MEAN"])
        found.append(Measurement(f"MUSE bias level, port {port}", level, measured, 0.1, "ADU"))
    middle, ends = image[:, COLUMNS // 2 - 50 : COLUMNS // 2 + 50], image[:, [*range(50), *range(-50, 0)]]
    ramp = float(ends.mean() - middle.mean())
    noise = float(np.mean([header[f"ESO QC BIAS MASTER{port} RON"] for port in range(1, 5)]))
    return [
        *found,
        Measurement("MUSE bias ramp", RAMP * (1 - 50 / (COLUMNS // 2)), ramp, 0.03, "ADU"),
        Measurement("MUSE read-out noise", RON, noise, 0.15, "electrons"),
    ]


def trace(path: Path, _: int) -> list[Measurement]:
    """How many slices were found, and how far their edges are from the truth."""
    rows = _table(path)
    y: Vector = np.arange(50.0, ROWS - 50, 25.0)
    off = []
    for each in light.slices():
        row = rows[rows["SliceNo"] == each.number]
        for edge, at in ((1, 0.0), (2, light.WIDTH)):  # FITS counts pixels from 1
            fit = polyval(y + 1, [row[f"tc{edge}_0{power}"].item() for power in range(6)])
            off.append(fit - 1 - each.edge(y) - at)
    return [
        Measurement("MUSE slices traced", light.SLICES, len(rows), 0, ""),
        Measurement("MUSE edges of the slices, rms", 0.0, float(np.std(off)), 0.05, "pixels"),
    ]


def flat(path: Path, seed: int) -> list[Measurement]:
    """The response of the pixels: the slope of the measured one against the true one."""
    with fits.open(path) as hdus:
        image = np.array(hdus["DATA"].data)
    truth = light.pixels(seed)
    inside = np.s_[1500:2500, int(light.slices()[10].left) + 12 : int(light.slices()[10].left) + 64]
    wave = light.slices()[10].wave(np.array(0.5), np.arange(1500.0, 2500.0))[:, None]
    measured = (image[inside] / light.efficiency(wave)).ravel()
    slope = float(np.polyfit(truth[inside].ravel() - 1, measured / np.median(measured), 1)[0])
    return [Measurement("MUSE flat, response of the pixels, slope", 1.0, slope, 0.05, "")]


def wavelengths(path: Path, _: int) -> list[Measurement]:
    """The wavelength solution of all slices against the truth."""
    rows = _table(path)
    y, u = np.meshgrid(np.arange(300.0, ROWS - 300, 100.0), np.array([0.1, 0.5, 0.9]))
    off = []
    for each in light.slices():
        row = rows[rows["SliceNo"] == each.number]
        powers = [[row[f"wlc{i}{j}"].item() for j in range(7)] for i in range(3)]
        off.append(polyval2d(each.edge(y) + u * light.WIDTH + 1, y + 1, powers) - each.wave(u, y))
    return [
        Measurement("MUSE wavelength solution, mean", 0.0, float(np.mean(off)), 0.01, "Angstrom"),
        Measurement("MUSE wavelength solution, rms", 0.0, float(np.std(off)), 0.03, "Angstrom"),
    ]


def cube(path: Path, _: int) -> list[Measurement]:
    """The stars of the cube: distance, fluxes, and their lines' widths and wavelengths."""
    with fits.open(path) as hdus:
        primary, header = hdus[0].header, hdus["DATA"].header
        data = np.array(hdus["DATA"].data, np.float64)
    wave = header["CRVAL3"] + header["CD3_3"] * (np.arange(len(data)) + 1 - header["CRPIX3"])
    shift = 1 + barycentric(primary) / 299792.458
    white = np.nanmean(data, axis=(0, 1))
    scale = abs(float(header["CD1_1"])) * 3600
    places = [_place(white, each) for each in STARS]
    spectra = [_spectrum(data, place) for place in places]
    distance = abs(STARS[0].x - STARS[1].x) * 0.2  # arcsec: MUSE user manual
    found = [
        Measurement("MUSE distance of the stars", distance, abs(places[0] - places[1]) * scale, 0.1, "arcsec")
    ]
    for number, (each, spectrum) in enumerate(zip(STARS, spectra, strict=True), start=1):
        for low, high in ((5000, 5500), (7000, 7500), (9000, 9300)):
            flux = float(np.nanmedian(spectrum[(wave > low) & (wave < high)]))
            truth = flux_of(each)
            found.append(
                Measurement(f"MUSE star {number}, flux {low}-{high}", truth, flux, 0.03 * truth, "1e-20")
            )
        for line, width in LINES.items():
            there, seen = _line(wave, spectrum, line * shift)
            found.append(
                Measurement(f"MUSE star {number}, line {line:.0f}, place", line * shift, there, 0.1, "A")
            )
            found.append(
                Measurement(
                    f"MUSE star {number}, line {line:.0f}, width", width, seen, 0.02 * abs(width), "A"
                )
            )
    return found


def flux_of(star: Star) -> float:
    """The flux that the cube shows of a star [1e-20 erg / s / cm2 / Angstrom].

    The recipes mean over pixels where a spaxel takes more than one: a slice has 76 for 75 spaxels.
    """
    electrons = star.flux * star.caught() * light.LENGTH / light.WIDTH
    return electrons / EXPOSURE * 10 ** (0.4 * (EXTINCTION - RESPONSE)) * 1e20


def barycentric(header: fits.Header) -> float:
    """How fast the Earth moves towards the target [km/s], without its rotation, 0.3 km/s at most."""
    moment = Time(header["MJD-OBS"] + EXPOSURE / 86400 / 2, format="mjd")
    velocity = get_body_barycentric_posvel("earth", moment)[1].xyz.to_value("km/s")
    ra, dec = np.deg2rad((header["RA"], header["DEC"]))
    return float(velocity @ (np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)))


def _place(white: Vector, star: Star) -> float:
    """The star's column, where its light has its centre; the middle of the cube is that of the field."""
    guess = round((len(white) - 1) / 2 + star.x)
    box = np.s_[guess - 30 : guess + 31]
    light = np.clip(white[box] - np.nanmedian(white), 0, None)
    return float((light * np.arange(guess - 30, guess + 31)).sum() / light.sum())


def _spectrum(data: Cube, place: float) -> Vector:
    near = np.s_[:, :, round(place) - _HALF : round(place) + _HALF + 1]
    return np.asarray(np.nansum(data[near], axis=(1, 2)))


def _line(wave: Vector, spectrum: Vector, line: float) -> tuple[float, float]:
    """A line's centre and equivalent width."""
    around = (np.abs(wave - line) > 20) & (np.abs(wave - line) < 60)
    near = np.abs(wave - line) < 15
    level = np.polyval(np.polyfit(wave[around] - line, spectrum[around], 1), wave - line)
    depth = (spectrum / level - 1)[near]
    return float((depth * wave[near]).sum() / depth.sum()), float(depth.sum() * (wave[1] - wave[0]))


def _table(path: Path) -> Any:
    with fits.open(path) as hdus:
        return np.array(hdus[1].data)
