"""GIRAFFE products against the truth: bias, read-out noise, bad pixels, dark current and glow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from processing.simulate.measurement import Measurement

ROWS, COLUMNS, EDGE = 4096, 2048, 50  # pixels that see light; columns of prescan and of overscan
CONAD = 1.7  # electrons for an ADU
BIAS, RON = 200.0, 4.3  # ADU, electrons
DARK = 5 / 3600  # ADU / s / pixel
# The glow: ADU / s / pixel at its peak, sigma and place in pixels (where gimasterdark looks for it).
GLOW, GLOW_SIZE, GLOW_X, GLOW_Y = 40 / 3600, 150.0, 1420, 3960
BAD, BADS = 150.0, 400  # ADU that a bad pixel has too many, how many there are


def bad_pixels(seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the bad pixels."""
    places = np.random.default_rng([seed, 2]).choice(ROWS * COLUMNS, BADS, replace=False)
    return places // COLUMNS, places % COLUMNS


def dark_rate() -> NDArray[np.float64]:
    """ADU in a second and pixel: a level, and a glow."""
    y, x = np.arange(ROWS) - GLOW_Y, np.arange(COLUMNS) - GLOW_X
    down, across = (np.exp(-0.5 * (places / GLOW_SIZE) ** 2) for places in (y, x))
    return np.asarray(DARK + GLOW * down[:, None] * across[None, :])


def measure(products: Mapping[str, tuple[Path, ...]], seed: int) -> list[Measurement]:
    """Every number of the products that are there; MASTER_BIAS, BAD_PIXEL_MAP and MASTER_DARK are known."""
    measures = {"MASTER_BIAS": bias, "BAD_PIXEL_MAP": bad_pixel_map, "MASTER_DARK": dark}
    return [
        number
        for category, numbers in measures.items()
        for path in products.get(category, ())
        for number in numbers(path, seed)
    ]


def bias(path: Path, seed: int) -> list[Measurement]:
    """The level of a master bias, and the read-out noise that the recipe found in the raw frames."""
    with fits.open(path) as hdus:
        image = np.array(hdus[0].data[:, EDGE:-EDGE], dtype=np.float64)
        noise = float(hdus[0].header["ESO QC OUT1 RON RAW"])
    image[bad_pixels(seed)] = np.nan
    rounding = 12**-0.5  # of an ADU
    return [
        Measurement("GIRAFFE bias level", BIAS, float(np.nanmean(image)), 0.05, "ADU"),
        Measurement("GIRAFFE read-out noise", float(np.hypot(RON / CONAD, rounding)), noise, 0.03, "ADU"),
    ]


def bad_pixel_map(path: Path, seed: int) -> list[Measurement]:
    """The bad pixels that were found, and the good ones that were blamed."""
    with fits.open(path) as hdus:
        flagged = np.array(hdus[0].data[:, EDGE:-EDGE]) != 0
    found = int(np.count_nonzero(flagged[bad_pixels(seed)]))
    blamed = int(np.count_nonzero(flagged)) - found
    # 5 sigma of normal noise: 5 of 8 million pixels.
    return [
        Measurement("GIRAFFE bad pixels found", BADS, found, 0.5, ""),
        Measurement("GIRAFFE good pixels blamed", 5, blamed, 10, ""),
    ]


def dark(path: Path, seed: int) -> list[Measurement]:
    """The dark current far from the glow, and the glow where it is brightest [ADU / h]."""
    with fits.open(path) as hdus:
        image = np.array(hdus[0].data, dtype=np.float64) * 3600
    image[bad_pixels(seed)] = np.nan
    far, near = np.s_[: ROWS // 2], np.s_[GLOW_Y - 30 : GLOW_Y + 30, GLOW_X - 30 : GLOW_X + 30]
    truth = dark_rate() * 3600
    # The recipe takes the bias from the prescan: its mean is known to 0.05 ADU.
    return [
        Measurement("GIRAFFE dark current", DARK * 3600, float(np.nanmean(image[far])), 0.15, "ADU/h"),
        Measurement("GIRAFFE glow", float(truth[near].mean()), float(np.nanmean(image[near])), 0.5, "ADU/h"),
    ]
