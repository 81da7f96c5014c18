"""The bytes of a FITS file: torn or whole, and whether CHECKSUM and DATASUM of each HDU are right.

Read without a FITS library, as a header with a flipped bit can make one fail anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from processing.phase3.problems import FITS, Problem, error, sdp

_BLOCK = 2880
_CARD = 80
_CHUNK = 4096 * _BLOCK
_ONES = 0xFFFFFFFF

_CONVENTION = f"{FITS}, 4.4.2.7"


class TornError(Exception):
    """A file that ends too early, or has no header where one should be; the message says where."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One HDU as bytes: its cards (80 characters each), the sums of its data and of all of it."""

    cards: tuple[str, ...]
    data_sum: int
    total: int

    @property
    def values(self) -> Mapping[str, str]:
        """Value field of each keyword of eight letters, unquoted; the first of repeated ones."""
        found: dict[str, str] = {}
        for card in self.cards:
            if card[8:10] == "= ":
                found.setdefault(card[:8].rstrip(), _value(card[10:]))
        return found


def inspect(path: Path) -> tuple[tuple[Unit, ...], tuple[Problem, ...]]:
    """The HDUs of a file and what is wrong with its bytes (sums missing too). Raises OSError.

    A torn file has no HDUs.
    """
    try:
        whole = units(path)
    except TornError as torn:
        return (), (error(None, "", f"{torn}; get the file again", f"{FITS}, 3.1"),)
    return whole, tuple(problem for number, unit in enumerate(whole) for problem in _sums(number, unit))


def is_intact(problems: tuple[Problem, ...]) -> bool:
    """Whether headers may be believed: sums may be missing, but none is wrong."""
    return all("is missing" in problem.sentence for problem in problems)


def units(path: Path) -> tuple[Unit, ...]:
    """Each HDU of a file. Raises TornError, OSError."""
    with path.open("rb") as stream:
        return tuple(_units(stream, path.stat().st_size))


def _units(stream: BinaryIO, size: int) -> Iterator[Unit]:
    number = 0
    while stream.tell() < size:
        header = _header(stream, number)
        cards = tuple(
            header[start : start + _CARD].decode("latin-1") for start in range(0, len(header), _CARD)
        )
        first = "SIMPLE" if number == 0 else "XTENSION"
        if cards[0][:10] != f"{first:8}= ":
            raise TornError(f"HDU {number} does not begin with {first}")
        length = _data_length(cards, number)
        padded = -(-length // _BLOCK) * _BLOCK
        if stream.tell() + padded > size:
            raise TornError(f"HDU {number} asks for {padded} bytes of data, {size - stream.tell()} are left")
        data = 0
        for begin in range(0, padded, _CHUNK):
            data = _add(data, _sum(stream.read(min(_CHUNK, padded - begin))))
        yield Unit(cards, data, _add(data, _sum(header)))
        number += 1
    if not number:
        raise TornError("the file is empty")


def _header(stream: BinaryIO, number: int) -> bytes:
    """The header's bytes, to the end of the block with END."""
    header = b""
    while True:
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK:
            raise TornError(f"the header of HDU {number} has no END before the end of the file")
        header += block
        if any(block[start : start + 8] == b"END     " for start in range(0, _BLOCK, _CARD)):
            return header


def _data_length(cards: tuple[str, ...], number: int) -> int:
    """Bytes of data by the header, without padding (FITS standard 4.0, equation 2)."""
    values = Unit(cards, 0, 0).values
    try:
        axes = [int(values[f"NAXIS{axis}"]) for axis in range(1, int(values["NAXIS"]) + 1)]
        elements = prod(axes) if axes else 0
        bits = abs(int(values["BITPIX"])) * int(values.get("GCOUNT", "1"))
        length = bits * (int(values.get("PCOUNT", "0")) + elements) // 8
    except (KeyError, ValueError) as wrong:
        raise TornError(f"the header of HDU {number} does not say how long its data are ({wrong})") from None
    if length < 0:
        raise TornError(f"the header of HDU {number} says that its data are {length} bytes long")
    return length


def _value(field: str) -> str:
    text = re.match(r" *'((?:[^']|'')*)'", field)
    return text[1].rstrip() if text else field.partition("/")[0].strip()


def _sum(data: bytes) -> int:
    """Ones' complement sum of the 32-bit words (FITS standard 4.0, appendix J)."""
    total = int(np.frombuffer(data, ">u4").sum(dtype=np.uint64))
    while total > _ONES:
        total = (total & _ONES) + (total >> 32)
    return total


def _add(one: int, other: int) -> int:
    total = one + other
    return (total & _ONES) + (total >> 32)


def _sums(number: int, unit: Unit) -> Iterator[Problem]:
    values = unit.values
    for keyword in ("CHECKSUM", "DATASUM"):
        if keyword not in values:
            yield error(number, keyword, "is missing; add it as the last step", sdp("5.12"))
    if "DATASUM" in values and values["DATASUM"].strip() != str(unit.data_sum):
        sentence = f"is {values['DATASUM']}, but the data add up to {unit.data_sum}: the data were changed"
        yield error(number, "DATASUM", f"{sentence}; get the file again", _CONVENTION)
    # The ASCII code of CHECKSUM is made such that the whole HDU adds up to -0.
    if "CHECKSUM" in values and unit.total not in (0, _ONES):
        sentence = f"is wrong: the HDU adds up to {unit.total:#x}, not to zero"
        yield error(number, "CHECKSUM", f"{sentence}: it was changed; get the file again", _CONVENTION)
