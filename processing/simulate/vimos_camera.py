"""VIMOS as an imager since 2010: four CCDs that are four files of one exposure, and the sky behind them.

Light is counted in electrons until the read-out; pixels count from 0 at the centre of the first one;
angles are degrees unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from processing.simulate.casu import Stars, Vector, add_stars
from processing.simulate.fits import Value

Image: TypeAlias = NDArray[np.float32]

# Columns of the CCD, those of the prescan (as many of the overscan), and rows: the recipes know no other
# size of an imaging frame.
WIDTH, HEIGHT, PRESCAN = 2048, 2440, 50
PIXEL = 0.205  # arcsec (user manual)
GAP = 600  # pixels between two quadrants: 2 arcmin
RA, DEC = 150.0, -30.0  # where the four quadrants meet
# The telescope points this many arcsec off what the header says; the astrometric fit has to find it.
POINTING = (1.4, -0.9)
SEEING = 0.8  # arcsec
EXTINCTION = 0.09  # mag per airmass, R
AIRMASS = 1.1
REDDENING, GALAXY = 0.05, 2.3  # E(B-V) of the field and A_R / E(B-V)
ZERO_POINT = 27.4  # R mag that gives an electron per second above the atmosphere
SKY = 45.0  # electrons per second and pixel
DARK = 0.06  # electrons per second and pixel
# The catalogue's apertures go up to 12 times Rcore, 120 pixels: the recipe takes a neighbour's light there
# for the star's own.
OUTSIDE = 150.0  # pixels
RIPPLE = 3.0  # ADU, the bias's structure across the columns


@dataclass(frozen=True, slots=True)
class Quadrant:
    """One CCD: its number, name (DET.CHIP1.ID), place in the field, and what its read-out does.

    `east` and `north` are -1 or 1; `bias` and `noise` are ADU, `gain` is electrons per ADU.
    """

    number: int
    chip: str
    east: int
    north: int
    bias: float
    noise: float
    gain: float

    @property
    def centre(self) -> tuple[float, float]:
        """Where the middle of the field lies on the CCD [pixels, without the prescan]."""
        x = (WIDTH - 1) / 2 + self.east * (WIDTH + GAP) / 2
        return x, (HEIGHT - 1) / 2 - self.north * (HEIGHT + GAP) / 2


# The recipes look for these names (DET.CHIP1.ID), all four, and know the new CCDs from the old ones by them.
QUADRANTS = (
    Quadrant(1, "BRIAN", -1, 1, 203.0, 2.4, 1.70),
    Quadrant(2, "Keith", 1, 1, 198.0, 2.6, 1.86),
    Quadrant(3, "Tom", 1, -1, 207.0, 2.5, 1.78),
    Quadrant(4, "DAVID", -1, -1, 194.0, 2.7, 1.82),
)


@cache
def response(seed: int, quadrant: Quadrant) -> Image:
    """Relative response of the pixels, 1 at its median: optics, grain of 1 per cent, a few dead ones."""
    rng = np.random.default_rng([seed, quadrant.number])
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    x, y = x / WIDTH - 0.5, y / HEIGHT - 0.5
    tilt, bowl = rng.uniform(0.05, 0.1, 2)
    flat = (1 + tilt * x - bowl * y**2) * (
        1 + np.float32(0.01) * rng.standard_normal((HEIGHT, WIDTH), dtype=np.float32)
    )
    flat[rng.random((HEIGHT, WIDTH), dtype=np.float32) < 2e-4] *= 0.1
    return np.asarray(flat / np.median(flat), dtype=np.float32)


def bias_structure() -> Image:
    """What the bias adds to its level along a row [ADU]."""
    return np.asarray(RIPPLE * np.sin(np.arange(WIDTH) / 200), dtype=np.float32)


def read_out(
    quadrant: Quadrant, electrons: Image | float, seconds: float, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """The raw frame of this light and `seconds` of dark current: pre- and overscan, bias, noise."""
    frame = np.full((HEIGHT, WIDTH + 2 * PRESCAN), quadrant.bias, dtype=np.float32)
    noise = rng.standard_normal(frame.shape, dtype=np.float32)
    middle = slice(PRESCAN, PRESCAN + WIDTH)
    counted = np.asarray(electrons + DARK * seconds, dtype=np.float32)
    frame[:, middle] += bias_structure() + counted / np.float32(quadrant.gain)
    noise[:, middle] *= np.sqrt(counted / quadrant.gain**2 + quadrant.noise**2, dtype=np.float32)
    noise[:, :PRESCAN] *= quadrant.noise
    noise[:, -PRESCAN:] *= quadrant.noise
    frame += noise
    return np.asarray(np.clip(np.rint(frame), 0, 65535), dtype=np.uint16)


def stars(seed: int, n: int = 240) -> Stars:
    """Stars all over the four quadrants, further apart than OUTSIDE: what is in the sky and the catalogue."""
    rng = np.random.default_rng([seed, 99])
    size = np.array([2 * WIDTH + GAP, 2 * HEIGHT + GAP])
    places: list[NDArray[np.float64]] = []
    while len(places) < n:
        place = rng.uniform(-size / 2, size / 2)
        if not places or np.hypot(*(np.array(places) - place).T).min() > OUTSIDE:
            places.append(place)
    x, y = np.array(places).T * PIXEL / 3600
    return Stars(RA + x / float(np.cos(np.radians(DEC))), DEC + y, {"rmag": rng.uniform(17.5, 20.5, n)})


def magnitude_of_an_electron(seconds: float) -> float:
    """The magnitude, in the catalogue's system, of a star that leaves one electron in such an exposure."""
    return ZERO_POINT + 2.5 * float(np.log10(seconds)) - EXTINCTION * AIRMASS


