"""The observing log of the demo: seven days of March 2012, with every trap an association can fall into.

The nights lie far from the real breakpoints of both instruments (NACO MJD 53140 and 57023.5, UVES none
before 57101.9), so only the two breakpoints made up here cut them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from processing.simulate import naco, uves
from processing.simulate.fits import timestamp, when

CALIBRATION_PROGRAMME = "60.A-9022(A)"
SCIENCE_PROGRAMME = "088.D-0512(A)"


@dataclass(frozen=True, slots=True)
class Kind:
    """DPR.CATG, DPR.TYPE, DPR.TECH, TPL.ID of a template, seconds between its frames and per exposure."""

    catg: str
    type: str
    tech: str
    template: str
    cadence: float
    exptime: float = 0.0


UVES_KINDS = {
    "BIAS": Kind("CALIB", "BIAS", "IMAGE", "UVES_blue_cal_bias", 45),
    "FMTCHK": Kind("CALIB", "LAMP,FMTCHK", "ECHELLE", "UVES_dic_cal_fmtchk", 60, 30.0),
    "ORDERDEF": Kind("CALIB", "LAMP,ORDERDEF", "ECHELLE", "UVES_dic_cal_orderdef", 60, 10.0),
    "FLAT": Kind("CALIB", "LAMP,FLAT", "ECHELLE", "UVES_dic_cal_flat", 75, 20.0),
    "WAVE": Kind("CALIB", "LAMP,WAVE", "ECHELLE", "UVES_dic_cal_wave", 60, 30.0),
    "SCIENCE": Kind("SCIENCE", "OBJECT,POINT", "ECHELLE", "UVES_dic_obs_exp", 1300, 1200.0),
}
NACO_KINDS = {
    "DARK": Kind("CALIB", "DARK", "IMAGE", "NACO_all_cal_Darks", 20),
    "TWFLAT": Kind("CALIB", "FLAT,SKY", "IMAGE", "NACO_img_cal_TwFlats", 30),
    "LAMPFLAT": Kind("CALIB", "FLAT,LAMP", "IMAGE", "NACO_img_cal_LampFlats", 20),
    "STD": Kind("CALIB", "STD", "IMAGE,JITTER", "NACO_img_cal_StandardStar", 40),
    "ACQUISITION": Kind("ACQUISITION", "SKY", "IMAGE", "NACO_img_acq_MoveToPixel", 30),
    "JITTER": Kind("SCIENCE", "OBJECT", "IMAGE,JITTER", "NACO_img_obs_AutoJitter", 40),
}


@dataclass(frozen=True, slots=True)
class Template:
    """One template execution. `why` makes all its frames decoys; `ob` is the observation block's number."""

    start: str
    kind: str
    n: int = 1
    setup: uves.Setup | naco.Setup = field(default_factory=uves.Setup)
    name: str = ""
    why: str = ""
    ob: int = 0
    certified: bool = True
    hidden: bool = False

    @property
    def instrument(self) -> str:
        """The dp_id prefix."""
        return "UVES" if isinstance(self.setup, uves.Setup) else "NACO"

    @property
    def about(self) -> Kind:
        """The DPR and TPL words of its frames."""
        return (UVES_KINDS if self.instrument == "UVES" else NACO_KINDS)[self.kind]

    @property
    def target(self) -> str:
        """What its observation block looks at."""
        return "STAR-FIELD" if self.instrument == "NACO" else "STAR"

    @property
    def obs_id(self) -> int:
        """Its observation block: one per science block, one per calibration template."""
        return 200560000 + (self.ob or 1000 + LOG.index(self))

    @property
    def programme(self) -> str:
        """Its observing programme."""
        return SCIENCE_PROGRAMME if self.ob else CALIBRATION_PROGRAMME

    def times(self) -> list[datetime]:
        """When each exposure starts: the detector takes its odd milliseconds to get ready."""
        odd = zlib.crc32(f"{self.start} {self.kind}".encode())
        first = when(self.start) + timedelta(milliseconds=4000 + odd % 997)
        return [first + timedelta(seconds=i * self.about.cadence, milliseconds=i * 17) for i in range(self.n)]

    def dp_ids(self) -> tuple[str, ...]:
        """The archive's names of its frames, without an extension."""
        return tuple(f"{self.instrument}.{timestamp(time)}" for time in self.times())


_BLUE_437 = uves.Setup(wlen=437.0, mode="DICHR#2")
_BLUE_346 = uves.Setup(wlen=346.0)
_KS = naco.Setup()
_TWILIGHT = naco.Setup(dit=4.0)

