"""SCIENCE.SPECTRUM: the one row of a table, out of the image of one axis that a recipe makes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from processing.phase3 import standard
from processing.phase3.ancillaries import Ancillary, companions, file_name
from processing.phase3.fluxcal import calibrated
from processing.phase3.headers import Array, number, text
from processing.phase3.inputs import Inputs
from processing.phase3.notes import Absent, Cards, Notes, PackagingError
from processing.phase3.primary import begin, end, spectral_frame
from processing.phase3.quality import FWHM_OF_SIGMA

_NANOMETRE = {"angstrom": 0.1, "nm": 1.0}
# Half of the part of the range around its centre in which arc lines tell SPEC_RES.
_CENTRAL = 0.125
_DROPPED_WORDS = frozenset("BUNIT DATAMIN DATAMAX LAMRMS LAMNLIN".split())


@dataclass(frozen=True, slots=True)
class Reduced:
    """Flux and its error (None: not known) in `unit`, not calibrated."""

    flux: Array
    error: Array | None
    unit: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A spectrum: wavelengths (angstrom), flux and its error (None: not known) in `unit`, and QUAL.

    `reduced` is what was there before flux calibration, and nothing where the flux is that. `used` names the
    companions that all of it came from.
    """

    wave: Array
    flux: Array
    error: Array | None
    bad: npt.NDArray[np.bool_]
    unit: str
    in_air: bool
    used: frozenset[str]
    reduced: Reduced | None = None

    @property
    def useful(self) -> slice:
        """From the first to the last good element."""
        good = np.flatnonzero(~self.bad)
        return slice(int(good[0]), int(good[-1]) + 1)


def spectrum(inputs: Inputs, hdus: fits.HDUList, notes: Notes) -> tuple[fits.HDUList, list[Ancillary]]:
    """The primary header and the table."""
    curve = _curve(inputs, hdus[0], notes)
    ancillaries = companions(inputs, inputs.companions.keys() - curve.used, notes)
    cards = Cards(inputs.header, 0, notes)
    name = file_name(inputs.product)
    names = [each.name for each in ancillaries]
    nowhere = Absent("the product has no place on the sky")
    begin(inputs, cards, standard.SPECTRUM, name, names, nowhere, inputs.made.seconds)
    notes.remarks.append("RA and DEC are where the telescope pointed: the target's own place is in no header")
    _describe(inputs, cards, curve)
    primary = end(inputs, cards, pixels=False)
    for keyword in _DROPPED_WORDS & set(primary) - set(cards.new):
        del primary[keyword]
    return fits.HDUList([fits.PrimaryHDU(header=primary), _table(inputs, primary, curve, notes)]), ancillaries


def _curve(inputs: Inputs, hdu: fits.PrimaryHDU, notes: Notes) -> Curve:
    """The spectrum, flux calibrated where the recipe did that."""
    header = hdu.header
    if header["NAXIS"] != 1:
        raise PackagingError(f"{inputs.product} has {header['NAXIS']} axes; a spectrum to package has one")
    scale = {"angstrom": 1.0, "nm": 10.0, "um": 1e4, "m": 1e10}.get(str(header.get("CUNIT1", "")).lower())
    step = number(header, "CD1_1") or number(header, "CDELT1")
    start = number(header, "CRVAL1")
    if scale is None or not step or start is None:
        raise PackagingError(
            f"{inputs.product} has no wavelengths: CRVAL1, CD1_1 and CUNIT1 say where it lies"
        )
    flux = np.asarray(hdu.data, float)
    places = np.arange(len(flux), dtype=float) + 1 - (number(header, "CRPIX1") or 1.0)
    wave = np.asarray((start + places * step) * scale, float)
    error, bars = _error(inputs, header, len(flux))
    unit, used, reduced = dicd_unit(text(header, "BUNIT") or ""), frozenset({bars}), None
    twin = calibrated(inputs, flux, error, notes)
    if twin is not None:
        reduced = Reduced(_finite(flux), None if error is None else _finite(error), unit)
        flux, error, unit, used = twin.flux, twin.error, dicd_unit(twin.unit), used | twin.used
    bad = ~np.isfinite(flux) | (flux == 0)
    if error is not None:
        bad |= ~(np.isfinite(error) & (error > 0))
        error = _finite(error)
    if bad.all():
        raise PackagingError(f"{inputs.product} holds no valid flux")
    in_air = text(header, "CTYPE1") == "AWAV"
    return Curve(wave, _finite(flux), error, bad, unit, in_air, used, reduced)


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, 0.0)


def _error(inputs: Inputs, header: fits.Header, length: int) -> tuple[Array | None, str]:
    for category, path in inputs.own_first(sorted(inputs.companions.items())):
        if "ERR" not in category:
            continue
        with fits.open(path) as hdus:
            other = hdus[0]
            same = other.header.get("NAXIS1") == length and other.header.get("BUNIT") == header.get("BUNIT")
            if same and other.header["NAXIS"] == 1:
                return np.asarray(other.data, float), category
    return None, ""


