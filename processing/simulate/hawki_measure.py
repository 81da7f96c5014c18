"""HAWK-I products against the truth: darks, response, bad pixels, noise, and the stars of the stack."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray

from processing.simulate import hawki
from processing.simulate.casu import Stars, Vector
from processing.simulate.hawki import CHIPS, DARK_CURRENT, GAIN, HOT, READ_NOISE, Array
from processing.simulate.measurement import Measurement

Products = Mapping[str, tuple[Path, ...]]

# The variance of the median of four equal normal deviates, which the recipe takes of four flats
# (David & Nagaraja, Order Statistics); the mean's would be 0.25.
MEDIAN_OF_FOUR = 0.298
EDGE = 30  # pixels of a stack's edge where no star is looked for


def measure(products: Products, seed: int) -> list[Measurement]:
    """Every number that the products of one run give, extension by extension."""
    arrays = [hawki.array(chip, seed) for chip in CHIPS]
    return [
        *(each for path in products["MASTER_DARK"] for each in dark(path, arrays)),
        *flat(products["MASTER_TWILIGHT_FLAT"][0], arrays),
        *bad_pixels(products["MASTER_CONF"][0], arrays),
        *noise(products["MASTER_READGAIN"][0]),
        *stack(products["JITTERED_IMAGE_SCI"][0], products["OBJECT_CATALOGUE_JITTERED"][0], seed),
    ]


def dark(path: Path, arrays: list[Array]) -> Iterator[Measurement]:
    """Level of a master dark, and of its hot pixels above it: whole numbers, as the raw frames have."""
    with fits.open(path) as hdus:
        seconds = float(hdus[0].header["ESO DET DIT"])
        for chip, array, hdu in zip(CHIPS, arrays, hdus[1:], strict=True):
            name = f"HAWK-I {chip.extension} dark of {seconds:g} s"
            level = float(np.median(hdu.data))
            yield Measurement(name, chip.pedestal + DARK_CURRENT * seconds, level, 0.6, "ADU")
            hot = float(np.median(hdu.data[array.dark > HOT])) - level
            yield Measurement(f"{name}, hot pixels", HOT * seconds, hot, 0.01 * HOT * seconds + 1, "ADU")


def flat(path: Path, arrays: list[Array]) -> Iterator[Measurement]:
    """Response of the pixels, no noisier than photons make it, and of the chips to each other."""
    with fits.open(path) as hdus:
        levels = np.array([hdu.header["ESO DRS MEDFLAT"] for hdu in hdus[1:]])
        for chip, array, hdu, level in zip(CHIPS, arrays, hdus[1:], levels, strict=True):
            light = np.array(hawki.TWILIGHT) * chip.sensitivity
            photons = np.sqrt(MEDIAN_OF_FOUR * (1 / (GAIN * light) + (READ_NOISE / light) ** 2).mean())
            good = array.response > 0.5
            ratio = hdu.data[good] / array.response[good]
            scatter = float(ratio.std() / np.median(ratio))
            name = f"HAWK-I {chip.extension}"
            yield Measurement(f"{name} flat against response, rms", photons, scatter, 0.05 * photons, "")
            relative = float(level / levels.mean())
            yield Measurement(f"{name} sensitivity", chip.sensitivity, relative, 0.002, "")


def bad_pixels(path: Path, arrays: list[Array]) -> Iterator[Measurement]:
    """Dead pixels have no confidence, the others some; a few in a million stray beyond the recipe's limit."""
    with fits.open(path) as hdus:
        for chip, array, hdu in zip(CHIPS, arrays, hdus[1:], strict=True):
            dead, found = array.response < 0.5, hdu.data == 0
            number = int(dead.sum())
            name = f"HAWK-I {chip.extension} dead pixels"
            yield Measurement(f"{name} found", number, int((dead & found).sum()), 0.005 * number, "")
            yield Measurement(f"{name} made up", 0, int((found & ~dead).sum()), 20, "")


def noise(path: Path) -> Iterator[Measurement]:
    """Gain and read noise, which the recipe measures by the median absolute deviation.

    That of a dark's difference is a whole number of ADU: the read noise comes out 4 per cent high.
    """
    with fits.open(path) as hdus:
        for row in hdus[1].data:
            name = f"HAWK-I {row['EXTNAME']}"
            yield Measurement(f"{name} gain", GAIN, float(row["GAIN"]), 0.02 * GAIN, "e-/ADU")
            found = float(row["READNOISE"])
            yield Measurement(f"{name} read noise", READ_NOISE, found, 0.07 * READ_NOISE, "ADU")
            yield Measurement(f"{name} covariance of the noise", 1.0, float(row["COVAR"]), 0.02, "")


