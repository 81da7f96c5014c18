"""Headers from files: FITS, plain and compressed, and `.hdr` text as ESO's archive gives it; never pixels."""

from __future__ import annotations

import gzip
import math
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import Final

from uncompresspy import LZWFile

from app.errors import HeaderError
from app.header.cards import CARD, parse_header, parse_text
from app.header.value import Header, Value

_FITS_SUFFIXES: Final = tuple(
    f".{fits}{packed}" for fits in ("fits", "fit", "fts") for packed in ("", ".gz", ".fz", ".z")
)
_TEXT_SUFFIXES: Final = (".hdr", ".hdr.txt")
# In lower case: a file's name is lowered before it is compared, so that `.fits.Z` is meant too.
HEADER_SUFFIXES: Final = _FITS_SUFFIXES + _TEXT_SUFFIXES

_BLOCK: Final = 2880
# ESO's raw headers have 300 to 1,000 cards: most primary headers come in the first read.
_PRIMARY_READ: Final = 20 * _BLOCK
_EXTENSION_READ: Final = 4 * _BLOCK
# No header has 200,000 cards; a file without END is not read to its end to find that out.
_LONGEST: Final = 16 * 2**20
_END: Final = b"END".ljust(CARD)
_EXTENSION: Final = b"XTENSION="
_AGAIN: Final = "the file is torn, copy it again"

# What tile compression adds to an image's header (FITS 4.0 §10.1), and what it keeps under another name.
_OF_THE_TABLE: Final = re.compile(
    r"XTENSION|BITPIX|NAXIS\d*|[PG]COUNT|TFIELDS|THEAP|T(?:TYPE|FORM|UNIT|DIM|NULL|SCAL|ZERO|DISP)\d+"
    r"|CHECKSUM|DATASUM|EXTNAME|Z(?:IMAGE|CMPTYPE|SIMPLE|TENSION|BLOCKED|MASKCMP|QUANTIZ|DITHER0"
    r"|SCALE|ZERO|BLANK)|Z(?:TILE|NAME|VAL)\d+"
)
_STUB: Final = ("BITPIX", "NAXIS", "EXTEND", "CHECKSUM", "DATASUM")
_KEPT: Final = {
    "ZBITPIX": "BITPIX",
    "ZEXTEND": "EXTEND",
    "ZPCOUNT": "PCOUNT",
    "ZGCOUNT": "GCOUNT",
    "ZHECKSUM": "CHECKSUM",
    "ZDATASUM": "DATASUM",
}


def read_header(path: Path) -> Header:
    """The primary header of a file, chosen by its suffix (one of `HEADER_SUFFIXES`, in any case).

    Where tile compression moved a primary image into an extension, its header is put together again.
    Raises HeaderError where the file is empty, not FITS or torn: a header has no END card or, in an
    uncompressed file (`.fits.fz` too), the data of any HDU would end behind the file. Of a `.gz` or
    `.Z` only the header is unpacked, so that a later tear goes unseen.
    """
    name = path.name.lower()
    if name.endswith(_TEXT_SUFFIXES):
        return parse_text("\n".join(_lines(path)))
    _demand_suffix(path)
    with _file(path) as raw:
        stream = _unpacked(path, raw)
        block = _header_block(path, stream, 1)
        header = parse_header(block)
        if stream is raw:
            header = _walk(path, raw, header, len(block))
    return header


def read_extensions(path: Path) -> list[Header]:
    """The headers of the extensions, in the file's order; [] for a `.hdr` text and what is packed as a whole.

    Raises HeaderError as `read_header`.
    """
    if path.name.lower().endswith(_TEXT_SUFFIXES):
        return []
    _demand_suffix(path)
    with _file(path) as raw:
        stream = _unpacked(path, raw)
        if stream is not raw:
            return []
        block = _header_block(path, raw, 1)
        return [parse_header(each) for each in _extensions(path, raw, parse_header(block), len(block))]


def header_text(path: Path) -> str:
    """The primary header as it stands in the file: a card a line up to END, without trailing blanks."""
    if path.name.lower().endswith(_TEXT_SUFFIXES):
        return "\n".join(_lines(path)) + "\n"
    _demand_suffix(path)
    with _file(path) as raw:
        text = _header_block(path, _unpacked(path, raw), 1).decode("latin-1").rstrip(" ")
    return "".join(text[start : start + CARD].rstrip(" ") + "\n" for start in range(0, len(text), CARD))


def _demand_suffix(path: Path) -> None:
    if not path.name.lower().endswith(HEADER_SUFFIXES):
        raise HeaderError(str(path), f"no FITS file by its name; known are {', '.join(HEADER_SUFFIXES)}")


@contextmanager
def _file(path: Path) -> Iterator[BufferedReader]:
    """The open file; whatever keeps it from being opened or read is a HeaderError."""
    try:
        with path.open("rb") as raw:
            yield raw
    except OSError as error:
        raise HeaderError.of(path, error) from error


