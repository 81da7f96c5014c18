"""Rules for a spectrum: one row of a table, whose cells hold the arrays."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from astropy.io import fits

from processing.phase3 import standard
from processing.phase3.check_common import mandatory
from processing.phase3.headers import Array, number, text
from processing.phase3.problems import TABLE_8, VALIDATOR, Problem, error, sdp, warning

_UTYPES = (
    r"(Spectrum\.|spec:|eso:)Data\.SpectralAxis\.Value",
    r"(Spectrum\.|spec:|eso:)Data\.FluxAxis\.Value",
    r"(Spectrum\.|spec:|eso:)Data\.FluxAxis\.Accuracy\.StatError",
)
_NAMES = (r"WAVE|FREQ|ENER", r"FLUX\w*", r"ERR\w*")

# Nanometres in one unit of the wavelength column, by its TUNIT1 in lower case (ESO DICD, chapter 8).
NANOMETRES = {"angstrom": 0.1, "nm": 1.0, "um": 1000.0}

_DAY = 86400.0


def spectrum(hdus: Sequence[Any]) -> Iterator[Problem]:
    """SCIENCE.SPECTRUM: an empty primary HDU and one binary table with one row."""
    primary = hdus[0].header
    if primary["NAXIS"]:
        yield error(0, "NAXIS", "is not 0: the spectrum belongs into a table", sdp("8.2"))
    yield from _flux_scale(primary)
    tables = [hdu for hdu, each in enumerate(hdus) if isinstance(each, fits.BinTableHDU)]
    tables = [hdu for hdu in tables if text(hdus[hdu].header, "EXTNAME") != "PHASE3PROVENANCE"]
    if len(tables) != 1 or tables[0] != 1:
        sentence = f"has {len(tables)} tables besides provenance; the spectrum is one, in HDU 1"
        yield error(None, "", sentence, sdp("8.2"))
        return
    header = hdus[1].header
    yield from mandatory(1, header, standard.TABLE, TABLE_8)
    for keyword in standard.RECOMMENDED_SPECTRUM:
        if keyword not in primary:
            yield warning(0, keyword, "is missing, and is recommended", TABLE_8)
    if "EXT_OBJ" not in primary:
        sentence = "is missing: say whether the source is extended, if that is known"
        yield warning(0, "EXT_OBJ", sentence, TABLE_8)
    yield from _form(header)
    yield from _columns(header)
    yield from _agreement(primary, header)
    if header["NAXIS2"] == 1 and header.get("TFIELDS", 0) >= 2:
        yield from _arrays(primary, header, hdus[1].data)


def _flux_scale(primary: fits.Header) -> Iterator[Problem]:
    scale, uncertainty = text(primary, "FLUXCAL"), number(primary, "FLUXERR")
    if scale == "UNCALIBRATED" and uncertainty is not None and uncertainty != -1:
        yield error(0, "FLUXERR", f"is {uncertainty:g}, but must be -1 without flux calibration", TABLE_8)
    if scale == "ABSOLUTE" and uncertainty is not None and not (uncertainty == -2 or uncertainty >= 0):
        sentence = f"is {uncertainty:g}, but must be a percentage, or -2 where it is not known"
        yield error(0, "FLUXERR", sentence, TABLE_8)
    if primary.get("TOT_FLUX") is True and scale != "ABSOLUTE":
        yield error(0, "TOT_FLUX", "is T, but a total flux must be calibrated (FLUXCAL)", sdp("5.6"))


def _form(header: fits.Header) -> Iterator[Problem]:
    for keyword, wanted in (("NAXIS", 2), ("NAXIS2", 1), ("GCOUNT", 1), ("PCOUNT", 0)):
        if header[keyword] != wanted:
            yield error(1, keyword, f"is {header[keyword]}, but must be {wanted}", sdp("8.2"))
    if not re.fullmatch(r"SPECTRUM V[12]\.0", str(header.get("VOCLASS", "SPECTRUM V1.0")), re.IGNORECASE):
        yield error(1, "VOCLASS", f"is {header['VOCLASS']!r}, but must be SPECTRUM v1.0 or v2.0", sdp("8.2"))
    if header.get("VOPUB", "ESO/SAF") != "ESO/SAF":
        yield error(1, "VOPUB", f"is {header['VOPUB']!r}, but must be ESO/SAF", sdp("5.6.1"))
    aperture = number(header, "APERTURE")
    if aperture is not None and not 0 < aperture < 0.1:
        yield error(1, "APERTURE", f"is {aperture:g}; it must be in degrees, below 0.1", VALIDATOR)
    if "BUNIT" in header:
        yield error(1, "BUNIT", "is not allowed; TUNITi gives the units", sdp("8.3"))


def _columns(header: fits.Header) -> Iterator[Problem]:
    for column, (utype, name) in enumerate(zip(_UTYPES, _NAMES, strict=True), 1):
        for keyword, pattern in ((f"TUTYP{column}", utype), (f"TTYPE{column}", name)):
            value = text(header, keyword)
            if value is not None and not re.fullmatch(pattern, value, re.IGNORECASE):
                sentence = f"is {value!r}, but must be as {pattern.replace(chr(92), '')}"
                yield error(1, keyword, sentence, VALIDATOR)
    meaning = text(header, "TUCD1")
    if text(header, "TTYPE1") == "WAVE" and meaning not in ("em.wl", "em.wl;obs.atmos", None):
        sentence = f"is {meaning!r}: em.wl says vacuum, em.wl;obs.atmos says air"
        yield error(1, "TUCD1", sentence, sdp("8.2, Req-8"))
    if header.get("TUNIT2") != header.get("TUNIT3"):
        sentence = f"is {header.get('TUNIT3')!r}, but the flux is in {header.get('TUNIT2')!r}"
        yield error(1, "TUNIT3", sentence, VALIDATOR)
    lengths = {}
    for column in range(1, header.get("TFIELDS", 0) + 1):
        for root in ("TTYPE", "TFORM", "TUNIT", "TUTYP", "TUCD"):
            if column > 3 and f"{root}{column}" not in header:
                yield error(1, f"{root}{column}", "is missing: every column needs it", sdp("8.2"))
        if header.get(f"TTYPE{column}") == "SKYBACK":
            yield error(1, f"TTYPE{column}", "is 'SKYBACK'; name the sky BGFLUX", VALIDATOR)
        form = re.fullmatch(r"(\d*)([A-Z]).*", str(header.get(f"TFORM{column}", "")).strip())
        lengths[column] = int(form[1] or 1) if form else 0
        if form and form[2] in "PQ":
            yield error(1, f"TFORM{column}", "is of variable length, which is not supported", sdp("8.2"))
    for column, length in lengths.items():
        if length != header.get("NELEM", length):
            sentence = f"gives {length} elements, but NELEM is {header['NELEM']}"
            yield error(1, f"TFORM{column}", sentence, sdp("8.2, Req-1"))


def _agreement(primary: fits.Header, header: fits.Header) -> Iterator[Problem]:
    """The two headers say the same; tolerances are the validator's."""
    if "OBJECT" in primary and "OBJECT" in header and primary["OBJECT"] != header["OBJECT"]:
        sentence = f"is {header['OBJECT']!r}, but {primary['OBJECT']!r} in the primary header"
        yield error(1, "OBJECT", sentence, VALIDATOR)
    begin, end = number(primary, "MJD-OBS"), number(primary, "MJD-END")
    low, high = number(primary, "WAVELMIN"), number(primary, "WAVELMAX")
    wanted: dict[str, tuple[float | None, float]] = {
        "RA": (number(primary, "RA"), 1e-7),
        "DEC": (number(primary, "DEC"), 1e-7),
    }
    if begin is not None and end is not None:
        wanted |= {"TELAPSE": ((end - begin) * _DAY, 0.1), "TMID": ((begin + end) / 2, 1e-4)}
    if low is not None and high is not None:
        wanted |= {"SPEC_VAL": ((low + high) / 2, 1e-3), "SPEC_BW": (high - low, 1e-3)}
    for keyword, (value, tolerance) in wanted.items():
        said = number(header, keyword)
        if value is not None and said is not None and abs(said - value) > tolerance:
            sentence = f"is {said!r}, but {value!r} follows from the primary header"
            yield error(1, keyword, sentence, VALIDATOR)
    exposed, elapsed = number(primary, "TEXPTIME"), number(header, "TELAPSE")
    if exposed is not None and elapsed is not None and elapsed < exposed - 0.1:
        sentence = f"is {elapsed:.3f} s, less than TEXPTIME, {exposed:.3f} s"
        yield error(1, "TELAPSE", sentence, VALIDATOR)


