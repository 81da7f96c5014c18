"""A seeded archive of 18 instruments: any night of any instrument from its numbers alone, and their rules.

The habits are those of a large observatory: 76 frames an instrument and night, 40 % of them science, 52
keywords a header, 300 set-ups an instrument of which 12 are in use on a night, each for 12 nights running.
Bias of both read-outs and an arc of each set-up are taken every day, darks every other day, flats every other
day, standards every fourth night.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, islice
from random import Random

from app.classify import Frame
from app.header import Header, Value
from app.rulebook import Rulebook, read_book

INSTRUMES = tuple(f"BENCH{number:02}" for number in range(1, 19))
FRAMES_A_NIGHT = 76
SETUPS = 300
SLOTS = 12

_SEED = 3
_FIRST_NIGHT = 53370  # 2004-12-31
_MJD_ZERO = datetime(1858, 11, 17)

_SETUP = ("INS.MODE", "INS.GRAT1.NAME", "INS.GRAT1.WLEN", "INS.FILT1.NAME", "INS.SLIT1.NAME", "INS.SLIT1.WID")
_READOUT = (
    "DET.CHIPS",
    "DET.WIN1.BINX",
    "DET.WIN1.BINY",
    "DET.READ.SPEED",
    "DET.READ.CLOCK",
    "DET.OUT1.GAIN",
)


@dataclass(frozen=True, slots=True)
class _Template:
    """Exposures of one kind with one set-up: DPR keywords, how many, how long (s)."""

    catg: str
    kind: str
    tech: str
    setup: int
    exposures: int
    seconds: float


def frames(number: int) -> Iterator[Frame]:
    """The first `number` frames of the archive, night by night."""
    return islice((frame for night in count() for name in INSTRUMES for frame in taken(name, night)), number)


def taken(instrume: str, night: int) -> Iterator[Frame]:
    """The 76 frames of an instrument's night, in time order; the night is counted from the first."""
    chance = Random(f"{_SEED} {instrume} {night}")
    slots = [_setup_of(slot, night) for slot in range(SLOTS)]
    science = [slots[(n + night) % SLOTS] for n in range(10)]
    standard = [slots[n] for n in range(SLOTS) if (night + n) % 4 == 0]
    flat = [slots[n] for n in range(SLOTS) if (night + n) % 2 == 0]
    dark = night // 2 % 2
    at_night = [
        *(_Template("SCIENCE", "OBJECT", "SPECTRUM", setup, 3, 850.0) for setup in science),
        *(_Template("CALIB", "STD", "SPECTRUM", setup, 1, 60.0) for setup in standard),
    ]
    by_day = [
        *(_Template("CALIB", "LAMP,WAVE", "SPECTRUM", setup, 1, 30.0) for setup in slots),
        *(_Template("CALIB", "LAMP,FLAT", "SPECTRUM", setup, 3, 20.0) for setup in flat),
        *(_Template("CALIB", "BIAS", "IMAGE", readout, 5, 0.0) for readout in (0, 1)),
        _Template("CALIB", "DARK", "IMAGE", dark, 3, 150.0),
    ]
    yield from _exposed(instrume, night, at_night, 1.0, 0.38, chance)
    yield from _exposed(instrume, night, by_day, 1.39, 0.10, chance)


