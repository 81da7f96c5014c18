"""SCIENCE.CUBE.IFS: a cube with its variance, and the white-light image that goes with it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from astropy.io import fits

from processing.phase3 import standard
from processing.phase3.ancillaries import WHITE, Ancillary, companion, companions, file_name, image_map
from processing.phase3.headers import Array, celestial, number, text
from processing.phase3.inputs import Inputs
from processing.phase3.notes import Absent, Cards, Notes, PackagingError
from processing.phase3.photometry import broad_band
from processing.phase3.pixels import Science, coordinates, limit, middle
from processing.phase3.primary import DROPPED, begin, end, spectral_frame
from processing.phase3.quality import Width, star_width

_ANGSTROM = {"angstrom": 1.0, "nm": 10.0, "um": 1e4, "m": 1e10}


def cube(inputs: Inputs, hdus: fits.HDUList, notes: Notes) -> tuple[fits.HDUList, list[Ancillary]]:
    """The primary header, the cube and its variance if there is one; the white-light image is associated."""
    arrays = [each for each in hdus[1:] if each.is_image and each.header["NAXIS"] == 3]
    if not arrays:
        raise PackagingError(f"{inputs.product} holds no cube in an extension; a {standard.CUBE} is one")
    main = next((each for each in arrays if text(each.header, "HDUCLAS2") == "DATA"), arrays[0])
    noise = next(
        (each for each in arrays if text(each.header, "HDUCLAS2") == "ERROR" or each.name == "STAT"), None
    )
    wave = _wavelengths(inputs, main.header)
    white = _mean(np.asarray(main.data))
    ancillaries = _ancillaries(inputs, main.header, white, notes)
    wcs = celestial(main.header)
    image = Science(main.header, np.nan_to_num(white), np.isfinite(white), wcs)
    cards = Cards(inputs.header, 0, notes)
    name = file_name(inputs.product)
    names = [each.name for each in ancillaries]
    begin(inputs, cards, standard.CUBE, name, names, middle(inputs.header, [image]), inputs.made.seconds)
    _describe(inputs, cards, image, main, noise, wave)
    science = Cards(main.header, 1, notes)
    _scheme(science, "DATA", None, None if noise is None else "STAT")
    coordinates(science, wcs)
    _spectral_step(science)
    made = [fits.PrimaryHDU(header=end(inputs, cards, pixels=False))]
    drop = {*DROPPED, *standard.FORBIDDEN, *standard.PRIMARY_ONLY}
    made.append(fits.ImageHDU(np.asarray(main.data), science.finish(drop)))
    if noise is not None:
        variance = Cards(noise.header, 2, notes)
        _scheme(variance, "ERROR", "DATA", None)
        coordinates(variance, wcs)
        _spectral_step(variance)
        made.append(fits.ImageHDU(np.asarray(noise.data), variance.finish(drop)))
    return fits.HDUList(made), ancillaries


def _spectral_step(cards: Cards) -> None:
    """CD3_3: the standard knows no CDELT3."""
    step = number(cards.old, "CD3_3") or number(cards.old, "CDELT3")
    cards.put("CD3_3", step or Absent("the recipe does not say it"), "Spectral step")


def _mean(cube: Array) -> Array:
    """The mean over wavelength of the valid voxels; NaN where none is."""
    valid = np.isfinite(cube)
    counts = valid.sum(axis=0)
    total = np.where(valid, cube, 0.0).sum(axis=0, dtype=float)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)


def _wavelengths(inputs: Inputs, header: fits.Header) -> Array:
    """Of each plane, in angstrom."""
    scale = _ANGSTROM.get(str(header.get("CUNIT3", "")).lower())
    start, step = number(header, "CRVAL3"), number(header, "CD3_3") or number(header, "CDELT3")
    if scale is None or start is None or not step:
        raise PackagingError(
            f"{inputs.product} has no wavelengths: CRVAL3, CD3_3 and CUNIT3 say where it lies"
        )
    planes = np.arange(header["NAXIS3"]) + 1 - (number(header, "CRPIX3") or 1.0)
    return np.asarray((start + planes * step) * scale, float)


def _ancillaries(inputs: Inputs, header: fits.Header, white: Array, notes: Notes) -> list[Ancillary]:
    """The white-light image first: the recipe's if it is one of the cube's size, else made here."""
    size, taken, found = (header["NAXIS1"], header["NAXIS2"]), set[str](), None
    for category in sorted(inputs.companions):
        with fits.open(inputs.companions[category]) as hdus:
            sizes = {(each.header.get("NAXIS1"), each.header.get("NAXIS2")) for each in hdus if each.is_image}
            named = "white" in str(hdus[0].header.get("OBJECT", "")).lower()
        if named and size in sizes:
            found = companion(inputs, category, notes, taken, WHITE)
            break
    rest = inputs.companions.keys() - ({category} if found else set())
    if found is None:
        found = image_map(inputs, header, white, text(header, "BUNIT") or "", WHITE)
        notes.remarks.append(
            "the white-light image was made here: the mean of the valid voxels of each spaxel"
        )
    return [found, *companions(inputs, rest, notes)]


def _describe(inputs: Inputs, cards: Cards, image: Science, main: Any, noise: Any, wave: Array) -> None:
    low, high = number(cards.old, "WAVELMIN"), number(cards.old, "WAVELMAX")
    if low is None or high is None or not 0 < low < high:
        filled = np.isfinite(main.data).mean(axis=(1, 2)) >= 0.5 * np.isfinite(main.data).any(axis=0).mean()
        useful = np.flatnonzero(filled)
        low, high = float(wave[useful[0]]) / 10, float(wave[useful[-1]]) / 10
    scale = flux_unit(text(main.header, "BUNIT") or "")
    cards.put("FLUXCAL", "UNCALIBRATED" if scale is None else "ABSOLUTE", "Type of flux calibration")
    cards.put("SPECSYS", spectral_frame(inputs), "Spectral reference frame")
    cards.put("WAVELMIN", low, "[nm] Minimum wavelength")
    cards.put("WAVELMAX", high, "[nm] Maximum wavelength")
    power = number(cards.old, "SPEC_RES")
    none = Absent("the recipe does not tell its resolving power")
    cards.put("SPEC_RES", power if power is not None and power > 0 else none, "Spectral resolving power")
    width = _resolution(inputs, cards, image)
    _noise(cards, noise, scale)
    said = number(cards.old, "ABMAGLIM")
    if said is not None and 0 <= said <= 99:
        faintest: float | Absent = said
    elif scale is None:
        faintest = Absent("without a flux scale there is no zero point")
    else:
        faintest = limit(image, broad_band(scale, low * 10, high * 10), width, "")
    why = "the recipe found no blank sky; computed from the white-light image"
    cards.put("ABMAGLIM", faintest, "[mag] 5-sigma limit of the white-light image", why)


def _resolution(inputs: Inputs, cards: Cards, image: Science) -> Width | Absent:
    """SKY_RES: the recipe's, else of stars in the white-light image, else of the seeing monitor."""
    scale = image.arcsec
    said = number(cards.old, "SKY_RES")
    if scale is None:
        cards.put("SKY_RES", Absent("without world coordinates a pixel has no size on the sky"))
        return Absent("the width of a star is not known")
    if said is not None and 0 < said <= 99:
        cards.put("SKY_RES", said, "[arcsec] Spatial resolution")
        return Width(said / scale, None, 0)
    width = star_width(image.image, image.used)
    if not isinstance(width, Absent):
        cards.put("SKY_RES", round(width.fwhm * scale, 4), f"[arcsec] Median of {width.stars} fitted stars")
        return width
    monitor = [number(inputs.header, f"ESO TEL AMBI FWHM {end}") for end in ("START", "END")]
    seeing = [value for value in monitor if value is not None and value > 0]
    if not seeing:
        cards.put("SKY_RES", Absent(f"{width.why}, and the header has no TEL.AMBI.FWHM"))
        return width
    cards.put("SKY_RES", sum(seeing) / len(seeing), "[arcsec] Seeing monitor (TEL.AMBI.FWHM)")
    return Width(sum(seeing) / len(seeing) / scale, None, 0)


