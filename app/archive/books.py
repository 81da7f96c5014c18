"""Rulebooks in the index: activation, and the library of what is active."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg.types.json import Jsonb

from app.archive.finding import Connection
from app.archive.indexing import forget_book, index
from app.archive.storing import bump, hot_keywords, lock
from app.classify import Frame
from app.header import Header
from app.rulebook import Library, Rulebook, library, read_book

_BATCH = 2000
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Activation:
    """What an activation changed: names of books that came, were replaced, or went."""

    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.replaced or self.removed)


def active_books(connection: Connection) -> dict[int, Rulebook]:
    """Every active rulebook by its row id."""
    rows = connection.execute("SELECT id, text, name FROM book WHERE active ORDER BY id")
    return {book_id: read_book(text, name) for book_id, text, name in rows}


def pending(connection: Connection, wanted: Library) -> Activation:
    """What `activate` would change."""
    active: dict[str, str] = dict(
        connection.execute("SELECT name, checksum FROM book WHERE active").fetchall()
    )
    names = {book.name: book.checksum for book in wanted.books}
    return Activation(
        added=tuple(name for name in names if name not in active),
        replaced=tuple(n for n, checksum in names.items() if active.get(n, checksum) != checksum),
        removed=tuple(sorted(set(active) - set(names))),
    )


def activate(connection: Connection, wanted: Library, report: Report | None = None) -> Activation:
    """Make these books the active ones and index every frame under the new ones, in one transaction.

    Until it commits, answers come from the old books. `report(label, done, total)` shows progress.
    """
    with connection.transaction():
        lock(connection)
        change = pending(connection, wanted)
        if not change:
            return change
        for name in (*change.replaced, *change.removed):
            _retire(connection, name)
        for book in wanted.books:
            if book.name in change.added + change.replaced:
                _enrol(connection, book)
        books = active_books(connection)
        new = {n: book for n, book in books.items() if book.name in change.added + change.replaced}
        instrumes = sorted({name for book in new.values() for name in book.instrumes})
        total = _count(connection, instrumes)
        done = 0
        for rows in _frames(connection, instrumes):
            hot = [Jsonb(hot_keywords(frame.header, books)) for frame in rows.values()]
            connection.execute(
                "UPDATE frame f SET keywords = q.hot FROM unnest(%s::bigint[], %s::jsonb[]) q(id, hot) "
                "WHERE f.id = q.id AND f.keywords IS DISTINCT FROM q.hot",
                [list(rows), hot],
            )
            index(connection, new, rows, set())
            done += len(rows)
            if report:
                report("frames under the new rulebooks", done, total)
        bump(connection)
    return change


def library_of(books: Mapping[int, Rulebook]) -> Library:
    """The library of these books."""
    return library(books.values())


def _retire(connection: Connection, name: str) -> None:
    row = connection.execute("SELECT id FROM book WHERE name = %s AND active", [name]).fetchone()
    if row:
        connection.execute("UPDATE book SET active = false WHERE id = %s", row)
        forget_book(connection, row[0])
        _event(connection, row[0], active=False)


def _enrol(connection: Connection, book: Rulebook) -> None:
    row = connection.execute(
        "INSERT INTO book (name, checksum, text, active) VALUES (%s, %s, %s, true) "
        "ON CONFLICT (checksum) DO UPDATE SET active = true, name = excluded.name RETURNING id",
        [book.name, book.checksum, book.text],
    ).fetchone()
    assert row is not None
    _event(connection, row[0], active=True)


def _event(connection: Connection, book_id: int, *, active: bool) -> None:
    connection.execute(
        "INSERT INTO book_event (book_id, active, at) VALUES (%s, %s, %s)",
        [book_id, active, datetime.now(UTC)],
    )


def _count(connection: Connection, instrumes: list[str]) -> int:
    row = connection.execute("SELECT count(*) FROM frame WHERE instrume = ANY(%s)", [instrumes]).fetchone()
    assert row is not None
    return int(row[0])


def _frames(connection: Connection, instrumes: list[str]) -> Iterator[dict[int, Frame]]:
    """All frames of these instruments in batches, by row number."""
    after = -1
    while True:
        rows = connection.execute(
            "SELECT f.id, f.dp_id, h.header, f.certified, f.hidden FROM frame f "
            "JOIN frame_header h ON h.frame_id = f.id WHERE f.instrume = ANY(%s) AND f.id > %s "
            "ORDER BY f.id LIMIT %s",
            [instrumes, after, _BATCH],
        ).fetchall()
        if not rows:
            return
        after = rows[-1][0]
        yield {
            frame_id: Frame(dp_id, Header(header), certified=certified, hidden=hidden)
            for frame_id, dp_id, header, certified, hidden in rows
        }
