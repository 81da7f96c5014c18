"""The chain "uves": the blue arm at 390 nm, a late-type star flux calibrated with a hot standard star."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from processing.simulate import echelle, measure_uves, measure_uves_flux, uves_flux
from processing.simulate.archive import static_cards
from processing.simulate.chain import Chain
from processing.simulate.echelle import Line, Order
from processing.simulate.fits import write_image
from processing.simulate.measurement import Measurement
from processing.simulate.uves import NX, NY, Setup, setup_cards
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

# Air wavelengths [Angstrom] of lines of a late-type star (NIST); depth and width as the instrument shows.
LINES = (
    Line("Fe I 3581", 3581.19, 0.60, 0.15),
    Line("Fe I 3735", 3734.86, 0.60, 0.15),
    Line("Ca II K", 3933.66, 0.85, 0.60),
    Line("Fe I 4046", 4045.81, 0.60, 0.15),
    Line("Ca I 4227", 4226.73, 0.60, 0.20),
    Line("Fe I 4384", 4383.54, 0.60, 0.15),
)
TARGET = Star("SIM-TARGET", 95.0, -21.0, 1.2e-13, 1.0, LINES)

LOG = (
    Shot(
        "2011-01-19T02:00:00", "STD", slit=10.0, airmass=1.2, star=STANDARD,
        why="standard star of another night: that of the same night is inside the calibration plan",
    ),
    Shot("2011-01-21T00:40:00", "STD", slit=10.0, airmass=1.3, star=STANDARD),
    Shot("2011-01-21T03:00:00", "SCIENCE", airmass=1.1, star=TARGET),
    Shot(
        "2011-01-21T09:00:00", "ORDERDEF", mode="DICHR#2",
        why="order frame nearer in time, but in the other dichroic mode",
    ),
    Shot(
        "2011-01-21T09:10:00", "WAVE", mode="DICHR#2",
        why="arc nearer in time, but in the other dichroic mode",
    ),
    Shot("2011-01-21T10:00:00", "FMTCHK"),
    Shot("2011-01-21T10:10:00", "ORDERDEF"),
    Shot("2011-01-21T10:20:00", "BIAS", 3),
    Shot("2011-01-21T10:40:00", "FLAT", 3),
    Shot("2011-01-21T11:00:00", "WAVE"),
)  # fmt: skip

WINDOWS = (3450.0, 3640.0, 3840.0, 4060.0, 4260.0)  # Angstrom
LINE_LIST = "M.UVES.2009-11-05T10:00:00.001"
STATICS = {
    "M.UVES.2009-11-05T10:00:00.002": uves_flux.write_extinction,
    "M.UVES.2009-11-05T10:00:00.003": uves_flux.write_standards,
    "M.UVES.2009-11-05T10:00:00.004": uves_flux.write_fit_points,
}


def build(folder: Path, seed: int) -> None:
    """Write every frame and static file of the chain: 14 frames of 3 MB, in some seconds.

    Raises SimulationError where esorex or the UVES pipeline is missing.
    """
    lamp = echelle.lamp_lines(seed)
    echelle.write_lines(folder / f"{LINE_LIST}.fits", lamp[0], static_cards(LINE_LIST))
    for dp_id, write in STATICS.items():
        write(folder / f"{dp_id}.fits", static_cards(dp_id))
    orders, pixels = echelle.predict(Setup()), response(seed, 0, (NY, NX))
    for shot in LOG:
        electrons = light(shot, orders, lamp)
        keywords = setup_cards(shot.kind, setup(shot), shot.about.exptime)
        seconds = shot.about.exptime if shot.star else 0.0
        for number, dp_id in enumerate(shot.dp_ids()):
            frame = read_out(electrons, pixels, noise(seed, dp_id), seconds)
            write_image(folder / f"{dp_id}.fits", frame, cards(shot, number, keywords))


def setup(shot: Shot) -> Setup:
    """The set-up of a frame at 390 nm."""
    return Setup(mode=shot.mode, slit=shot.slit, binning=BIN)


def measure(products: Mapping[str, tuple[Path, ...]], _: int) -> list[Measurement]:
    """Bias, order positions, wavelengths, efficiency, line centres and the star's flux against the truth."""
    orders = tuple(map(binned, echelle.predict(Setup())))
    return measured(products, "BLUE", orders, TARGET, LINES, WINDOWS)


def measured(
    products: Mapping[str, tuple[Path, ...]],
    chip: str,
    orders: Sequence[Order],
    star: Star,
    lines: Sequence[Line],
    windows: Sequence[float],
) -> list[Measurement]:
    """The products of a chip (BLUE, REDL, REDU), whose orders are these in binned pixels."""
    return [
        *measure_uves.bias(products[f"MASTER_BIAS_{chip}"][-1]),
        *measure_uves.traces(products[f"ORDER_TABLE_{chip}"][-1], orders),
        *measure_uves.dispersion(products[f"LINE_TABLE_{chip}"][-1], orders),
        *measure_uves_flux.efficiencies(products[f"EFFICIENCY_TABLE_{chip}"][-1]),
        *measure_uves.centroids(products[f"RED_SCI_POINT_{chip}"][-1], lines),
        *measure_uves_flux.fluxes(products[f"FLUXCAL_SCI_POINT_{chip}"][-1], star, windows),
    ]


CHAIN = Chain(
    name="uves",
    science=science(LOG),
    raw_type="SCI_POINT_ECH_BLUE",
    recipes=(
        "uves_cal_mbias",
        "uves_cal_predict",
        "uves_cal_orderpos",
        "uves_cal_mflat",
        "uves_cal_wavecal",
        "uves_cal_response",
        "uves_obs_scired",
    ),
    product="FLUXCAL_SCI_POINT_BLUE",
    build=build,
    measure=measure,
    decoys=decoys(LOG),
)
