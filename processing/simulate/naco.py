"""NACO imaging: an adaptive-optics star field on an infrared array, its darks, flats and acquisition.

Units: pixels count from 0 at the centre of the first pixel; signals are ADU per DIT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import j0, j1

from processing.simulate.fits import Value

Image: TypeAlias = NDArray[np.float32]

# The recipes leave out a border by default (--r); of a 512 window 112 x 112 pixels are left.
SIZE, BORDER = 512, 200
DARK, HOT, READ_NOISE, GAIN = 100.0, 3000.0, 4.0, 11.0  # ADU, ADU, ADU, e-/ADU
SKY = 2000.0
SCALES = {"S13": 0.01322, "S27": 0.02715}  # arcsec per pixel (NACO user manual)

# The point-spread function: a diffraction-limited core over the halo that the adaptive optics leave.
CORE = 0.45  # fraction of the light: a usual Strehl ratio in Ks
AIRY = 2.18e-6 / 8.2 * 206265 / SCALES["S27"]  # lambda / D in pixels, Ks on an 8.2 m mirror
HALO_RADIUS, HALO_SLOPE = 5.0, 3.0  # Moffat alpha [pixels] and beta


@dataclass(frozen=True, slots=True)
class Star:
    """Position in the first frame of the template, pixels from 0; flux in ADU per DIT."""

    x: float
    y: float
    flux: float


STARS = tuple(
    Star(x, y, flux)
    for x, y, flux in (
        (246.3, 262.7, 1.2e5),
        (141.8, 331.4, 1.05e5),
        (342.6, 157.2, 9.0e4),
        (352.9, 351.5, 8.0e4),
        (163.4, 171.9, 7.0e4),
        (268.1, 381.3, 6.0e4),
        (225.7, 118.6, 5.0e4),
        (389.2, 258.8, 4.5e4),
        (122.5, 247.1, 4.0e4),
    )
)
# The sky brightens little from frame to frame: naco_img_jitter takes the median of all frames at each
# pixel for the sky, and a frame whose pixel holds a star moves that median by half a step.
SKY_DRIFT = 0.0005
# Offsets of the field on the detector in pixels, each frame against the first; further apart than a star
# is wide, so that no pixel of the sky sees a star twice.
OFFSETS = (
    (0.0, 0.0),
    (52.0, 14.0),
    (-47.0, 31.0),
    (21.0, -56.0),
    (-33.0, -39.0),
    (38.0, 61.0),
    (-63.0, -8.0),
    (8.0, 35.0),
)
# The standard star stands at the reference pixel; naco_img_zpoint takes the sky from a ring of 74 to 110
# pixels around it in the difference of two frames, so that the other frame's star must lie outside.
STANDARD = Star(SIZE / 2 - 1, SIZE / 2 - 1, 1.2e5)
STANDARD_OFFSETS = ((0.0, 0.0), (100.0, 100.0), (-100.0, 100.0), (-100.0, -100.0), (100.0, -100.0))
# ADU, a brightening sky; naco_img_twflat warns where the flux rises by less than a factor of four.
TWILIGHT = (2000.0, 3600.0, 5200.0, 7000.0, 9000.0, 11000.0)


@dataclass(frozen=True, slots=True)
class Setup:
    """What the rules match on."""

    dit: float = 2.0
    ndit: int = 1
    filter: str = "Ks"
    camera: str = "S27"


@dataclass(frozen=True, slots=True)
class Detector:
    """Relative response and dark signal in ADU, both SIZE x SIZE.

    The response is 1 on average within a border of 200 pixels, as naco_img_twflat normalises it.
    """

    flat: Image
    dark: Image


def detector(seed: int, setup: Setup = Setup()) -> Detector:
    """The array behind this filter and camera: same hot pixels, another illumination."""
    pixels = np.random.default_rng([seed, 1])
    optics = np.random.default_rng([seed, *setup.filter.encode(), *setup.camera.encode()])
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    tilt, bowl = optics.uniform(0.05, 0.12, 2)
    flat = (1 + tilt * x - bowl * (x**2 + y**2)) * pixels.normal(1, 0.02, (SIZE, SIZE))
    hot = pixels.random((SIZE, SIZE)) < 5e-4
    flat /= flat[BORDER:-BORDER, BORDER:-BORDER].mean()
    return Detector(flat.astype(np.float32), (DARK + HOT * hot).astype(np.float32))


def expose(signal: Image | float, chip: Detector, rng: np.random.Generator, ndit: int = 1) -> Image:
    """The mean of `ndit` reads of this signal [ADU per DIT]: dark, photon and read noise."""
    light = chip.flat * signal
    noise = np.sqrt((light / GAIN + READ_NOISE**2) / ndit, dtype=np.float32)
    return chip.dark + light + noise * rng.standard_normal((SIZE, SIZE), dtype=np.float32)


def profile(r: NDArray[np.float64]) -> NDArray[np.float64]:
    """Surface brightness of a star of flux 1 at `r` pixels from its centre."""
    v = np.maximum(np.pi * r / AIRY, 1e-9)
    core = (2 * j1(v) / v) ** 2 * np.pi / (4 * AIRY**2)
    halo = (HALO_SLOPE - 1) / (np.pi * HALO_RADIUS**2) * (1 + (r / HALO_RADIUS) ** 2) ** -HALO_SLOPE
    return np.asarray(CORE * core + (1 - CORE) * halo)


def encircled(r: float) -> float:
    """Fraction of a star's light within `r` pixels (Rayleigh's formula for the Airy disc)."""
    v = np.pi * r / AIRY
    core = 1 - j0(v) ** 2 - j1(v) ** 2
    halo = 1 - (1 + (r / HALO_RADIUS) ** 2) ** (1 - HALO_SLOPE)
    return float(CORE * core + (1 - CORE) * halo)


def field(stars: Sequence[Star], dx: float, dy: float) -> Image:
    """The stars without sky [ADU], the field moved by (dx, dy) pixels."""
    image = np.zeros((SIZE, SIZE), dtype=np.float32)
    half, fine = 60, 5
    step = (np.arange(fine) - (fine - 1) / 2) / fine
    grid = (np.arange(-half, half + 1)[:, None] + step).ravel()
    for star in stars:
        x, y = star.x + dx, star.y + dy
        i, j = round(x), round(y)
        r = np.hypot((grid - (x - i))[None, :], (grid - (y - j))[:, None])
        stamp = profile(r).reshape(2 * half + 1, fine, 2 * half + 1, fine).mean(axis=(1, 3)) * star.flux
        x0, x1 = np.clip((i - half, i + half + 1), 0, SIZE)
        y0, y1 = np.clip((j - half, j + half + 1), 0, SIZE)
        image[y0:y1, x0:x1] += stamp[y0 - j + half : y1 - j + half, x0 - i + half : x1 - i + half]
    return image


def signal(kind: str, number: int) -> Image | float:
    """What falls on the array in frame `number` (from 0) of such a template [ADU per DIT]."""
    match kind:
        case "DARK":
            return 0.0
        case "TWFLAT":
            return TWILIGHT[number % len(TWILIGHT)]
        case "LAMPFLAT":  # lamp on and off in turn, on first (naco_img_lampflat)
            return 8000.0 if number % 2 == 0 else 0.0
        case "ACQUISITION":
            return SKY + field(STARS[:1], 0.0, 0.0)
        case "STD":
            return SKY + field((STANDARD,), *STANDARD_OFFSETS[number])
        case "JITTER":
            return SKY * (1 + SKY_DRIFT * number) + field(STARS, *OFFSETS[number])
        case _:
            raise ValueError(f"NACO has no template kind {kind!r}")


def setup_cards(kind: str, setup: Setup, number: int) -> dict[str, Value]:
    """The set-up keywords that the recipes need or the rules match on."""
    moves = {"JITTER": OFFSETS, "STD": STANDARD_OFFSETS}.get(kind)
    dx, dy = moves[number] if moves else (0.0, 0.0)
    scale = SCALES[setup.camera]
    # NACO's filters sit in wheels OPTI4 to OPTI6: Ks in OPTI6, J in OPTI5 (user manual).
    wheel5, wheel6 = ("J", "empty") if setup.filter == "J" else ("empty", setup.filter)
    lamp_on = kind == "LAMPFLAT" and number % 2 == 0
    # The real-time computer's view of the atmosphere, which naco_img_zpoint passes on.
    atmosphere: dict[str, Value] = {
        "AOS.RTC.DET.DST.L0MEAN": 20.0,
        "AOS.RTC.DET.DST.T0MEAN": 0.003,
        "AOS.RTC.DET.DST.R0MEAN": 0.1,
        "AOS.RTC.DET.DST.ECMEAN": 40.0,
        "AOS.RTC.DET.DST.FLUXMEAN": 100.0,
    }
    return {
        **(atmosphere if kind == "STD" else {}),
        "EXPTIME": setup.dit,
        "AOS.INS.DICH.POSNAM": "N90C10",
        "DET.DIT": setup.dit,
        "DET.NDIT": setup.ndit,
        "DET.NCORRS": 2,
        "DET.NCORRS.NAME": "Double_RdRstRd",
        "DET.MODE.NAME": "HighDynamic",
        "DET.WIN.NX": SIZE,
        "DET.WIN.NY": SIZE,
        "DET.WIN.STARTX": 1.0,
        "DET.WIN.STARTY": 1.0,
        "INS.MODE": "IMAGING",
        "INS.PIXSCALE": scale,
        "INS.OPTI1.NAME": "open",
        "INS.OPTI3.NAME": "Full",
        "INS.OPTI4.ID": "Full",
        "INS.OPTI4.NAME": "Full_Uszd",
        "INS.OPTI5.ID": wheel5,
        "INS.OPTI5.NAME": wheel5,
        "INS.OPTI6.ID": wheel6,
        "INS.OPTI6.NAME": wheel6,
        "INS.OPTI7.ID": setup.camera,
        "INS.OPTI7.NAME": setup.camera,
        "INS.LAMP2.SET": 3 if lamp_on else 0,
        "INS.LAMP2.NAME": "IRLAMP",
        "INS.LAMP2.TYPE": "Halogen",
        "INS.LAMP2.CURRENT": 0.0,
        "SEQ.CUMOFFSETX": dx,
        "SEQ.CUMOFFSETY": dy,
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": 150.0,
        "CRVAL2": -30.0,
        "CRPIX1": SIZE / 2 + dx,
        "CRPIX2": SIZE / 2 + dy,
        "CD1_1": -scale / 3600,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": scale / 3600,
    }
