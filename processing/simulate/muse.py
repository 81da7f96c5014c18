"""MUSE, one channel of the 24: two stars in the field, and the calibrations of one night, as raw frames.

A raw frame has an empty primary HDU and one extension, CHAN01: four quadrants with 32 columns and rows of
prescan outside and of overscan inside. Recipe needs are those of muse 2.8.7.
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

from processing.simulate import muse_light as light
from processing.simulate import muse_measure, muse_static
from processing.simulate.chain import Chain
from processing.simulate.fits import Value, mjd, timestamp, when, write_images
from processing.simulate.muse_light import BIAS, GAIN, RAMP, RON, Light, Vector
from processing.simulate.muse_sky import EXPOSURE, LAMPS, SKY, STARS, star

SCIENCE = "MUSE.2018-02-11T03:00:00.000"
EDGE = 32  # prescan and overscan
GEOLAT, GEOLON = -24.6268, -70.4045  # Paranal


@dataclass(frozen=True, slots=True)
class Template:
    """Exposures of one template execution; `decoy` says why they must not be chosen, else it is empty."""

    kind: str
    start: str
    n: int
    mode: str = "WFM-NOAO-N"
    readout: str = "SCI1.0"
    decoy: str = ""

    def times(self) -> list[datetime]:
        """When its exposures start."""
        return [when(self.start) + number * timedelta(minutes=2) for number in range(self.n)]

    def dp_ids(self) -> list[str]:
        """The names of its exposures in the archive."""
        return [f"MUSE.{timestamp(time)}" for time in self.times()]


LOG = (
    Template("OBJECT", "2018-02-11T03:00:00", 1),
    Template("BIAS", "2018-02-11T12:00:00", 3),
    Template("FLAT", "2018-02-11T13:00:00", 3),
    Template("ARC", "2018-02-11T14:00:00", 3),
    Template("BIAS", "2018-02-11T10:00:00", 3, readout="FAST", decoy="a nearer bias of another read-out"),
    Template("BIAS", "2018-02-09T12:00:00", 3, decoy="an older bias"),
    Template("FLAT", "2018-02-11T10:30:00", 3, mode="WFM-AO-N", decoy="a nearer flat of another mode"),
    Template("ARC", "2018-02-11T11:00:00", 3, mode="WFM-AO-N", decoy="a nearer arc of another mode"),
    Template("ARC", "2018-02-11T02:00:00", 2, decoy="a nearer arc that was broken off: a lamp is missing"),
)
_KINDS: Mapping[str, tuple[str, str, float, str]] = {
    "OBJECT": ("SCIENCE", "OBJECT", EXPOSURE, "MUSE_wfm-noao_obs_genericoffset"),
    "BIAS": ("CALIB", "BIAS", 0.0, "MUSE_wfm_cal_bias"),
    "FLAT": ("CALIB", "FLAT,LAMP", 10.0, "MUSE_wfm_cal_specflat"),
    "ARC": ("CALIB", "WAVE", 20.0, "MUSE_wfm_cal_wavelength"),
}


def build(folder: Path, seed: int) -> None:
    """Write every frame and static file: 10 frames of 36 MB, and decoys; the same bytes for the same seed."""
    folder.mkdir(parents=True, exist_ok=True)
    response = light.pixels(seed)
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = [pool.submit(_write, folder, entry, response, seed) for entry in LOG]
        for job in jobs:
            job.result()
    muse_static.write(folder)


def _write(folder: Path, entry: Template, response: Light, seed: int) -> None:
    extension = {"EXTNAME": "CHAN01", "EXPTIME": _KINDS[entry.kind][2], **detector_cards()}
    for number, dp_id in enumerate(entry.dp_ids()):
        noise = np.random.default_rng([seed, zlib.crc32(dp_id.encode())])
        if entry.decoy:  # it is never reduced
            frame = np.full((16, 16), 1000, np.uint16)
        else:
            if number == 0 or entry.kind == "ARC":  # the exposures of all others are alike
                signal = electrons(entry.kind, number) * response
            frame = expose(signal, noise)
        write_images(folder / f"{dp_id}.fits", cards(entry, number), [(frame, extension)])


def electrons(kind: str, number: int) -> Light:
    """What falls on the detector in exposure `number` (from 0) of such a template [electrons]."""
    match kind:
        case "BIAS":
            return np.zeros((light.ROWS, light.COLUMNS), np.float32)
        case "FLAT":
            return light.through(lambda _x, _row, wave: 12000.0 * light.efficiency(wave))
        case "ARC":
            lamp = light.spectrum(LAMPS[number].lines, 2.0)
            return light.through(lambda _x, _row, wave: light.at(lamp, wave) * light.efficiency(wave))
        case "OBJECT":
            sky, spectra = light.spectrum(SKY.lines, SKY.continuum), [star(each) for each in STARS]

            def field(x: Vector, row: float, wave: Vector) -> Vector:
                seen = light.at(sky, wave)
                for each, own in zip(STARS, spectra, strict=True):
                    seen = seen + each.profile(x, row) * light.at(own, wave)
                return seen * light.efficiency(wave)

            return light.through(field)
        case _:
            raise ValueError(f"MUSE has no template kind {kind!r}")


def expose(signal: Light, rng: np.random.Generator) -> NDArray[np.uint16]:
    """The raw frame of one exposure, shot and read-out noise included."""
    rows, columns = light.ROWS // 2, light.COLUMNS // 2
    height, width = rows + 2 * EDGE, columns + 2 * EDGE
    frame = RON * rng.standard_normal((2 * height, 2 * width), dtype=np.float32)
    ramp = np.linspace(0, RAMP, columns, dtype=np.float32)
    shot = rng.standard_normal(signal.shape, dtype=np.float32)
    shot *= np.sqrt(signal)
    shot += signal
    for level, (top, right) in zip(BIAS, ((0, 0), (0, 1), (1, 1), (1, 0)), strict=True):
        quadrant = frame[top * height : (top + 1) * height, right * width : (right + 1) * width]
        quadrant += level * GAIN
        # The prescan lies at the outside, the overscan in the middle of the frame.
        lit = quadrant[EDGE : EDGE + rows, EDGE : EDGE + columns]
        lit += shot[top * rows : (top + 1) * rows, right * columns : (right + 1) * columns]
        lit += GAIN * (ramp if right else ramp[::-1])
    return np.asarray(np.clip(np.rint(frame / GAIN), 0, 65535), np.uint16)


def cards(entry: Template, number: int) -> dict[str, Value]:
    """The primary header: what the recipes read and the rules compare."""
    category, kind, exposure, template = _KINDS[entry.kind]
    start = entry.times()[number]
    time = timestamp(start)
    middle = sidereal(mjd(start) + exposure / 86400 / 2)
    lamps = {lamp.number: lamp for lamp in LAMPS[number : number + 1]} if entry.kind == "ARC" else {}
    lit = {1} if entry.kind == "FLAT" else set(lamps)
    found: dict[str, Value] = {
        "ORIGIN": "ESO",
        "TELESCOP": "ESO-VLT-U4",
        "INSTRUME": "MUSE",
        "OBJECT": "two stars" if entry.kind == "OBJECT" else kind,
        # The field crosses the zenith in the middle of the exposure: no refraction, airmass 1.
        "RA": middle,
        "DEC": GEOLAT,
        "EQUINOX": 2000.0,
        "RADESYS": "FK5",
        "EXPTIME": exposure,
        "MJD-OBS": mjd(start),
        "DATE-OBS": time,
        "UTC": (mjd(start) % 1) * 86400,
        "LST": sidereal(mjd(start)) * 240,
        "PI-COI": "SIMULATED",
        "OBSERVER": "UNKNOWN",
        "ARCFILE": f"MUSE.{time}.fits",
        "DPR.CATG": category,
        "DPR.TYPE": kind,
        "DPR.TECH": "IFU",
        "TPL.ID": template,
        "TPL.NAME": kind,
        "TPL.START": entry.start,
        "TPL.NEXP": entry.n,
        "TPL.EXPNO": number + 1,
        "OBS.ID": 200123456 if entry.kind == "OBJECT" else 100000000,
        "OBS.PROG.ID": "0100.A-9001(A)" if entry.kind == "OBJECT" else "60.A-9100(A)",
        "OBS.NAME": "two stars" if entry.kind == "OBJECT" else "calibration",
        "OBS.TARG.NAME": "two stars",
        "OBS.START": entry.start,
        "DET.READ.CURID": 1,
        "DET.READ.CURNAME": entry.readout,
        "DET.BINX": 1,
        "DET.BINY": 1,
        "INS.MODE": entry.mode,
        "INS.OPTI1.NAME": "Blank",
        "INS.OPTI2.NAME": "WFM",
        "INS.DROT.MODE": "SKY",
        "INS.DROT.POSANG": 0.0,
        "INS.DROT.START": 0.0,
        "INS.DROT.END": 0.0,
        "INS.TEMP7.VAL": 10.0,
        "INS.TEMP11.VAL": 10.0,
        "INS.AMPL2.FILTER": 1,
        "INS.LAMPNUM": 6,
        "TEL.ALT": 90.0,
        "TEL.PARANG.START": 0.0,
        "TEL.PARANG.END": 0.0,
        "TEL.AIRM.START": 1.0,
        "TEL.AIRM.END": 1.0,
        "TEL.GEOLAT": GEOLAT,
        "TEL.GEOLON": GEOLON,
        "TEL.GEOELEV": 2648.0,
        "TEL.AMBI.TEMP": 10.0,
        "TEL.AMBI.RHUM": 10.0,
        "TEL.AMBI.PRES.START": 743.0,
        "TEL.AMBI.PRES.END": 743.0,
        "TEL.AMBI.FWHM.START": 0.9,
        "TEL.AMBI.FWHM.END": 0.9,
        "TEL.FOCU.SCALE": 1.705,
    }
    for n, name in enumerate(("QTH1", "QTH2", "Ne", "Xe", "HgCd", "spare"), start=1):
        found |= {
            f"INS.LAMP{n}.NAME": f"CU-LAMP-{name}",
            f"INS.LAMP{n}.ST": n in lit,
            f"INS.SHUT{n}.NAME": f"shutter of {name}",
            f"INS.SHUT{n}.ST": n in lit,
        }
    return found


def detector_cards() -> dict[str, Value]:
    """The four read-out ports of the channel."""
    found: dict[str, Value] = {
        "DET.CHIP.LIVE": True,
        "DET.CHIP.NAME": "psyche",
        "DET.CHIP.ID": "psyche",
        "DET.CHIP.NX": light.COLUMNS,
        "DET.CHIP.NY": light.ROWS,
        "DET.CHIP.INDEX": 1,
        "DET.OUTPUTS": 4,
        "DET.BINX": 1,
        "DET.BINY": 1,
    }
    corners = ((1, 1), (light.COLUMNS, 1), (light.COLUMNS, light.ROWS), (1, light.ROWS))
    for n, (x, y) in enumerate(corners, start=1):
        found |= {
            f"DET.OUT{n}.X": x,
            f"DET.OUT{n}.Y": y,
            f"DET.OUT{n}.NX": light.COLUMNS // 2,
            f"DET.OUT{n}.NY": light.ROWS // 2,
            f"DET.OUT{n}.PRSCX": EDGE,
            f"DET.OUT{n}.PRSCY": EDGE,
            f"DET.OUT{n}.OVSCX": EDGE,
            f"DET.OUT{n}.OVSCY": EDGE,
            f"DET.OUT{n}.GAIN": GAIN,
            f"DET.OUT{n}.RON": RON,
            f"DET.OUT{n}.CONAD": 1 / GAIN,
        }
    return found


def sidereal(time: float) -> float:
    """Local sidereal time at Paranal [degrees] at an MJD (Meeus, Astronomical Algorithms, 12.4)."""
    return float((280.46061837 + 360.98564736629 * (time - 51544.5) + GEOLON) % 360)


CHAIN = Chain(
    name="muse",
    science=SCIENCE,
    raw_type="OBJECT",
    recipes=("muse_bias", "muse_flat", "muse_wavecal", "muse_scibasic", "muse_scipost"),
    product="DATACUBE_FINAL",
    build=build,
    measure=muse_measure.measure,
    decoys={dp_id: entry.decoy for entry in LOG if entry.decoy for dp_id in entry.dp_ids()}
    | muse_static.DECOYS,
)
