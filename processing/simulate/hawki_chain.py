"""The HAWK-I chain: a jitter in Ks, its darks, twilight flats and static files, and what must not be taken.

The night lies two days after a breakpoint of HAWK-I (MJD 57671.5, rules/hawki/breakpoints.json).
"""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from processing.simulate import casu, hawki, hawki_measure
from processing.simulate.chain import Chain
from processing.simulate.fits import Value, mjd, timestamp, when, write_images
from processing.simulate.hawki import Setup

CATALOGUE = "SIMULATED_FIELD"
TARGET = "STAR-FIELD"


@dataclass(frozen=True, slots=True)
class Kind:
    """DPR.CATG, DPR.TYPE and TPL.ID of a template, and seconds between its frames."""

    catg: str
    type: str
    template: str
    cadence: float


KINDS = {
    "DARK": Kind("CALIB", "DARK", "HAWKI_img_cal_Darks", 15),
    "TWILIGHT": Kind("CALIB", "FLAT", "HAWKI_img_cal_TwFlats", 10),
    "JITTER": Kind("SCIENCE", "OBJECT", "HAWKI_img_obs_AutoJitter", 45),
}


@dataclass(frozen=True, slots=True)
class Template:
    """One template execution. `why` makes its frames decoys, of a few pixels each: nothing may read them."""

    start: str
    kind: str
    n: int
    setup: Setup = Setup()  # noqa: RUF009 - frozen
    why: str = ""

    @property
    def about(self) -> Kind:
        """The DPR and TPL words of its frames."""
        return KINDS[self.kind]

    def times(self) -> list[datetime]:
        """When each exposure starts."""
        first = when(self.start) + timedelta(seconds=4, milliseconds=zlib.crc32(self.start.encode()) % 997)
        return [first + timedelta(seconds=number * self.about.cadence) for number in range(self.n)]

    def dp_ids(self) -> tuple[str, ...]:
        """The archive's names of its frames, without an extension."""
        return tuple(f"HAWKI.{timestamp(time)}" for time in self.times())


_TWILIGHT = Setup(dit=1.6762)
LOG = (
    Template(
        "2016-10-09T23:00:00", "TWILIGHT", 4, _TWILIGHT,
        why="twilight flats nearer in time, but before the breakpoint of MJD 57671.5",
    ),
    Template("2016-10-13T04:00:00", "JITTER", 3),
    Template(
        "2016-10-13T04:30:00", "DARK", 3, Setup(dit=30.0),
        why="darks half an hour from the science frames, but with a DIT of 30 s instead of 10 s",
    ),
    Template("2016-10-13T11:00:00", "DARK", 3),
    Template(
        "2016-10-13T22:50:00", "TWILIGHT", 4, replace(_TWILIGHT, filter="J", ndit=2),
        why="twilight flats of the evening after, but in J instead of Ks, and with NDIT = 2",
    ),
    Template("2016-10-14T11:00:00", "DARK", 3, why="darks of the right set-up, but a day farther away"),
    Template("2016-10-18T22:50:00", "TWILIGHT", 4, _TWILIGHT),
    Template(
        "2016-10-19T10:00:00", "DARK", 3,
        why="darks nearer to the twilight flats, but with a DIT of 10 s instead of 1.6762 s",
    ),
    Template("2016-10-19T11:00:00", "DARK", 3, _TWILIGHT),
)  # fmt: skip
SCIENCE = next(entry for entry in LOG if entry.kind == "JITTER").dp_ids()[0]


@dataclass(frozen=True, slots=True)
class Static:
    """A static file by its dp_id, and why it is a decoy if it is one."""

    dp_id: str
    category: str
    target: str = ""
    why: str = ""


STATICS = (
    Static("M.HAWKI.2016-10-01T00:00:00.000", "MASTER_LOCAL_CATALOGUE_ASTROM", TARGET),
    Static("M.HAWKI.2016-10-01T00:00:01.000", "MASTER_LOCAL_CATALOGUE_PHOTOM", TARGET),
    Static(
        "M.HAWKI.2016-10-05T00:00:00.000", "MASTER_LOCAL_CATALOGUE_ASTROM", "OTHER-FIELD",
        why="a later catalogue, but of another field",
    ),
    Static("M.HAWKI.2015-10-01T00:00:00.000", "PHOTCAL_TAB"),
    Static(
        "M.HAWKI.2017-10-01T00:00:00.000", "PHOTCAL_TAB",
        why="a photometric table made after the frames were taken",
    ),
    Static("M.HAWKI.2015-10-01T00:00:01.000", "SCHLEGEL_MAP_NORTH"),
    Static("M.HAWKI.2015-10-01T00:00:02.000", "SCHLEGEL_MAP_SOUTH"),
)  # fmt: skip


def build(folder: Path, seed: int) -> None:
    """Write every frame and static file: 13 frames of 34 MB, and small ones."""
    sources = hawki.stars(seed)
    for static in STATICS:
        write_static(folder / f"{static.dp_id}.fits", static, sources)
    with ThreadPoolExecutor(max_workers=2) as pool:
        arrays = list(pool.map(lambda chip: hawki.array(chip, seed), hawki.CHIPS))
        jobs = [
            pool.submit(write, folder, entry, number, arrays, sources, seed)
            for entry in LOG
            for number in range(entry.n)
        ]
        for job in jobs:
            job.result()


