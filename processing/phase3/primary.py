"""The primary header that every science product shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from astropy.io import fits

from processing.names import input_name
from processing.phase3 import standard
from processing.phase3.headers import indexed, text
from processing.phase3.inputs import Inputs
from processing.phase3.notes import Absent, Cards, Note, Value, demand_room
from processing.phase3.raws import stem

# What belongs to the old file's bytes, or to the archive that takes the new one in (standard 5.12).
# CPL 7.2 with CFITSIO 4.2 computes DATAMD5 over the first 46080 bytes only, again and again.
DROPPED = frozenset(
    "SIMPLE XTENSION BITPIX NAXIS NAXIS1 NAXIS2 NAXIS3 EXTEND PCOUNT GCOUNT GROUPS BSCALE BZERO "
    "CHECKSUM DATASUM DATAMD5 ARCFILE RADECSYS INHERIT LONGSTRN".split()
)
# World coordinates describe pixels: a header without any has none.
WORLD = frozenset(
    f"{root}{axis}"
    for root in "CTYPE CUNIT CRVAL CRPIX CDELT CROTA CRDER CSYER".split()
    for axis in (1, 2, 3)
) | {f"{root}{i}_{j}" for root in ("CD", "PC") for i in (1, 2, 3) for j in (1, 2, 3)}

# Spectral coordinates as the recipe leaves them: uves_obs_scired only writes the correction to the
# barycentre into the header (QC.VRAD.BARYCOR), so its wavelengths are the observatory's.
_SPECTRAL_FRAMES = {"uves_obs_scired": "TOPOCENT"}


@dataclass(frozen=True, slots=True)
class Place:
    """The middle of an image on the sky, in degrees, and why it may differ from what the recipe said."""

    right_ascension: float
    declination: float
    why: str


def begin(
    inputs: Inputs,
    cards: Cards,
    prodcatg: str,
    name: str,
    ancillaries: Sequence[str],
    place: Place | Absent,
    exposed: float,
) -> None:
    """The cards up to provenance; `exposed` is EXPTIME in seconds."""
    old, made = inputs.header, inputs.made
    cards.put("PRODCATG", prodcatg, "Data product category")
    cards.put_all("ASSON", ancillaries, "Associated file")
    cards.keep("ORIGIN", "Observatory or facility", "neither the recipe nor the raw frame says it")
    _several(cards, "TELESCOP", "TELESC", made.telescopes, "ESO telescope name")
    _several(cards, "INSTRUME", "INSTR", made.instruments, "Instrument name")
    if prodcatg in (standard.IMAGE, standard.MOSAIC):
        native = text(old, "FILTER")
        _several(cards, "FILTER", "FILTER", (native,) if native else made.filters, "Filter name")
    cards.keep("OBJECT", "Target designation", "the raw frame does not name its target")
    _place(cards, place)
    why = "the total integration time per pixel is meant"
    cards.put("EXPTIME", exposed, "[s] Total integration time per pixel", why)
    cards.put("TEXPTIME", made.seconds, "[s] Total integration time of all exposures")
    cards.put("MJD-OBS", made.begin, "[d] Start of observations")
    # Written with 8 digits (standard 5.1), rounded up: it must not end before the exposures do.
    cards.put("MJD-END", math.ceil(made.end * 1e8) / 1e8, "[d] End of observations")
    cards.keep("DATE-OBS", "Start of observations", "the raw frame does not say it")
    _programme(inputs, cards)
    cards.put("NCOMBINE", len(inputs.targets), "Number of raw science files")
    technique = made.techniques[0] if len(made.techniques) == 1 else text(old, "ESO PRO TECH")
    cards.put("OBSTECH", technique or Absent("the raw frames do not agree on it"), "Observation technique")
    software = text(old, f"ESO PRO REC{inputs.last} PIPE ID") or text(old, "PROCSOFT")
    why = "the name of the pipeline belongs to its version"
    cards.put("PROCSOFT", software or Absent("the product names no pipeline"), "Reduction software", why)
    cards.put("REFERENC", text(old, "REFERENC") or "", "Bibliographic reference")
    _sources(inputs, cards)
    ndits = {frame.ndit for frame in inputs.targets}
    if len(ndits) == 1 and (ndit := ndits.pop()) is not None:
        cards.put("NDIT", ndit, "Number of sub-integrations")
    cards.put("ORIGFILE", name, "Name of this file")
    cards.keep("DATE", "Date of the recipe's product", "")


def spectral_frame(inputs: Inputs) -> Value | Absent:
    """SPECSYS: what the product says, or is known of its recipe."""
    said = text(inputs.header, "SPECSYS")
    known = said or _SPECTRAL_FRAMES.get(inputs.recipe)
    return known or Absent(f"not known of {inputs.recipe or 'the recipe'}: no SPECSYS in its product")


def end(inputs: Inputs, cards: Cards, *, pixels: bool) -> fits.Header:
    """The finished primary header; `pixels`: whether it has some, else it has no world coordinates."""
    _calibrations(inputs, cards)
    lists = [k for k in inputs.header if k.rstrip("0123456789") in _LISTS and k[-1].isdigit()]
    drop = {*DROPPED, *lists, *standard.FORBIDDEN, *(() if pixels else WORLD)}
    return cards.finish(drop)


# Lists that are written anew: what is left of an old one would be wrong.
_LISTS = frozenset("PROV OBID PROGID ASSON ASSOC ASSOM TELESC INSTR FILTER".split())


# Calibrations that are for the packaging: no recipe of science frames takes them in.
_FOR_PACKAGING = ("ZPOINT_TABLE",)


def _several(cards: Cards, whole: str, parts: str, names: Sequence[str], comment: str) -> None:
    if not names:
        cards.put(whole, Absent("the raw frames do not say it"))
    elif len(names) == 1:
        cards.put(whole, names[0], comment)
    else:
        cards.put(whole, "MULTI", comment)
        cards.put_all(parts, names, comment)


def _sources(inputs: Inputs, cards: Cards) -> None:
    """PROVi: ARCFILE names without suffix (standard 5.2.1)."""
    names = [frame.name for frame in inputs.targets]
    strange = sorted({stem(str(name)) for name in indexed(inputs.header, "PROV")} - set(names))
    if strange:
        sentence = f"named {', '.join(strange)}; the archive knows raw frames by their ARCFILE"
        cards.notes.mended.append(Note(0, "PROVi", sentence))
    for number, name in enumerate(names, 1):
        demand_room(f"PROV{number}", name)
        cards.new[f"PROV{number}"] = (name, "Originating raw science file")


def _programme(inputs: Inputs, cards: Cards) -> None:
    """PROG_ID and OBIDi; both are asked of ESO's data only."""
    if not str(inputs.header.get("ORIGIN", "")).startswith("ESO"):
        cards.put("NOESODAT", True, "Not from an ESO facility")
    _several(cards, "PROG_ID", "PROGID", inputs.made.programmes, "ESO programme identification")
    if inputs.made.blocks:
        cards.put_all("OBID", inputs.made.blocks, "Observation block ID")
    else:
        cards.put("OBID1", Absent("the raw frames have no OBS.ID"))


