"""Rules for arrays of pixels: images in one HDU, images of several chips, cubes, and how their HDUs refer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from astropy.io import fits

from processing.phase3 import standard
from processing.phase3.check_common import mandatory
from processing.phase3.headers import celestial, corners, number, surrounds, text
from processing.phase3.problems import TABLE_8, VALIDATOR, Problem, error, sdp, warning

# Degrees: an error of world coordinates above 2 arcsec is more likely one in arcseconds.
_BLUR = 2.0 / 3600.0


def image(hdus: Sequence[Any]) -> Iterator[Problem]:
    """SCIENCE.IMAGE: one image, in the primary HDU or in an extension that the HDUCLASS scheme names."""
    if hdus[0].header["NAXIS"]:
        if hdus[0].header["NAXIS"] != 2:
            yield error(
                0, "NAXIS", f"is {hdus[0].header['NAXIS']}, but an image has two axes", sdp("6.2.1.1")
            )
        for hdu, each in enumerate(hdus[1:], 1):
            if each.is_image:
                sentence = "an image beside the science image: give it in a file of its own, named by ASSONi"
                yield error(hdu, "", sentence, sdp("6.2, table 4"))
        science = [0]
    else:
        science = [hdu for hdu, each in enumerate(hdus) if text(each.header, "HDUCLAS2") == "DATA"]
        yield from _scheme(hdus, science)
    for hdu in science:
        yield from _science_pixels(hdu, hdus[hdu].header, special=False)
    yield from _pointing(hdus, science)


def mosaic(hdus: Sequence[Any]) -> Iterator[Problem]:
    """SCIENCE.MEFIMAGE: several images in extensions, nothing in the primary HDU."""
    yield from _empty_primary(hdus, sdp("6.2.2"))
    science = [hdu for hdu, each in enumerate(hdus) if hdu and each.is_image and each.header["NAXIS"]]
    if len(science) < 2:
        sentence = f"holds {len(science)} image extensions; a single image is a {standard.IMAGE}"
        yield error(None, "", sentence, sdp("6.2, table 4"))
    for hdu in science:
        if hdus[hdu].header["NAXIS"] != 2:
            yield error(hdu, "NAXIS", f"is {hdus[hdu].header['NAXIS']}, but must be 2", VALIDATOR)
        yield from _science_pixels(hdu, hdus[hdu].header, special=True)
    widths = [number(hdus[hdu].header, "PSF_FWHM") for hdu in science]
    if widths and all(width == -1 for width in widths):
        sentence = "is -1 in every extension; that is for single chips without a star"
        yield error(None, "PSF_FWHM", sentence, sdp("5.11"))
    yield from _pointing(hdus, science)


def cube(hdus: Sequence[Any]) -> Iterator[Problem]:
    """SCIENCE.CUBE.IFS: one cube in an extension, with at most its errors and its quality."""
    yield from _empty_primary(hdus, sdp("10.2"))
    science = [hdu for hdu, each in enumerate(hdus) if text(each.header, "HDUCLAS2") == "DATA"]
    yield from _scheme(hdus, science)
    arrays = [hdu for hdu, each in enumerate(hdus) if hdu and each.is_image]
    for hdu in arrays:
        header = hdus[hdu].header
        if header["NAXIS"] != 3:
            yield error(hdu, "NAXIS", f"is {header['NAXIS']}, but must be 3", VALIDATOR)
        if text(header, "HDUCLAS2") not in ("DATA", "ERROR", "QUALITY"):
            sentence = (
                "a cube has only DATA, ERROR and QUALITY beside each other; give it as a file of its own"
            )
            yield error(hdu, "HDUCLAS2", sentence, sdp("10.2"))
    for hdu in science:
        header = hdus[hdu].header
        yield from mandatory(hdu, header, standard.VOXELS, TABLE_8)
        yield from _degrees(hdu, header)
        for keyword in ("CSYER1", "CSYER2"):
            if keyword not in header:
                yield warning(hdu, keyword, "is missing, and the validator wants it", VALIDATOR)
        for other in arrays:
            yield from _same_frame(hdu, header, other, hdus[other].header)
    yield from _pointing(hdus, science)


def _empty_primary(hdus: Sequence[Any], source: str) -> Iterator[Problem]:
    if hdus[0].header["NAXIS"]:
        sentence = f"is {hdus[0].header['NAXIS']}: move the data to an extension"
        yield error(0, "NAXIS", sentence, source)


def _science_pixels(hdu: int, header: fits.Header, *, special: bool) -> Iterator[Problem]:
    """What describes the pixels of an image; `special`: PSF_FWHM may be -1."""
    yield from mandatory(hdu, header, standard.PIXELS, TABLE_8)
    yield from _degrees(hdu, header)
    for keyword in standard.RECOMMENDED_PIXELS:
        if keyword not in header:
            yield warning(hdu, keyword, "is missing, and is recommended", TABLE_8)
    for keyword in ("CRDER1", "CRDER2", "CSYER1", "CSYER2"):
        blur = number(header, keyword)
        if blur is not None and not 0 <= blur < _BLUR:
            sentence = f"is {blur:g} deg, which is {blur * 3600:.1f} arcsec; is it in another unit?"
            yield warning(hdu, keyword, sentence, sdp("5.4"))
    system = text(header, "PHOTSYS")
    if system is not None and system not in ("VEGA", "AB"):
        yield error(hdu, "PHOTSYS", f"is {system!r}, but must be VEGA or AB", sdp("5.5"))
    width = number(header, "PSF_FWHM")
    if width is not None and width <= 0 and not (special and width == -1):
        yield error(hdu, "PSF_FWHM", f"is {width:g} arcsec, but must be positive", sdp("5.11"))
    faint, bright = number(header, "ABMAGLIM"), number(header, "ABMAGSAT")
    if faint is not None and bright is not None and faint <= bright:
        sentence = f"is {faint:g}, not fainter than ABMAGSAT, {bright:g}"
        yield error(hdu, "ABMAGLIM", sentence, VALIDATOR)


def _degrees(hdu: int, header: fits.Header) -> Iterator[Problem]:
    for keyword in ("CUNIT1", "CUNIT2"):
        unit = text(header, keyword)
        if unit is not None and unit != "deg":
            yield error(hdu, keyword, f"is {unit!r}, but celestial units must be deg", sdp("5.4"))


def _pointing(hdus: Sequence[Any], science: Sequence[int]) -> Iterator[Problem]:
    """RA and DEC lie where the images do."""
    place = number(hdus[0].header, "RA"), number(hdus[0].header, "DEC")
    if place[0] is None or place[1] is None:
        return
    outlines = []
    for hdu in science:
        try:
            wcs = celestial(hdus[hdu].header)
        except ValueError as wrong:
            yield error(
                hdu, "CTYPE1", f"the celestial coordinates contradict each other: {wrong}", sdp("5.4")
            )
            continue
        if wcs is None:
            sentence = f"is {hdus[hdu].header.get('CTYPE1')!r}: there are no celestial coordinates"
            yield error(hdu, "CTYPE1", sentence, sdp("6.1.1"))
        else:
            outlines.append(corners(wcs, hdus[hdu].header))
    if outlines and not surrounds(np.concatenate(outlines), place[0], place[1]):
        low, high = np.concatenate(outlines).min(axis=0), np.concatenate(outlines).max(axis=0)
        sentence = (
            f"and DEC are {place[0]:.4f} {place[1]:+.4f}, outside of what the pixels cover "
            f"({low[0]:.4f} to {high[0]:.4f}, {low[1]:+.4f} to {high[1]:+.4f}); give the centre"
        )
        yield error(0, "RA", sentence, VALIDATOR)


def _scheme(hdus: Sequence[Any], science: Sequence[int]) -> Iterator[Problem]:
    """The HDUCLASS scheme: one science HDU, and the others that point at it and are pointed at."""
    if len(science) != 1:
        sentence = f"DATA marks {len(science)} HDUs, but exactly one holds the science data"
        yield error(None, "HDUCLAS2", sentence, sdp("5.10"))
        return
    master = hdus[science[0]].header
    for hdu, each in enumerate(hdus[1:], 1):
        if not each.is_image:
            continue
        header = each.header
        yield from mandatory(
            hdu, header, ("HDUCLASS", "HDUDOC", "HDUVERS", "HDUCLAS1", "HDUCLAS2"), sdp("5.10")
        )
        for keyword, wanted in (("HDUCLASS", "ESO"), ("HDUCLAS1", "IMAGE")):
            if keyword in header and header[keyword] != wanted:
                yield error(hdu, keyword, f"is {header[keyword]!r}, but must be {wanted!r}", sdp("5.10"))
        content = text(header, "HDUCLAS2")
        if content is not None and content not in standard.HDU_CONTENTS:
            sentence = f"is {content!r}: take one of {', '.join(sorted(standard.HDU_CONTENTS))}"
            yield error(hdu, "HDUCLAS2", sentence, sdp("5.10"))
        if hdu == science[0]:
            if "SCIDATA" in header:
                yield error(hdu, "SCIDATA", "points at itself; remove it", sdp("5.10"))
            continue
        yield from _pointers(hdu, header, content or "", master)


def _pointers(hdu: int, header: fits.Header, content: str, master: fits.Header) -> Iterator[Problem]:
    name, science = text(header, "EXTNAME"), text(master, "EXTNAME")
    if text(header, "SCIDATA") != science:
        sentence = f"is {header.get('SCIDATA')!r}, but the science HDU is named {science!r}"
        yield error(hdu, "SCIDATA", sentence, sdp("5.10"))
    pointer = standard.POINTERS.get(content)
    if pointer is not None and text(master, pointer) != name:
        sentence = f"of the science HDU is {master.get(pointer)!r}, but the {content} HDU is named {name!r}"
        yield error(hdu, pointer, sentence, sdp("5.10"))
    kinds = {"ERROR": standard.ERROR_KINDS, "QUALITY": standard.QUALITY_KINDS}.get(content)
    if kinds is not None and text(header, "HDUCLAS3") not in kinds:
        sentence = f"is {header.get('HDUCLAS3')!r}: take one of {', '.join(sorted(kinds))}"
        yield error(hdu, "HDUCLAS3", sentence, sdp("5.10"))


def _same_frame(one: int, master: fits.Header, other: int, header: fits.Header) -> Iterator[Problem]:
    """Size and celestial coordinates of an HDU are those of the science HDU (10.2, 4)."""
    for keyword in ("NAXIS1", "NAXIS2", "NAXIS3", *standard.CELESTIAL, "CRVAL3", "CD3_3"):
        if keyword in master and header.get(keyword) != master[keyword]:
            sentence = (
                f"is {header.get(keyword)!r}, but {master[keyword]!r} in HDU {one}, which it belongs to"
            )
            yield error(other, keyword, sentence, sdp("10.2"))
