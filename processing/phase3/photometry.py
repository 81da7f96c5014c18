"""Zero points: of which files, in which system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log10

from astropy.io import fits

from processing.phase3.headers import number, text
from processing.phase3.inputs import Inputs
from processing.phase3.notes import Absent

# AB minus Vega magnitude of a band (Blanton & Roweis 2007, AJ 133, 734, table 1).
AB_OF_VEGA: Mapping[str, float] = {
    "U": 0.79,
    "B": -0.09,
    "V": 0.02,
    "R": 0.21,
    "I": 0.45,
    "J": 0.91,
    "H": 1.39,
    "K": 1.85,
    "Ks": 1.85,
}

# AB magnitude of 1 erg/s/cm2/Hz (Oke & Gunn 1983), and the speed of light in angstrom per second.
_AB = -48.6
_LIGHT = 2.99792458e18


@dataclass(frozen=True, slots=True)
class ZeroPoint:
    """Magnitude of a star that gives 1 in the units of the image, its error, its system: VEGA or AB."""

    magnitude: float
    error: float | None
    system: str

    def ab(self, band: str) -> float | Absent:
        """The same in the AB system."""
        if self.system == "AB":
            return self.magnitude
        if band not in AB_OF_VEGA:
            return Absent(f"the step from Vega to AB magnitudes is not known for filter {band!r}")
        return self.magnitude + AB_OF_VEGA[band]


def zero_point(inputs: Inputs, pixels: fits.Header, band: str) -> ZeroPoint | Absent:
    """Of the image itself if its recipe found one, else of a ZPOINT_TABLE of the same filter.

    naco_img_zpoint gives magnitudes of 1 ADU/s, and its images are ADU per DIT.
    """
    native, system = number(pixels, "PHOTZP"), text(pixels, "PHOTSYS")
    if native is not None and system in ("VEGA", "AB"):
        return ZeroPoint(native, number(pixels, "PHOTZPER"), system)
    table = inputs.file_of("ZPOINT_TABLE")
    if table is None:
        return Absent("no zero point is known: the recipe found none, and no ZPOINT_TABLE was given")
    header = fits.getheader(table, 0)
    value, of = number(header, "ESO QC ZPOINT"), text(header, "ESO QC FILTER OBS")
    if value is None:
        return Absent(f"{table.name} holds no QC.ZPOINT")
    if of != band:
        return Absent(f"the zero point of {table.name} is of filter {of!r}, the image is of {band!r}")
    dit = number(inputs.targets[0].header, "ESO DET DIT")
    if dit is None:
        return Absent(f"{inputs.targets[0].name} has no DET.DIT, so that {table.name} cannot be applied")
    return ZeroPoint(value + 2.5 * log10(dit), number(header, "ESO QC ZPOINTRMS"), "VEGA")


def broad_band(unit: float, low: float, high: float) -> ZeroPoint:
    """AB zero point of a mean flux density over a band from `low` to `high` (angstrom).

    `unit` is one pixel unit in erg/s/cm2/angstrom. For a spectrum that is flat in frequency the mean over
    wavelength is that at sqrt(low * high): the integral of c / lambda^2 over the band.
    """
    return ZeroPoint(_AB - 2.5 * log10(unit * low * high / _LIGHT), None, "AB")
