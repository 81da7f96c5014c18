"""VISIR imaging with its first detector (DRS, 256 x 256): chopped and nodded cubes, darks and flats.

Units: pixels count from 0 at the centre of the first pixel; signals are ADU per DIT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from processing.simulate.fits import Value

Image: TypeAlias = NDArray[np.float32]

SIZE = 256
DARK, HOT, READ_NOISE = 1000.0, 4000.0, 15.0  # ADU
SKY = 20000.0  # the sky and the warm telescope, which are all but a ten-thousandth of the light
THROW = 8.0  # arcsec, to the south; the nod is as long and goes north, so that three beams lie in a row
CYCLES = 3  # of the chopper in a file
FWHM = 0.32  # arcsec: lambda / D at 8.6 um, and what the seeing adds

# ADU: the detector looks at a body whose temperature rises (VISIR_img_cal_ExtrSrcFlats: -40 to +20 C).
FLAT_LEVELS = (10000.0, 12000.0, 14000.0, 16000.0, 18000.0)
NODS = ("A", "B", "B", "A")


@dataclass(frozen=True, slots=True)
class Star:
    """Position in nod A, pixels from 0; flux in ADU per DIT."""

    x: float
    y: float
    flux: float


# Apart from each other by more than an aperture is wide, and none in another's beam.
STARS = (Star(128.0, 128.0, 3.0e5), Star(88.4, 140.7, 1.2e5), Star(171.2, 111.5, 6.0e4))
STANDARD = Star(128.0, 128.0, 4.0e5)


@dataclass(frozen=True, slots=True)
class Setup:
    """What the rules match on; `pfov` is the pixel scale in arcsec, as the header spells it."""

    filter: str = "PAH1"
    pfov: str = "0.127"
    dit: float = 0.02
    ndit: int = 50


@dataclass(frozen=True, slots=True)
class Detector:
    """Relative response, dark signal in ADU, and the pixels that see next to nothing; all SIZE x SIZE."""

    flat: Image
    dark: Image
    dead: NDArray[np.bool_]


def detector(seed: int) -> Detector:
    """The array: its response has a median of 1, as visir_img_ff normalises it."""
    rng = np.random.default_rng([seed, 256])
    _, x = np.mgrid[:SIZE, :SIZE]
    flat = (1 + 0.05 * (x / SIZE - 0.5)) * rng.normal(1, 0.02, (SIZE, SIZE))
    flat /= np.median(flat)
    dead = rng.random((SIZE, SIZE)) < 1e-3
    flat[dead] = 0.05
    hot = rng.random((SIZE, SIZE)) < 5e-4
    return Detector(flat.astype(np.float32), (DARK + HOT * hot).astype(np.float32), dead)


def expose(signal: Image | float, chip: Detector, rng: np.random.Generator) -> Image:
    """An average of reads of this signal [ADU per DIT]: dark, response and noise."""
    noise = READ_NOISE * rng.standard_normal((SIZE, SIZE), dtype=np.float32)
    return np.asarray(chip.dark + chip.flat * signal + noise, np.float32)


def field(stars: Sequence[Star], dy: float, pfov: float) -> Image:
    """The stars without background [ADU], the field moved up by `dy` pixels: Gaussians over whole pixels."""
    width = FWHM / pfov / 2.3548 * np.sqrt(2)
    edges = np.arange(SIZE + 1) - 0.5
    image = np.zeros((SIZE, SIZE))
    for star in stars:
        across, along = (np.diff(erf((edges - at) / width)) / 2 for at in (star.x, star.y + dy))
        image += star.flux * along[:, None] * across[None, :]
    return image.astype(np.float32)


def cube(stars: Sequence[Star], nod: str, setup: Setup, chip: Detector, rng: np.random.Generator) -> Image:
    """A file of a chopped observation, shape (2 CYCLES + 1, SIZE, SIZE), as the DRS wrote it (CUBE2).

    For each cycle the frame on the source and the mean of all differences on - off until then, at last
    the mean of all. The background differs between the two positions of the chopper and drifts; that of
    the nod is what takes the difference away.
    """
    pfov = float(setup.pfov)
    throw = THROW / pfov
    place = 0.0 if nod == "A" else throw
    # The warm telescope, which on and off see along other ways.
    pattern = (0.005 * SKY * np.sin(np.arange(SIZE) / 40)).astype(np.float32)
    here, there = field(stars, place, pfov) + 1.01 * pattern, field(stars, place - throw, pfov) + pattern
    planes: list[NDArray[np.floating]] = []
    total = np.zeros((SIZE, SIZE), dtype=np.float32)
    for cycle in range(CYCLES):
        sky = SKY * (1 + 0.002 * cycle)
        on, off = (expose((sky + light).astype(np.float32), chip, rng) for light in (here, there))
        total += on - off
        planes += [on, total / (cycle + 1)]
    return np.stack([*planes, total / CYCLES]).astype(np.float32)


def setup_cards(kind: str, setup: Setup, nod: str) -> dict[str, Value]:
    """The set-up keywords that the recipes need or the rules match on.

    DET.NAVRG is left out on purpose: where it is, the recipes take the data for those of the second
    detector (measured: "Unsupported mode").
    """
    scale = float(setup.pfov)
    chopped = kind in ("SCIENCE", "STD")
    chopping: dict[str, Value] = {
        "DET.CHOP.ST": True,
        "DET.CHOP.NCYCLES": CYCLES,
        "DET.CHOP.FREQ": 0.25,
        "DET.FRAM.TYPE": "CUBE2",
        "SEQ.NODPOS": nod,
        "SEQ.CHOPNOD.DIR": "PARALLEL",
        "TEL.CHOP.ST": True,
        "TEL.CHOP.THROW": THROW,
        "TEL.CHOP.POSANG": 0.0,
        "TEL.CHOP.FREQ": 0.25,
    }
    return {
        "EXPTIME": round(setup.dit * setup.ndit, 6),
        "INS.MODE": "IMG",
        "INS.PFOV": setup.pfov,
        "INS.FILT1.NAME": setup.filter,
        "DET.DIT": setup.dit,
        "DET.NDIT": setup.ndit,
        "DET.MODE.NAME": "IMG",
        "DET.CHIP.PXSPACE": 5.0e-05,
        **(chopping if chopped else {}),
        "SEQ.CUMOFFSETX": 0.0,
        "SEQ.CUMOFFSETY": 0.0,
        "ADA.POSANG": 0.0,
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": 150.0,
        "CRVAL2": -30.0,
        "CRPIX1": SIZE / 2 + 1.0,
        "CRPIX2": SIZE / 2 + 1.0,
        "CD1_1": -scale / 3600,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": scale / 3600,
    }