def _arrays(primary: fits.Header, header: fits.Header, data: Any) -> Iterator[Problem]:
    for column in range(header["TFIELDS"]):
        values = np.asarray(data.field(column)[0])
        if values.dtype.kind == "f" and np.isinf(values).any():
            sentence = f"holds {np.isinf(values).sum()} infinite values; flag them and put 0 or NaN"
            yield error(1, f"TTYPE{column + 1}", sentence, VALIDATOR)
    axis = np.asarray(data.field(0)[0], float)
    if len(axis) < 2 or not (np.diff(axis) > 0).all():
        yield error(1, "TTYPE1", "its values must rise strictly from first to last", sdp("8.1"))
    elif text(header, "TTYPE1") == "WAVE":
        yield from _wavelengths(primary, header, axis)


def _wavelengths(primary: fits.Header, header: fits.Header, axis: Array) -> Iterator[Problem]:
    scale = NANOMETRES.get(str(header.get("TUNIT1", "")).lower())
    if scale is None:
        sentence = f"is {header.get('TUNIT1')!r}: take one of {', '.join(NANOMETRES)}"
        yield error(1, "TUNIT1", sentence, VALIDATOR)
        return
    steps = np.diff(axis)
    typical, slack = float(np.median(steps)), float(steps.max()) / 2
    wanted = number(primary, "SPEC_BIN")
    if wanted is not None and not 0.5 * typical * scale <= wanted <= 1.5 * typical * scale:
        sentence = f"is {wanted:g} nm, but the typical step is {typical * scale:g} nm"
        yield error(0, "SPEC_BIN", sentence, VALIDATOR)
    low, high = number(primary, "WAVELMIN"), number(primary, "WAVELMAX")
    if low is not None and low < (axis[0] - slack) * scale:
        yield error(0, "WAVELMIN", f"is {low:g} nm, before the first, {axis[0] * scale:g} nm", sdp("5.6"))
    if high is not None and high > (axis[-1] + slack) * scale:
        yield error(0, "WAVELMAX", f"is {high:g} nm, after the last, {axis[-1] * scale:g} nm", sdp("5.6"))
    for keyword, end in (("TDMIN1", axis[0]), ("TDMAX1", axis[-1])):
        said = number(header, keyword)
        if said is not None and abs(said - end) > slack:
            yield error(1, keyword, f"is {said:g}, but the array has {end:g}", VALIDATOR)
