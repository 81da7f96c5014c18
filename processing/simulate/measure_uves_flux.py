"""Flux-calibrated UVES products against the truth: the efficiency of the instrument, the flux of a star."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

from processing.simulate.measure_uves import spectrum
from processing.simulate.measurement import Measurement
from processing.simulate.uves import Vector
from processing.simulate.uves_flux import Star, efficiency

# The largest difference from the truth, as a part of it. The recipe's efficiency is the 90th percentile of
# the middle fifth of an order, where the blaze falls by a few per cent.
EFFICIENCY_LIMIT = 0.02
FLUX_LIMIT = 0.01
WIDTH = 30.0  # Angstrom


def efficiencies(path: Path) -> list[Measurement]:
    """Electrons per photon at the blaze of three orders (QC BLAZEFFi, QC BLAZWLENi in nm)."""
    with fits.open(path) as hdus:
        header = hdus[0].header
        number = sum(key.startswith("ESO QC BLAZEFF") for key in header)
        found = []
        for i in (number // 4, number // 2, 3 * number // 4):
            wave = 10 * float(header[f"ESO QC BLAZWLEN{i}"])
            true = float(efficiency(np.array(wave)))
            measured = float(header[f"ESO QC BLAZEFF{i}"])
            found.append(
                Measurement(f"UVES efficiency at {wave:.0f} A", true, measured, EFFICIENCY_LIMIT * true, "")
            )
    return found


def fluxes(path: Path, star: Star, starts: Sequence[float]) -> list[Measurement]:
    """The median flux of a recipe's product in windows of 30 Angstrom that start here."""
    return fluxes_of(*spectrum(path), star, starts)


def fluxes_of(wave: Vector, flux: Vector, star: Star, starts: Sequence[float]) -> list[Measurement]:
    """The same of arrays: wavelengths [Angstrom, air], flux [erg/s/cm2/Angstrom]."""
    found = []
    for low in starts:
        inside = (wave >= low) & (wave < low + WIDTH)
        true = float(np.median(star.spectrum(wave[inside])))
        measured = float(np.median(flux[inside]))
        found.append(
            Measurement(
                f"UVES flux of {star.name}, {low:.0f} to {low + WIDTH:.0f} A",
                true,
                measured,
                FLUX_LIMIT * true,
                "erg/s/cm2/Angstrom",
            )
        )
    return found
