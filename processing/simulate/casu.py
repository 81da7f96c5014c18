"""What the recipes that CASU wrote (HAWK-I, VIMOS imaging) share: static files, and stars on a detector.

Magnitudes are Vega's; angles are degrees unless a name says otherwise; pixels count from 0 at the centre
of the first one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from processing.simulate.fits import Cards, Image, Value, mjd, timestamp, when, write_image, write_table

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stars:
    """Stars of the sky: position, and magnitude in each column of the catalogue that lists them."""

    ra: Vector
    dec: Vector
    magnitudes: dict[str, Vector]


@dataclass(frozen=True, slots=True)
class Band:
    """One row of PHOTCAL_TAB: how a filter's magnitude follows from a column of the catalogue.

    `filter` is INS.FILTn.NAME; `atmosphere` is mag per airmass, `galaxy` is A/E(B-V), `offset` what
    makes AB of the table's system. `zero_point` is taken where no star is matched.
    """

    filter: str
    column: str
    atmosphere: float
    galaxy: float
    offset: float = 0.0
    zero_point: float = 25.0


def static_cards(dp_id: str, category: str) -> dict[str, Value]:
    """The primary header of a static file `M.<INSTRUMENT>.<time>`, valid from that time on."""
    _, instrument, start = dp_id.split(".", 2)
    return {
        "ORIGIN": "ESO",
        "INSTRUME": instrument,
        "MJD-OBS": mjd(when(start)),
        "DATE-OBS": timestamp(when(start)),
        "ARCFILE": f"{dp_id}.fits",
        "PRO.CATG": category,
    }


def write_catalogue(path: Path, name: str, stars: Stars, cards: Cards) -> None:
    """A local catalogue: the recipes know it by CATNAME, and look for its EXTNAME in PHOTCAL_TAB.

    Each magnitude has an error of 0.02, in a column with `e_` before its name.
    """
    columns: dict[str, NDArray[np.float64] | NDArray[np.float32]] = {"RA": stars.ra, "Dec": stars.dec}
    for column, values in stars.magnitudes.items():
        columns[column] = values.astype(np.float32)
        columns[f"e_{column}"] = np.full(len(values), 0.02, np.float32)
    write_table(path, columns, {**cards, "CATNAME": name}, {"EXTNAME": name})


def write_photcal(path: Path, name: str, bands: Sequence[Band], cards: Cards, system: str = "VEGA") -> None:
    """PHOTCAL_TAB for the catalogue of that `name`; `system` is VEGA or AB (PHOTOSYS)."""

    def text(values: list[str], width: int) -> NDArray[np.bytes_]:
        return np.array([value.encode() for value in values], dtype=f"S{width}")

    def numbers(values: list[float]) -> NDArray[np.float32]:
        return np.array(values, dtype=np.float32)

    columns = {
        "filter_name": text([band.filter for band in bands], 16),
        "atm_extcoef": numbers([band.atmosphere for band in bands]),
        "mag_offset": numbers([band.offset for band in bands]),
        "coleq_columns": text([band.column for band in bands], 32),
        "coleq_errcols": text([f"e_{band.column}" for band in bands], 32),
        "coleq_coefs": text(["1.0" for _ in bands], 32),
        "gal_extcoef": numbers([band.galaxy for band in bands]),
        "default_zp": numbers([band.zero_point for band in bands]),
        "default_zp_err": numbers([0.1 for _ in bands]),
    }
    write_table(path, columns, cards, {"EXTNAME": name, "PHOTOSYS": system})


def write_extinction(path: Path, reddening: float, cards: Cards) -> None:
    """A Schlegel map of one reddening E(B-V) everywhere; the recipes take a map of any size."""
    write_image(path, np.full((64, 64), reddening, np.float32), cards)


def add_stars(image: Image, x: Vector, y: Vector, flux: Vector, fwhm: float) -> None:
    """Add Gaussian stars, integrated over each pixel, to `image` in place; what lies outside is cut."""
    half = round(4 * fwhm)
    scale = fwhm / 2.3548 * np.sqrt(2)
    height, width = image.shape
    edges = np.arange(-half, half + 2) - 0.5
    for cx, cy, light in zip(x, y, flux, strict=True):
        i, j = round(cx), round(cy)
        x0, x1 = np.clip((i - half, i + half + 1), 0, width)
        y0, y1 = np.clip((j - half, j + half + 1), 0, height)
        if x0 < x1 and y0 < y1:
            across = np.diff(erf((edges + i - cx) / scale))[x0 - i + half : x1 - i + half] / 2
            along = np.diff(erf((edges + j - cy) / scale))[y0 - j + half : y1 - j + half] / 2
            image[y0:y1, x0:x1] += light * np.outer(along, across)
