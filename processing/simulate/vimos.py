"""VIMOS imaging: the nights' log, and the chain from biases to a stack of four quadrants."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np

from processing.simulate import vimos_camera as camera
from processing.simulate.casu import Band, static_cards, write_catalogue, write_extinction, write_photcal
from processing.simulate.chain import Chain
from processing.simulate.fits import Value, mjd, timestamp, when, write_image
from processing.simulate.measurement import Measurement
from processing.simulate.vimos_camera import Image, Quadrant
from processing.simulate.vimos_measure import measure as compare

Kind = Literal["BIAS", "DARK", "FLAT", "OBJECT"]

# The DPR and TPL words of a kind, and how long an exposure lasts [s].
WORDS = {
    "BIAS": ("CALIB", "BIAS", "VIMOS_img_cal_Dark"),
    "DARK": ("CALIB", "DARK", "VIMOS_img_cal_Dark"),
    "FLAT": ("CALIB", "FLAT,SKY", "VIMOS_img_cal_SkyFlat"),
    "OBJECT": ("SCIENCE", "OBJECT", "VIMOS_img_obs_Offset"),
}
EXPTIME: dict[Kind, float] = {"BIAS": 0.0, "DARK": 300.0, "FLAT": 2.0, "OBJECT": 60.0}
READ_OUT = 60  # s between two exposures
# Electrons of the twilight; vimos_ima_twilight_flat takes 4,000 to 60,000 ADU. The last two, which are the
# nearest to the biases, are alike: vimos_ima_det_noise takes the shape of the flat, where any is left in
# their difference, for correlated noise.
TWILIGHT = (36000.0, 33000.0, 30150.0, 30000.0)
OFFSETS = ((0.0, 0.0), (10.0, 6.0), (-8.0, 9.0))  # of the telescope, arcsec


@dataclass(frozen=True, slots=True)
class Template:
    """One execution: `n` exposures, each a file per quadrant.

    `why` says of a decoy why it must not be chosen; decoys are never reduced, so their pixels are not drawn.
    """

    start: str
    kind: Kind
    n: int
    filter: str = "R"
    rows: int = camera.HEIGHT
    quadrants: tuple[int, ...] = (1, 2, 3, 4)
    why: str = ""

    def files(self) -> Iterator[tuple[str, datetime, int, Quadrant]]:
        """dp_id, time, exposure (from 0) and quadrant of each file.

        The four CCDs are read by controllers of their own: their files differ by milliseconds, and any
        quadrant's may be the first.
        """
        odd = zlib.crc32(self.start.encode())
        for number in range(self.n):
            taken = when(self.start) + timedelta(seconds=4 + number * (READ_OUT + EXPTIME[self.kind]))
            for quadrant in camera.among(self.quadrants):
                late = timedelta(milliseconds=17 * ((quadrant.number + odd + number) % 4))
                yield f"VIMOS.{timestamp(taken + late)}", taken, number, quadrant


SCIENCE = Template("2012-03-14T03:00:00", "OBJECT", 2)
LOG = (
    Template(
        "2012-03-04T23:20:00", "FLAT", 4,
        why="sky flats of the right filter, but ten days before the science frames",
    ),
    Template(
        "2012-03-13T23:20:00", "FLAT", 4, filter="V",
        why="sky flats nearer in time, but in V instead of R",
    ),
    SCIENCE,
    Template(
        "2012-03-14T08:00:00", "BIAS", 5, quadrants=(1, 2, 4),
        why="biases nearer in time, but those of quadrant 3 are missing",
    ),
    Template(
        "2012-03-14T09:00:00", "BIAS", 5, rows=4096,
        why="biases nearer in time, but of spectroscopy: another window and gain",
    ),
    Template("2012-03-14T10:00:00", "FLAT", 4),
    Template("2012-03-14T11:30:00", "BIAS", 5),
    Template("2012-03-14T12:30:00", "DARK", 2),
)  # fmt: skip

CATALOGUE = "simcat"
STATICS = {
    "MASTER_LOCAL_CATALOGUE_ASTROM": "M.VIMOS.2011-01-01T00:00:00.001",
    "MASTER_LOCAL_CATALOGUE_PHOTOM": "M.VIMOS.2011-01-01T00:00:00.002",
    "PHOTCAL_TAB": "M.VIMOS.2011-01-01T00:00:00.003",
    "SCHLEGEL_MAP_NORTH": "M.VIMOS.2011-01-01T00:00:00.004",
    "SCHLEGEL_MAP_SOUTH": "M.VIMOS.2011-01-01T00:00:00.005",
}
# A later catalogue, but of a field a degree to the east.
ELSEWHERE = "M.VIMOS.2012-01-01T00:00:00.001"


def build(folder: Path, seed: int) -> None:
    """Write `<dp_id>.fits` of every frame and static file: 0.5 GB."""
    folder.mkdir(parents=True, exist_ok=True)
    for template in LOG:
        write(folder, template, seed)
    write_statics(folder, seed)


def write(folder: Path, template: Template, seed: int) -> None:
    """The files of a template; the noise depends on the seed and the dp_id only."""
    seconds = EXPTIME[template.kind]
    for dp_id, taken, number, quadrant in template.files():
        rng = np.random.default_rng([seed, zlib.crc32(dp_id.encode())])
        if template.why:
            pixels = np.zeros((16, 16), dtype=np.uint16)
        else:
            pixels = camera.read_out(quadrant, light(template.kind, number, quadrant, seed), seconds, rng)
        write_image(folder / f"{dp_id}.fits", pixels, cards(template, dp_id, taken, number, quadrant))


def light(kind: Kind, number: int, quadrant: Quadrant, seed: int) -> Image | float:
    """What exposure `number` of a template counts in each pixel [electrons], without dark current."""
    match kind:
        case "BIAS" | "DARK":
            return 0.0
        case "FLAT":
            return camera.response(seed, quadrant) * np.float32(TWILIGHT[number])
        case "OBJECT":
            scene = camera.scene(quadrant, camera.stars(seed), OFFSETS[number], EXPTIME[kind])
            return camera.response(seed, quadrant) * scene


def write_statics(folder: Path, seed: int) -> None:
    """The catalogue of the field twice (positions, magnitudes), its colour equations, the dust."""
    centre: dict[str, Value] = {"RA": camera.RA, "DEC": camera.DEC}
    for category, dp_id in STATICS.items():
        path, head = folder / f"{dp_id}.fits", static_cards(dp_id, category)
        match category:
            case "PHOTCAL_TAB":
                band = Band("R", "rmag", camera.EXTINCTION, camera.GALAXY, zero_point=27.0)
                write_photcal(path, CATALOGUE, [band], head)
            case "SCHLEGEL_MAP_NORTH" | "SCHLEGEL_MAP_SOUTH":
                write_extinction(path, camera.REDDENING, head)
            case _:
                write_catalogue(path, CATALOGUE, camera.stars(seed), {**head, **centre})
    head = static_cards(ELSEWHERE, "MASTER_LOCAL_CATALOGUE_ASTROM")
    write_catalogue(
        folder / f"{ELSEWHERE}.fits", CATALOGUE, camera.stars(seed), {**head, **centre, "RA": camera.RA + 1}
    )


def cards(
    template: Template, dp_id: str, taken: datetime, number: int, quadrant: Quadrant
) -> dict[str, Value]:
    """The header of one file."""
    catg, kind, name = WORDS[template.kind]
    science = template.kind == "OBJECT"
    here = when(dp_id.removeprefix("VIMOS."))
    offset = OFFSETS[number] if science else (0.0, 0.0)
    return {
        "ORIGIN": "ESO",
        "TELESCOP": "ESO-VLT-U3",
        "INSTRUME": "VIMOS",
        "OBJECT": "STAR-FIELD" if science else kind,
        "EQUINOX": 2000.0,
        "RADESYS": "FK5",
        "MJD-OBS": mjd(here),
        "DATE-OBS": timestamp(here),
        "UTC": round(mjd(taken) % 1 * 86400, 3),
        "LST": _sidereal(taken),
        "PI-COI": "SIMULATED",
        "OBSERVER": "SIMULATED",
        "ARCFILE": f"{dp_id}.fits",
        "DPR.CATG": catg,
        "DPR.TYPE": kind,
        "DPR.TECH": "IMAGE",
        "TPL.ID": name,
        "TPL.NAME": name,
        "TPL.START": template.start,
        "TPL.NEXP": template.n,
        "TPL.EXPNO": number + 1,
        "OBS.ID": 200123456 if science else 200120000 + zlib.crc32(template.start.encode()) % 1000,
        "OBS.PROG.ID": "088.A-0001(A)" if science else "60.A-9022(C)",
        "OBS.TARG.NAME": "STAR-FIELD" if science else kind,
        "OBS.NAME": "STAR-FIELD" if science else "CALIBRATION",
        "OBS.START": template.start,
        **camera.camera_cards(quadrant, template.filter, template.rows, EXPTIME[template.kind]),
        **camera.coordinates(quadrant, offset),
    }


def measure(made: Mapping[str, tuple[Path, ...]], seed: int) -> list[Measurement]:
    """The products against what was simulated."""
    return compare(made, SCIENCE.n, EXPTIME[SCIENCE.kind], seed)


def decoys() -> dict[str, str]:
    """dp_id and sentence of every frame that must not be chosen."""
    raw = {dp_id: each.why for each in LOG if each.why for dp_id, *_ in each.files()}
    return {**raw, ELSEWHERE: "a later catalogue of stars, but of another field"}


def _sidereal(taken: datetime) -> float:
    """Local sidereal time on Paranal [s] (Meeus, Astronomical Algorithms, eq. 12.4; longitude -70.4045).

    It is what the recipe tells exposures by: the same in the four files of one.
    """
    return round((280.46061837 + 360.98564736629 * (mjd(taken) - 51544.5) - 70.4045) % 360 * 240, 3)


CHAIN = Chain(
    name="vimos",
    science=min(dp_id for dp_id, *_ in SCIENCE.files()),
    raw_type="SCI_IMG",
    recipes=(
        "vimos_ima_bias",
        "vimos_ima_dark",
        "vimos_ima_det_noise",
        "vimos_ima_science",
        "vimos_ima_twilight_flat",
    ),
    product="JITTERED_IMAGE_SCI",
    build=build,
    measure=measure,
    decoys=decoys(),
)