def _place(cards: Cards, place: Place | Absent) -> None:
    if isinstance(place, Absent):
        for keyword in ("RA", "DEC"):
            cards.keep(keyword, "[deg] Target, as pointed at", place.why)
    else:
        cards.put("RA", place.right_ascension, "[deg] Image centre (J2000)", place.why)
        cards.put("DEC", place.declination, "[deg] Image centre (J2000)", place.why)
    # A recipe that fitted the coordinates to a catalogue wrote RADECSYS; CPL copied RADESYS from the raw.
    frame = text(cards.old, "RADECSYS") or text(cards.old, "RADESYS")
    lacking, why = (
        Absent("the product has no RADESYS"),
        "RADECSYS says so, which the recipe set after its fit",
    )
    cards.put("RADESYS", frame or lacking, "Coordinate reference frame", why)
    cards.put("EQUINOX", 2000.0, "Standard FK5")


def _calibrations(inputs: Inputs, cards: Cards) -> None:
    """Add to PRO.RECi.CALj what went in and is not named: naco_img_jitter forgets the dark."""
    root = f"ESO PRO REC{inputs.last} CAL"
    count = sum(k.startswith(root) and k.endswith(" CATG") for k in inputs.header)
    named = {text(inputs.header, f"{root}{index} CATG") for index in range(1, count + 1)}
    for tag, path in inputs.calibrations:
        if tag in named or tag in _FOR_PACKAGING:
            continue
        count += 1
        name = input_name(path.name)  # as it was to the recipe
        cards.put(f"HIERARCH {root}{count} NAME", name)
        cards.put(f"HIERARCH {root}{count} CATG", tag)
        what = tag if name == path.name else f"{tag}: {path.name}"
        sentence = f"names {name} ({what}), which {inputs.recipe} took in and did not name"
        cards.notes.mended.append(Note(0, f"PRO.REC{inputs.last}.CAL{count}", sentence))
