"""The header beside the pixels of a science image: units, world coordinates, photometry, quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log10, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.wcs import WCS

from processing.phase3.headers import (
    Array,
    barycentre,
    celestial,
    centre,
    corners,
    distance,
    number,
    surrounds,
    text,
)
from processing.phase3.inputs import Inputs
from processing.phase3.notes import Absent, Cards, Note
from processing.phase3.photometry import ZeroPoint, zero_point
from processing.phase3.primary import Place
from processing.phase3.quality import Width, faintest_flux, star_width
from processing.phase3.saturation import brightest

# What recipes leave out, as measured: naco_img_jitter averages raw frames, which are ADU per DIT.
_UNITS: Mapping[str, str] = {"naco_img_jitter": "adu", "visir_old_img_combine": "adu/s"}
# Arcseconds within which a place is the centre of an image.
_CENTRED = 1.0
# Magnitudes that a limiting magnitude may be deeper than the noise of the pixels says.
_TOO_DEEP = 0.5


@dataclass(frozen=True, slots=True)
class Science:
    """A science image: its old header, its pixels, which of them count, its celestial coordinates."""

    header: fits.Header
    image: Array
    used: npt.NDArray[np.bool_]
    wcs: WCS | None

    @property
    def arcsec(self) -> float | None:
        """Size of a pixel in arcseconds."""
        return None if self.wcs is None else sqrt(abs(np.linalg.det(self.wcs.pixel_scale_matrix))) * 3600.0


def science(hdu: Any, covered: npt.NDArray[np.bool_] | None = None) -> Science:
    """Read an image HDU; pixels that are NaN, void (exactly 0) or not `covered` do not count."""
    image = np.asarray(hdu.data, float)
    used = np.isfinite(image) & (image != 0) if covered is None else np.isfinite(image) & covered
    return Science(hdu.header, np.where(used, image, 0.0), used, celestial(hdu.header))


def middle(primary: fits.Header, images: list[Science]) -> Place | Absent:
    """RA and DEC as the standard defines them (5.1): the centre of an image, the barycentre of several."""
    placed = [(image.wcs, image.header) for image in images if image.wcs is not None]
    if not placed:
        return Absent("the image has no celestial coordinates")
    where = barycentre([centre(wcs, header) for wcs, header in placed])
    why = "the centre of the image is meant"
    said = number(primary, "RA"), number(primary, "DEC")
    if said[0] is not None and said[1] is not None:
        if distance(where, (said[0], said[1])) * 3600 < _CENTRED:
            return Place(said[0], said[1], "")
        outline = np.concatenate([corners(wcs, header) for wcs, header in placed])
        if not surrounds(outline, said[0], said[1]):
            why = "the recipe's lay outside of what the pixels cover; the centre is meant"
    return Place(*where, why)


def describe(inputs: Inputs, cards: Cards, image: Science, band: str) -> None:
    """All that a science image says of its pixels."""
    unit(inputs, cards)
    coordinates(cards, image.wcs)
    zero = zero_point(inputs, cards.old, band)
    photometry(cards, zero)
    width = _psf(cards, image)
    _limits(inputs, cards, image, zero, width, band)


def unit(inputs: Inputs, cards: Cards) -> None:
    """BUNIT in ESO's spelling."""
    said = text(cards.old, "BUNIT") or _UNITS.get(inputs.recipe)
    lacking = Absent(f"{inputs.recipe or 'the recipe'} does not say the unit of its pixels")
    value = lacking if said is None else said.lower() if said.lower() in ("adu", "adu/s") else said
    cards.put("BUNIT", value, "Physical unit of array values", "as the DICD spells it")


def coordinates(cards: Cards, wcs: WCS | None) -> None:
    """The celestial axes as one CD matrix in degrees."""
    if wcs is None:
        why = "the recipe gave its product no celestial coordinates"
        cards.notes.absent.append(Note(cards.hdu, "CRVALi CTYPEi CDi_j", why))
        return
    matrix = wcs.pixel_scale_matrix
    for axis in (1, 2):
        cards.put(f"CTYPE{axis}", str(wcs.wcs.ctype[axis - 1]))
        cards.put(f"CUNIT{axis}", "deg")
        cards.put(f"CRVAL{axis}", float(wcs.wcs.crval[axis - 1]), "[deg]")
        cards.put(f"CRPIX{axis}", float(wcs.wcs.crpix[axis - 1]), "[pix]")
        for other in (1, 2):
            old = number(cards.old, f"CD{axis}_{other}")
            value = float(matrix[axis - 1, other - 1]) if old is None else old
            cards.put(f"CD{axis}_{other}", value, "Transformation matrix")
    _uncertainty(cards)