def _noise(cards: Cards, noise: Any, scale: float | None) -> None:
    """PIXNOISE: the recipe's, else the median of the error of all voxels, which are mostly sky."""
    said = number(cards.old, "PIXNOISE")
    if said is not None and said >= 0:
        cards.put("PIXNOISE", said, "[erg.s**(-1).cm**(-2).angstrom**(-1)]")
    elif noise is None or scale is None:
        cards.put("PIXNOISE", Absent("the product has no variance, or no flux scale"))
    else:
        variance = np.asarray(noise.data)
        error = float(np.sqrt(np.median(variance[np.isfinite(variance)]))) * scale
        cards.put("PIXNOISE", error, "[erg.s**(-1).cm**(-2).angstrom**(-1)]")


def flux_unit(unit: str) -> float | None:
    """One unit of BUNIT in erg/s/cm2/angstrom; None when it is no flux density."""
    if "erg" not in unit or "angstrom" not in unit.lower():
        return None
    power = re.search(r"10\*\*\((-?\d+)\)", unit)
    return 10.0 ** int(power[1]) if power else 1.0


def _scheme(cards: Cards, content: str, science: str | None, error: str | None) -> None:
    cards.put("EXTNAME", "STAT" if content == "ERROR" else "DATA", "Extension name")
    cards.put("HDUCLASS", "ESO", "Class name (ESO format)")
    cards.put("HDUDOC", "SDP", "ESO Science Data Products standard")
    cards.put("HDUVERS", "SDP version 8", "Version number")
    cards.put("HDUCLAS1", "IMAGE", "Data classification")
    cards.put("HDUCLAS2", content, "What this extension holds")
    if content == "ERROR":
        cards.put("HDUCLAS3", "MSE", "Variances")
    if science is not None:
        cards.put("SCIDATA", science, "Pointer to the science data")
    if error is not None:
        cards.put("ERRDATA", error, "Pointer to the variance")
