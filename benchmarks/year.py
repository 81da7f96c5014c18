"""A seeded year of UVES for its own rulebook: busier than it ever was, with its habits.

Every night science in 36 of the set-ups that follow from arms, gratings, slits and binnings; the day after
calibrations of each set-up in use, biases and darks of each read-out, standards of every third set-up: 548
science frames and some 580 calibrations a night.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from random import Random

from app.classify import Frame
from app.header import Header, Value

NIGHTS = 365
SCIENCE_A_NIGHT = 548
FIRST_NIGHT = 55927  # 2012-01-01

_SETUPS_A_NIGHT = 36
_MJD_ZERO = datetime(1858, 11, 17)


@dataclass(frozen=True, slots=True)
class _Setup:
    """Arm (DET.CHIPS), INS.MODE, central wavelength (nm), slit width (arcsec), binning, read-out speed."""

    chips: int
    mode: str
    wavelength: float
    width: float
    binning: int
    speed: str

    def keywords(self) -> dict[str, Value]:
        """Of every frame that is taken with it."""
        grating, slit = ("INS.GRAT1.WLEN", "INS.SLIT2.WID") if self.chips == 1 else _RED
        return {
            "DET.CHIPS": self.chips,
            "DET.WIN1.BINX": self.binning,
            "DET.WIN1.BINY": self.binning,
            "DET.READ.SPEED": self.speed,
            "INS.MODE": self.mode,
            grating: self.wavelength,
            "INS.SLIT1.NAME": "FREE",
            slit: self.width,
        }


_RED = ("INS.GRAT2.WLEN", "INS.SLIT3.WID")
_READOUTS = ((1, "225kHz,1x1,low"), (2, "50kHz,2x2,high"))
_SETUPS = [
    _Setup(chips, mode, wavelength, width, *readout)
    for (chips, mode, wavelength), width, readout in product(
        (
            (1, "DICHR#1", 346.0),
            (1, "DICHR#1", 390.0),
            (1, "DICHR#2", 437.0),
            (2, "DICHR#1", 564.0),
            (2, "DICHR#1", 580.0),
            (2, "DICHR#2", 760.0),
            (2, "DICHR#2", 860.0),
        ),
        (0.6, 0.8, 1.0, 1.2),
        _READOUTS,
    )
]


def frames(nights: int = NIGHTS, science: int = SCIENCE_A_NIGHT) -> Iterator[Frame]:
    """All frames, night by night."""
    for number in range(4):
        yield _frame(f"M.UVES.2009-11-05T10:00:00.00{number}", {"PRO.CATG": _STATIC[number]})
    for night in range(nights):
        yield from taken(night, science)


_STATIC = ("LINE_REFER_TABLE", "EXTCOEFF_TABLE", "FLUX_STD_TABLE", "RESP_FIT_POINTS_CATALOG")


def taken(night: int, science: int) -> Iterator[Frame]:
    """A night's frames in time order; the night is counted from the first."""
    chance = Random(f"7 {night}")
    setups = [_SETUPS[(night // 5 + place) % len(_SETUPS)] for place in range(_SETUPS_A_NIGHT)]
    plan: list[tuple[float, _Setup, str, str, str, int, float]] = []
    for number in range(science):
        setup = setups[number * _SETUPS_A_NIGHT // science]
        plan.append((0.98 + 0.4 * number / science, setup, "SCIENCE", "OBJECT,POINT", "ECHELLE", 1, 40.0))
    start = 1.42
    for place, setup in enumerate(setups):
        for kind, count, seconds in (
            ("LAMP,FMTCHK", 1, 30.0),
            ("LAMP,ORDERDEF", 1, 10.0),
            ("LAMP,FLAT", 5, 20.0),
            ("LAMP,WAVE", 1, 30.0),
            *((("STD", 1, 60.0),) if place % 3 == night % 3 else ()),
        ):
            plan.append((start, setup, "CALIB", kind, "ECHELLE", count, seconds))
            start += 0.4 / _SETUPS_A_NIGHT / 8
    for chips, readout in product((1, 2), _READOUTS):
        setup = next(each for each in _SETUPS if (each.chips, each.binning) == (chips, readout[0]))
        plan += [(start + chips / 200 + readout[0] / 90 + n / 2000, setup, "CALIB", "BIAS", "IMAGE", 5, 0.0)
                 for n in range(14)]  # fmt: skip
        if night % 10 == 0:
            plan.append((start + 0.05, setup, "CALIB", "DARK", "IMAGE", 3, 3600.0))
    for begins, setup, catg, kind, tech, count, seconds in plan:
        first = FIRST_NIGHT + night + begins
        certified = catg == "SCIENCE" or chance.random() < 0.97
        for exposure in range(count):
            mjd = round(first + exposure * 1.5e-4 + chance.random() * 1e-4, 8)
            keywords = setup.keywords() | {
                "DPR.CATG": catg,
                "DPR.TYPE": kind,
                "DPR.TECH": tech,
                "EXPTIME": seconds,
                "MJD-OBS": mjd,
                "DATE-OBS": _iso(mjd),
                "TPL.START": _iso(first),
                "TPL.EXPNO": exposure + 1,
                "TPL.NEXP": count,
                "OBS.ID": int(first * 100),
                "OBS.PROG.ID": "088.A-0001(A)",
                "OBJECT": kind,
                "RA": round(chance.uniform(0, 360), 5),
                "DEC": round(chance.uniform(-80, 20), 5),
            }
            yield _frame(f"UVES.{_iso(mjd)}", keywords, certified)


def _frame(dp_id: str, keywords: dict[str, Value], certified: bool = True) -> Frame:
    given = {"INSTRUME": "UVES", **keywords}
    if "PRO.CATG" not in given:
        given["ARCFILE"] = f"{dp_id}.fits"
    return Frame(dp_id, Header(given), certified=certified)


def _iso(mjd: float) -> str:
    return (_MJD_ZERO + timedelta(days=mjd)).isoformat(timespec="microseconds")
