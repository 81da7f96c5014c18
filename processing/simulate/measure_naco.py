"""NACO products against the truth: dark level, flat field, fluxes of the stars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from processing.simulate.measurement import Measurement
from processing.simulate.naco import BORDER, DARK, HOT, SCALES, SIZE, Detector, Star, encircled

Pixels = NDArray[np.float64]

FLUX_LIMIT = 0.02
APERTURE, SKY_INNER, SKY_OUTER = 12.0, 20.0, 28.0  # radii in pixels


def dark(path: Path) -> list[Measurement]:
    """The level of a master dark."""
    level = float(np.median(_image(path)))
    return [Measurement("NACO dark level", DARK, level, 0.01 * DARK, "ADU")]


def flat(path: Path) -> list[Measurement]:
    """The pixel-to-pixel response: 2 per cent rms were put in, the illumination is smooth."""
    image = _image(path)
    grain = image / gaussian_filter(image, 8.0)
    scatter = 1.4826 * float(np.median(np.abs(grain - np.median(grain))))
    return [Measurement("NACO flat, pixel response rms", 0.02, scatter, 0.002, "")]


def hot_pixels(path: Path, truth: Detector) -> list[Measurement]:
    """How many of the hot pixels a map marks; the recipe leaves out no border of a dark."""
    found = _image(path) > 0
    hot = truth.dark > DARK + HOT / 2
    return [
        Measurement("NACO hot pixels found", 1.0, float(found[hot].mean()), 0.01, ""),
        Measurement("NACO good pixels called hot", 0.0, float(found[~hot].mean()), 1e-3, ""),
    ]


def response(name: str, path: Path, truth: Detector, limit: float) -> list[Measurement]:
    """A master flat over the response that was simulated: its level, by convention 1, and its scatter."""
    ratio = _image(path) / truth.flat
    level = float(np.median(ratio[BORDER:-BORDER, BORDER:-BORDER]))
    scatter = 1.4826 * float(np.median(np.abs(ratio / level - 1)))
    return [
        Measurement(f"NACO {name} over the true response", 1.0, level, limit, ""),
        Measurement(f"NACO {name}, scatter of that", 0.0, scatter, 0.005, ""),
    ]


def zero_point(path: Path, truth: float) -> list[Measurement]:
    """The magnitude of a star that gives one ADU per second, which the recipe writes as QC ZPOINT."""
    found = float(fits.getheader(path)["HIERARCH ESO QC ZPOINT"])
    return [Measurement("NACO zero point", truth, found, 0.02, "mag")]


def world(path: Path, stars: Sequence[Star]) -> list[Measurement]:
    """Where the world coordinates of a stack put its brightest star, against the reference pixel."""
    image = _image(path)
    dx, dy = shift(image, stars)
    star = max(stars, key=lambda each: each.flux)
    cards = fits.getheader(path)
    half = SIZE / 2
    found = (
        (star.x + dx + 1 - cards["CRPIX1"]) * cards["CD1_1"] * 3600,
        (star.y + dy + 1 - cards["CRPIX2"]) * cards["CD2_2"] * 3600,
    )
    scale = SCALES["S27"]
    true = (-(star.x + 1 - half) * scale, (star.y + 1 - half) * scale)
    return [
        Measurement(f"NACO brightest star, {axis}", wanted, float(has), 0.2 * scale, "arcsec")
        for axis, wanted, has in zip(("RA", "Dec"), true, found, strict=True)
    ]


def fluxes(path: Path, stars: Sequence[Star]) -> list[Measurement]:
    """The flux of each star in a stacked image, within 2 per cent."""
    image = _image(path)
    dx, dy = shift(image, stars)
    return [
        Measurement(
            f"NACO star {number} at ({star.x:.0f}, {star.y:.0f})",
            star.flux,
            photometry(image, star.x + dx, star.y + dy),
            FLUX_LIMIT * star.flux,
            "ADU",
        )
        for number, star in enumerate(stars, start=1)
    ]


def shift(image: Pixels, stars: Sequence[Star]) -> tuple[float, float]:
    """How far the stack's pixels lie from those of the first frame, from the centroid of the brightest star.

    The recipe may stack onto the first frame or onto the union of all, which adds a margin.
    """
    brightest = max(stars, key=lambda star: star.flux)
    smooth = gaussian_filter(np.nan_to_num(image), 2.0)
    y, x = np.unravel_index(int(np.argmax(smooth)), smooth.shape)
    box = image[y - 3 : y + 4, x - 3 : x + 4]
    weight = np.clip(box - np.median(image), 0, None)
    rows, columns = np.mgrid[-3:4, -3:4]
    cx = float((weight * columns).sum() / weight.sum()) + float(x)
    cy = float((weight * rows).sum() / weight.sum()) + float(y)
    return cx - brightest.x, cy - brightest.y


def photometry(image: Pixels, x: float, y: float) -> float:
    """Aperture photometry with a local sky, corrected for the starlight outside and in the sky ring."""
    half = int(SKY_OUTER) + 2
    i, j = round(x), round(y)
    stamp = image[j - half : j + half + 1, i - half : i + half + 1]
    fine = 5
    step = (np.arange(fine) - (fine - 1) / 2) / fine
    grid = (np.arange(-half, half + 1)[:, None] + step).ravel()
    inside = np.hypot((grid - (x - i))[None, :], (grid - (y - j))[:, None]) <= APERTURE
    weight = inside.reshape(2 * half + 1, fine, 2 * half + 1, fine).mean(axis=(1, 3))
    rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
    radius = np.hypot(columns - (x - i), rows - (y - j))
    ring = (radius >= SKY_INNER) & (radius <= SKY_OUTER)
    sky = float(np.median(stamp[ring]))
    star_in_ring = (encircled(SKY_OUTER) - encircled(SKY_INNER)) / int(np.count_nonzero(ring))
    caught = encircled(APERTURE) - float(weight.sum()) * star_in_ring
    return float(((stamp - sky) * weight).sum()) / caught


def _image(path: Path) -> Pixels:
    with fits.open(path) as hdus:
        return np.array(hdus[0].data, dtype=np.float64)
