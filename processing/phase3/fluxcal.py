"""The flux-calibrated twin of a reduced spectrum: uves_obs_scired makes one where it has a response."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from processing.phase3.headers import Array, number, text
from processing.phase3.inputs import Inputs
from processing.phase3.notes import Note, Notes

_REDUCED, _CALIBRATED, _ERRORS = "RED_", "FLUXCAL_", "FLUXCAL_ERRORBAR_"
# A relative error that is smaller than the reduced spectrum's by more than rounding (32-bit numbers).
_TOO_SMALL = 0.999


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Flux and its error (None: not known), their unit as BUNIT says it, the companions they came from."""

    flux: Array
    error: Array | None
    unit: str
    used: frozenset[str]


def calibrated(inputs: Inputs, flux: Array, error: Array | None, notes: Notes) -> Calibrated | None:
    """FLUXCAL_x of a RED_x whose flux and error these are; None where the recipe made none that fits it."""
    if not inputs.category.startswith(_REDUCED):
        return None
    rest = inputs.category.removeprefix(_REDUCED)
    path, bars = inputs.companions.get(_CALIBRATED + rest), inputs.companions.get(_ERRORS + rest)
    if path is None:
        return None
    header, values = _read(path)
    if not _same_axis(inputs.header, header) or len(values) != len(flux):
        notes.remarks.append(
            f"{path.name} is not used: its wavelengths are not those of {inputs.product.name}"
        )
        return None
    used, noise = {_CALIBRATED + rest}, None
    if bars is not None:
        there, noise = _read(bars)
        used.add(_ERRORS + rest)
        if there.get("BUNIT") != header.get("BUNIT") or len(noise) != len(flux):
            notes.remarks.append(f"{bars.name} is not used: its length or unit is not that of {path.name}")
            noise = None
    if noise is not None and error is not None:
        noise = _mended(flux, error, values, noise, notes)
    return Calibrated(values, noise, str(header.get("BUNIT", "")), frozenset(used))


def _mended(flux: Array, error: Array, calibrated: Array, noise: Array, notes: Notes) -> Array:
    """The error of the calibrated flux, at least as large a part of it as before the calibration.

    uves_obs_scired (6.1.8) multiplies the flux by the response and by 10**(0.4 k X), the extinction k at the
    airmass X, but the error by the response alone: measured, it is that much too small to 2e-7.
    """
    known = (flux != 0) & (error > 0) & (calibrated != 0) & (noise > 0)
    known &= np.isfinite(flux + error + calibrated + noise)
    if not known.any():
        return noise
    conversion = calibrated[known] / flux[known]
    ratio = noise[known] / np.abs(error[known] * conversion)
    if float(np.median(ratio)) >= _TOO_SMALL:
        return noise
    mended = noise.copy()
    mended[known] = np.abs(error[known] * conversion)
    sentence = (
        f"was {ratio.min():.2f} to {ratio.max():.2f} of what it is: the recipe corrected the flux for "
        "extinction, and not its error; that of the reduced spectrum, converted as its flux was, is meant"
    )
    notes.mended.append(Note(1, "ERR", sentence))
    return mended


def _read(path: Path) -> tuple[fits.Header, Array]:
    with fits.open(path) as hdus:
        return hdus[0].header, np.asarray(hdus[0].data, float).ravel()


def _same_axis(one: fits.Header, other: fits.Header) -> bool:
    """Whether both have the same wavelengths; steps may differ by rounding (1e-12 angstrom, measured)."""
    for keyword in ("CRVAL1", "CRPIX1", "CD1_1"):
        ours, theirs = number(one, keyword), number(other, keyword)
        if ours is None or theirs is None or abs(ours - theirs) > 1e-9 * abs(ours):
            return False
    return text(one, "CUNIT1") == text(other, "CUNIT1")
