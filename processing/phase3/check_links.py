"""Rules that look at other files: what a product was made from, and what is delivered beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from astropy.io import fits

from processing.phase3 import standard
from processing.phase3.headers import indexed, number, text
from processing.phase3.problems import VALIDATOR, Problem, error, sdp, warning
from processing.phase3.raws import Raw, RawError, read_raw, stem, summary

_SECONDS = 1.0 / 86400.0


def ancillary(path: Path, hdus: Sequence[Any]) -> Iterator[Problem]:
    """The files that ASSONi names lie beside the product and are of a known category."""
    primary, white = hdus[0].header, 0
    if primary["PRODCATG"] == standard.CUBE and "ASSON1" not in primary:
        return  # said by the table of mandatory keywords
    for index, name in enumerate(indexed(primary, "ASSON"), 1):
        keyword = f"ASSON{index}"
        if f"ASSOC{index}" in primary:  # not FITS: its category and MD5 are here
            if str(name).endswith((".fits", ".fits.fz")):
                sentence = f"is for files that are not FITS; {name} has a PRODCATG of its own"
                yield warning(0, f"ASSOC{index}", sentence, sdp("4.2"))
            elif f"ASSOM{index}" not in primary:
                yield error(0, f"ASSOM{index}", f"is missing: the MD5 sum of {name}", sdp("4.2"))
            continue
        other = path.parent / str(name)
        if not other.exists():
            yield warning(0, keyword, f"names {name}, which is not beside the product", sdp("4.2"))
            continue
        with fits.open(other) as associated:
            header = associated[0].header
            category = text(header, "PRODCATG")
            if category not in standard.ANCILLARY:
                sentence = (
                    f"names {name}, whose PRODCATG is {category!r} and no ancillary category of FITS files"
                )
                yield error(0, keyword, sentence, sdp("4.2, appendix A"))
            if "ASSON1" in header:
                sentence = f"names {name}, which names others in turn; associations do not nest"
                yield error(0, keyword, sentence, sdp("4.2, Req-2"))
            if category == "ANCILLARY.IMAGE.WHITELIGHT":
                white += 1
                yield from _same_size(keyword, name, hdus, associated)
    if primary["PRODCATG"] == standard.CUBE and white != 1:
        sentence = f"{white} white-light images are associated; a cube has exactly one"
        yield error(0, "ASSON1", sentence, sdp("4.3.5"))


def _same_size(keyword: str, name: str, hdus: Sequence[Any], associated: Sequence[Any]) -> Iterator[Problem]:
    cube = next((each.header for each in hdus if each.header["NAXIS"] == 3), None)
    image = next((each.header for each in associated if each.header["NAXIS"] == 2), None)
    if cube is None or image is None:
        return
    sizes = [(header["NAXIS1"], header["NAXIS2"]) for header in (image, cube)]
    if sizes[0] != sizes[1]:
        sentence = f"names {name} of {sizes[0]} pixels, but the cube has {sizes[1]}"
        yield error(0, keyword, sentence, VALIDATOR)


def provenance(primary: fits.Header, raws: Iterable[Path]) -> Iterator[Problem]:
    """The files that PROVi names are there, and agree with what the header says of times, runs and OBs."""
    files = list(raws)
    at = _by_name(files, {stem(str(name)) for name in indexed(primary, "PROV")})
    found: list[Raw] = []
    for index, name in enumerate(indexed(primary, "PROV"), 1):
        path = at.get(stem(str(name)))
        if path is None:
            yield error(0, f"PROV{index}", f"names {name}, which is not among the files given", VALIDATOR)
            continue
        try:
            found.append(read_raw(path))
        except RawError as wrong:
            yield error(0, f"PROV{index}", f"names {name}: {wrong}", VALIDATOR)
    if found and len(found) == len(indexed(primary, "PROV")):
        yield from _agreement(primary, found)


def _by_name(files: Sequence[Path], wanted: set[str]) -> dict[str, Path]:
    """Files by their names without suffix; only where that is not enough, also by their ARCFILE."""
    at = {stem(path.name): path for path in files}
    if wanted <= at.keys():
        return at
    for path in files:
        try:
            at.setdefault(stem(str(fits.getval(path, "ARCFILE"))), path)
        except (OSError, KeyError):
            continue  # no FITS file, or none of the archive: nothing that PROVi could mean
    return at


def _agreement(primary: fits.Header, raws: Sequence[Raw]) -> Iterator[Problem]:
    made = summary(raws)
    for keyword, parts, wanted in (
        ("TELESCOP", "TELESC", made.telescopes),
        ("INSTRUME", "INSTR", made.instruments),
        ("PROG_ID", "PROGID", made.programmes),
        ("FILTER", "FILTER", made.filters),
    ):
        if keyword not in primary or not wanted:
            continue
        said = indexed(primary, parts) if primary[keyword] == "MULTI" else [primary[keyword]]
        if set(map(str, said)) != set(wanted):
            sentence = f"says {', '.join(map(str, said))}, but the files it was made from {', '.join(wanted)}"
            yield error(0, keyword, sentence, VALIDATOR)
    if "OBID1" in primary and set(indexed(primary, "OBID")) != set(made.blocks):
        sentence = f"say {indexed(primary, 'OBID')}, but the files it was made from {list(made.blocks)}"
        yield error(0, "OBIDi", sentence, VALIDATOR)
    for keyword, value, tolerance in (
        ("MJD-OBS", made.begin, _SECONDS),
        ("NCOMBINE", float(len(raws)), 0.0),
        ("TEXPTIME", made.seconds, 0.01 * made.seconds),
    ):
        number_said = number(primary, keyword)
        if number_said is not None and abs(number_said - value) > tolerance:
            sentence = f"is {number_said!r}, but {value!r} follows from the files it was made from"
            yield error(0, keyword, sentence, VALIDATOR)
    end = number(primary, "MJD-END")
    if end is not None and end < made.end - _SECONDS:
        sentence = f"is {end:.8f}, before the end of the last exposure, {made.end:.8f}"
        yield error(0, "MJD-END", sentence, sdp("5.1"))
    exposed = number(primary, "EXPTIME")
    if exposed is not None and exposed < 0.99 * made.shortest:
        sentence = f"is {exposed:g} s, less than the shortest exposure, {made.shortest:g} s"
        yield error(0, "EXPTIME", sentence, sdp("5.1"))
