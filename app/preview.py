"""A small grey picture of a product, as PNG: its image, the mean of its cube, or its spectrum.

Only the pixels that are shown are read, unless the file is packed.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

Pixels: TypeAlias = NDArray[Any]

SIDE: Final = 600  # pixels, at most
_HEIGHT: Final = 200  # of a spectrum
_PLANES: Final = 15  # of a cube
_NARROW: Final = 8  # times as long as it is high: an image whose sides are sampled each for itself
_PACKED: Final = 256 * 1024 * 1024  # bytes; packed files are read whole, larger ones not at all
_CONTRAST: Final = 10.0
_CUT: Final = (0.5, 99.5)  # per cent of the values of an image are black, and not white
_LARGEST: Final = 1e100


def has_preview(path: Path) -> bool:
    """Whether there is something to show; only headers are read. False for a file that is none."""
    from astropy.io import fits

    if path.suffix in (".gz", ".Z", ".fz") and path.stat().st_size > _PACKED:
        return False
    with fits.open(path) as hdus:
        return _shown(hdus) is not None


def preview(path: Path) -> bytes | None:
    """The picture; None where the file has no pixels and no column FLUX. Raises OSError for a torn file."""
    from astropy.io import fits

    # Scaled or not, the picture is the same, but scaling reads the whole file.
    with fits.open(path, do_not_scale_image_data=True) as hdus:
        number = _shown(hdus)
        if number is None:
            return None
        hdu = hdus[number]
        data = hdu.data["FLUX"].ravel() if isinstance(hdu, fits.BinTableHDU) else hdu.data
        pixels = picture(np.squeeze(data))
    return _png(pixels)


def _shown(hdus: HDUList) -> int | None:
    """The first part of a file that has pixels, or a spectrum as ESO's science data products have it."""
    from astropy.io import fits

    for number, hdu in enumerate(hdus):
        if isinstance(hdu, fits.BinTableHDU) and not isinstance(hdu, fits.CompImageHDU):
            if "FLUX" in hdu.columns.names and hdu.header["NAXIS2"] > 0:
                return number
        elif hdu.shape and max(hdu.shape) > 1 and min(hdu.shape) > 0:
            return number
    return None


def picture(data: Pixels) -> NDArray[np.uint8]:
    """Grey pixels, the upper row first, of the values of an image, a cube or a spectrum."""
    while data.ndim > 3:
        data = data[0]
    if data.ndim == 3:
        step = _step(max(data.shape[1:]), SIDE)
        planes = _known(data[:: _step(len(data), _PLANES), ::step, ::step])
        there = np.isfinite(planes)
        data = np.where(there, planes, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    if data.ndim == 2 and min(data.shape) > 1:
        return _image(data)
    return _spectrum(_known(data.ravel()))


def _image(data: Pixels) -> NDArray[np.uint8]:
    height, width = data.shape
    down, across = _step(height, SIDE), _step(width, SIDE)
    if max(height, width) < _NARROW * min(height, width):
        down = across = max(down, across)
    sampled = _known(data[::down, ::across])
    low, high = _range(sampled, *_CUT)
    share = np.clip((np.nan_to_num(sampled, nan=low) - low) / (high - low), 0, 1)
    grey = np.arcsinh(_CONTRAST * share) / np.arcsinh(_CONTRAST)
    # FITS counts rows from below.
    picture: NDArray[np.uint8] = (255 * grey[::-1]).round().astype(np.uint8)
    return picture


def _spectrum(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A black line on white; each column goes from the least to the greatest of its values."""
    low, high = _range(values, 0, 100)
    canvas = np.full((_HEIGHT, min(SIDE, len(values))), 255, np.uint8)
    rows = np.clip((values - low) / (high - low), 0, 1) * (_HEIGHT - 1)
    before = np.empty(0)
    for column, part in enumerate(np.array_split(rows, canvas.shape[1])):
        known = np.concatenate([before, part[np.isfinite(part)]])
        if known.size:
            canvas[int(known.min()) : int(known.max()) + 1, column] = 0
            before = known[-1:]
    return canvas[::-1]


def _known(values: Pixels) -> NDArray[np.float64]:
    """The values, NaN where there is none or one that nothing can be computed of."""
    wide = values.astype(float)
    return np.where(np.abs(wide) < _LARGEST, wide, np.nan)


def _range(values: NDArray[np.float64], least: float, greatest: float) -> tuple[float, float]:
    """Two percentiles of the values, not the same number."""
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, (least, greatest)) if known.size else (0.0, 0.0)
    return float(low), float(high if high > low else low + max(1.0, abs(low)))


def _step(length: int, most: int) -> int:
    return -(-length // most)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """PNG (ISO 15948), 8 bits of grey."""
    height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
