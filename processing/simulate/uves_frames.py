"""What the UVES chains have in common: a log of templates, the header, the read-out in bins of 2 by 2."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from processing.simulate import echelle
from processing.simulate.echelle import Order
from processing.simulate.fits import Value, mjd, timestamp, when
from processing.simulate.nightlog import UVES_KINDS, Kind
from processing.simulate.uves import BIAS, CONAD, EDGE, NY, READ_NOISE, SLIT, Light, Vector, cosmic_rays
from processing.simulate.uves_flux import Star, detected

BIN = 2
KINDS = UVES_KINDS | {"STD": Kind("CALIB", "STD", "ECHELLE", "UVES_dic_obs_exp", 300, 60.0)}
PROGRAMME = {"CALIB": "60.A-9022(A)", "SCIENCE": "086.D-0512(A)"}


@dataclass(frozen=True, slots=True)
class Shot:
    """A template of `n` exposures of a lamp or a `star`; `why` makes its frames decoys."""

    start: str
    kind: str
    n: int = 1
    mode: str = "DICHR#1"
    slit: float = 1.0
    airmass: float = 1.0
    star: Star | None = None
    why: str = ""

    @property
    def about(self) -> Kind:
        """Its DPR and TPL words and its exposure time."""
        return KINDS[self.kind]

    def times(self) -> list[datetime]:
        """When each exposure starts: the detector takes its odd milliseconds to get ready."""
        odd = zlib.crc32(f"{self.start} {self.kind}".encode()) % 997
        first = when(self.start) + timedelta(milliseconds=odd)
        return [first + timedelta(seconds=i * self.about.cadence, milliseconds=i * 17) for i in range(self.n)]

    def dp_ids(self) -> tuple[str, ...]:
        """The archive's names of its frames."""
        return tuple(f"UVES.{timestamp(time)}" for time in self.times())


def decoys(log: Sequence[Shot]) -> dict[str, str]:
    """dp_id and sentence of every frame that must not be taken."""
    return {dp_id: shot.why for shot in log if shot.why for dp_id in shot.dp_ids()}


def science(log: Sequence[Shot]) -> str:
    """The dp_id that is asked for."""
    return next(shot.dp_ids()[0] for shot in log if shot.kind == "SCIENCE")


def light(
    shot: Shot, orders: tuple[Order, ...], lamp: tuple[Vector, Vector], length: int = NY
) -> Light | None:
    """The electrons of a frame before noise, in unbinned pixels of a chip this long; None for a bias."""
    match shot.kind:
        case "BIAS":
            return None
        case "FMTCHK":  # the format check closes the slit down to a dot
            return echelle.arc(orders, *lamp, height=4.0, length=length)
        case "WAVE":
            return echelle.arc(orders, *lamp, height=SLIT, length=length)
        case "ORDERDEF":
            return echelle.continuum(orders, echelle.gaussian(2.2), echelle.flat_lamp(1.2e5), length)
        case "FLAT":
            return echelle.dispersed(orders, echelle.slit, flat_lamp, length)
        case "STD" | "SCIENCE" if shot.star:
            source = detected(shot.star, shot.airmass, shot.about.exptime)
            return echelle.dispersed(orders, echelle.gaussian(2.4), source, length)
        case _:
            raise ValueError(f"UVES has no template kind {shot.kind!r}, or it needs a star")


def flat_lamp(wave: Vector) -> Vector:
    """Electrons per Angstrom and spatial pixel of the flat-field lamp."""
    return np.asarray(4e5 * wave / 4000.0)


def response(seed: int, chip: int, shape: tuple[int, int]) -> Light:
    """The relative response of each unbinned pixel of a chip, 1 per cent rms."""
    noise = np.random.default_rng([seed, 3, chip]).standard_normal(shape, dtype=np.float32)
    return np.float32(1) + np.float32(0.01) * noise


def read_out(
    light: Light | None,
    pixels: Light,
    rng: np.random.Generator,
    cosmic_seconds: float = 0.0,
) -> NDArray[np.uint16]:
    """The raw frame [ADU] of these electrons per unbinned pixel (None: a bias), with pre- and overscan.

    `pixels` is the response of each unbinned pixel; photon noise is taken as Gaussian.
    """
    rows, columns = pixels.shape[0] // BIN, pixels.shape[1] // BIN
    edge = EDGE // BIN
    frame = rng.standard_normal((rows, columns + 2 * edge), dtype=np.float32)
    if light is None:
        frame *= np.float32(READ_NOISE)
    else:
        signal = (light * pixels).reshape(rows, BIN, columns, BIN).sum(axis=(1, 3)) / np.float32(CONAD)
        lit = frame[:, edge : edge + columns]
        lit *= np.sqrt(signal / np.float32(CONAD) + np.float32(READ_NOISE**2))
        lit += signal
        lit += cosmic_rays(rng, cosmic_seconds, (rows, columns))
        frame[:, :edge] *= np.float32(READ_NOISE)
        frame[:, edge + columns :] *= np.float32(READ_NOISE)
    frame += np.float32(BIAS + 0.5)
    return np.clip(frame, 0, 65535, out=frame).astype(np.uint16)


def noise(seed: int, dp_id: str, chip: int = 0) -> np.random.Generator:
    """The noise of a frame depends on the seed and its name only."""
    return np.random.default_rng([seed, zlib.crc32(dp_id.encode()), chip])


def binned(order: Order) -> Order:
    """The same order in the pixels of the binned image, whose pixel 1 spans the unbinned 1 and 2."""
    u = Polynomial([-(BIN - 1) / (2 * NY), BIN])  # an Order's polynomials are in x / NY
    trace = (Polynomial(order.trace[::-1])(u) - 0.5) / BIN + 0.5
    dispersion = Polynomial(order.dispersion[::-1])(u)
    return Order(order.number, tuple(trace.coef[::-1].tolist()), tuple(dispersion.coef[::-1].tolist()))


def cards(shot: Shot, number: int, setup: Mapping[str, Value]) -> dict[str, Value]:
    """The header of frame `number` (from 0) of a template, with the keywords of its set-up."""
    about, taken = shot.about, shot.times()[number]
    target = shot.star.name if shot.star else about.type
    return {
        "ORIGIN": "ESO",
        "TELESCOP": "ESO-VLT-U2",
        "INSTRUME": "UVES",
        "OBJECT": target,
        "RA": shot.star.ra if shot.star else 0.0,
        "DEC": shot.star.dec if shot.star else -90.0,
        "EQUINOX": 2000.0,
        "RADESYS": "FK5",
        "MJD-OBS": mjd(taken),
        "DATE-OBS": timestamp(taken),
        "UTC": round(mjd(taken) % 1 * 86400, 3),
        "AIRMASS": shot.airmass,
        "ARCFILE": f"{shot.dp_ids()[number]}.fits",
        "DPR.CATG": about.catg,
        "DPR.TYPE": about.type,
        "DPR.TECH": about.tech,
        "TPL.ID": about.template,
        "TPL.NAME": about.template,
        "TPL.START": shot.start,
        "TPL.NEXP": shot.n,
        "TPL.EXPNO": number + 1,
        "OBS.ID": 200470000 + zlib.crc32(shot.start.encode()) % 9999,
        "OBS.PROG.ID": PROGRAMME[about.catg],
        "OBS.TARG.NAME": target,
        "OBS.NAME": target if shot.star else "CALIBRATION",
        "OBS.START": shot.start,
        "TEL.AIRM.START": shot.airmass,
        "TEL.AIRM.END": shot.airmass,
        **setup,
    }
