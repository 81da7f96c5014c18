"""The demo archive: writes every frame of the observing log, and says what must be found in it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processing.simulate import echelle, naco, uves
from processing.simulate.echelle import Line, Order
from processing.simulate.fits import Value, mjd, timestamp, when, write_image
from processing.simulate.nightlog import LOG, Template, decoys, named
from processing.simulate.truth import Breakpoint, Decoy, Truth

# Air wavelengths [Angstrom] of lines of a late-type star (NIST); depth and width are those that the
# instrument shows.
LINES = (
    Line("Ti II 3349", 3349.40, 0.50, 0.12),
    Line("Ni I 3525", 3524.54, 0.50, 0.12),
    Line("Fe I 3581", 3581.19, 0.60, 0.15),
    Line("Fe I 3735", 3734.86, 0.60, 0.15),
    Line("Mg I 3838", 3838.29, 0.60, 0.20),
    Line("Ca II K", 3933.66, 0.85, 0.60),
    Line("Ca II H", 3968.47, 0.85, 0.60),
    Line("Fe I 4046", 4045.81, 0.60, 0.15),
    Line("Sr II 4078", 4077.71, 0.50, 0.12),
    Line("H delta", 4101.74, 0.70, 1.20),
    Line("Ca I 4227", 4226.73, 0.60, 0.20),
    Line("H gamma", 4340.47, 0.70, 1.20),
    Line("Fe I 4384", 4383.54, 0.60, 0.15),
)
BREAKPOINTS = (
    Breakpoint(56000.0, "UVES", "UVES", "BIAS_BLUE", "MASTER_BIAS_BLUE", "BIAS_BLUE"),
    Breakpoint(56000.75, "NACO", "NACO", "ANY", "ANY", "ANY"),
)
# A static file is valid from its date on: the latest before the frame counts.
LINE_LISTS = {
    "M.UVES.2005-01-01T00:00:00.000": "line list superseded by the one of 2011-10-01",
    "M.UVES.2011-10-01T00:00:00.000": "",
    "M.UVES.2012-09-01T00:00:00.000": "line list made after the frames were taken",
}
Report = Callable[[str, int, int], None]


def build(folder: Path, seed: int = 1, report: Report | None = None) -> Truth:
    """Write `<dp_id>.fits` of every frame and `truth.json` into `folder`; the same bytes for the same seed.

    About 100 frames, 0.5 GB. `report(label, done, total)` is called after each template, on the
    caller's thread. Raises SimulationError where esorex or the UVES pipeline is missing, OSError where
    the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lamp = echelle.lamp_lines(seed)
    for dp_id in LINE_LISTS:
        echelle.write_lines(folder / f"{dp_id}.fits", lamp[0], static_cards(dp_id))
    with ThreadPoolExecutor(max_workers=2) as pool:
        wanted = {t.setup.wlen: t.setup for t in LOG if isinstance(t.setup, uves.Setup)}
        formats = pool.map(echelle.predict, wanted.values())
        studio = Studio(seed, dict(zip(wanted, formats, strict=True)), lamp, uves.response(seed))
        # The templates with most pixels first, so that both workers end together.
        jobs = {pool.submit(studio.write, entry, folder): entry for entry in sorted(LOG, key=_weight)}
        for done, job in enumerate(as_completed(jobs), start=1):
            job.result()
            if report is not None:
                report(f"{jobs[job].instrument} {jobs[job].kind} {jobs[job].start}", done, len(jobs))
    truth = bookkeeping(studio.formats[uves.Setup().wlen])
    (folder / "truth.json").write_text(truth.to_json())
    return truth


def _weight(entry: Template) -> int:
    return -entry.n * (20 if entry.instrument == "UVES" else 1)


@dataclass(frozen=True, slots=True)
class Studio:
    """What all frames share: the echelle formats by wavelength, the lamp's lines, the pixels' response."""

    seed: int
    formats: dict[float, tuple[Order, ...]]
    lamp: tuple[uves.Vector, uves.Vector]
    pixels: uves.Light

    def write(self, entry: Template, folder: Path) -> None:
        """Write all frames of a template."""
        for number, (dp_id, pixels) in enumerate(zip(entry.dp_ids(), self.frames(entry), strict=True)):
            write_image(folder / f"{dp_id}.fits", pixels, cards(entry, number))

    def frames(self, entry: Template) -> Iterator[NDArray[Any]]:
        """The raw frames of a template in order; the noise depends on the seed and the dp_id only."""
        noises = (np.random.default_rng([self.seed, zlib.crc32(dp_id.encode())]) for dp_id in entry.dp_ids())
        match entry.setup:
            case uves.Setup() as setup:
                light = self.light(entry.kind, setup)
                seconds = entry.about.exptime if entry.kind == "SCIENCE" else 0.0
                yield from (uves.expose(light, self.pixels, rng, setup.binning, seconds) for rng in noises)
            case naco.Setup() as setup:
                chip = naco.detector(self.seed, setup)
                for number, rng in enumerate(noises):
                    yield naco.expose(naco.signal(entry.kind, number), chip, rng, setup.ndit)

    def light(self, kind: str, setup: uves.Setup) -> uves.Light | None:
        """The electrons of a UVES frame before noise; None for a bias."""
        if kind == "BIAS":
            return None
        orders = self.formats[setup.wlen]
        match kind:
            case "FMTCHK":  # the format check closes the slit down to a dot
                return echelle.arc(orders, *self.lamp, height=4.0)
            case "WAVE":
                return echelle.arc(orders, *self.lamp, height=uves.SLIT)
            case "ORDERDEF":
                return echelle.continuum(orders, echelle.gaussian(2.2), echelle.flat_lamp(1.2e5))
            case "FLAT":
                return echelle.continuum(orders, echelle.slit, echelle.flat_lamp(2e4 * setup.slit))
            case "SCIENCE":
                return echelle.continuum(orders, echelle.gaussian(2.4), echelle.stellar(LINES, 3e4))
            case _:
                raise ValueError(f"UVES has no template kind {kind!r}")


