"""GIRAFFE's first CCD: biases and darks, as raw frames that the recipes take (giraf 2.16.10).

A raw frame is one image, with 50 columns of prescan and of overscan at its sides. The dark current is not
even: this CCD glowed (ESO Quality Control), which is why darks were taken until it was replaced in 2008.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from processing.simulate import giraffe_measure
from processing.simulate.chain import Chain
from processing.simulate.fits import Value, mjd, timestamp, when, write_image
from processing.simulate.giraffe_measure import (
    BAD,
    BIAS,
    COLUMNS,
    CONAD,
    EDGE,
    RON,
    ROWS,
    bad_pixels,
    dark_rate,
)


@dataclass(frozen=True, slots=True)
class Template:
    """Exposures of one template execution; `decoy` says why they must not be chosen, else it is empty."""

    kind: str
    start: str
    n: int
    speed: str = "225kHz,1x1,low"
    binning: int = 1
    decoy: str = ""

    def times(self) -> list[datetime]:
        """When its exposures start."""
        step = _KINDS[self.kind][1] / 60 + 2
        return [when(self.start) + number * timedelta(minutes=step) for number in range(self.n)]

    def dp_ids(self) -> list[str]:
        """The names of its exposures in the archive."""
        return [f"GIRAF.{timestamp(time)}" for time in self.times()]


_KINDS: Mapping[str, tuple[str, float]] = {
    "BIAS": ("GIRAF_gen_cal_Bias", 0.0),
    "DARK": ("GIRAF_gen_cal_Dark", 3600.0),
}
LOG = (
    Template("DARK", "2006-09-15T11:00:00", 3),
    Template("BIAS", "2006-09-15T15:00:00", 5),
    Template("BIAS", "2006-09-15T10:00:00", 5, speed="625kHz,1x1,low", decoy="a nearer bias, read faster"),
    Template("BIAS", "2006-09-15T10:20:00", 5, binning=2, decoy="a nearer bias, binned"),
    Template("BIAS", "2006-09-15T10:40:00", 2, decoy="a nearer bias that was broken off"),
    Template("BIAS", "2006-09-13T15:00:00", 5, decoy="an older bias"),
)
SCIENCE = LOG[0].dp_ids()[0]


def build(folder: Path, seed: int) -> None:
    """Write every frame: 8 of 18 MB, and decoys; the same bytes for the same seed."""
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = [pool.submit(_write, folder, entry, n, seed) for entry in LOG for n in range(entry.n)]
        for job in jobs:
            job.result()


def _write(folder: Path, entry: Template, number: int, seed: int) -> None:
    dp_id = entry.dp_ids()[number]
    if entry.decoy:  # it is never reduced
        frame = np.full((16, 16), round(BIAS), np.uint16)
    else:
        frame = expose(entry.kind, seed, np.random.default_rng([seed, zlib.crc32(dp_id.encode())]))
    write_image(folder / f"{dp_id}.fits", frame, cards(entry, number))


def expose(kind: str, seed: int, rng: np.random.Generator) -> NDArray[np.uint16]:
    """The raw frame of one exposure, noise included."""
    frame = BIAS + (RON / CONAD) * rng.standard_normal((ROWS, COLUMNS + 2 * EDGE), dtype=np.float32)
    lit = frame[:, EDGE : EDGE + COLUMNS]
    if kind == "DARK":
        electrons = CONAD * _KINDS[kind][1] * dark_rate()
        lit += rng.poisson(electrons).astype(np.float32) / np.float32(CONAD)
    y, x = bad_pixels(seed)
    lit[y, x] += BAD
    return np.asarray(np.clip(np.rint(frame), 0, 65535), np.uint16)


def cards(entry: Template, number: int) -> dict[str, Value]:
    """What the recipes read and the rules compare."""
    template, exposure = _KINDS[entry.kind]
    start = entry.times()[number]
    time = timestamp(start)
    return {
        "ORIGIN": "ESO",
        "TELESCOP": "ESO-VLT-U2",
        "INSTRUME": "GIRAFFE",
        "OBJECT": entry.kind,
        "EXPTIME": exposure,
        "MJD-OBS": mjd(start),
        "DATE-OBS": time,
        "UTC": (mjd(start) % 1) * 86400,
        "PI-COI": "SIMULATED",
        "OBSERVER": "UNKNOWN",
        "ARCFILE": f"GIRAF.{time}.fits",
        "DPR.CATG": "CALIB",
        "DPR.TYPE": entry.kind,
        "DPR.TECH": "IMAGE",
        "TPL.ID": template,
        "TPL.NAME": entry.kind,
        "TPL.START": entry.start,
        "TPL.NEXP": entry.n,
        "TPL.EXPNO": number + 1,
        "OBS.ID": 100000000,
        "OBS.PROG.ID": "60.A-9022(A)",
        "OBS.NAME": "calibration",
        "OBS.TARG.NAME": entry.kind,
        "OBS.START": entry.start,
        "DET.CHIPS": 1,
        "DET.CHIP1.ID": "Bruce",
        "DET.CHIP1.NAME": "CCD-44",
        "DET.CHIP1.NX": COLUMNS,
        "DET.CHIP1.NY": ROWS,
        "DET.OUTPUTS": 1,
        "DET.OUT1.X": 1,
        "DET.OUT1.Y": 1,
        "DET.OUT1.NX": COLUMNS,
        "DET.OUT1.NY": ROWS,
        "DET.OUT1.PRSCX": EDGE,
        "DET.OUT1.OVSCX": EDGE,
        "DET.OUT1.PRSCY": 0,
        "DET.OUT1.OVSCY": 0,
        "DET.OUT1.CONAD": CONAD,
        "DET.OUT1.GAIN": 1 / CONAD,
        "DET.OUT1.RON": RON,
        "DET.READ.SPEED": entry.speed,
        "DET.READ.CLOCK": entry.speed,
        "DET.READ.MODE": "normal",
        "DET.WIN1.BINX": entry.binning,
        "DET.WIN1.BINY": entry.binning,
        "DET.WIN1.NX": COLUMNS + 2 * EDGE,
        "DET.WIN1.NY": ROWS,
        "INS.MODE": "MEDUSA1",
        "INS.SLIT.NAME": "Medusa1",
        "INS.EXP.MODE": "H525.8B",
        "INS.GRAT.NAME": "HR",
        "INS.FILT.NAME": "HR08",
    }


CHAIN = Chain(
    name="giraffe",
    science=SCIENCE,
    raw_type="DARK",
    recipes=("gimasterbias", "gimasterdark"),
    product="MASTER_DARK",
    build=build,
    measure=giraffe_measure.measure,
    decoys={dp_id: entry.decoy for entry in LOG if entry.decoy for dp_id in entry.dp_ids()},
)