def project(sky: Stars, offset: tuple[float, float]) -> tuple[Vector, Vector]:
    """Gnomonic projection of the stars [pixels, west to east reversed] about the field moved by `offset`."""
    ra0 = np.radians(RA + offset[0] / 3600 / np.cos(np.radians(DEC)))
    dec0 = np.radians(DEC + offset[1] / 3600)
    ra, dec = np.radians(sky.ra) - ra0, np.radians(sky.dec)
    depth = np.sin(dec0) * np.sin(dec) + np.cos(dec0) * np.cos(dec) * np.cos(ra)
    east = np.cos(dec) * np.sin(ra) / depth
    north = (np.cos(dec0) * np.sin(dec) - np.sin(dec0) * np.cos(dec) * np.cos(ra)) / depth
    scale = np.degrees(1) * 3600 / PIXEL
    return np.asarray(-east * scale), np.asarray(north * scale)


def scene(quadrant: Quadrant, sky: Stars, offset: tuple[float, float], seconds: float) -> Image:
    """Stars and sky on a CCD [electrons] when the header says that the field is off by `offset` arcsec."""
    image = np.full((HEIGHT, WIDTH), SKY * seconds, dtype=np.float32)
    x, y = project(sky, (offset[0] + POINTING[0], offset[1] + POINTING[1]))
    x0, y0 = quadrant.centre
    flux = 10 ** (0.4 * (magnitude_of_an_electron(seconds) - sky.magnitudes["rmag"]))
    add_stars(image, x + x0, y + y0, flux, SEEING / PIXEL)
    return image


def coordinates(quadrant: Quadrant, offset: tuple[float, float]) -> dict[str, Value]:
    """The header's world coordinates, off by POINTING; `offset` moves the telescope [arcsec]."""
    x, y = quadrant.centre
    ra, dec = RA + offset[0] / 3600 / float(np.cos(np.radians(DEC))), DEC + offset[1] / 3600
    return {
        "RA": ra,
        "DEC": dec,
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CRVAL1": ra,
        "CRVAL2": dec,
        "CRPIX1": x + PRESCAN + 1,
        "CRPIX2": y + 1,
        "CD1_1": -PIXEL / 3600,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": PIXEL / 3600,
    }


def camera_cards(quadrant: Quadrant, band: str, rows: int, seconds: float) -> dict[str, Value]:
    """Detector and filter; only the quadrant's own filter is told: INS.FILT3.NAME in quadrant 3's file."""
    n = quadrant.number
    return {
        "EXPTIME": seconds,
        "AIRMASS": AIRMASS,
        "OCS.CON.QUAD": n,
        "INS.MODE": "IMG",
        f"INS.FILT{n}.NAME": band,
        f"INS.FILT{n}.ID": f"ESO {band}",
        f"INS.FILT{n}.NO": 1,
        "DET.CHIPS": 1,
        "DET.CHIP1.ID": quadrant.chip,
        "DET.CHIP1.NX": WIDTH,
        "DET.CHIP1.NY": rows,
        "DET.CHIP1.PSZX": 15.0,
        "DET.CHIP1.PSZY": 15.0,
        "DET.EXP.TYPE": "Normal",
        "DET.READ.MODE": "normal",
        "DET.READ.SPEED": "normal",
        "DET.READ.CLOCK": "225Kps/Low Gain" if rows == HEIGHT else "50Kps/High Gain",
        "DET.OUTPUTS": 1,
        "DET.OUT1.ID": "A",
        "DET.OUT1.X": 1,
        "DET.OUT1.Y": 1,
        "DET.OUT1.NX": WIDTH,
        "DET.OUT1.NY": rows,
        "DET.OUT1.PRSCX": PRESCAN,
        "DET.OUT1.OVSCX": PRESCAN,
        "DET.OUT1.PRSCY": 0,
        "DET.OUT1.OVSCY": 0,
        "DET.OUT1.CONAD": quadrant.gain,
        "DET.OUT1.GAIN": 1 / quadrant.gain,
        "DET.OUT1.RON": quadrant.noise * quadrant.gain,
        "DET.WIN1.NX": WIDTH + 2 * PRESCAN,
        "DET.WIN1.NY": rows,
        "DET.WIN1.BINX": 1,
        "DET.WIN1.BINY": 1,
        "DET.WIN1.UIT1": seconds,
        "DET.WIN1.DIT1": seconds,
        "TEL.AIRM.START": AIRMASS,
        "TEL.AIRM.END": AIRMASS,
        "TEL.AMBI.FWHM.START": SEEING,
        "TEL.AMBI.FWHM.END": SEEING,
    }


def among(numbers: Sequence[int]) -> tuple[Quadrant, ...]:
    """The quadrants with these numbers."""
    return tuple(quadrant for quadrant in QUADRANTS if quadrant.number in numbers)
