"""How bright a star may be before its peak saturates the detector."""

from __future__ import annotations

from collections.abc import Mapping
from math import log, log10, pi

import numpy as np
from astropy.io import fits

from processing.phase3.headers import text
from processing.phase3.inputs import Inputs
from processing.phase3.notes import Absent
from processing.phase3.photometry import ZeroPoint
from processing.phase3.quality import Width
from processing.phase3.raws import Raw

# ADU of a full well, by INSTRUME and DET.MODE.NAME: NACO's user manual (VLT-MAN-ESO-14200-2761), the table of
# CONICA's detector modes.
_FULL_WELL: Mapping[str, Mapping[str, float]] = {
    "NAOS+CONICA": {
        "HighSensitivity": 9_200.0,
        "HighDynamic": 15_000.0,
        "HighWellDepth": 22_000.0,
        "HighBackground": 28_000.0,
    }
}
# Read-outs (DET.NCORRS.NAME) that subtract the level after the reset, so that 0 ADU is an empty well.
_CORRELATED = ("Double_RdRstRd", "FowlerNsamp")


def brightest(inputs: Inputs, zero: ZeroPoint | Absent, width: Width | Absent, band: str) -> float | Absent:
    """AB magnitude of a star whose peak fills what the background leaves of a pixel's well in one DIT.

    A Gaussian of the image's width, in the middle of a pixel; the image is in ADU per DIT, as the raw frames.
    """
    room = _room(inputs)
    for lacking in (room, zero, width):
        if isinstance(lacking, Absent):
            return lacking
    assert isinstance(room, float) and isinstance(zero, ZeroPoint) and isinstance(width, Width)
    ab = zero.ab(band)
    if isinstance(ab, Absent):
        return ab
    return round(ab - 2.5 * log10(room * pi / (4 * log(2)) * width.fwhm**2), 3)


def _room(inputs: Inputs) -> float | Absent:
    """ADU that a star may add in one DIT to the raw frame with the brightest background."""
    rooms = [_room_in(frame) for frame in inputs.targets]
    known = [each for each in rooms if not isinstance(each, Absent)]
    return min(known) if len(known) == len(rooms) else next(e for e in rooms if isinstance(e, Absent))


def _room_in(frame: Raw) -> float | Absent:
    mode, readout = text(frame.header, "ESO DET MODE NAME"), text(frame.header, "ESO DET NCORRS NAME")
    well = _FULL_WELL.get(frame.instrument, {}).get(mode or "")
    if well is None:
        return Absent("neither the recipe nor the raw frames say at which level the detector saturates")
    if readout not in _CORRELATED:
        return Absent(
            f"the read-out {readout} leaves an offset that is not known, so that a well has no zero"
        )
    with fits.open(frame.path) as hdus:
        background = float(np.median(np.asarray(hdus[0].data, float)))
    if background >= well:
        return Absent(f"the background of {frame.name} alone, {background:.0f} ADU, saturates the detector")
    return well - background
