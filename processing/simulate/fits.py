"""Writes ESO-style FITS files: typed header cards, one image or one table, the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Value: TypeAlias = str | int | float | bool
Cards: TypeAlias = Mapping[str, Value]
# Any numeric image: frames are float32, int32 or uint16.
Image: TypeAlias = NDArray[Any]

_BLOCK = 2880
_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
_TABLE_FORMATS = {"f8": "D", "f4": "E", "i4": "J"}


def card(key: str, value: Value) -> str:
    """One 80-column card; a dotted key is an ESO one (`INS.GRAT1.WLEN` -> `HIERARCH ESO INS GRAT1 WLEN`).

    A float stays a float in the file (`1.0`, never `1`): the UVES recipes refuse an integer where they
    expect a double (CPL "Keyword has wrong type"). Raises ValueError where the card would not fit.
    """
    match value:
        case bool():
            text = "T" if value else "F"
        case str():
            text = "'" + value.replace("'", "''").ljust(8) + "'"
        case int():
            text = str(value)
        case float():
            text = repr(value).upper()
            if "E" in text and "." not in text:  # FITS 4.0 §4.2.4: readers take 1E-05 for an integer
                text = text.replace("E", ".0E")
    if "." in key:
        line = f"HIERARCH ESO {key.replace('.', ' ')} = {text}"
    else:
        line = f"{key:<8}= {text if isinstance(value, str) else text.rjust(20)}"
    if len(line) > 80 or ("." not in key and len(key) > 8):
        raise ValueError(f"FITS card too long: {line!r}; shorten the value of {key}")
    return line.ljust(80)


def write_image(path: Path, data: Image, cards: Cards) -> None:
    """A primary image or cube: float32, int32, or uint16 (stored as int16 with BZERO 32768)."""
    path.write_bytes(_header({"SIMPLE": True, **_layout(data, {"EXTEND": True}), **cards}) + _pixels(data))


def write_images(path: Path, cards: Cards, extensions: Iterable[tuple[Image, Cards]]) -> None:
    """An empty primary HDU with `cards`, then image extensions with theirs, EXTNAME among them."""
    with path.open("wb") as file:
        file.write(_header({"SIMPLE": True, "BITPIX": 8, "NAXIS": 0, "EXTEND": True, **cards}))
        for data, own in extensions:
            head = {"XTENSION": "IMAGE", **_layout(data, {"PCOUNT": 0, "GCOUNT": 1}), **own}
            file.write(_header(head) + _pixels(data))


def _layout(data: Image, after: Cards) -> dict[str, Value]:
    """BITPIX, the axes, what must come right after them (FITS 4.0 §4.4.1), and the scaling of an image."""
    axes = {f"NAXIS{number}": size for number, size in enumerate(reversed(data.shape), start=1)}
    size: dict[str, Value] = {"NAXIS": data.ndim, **axes, **after}
    match data.dtype:
        case np.uint16:
            return {"BITPIX": 16, **size, "BSCALE": 1.0, "BZERO": 32768.0}
        case np.int32:
            return {"BITPIX": 32, **size}
        case np.float32:
            return {"BITPIX": -32, **size}
        case other:
            raise ValueError(f"images are float32, int32 or uint16, not {other}")


def _pixels(data: Image) -> bytes:
    stored = (data ^ np.uint16(0x8000)).view(np.int16) if data.dtype == np.uint16 else data
    return _padded(stored.astype(stored.dtype.newbyteorder(">")).tobytes(), b"\0")


def write_table(
    path: Path, columns: Mapping[str, NDArray[Any]], cards: Cards, extension_cards: Cards | None = None
) -> None:
    """An empty primary HDU, then one binary table, each with its cards; columns are 1-D, equally long."""
    formats: dict[str, Value] = {}
    fields: list[tuple[str, str]] = []
    for number, (name, column) in enumerate(columns.items(), start=1):
        kind = column.dtype.str[1:]
        code = f"{column.dtype.itemsize}A" if column.dtype.kind == "S" else _TABLE_FORMATS[kind]
        formats |= {f"TTYPE{number}": name, f"TFORM{number}": code}
        fields.append((name, column.dtype.newbyteorder(">").str))
    rows = np.zeros(len(next(iter(columns.values()))), dtype=fields)
    for name, column in columns.items():
        rows[name] = column
    primary = {"SIMPLE": True, "BITPIX": 8, "NAXIS": 0, "EXTEND": True, **cards}
    extension = {
        "XTENSION": "BINTABLE",
        "BITPIX": 8,
        "NAXIS": 2,
        "NAXIS1": rows.dtype.itemsize,
        "NAXIS2": len(rows),
        "PCOUNT": 0,
        "GCOUNT": 1,
        "TFIELDS": len(columns),
        **formats,
        **(extension_cards or {}),
    }
    path.write_bytes(_header(primary) + _header(extension) + _padded(rows.tobytes(), b"\0"))


def mjd(when: datetime) -> float:
    """Modified Julian Date of a UTC time (not on the day of a leap second)."""
    return (when - _MJD_ZERO).total_seconds() / 86400.0


def timestamp(when: datetime) -> str:
    """`YYYY-MM-DDThh:mm:ss.sss`, as in DATE-OBS and in a dp_id."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}"


def when(text: str) -> datetime:
    """The UTC time of an ISO text."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _header(cards: Cards) -> bytes:
    lines = "".join(card(key, value) for key, value in cards.items()) + "END".ljust(80)
    return _padded(lines.encode("ascii"), b" ")


def _padded(data: bytes, fill: bytes) -> bytes:
    return data + fill * (-len(data) % _BLOCK)
