"""What a recipe leaves behind: reads the list of products, checks each, and hashes it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits


@dataclass(frozen=True, slots=True)
class ProductFile:
    """A checked product: where it is, its PRO.CATG, the SHA-256 of its bytes (hex), its size in bytes.

    The SHA-256 is of the file: DATAMD5 must never stand for it, as CPL 7.2 with CFITSIO 4.2 computes that
    over the first 46080 bytes of a data unit only, so that different frames carry the same value.
    """

    path: Path
    category: str
    sha256: str
    size: int


def read_product(path: Path, category: str) -> ProductFile:
    """Hash a product. Raises OSError when it cannot be read."""
    return ProductFile(path, category, sha256(path), path.stat().st_size)


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def listed_products(report: Path) -> tuple[tuple[str, str], ...]:
    """(file name, PRO.CATG) of each product in the JSON that `esorex --products-sof` writes.

    esorex writes no such file when the recipe failed: then nothing is listed, whatever files lie about.
    """
    if not report.exists():
        return ()
    return tuple((Path(item["name"]).name, item["category"]) for item in json.loads(report.read_bytes()))


def faults(path: Path, category: str) -> tuple[str, ...]:
    """Everything wrong with a product file; empty when it may enter an archive.

    A product must be FITS of the length its headers ask for, say the PRO.CATG it was reported with, carry
    right DATASUM and CHECKSUM in each HDU (FITS standard 4.0, 4.4.2.7), and hold a table or a pixel that is
    not NaN. An empty table is an answer: uves_obs_scired makes one of the cosmic rays when there are none.
    """
    try:
        # Scaling or decompressing would change the bytes that the sums were taken over.
        with fits.open(path, do_not_scale_image_data=True, disable_image_compression=True) as hdus:
            if torn := _length_faults(path, hdus[-1]):
                return torn
            found = _category_faults(hdus[0].header, category)
            for number, hdu in enumerate(hdus):
                found += _sum_faults(number, hdu)
            if not found and not any(_says_something(hdu) for hdu in hdus):
                found.append("holds no data: no table, and no pixel that is not NaN")
    except OSError as error:
        found = [f"is not readable as FITS ({error})"]
    return tuple(found)


def _length_faults(path: Path, last: Any) -> tuple[str, ...]:
    place = last.fileinfo()
    wanted, found = place["datLoc"] + place["datSpan"], path.stat().st_size
    return () if found == wanted else (f"is {found} bytes long where its headers ask for {wanted}",)


def _category_faults(header: fits.Header, category: str) -> list[str]:
    said = header.get("ESO PRO CATG")
    return [] if said == category else [f"was reported as {category}, but its header says PRO.CATG {said!r}"]


def _sum_faults(number: int, hdu: Any) -> list[str]:
    wrong = {0: "is wrong", 1: "", 2: "is missing"}  # the answers of astropy's verify_* methods
    answers = {"DATASUM": wrong[hdu.verify_datasum()], "CHECKSUM": wrong[hdu.verify_checksum()]}
    return [f"HDU {number}: {keyword} {answer}" for keyword, answer in answers.items() if answer]


def _says_something(hdu: Any) -> bool:
    if not hdu.is_image:
        return True
    pixels = hdu.data
    return pixels is not None and (pixels.dtype.kind != "f" or not bool(np.isnan(pixels).all()))