def stack(image: Path, catalogue: Path, seed: int) -> Iterator[Measurement]:
    """Sky, seeing, positions, fluxes and zero points of the stacked chips.

    A tenth of the stars may be lost: some lie on another, or are seen in one frame of the jitter only.
    hawki_wcsfit_multi takes the stacked chips to lie as the raw ones do, which costs 0.03 arcsec. Aperture 3
    has a radius of 10 pixels and loses 0.01 mag of a star's light.
    """
    stars = hawki.stars(seed)
    seconds = hawki.JITTER_DIT
    with fits.open(image) as images, fits.open(catalogue) as tables:
        for hdu, table in zip(images[1:], tables[1:], strict=True):
            name = f"HAWK-I {hdu.name}"
            sky = float(np.median(hdu.data))
            yield Measurement(f"{name} sky", hawki.SKY * seconds, sky, 0.001 * hawki.SKY * seconds, "ADU")
            yield Measurement(f"{name} seeing", hawki.SEEING, float(hdu.header["PSF_FWHM"]), 0.02, "arcsec")
            # casu_photcal_extinct.c adds the aperture correction and the extinction to the median. APCOR3 is
            # 0.1 mag where stars are few; the true one is 0.002.
            zero = hdu.header["ESO DRS ZPIM1"] - table.header["APCOR3"] - hdu.header["ESO DRS EXTINCT"]
            yield Measurement(f"{name} zero point", hawki.ZERO_POINT, float(zero), 0.04, "mag")
            found = match(hdu.header, hdu.data.shape, table.data, stars)
            number = len(found.star)
            yield Measurement(f"{name} stars found", found.expected, number, 0.1 * found.expected, "")
            if number:
                error = magnitude_error(found, stars.magnitudes["Kmag"], seconds)
                east, north = float(np.median(found.east)), float(np.median(found.north))
                yield Measurement(f"{name} magnitudes", 0.0, error, 0.03, "mag")
                yield Measurement(f"{name} positions, rms", 0.0, found.rms(), 0.06, "arcsec")
                yield Measurement(f"{name} position, east", 0.0, east, 0.03, "arcsec")
                yield Measurement(f"{name} position, north", 0.0, north, 0.03, "arcsec")


@dataclass(frozen=True, slots=True)
class Matched:
    """Simulated stars that a catalogue has.

    `star` are their indices, `east` and `north` how far off they were found [arcsec], `flux` is
    that in aperture 3 [ADU]; `expected` is how many stars lie in the image.
    """

    star: NDArray[np.intp]
    east: Vector
    north: Vector
    flux: Vector
    expected: int

    def rms(self) -> float:
        """The scatter of the positions about the truth, per axis [arcsec]."""
        return float(np.sqrt((self.east**2 + self.north**2).mean() / 2))


def match(header: fits.Header, shape: tuple[int, int], rows: fits.FITS_rec, stars: Stars) -> Matched:
    """Pair each star in the image with the nearest catalogue entry within an arcsecond.

    The entries' pixels are turned into positions by the image's own WCS: the columns RA and DEC are
    single precision.
    """
    wcs = world(header)
    x, y = wcs.all_world2pix(stars.ra, stars.dec, 0)
    inside = (x > EDGE) & (x < shape[1] - EDGE) & (y > EDGE) & (y < shape[0] - EDGE)
    ra, dec = wcs.all_pix2world(rows["X_coordinate"], rows["Y_coordinate"], 1)
    east = (ra[None, :] - stars.ra[:, None]) * np.cos(np.radians(stars.dec))[:, None] * 3600
    north = (dec[None, :] - stars.dec[:, None]) * 3600
    far = np.hypot(east, north)
    star = np.flatnonzero(inside & (far.min(axis=1) < 1.0))
    entry = far[star].argmin(axis=1)
    flux = np.asarray(rows["Aper_flux_3"], dtype=np.float64)[entry]
    return Matched(star, east[star, entry], north[star, entry], flux, int(inside.sum()))


def world(header: fits.Header) -> WCS:
    """The WCS of a product; that its RADECSYS is deprecated is no fault of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(header)


def magnitude_error(matched: Matched, magnitudes: Vector, seconds: float) -> float:
    """Median difference of the stars' magnitudes from the true ones, of the brighter half."""
    true = magnitudes[matched.star]
    bright = true <= np.median(true)
    found = hawki.ZERO_POINT - 2.5 * np.log10(matched.flux[bright] / seconds)
    return float(np.median(found - true[bright]))
