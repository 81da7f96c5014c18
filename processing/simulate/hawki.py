"""HAWK-I: four infrared arrays that look at one field of stars in Ks, their darks and twilight flats.

Units: pixels count from 0 at the centre of the first pixel; signals are ADU per DIT, angles degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from processing.simulate import casu
from processing.simulate.casu import Band, Stars
from processing.simulate.fits import Value

Image: TypeAlias = NDArray[np.float32]

SIZE = 2048  # the recipes' masks and windows are made for it
GAIN, READ_NOISE = 1.8, 5.0  # e-/ADU, ADU
DARK_CURRENT, HOT = 0.4, 100.0  # ADU per second, of a usual and of a hot pixel
HOT_FRACTION, DEAD_FRACTION, DEAD = 5e-4, 3e-4, 0.05
JITTER_DIT = 10.0  # seconds
SKY = 500.0  # ADU per second
ZERO_POINT = 25.0  # magnitude of a star that gives 1 ADU per second
SEEING = 0.7  # arcsec FWHM
SCALE = 0.1064  # arcsec per pixel (HAWK-I user manual)
POINTING = (11.0, -30.0)
# The telescope is off by so much to the north and west of where its headers say [arcsec].
POINTING_ERROR = (-1.2, 0.8)
# Where the telescope points in each frame of a jitter, and its error each time [arcsec].
OFFSETS = ((0.0, 0.0), (12.0, 5.0), (-9.0, 11.0))
WOBBLE = ((0.05, -0.02), (-0.08, 0.04), (0.03, 0.07))
AIRMASS = 1.02
REDDENING = 0.02  # E(B-V) towards the field
# Extinction per airmass on Paranal, and A/E(B-V) of the Galaxy.
BANDS = (Band("J", "Jmag", 0.10, 0.90), Band("H", "Hmag", 0.05, 0.57), Band("Ks", "Kmag", 0.05, 0.36))
# Levels of a brightening sky in ADU, 10 s apart; hawki_twilight_flat_combine takes 4000 to 30000. The first
# two are nearly equal: hawki_detector_noise subtracts them unscaled and takes what remains for noise.
TWILIGHT = (12000.0, 12300.0, 12600.0, 12900.0)


@dataclass(frozen=True, slots=True)
class Chip:
    """One array: its extension, pedestal [ADU], sensitivity, and place in the mosaic.

    `to_first` is how its pixels lie on the first chip's, which hawki_wcsfit_multi takes for granted:
    x' = a x + b y + c, y' = d y + e x + f, from 1. The sensitivities are 1 on average, as the recipe
    scales the chips to their mean.
    """

    extension: str
    number: int
    pedestal: float
    sensitivity: float
    to_first: tuple[float, float, float, float, float, float]

    def pixel_matrix(self) -> NDArray[np.float64]:
        """The linear part of `to_first`."""
        a, b, _, d, e, _ = self.to_first
        return np.array([[a, b], [e, d]])


# In the order of the extensions of a raw frame.
CHIPS = (
    Chip("CHIP1.INT1", 1, 60.0, 1.0, (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)),
    Chip("CHIP2.INT1", 2, 65.0, 1.05, (0.99989338, -0.00082458, 2202.752, 0.99989338, 0.00082458, 2.525)),
    Chip("CHIP4.INT1", 4, 70.0, 0.96, (0.99954089, 0.00033954, 7.357, 0.99954089, -0.00033954, 2189.671)),
    Chip("CHIP3.INT1", 3, 75.0, 0.99, (0.99984901, 0.00057963, 2207.25, 0.99984901, -0.00057963, 2191.082)),
)
_CENTRE = np.array([2163.0, 2164.0])  # of the mosaic, on the first chip's pixels from 1


@dataclass(frozen=True, slots=True)
class Setup:
    """What the rules match on."""

    dit: float = JITTER_DIT
    ndit: int = 1
    filter: str = "Ks"


@dataclass(frozen=True, slots=True)
class Array:
    """Relative response and dark current [ADU per second] of a chip's pixels."""

    response: Image
    dark: Image


def array(chip: Chip, seed: int, size: int = SIZE) -> Array:
    """The chip's pixels; the median response is its sensitivity."""
    rng = np.random.default_rng([seed, chip.number])
    y, x = np.mgrid[:size, :size].astype(np.float32) / size - np.float32(0.5)
    grain = rng.standard_normal((size, size), dtype=np.float32)
    response = (1 + 0.08 * x - 0.05 * y**2) * (1 + np.float32(0.01) * grain)
    response *= chip.sensitivity / np.median(response)
    defects = rng.random((size, size), dtype=np.float32)
    response[defects < DEAD_FRACTION] = DEAD
    hot = (defects > 1 - HOT_FRACTION) * np.float32(HOT)
    return Array(response, np.float32(DARK_CURRENT) + hot)


