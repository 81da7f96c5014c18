"""VISIR products against the truth: dark, response, bad pixels, conversion to Jy, the beams of each star."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from processing.simulate.measurement import Measurement
from processing.simulate.visir import (
    CYCLES,
    DARK,
    HOT,
    NODS,
    READ_NOISE,
    STARS,
    THROW,
    Detector,
    Setup,
)

Pixels = NDArray[np.float64]

APERTURE = 8.0  # pixels: more than three times the width of a star
# The stars are not divided by the response, which varies by 2 per cent from pixel to pixel: over the dozen
# pixels of a star by half a per cent, and by a few per cent across the array.
FLUX_LIMIT = 0.03


def dark(path: Path, chip: Detector) -> list[Measurement]:
    """The level of a master dark, and its hot pixels."""
    image = _image(path)
    hot = chip.dark > DARK + HOT / 2
    return [
        Measurement("VISIR dark level", DARK, float(np.median(image)), 0.001 * DARK, "ADU"),
        Measurement("VISIR hot pixels' level", DARK + HOT, float(image[hot].mean()), 0.01 * HOT, "ADU"),
    ]


def flat(path: Path, chip: Detector) -> list[Measurement]:
    """A master flat over the response that was simulated: its level and its scatter."""
    ratio = (_image(path) / chip.flat)[~chip.dead]
    level = float(np.median(ratio))
    scatter = 1.4826 * float(np.median(np.abs(ratio / level - 1)))
    return [
        Measurement("VISIR flat over the true response", 1.0, level, 0.002, ""),
        Measurement("VISIR flat, scatter of that", 0.0, scatter, 0.005, ""),
    ]


def bad_pixels(path: Path, chip: Detector) -> list[Measurement]:
    """How many of the dead pixels a map marks, and how many others."""
    found = _image(path) > 0
    return [
        Measurement("VISIR dead pixels found", 1.0, float(found[chip.dead].mean()), 0.01, ""),
        Measurement("VISIR good pixels called bad", 0.0, float(found[~chip.dead].mean()), 1e-4, ""),
    ]


def conversion(path: Path, truth: float) -> list[Measurement]:
    """What the recipe made of the standard star: ADU per second for a Jansky (QC CONVER)."""
    found = float(fits.getheader(path)["HIERARCH ESO QC CONVER"])
    return [Measurement("VISIR conversion factor", truth, found, FLUX_LIMIT * truth, "ADU/s/Jy")]


def beams(path: Path, setup: Setup) -> list[Measurement]:
    """The three beams of each star, the background and its noise.

    As the telescope nods against the chopper, the difference of two nods shows a star twice where it is
    and once, negative, a throw to either side. The recipe makes a quarter of that, in ADU per second, and
    the mean over the pairs of nods; a file itself is the mean of CYCLES differences of two reads.
    """
    image = _image(path)
    throw = THROW / float(setup.pfov)
    found = []
    for number, star in enumerate(STARS, start=1):
        for side, name, share in ((0, "positive", 0.5), (-1, "lower", -0.25), (1, "upper", -0.25)):
            light = _light(image, star.x, star.y + side * throw)
            true = share * star.flux / setup.dit
            limit = FLUX_LIMIT * abs(true)
            found.append(Measurement(f"VISIR star {number}, {name} beam", true, light, limit, "ADU/s"))
    level = float(np.median(image))
    noise = 1.4826 * float(np.median(np.abs(image - level)))
    true = READ_NOISE * (2 / CYCLES) ** 0.5 / (2 * len(NODS) ** 0.5) / setup.dit
    return [
        *found,
        Measurement("VISIR background", 0.0, level, 0.1 * true, "ADU/s"),
        Measurement("VISIR background noise", true, noise, 0.1 * true, "ADU/s"),
    ]


def _light(image: Pixels, x: float, y: float) -> float:
    """The sum in an aperture. Chopping has taken the sky away."""
    rows, columns = np.indices(image.shape)
    return float(image[np.hypot(columns - x, rows - y) <= APERTURE].sum())


def _image(path: Path) -> Pixels:
    with fits.open(path) as hdus:
        return np.array(hdus[0].data, dtype=np.float64)
