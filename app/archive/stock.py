"""One instrument's frames in memory, with the keywords that its rules read.

Sizes, checksums and places of files stay in the database.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

from psycopg import sql

from app.archive.finding import Connection
from app.header import Value
from app.rulebook import Rulebook

_Values: TypeAlias = tuple[Value | None, ...]  # in the order of Stock.names


class Held(NamedTuple):
    """A frame: its row number, its name, the values of the stock's keywords (None: it has no such)."""

    id: int
    dp_id: str
    values: _Values
    mjd: float | None
    raw: bool
    certified: bool
    hidden: bool


@dataclass(frozen=True)
class Stock:
    """Frames by row number, with the keywords `names` of their headers."""

    names: tuple[str, ...]
    frames: dict[int, Held]

    def header(self, frame: Held) -> dict[str, Value]:
        """What the frame's header says of these keywords."""
        pairs = zip(self.names, frame.values, strict=True)
        return {name: value for name, value in pairs if value is not None}

    def number(self, dp_id: str) -> int:
        """The row of a frame that is here."""
        return self._numbers[dp_id]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {held.dp_id: number for number, held in self.frames.items()}


def load_stock(
    connection: Connection,
    books: Iterable[Rulebook],
    active: Iterable[Rulebook],
    span: tuple[float, float],
) -> Stock:
    """The frames of these books' instruments with what the books read of their headers.

    Raw ones of `span` (MJD-OBS) only. Headers are read where the `active` books, which say what the index has
    at hand, do not name all of it.
    """
    books, active = list(books), list(active)
    instrumes = sorted({name for book in books for name in book.instrumes})
    names = tuple(sorted(frozenset().union(*(book.hot for book in books))))
    at_hand = all(
        frozenset(names) <= frozenset().union(*(each.hot for each in active if name in each.instrumes))
        for name in instrumes
    )
    query = sql.SQL(
        "SELECT f.id, f.dp_id, {}, f.mjd, f.raw, f.certified, f.hidden FROM frame f {} "
        "WHERE f.instrume = ANY(%s) AND (NOT f.raw OR f.mjd IS NULL OR f.mjd BETWEEN %s AND %s)"
    ).format(
        sql.SQL("f.keywords" if at_hand else "h.header"),
        sql.SQL("" if at_hand else "JOIN frame_header h ON h.frame_id = f.id"),
    )
    frames: dict[int, Held] = {}
    with connection.cursor(name="stock") as cursor:
        cursor.itersize = 5000
        for number, dp_id, keywords, *rest in cursor.execute(query, [instrumes, *span]):
            frames[number] = Held(number, dp_id, _kept(names, keywords), *rest)
    return Stock(names, frames)


def _kept(names: Sequence[str], keywords: Mapping[str, Any]) -> _Values:
    """Most values occur often: each text is held once."""
    return tuple(sys.intern(value) if type(value) is str else value for value in map(keywords.get, names))
