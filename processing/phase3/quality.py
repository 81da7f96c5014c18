"""What the pixels of an image tell: background noise, the width of its stars, how faint a star may be.

Methods of ESO-044286 v8, 5.11. Images are (ny, nx); NaN and masked pixels do not count; widths in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.optimize import least_squares

from processing.phase3.headers import Array
from processing.phase3.notes import Absent

FWHM_OF_SIGMA = float(np.sqrt(8 * np.log(2)))

# Half the width of the window that one star gets to itself, and how many of the brightest are measured.
_REACH = 10
_STARS = 50
# More pixels than this do not make a median better.
_ENOUGH = 500_000
# A star must stand this many sigma of the smoothed background above it; fainter ones widen by their noise.
_CLEAR = 30.0
# A peak narrower than this many pixels is a cosmic ray or a hot pixel, not light through optics.
_SHARPEST = 1.2


@dataclass(frozen=True, slots=True)
class Width:
    """Median FWHM of the stars in an image, its standard error (None for a single star), their number."""

    fwhm: float
    error: float | None
    stars: int


def background(image: Array, used: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Level and noise of the sky: median and scaled median absolute deviation, stars clipped at 3 sigma.

    Raises ValueError when no pixel is used.
    """
    values = image[used]
    if not values.size:
        raise ValueError("no pixel to measure the background on")
    values = values[:: max(1, values.size // _ENOUGH)]
    level = sigma = 0.0
    for _ in range(10):
        level = float(np.median(values))
        sigma = 1.4826 * float(np.median(np.abs(values - level)))
        kept = values[np.abs(values - level) <= 3 * sigma]
        if sigma == 0 or kept.size == values.size:
            break
        values = kept
    return level, sigma


def star_width(image: Array, used: npt.NDArray[np.bool_]) -> Width | Absent:
    """The width of the stars: Gaussians fitted to the brightest that stand alone."""
    if min(image.shape) <= 2 * _REACH + 1:
        return Absent(
            f"the image is {image.shape[1]} x {image.shape[0]} pixels, too small to single out a star"
        )
    if not used.any():
        return Absent("no pixel is valid")
    level, _ = background(image, used)
    clean = np.where(used, image - level, 0.0)
    smooth = gaussian_filter(clean, 1.0)
    _, noise = background(smooth, used)
    if noise == 0:
        return Absent("the image has no noise, so that no star can be told from it")
    tops = (smooth == maximum_filter(smooth, 2 * _REACH + 1)) & (smooth > _CLEAR * noise)
    inner = np.s_[_REACH:-_REACH, _REACH:-_REACH]
    rows, columns = np.nonzero(tops[inner])
    order = np.argsort(-smooth[inner][rows, columns], kind="stable")[:_STARS]
    widths = []
    for y, x in zip(rows[order] + _REACH, columns[order] + _REACH, strict=True):
        window = np.s_[y - _REACH : y + _REACH + 1, x - _REACH : x + _REACH + 1]
        if used[window].all() and (width := _fit(clean[window])) is not None:
            widths.append(width)
    if not widths:
        return Absent("no star in the image is bright, whole and alone enough to be measured")
    spread = 1.4826 * float(np.median(np.abs(np.array(widths) - np.median(widths))))
    error = 1.2533 * spread / len(widths) ** 0.5 if len(widths) > 1 else None
    return Width(float(np.median(widths)), error, len(widths))


def _fit(cutout: Array) -> float | None:
    """FWHM of an elliptical Gaussian on a constant, the geometric mean of both axes; None if it is none."""
    y, x = np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1]

    def residuals(model: Sequence[float]) -> Any:
        height, dx, dy, wide, high, floor = model
        return (
            height * np.exp(-0.5 * (((x - dx) / wide) ** 2 + ((y - dy) / high) ** 2)) + floor - cutout
        ).ravel()

    peak = float(cutout[_REACH, _REACH])
    bounds = ([0, -3, -3, 0.2, 0.2, -np.inf], [np.inf, 3, 3, _REACH, _REACH, np.inf])
    if peak <= 0:
        return None
    found = least_squares(residuals, (peak, 0.0, 0.0, 1.5, 1.5, 0.0), bounds=bounds)
    height, _, _, wide, high, _ = found.x
    width = FWHM_OF_SIGMA * float(np.sqrt(wide * high))
    residual = float(np.sqrt(np.mean(found.fun**2)))
    good = found.success and _SHARPEST < width < _REACH and residual < 0.1 * height
    return width if good else None


def faintest_flux(image: Array, used: npt.NDArray[np.bool_], fwhm: float) -> float | Absent:
    """Flux of a star that stands 5 sigma out of the noise, in units of the image.

    The standard's formula (5.11): noise in the image smoothed with the star's own profile, so that noise
    which neighbouring pixels share (stacks are resampled) counts as it should.
    """
    level, _ = background(image, used)
    smooth = gaussian_filter(np.where(used, image - level, 0.0), fwhm / FWHM_OF_SIGMA)
    _, noise = background(smooth, used)
    if noise == 0:
        return Absent("the background has no noise")
    return float(5 * noise * fwhm**2 * np.pi / (2 * np.log(2)))
