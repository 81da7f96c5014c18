"""What the simulated MUSE looks at: arc lamps, the night sky, two stars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from processing.simulate import muse_light as light
from processing.simulate.muse_light import Vector

EXPOSURE = 300.0  # seconds
EXTINCTION = 0.1  # magnitudes for an airmass of 1
RESPONSE = 41.0  # magnitudes: electrons / s / Angstrom against erg / s / cm2 / Angstrom
SEEING = 2.0  # sigma, spaxels of 0.2 arcsec: 0.9 arcsec FWHM
ROW = 5.5  # the middle of the twelve rows of the channel
# Lines of the stars: air wavelength [Angstrom] -> equivalent width [Angstrom], negative in absorption.
LINES: Mapping[float, float] = {5889.95: -3.76, 6562.80: 15.04, 8498.02: -5.0}
BROAD = 3.0  # sigma of the stars' lines, Angstrom


@dataclass(frozen=True, slots=True)
class Lamp:
    """An arc lamp: its number in the header, its ions' lines in air [Angstrom], electrons in a column."""

    number: int
    ions: Mapping[str, tuple[float, ...]]
    strength: float

    @property
    def lines(self) -> dict[float, float]:
        """Each line's strength; they differ by a factor of up to 4, the same in every frame."""
        waves = sorted(wave for ion in self.ions.values() for wave in ion)
        return {wave: self.strength * 4 ** ((17 * n % 7) / 6) for n, wave in enumerate(waves)}

    def ion(self, wave: float) -> str:
        """Which ion shines at this wavelength."""
        return next(ion for ion, waves in self.ions.items() if wave in waves)


@dataclass(frozen=True, slots=True)
class Star:
    """A star: spaxels from the middle of the field, electrons for each Angstrom."""

    x: float
    flux: float

    def profile(self, x: Vector, row: float) -> Vector:
        """The part of its light in a pixel of a slice; a pixel is as wide as a spaxel, nearly."""
        radius = (x - self.x) ** 2 + (row - ROW) ** 2
        share = light.LENGTH / light.WIDTH / (2 * np.pi * SEEING**2)
        return np.asarray(share * np.exp(-0.5 * radius / SEEING**2))

    def caught(self) -> float:
        """The part of its light that falls on the twelve rows."""
        rows = np.exp(-0.5 * ((np.arange(12) - ROW) / SEEING) ** 2)
        return float(rows.sum() / (SEEING * np.sqrt(2 * np.pi)))


@dataclass(frozen=True, slots=True)
class Sky:
    """The night sky: lines [Angstrom] -> electrons, and a continuum [electrons / Angstrom], in each pixel."""

    lines: Mapping[float, float]
    continuum: float


# Air wavelengths (NIST) of the brighter lines without near neighbours of the three arc lamps of MUSE.
LAMPS = (
    Lamp(
        3,
        {
            "NeI": (
                5400.56, 5852.49, 5944.83, 6029.997, 6096.16, 6143.06, 6217.28, 6266.50, 6334.43, 6402.25,
                6506.53, 6598.95, 6678.28, 6717.04, 6929.47, 7032.41, 7173.94, 7245.17, 7438.90, 7535.77,
                8377.61, 8495.36, 8591.26, 8654.38, 8853.87, 8919.50, 9148.67, 9201.76, 9300.85,
            )
        },
        2e4,
    ),
    Lamp(
        4,
        {
            "XeI": (
                4671.23, 4734.15, 4807.02, 4916.51, 7642.02, 8231.63, 8280.12, 8346.82, 8409.19, 8819.41,
                8952.25, 9045.45, 9162.65, 9513.38,
            )
        },
        2e4,
    ),
    Lamp(
        5,
        {"HgI": (5460.75, 5769.61, 5790.67), "CdI": (4678.15, 4799.91, 5085.82, 6438.47)},
        3e4,
    ),
)  # fmt: skip
# The two oxygen lines are those by which muse_scibasic corrects the wavelengths.
SKY = Sky({5577.339: 1500.0, 6300.304: 800.0}, 40.0)
STARS = (Star(-60.0, 4e5), Star(50.0, 2e5))


def star(each: Star) -> Vector:
    """The spectrum of a star: a flat continuum and its lines."""
    lines = {wave: width * each.flux for wave, width in LINES.items()}
    return light.spectrum(lines, each.flux, float(np.hypot(BROAD, light.LSF)))
