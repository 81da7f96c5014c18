"""Typed looks into FITS headers, and where on the sky an array lies."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

Array = npt.NDArray[np.float64]


def text(header: fits.Header, keyword: str) -> str | None:
    """The value of a keyword if it is a string, without blanks around it."""
    value = header.get(keyword)
    return value.strip() if isinstance(value, str) else None


def number(header: fits.Header, keyword: str) -> float | None:
    """The value of a keyword if it is a number."""
    value = header.get(keyword)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def indexed(header: fits.Header, root: str) -> list[Any]:
    """The values of root1, root2, … as far as they go without a gap."""
    found: list[Any] = []
    while f"{root}{len(found) + 1}" in header:
        found.append(header[f"{root}{len(found) + 1}"])
    return found


def celestial(header: fits.Header) -> WCS | None:
    """The two celestial axes of an array; None where its header has no celestial coordinates.

    Degrees, as astropy turns the units; raises ValueError when the keywords contradict each other.
    """
    if not str(header.get("CTYPE1", "")).startswith(("RA--", "DEC-")):
        return None
    with warnings.catch_warnings():
        # What astropy mends on reading (dates, RADECSYS) has its own rules in the check.
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(header).celestial


def corners(wcs: WCS, header: fits.Header) -> Array:
    """(4, 2) RA and DEC in degrees of the outer corners of an array, pixel edges included."""
    width, height = header["NAXIS1"], header["NAXIS2"]
    pixels = np.array([[0.5, 0.5], [width + 0.5, 0.5], [width + 0.5, height + 0.5], [0.5, height + 0.5]])
    return np.asarray(wcs.all_pix2world(pixels, 1), float)


def centre(wcs: WCS, header: fits.Header) -> tuple[float, float]:
    """RA and DEC in degrees of the middle of an array (standard 5.1, footnote 9)."""
    middle = [[0.5 * header["NAXIS1"] + 0.5, 0.5 * header["NAXIS2"] + 0.5]]
    right_ascension, declination = wcs.all_pix2world(middle, 1)[0]
    return float(right_ascension) % 360.0, float(declination)


def barycentre(places: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The mean direction of places on the sky (RA, DEC in degrees)."""
    lon, lat = np.radians(np.array(places)).T
    x, y, z = np.mean([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    return float(np.degrees(np.arctan2(y, x))) % 360.0, float(np.degrees(np.arctan2(z, np.hypot(x, y))))


def distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Degrees between two places on the sky (RA, DEC in degrees), by the haversine formula."""
    (lon1, lat1), (lon2, lat2) = np.radians(one), np.radians(other)
    half = np.sin((lat1 - lat2) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon1 - lon2) / 2) ** 2
    return float(np.degrees(2 * np.arcsin(np.sqrt(half))))


def surrounds(outline: Array, right_ascension: float, declination: float) -> bool:
    """Whether the convex hull of places (n, 2 in degrees) holds a place.

    Seen from inside, the corners leave no half of the horizon empty. Places a quarter of the sky away do not
    count as around anything.
    """
    lon, lat = np.radians(outline).T
    lon0, lat0 = np.radians([right_ascension, declination])
    east = np.cos(lat) * np.sin(lon - lon0)
    north = np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(lon - lon0)
    away = np.sin(lat0) * np.sin(lat) + np.cos(lat0) * np.cos(lat) * np.cos(lon - lon0)
    if (away <= 0).any():
        return False
    bearings = np.sort(np.arctan2(east, north))
    gaps = np.diff(np.append(bearings, bearings[0] + 2 * np.pi))
    return bool(gaps.max() <= np.pi + 1e-9)