def expose(chip: Chip, pixels: Array, light: Image | float, setup: Setup, rng: np.random.Generator) -> Image:
    """A frame of this light [ADU per DIT]: pedestal, dark current, photon and read noise."""
    charge = pixels.response * light + pixels.dark * np.float32(setup.dit)
    noise = np.sqrt((charge / GAIN + READ_NOISE**2) / setup.ndit, dtype=np.float32)
    noise *= rng.standard_normal(charge.shape, dtype=np.float32)
    charge += noise
    charge += np.float32(chip.pedestal)
    return charge


def projection(chip: Chip, pointing: tuple[float, float]) -> WCS:
    """The chip's true place in the sky: the distortion is the one that hawki_updatewcs assumes."""
    ra, dec = pointing
    matrix, centre = _geometry(chip)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---ZPN", "DEC--ZPN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = centre
    wcs.wcs.cd = matrix
    wcs.wcs.set_pv([(2, 1, 1.0), (2, 3, 400.0), (2, 5, 0.0)])
    wcs.wcs.set()
    return wcs


def _geometry(chip: Chip) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """CD matrix [degrees per pixel] and CRPIX of a chip."""
    step = SCALE / 3600
    pixels = chip.pixel_matrix()
    shift = np.array([chip.to_first[2], chip.to_first[5]])
    return np.diag([-step, step]) @ pixels, np.linalg.solve(pixels, _CENTRE - shift)


def pointing(number: int, true: bool = False) -> tuple[float, float]:
    """Where the telescope says it points in frame `number` (from 0) of a jitter, or truly does."""
    along, north = OFFSETS[number]
    if true:
        along += POINTING_ERROR[0] + WOBBLE[number][0]
        north += POINTING_ERROR[1] + WOBBLE[number][1]
    ra, dec = POINTING
    return ra + along / 3600 / float(np.cos(np.radians(dec))), dec + north / 3600


def stars(seed: int, per_chip: int = 60) -> Stars:
    """The stars of the field, also those that only some frames of a jitter see."""
    rng = np.random.default_rng([seed, 99])
    margin = 160
    ra, dec = [], []
    for chip in CHIPS:
        x, y = rng.uniform(-margin, SIZE + margin, (2, per_chip))
        sky = projection(chip, POINTING).all_pix2world(x, y, 0)
        ra.append(sky[0])
        dec.append(sky[1])
    k = rng.uniform(13.5, 17.5, per_chip * len(CHIPS))
    return Stars(np.concatenate(ra), np.concatenate(dec), {"Jmag": k + 0.8, "Hmag": k + 0.3, "Kmag": k})


def field(chip: Chip, sources: Stars, number: int, dit: float, size: int = SIZE) -> Image:
    """Sky and stars on a chip in frame `number` of a jitter [ADU per DIT]."""
    image = np.full((size, size), SKY * dit, np.float32)
    x, y = projection(chip, pointing(number, true=True)).all_world2pix(sources.ra, sources.dec, 0)
    flux = 10 ** (0.4 * (ZERO_POINT - sources.magnitudes["Kmag"])) * dit
    casu.add_stars(image, x, y, flux, SEEING / SCALE)
    return image


def chip_cards(chip: Chip, setup: Setup, aim: tuple[float, float]) -> dict[str, Value]:
    """The header of an extension; the recipes look there for NDIT and whether the chip lives."""
    matrix, centre = _geometry(chip)
    return {
        "EXTNAME": chip.extension,
        "ORIGIN": "ESO",
        "INHERIT": True,
        "DET.CHIP.ID": "ESO-Hawaii2RG",
        "DET.CHIP.NAME": "HAWAII-2RG",
        "DET.CHIP.NO": chip.number,
        "DET.CHIP.LIVE": True,
        "DET.CHIP.NX": SIZE,
        "DET.CHIP.NY": SIZE,
        "DET.CHIP.GAIN": GAIN,
        "DET.NDIT": setup.ndit,
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": aim[0],
        "CRVAL2": aim[1],
        "CRPIX1": float(centre[0]),
        "CRPIX2": float(centre[1]),
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CD1_1": float(matrix[0, 0]),
        "CD1_2": float(matrix[0, 1]),
        "CD2_1": float(matrix[1, 0]),
        "CD2_2": float(matrix[1, 1]),
    }


def setup_cards(setup: Setup) -> dict[str, Value]:
    """The set-up keywords that the recipes need or the rules match on."""
    return {
        "EXPTIME": setup.dit,
        "DET.DIT": setup.dit,
        "DET.NDIT": setup.ndit,
        "DET.NCORRS": 2,
        "DET.NCORRS.NAME": "Double",
        "DET.NDSAMPLES": 4,
        "DET.MINDIT": 1.6762,
        "DET.RSPEED": 1,
        # The wheels hold one filter between them; the other one is open.
        "INS.FILT1.NAME": "OPEN",
        "INS.FILT2.NAME": setup.filter,
    }
