"""UVES blue arm: the detector and the header of its frames.

The raw frame is the reduced image turned: raw row = 3000 - x, raw column = y plus the prescan, x and y
counting pixels from 1 (uves_cal_mbias turns it back).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from processing.simulate.fits import Value

Vector: TypeAlias = NDArray[np.float64]
Light: TypeAlias = NDArray[np.float32]

NX, NY, EDGE = 2048, 3000, 50  # light-sensitive columns and rows; prescan and overscan columns
BIAS, READ_NOISE, CONAD = 150.0, 2.2, 1.8  # ADU, ADU, e-/ADU
SCALE = 0.25  # arcsec per pixel along the slit
SLIT = 16.0  # half the slit length (8 arcsec, so that the bluest orders stay apart) in pixels


@dataclass(frozen=True, slots=True)
class Setup:
    """What the rules match on. `wlen` in nm, `slit` width in arcsec."""

    wlen: float = 390.0
    mode: str = "DICHR#1"
    slit: float = 1.0
    binning: int = 1

    @property
    def grating(self) -> str:
        """The cross disperser of a standard setting (user manual: 346 nm is the only one on CD#1)."""
        return "CD#1" if self.wlen == 346.0 else "CD#2"


def response(seed: int) -> Light:
    """The relative response of each pixel, 1 per cent rms, shape (3000, 2048)."""
    noise = np.random.default_rng([seed, 3]).standard_normal((NY, NX), dtype=np.float32)
    return np.float32(1) + np.float32(0.01) * noise


def expose(
    light: Light | None,
    pixels: Light,
    rng: np.random.Generator,
    binning: int = 1,
    cosmic_seconds: float = 0.0,
) -> NDArray[np.uint16]:
    """A raw frame of these electrons (None: a bias), shape (rows, columns with pre- and overscan) in ADU.

    `pixels` is the relative response of each pixel; photon noise is taken as Gaussian. Cosmic rays fall
    for `cosmic_seconds`; lamps are too short for them to count.
    """
    frame = rng.standard_normal((NY // binning, (NX + 2 * EDGE) // binning), dtype=np.float32)
    if light is None:
        frame *= np.float32(READ_NOISE)
    else:
        signal = light * pixels / np.float32(CONAD)
        lit = frame[:, EDGE : EDGE + NX]
        lit *= np.sqrt(signal / np.float32(CONAD) + np.float32(READ_NOISE**2))
        lit += signal
        lit += cosmic_rays(rng, cosmic_seconds)
        frame[:, :EDGE] *= np.float32(READ_NOISE)
        frame[:, EDGE + NX :] *= np.float32(READ_NOISE)
    frame += np.float32(BIAS + 0.5)
    return np.clip(frame, 0, 65535, out=frame).astype(np.uint16)


def cosmic_rays(rng: np.random.Generator, seconds: float, shape: tuple[int, int] = (NY, NX)) -> Light:
    """Hits [ADU] of cosmic rays, 30 a minute on 14 square centimetres of silicon, each one or two pixels."""
    hits = np.zeros(shape, np.float32)
    number = int(seconds / 2)
    rows, columns = rng.integers(0, shape[0] - 1, number), rng.integers(0, shape[1] - 1, number)
    hits[rows, columns] = rng.uniform(300, 5000, number)
    hits[rows + rng.integers(0, 2, number), columns + rng.integers(0, 2, number)] += 200
    return hits


def setup_cards(kind: str, setup: Setup, exptime: float) -> dict[str, Value]:
    """The set-up keywords that the recipes need or the rules match on."""
    binned = setup.binning
    speed = "225kHz,1x1,low" if binned == 1 else f"50kHz,{binned}x{binned},high"
    return {
        "EXPTIME": exptime,
        "ORIGFILE": f"UVES_BLUE_{kind}.fits",
        "INS.MODE": setup.mode,
        "INS.PATH": "BLUE",
        "INS.GRAT1.WLEN": setup.wlen,
        "INS.GRAT1.ID": setup.grating,
        "INS.GRAT1.NAME": setup.grating,
        "INS.SLIT1.NAME": "FREE",
        "INS.SLIT2.LEN": 2 * SLIT * SCALE,
        "INS.SLIT2.WID": setup.slit,
        "INS.PIXSCALE": SCALE,
        "INS.TEMP1.MEAN": 12.0,
        "INS.TEMP2.MEAN": 12.0,
        "INS.TEMP31.MEAN": 10.0,
        "INS.SENS26.MEAN": 745.0,
        "INS.DET1.UIT": exptime,
        "DET.ID": "CCD FIERA",
        "DET.CHIPS": 1,
        "DET.CHIP1.ID": "CCD-44b",
        "DET.CHIP1.NAME": "EEV",
        "DET.CHIP1.NX": NX,
        "DET.CHIP1.NY": NY,
        "DET.OUTPUTS": 1,
        "DET.OUT1.X": 1,
        "DET.OUT1.Y": 1,
        "DET.OUT1.NX": NX // binned,
        "DET.OUT1.NY": NY // binned,
        "DET.OUT1.PRSCX": EDGE // binned,
        "DET.OUT1.OVSCX": EDGE // binned,
        "DET.OUT1.PRSCY": 0,
        "DET.OUT1.OVSCY": 0,
        "DET.OUT1.CONAD": CONAD,
        "DET.OUT1.GAIN": 1 / CONAD,
        "DET.OUT1.RON": READ_NOISE * CONAD,
        "DET.READ.SPEED": speed,
        "DET.READ.CLOCK": speed,
        "DET.WIN1.BINX": binned,
        "DET.WIN1.BINY": binned,
        "DET.WIN1.UIT1": exptime,
        "DET.WIN1.NX": (NX + 2 * EDGE) // binned,
        "DET.WIN1.NY": NY // binned,
        "TEL.GEOLAT": -24.6268,
        "TEL.GEOLON": -70.4045,
        "CTYPE1": "PIXEL",
        "CTYPE2": "PIXEL",
        "CRVAL1": 1.0,
        "CRVAL2": 1.0,
        "CRPIX1": 1.0,
        "CRPIX2": 1.0,
        "CDELT1": 1.0,
        "CDELT2": 1.0,
        "CUNIT1": "PIXEL",
        "CUNIT2": "PIXEL",
        "BUNIT": "ADU",
    }
