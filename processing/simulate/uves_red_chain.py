"""The chain "uves-red": both chips of the red arm at 580 nm, flux calibrated with a hot standard star."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from processing.simulate import echelle, uves_chain, uves_red
from processing.simulate.archive import static_cards
from processing.simulate.chain import Chain
from processing.simulate.echelle import Line
from processing.simulate.measurement import Measurement
from processing.simulate.uves import NX
from processing.simulate.uves_chain import LINE_LIST, STATICS
from processing.simulate.uves_flux import STANDARD, Star
from processing.simulate.uves_frames import (
    BIN,
    Shot,
    binned,
    cards,
    decoys,
    light,
    noise,
    read_out,
    response,
    science,
)
from processing.simulate.uves_red import CHIPS, LENGTH, LOWER, RANGE, UPPER, Chip, primary_cards, write_frame

# Air wavelengths [Angstrom] of lines of a late-type star (NIST); depth and width as the instrument shows.
LINES: Mapping[Chip, tuple[Line, ...]] = {
    LOWER: (
        Line("Fe I 4958", 4957.60, 0.60, 0.20),
        Line("Mg I 5184", 5183.60, 0.70, 0.30),
        Line("Fe I 5328", 5328.04, 0.60, 0.20),
        Line("Ca I 5589", 5588.75, 0.50, 0.20),
    ),
    UPPER: (
        Line("Na I D2", 5889.95, 0.70, 0.30),
        Line("Ca I 6162", 6162.17, 0.60, 0.25),
        Line("Fe I 6495", 6494.98, 0.50, 0.20),
    ),
}
WINDOWS: Mapping[Chip, tuple[float, ...]] = {
    LOWER: (4880.0, 5220.0, 5610.0),
    UPPER: (5950.0, 6250.0, 6620.0),
}
TARGET = Star("SIM-TARGET", 95.0, -21.0, 1.2e-13, 1.0, LINES[LOWER] + LINES[UPPER])

LOG = (
    Shot(
        "2011-01-19T02:00:00", "STD", slit=10.0, airmass=1.2, star=STANDARD,
        why="standard star of another night: that of the same night is inside the calibration plan",
    ),
    Shot("2011-01-21T00:40:00", "STD", slit=10.0, airmass=1.3, star=STANDARD),
    Shot("2011-01-21T03:00:00", "SCIENCE", airmass=1.1, star=TARGET),
    Shot("2011-01-21T09:10:00", "WAVE", mode="RED", why="arc nearer in time, but without the dichroic"),
    Shot("2011-01-21T10:00:00", "FMTCHK"),
    Shot("2011-01-21T10:10:00", "ORDERDEF"),
    Shot("2011-01-21T10:20:00", "BIAS", 3),
    Shot("2011-01-21T10:40:00", "FLAT", 3),
    Shot("2011-01-21T11:00:00", "WAVE"),
)  # fmt: skip


def build(folder: Path, seed: int) -> None:
    """Write every frame and static file of the chain: 13 frames of 9 MB, in some seconds.

    Raises SimulationError where esorex or the UVES pipeline is missing.
    """
    lamp = echelle.lamp_lines(seed, *RANGE)
    echelle.write_lines(folder / f"{LINE_LIST}.fits", lamp[0], static_cards(LINE_LIST))
    for dp_id, write in STATICS.items():
        write(folder / f"{dp_id}.fits", static_cards(dp_id))
    formats = uves_red.predict()
    pixels = {chip: response(seed, chip.number, (LENGTH, NX)) for chip in CHIPS}
    for shot in LOG:
        electrons = {chip: light(shot, formats[chip], lamp, LENGTH) for chip in CHIPS}
        setup = primary_cards(shot.kind, shot.mode, shot.slit, BIN, shot.about.exptime)
        seconds = shot.about.exptime if shot.star else 0.0
        for number, dp_id in enumerate(shot.dp_ids()):
            frames = {}
            for chip in CHIPS:
                here = electrons[chip]
                turned = None if here is None else here[:, ::-1]
                frames[chip] = read_out(turned, pixels[chip], noise(seed, dp_id, chip.number), seconds)
            write_frame(folder / f"{dp_id}.fits", cards(shot, number, setup), frames, BIN)


def measure(products: Mapping[str, tuple[Path, ...]], _: int) -> list[Measurement]:
    """Of each chip what the chain of the blue arm measures."""
    formats = uves_red.predict()
    return [
        replace(found, name=f"{chip.name}: {found.name}")
        for chip in CHIPS
        for found in uves_chain.measured(
            products, chip.name, tuple(map(binned, formats[chip])), TARGET, LINES[chip], WINDOWS[chip]
        )
    ]


CHAIN = Chain(
    name="uves-red",
    science=science(LOG),
    raw_type="SCI_POINT_ECH_RED",
    recipes=uves_chain.CHAIN.recipes,
    product="FLUXCAL_SCI_POINT_REDL",
    build=build,
    measure=measure,
    decoys=decoys(LOG),
)