UVES_LOG = (
    Template(
        "2012-03-05T11:30:00", "WAVE", setup=_BLUE_346,
        why="346 nm arc, 10.6 days before the 346 nm science frame: outside the extended window of 7 days",
    ),
    Template(
        "2012-03-13T22:40:00", "BIAS", 3,
        why="biases nearer to the science frame than the right ones, but before the breakpoint of MJD 56000",
    ),
    Template(
        "2012-03-14T02:30:00", "BIAS", 3, uves.Setup(binning=2),
        why="biases half an hour from the science frame, but binned 2x2",
    ),
    Template("2012-03-14T03:00:00", "SCIENCE", name="science", ob=1),
    Template(
        "2012-03-14T03:40:00", "FLAT", 3, uves.Setup(slit=0.6), ob=2,
        why="flats taken during the night, but through a slit of 0.6 arcsec instead of 1.0",
    ),
    Template(
        "2012-03-14T05:00:00", "BIAS", 3, certified=False,
        why="biases nearer in time, but not certified; certified ones are inside the calibration plan",
    ),
    Template("2012-03-14T08:30:00", "FMTCHK", setup=_BLUE_437, why="format check nearer, but at 437 nm"),
    Template("2012-03-14T08:40:00", "ORDERDEF", setup=_BLUE_437, why="order frame nearer, but at 437 nm"),
    Template("2012-03-14T08:50:00", "FLAT", 3, _BLUE_437, why="flats nearer, but at 437 nm"),
    Template("2012-03-14T09:10:00", "WAVE", setup=_BLUE_437, why="arc nearer, but at 437 nm"),
    Template("2012-03-14T09:40:00", "WAVE", hidden=True, why="arc of the right set-up, nearer, but hidden"),
    Template("2012-03-14T10:00:00", "FMTCHK", name="format"),
    Template("2012-03-14T10:10:00", "ORDERDEF", name="order"),
    Template("2012-03-14T10:20:00", "BIAS", 5, name="bias"),
    Template("2012-03-14T10:40:00", "FLAT", 3, name="flat"),
    Template("2012-03-14T11:00:00", "WAVE", name="arc"),
    Template("2012-03-16T02:00:00", "SCIENCE", setup=_BLUE_346, name="incomplete", ob=3),
    Template("2012-03-16T10:00:00", "FMTCHK", setup=_BLUE_346, name="format-346"),
    Template("2012-03-16T10:10:00", "ORDERDEF", setup=_BLUE_346, name="order-346"),
    Template("2012-03-16T10:40:00", "FLAT", 3, _BLUE_346, name="flat-346"),
)  # fmt: skip

NACO_LOG = (
    Template(
        "2012-03-06T11:00:00", "LAMPFLAT", 6, _KS,
        why="lamp flats 8.7 days before the science frames: outside the extended window of 7 days",
    ),
    Template(
        "2012-03-14T10:00:00", "TWFLAT", 6, _TWILIGHT,
        why="twilight flats nearer in time, but before the breakpoint of MJD 56000.75",
    ),
    Template(
        "2012-03-14T22:50:00", "TWFLAT", 6, naco.Setup(dit=4.0, filter="J"),
        why="twilight flats of the evening before, but in J instead of Ks",
    ),
    Template(
        "2012-03-15T03:20:00", "DARK", 3, naco.Setup(dit=10.0),
        why="darks half an hour from the science frames, but with a DIT of 10 s instead of 2 s",
    ),
    Template("2012-03-15T03:46:00", "ACQUISITION", 1, _KS, name="acquisition", ob=4),
    Template("2012-03-15T03:55:00", "JITTER", 8, naco.Setup(ndit=15), name="jitter", ob=4),
    Template(
        "2012-03-15T04:01:00", "ACQUISITION", 1, _KS, ob=5,
        why="acquisition image nearer in time, but of another observation block",
    ),
    Template(
        "2012-03-15T04:20:00", "DARK", 3, naco.Setup(camera="S13"),
        why="darks nearer in time, but with camera S13 instead of S27",
    ),
    Template(
        "2012-03-15T05:00:00", "DARK", 3, _KS, hidden=True,
        why="darks of the right set-up and nearer in time, but hidden",
    ),
    Template(
        "2012-03-15T09:00:00", "DARK", 3, _KS, certified=False,
        why="darks nearer in time, but not certified; certified ones are inside the calibration plan",
    ),
    Template(
        "2012-03-15T10:00:00", "TWFLAT", 6, naco.Setup(dit=4.0, camera="S13"),
        why="twilight flats nearer in time, but with camera S13 instead of S27",
    ),
    Template("2012-03-15T11:00:00", "DARK", 3, _KS, name="dark"),
    Template("2012-03-17T22:50:00", "TWFLAT", 6, _TWILIGHT, name="twilight"),
    Template(
        "2012-03-18T09:50:00", "DARK", 3, naco.Setup(dit=10.0),
        why="darks nearer to the twilight flats, but with a DIT of 10 s instead of 4 s",
    ),
    Template("2012-03-18T11:00:00", "DARK", 3, _TWILIGHT, name="twilight-dark"),
)  # fmt: skip

LOG = UVES_LOG + NACO_LOG


def named(instrument: str, name: str) -> Template:
    """The template of that name."""
    return next(entry for entry in LOG if entry.instrument == instrument and entry.name == name)


def decoys() -> Iterator[tuple[str, str]]:
    """dp_id and sentence of every raw decoy."""
    for entry in LOG:
        if entry.why:
            yield from ((dp_id, entry.why) for dp_id in entry.dp_ids())
