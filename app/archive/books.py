"""Rulebooks in the index: activation, and the library of what is active."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from psycopg.types.json import Jsonb

from app.archive.finding import Connection
from app.archive.indexing import forget_book, index
from app.archive.storing import bump, hot_keywords, lock
from app.classify import Frame
from app.errors import RequestError
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
    return {book_id: compiled(text, name) for book_id, text, name in rows}


@lru_cache(maxsize=128)
def compiled(text: str, name: str) -> Rulebook:
    """A rulebook that is in the index: the same texts are asked for again and again."""
    return read_book(text, name)


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
        at = datetime.now(UTC)  # one moment for all: `former` tells activations apart by it
        for name in (*change.replaced, *change.removed):
            _retire(connection, name, at)
        for book in wanted.books:
            if book.name in change.added + change.replaced:
                _enrol(connection, book, at)
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


def undo(connection: Connection, report: Report | None = None) -> Activation:
    """Make the rulebooks active again that were so before the last activation, in one transaction.

    An undo is an activation, too: undone once more, the newer ones are active again. Raises RequestError
    where there is nothing to go back to.
    """
    with connection.transaction():
        lock(connection)
        change = activate(connection, _former(connection), report)
        if not change:
            raise RequestError(
                "the last activation changed names only, which are not kept; rename the file in the rules "
                "folder and run 'calsel rules activate'"
            )
    return change


def _former(connection: Connection) -> Library:
    """What was active before the last activation, all events of which bear one time."""
    row = connection.execute("SELECT max(at) FROM book_event").fetchone()
    rows = connection.execute(
        "SELECT DISTINCT ON (book_id) b.text, b.name, e.active "
        "FROM book_event e JOIN book b ON b.id = e.book_id WHERE e.at < %s "
        "ORDER BY book_id, e.at DESC, e.id DESC",
        row,
    )
    former = [compiled(text, name) for text, name, active in rows if active]
    if not former:
        raise RequestError("no rulebooks were active before the last activation: there is nothing to undo")
    return library(former)


def library_of(books: Mapping[int, Rulebook]) -> Library:
    """The library of these books."""
    return library(books.values())


def _retire(connection: Connection, name: str, at: datetime) -> None:
    row = connection.execute("SELECT id FROM book WHERE name = %s AND active", [name]).fetchone()
    if row:
        connection.execute("UPDATE book SET active = false WHERE id = %s", row)
        forget_book(connection, row[0])
        _event(connection, row[0], at, active=False)


def _enrol(connection: Connection, book: Rulebook, at: datetime) -> None:
    row = connection.execute(
        "INSERT INTO book (name, checksum, text, active) VALUES (%s, %s, %s, true) "
        "ON CONFLICT (checksum) DO UPDATE SET active = true, name = excluded.name RETURNING id",
        [book.name, book.checksum, book.text],
    ).fetchone()
    assert row is not None
    _event(connection, row[0], at, active=True)


def _event(connection: Connection, book_id: int, at: datetime, *, active: bool) -> None:
    connection.execute(
        "INSERT INTO book_event (book_id, active, at) VALUES (%s, %s, %s)",
        [book_id, active, at],
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
