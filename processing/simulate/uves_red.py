"""UVES red arm: two chips side by side in one file, their header, and the echelle format of each.

The raw frame of a chip is the reduced image turned: raw row = length - x, raw column = width - y, x and y
counting pixels from 1 (the recipes turn it back). What `echelle` makes is turned as in the blue arm, so
its columns are the other way round.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from processing.simulate import echelle
from processing.simulate.echelle import Order
from processing.simulate.fits import Value, mjd, timestamp, when, write_images
from processing.simulate.uves import BIAS, CONAD, EDGE, NX, READ_NOISE, SLIT

LENGTH = 4096  # pixels along the dispersion
SCALE = 0.18  # arcsec per pixel along the slit
RANGE = (4650.0, 6950.0)  # Angstrom, a little more than both chips see at 580 nm
WLEN = 580.0  # nm: a standard setting, cross disperser 3 (user manual)


@dataclass(frozen=True, slots=True)
class Chip:
    """`name` as in the products; the keywords DET.CHIPi, and the make and the name of its kind."""

    name: str
    number: int
    make: str
    id: str

    @property
    def cards(self) -> dict[str, Value]:
        """The keywords of its extension."""
        return {
            "EXTNAME": f"CHIP{self.number}",
            f"DET.CHIP{self.number}.ID": self.id,
            f"DET.CHIP{self.number}.NAME": self.make,
            f"DET.CHIP{self.number}.NX": NX,
            f"DET.CHIP{self.number}.NY": LENGTH,
        }


UPPER, LOWER = Chip("REDU", 1, "MIT", "CCID-20"), Chip("REDL", 2, "EEV", "CCD-44")
CHIPS = (UPPER, LOWER)  # in the order of the file's extensions


def primary_cards(kind: str, mode: str, slit: float, binning: int, exptime: float) -> dict[str, Value]:
    """The set-up keywords that the recipes need or the rules match on."""
    speed = "225kHz,1x1,low" if binning == 1 else f"50kHz,{binning}x{binning},high"
    return {
        "EXPTIME": exptime,
        "ORIGFILE": f"UVES_RED_{kind}.fits",
        "INS.MODE": mode,
        "INS.PATH": "RED",
        "INS.GRAT2.WLEN": WLEN,
        "INS.GRAT2.ID": "CD#3",
        "INS.GRAT2.NAME": "CD#3",
        "INS.SLIT1.NAME": "FREE",
        "INS.SLIT3.LEN": 2 * SLIT * SCALE,
        "INS.SLIT3.WID": slit,
        "INS.PIXSCALE": SCALE,
        "INS.TEMP1.MEAN": 12.0,
        "INS.TEMP2.MEAN": 12.0,
        "INS.TEMP31.MEAN": 10.0,
        "INS.SENS26.MEAN": 745.0,
        "INS.DET1.UIT": exptime,
        "INS.DET4.UIT": exptime,
        "DET.ID": "CCD FIERA",
        "DET.CHIPS": 2,
        "DET.OUTPUTS": 2,
        "DET.READ.SPEED": speed,
        "DET.READ.CLOCK": speed,
        "DET.WIN1.BINX": binning,
        "DET.WIN1.BINY": binning,
        "DET.WIN1.UIT1": exptime,
        "TEL.GEOLAT": -24.6268,
        "TEL.GEOLON": -70.4045,
    }


def extension_cards(chip: Chip, binning: int) -> dict[str, Value]:
    """The keywords of a chip's extension; both call their read-out port OUT1."""
    return {
        **chip.cards,
        "DET.OUT1.X": 1,
        "DET.OUT1.Y": 1,
        "DET.OUT1.NX": NX // binning,
        "DET.OUT1.NY": LENGTH // binning,
        "DET.OUT1.PRSCX": EDGE // binning,
        "DET.OUT1.OVSCX": EDGE // binning,
        "DET.OUT1.PRSCY": 0,
        "DET.OUT1.OVSCY": 0,
        "DET.OUT1.CONAD": CONAD,
        "DET.OUT1.GAIN": 1 / CONAD,
        "DET.OUT1.RON": READ_NOISE * CONAD,
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


def write_frame(
    path: Path, cards: Mapping[str, Value], frames: Mapping[Chip, NDArray[np.uint16]], binning: int
) -> None:
    """A raw file: an empty primary HDU and an extension for each chip."""
    write_images(path, cards, [(frames[chip], extension_cards(chip, binning)) for chip in CHIPS])


def predict() -> dict[Chip, tuple[Order, ...]]:
    """The echelle format of each chip at 580 nm, unbinned, from the model inside uves_cal_predict.

    The recipe stops at the first chip of a dark frame, so it is run for each. Raises SimulationError.
    """
    start = when("2012-03-01T12:00:00")
    cards: dict[str, Value] = {
        "ORIGIN": "ESO",
        "INSTRUME": "UVES",
        "MJD-OBS": mjd(start),
        "DATE-OBS": timestamp(start),
        "DPR.CATG": "CALIB",
        "DPR.TYPE": "LAMP,FMTCHK",
        "DPR.TECH": "ECHELLE",
        "TPL.START": timestamp(start),
        **primary_cards("FMTCHK", "RED", 1.0, 1, 30.0),
    }
    dark = np.full((LENGTH, NX + 2 * EDGE), int(BIAS), np.uint16)
    with tempfile.TemporaryDirectory(prefix="echelle-") as name:
        work = Path(name)
        write_frame(work / "dark.fits", cards, dict.fromkeys(CHIPS, dark), 1)
        echelle.write_lines(work / "lines.fits", np.arange(*RANGE, 2.0), {"INSTRUME": "UVES"})
        return {
            chip: echelle.run_model(
                work, "ARC_LAMP_FORM_RED", chip.name.lower(), WLEN, f"--process_chip={chip.name.lower()}"
            )
            for chip in CHIPS
        }
