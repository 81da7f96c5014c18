"""The NACO imaging chain: a jittered field with darks, both kinds of flats and a standard's zero point.

Its science, darks, twilight flats and acquisition are the demo's; the breakpoints, hidden and
uncertified frames of the demo have no part here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from processing.simulate import measure_naco, naco
from processing.simulate.archive import Studio
from processing.simulate.chain import Chain
from processing.simulate.fits import Value, write_table
from processing.simulate.measurement import Measurement
from processing.simulate.nightlog import Template, named

CATALOGUE = "M.NACO.2011-06-01T00:00:00.000"
MAGNITUDE = 11.0  # of the standard, in every band


@dataclass(frozen=True, slots=True)
class _Block(Template):
    """A template that is not in the log of the demo, which numbers its own by their place in it."""

    @property
    def obs_id(self) -> int:
        return 200562000 + EXTRA.index(self)


_KS = naco.Setup()

EXTRA = (
    _Block(
        "2012-03-14T04:00:00", "STD", 3, _KS,
        why="standard star of the night before: a day away, where half a day is the limit",
    ),
    _Block("2012-03-15T02:30:00", "STD", 5, _KS, name="standard"),
    _Block(
        "2012-03-15T03:20:00", "DARK", 3, naco.Setup(dit=10.0),
        why="darks half an hour from the science frames, but with a DIT of 10 s instead of 2 s",
    ),
    _Block(
        "2012-03-15T09:40:00", "LAMPFLAT", 6, naco.Setup(filter="J"),
        why="lamp flats nearer in time, but in J instead of Ks",
    ),
    _Block("2012-03-15T10:30:00", "LAMPFLAT", 6, _KS, name="lamp"),
)  # fmt: skip
DEMO = ("acquisition", "jitter", "dark", "twilight", "twilight-dark")


def log() -> Iterator[Template]:
    """Every template of the chain's archive."""
    yield from (named("NACO", name) for name in DEMO)
    yield from EXTRA


def build(folder: Path, seed: int) -> None:
    """Write the frames and the catalogue of standards into `folder`: 45 files of 1 MB."""
    nothing = np.zeros(0)
    studio = Studio(seed, {}, (nothing, nothing), nothing.astype(np.float32))  # of UVES it has no part
    for entry in log():
        studio.write(entry, folder)
    write_catalogue(folder / f"{CATALOGUE}.fits")


def write_catalogue(path: Path) -> None:
    """The catalogue of standards as naco_util_img_std_cat writes it, with one star."""
    cards: dict[str, Value] = {
        "ORIGIN": "ESO",
        "INSTRUME": "NACO",
        "ARCFILE": f"{CATALOGUE}.fits",
        "PRO.CATG": "IMG_STD_CATALOG",
    }
    bands = ("J", "H", "K", "Ks", "L", "M", "Lp", "Mp")
    columns = {
        "STARS": np.array([b"SIM-STD"]),
        "SP_TYPE": np.array([b"A0V"]),
        "CAT_NAME": np.array([b"SIMULATED"]),
        "RA": np.array([150.0]),
        "DEC": np.array([-30.0]),
        **{band: np.array([MAGNITUDE]) for band in bands},
    }
    write_table(path, columns, cards)


def measure(made: Mapping[str, tuple[Path, ...]], seed: int) -> list[Measurement]:
    """Darks, flats, zero point, fluxes and world coordinates against the simulation."""
    truth = naco.detector(seed)
    found: list[Measurement] = []
    for path in made["NACO_IMG_DARK_AVG"]:
        found += measure_naco.dark(path)
    for path in made["NACO_IMG_DARK_HOT"]:
        found += measure_naco.hot_pixels(path, truth)
    # naco_img_lampflat has a level of its own: off by -1 to +3 per cent, as measured with five seeds.
    for category, limit in (("MASTER_IMG_FLAT", 0.002), ("MASTER_LAMP_FLAT", 0.1)):
        found += measure_naco.response(category, made[category][0], truth, limit)
    zero = MAGNITUDE + 2.5 * float(np.log10(naco.STANDARD.flux / naco.Setup().dit))
    found += measure_naco.zero_point(made["ZPOINT_TABLE"][0], zero)
    (stack,) = made["COADDED_IMG"]
    return [*found, *measure_naco.fluxes(stack, naco.STARS), *measure_naco.world(stack, naco.STARS)]


CHAIN = Chain(
    name="naco",
    science=named("NACO", "jitter").dp_ids()[0],
    raw_type="IMGJITOBJ_SW",
    recipes=(
        "naco_img_dark",
        "naco_img_dark",
        "naco_img_twflat",
        "naco_img_lampflat",
        "naco_img_zpoint",
        "naco_img_jitter",
    ),
    product="COADDED_IMG",
    build=build,
    measure=measure,
    decoys={dp_id: entry.why for entry in log() if entry.why for dp_id in entry.dp_ids()},
)