def _setup_of(slot: int, night: int) -> int:
    """One of the slots gets another set-up each night; 7 has no factor in common with 300."""
    return ((night + slot) // SLOTS * SLOTS + slot) * 7 % SETUPS


def _exposed(
    instrume: str, night: int, templates: list[_Template], start: float, span: float, chance: Random
) -> Iterator[Frame]:
    """Templates spread over `span` days from `start` days after the beginning of the night's calendar day."""
    step = span / sum(template.exposures for template in templates)
    number = 0
    for template in templates:
        certified = chance.random() < 0.97
        first = ""
        for exposure in range(1, template.exposures + 1):
            mjd = round(_FIRST_NIGHT + night + start + (number + chance.random() / 10) * step, 8)
            first = first or _iso(mjd)
            number += 1
            header = _header(instrume, night, template, exposure, first, mjd, chance)
            yield Frame(
                f"{instrume}.{_iso(mjd)}",
                Header(header),
                size=4_202_880 + 2880 * (number % 7),
                certified=certified,
                release_date=_iso(mjd + 365),
            )


def _header(
    instrume: str, night: int, template: _Template, exposure: int, first: str, mjd: float, chance: Random
) -> dict[str, Value]:
    setup = template.setup
    fast = setup % 2 == 0
    block = 1000 * night + setup
    return {
        "INSTRUME": instrume,
        "ARCFILE": f"{instrume}.{_iso(mjd)}.fits",
        "DATE-OBS": _iso(mjd),
        "MJD-OBS": mjd,
        "EXPTIME": template.seconds,
        "TELESCOP": "ESO-VLT-U2",
        "ORIGIN": "ESO-PARANAL",
        "OBJECT": f"TARGET-{setup:03}" if template.catg == "SCIENCE" else template.kind,
        "RA": round(chance.uniform(0, 360), 5),
        "DEC": round(chance.uniform(-80, 20), 5),
        "UTC": round(mjd % 1 * 86400, 3),
        "LST": round(chance.uniform(0, 86400), 3),
        "PI-COI": "UNKNOWN",
        "OBSERVER": "SERVICE",
        "DPR.CATG": template.catg,
        "DPR.TYPE": template.kind,
        "DPR.TECH": template.tech,
        "TPL.ID": f"{instrume}_{template.kind.replace(',', '_')}",
        "TPL.START": first,
        "TPL.EXPNO": exposure,
        "TPL.NEXP": template.exposures,
        "OBS.ID": block,
        "OBS.NAME": f"OB_{block}",
        "OBS.PROG.ID": f"{75 + night // 183}.A-{setup:04}(A)",
        "OBS.TARG.NAME": f"TARGET-{setup:03}",
        "DET.CHIPS": 1 + setup % 2,
        "DET.WIN1.BINX": 1 if fast else 2,
        "DET.WIN1.BINY": 1 if fast else 2,
        "DET.WIN1.NX": 2048,
        "DET.WIN1.NY": 4096,
        "DET.READ.SPEED": "fast" if fast else "slow",
        "DET.READ.CLOCK": "625kHz,low" if fast else "225kHz,high",
        "DET.OUT1.GAIN": 1.84 if fast else 0.52,
        "DET.OUT1.RON": 5.1 if fast else 2.3,
        "DET.EXP.NO": 100 * night + exposure,
        "INS.MODE": ("LONGSLIT", "MOS", "IFU")[setup % 3],
        "INS.GRAT1.NAME": f"CD#{1 + setup % 4}",
        "INS.GRAT1.WLEN": 400.0 + setup,
        "INS.GRAT1.ENC": 10_000 + 13 * setup,
        "INS.FILT1.NAME": f"FILT_{setup % 5}",
        "INS.FILT1.NO": 1 + setup % 5,
        "INS.SLIT1.NAME": ("FREE", "SLIC#1", "SLIC#2")[setup // 3 % 3],
        "INS.SLIT1.WID": 0.3 + setup % 8 / 10,
        "INS.TEMP1.VAL": round(chance.gauss(11, 2), 2),
        "INS.TEMP2.VAL": round(chance.gauss(11, 2), 2),
        "TEL.AIRM.START": round(chance.uniform(1, 2), 3),
        "TEL.AIRM.END": round(chance.uniform(1, 2), 3),
        "TEL.AMBI.FWHM.START": round(chance.uniform(0.4, 1.8), 2),
        "TEL.AMBI.TEMP": round(chance.gauss(12, 3), 2),
        "TEL.AMBI.RHUM": round(chance.uniform(2, 50), 1),
        "TEL.ALT": round(chance.uniform(30, 90), 3),
        "TEL.FOCU.VALUE": round(chance.gauss(-20, 1), 3),
    }


def _iso(mjd: float) -> str:
    return (_MJD_ZERO + timedelta(days=mjd)).isoformat(timespec="milliseconds")


# --- rules -------------------------------------------------------------------------------------


def rulebooks() -> list[Rulebook]:
    """A rulebook for each instrument."""
    return [read_book(rules(name), f"{name.lower()}.2000-01-01.oca") for name in INSTRUMES]


def rules(instrume: str) -> str:
    """Ten associations on four levels: science -> standard -> arc -> flat -> bias and dark."""
    return "\n".join(
        [
            f"// INSTRUME: {instrume}",
            _class("SCIENCE", "OBJECT", "SCI", "EXPOSE_TO_CALSELECTOR = T;"),
            _class("CALIB", "STD", "STD"),
            _class("CALIB", "LAMP,WAVE", "ARC"),
            _class("CALIB", "LAMP,FLAT", "FLAT"),
            _class("CALIB", "BIAS", "BIAS"),
            _class("CALIB", "DARK", "DARK"),
            *(_group(name) for name in ("SCI", "STD", "ARC", "FLAT", "BIAS", "DARK")),
            _action("SCI", "RESPONSE", "WAVE_MAP", "MASTER_FLAT", "MASTER_BIAS", "MASTER_DARK"),
            _action("STD", "WAVE_MAP", product="RESPONSE"),
            _action("ARC", "MASTER_FLAT", "MASTER_BIAS", product="WAVE_MAP"),
            _action("FLAT", "MASTER_BIAS", "MASTER_DARK", product="MASTER_FLAT"),
            _action("BIAS", product="MASTER_BIAS"),
            _action("DARK", product="MASTER_DARK"),
        ]
    )


def _class(catg: str, kind: str, tag: str, more: str = "") -> str:
    return (
        f'if DPR.CATG == "{catg}" and DPR.TYPE == "{kind}" then\n'
        f'{{ RAW.TYPE = "{tag}"; DO.CATG = "{tag}"; {more} }}'
    )


def _group(tag: str) -> str:
    return (
        f'minRet = 1; select execute(ACTION_{tag}) from rawFiles where RAW.TYPE == "{tag}"\n'
        "  group by TPL.START as (TPL_A, tpl);"
    )


def _action(tag: str, *wanted: str, product: str = "SPECTRUM") -> str:
    associations = "\n".join(map(_association, wanted))
    return (
        f"action ACTION_{tag}\n{{\n{associations}\n  recipe bench_{tag.lower()};\n"
        f'  product {product} {{ PRO.CATG = "{product}"; DO.CATG = "{product}"; PRO.EXT = "0000.fits"; }}\n}}'
    )


def _association(category: str) -> str:
    names = _READOUT if category in ("MASTER_BIAS", "MASTER_DARK") else _SETUP
    equal = "".join(f"\n    and inputFile.{name} == {name}" for name in names)
    return (
        "  minRet = 1; maxRet = 1;\n"
        f'  select file as {category} from calibFiles where PRO.CATG == "{category}"{equal}\n'
        "    and MJD-OBS between inputFile.MJD-OBS - 30 and inputFile.MJD-OBS + 30\n"
        "    and MJD-OBS tryBetween inputFile.MJD-OBS - 3 and inputFile.MJD-OBS + 3;"
    )