def _lines(path: Path) -> list[str]:
    """The cards of a header in a text file, up to and with END; with or without line ends."""
    with _file(path) as raw:
        data = raw.read()
    if not data.strip():
        raise HeaderError(str(path), "the file is empty")
    if not data.startswith(b"SIMPLE"):
        raise HeaderError(str(path), f"no FITS header: begins with {data[:16]!r} instead of SIMPLE")
    text = data.decode("latin-1")
    lines = text.split("\n")
    if len(lines) == 1:
        lines = [text[start : start + CARD] for start in range(0, len(text), CARD)]
    lines = [line.rstrip(" \r") for line in lines]
    if "END" not in lines:
        raise HeaderError(str(path), f"the header has no END line; {_AGAIN}, or end it with END")
    return lines[: lines.index("END") + 1]


def _unpacked(path: Path, raw: BufferedReader) -> BufferedIOBase:
    """The bytes of a gzip or LZW file; of any other the file itself.

    By the first bytes and not by the suffix: archives have served gzip under the name `.Z`.
    """
    magic = raw.read(2)
    raw.seek(0)
    match magic:
        case b"\x1f\x8b":
            return gzip.GzipFile(fileobj=raw)
        case b"\x1f\x9d":
            try:
                return BufferedReader(LZWFile(raw, warn_truncation=False, save_checkpoints=False))
            except ValueError as error:
                raise HeaderError(str(path), f"not compressed as its first bytes say: {error}") from error
        case _:
            return raw


def _header_block(path: Path, stream: BufferedIOBase, hdu: int) -> bytes:
    """The whole blocks of the header that begins where `stream` stands."""
    step = _PRIMARY_READ if hdu == 1 else _EXTENSION_READ
    block = bytearray()
    while len(block) < _LONGEST:
        start = len(block) // CARD * CARD
        try:
            block += (more := stream.read(step))
        # The last is what uncompresspy says of a broken code.
        except (EOFError, zlib.error, ValueError) as error:
            raise HeaderError(str(path), f"cannot be unpacked: {error}; {_AGAIN}") from error
        if hdu == 1 and start == 0 and not block.startswith(b"SIMPLE  ="):
            seen = f"begins with {bytes(block[:16])!r} instead of SIMPLE" if block else "the file is empty"
            raise HeaderError(str(path), f"not FITS: {seen}")
        while (start := block.find(_END, start)) != -1:
            if start % CARD == 0:
                return bytes(block[: _whole(start + CARD)])
            start += 1
        if not more:
            break
    raise HeaderError(str(path), f"the header of HDU {hdu} has no END card in {len(block)} bytes; {_AGAIN}")


def _walk(path: Path, raw: BufferedReader, primary: Header, start: int) -> Header:
    """The primary header, after every HDU was seen to be as long as its header says.

    `start` is the byte behind the primary header.
    """
    restored = primary
    for number, block in enumerate(_extensions(path, raw, primary, start)):
        if number == 0 and b"ZSIMPLE " in block and (table := parse_header(block)).get("ZSIMPLE") is True:
            restored = _restored(primary, table)
    return restored


def _extensions(path: Path, raw: BufferedReader, primary: Header, start: int) -> Iterator[bytes]:
    """The header blocks of each extension, after the HDU before it was seen to be whole.

    Of each the mandatory keywords are looked at, which are its first (FITS 4.0 §4.4.1.2); what follows the
    last extension is nobody's (§3.5).
    """
    size = os.fstat(raw.fileno()).st_size
    header = primary
    hdu = 1
    while True:
        end = start + _data_size(path, header, hdu)
        if end > size:
            raise HeaderError(
                str(path),
                f"the data of HDU {hdu} should end at byte {end}, but the file has {size}; {_AGAIN}",
            )
        raw.seek(start := _whole(end))
        if raw.read(len(_EXTENSION)) != _EXTENSION:
            return
        raw.seek(start)
        hdu += 1
        block = _header_block(path, raw, hdu)
        yield block
        header = parse_header(block[:_BLOCK])
        start += len(block)


def _whole(size: int) -> int:
    """`size` bytes rounded up to whole blocks."""
    return -(-size // _BLOCK) * _BLOCK


def _data_size(path: Path, header: Header, hdu: int) -> int:
    """The bytes of an HDU's data without the padding (FITS 4.0 equations 1, 2 and 4)."""

    def number(keyword: str, default: int | None = None) -> int:
        value = header.get(keyword, default)
        if not isinstance(value, int):
            raise HeaderError(str(path), f"not FITS: {keyword} of HDU {hdu} is missing or no whole number")
        return value

    axes = [number(f"NAXIS{axis}") for axis in range(1, number("NAXIS") + 1)]
    if axes and axes[0] == 0 and header.get("GROUPS") is True:
        axes = axes[1:]
    pixels = math.prod(axes) if axes else 0
    return abs(number("BITPIX")) // 8 * number("GCOUNT", 1) * (number("PCOUNT", 0) + pixels)


def _restored(primary: Header, table: Header) -> Header:
    """The header of a primary image that tile compression turned into a table (ZSIMPLE says so).

    The standard keeps the image's own keywords in the table's header and those that describe an image
    under a Z (FITS 4.0 §10.1.2); the primary header is then a stub, whose cards give way.
    """
    merged: dict[str, Value] = {name: value for name, value in primary.items() if name not in _STUB}
    for name, value in table.items():
        if name in _KEPT or name.startswith("ZNAXIS"):
            merged[_KEPT.get(name, name[1:])] = value
        elif not _OF_THE_TABLE.fullmatch(name):
            merged[name] = value
    return Header(merged)
