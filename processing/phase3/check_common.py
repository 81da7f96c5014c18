"""Rules that hold for every science product, whatever its category."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from astropy.io import fits

from processing.phase3 import standard
from processing.phase3.headers import indexed, number, text
from processing.phase3.problems import FITS, TABLE_8, VALIDATOR, Problem, error, sdp, warning

# (low, high, what): the closed range that a number must be in. Validator, but for those of section 5.11.
_RANGES: Mapping[str, tuple[float, float, str]] = {
    "RA": (0, 360, "degrees"),
    "DEC": (-90, 90, "degrees"),
    "EXPTIME": (1e-15, 1e15, "seconds"),
    "TEXPTIME": (1e-15, 1e15, "seconds"),
    "ABMAGLIM": (0, 99, "AB magnitudes"),
    "SKY_RES": (0, 99, "arcseconds"),
    "SKY_RERR": (0, 99, "arcseconds"),
    "WAVELMIN": (1e-9, 1e12, "nanometres"),
    "WAVELMAX": (1e-9, 1e12, "nanometres"),
    "SPEC_RES": (1e-9, 1e12, "lambda / delta lambda"),
    "PIXNOISE": (0, 1e30, "flux density"),
    "STREHL": (1e-9, 1, "a ratio"),
    "FLUXERR": (-2, 100, "percent, or -1, or -2"),
    # Before 1970 there was no VLT, and no MJD-OBS below 40587.
    "MJD-OBS": (40587, 1e6, "days"),
}

# Seconds: how far sums of exposure times may miss (validator).
_CLOCK = 0.01
_DAY = 86400.0

_BIBCODE = re.compile(r"\d{4}[\w.&]{14}[A-Za-z.]")
_DOI = re.compile(r"(doi:|https?://(dx\.)?doi\.org/)?10\.\d{4,}/\S+", re.IGNORECASE)


def every(hdus: Sequence[Any], cards: Sequence[Sequence[str]], now: float) -> Iterator[Problem]:
    """All rules of this module; `cards` are the raw cards of each HDU, `now` is an MJD."""
    primary: fits.Header = hdus[0].header
    category = primary["PRODCATG"]
    yield from _cards(cards)
    yield from mandatory(0, primary, standard.PRIMARY[category], TABLE_8)
    yield from _origin(primary)
    yield from _places(hdus, category)
    yield from _types(hdus)
    yield from _ranges(hdus)
    yield from _times(primary, now)
    yield from _lists(primary)
    yield from _words(primary, category)
    if all(hdu.header.get("NAXIS") == 0 for hdu in hdus):
        yield error(None, "", "no HDU holds data", VALIDATOR)


def mandatory(hdu: int, header: fits.Header, keywords: Sequence[str], source: str) -> Iterator[Problem]:
    """An error for each keyword that a header lacks, or has without a value."""
    for keyword in keywords:
        if keyword not in header:
            yield error(hdu, keyword, "is missing, and is mandatory here", source)
        elif isinstance(header[keyword], fits.card.Undefined):
            yield error(hdu, keyword, "has no value, and is mandatory here", source)


def _cards(cards: Sequence[Sequence[str]]) -> Iterator[Problem]:
    for hdu, header in enumerate(cards):
        names = [card[:8].rstrip() for card in header]
        for banned in ("CONTINUE", "LONGSTRN"):
            if banned in names:
                sentence = "strings of more than 68 characters are not supported; shorten the value before"
                yield error(hdu, banned, sentence, sdp("3.5"))
        counts = Counter(card[: card.find("=")].rstrip() for card in header if "=" in card[8:])
        for name, times in counts.items():
            if times > 1 and name.partition(" ")[0] not in ("COMMENT", "HISTORY", ""):
                yield error(hdu, name, f"is there {times} times; keep one", f"{FITS}, 4.1.2.1")


def _origin(primary: fits.Header) -> Iterator[Problem]:
    if str(primary.get("ORIGIN", "")).startswith("ESO"):
        yield from mandatory(0, primary, standard.ESO_ONLY, TABLE_8)
        if "PROV1" not in primary and primary.get("PROVXTN") is not True:
            sentence = "is missing: name the science files that this one was made from, or set PROVXTN"
            yield error(0, "PROV1", sentence, sdp("5.2"))
    elif primary.get("NOESODAT") is not True:
        sentence = f"must be T, as ORIGIN is {primary.get('ORIGIN')!r} and not ESO"
        yield error(0, "NOESODAT", sentence, sdp("5.17"))
    for keyword in standard.RECOMMENDED_PRIMARY:
        if keyword not in primary:
            yield warning(0, keyword, "is missing, and is recommended", TABLE_8)


def _places(hdus: Sequence[Any], category: str) -> Iterator[Problem]:
    names = Counter(text(hdu.header, "EXTNAME") for hdu in hdus[1:])
    for hdu, each in enumerate(hdus):
        for keyword in standard.FORBIDDEN:
            if keyword in each.header:
                sentence = "is not allowed: give the CD matrix alone"
                yield error(hdu, keyword, sentence, sdp("5.4"))
        for keyword in standard.FORBIDDEN_IN[category]:
            if keyword in each.header and not (keyword == "CD1_1" and hdu):
                yield error(hdu, keyword, f"is not allowed in a {category}; remove it", TABLE_8)
        if not hdu:
            continue
        for keyword in standard.PRIMARY_ONLY:
            if keyword in each.header:
                yield error(hdu, keyword, "is allowed in the primary header only; remove it", VALIDATOR)
        name = text(each.header, "EXTNAME")
        if not name:
            yield error(hdu, "EXTNAME", "is missing: every extension needs a name", sdp("6.2.1.2"))
        elif names[name] > 1:
            sentence = f"{name!r} is the name of {names[name]} extensions; each needs its own"
            yield error(hdu, "EXTNAME", sentence, sdp("8.2"))


def _types(hdus: Sequence[Any]) -> Iterator[Problem]:
    for hdu, each in enumerate(hdus):
        for keyword, kind in standard.TYPES.items():
            value = each.header.get(keyword)
            if value is None or isinstance(value, fits.card.Undefined):
                continue
            fits_kind = {
                "bool": isinstance(value, bool),
                "int": isinstance(value, int) and not isinstance(value, bool),
                "real": isinstance(value, int | float) and not isinstance(value, bool),
                "text": isinstance(value, str),
            }[kind]
            if not fits_kind:
                words = {"bool": "T or F", "int": "an integer", "real": "a number", "text": "a string"}[kind]
                yield error(hdu, keyword, f"is {value!r}, but must be {words}", sdp("5"))


def _ranges(hdus: Sequence[Any]) -> Iterator[Problem]:
    for hdu, each in enumerate(hdus):
        for keyword, (low, high, unit) in _RANGES.items():
            value = number(each.header, keyword)
            if value is not None and not low <= value <= high:
                sentence = f"is {value:g}, outside {low:g} to {high:g} ({unit}); compute it, or leave it out"
                yield error(hdu, keyword, sentence, VALIDATOR)
    low_end, high_end = number(hdus[0].header, "WAVELMIN"), number(hdus[0].header, "WAVELMAX")
    if low_end is not None and high_end is not None and low_end >= high_end:
        sentence = f"is {low_end:g} nm, but must be below WAVELMAX, {high_end:g} nm"
        yield error(0, "WAVELMIN", sentence, sdp("5.6"))
    combined = number(hdus[0].header, "NCOMBINE")
    if combined is not None and combined < 1:
        yield error(0, "NCOMBINE", f"is {combined:g}, but at least one raw file went in", VALIDATOR)


def _times(primary: fits.Header, now: float) -> Iterator[Problem]:
    exposed, total = number(primary, "EXPTIME"), number(primary, "TEXPTIME")
    begin, end = number(primary, "MJD-OBS"), number(primary, "MJD-END")
    if exposed is not None and total is not None and exposed > total + _CLOCK:
        sentence = f"is {exposed:.3f} s, more than TEXPTIME, {total:.3f} s, the sum of all exposures"
        yield error(0, "EXPTIME", sentence, sdp("5.1"))
    if begin is not None and end is not None:
        if end < begin:
            yield error(0, "MJD-END", f"is {end:.8f}, before MJD-OBS, {begin:.8f}", VALIDATOR)
        elif total is not None and total > (end - begin) * _DAY + _CLOCK:
            span = (end - begin) * _DAY
            sentence = f"is {total:.3f} s, more than the {span:.3f} s from MJD-OBS to MJD-END"
            yield error(0, "TEXPTIME", sentence, sdp("5.1"))
    if end is not None and end > now:
        yield error(0, "MJD-END", f"is {end:.8f}, in the future (now: {now:.8f})", VALIDATOR)


def _lists(primary: fits.Header) -> Iterator[Problem]:
    for root in ("PROV", "OBID", "PROGID", "FILTER", "ASSON"):
        padded = [k for k in primary if re.fullmatch(rf"{root}0\d*", k)]
        for keyword in padded:
            yield error(0, keyword, "is counted with a leading zero; count from 1 without", sdp("5.2"))
        values = indexed(primary, root)
        counted = [k for k in primary if re.fullmatch(rf"{root}[1-9]\d*", k)]
        if len(counted) > len(values):
            yield error(0, f"{root}{len(values) + 1}", "is missing in the row of its numbers", sdp("5.2"))
        for value, times in Counter(map(str, values)).items():
            if times > 1:
                yield error(0, f"{root}i", f"say {value!r} {times} times; say it once", sdp("5.1"))
    for whole, parts in (
        ("PROG_ID", "PROGID"),
        ("TELESCOP", "TELESC"),
        ("INSTRUME", "INSTR"),
        ("FILTER",) * 2,
    ):
        several = indexed(primary, parts)
        if (text(primary, whole) == "MULTI") != bool(several) or len(several) == 1:
            sentence = f"is {primary.get(whole)!r} with {len(several)} {parts}i; MULTI goes with two or more"
            yield error(0, whole, sentence, sdp("5.1"))


def _words(primary: fits.Header, category: str) -> Iterator[Problem]:
    frame = text(primary, "RADESYS")
    if frame is not None and frame not in ("ICRS", "FK5"):
        yield error(0, "RADESYS", f"is {frame!r}, but must be ICRS or FK5", sdp("5.1"))
    equinox = number(primary, "EQUINOX")
    if (frame == "FK5" or equinox is not None) and equinox != 2000.0:
        yield error(0, "EQUINOX", f"is {equinox}, but must be 2000.0 (mandatory for FK5)", sdp("5.1"))
    if "RADECSYS" in primary:
        yield warning(0, "RADECSYS", "is the old name; write RADESYS", f"{FITS}, 8.3")
    clock = text(primary, "TIMESYS")
    if clock is not None and clock not in ("UTC", "TAI"):
        yield error(0, "TIMESYS", f"is {clock!r}, but only UTC and TAI are supported", sdp("5.1"))
    fluxcal = text(primary, "FLUXCAL")
    allowed = ("ABSOLUTE",) if category in (standard.IMAGE, standard.MOSAIC) else ("ABSOLUTE", "UNCALIBRATED")
    if fluxcal is not None and fluxcal not in allowed:
        sentence = f"is {fluxcal!r}, but a {category} must say {' or '.join(allowed)}"
        yield error(0, "FLUXCAL", sentence, sdp("5.1"))
    reference = text(primary, "REFERENC")
    if reference and not _BIBCODE.fullmatch(reference) and not _DOI.fullmatch(reference):
        sentence = f"is {reference!r}: give a bibcode of 19 characters, a DOI, or an empty string"
        yield error(0, "REFERENC", sentence, sdp("5.1"))
    date = text(primary, "DATE")
    if date is not None and not re.match(r"\d{4}-\d\d-\d\d", date):
        yield error(0, "DATE", f"is {date!r}, but must begin as 2012-03-14 does", VALIDATOR)
    reference_frame = text(primary, "SPECSYS")
    if reference_frame is not None and reference_frame not in standard.SPECTRAL_FRAMES:
        sentence = f"is {reference_frame!r}: take one of {', '.join(sorted(standard.SPECTRAL_FRAMES))}"
        yield error(0, "SPECSYS", sentence, sdp("5.6, table 2"))