def dicd_unit(said: str) -> str:
    """A unit as ESO spells it (DICD, chapter 8): `10**(-16)erg.s**(-1).cm**(-2).angstrom**(-1)`, `adu`."""
    if "erg" not in said.lower():
        return said.lower() if said.lower() in ("adu", "adu/s") else said
    power = re.search(r"10(?:\^|\*\*)?\s*\(?\s*(-?\d+)", said)
    factor = f"10**({power[1]})" if power else ""
    return f"{factor}erg.s**(-1).cm**(-2).angstrom**(-1)"


def _describe(inputs: Inputs, cards: Cards, curve: Curve) -> None:
    wave, useful = curve.wave / 10.0, curve.useful
    low, high = float(wave[useful.start]), float(wave[useful.stop - 1])
    absolute = "erg" in curve.unit
    cards.put("FLUXCAL", "ABSOLUTE" if absolute else "UNCALIBRATED", "Type of flux calibration")
    cards.put("FLUXERR", -2.0 if absolute else -1.0, "-1: uncalibrated, -2: not known")
    cards.put("TOT_FLUX", False, "No correction for light lost at the slit")
    cards.put("CONTNORM", False, "Not normalised to the continuum")
    cards.put("SPECSYS", spectral_frame(inputs), "Spectral reference frame")
    cards.put("WAVELMIN", low, "[nm] First valid wavelength")
    cards.put("WAVELMAX", high, "[nm] Last valid wavelength")
    cards.put("SPEC_BIN", float((wave[-1] - wave[0]) / (len(wave) - 1)), "[nm] Mean width of a bin")
    cards.put("SNR", _snr(curve), "Median of flux over error of good elements")
    lines = inputs.file_of("LINE_TABLE")
    lacking = Absent("no table of arc lines was given that tells the width of lines")
    resolution = lacking if lines is None else resolving_power(lines, low, high)
    cards.put("SPEC_RES", resolution, "Resolving power at the central wavelength")
    _errors_of_wavelength(cards)
    slit = _aperture(inputs)
    if not isinstance(slit, Absent):
        for keyword in ("RA_ERR", "DEC_ERR"):
            cards.put(keyword, slit / 2, "[deg] Half of the slit: the target is in it")
    kind = {part for frame in inputs.targets for part in frame.type.split(",")} & {"POINT", "EXTENDED"}
    unknown = Absent("DPR.TYPE does not say whether the source is a point")
    cards.put("EXT_OBJ", kind == {"EXTENDED"} if len(kind) == 1 else unknown, "Extended source (DPR.TYPE)")


def _snr(curve: Curve) -> float | Absent:
    if curve.error is None:
        return Absent("no error spectrum was given that fits the flux in length and unit")
    good = ~curve.bad
    return round(float(np.median(curve.flux[good] / curve.error[good])), 3)


def _errors_of_wavelength(cards: Cards) -> None:
    """LAMRMS and its kin in nm: UVES writes them in the unit of its axis."""
    scale = _NANOMETRE.get(str(cards.old.get("CUNIT1", "")).lower())
    rms, lines = number(cards.old, "LAMRMS"), number(cards.old, "LAMNLIN")
    systematic = number(cards.old, "CSYER1")
    if scale is None:
        return
    why = "the standard wants nanometres"
    if rms is not None and lines:
        cards.put("LAMRMS", _digits(rms * scale), "[nm] RMS of the wavelength solution", why)
        cards.put("LAMNLIN", int(lines), "Arc lines in the wavelength solution")
        cards.put("SPEC_ERR", _digits(rms * scale / sqrt(lines)), "[nm] LAMRMS / sqrt(LAMNLIN)")
    if systematic is not None and systematic >= 0:
        cards.put("SPEC_SYE", _digits(systematic * scale), "[nm] Systematic error")


def _digits(value: float) -> float:
    """Six digits: more of an error say nothing."""
    return float(f"{value:.6g}")