def _uncertainty(cards: Cards) -> None:
    """CRDERi in degrees: the CASU recipes (HAWK-I, VIMOS) write the RMS in arcseconds there."""
    rms = number(cards.old, "ESO QC WCS_RMS")
    for keyword in ("CRDER1", "CRDER2"):
        said = number(cards.old, keyword)
        if said is not None and rms is not None and abs(said - rms) <= 1e-9 * rms:
            why = "it was the RMS of QC.WCS_RMS in arcseconds; half of that in degrees is meant"
            cards.put(keyword, rms / 2 / 3600.0, "[deg] Random error", why)
    for keyword in ("CSYER1", "CSYER2"):
        said = number(cards.old, keyword)
        if said is not None and said < 0:  # muse_scipost writes -1
            cards.put(keyword, Absent("the recipe does not know it, and FITS allows no negative error"))


def photometry(cards: Cards, zero: ZeroPoint | Absent) -> None:
    """PHOTZP, its error and system."""
    if isinstance(zero, Absent):
        for keyword in ("PHOTZP", "PHOTSYS"):
            cards.put(keyword, zero)
        return
    cards.put("PHOTZP", zero.magnitude, "[mag] Photometric zero point")
    cards.put("PHOTSYS", zero.system, "Photometric system")
    if zero.error is not None:
        cards.put("PHOTZPER", zero.error, "[mag] Uncertainty of PHOTZP")


def _psf(cards: Cards, image: Science) -> Width | Absent:
    """PSF_FWHM: the recipe's if it has one (or -1 for a chip without stars), else measured here."""
    said, scale = number(cards.old, "PSF_FWHM"), image.arcsec
    if scale is None:
        cards.put("PSF_FWHM", Absent("without world coordinates a pixel has no size on the sky"))
        return Absent("the width of a star is not known")
    if said is not None and (said > 0 or said == -1):
        cards.put("PSF_FWHM", said, "[arcsec] Spatial resolution")
        return Width(said / scale, None, 0) if said > 0 else Absent("the width of a star is not known")
    width = star_width(image.image, image.used)
    if isinstance(width, Absent):
        cards.put("PSF_FWHM", width)
        return width
    cards.put("PSF_FWHM", round(width.fwhm * scale, 4), f"[arcsec] Median of {width.stars} fitted stars")
    return width


def _limits(
    inputs: Inputs, cards: Cards, image: Science, zero: ZeroPoint | Absent, width: Width | Absent, band: str
) -> None:
    """ABMAGLIM and ABMAGSAT: the recipe's where they make sense, else computed as far as that goes."""
    said, bright = number(cards.old, "ABMAGLIM"), number(cards.old, "ABMAGSAT")
    ours, why = limit(image, zero, width, band), ""
    if said is not None and 0 <= said <= 99:
        # Optimal extraction is what `limit` assumes: nothing goes deeper. vimos_ima_science says 3 mag more.
        too_deep = not isinstance(ours, Absent) and said > ours + _TOO_DEEP
        why = "the noise of the pixels allows no more" if too_deep else ""
        ours = ours if too_deep else said
    cards.put("ABMAGLIM", ours, "[mag] 5-sigma limiting AB magnitude", why)
    known = bright is not None and 0 <= bright <= 99
    sensible = bright if known and bright is not None else brightest(inputs, zero, width, band)
    cards.put("ABMAGSAT", sensible, "[mag] Saturation limit (AB)")


def limit(image: Science, zero: ZeroPoint | Absent, width: Width | Absent, band: str) -> float | Absent:
    """The 5-sigma limiting AB magnitude of a star."""
    if isinstance(zero, Absent):
        return zero
    if isinstance(width, Absent):
        return width
    ab, flux = zero.ab(band), faintest_flux(image.image, image.used, width.fwhm)
    if isinstance(ab, Absent):
        return ab
    if isinstance(flux, Absent):
        return flux
    magnitude = round(ab - 2.5 * log10(flux), 3)
    lacking = Absent(f"the noise of the pixels makes it {magnitude}, which is no magnitude of a star")
    return magnitude if 0 <= magnitude <= 99 else lacking
