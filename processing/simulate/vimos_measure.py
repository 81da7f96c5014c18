"""VIMOS products against the truth, quadrant by quadrant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from processing.simulate import vimos_camera as camera
from processing.simulate.casu import Stars, Vector
from processing.simulate.measurement import Measurement
from processing.simulate.vimos_camera import PRESCAN, QUADRANTS, WIDTH, Quadrant

Pixels = NDArray[np.float64]

MARGIN = 40  # pixels from the edge of a stack, where exposures are missing
DEAD = 0.3  # a dead pixel's response is below


def measure(
    made: Mapping[str, tuple[Path, ...]], exposures: int, seconds: float, seed: int
) -> list[Measurement]:
    """Every product of the chain against what was simulated: `exposures` of `seconds` in the stack."""
    return [
        *biases(made["MASTER_BIAS"][0]),
        *darks(made["MASTER_DARK"][0]),
        *flats(made["MASTER_TWILIGHT_FLAT"][0], made["MASTER_CONF"][0], seed),
        *read_outs(made["MASTER_READGAIN"][0]),
        # Exposures of one LST are one exposure to the recipe, which drops the others without a word.
        Measurement("VIMOS exposures reduced", exposures, len(made["BASIC_CALIBRATED_SCI"]), 0, ""),
        *stacks(made["JITTERED_IMAGE_SCI"][0], made["OBJECT_CATALOGUE_SCI_JITTERED"][0], seconds, seed),
    ]


def biases(path: Path) -> Iterator[Measurement]:
    """The level of the master bias; rounding and noise average out over five million pixels."""
    for quadrant, image in _images(path):
        level = float(image[:, PRESCAN : PRESCAN + WIDTH].mean())
        truth = quadrant.bias + float(camera.bias_structure().mean())
        yield Measurement(f"VIMOS Q{quadrant.number} bias level", truth, level, 0.05, "ADU")


def darks(path: Path) -> Iterator[Measurement]:
    """The dark current: the recipe divides by the exposure time."""
    for quadrant, image in _images(path):
        rate = float(image[:, PRESCAN : PRESCAN + WIDTH].mean())
        truth = camera.DARK / quadrant.gain
        yield Measurement(f"VIMOS Q{quadrant.number} dark current", truth, rate, 0.02 * truth, "ADU/s")


def flats(path: Path, confidence: Path, seed: int) -> Iterator[Measurement]:
    """The response of each pixel: four flats of 19,000 ADU leave 0.30 per cent of photon noise.

    A dead pixel has no confidence (MASTER_BPM lists other ones: it takes few of them).
    """
    confident = {quadrant.number: image for quadrant, image in _images(confidence)}
    for quadrant, image in _images(path):
        true = camera.response(seed, quadrant)
        dead = true < DEAD
        error = float((image[~dead] / true[~dead] - 1).std())
        found = float((confident[quadrant.number][dead] == 0).mean())
        name = f"VIMOS Q{quadrant.number}"
        yield Measurement(f"{name} flat field, rms error", 0.0, error, 0.0035, "")
        yield Measurement(f"{name} dead pixels found", 1.0, found, 0.01, "")


def read_outs(path: Path) -> Iterator[Measurement]:
    """Gain and read noise; counting whole ADU adds a noise of 1/sqrt(12)."""
    with fits.open(path) as hdus:
        table = {str(row["EXTNAME"]): (row["GAIN"], row["READNOISE"]) for row in hdus[1].data}
    for quadrant in QUADRANTS:
        gain, noise = map(float, table[quadrant.chip])
        true = float(np.hypot(quadrant.noise, 12**-0.5))
        name = f"VIMOS Q{quadrant.number}"
        yield Measurement(f"{name} gain", quadrant.gain, gain, 0.02 * quadrant.gain, "e-/ADU")
        yield Measurement(f"{name} read noise", true, noise, 0.02 * true, "ADU")


def stacks(path: Path, catalogue: Path, seconds: float, seed: int) -> Iterator[Measurement]:
    """Sky, positions and fluxes of the stars, and the zero point that the recipe found.

    The flat field brings the quadrants to one gain, of which the light of all four is the mean.
    """
    sky = camera.stars(seed)
    gain = 1 / float(np.mean([1 / quadrant.gain for quadrant in QUADRANTS]))
    true_zero = camera.magnitude_of_an_electron(seconds) - 2.5 * float(np.log10(gain))
    zeros, edges = [], []
    with fits.open(path) as images, fits.open(catalogue) as lists:
        for quadrant in QUADRANTS:
            name, image = f"VIMOS Q{quadrant.number}", images[quadrant.chip]
            head, table = image.header, lists[quadrant.chip].data
            level = float(np.median(image.data))
            yield Measurement(f"{name} sky", camera.SKY * seconds / gain, level, 1.0, "ADU")
            wcs = WCS(head)
            edges.append(float(wcs.calc_footprint()[:, 0].max()))
            stars, rows, off = matched(sky, wcs, image.data.shape, table)
            rms = float(np.sqrt((off**2).mean())) * camera.PIXEL * 1000
            yield Measurement(f"{name} rms error of the stars' positions", 0.0, rms, 10.0, "mas")
            zero = stars + 2.5 * np.log10(table["Aper_flux_3"][rows])
            error = float(np.median(zero)) - true_zero
            yield Measurement(f"{name} median error of the stars' fluxes", 0.0, error, 0.01, "mag")
            zeros.append(head["PHOTZP"] - lists[quadrant.chip].header["APCOR3"])
        primary = images[0].header
    # PHOTZP is for fluxes that APCOR3 corrects for the light outside the aperture: 0.05 mag, though the
    # simulated stars have no wings.
    yield Measurement("VIMOS zero point without APCOR3", true_zero, float(np.mean(zeros)), 0.02, "mag")
    yield Measurement("VIMOS declination of the stack", camera.DEC, primary["DEC"], 0.01, "deg")
    # A fault of vimos_ima_science: it looks for the edges of the stack from 10 and -10 degrees on, so that
    # away from right ascension 0 one edge stays there. The extensions are right.
    wrong = (10 + max(edges)) / 2
    yield Measurement(
        "VIMOS right ascension of the stack, as the recipe gets it wrong", wrong, primary["RA"], 0.01, "deg"
    )


def matched(
    sky: Stars, wcs: WCS, shape: tuple[int, int], table: fits.FITS_rec
) -> tuple[Vector, NDArray[np.intp], Pixels]:
    """Stars inside the image that the catalogue lists: magnitude, row, and offset in x and y [pixels]."""
    x, y = wcs.all_world2pix(sky.ra, sky.dec, 1)
    inside = (x > MARGIN) & (x < shape[1] - MARGIN) & (y > MARGIN) & (y < shape[0] - MARGIN)
    dx = table["X_coordinate"][None, :] - x[inside, None]
    dy = table["Y_coordinate"][None, :] - y[inside, None]
    rows = np.hypot(dx, dy).argmin(axis=1)
    offsets = np.stack([dx, dy])[:, np.arange(len(rows)), rows]
    near = np.hypot(*offsets) < 5
    return sky.magnitudes["rmag"][inside][near], rows[near], offsets[:, near]


def _images(path: Path) -> Iterator[tuple[Quadrant, Pixels]]:
    """The image of each quadrant, which is the extension of its chip's name."""
    with fits.open(path) as hdus:
        for quadrant in QUADRANTS:
            yield quadrant, np.array(hdus[quadrant.chip].data, dtype=np.float64)