def resolving_power(path: Path, low: float, high: float) -> float | Absent:
    """Median lambda / FWHM of the arc lines around the middle of `low` to `high` (nm).

    A table of uves_cal_wavecal: Ident and Pixel are angstrom, Xwidth is the sigma of a line in pixels.
    """
    with fits.open(path) as hdus:
        tables = [
            each.data
            for each in hdus[1:]
            if {"Ident", "Pixel", "Xwidth", "NLinSol"} <= set(each.columns.names)
        ]
        if not tables:
            return Absent(f"{path.name} does not give the widths of its lines")
        # UVES: one table per extraction window; the object's is the middle one.
        table = tables[len(tables) // 2]
        wave, step, sigma = (np.asarray(table[name], float) for name in ("Ident", "Pixel", "Xwidth"))
        solved = np.asarray(table["NLinSol"]) == 1
    near = np.abs(wave / 10.0 - (low + high) / 2) < _CENTRAL * (high - low)
    with np.errstate(all="ignore"):
        power = wave / (FWHM_OF_SIGMA * sigma * np.abs(step))
    power = power[solved & near & np.isfinite(power) & (power > 0)]
    if not power.size:
        return Absent(f"{path.name} has no line near the middle of the spectrum")
    return round(float(np.median(power)), 1)


# Name, format, unit, utype, UCD, values of a column.
_Column: TypeAlias = tuple[str, str, str, str, str, Array]
_FLUX, _ERROR = "Data.FluxAxis.Value", "Data.FluxAxis.Accuracy.StatError"


def _columns(curve: Curve) -> Iterator[_Column]:
    """The columns: first those that the standard asks for, in its order (8.2)."""
    length, model = len(curve.wave), "Spectrum."
    air = "em.wl;obs.atmos" if curve.in_air else "em.wl"
    yield "WAVE", f"{length}D", "angstrom", f"{model}Data.SpectralAxis.Value", air, curve.wave
    kind = _kind(curve.unit)
    yield "FLUX", f"{length}D", curve.unit, model + _FLUX, kind, curve.flux
    if curve.error is not None:
        yield "ERR", f"{length}D", curve.unit, model + _ERROR, f"stat.error;{kind}", curve.error
    quality = f"{model}Data.FluxAxis.Accuracy.QualityStatus"
    yield "QUAL", f"{length}J", "", quality, "meta.code.qual", curve.bad.astype(np.int32)
    if curve.reduced is not None:
        # Named as in ESO's own products of UVES; eso: says that it is another than the one flux (8.2).
        more, kind = curve.reduced, _kind(curve.reduced.unit)
        yield "FLUX_REDUCED", f"{length}D", more.unit, f"eso:{_FLUX}", kind, more.flux
        if more.error is not None:
            yield "ERR_REDUCED", f"{length}D", more.unit, f"eso:{_ERROR}", f"stat.error;{kind}", more.error


def _kind(unit: str) -> str:
    return "phot.flux.density;em.wl;src.net" + ("" if "erg" in unit else ";stat.uncalib")


def _table(inputs: Inputs, primary: fits.Header, curve: Curve, notes: Notes) -> fits.BinTableHDU:
    length, rows = len(curve.wave), list(_columns(curve))
    columns = [fits.Column(name, form, array=[values]) for name, form, _, _, _, values in rows]
    hdu = fits.BinTableHDU.from_columns(columns)
    for index, (_, _, unit, utype, ucd, _) in enumerate(rows, 1):
        hdu.header[f"TUNIT{index}"] = unit
        hdu.header[f"TUTYP{index}"] = utype
        hdu.header[f"TUCD{index}"] = ucd
    hdu.header["TDMIN1"] = (float(curve.wave[0]), "[angstrom] Start")
    hdu.header["TDMAX1"] = (float(curve.wave[-1]), "[angstrom] Stop")
    cards = Cards(fits.Header(), 1, notes)
    _describe_table(inputs, primary, cards, length)
    hdu.header.update(cards.new)
    return hdu


def _describe_table(inputs: Inputs, primary: fits.Header, cards: Cards, length: int) -> None:
    begin_mjd, end_mjd = primary["MJD-OBS"], primary["MJD-END"]
    low, high = primary["WAVELMIN"], primary["WAVELMAX"]
    for keyword in ("OBJECT", "RA", "DEC"):
        if keyword in primary:
            cards.put(keyword, primary[keyword], primary.comments[keyword])
    cards.put("EXTNAME", "SPECTRUM", "Extension name")
    cards.put("VOCLASS", "SPECTRUM v1.0", "VO data model")
    cards.put("VOPUB", "ESO/SAF", "VO publishing authority")
    title = f"{primary.get('OBJECT', '')} {inputs.targets[0].name} {inputs.category}"
    room = standard.LONGEST_NAME - title.count("'")  # a quote counts twice in a card
    cards.put("TITLE", title[:room].strip(), "Dataset title")
    cards.put("NELEM", length, "Length of the data arrays")
    cards.put("APERTURE", _aperture(inputs), "[deg] Width of the slit")
    cards.put("TELAPSE", (end_mjd - begin_mjd) * 86400.0, "[s] Total elapsed time")
    cards.put("TMID", (begin_mjd + end_mjd) / 2, "[d] MJD of the middle")
    cards.put("SPEC_VAL", (low + high) / 2, "[nm] Central wavelength")
    cards.put("SPEC_BW", high - low, "[nm] Width of the spectrum")


def _aperture(inputs: Inputs) -> float | Absent:
    """Width of the slit: of UVES, SLIT2 is in the blue arm and SLIT3 in the red."""
    slit = "ESO INS SLIT3 WID" if text(inputs.header, "ESO INS PATH") == "RED" else "ESO INS SLIT2 WID"
    width = number(inputs.header, slit)
    return (
        width / 3600.0
        if width
        else Absent(f"the product has no {slit.replace('ESO ', '').replace(' ', '.')}")
    )
