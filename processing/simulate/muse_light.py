"""Light on the detector of one MUSE channel: 48 slices, each a strip that is a little tilted and curved.

Pixels are counted from 0, wavelengths are Angstrom in air, light is in electrons for each pixel of the
4112 rows and 4096 columns that see the sky.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

Vector: TypeAlias = NDArray[np.float64]
Light: TypeAlias = NDArray[np.float32]
# Where in the field of view [spaxels from its centre], how bright at each wavelength [electrons / Angstrom].
Scene: TypeAlias = Callable[[Vector, float, Vector], Vector]

ROWS, COLUMNS = 4112, 4096
BIAS = (1000.0, 1010.0, 990.0, 1005.0)  # ADU, by quadrant
RAMP = 3.0  # ADU that the bias rises from the overscan to the outer end of a row: only bias frames can tell
GAIN, RON = 1.1, 2.8  # electrons for an ADU, electrons
SLICES = 48
WIDTH = 76.0  # pixels of a slice on the detector
LENGTH = 75.0  # spaxels of a slice on the sky: 15 arcsec (MUSE user manual)
STACKS = (-112.5, -37.5, 37.5, 112.5)  # centres of the four stacks of twelve slices, spaxels
LSF = 2.5 / 2.3548  # sigma of a line: 2.5 Angstrom FWHM (MUSE user manual)
SOFT = np.sqrt(2) * 0.85  # the image of a point on the detector has a sigma of 0.85 pixels
STEP = 1.25  # Angstrom per pixel (MUSE user manual)

_GRID: Vector = np.arange(4500.0, 9900.0, 0.1)


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice: its left edge in the middle row, how far it leans, its wavelengths, its place on the sky."""

    number: int
    left: float
    lean: float
    shift: float
    stack: float
    row: int

    def edge(self, y: Vector) -> Vector:
        """Column of the left edge."""
        return self.left + self.lean * (y - ROWS / 2) / (ROWS / 2)

    def wave(self, u: Vector, y: Vector) -> Vector:
        """Wavelength in row y at u, from 0 to 1 across the slice: lines are bent by 0.4 Angstrom."""
        bend = 0.4 * (2 * u - 1) ** 2
        return 4590.0 + self.shift + bend + STEP * y + 1e-6 * (y - ROWS / 2) ** 2


def slices() -> tuple[Slice, ...]:
    """The 48 slices of the channel, from left to right; twelve make a stack."""
    fan = (np.arange(SLICES) - (SLICES - 1) / 2) / (SLICES / 2)
    return tuple(
        Slice(n + 1, 30.0 + 84.5 * n, 5.0 * fan[n], 1.5 * ((n % 12) - 5.5), STACKS[n // 12], n % 12)
        for n in range(SLICES)
    )


def spectrum(lines: Mapping[float, float], continuum: float = 0.0, sigma: float = LSF) -> Vector:
    """Lines (wavelength -> electrons) on a continuum [electrons / Angstrom], as pixels of STEP see them."""
    found = np.full_like(_GRID, continuum)
    for wave, strength in lines.items():
        near = slice(*np.searchsorted(_GRID, (wave - 10 * sigma, wave + 10 * sigma)))
        shape = np.exp(-0.5 * ((_GRID[near] - wave) / sigma) ** 2)
        found[near] += strength * shape / (sigma * np.sqrt(2 * np.pi))
    box = np.ones(round(STEP / 0.1) + 1)
    box[[0, -1]] = 0.75  # 12.5 steps of 0.1
    return np.asarray(np.convolve(np.pad(found, len(box) // 2, mode="edge"), box / box.sum(), "valid"))


def at(spectrum: Vector, wave: Vector) -> Vector:
    """A spectrum made by `spectrum`, at these wavelengths."""
    return np.asarray(np.interp(wave, _GRID, spectrum))


def through(scene: Scene, where: Sequence[Slice] = slices()) -> Light:
    """The scene as the slices spread it over the detector; nothing falls between them."""
    light = np.zeros((ROWS, COLUMNS), np.float32)
    y: Vector = np.arange(ROWS, dtype=np.float64)[:, None]
    for each in where:
        edge = each.edge(y)
        first, last = int(edge.min()) - 3, int(edge.max() + WIDTH) + 5
        x: Vector = np.arange(max(first, 0), min(last, COLUMNS), dtype=np.float64)[None, :]
        # The ends of a slice are as soft as the image of a point.
        inside = (erf((x - edge) / SOFT) - erf((x - edge - WIDTH) / SOFT)) / 2
        u = (x - edge) / WIDTH
        # Along a slice the sky runs from right to left (muse_scibasic places it so).
        seen = scene(each.stack - (u - 0.5) * LENGTH, float(each.row), each.wave(u, y))
        light[:, int(x[0, 0]) : int(x[0, -1]) + 1] += (inside * seen * STEP).astype(np.float32)
    return light


def pixels(seed: int) -> Light:
    """The response of each pixel, 1 per cent rms."""
    rng = np.random.default_rng([seed, 1])
    return 1 + np.float32(0.01) * rng.standard_normal((ROWS, COLUMNS), dtype=np.float32)


def efficiency(wave: Vector) -> Vector:
    """The throughput of the channel: it falls to both ends, and away from 7000 Angstrom."""
    return 1.0 - ((wave - 7000.0) / 4000.0) ** 2


def columns() -> dict[str, NDArray[Any]]:
    """The slices as a GEOMETRY_TABLE has them: positions in spaxels, this channel's rows from 140 on."""
    found = slices()
    numbers = np.array([each.number for each in found], np.int32)
    return {
        "SubField": np.ones(SLICES, np.int32),
        "SliceCCD": numbers,
        "SliceSky": numbers,
        "x": np.array([each.stack for each in found]),
        "y": np.array([140.0 + each.row for each in found]),
        "angle": np.zeros(SLICES),
        "width": np.full(SLICES, LENGTH),
    }
