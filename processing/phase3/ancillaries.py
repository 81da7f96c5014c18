"""Files that go with a science product: companions of its recipe, and maps made of its own extensions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from processing.phase3 import standard
from processing.phase3.headers import Array, indexed, text
from processing.phase3.inputs import Inputs
from processing.phase3.notes import Note, Notes
from processing.phase3.primary import DROPPED, WORLD

# What recipes call their companions, and what the standard does (4.3, appendix A).
_KINDS = (("CONF", "ANCILLARY.WEIGHTMAP"), ("VAR", "ANCILLARY.VARMAP"), ("IMAGE_FOV", "ANCILLARY.IMAGE"))
# What a map has of its product; an archive needs programme and date to know who may read it, and from when.
_SHARED = (
    *("ORIGIN", "TELESCOP", "INSTRUME", "OBJECT", "DATE", "DATE-OBS", "MJD-OBS", "RADESYS", "EQUINOX"),
    *("ESO OBS PROG ID", "ESO PRO SCIENCE"),
)
WHITE = "ANCILLARY.IMAGE.WHITELIGHT"


@dataclass(frozen=True, slots=True)
class Ancillary:
    """A file to be delivered beside the science product: its name, PRO.CATG and content."""

    name: str
    category: str
    hdus: fits.HDUList


def file_name(product: Path, part: str = "") -> str:
    """`<stem>_sdp[_part].fits`, the stem without its `r.`.

    A stem that makes it too long loses its content key (eight digits), is cut, and gets the beginning of
    its SHA-256 to stay unique.
    """
    ending = f"_sdp{part and '_' + part}.fits"
    stem = product.name.removesuffix(".fits").removeprefix("r.")
    if len(stem + ending) > standard.LONGEST_NAME:
        digest = "_" + hashlib.sha256(stem.encode()).hexdigest()[:6]
        short = re.sub(r"_[0-9a-f]{8}$", "", stem)
        stem = short[: standard.LONGEST_NAME - len(ending + digest)] + digest
    return stem + ending


def companions(inputs: Inputs, categories: Iterable[str], notes: Notes) -> list[Ancillary]:
    """The companions of these categories that belong to the product, in the order of their categories."""
    taken: set[str] = set()
    found = [companion(inputs, category, notes, taken) for category in sorted(categories)]
    return [each for each in found if each is not None]


def companion(
    inputs: Inputs, category: str, notes: Notes, taken: set[str], prodcatg: str | None = None
) -> Ancillary | None:
    """A companion under a new name, which joins `taken`, and with a PRODCATG; None where it cannot go along.

    That is where the standard knows no such file, and where the product names its own (ASSONi) and not this:
    a recipe makes maps of its stack and of each exposure.
    """
    path = inputs.companions[category]
    with fits.open(path, do_not_scale_image_data=True) as source:
        hdus = [each.copy() for each in source]
        said, native = text(hdus[0].header, "PRODCATG"), text(hdus[0].header, "PIPEFILE")
        named = indexed(inputs.header, "ASSON")
        known = said if said in standard.ANCILLARY else None
        wanted = prodcatg or known or next((kind for word, kind in _KINDS if word in category), None)
        stranger = bool(named) and native is not None and native not in named
        if wanted is None or stranger:
            why = "the product names others (ASSONi)" if stranger else "the standard has no such ancillary"
            notes.remarks.append(f"{path.name} ({category}) is not delivered: {why}")
            return None
        if known is not None and known != wanted:
            sentence = f"of {path.name} was {known}, is {wanted}: that is what it holds"
            notes.mended.append(Note(0, "PRODCATG", sentence))
        parts = (f"{_part(wanted)}{number if number > 1 else ''}" for number in count(1))
        name = next(name for part in parts if (name := file_name(inputs.product, part)) not in taken)
        taken.add(name)
        _rename(hdus, wanted, name)
    return Ancillary(name, category, fits.HDUList(hdus))


def image_map(inputs: Inputs, like: fits.Header, pixels: Array, unit: str, prodcatg: str) -> Ancillary:
    """A map (ny, nx) in an image HDU of its own, with the celestial coordinates of the header `like`."""
    part = _part(prodcatg)
    hdu = fits.PrimaryHDU(np.asarray(pixels, np.float32))
    category = f"{inputs.category}_{part.upper()}"
    for keyword in _SHARED:
        if keyword in inputs.header:
            name = f"HIERARCH {keyword}" if " " in keyword else keyword
            hdu.header[name] = inputs.header[keyword]
    hdu.header["PRODCATG"] = prodcatg
    hdu.header["BUNIT"] = unit
    for keyword in standard.CELESTIAL:
        if keyword in like:
            hdu.header[keyword] = like[keyword]
    name = file_name(inputs.product, part)
    hdu.header["ORIGFILE"] = name
    hdu.header["HIERARCH ESO PRO CATG"] = category
    return Ancillary(name, category, fits.HDUList([hdu]))


def _part(prodcatg: str) -> str:
    return prodcatg.rpartition(".")[2].lower()


def _rename(hdus: list[Any], prodcatg: str, name: str) -> None:
    header = hdus[0].header
    world = WORLD if not header["NAXIS"] else frozenset[str]()
    for keyword in {*world, "ARCFILE", "DATAMD5", "RADECSYS", "LONGSTRN"} & set(header):
        if keyword == "RADECSYS":
            header["RADESYS"] = header[keyword]
        del header[keyword]
    header["PRODCATG"] = (prodcatg, "Data product category")
    header["ORIGFILE"] = (name, "Name of this file")
    for hdu in hdus:
        for keyword in DROPPED & {"CHECKSUM", "DATASUM"} & set(hdu.header):
            del hdu.header[keyword]
