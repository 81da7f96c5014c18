"""The VISIR imaging chain: a chopped and nodded field in PAH1 with dark, flats and a standard star."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processing.simulate import measure_visir, visir
from processing.simulate.chain import Chain
from processing.simulate.fits import Value, mjd, timestamp, when, write_image, write_table
from processing.simulate.measurement import Measurement
from processing.simulate.visir import Setup

_PAH1 = Setup()
CATALOGUE = "M.VISIR.2007-01-01T00:00:00.000"
STANDARD, JANSKY = "SIM-STD", 12.5  # the standard star's name and its flux in every filter


@dataclass(frozen=True, slots=True)
class Kind:
    """DPR.CATG, DPR.TYPE, DPR.TECH and TPL.ID of a template, and seconds between its frames."""

    catg: str
    type: str
    tech: str
    template: str
    cadence: float


KINDS = {
    "DARK": Kind("CALIB", "DARK", "IMAGE", "VISIR_img_cal_Darks", 20),
    "FLAT": Kind("CALIB", "FLAT", "IMAGE,DIRECT", "VISIR_img_cal_ExtrSrcFlats", 300),
    "STD": Kind("CALIB", "STD", "IMAGE,CHOPNOD,JITTER", "VISIR_img_cal_AutoChopNod", 60),
    "SCIENCE": Kind("SCIENCE", "OBJECT", "IMAGE,CHOPNOD,JITTER", "VISIR_img_obs_AutoChopNod", 60),
}


@dataclass(frozen=True, slots=True)
class Template:
    """One template execution. `why` makes all its frames decoys."""

    start: str
    kind: str
    n: int
    setup: Setup = _PAH1
    why: str = ""

    @property
    def about(self) -> Kind:
        """The DPR and TPL words of its frames."""
        return KINDS[self.kind]

    def times(self) -> list[datetime]:
        """When each exposure starts."""
        first = when(self.start) + timedelta(seconds=5, milliseconds=zlib.crc32(self.start.encode()) % 997)
        return [first + timedelta(seconds=number * self.about.cadence) for number in range(self.n)]

    def dp_ids(self) -> tuple[str, ...]:
        """The archive's names of its frames, without an extension."""
        return tuple(f"VISIR.{timestamp(time)}" for time in self.times())


_CLOSED = Setup(filter="CLOSE")  # all darks are taken in one set-up
LOG = (
    Template(
        "2008-03-04T12:00:00",
        "FLAT",
        5,
        why="flats of the right set-up, but a week before the science frames",
    ),
    Template("2008-03-11T03:00:00", "STD", 4),
    Template("2008-03-11T04:00:00", "SCIENCE", 4),
    Template(
        "2008-03-11T05:00:00", "STD", 2, Setup(filter="SIV"), why="a standard of the night, but in [S IV]"
    ),
    Template("2008-03-11T10:30:00", "DARK", 3, _CLOSED),
    Template("2008-03-11T11:00:00", "FLAT", 5, Setup(filter="SIV"), why="flats nearer, but in [S IV]"),
    Template("2008-03-11T12:00:00", "FLAT", 5),
    Template("2008-03-13T10:30:00", "DARK", 3, _CLOSED, why="darks of the right set-up, but two days later"),
)
SCIENCE = next(entry for entry in LOG if entry.kind == "SCIENCE").dp_ids()[0]


def build(folder: Path, seed: int) -> None:
    """Write every frame and the catalogue of standards: 32 files, 25 MB."""
    chip = visir.detector(seed)
    write_catalogue(folder / f"{CATALOGUE}.fits")
    for entry in LOG:
        for number, dp_id in enumerate(entry.dp_ids()):
            rng = np.random.default_rng([seed, zlib.crc32(dp_id.encode())])
            write_image(folder / f"{dp_id}.fits", pixels(entry, number, chip, rng), cards(entry, number))


