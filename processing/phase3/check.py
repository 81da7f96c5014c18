"""Our own checker of archive science products: every rule of the standard that can be put to one file."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from astropy.io import fits

from processing.phase3 import check_common, check_links, check_pixels, check_spectrum, standard
from processing.phase3.headers import text
from processing.phase3.integrity import inspect, is_intact
from processing.phase3.problems import FITS, Problem, error, sdp

_EPOCH_MJD = 40587.0


def check(path: Path, raws: Iterable[Path] | None = None, now: float | None = None) -> tuple[Problem, ...]:
    """Everything that is wrong with a product, errors and warnings, in the order of its HDUs.

    With `raws`, files among which those named by PROVi are looked for and compared; `now` (MJD) is the clock
    unless given. A file with wrong checksums is told only that: its headers may be anything. Raises OSError
    when the file cannot be read.
    """
    whole, damage = inspect(path)
    found = (*_file(path), *damage)
    if not is_intact(damage):
        return found
    moment = time.time() / 86400.0 + _EPOCH_MJD if now is None else now
    try:
        with warnings.catch_warnings(), fits.open(path) as hdus:
            warnings.simplefilter("ignore", fits.verify.VerifyWarning)  # fitsverify's own field
            found += tuple(_content(path, hdus, [unit.cards for unit in whole], raws, moment))
    except fits.VerifyError as wrong:
        found += (error(None, "", f"its headers cannot be understood: {wrong}", FITS),)
    return tuple(sorted(found, key=lambda each: -1 if each.hdu is None else each.hdu))


def _file(path: Path) -> Iterator[Problem]:
    if len(path.name) > standard.LONGEST_NAME:
        sentence = (
            f"its name has {len(path.name)} characters, but at most {standard.LONGEST_NAME} are allowed"
        )
        yield error(None, "", f"{sentence}; rename it, and ORIGFILE with it", sdp("3.4.1"))
    if not path.name.endswith((".fits", ".fits.fz")):
        yield error(None, "", f"{path.name} must end with .fits (or .fits.fz if compressed)", sdp("3.4.3"))


def _content(
    path: Path,
    hdus: fits.HDUList,
    cards: Sequence[Sequence[str]],
    raws: Iterable[Path] | None,
    now: float,
) -> Iterator[Problem]:
    primary = hdus[0].header
    category = text(primary, "PRODCATG")
    if category not in standard.KINDS:
        sentence = f"is {primary.get('PRODCATG')!r}; known here are {', '.join(standard.KINDS)}"
        yield error(0, "PRODCATG", sentence, sdp("4.1"))
        return
    yield from check_common.every(hdus, cards, now)
    if "ORIGFILE" in primary and primary["ORIGFILE"] != path.name:
        sentence = f"is {primary['ORIGFILE']!r}, but the file is {path.name!r}"
        yield error(0, "ORIGFILE", sentence, sdp("5.12"))
    match category:
        case standard.IMAGE:
            yield from check_pixels.image(hdus)
        case standard.MOSAIC:
            yield from check_pixels.mosaic(hdus)
        case standard.SPECTRUM:
            yield from check_spectrum.spectrum(hdus)
        case _:
            yield from check_pixels.cube(hdus)
    yield from check_links.ancillary(path, hdus)
    if raws is not None:
        yield from check_links.provenance(primary, raws)
