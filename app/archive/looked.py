"""Which changes of rulebooks have been looked at: what a diff compared, and for which nights.

A change is of one instrument: the set of its versions that is active, and the set that is to be. Both are
known by the names (which say the first nights) and checksums of the books: what was looked at is the very
content that is activated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from app.archive.finding import Connection
from app.errors import RuleError
from app.rulebook import Library, Rulebook, library, night_date, night_number, night_of, read_book


@dataclass(frozen=True, slots=True)
class Looked:
    """A diff that somebody was shown: its nights, how many frames of how many would change."""

    instrument: str
    first: int
    last: int
    mode: str
    compared: int
    changed: int
    at: datetime

    def __str__(self) -> str:
        return (
            f"{self.instrument}: looked at {self.at:%Y-%m-%d %H:%M} UT, nights {night_date(self.first)} to "
            f"{night_date(self.last)}, {self.mode}: {self.changed} of {self.compared} science frames change"
        )


def active_library(connection: Connection, instrument: str) -> Library:
    """The active versions of an instrument's rulebook."""
    rows = connection.execute(
        "SELECT text, name FROM book WHERE active AND split_part(name, '.', 1) = %s", [instrument]
    )
    return library(read_book(text, name) for text, name in rows)


def record(
    connection: Connection,
    old: Iterable[Rulebook],
    new: Iterable[Rulebook],
    nights: tuple[int, int],
    mode: str,
    counts: tuple[int, int],
) -> str:
    """Record that the diff of these versions of an instrument was shown, if the old ones are the active ones.

    A single old version may be one of several active ones: then the new one is looked at in its place.
    `counts`: frames compared, frames that would change. Returns why it was not recorded; "" when it was.
    """
    olds, news = list(old), list(new)
    if not olds or not news:
        return _NOT_ACTIVE
    instrument = news[0].instrument
    active = {_version(book) for book in active_library(connection, instrument).books}
    before, after = ({_version(book) for book in books} for books in (olds, news))
    if not before or not before <= active:
        return _NOT_ACTIVE
    if not counts[0] and (there := _science(connection, news)):
        return f"no science frame is of these nights; the archive has some from {there[0]} to {there[1]}"
    connection.execute(
        "INSERT INTO book_diff (instrument, old, new, first_night, last_night, mode, compared, changed) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        [
            instrument,
            sorted(active),
            sorted(active - before | after),
            *map(night_date, nights),
            mode,
            *counts,
        ],
    )
    return ""


_NOT_ACTIVE: Final = "OLD is not what is active"


def _science(connection: Connection, books: Sequence[Rulebook]) -> tuple[date, date] | None:
    """The first and the last night of the science frames that these books are for; None without any."""
    row = connection.execute(
        "SELECT min(mjd), max(mjd) FROM frame "
        "WHERE instrume = ANY(%s) AND keywords ->> 'DPR.CATG' = 'SCIENCE'",
        [[name for book in books for name in book.instrumes]],
    ).fetchone()
    if row is None or row[0] is None:
        return None
    return night_date(night_of(row[0])), night_date(night_of(row[1]))


def looked_at(connection: Connection, wanted: Library) -> Iterator[tuple[str, list[Looked] | None]]:
    """For each instrument with active rulebooks that would change: the diffs of this very change.

    None for one whose rulebooks would all go. An instrument without active rulebooks has no answers that
    could change.
    """
    active: dict[str, list[str]] = {}
    for name, checksum in connection.execute("SELECT name, checksum FROM book WHERE active"):
        active.setdefault(name.partition(".")[0], []).append(f"{name} {checksum}")
    for instrument, before in sorted(active.items()):
        after = sorted(_version(book) for book in wanted.books if book.instrument == instrument)
        if sorted(before) != after:
            yield instrument, _diffs(connection, instrument, sorted(before), after) if after else None


def _version(book: Rulebook) -> str:
    return f"{book.name} {book.checksum}"


def demand_looked(connection: Connection, wanted: Library, folder: str = "rules") -> None:
    """Raises RuleError where a change of an instrument's rulebooks has not been looked at."""
    unseen = [(instrument, diffs) for instrument, diffs in looked_at(connection, wanted) if not diffs]
    if not unseen:
        return
    lines = [
        f"{instrument}: all its rulebooks would go"
        if diffs is None
        else f"{instrument}: nobody has looked at what changes; run 'calsel rules diff active "
        f"{folder}/{instrument} --from NIGHT --to NIGHT'"
        for instrument, diffs in unseen
    ]
    raise RuleError("\n".join(("nothing was activated (--yes does it all the same):", *lines)))


def _diffs(connection: Connection, instrument: str, before: list[str], after: list[str]) -> list[Looked]:
    rows = connection.execute(
        "SELECT first_night, last_night, mode, compared, changed, at AT TIME ZONE 'UTC' FROM book_diff "
        "WHERE instrument = %s AND old = %s AND new = %s ORDER BY at, id",
        [instrument, before, after],
    )
    return [Looked(instrument, night_number(first), night_number(last), *rest) for first, last, *rest in rows]