def write_catalogue(path: Path) -> None:
    """The catalogue of standards as visir_util_img_std_cat writes it, with one star and two filters."""
    columns = {
        "STARS": np.array([STANDARD.encode()]),
        "SP_TYPE": np.array([b"K2III"]),
        "RA": np.array([150.0]),
        "DEC": np.array([-30.0]),
        **{band: np.array([JANSKY]) for band in ("PAH1", "SIV")},
    }
    cards: dict[str, Value] = {
        "ORIGIN": "ESO",
        "INSTRUME": "VISIR",
        "ARCFILE": f"{CATALOGUE}.fits",
        "PRO.CATG": "IMG_STD_CATALOG",
    }
    write_table(path, columns, cards)


def pixels(entry: Template, number: int, chip: visir.Detector, rng: np.random.Generator) -> NDArray[Any]:
    """Frame `number` (from 0) of a template."""
    match entry.kind:
        case "DARK":
            return visir.expose(0.0, chip, rng)
        case "FLAT":
            return visir.expose(visir.FLAT_LEVELS[number], chip, rng)
        case "STD" | "SCIENCE":
            stars = visir.STARS if entry.kind == "SCIENCE" else (visir.STANDARD,)
            cube = visir.cube(stars, visir.NODS[number], entry.setup, chip, rng)
            return np.rint(cube).astype(np.int32)
        case _:
            raise ValueError(f"VISIR has no template kind {entry.kind!r}")


def cards(entry: Template, number: int) -> dict[str, Value]:
    """The header of frame `number` (from 0) of a template."""
    about, taken = entry.about, entry.times()[number]
    science = entry.kind == "SCIENCE"
    target = {"SCIENCE": "SIM-STAR", "STD": STANDARD}.get(entry.kind, about.type)
    return {
        "ORIGIN": "ESO",
        "TELESCOP": "ESO-VLT-U3",
        "INSTRUME": "VISIR",
        "OBJECT": target,
        "RA": 150.0,
        "DEC": -30.0,
        "EQUINOX": 2000.0,
        "RADESYS": "FK5",
        "MJD-OBS": mjd(taken),
        "DATE-OBS": timestamp(taken),
        "UTC": round(mjd(taken) % 1 * 86400, 3),
        "LST": 36000.0,
        "PI-COI": "SIMULATED",
        "OBSERVER": "SIMULATED",
        "AIRMASS": 1.1,
        "ARCFILE": f"{entry.dp_ids()[number]}.fits",
        "DPR.CATG": about.catg,
        "DPR.TYPE": about.type,
        "DPR.TECH": about.tech,
        "TPL.ID": about.template,
        "TPL.NAME": about.template,
        "TPL.START": entry.start,
        "TPL.NEXP": entry.n,
        "TPL.EXPNO": number + 1,
        "OBS.ID": 200310000 + LOG.index(entry),
        "OBS.PROG.ID": "080.C-0720(A)" if science else "60.A-9234(A)",
        "OBS.TARG.NAME": target,
        "OBS.NAME": target,
        "OBS.START": entry.start,
        "TEL.AIRM.START": 1.1,
        "TEL.AIRM.END": 1.1,
        **visir.setup_cards(entry.kind, entry.setup, visir.NODS[number % 4]),
    }


def measure(made: Mapping[str, tuple[Path, ...]], seed: int) -> list[Measurement]:
    """Dark, flat, bad pixels and the fluxes of all beams against the simulation."""
    chip = visir.detector(seed)
    (dark,), (flat,), (bad,) = made["IMG_DARK_AVG"], made["IMG_FF"], made["IMG_BPM"]
    (standard,), (combined,) = made["IMG_PHOT_COMBINED"], made["IMG_OBS_COMBINED_CNJ"]
    per_jansky = visir.STANDARD.flux / _PAH1.dit / JANSKY
    return [
        *measure_visir.dark(dark, chip),
        *measure_visir.flat(flat, chip),
        *measure_visir.bad_pixels(bad, chip),
        *measure_visir.conversion(standard, per_jansky),
        *measure_visir.beams(combined, _PAH1),
    ]


CHAIN = Chain(
    name="visir",
    science=SCIENCE,
    raw_type="IMG_SCI",
    recipes=("visir_img_dark", "visir_img_ff", "visir_old_img_phot", "visir_old_img_combine"),
    product="IMG_OBS_COMBINED_CNJ",
    build=build,
    measure=measure,
    decoys={dp_id: entry.why for entry in LOG if entry.why for dp_id in entry.dp_ids()},
)