def cards(entry: Template, number: int) -> dict[str, Value]:
    """The header of frame `number` (from 0) of a template."""
    about, taken = entry.about, entry.times()[number]
    setup: dict[str, Value]
    match entry.setup:
        case uves.Setup():
            setup = uves.setup_cards(entry.kind, entry.setup, about.exptime)
            instrument, telescope = "UVES", "ESO-VLT-U2"
        case naco.Setup():
            setup = naco.setup_cards(entry.kind, entry.setup, number)
            instrument, telescope = "NAOS+CONICA", "ESO-VLT-U4"
    target = entry.target if entry.ob else about.type
    return {
        "ORIGIN": "ESO",
        "TELESCOP": telescope,
        "INSTRUME": instrument,
        "OBJECT": target,
        "RA": 150.0,
        "DEC": -30.0,
        "EQUINOX": 2000.0,
        "RADESYS": "FK5",
        "MJD-OBS": mjd(taken),
        "DATE-OBS": timestamp(taken),
        "UTC": _seconds_of_day(taken),
        "LST": _sidereal(taken),
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
        "OBS.ID": entry.obs_id,
        "OBS.PROG.ID": entry.programme,
        "OBS.TARG.NAME": target,
        "OBS.NAME": f"{target}-{entry.ob}" if entry.ob else "CALIBRATION",
        "OBS.START": entry.start,
        "TEL.AIRM.START": 1.1,
        "TEL.AIRM.END": 1.1,
        "TEL.AMBI.FWHM.START": 0.8,
        "TEL.AMBI.FWHM.END": 0.8,
        "TEL.AMBI.RHUM": 10.0,
        **setup,
    }


def static_cards(dp_id: str) -> dict[str, Value]:
    """The header of a UVES static calibration, valid from the time in its name on."""
    start = when(dp_id.removeprefix("M.UVES."))
    return {
        "ORIGIN": "ESO",
        "INSTRUME": "UVES",
        "MJD-OBS": mjd(start),
        "DATE-OBS": timestamp(start),
        "ARCFILE": f"{dp_id}.fits",
    }


def bookkeeping(orders: tuple[Order, ...]) -> Truth:
    """What is in the sky and what must come out of the archive; needs no frame to be written."""
    science = named("UVES", "science").dp_ids()[0]
    incomplete = named("UVES", "incomplete").dp_ids()[0]
    jitter = named("NACO", "jitter").dp_ids()[0]

    def group(instrument: str, **slots: str) -> dict[str, tuple[str, ...]]:
        return {label: named(instrument, name).dp_ids() for label, name in slots.items()}

    return Truth(
        stars=naco.STARS,
        lines=LINES,
        orders=orders,
        uves_science=science,
        naco_science=jitter,
        incomplete_science=incomplete,
        incomplete_reason="LINE_TABLE_BLUE",
        hidden=tuple(dp_id for entry in LOG if entry.hidden for dp_id in entry.dp_ids()),
        uncertified=tuple(dp_id for entry in LOG if not entry.certified for dp_id in entry.dp_ids()),
        breakpoints=BREAKPOINTS,
        decoys=(
            *(Decoy(dp_id, why) for dp_id, why in decoys()),
            *(Decoy(dp_id, why) for dp_id, why in LINE_LISTS.items() if why),
        ),
        expected={
            science: group(
                "UVES",
                MASTER_BIAS_BLUE="bias",
                ORDER_TABLE_BLUE="order",
                LINE_TABLE_BLUE="arc",
                MASTER_FLAT_BLUE="flat",
            ),
            incomplete: group(
                "UVES", MASTER_BIAS_BLUE="bias", ORDER_TABLE_BLUE="order-346", MASTER_FLAT_BLUE="flat-346"
            ),
            jitter: group(
                "NACO", NACO_IMG_DARK_AVG="dark", MASTER_IMG_FLAT="twilight", ACQUISITION="acquisition"
            ),
        },
    )


def _seconds_of_day(taken: datetime) -> float:
    return round(mjd(taken) % 1 * 86400, 3)


def _sidereal(taken: datetime) -> float:
    """Local sidereal time on Paranal [s] (Meeus, Astronomical Algorithms, eq. 12.4; longitude -70.4045)."""
    degrees = (280.46061837 + 360.98564736629 * (mjd(taken) - 51544.5) - 70.4045) % 360
    return round(degrees * 240, 3)
