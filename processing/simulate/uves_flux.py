"""Physical fluxes through UVES: two stars, the air above, the telescope; and the tables that know them.

Wavelengths are Angstrom in air, fluxes erg/s/cm2/Angstrom above the atmosphere. No light is lost at the slit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from processing.simulate.echelle import Line
from processing.simulate.fits import Value, write_table
from processing.simulate.uves import Vector

HC = 1.98644586e-8  # erg Angstrom (CODATA)
AREA = (
    np.pi / 4 * (818.0**2 - 140.0**2)
)  # cm2: the mirror and what shades it, as uves_cal_response takes them
BALMER = (3970.07, 4101.74, 4340.47, 4861.33, 6562.80)  # Angstrom, air (NIST), H epsilon to H alpha


@dataclass(frozen=True, slots=True)
class Star:
    """A continuum `flux` (wave / 4000)^`slope`, and lines in it."""

    name: str
    ra: float
    dec: float
    flux: float
    slope: float
    lines: tuple[Line, ...]

    def spectrum(self, wave: Vector) -> Vector:
        """Its flux above the atmosphere."""
        flux = self.flux * (wave / 4000.0) ** self.slope
        for line in self.lines:
            flux = flux * (1 - line.depth * np.exp(-0.5 * ((wave - line.wave) / line.sigma) ** 2))
        return np.asarray(flux)


# A hot standard: the recipe aligns the catalogue's spectrum with the observed one at a Balmer line.
STANDARD = Star("SIM-STD-1", 83.0, -5.0, 2e-12, -2.0, tuple(Line(f"H {w}", w, 0.4, 4.0) for w in BALMER))


def extinction(wave: Vector) -> Vector:
    """Magnitudes per airmass: Rayleigh scattering and a grey part, near the curve of La Silla."""
    return np.asarray(0.0090 * (wave / 1e4) ** -4 + 0.04)


def efficiency(wave: Vector) -> Vector:
    """Electrons per photon that reaches the telescope, at the peak of the blaze."""
    return np.asarray(0.12 * np.exp(-0.5 * ((wave - 5300.0) / 1300.0) ** 2))


def detected(star: Star, airmass: float, seconds: float) -> Callable[[Vector], Vector]:
    """The electrons per Angstrom of an exposure, at the peak of the blaze."""

    def density(wave: Vector) -> Vector:
        through = efficiency(wave) * 10 ** (-0.4 * airmass * extinction(wave))
        return np.asarray(star.spectrum(wave) * (wave / HC) * AREA * seconds * through)

    return density


def write_extinction(path: Path, cards: dict[str, Value]) -> None:
    """An EXTCOEFF_TABLE: uves_obs_scired takes LAMBDA for Angstrom."""
    wave = np.arange(3000.0, 7301.0, 25.0)
    columns = {"LAMBDA": wave.astype(np.float32), "LA_SILLA": extinction(wave).astype(np.float32)}
    write_table(path, columns, {**cards, "PRO.CATG": "EXTCOEFF_TABLE"})


def write_standards(path: Path, cards: dict[str, Value]) -> None:
    """A FLUX_STD_TABLE: one row for each star, its spectrum in arrays of NDATA values.

    uves_cal_response reads the same table twice, for the efficiency (LAMBDA, BIN_WIDTH and F_LAMBDA must
    be float32) and for the response; it looks within a minute of arc for the pointing.
    """
    wave = np.arange(3000.0, 7301.0, 2.0)
    arrays = {
        "LAMBDA": wave,
        "BIN_WIDTH": np.full(len(wave), 2.0),
        "F_LAMBDA": STANDARD.spectrum(wave),
    }
    columns = [
        fits.Column("OBJECT", "20A", array=np.array([STANDARD.name])),
        fits.Column("TYPE", "10A", array=np.array(["DA"])),
        fits.Column("RA_DEG", "D", array=np.array([STANDARD.ra])),
        fits.Column("DEC_DEG", "D", array=np.array([STANDARD.dec])),
        fits.Column("NDATA", "J", array=np.array([len(wave)])),
        *(
            fits.Column(name, f"{len(wave)}E", array=values[None, :].astype(np.float32))
            for name, values in arrays.items()
        ),
    ]
    _write(path, {**cards, "PRO.CATG": "FLUX_STD_TABLE"}, [fits.BinTableHDU.from_columns(columns)])


def fit_points() -> Vector:
    """Where the response is fitted [nm]: each 3 nm, 3 nm clear of the lines of the standard."""
    points = np.arange(324.0, 700.0, 3.0)
    clear = np.min(np.abs(points[:, None] - np.array(BALMER) / 10), axis=1) > 3.0
    return np.asarray(points[clear])


def write_fit_points(path: Path, cards: dict[str, Value]) -> None:
    """A RESP_FIT_POINTS_CATALOG: an index of stars, and for each an extension with LAMBDA in nm."""
    index = [
        fits.Column("ext_id", "J", array=np.array([2])),
        fits.Column("name", "20A", array=np.array([STANDARD.name])),
        fits.Column("ra", "D", array=np.array([STANDARD.ra])),
        fits.Column("dec", "D", array=np.array([STANDARD.dec])),
    ]
    points = [fits.Column("LAMBDA", "D", array=fit_points())]
    tables = [fits.BinTableHDU.from_columns(columns) for columns in (index, points)]
    _write(path, {**cards, "PRO.CATG": "RESP_FIT_POINTS_CATALOG"}, tables)


def _write(path: Path, cards: dict[str, Value], tables: list[fits.BinTableHDU]) -> None:
    primary = fits.PrimaryHDU()
    for key, value in cards.items():
        primary.header[f"HIERARCH ESO {key.replace('.', ' ')}" if "." in key else key] = value
    fits.HDUList([primary, *tables]).writeto(path)