def write(
    folder: Path, entry: Template, number: int, arrays: list[hawki.Array], sources: casu.Stars, seed: int
) -> None:
    """Write frame `number` (from 0) of a template; its noise depends on the seed and the dp_id only."""
    dp_id = entry.dp_ids()[number]
    noise = np.random.default_rng([seed, zlib.crc32(dp_id.encode())])
    aim = hawki.pointing(number) if entry.kind == "JITTER" else hawki.POINTING

    def pixels(chip: hawki.Chip, array: hawki.Array) -> hawki.Image:
        if entry.why:
            return np.zeros((32, 32), np.float32)
        match entry.kind:
            case "DARK":
                light: hawki.Image | float = 0.0
            case "TWILIGHT":
                light = hawki.TWILIGHT[number]
            case _:
                light = hawki.field(chip, sources, number, entry.setup.dit, len(array.response))
        return hawki.expose(chip, array, light, entry.setup, noise)

    write_images(
        folder / f"{dp_id}.fits",
        cards(entry, number),
        (
            (np.rint(pixels(chip, array)).astype(np.uint16), hawki.chip_cards(chip, entry.setup, aim))
            for chip, array in zip(hawki.CHIPS, arrays, strict=True)
        ),
    )


def write_static(path: Path, static: Static, sources: casu.Stars) -> None:
    """Write one static file."""
    head = casu.static_cards(static.dp_id, static.category)
    if static.target:
        head["OBS.TARG.NAME"] = static.target
    match static.category:
        case "PHOTCAL_TAB":
            casu.write_photcal(path, CATALOGUE, hawki.BANDS, head)
        case "SCHLEGEL_MAP_NORTH" | "SCHLEGEL_MAP_SOUTH":
            casu.write_extinction(path, hawki.REDDENING, head)
        case _:
            casu.write_catalogue(path, CATALOGUE, sources, head)


def cards(entry: Template, number: int) -> dict[str, Value]:
    """The primary header of frame `number` (from 0) of a template."""
    about, taken = entry.about, entry.times()[number]
    science = about.catg == "SCIENCE"
    along, north = hawki.OFFSETS[number] if entry.kind == "JITTER" else (0.0, 0.0)
    aim = hawki.pointing(number) if entry.kind == "JITTER" else hawki.POINTING
    target = TARGET if science else about.type
    return {
        "ORIGIN": "ESO",
        "TELESCOP": "ESO-VLT-U4",
        "INSTRUME": "HAWKI",
        "OBJECT": target,
        "RA": aim[0],
        "DEC": aim[1],
        "EQUINOX": 2000.0,
        "RADESYS": "FK5",
        "MJD-OBS": mjd(taken),
        "DATE-OBS": timestamp(taken),
        "UTC": round(mjd(taken) % 1 * 86400, 3),
        "PI-COI": "SIMULATED",
        "OBSERVER": "SIMULATED",
        "ARCFILE": f"{entry.dp_ids()[number]}.fits",
        "DPR.CATG": about.catg,
        "DPR.TYPE": about.type,
        "DPR.TECH": "IMAGE",
        "TPL.ID": about.template,
        "TPL.NAME": about.template,
        "TPL.START": entry.start,
        "TPL.NEXP": entry.n,
        "TPL.EXPNO": number + 1,
        "OBS.ID": 200790001 + LOG.index(entry),
        "OBS.PROG.ID": "098.A-0512(A)" if science else "60.A-9022(A)",
        "OBS.TARG.NAME": target,
        "OBS.NAME": target,
        "OBS.START": entry.start,
        "TEL.AIRM.START": hawki.AIRMASS,
        "TEL.AIRM.END": hawki.AIRMASS,
        "TEL.AMBI.FWHM.START": hawki.SEEING,
        "TEL.AMBI.FWHM.END": hawki.SEEING,
        "TEL.AMBI.RHUM": 10.0,
        "SEQ.CUMOFFSETA": along,
        "SEQ.CUMOFFSETD": north,
        "SEQ.CUMOFFSETX": along / hawki.SCALE,
        "SEQ.CUMOFFSETY": -north / hawki.SCALE,
        **hawki.setup_cards(entry.setup),
    }


CHAIN = Chain(
    name="hawki",
    science=SCIENCE,
    raw_type="SCIENCE_IMG",
    recipes=(
        "hawki_dark_combine",
        "hawki_dark_combine",
        "hawki_twilight_flat_combine",
        "hawki_detector_noise",
        "hawki_science_process",
    ),
    product="JITTERED_IMAGE_SCI",
    build=build,
    measure=hawki_measure.measure,
    decoys={
        **{dp_id: entry.why for entry in LOG if entry.why for dp_id in entry.dp_ids()},
        **{static.dp_id: static.why for static in STATICS if static.why},
    },
)
