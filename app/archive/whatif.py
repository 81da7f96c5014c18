"""Answers about an archive that is not the present one: changed in a transaction that is rolled back.

`as_of` undoes what has happened since; `exclude` hides frames. The cost grows with what has to be undone,
and nobody writes meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from app.archive.books import activate, active_books, compiled
from app.archive.finding import Connection
from app.archive.indexing import forget, index, regroup
from app.archive.quality import Flag, set_flag
from app.archive.storing import lock, update
from app.associate import Wish
from app.classify import Frame
from app.header import Header
from app.rulebook import Rulebook, library


@contextmanager
def what_if(
    connection: Connection, wish: Wish, known: Mapping[int, Rulebook]
) -> Iterator[Mapping[int, Rulebook]]:
    """Inside, the archive is as the wish wants it; afterwards nothing has happened. Gives the rulebooks then.

    `known` are the rulebooks that are active now, which need not be compiled again where they were then:
    all of them take seconds.
    """
    with connection.transaction(force_rollback=True):
        lock(connection)
        books = known if wish.as_of is None else _rewind(connection, wish.as_of, known)
        if wish.exclude:
            rows = connection.execute("SELECT id FROM frame WHERE dp_id = ANY(%s)", [sorted(wish.exclude)])
            set_flag(connection, books, [number for (number,) in rows], "hidden", True)
        yield books


def revision_at(connection: Connection, moment: datetime) -> int:
    """The archive's revision at a moment; 0 before the first."""
    row = connection.execute(
        "SELECT coalesce(max(number), 0) FROM revision WHERE at <= %s", [moment]
    ).fetchone()
    assert row is not None
    return int(row[0])


def _rewind(
    connection: Connection, moment: datetime, known: Mapping[int, Rulebook]
) -> Mapping[int, Rulebook]:
    """Rulebooks, frames, their content and flags, and breakpoints as they were."""
    books = known if _same_books(connection, moment) else _books(connection, moment)
    _drop_later(connection, books, moment)
    _restore(connection, books, moment)
    _reset(connection, books, moment, "certified", ("certified", "rejected"))
    _reset(connection, books, moment, "hidden", ("hidden", "shown"))
    connection.execute("DELETE FROM breakpoint WHERE added_at > %s", [moment])
    connection.execute("UPDATE breakpoint SET removed_at = NULL WHERE removed_at > %s", [moment])
    return books


def _same_books(connection: Connection, moment: datetime) -> bool:
    row = connection.execute("SELECT 1 FROM book_event WHERE at > %s LIMIT 1", [moment]).fetchone()
    return row is None


def _books(connection: Connection, moment: datetime) -> dict[int, Rulebook]:
    """The rulebooks that were active, made so again."""
    rows = connection.execute(
        "SELECT DISTINCT ON (book_id) b.text, b.name, e.active "
        "FROM book_event e JOIN book b ON b.id = e.book_id WHERE e.at <= %s "
        "ORDER BY book_id, e.at DESC, e.id DESC",
        [moment],
    )
    activate(connection, library(compiled(text, name) for text, name, active in rows if active))
    return active_books(connection)


def _drop_later(connection: Connection, books: Mapping[int, Rulebook], moment: datetime) -> None:
    """Without the frames that came later."""
    rows = connection.execute("SELECT id FROM frame WHERE ingested_at > %s", [moment])
    numbers = [number for (number,) in rows]
    places = forget(connection, numbers)
    regroup(connection, books, places)
    connection.execute("DELETE FROM frame WHERE id = ANY(%s)", [numbers])


def _restore(connection: Connection, books: Mapping[int, Rulebook], moment: datetime) -> None:
    """Changed frames with the content they had."""
    rows = connection.execute(
        "SELECT DISTINCT ON (v.frame_id) v.frame_id, f.dp_id, v.header, v.size, v.sha256, v.path, "
        "v.mtime_ns, f.certified, f.hidden, v.release_date "
        "FROM frame_version v JOIN frame f ON f.id = v.frame_id WHERE v.replaced_at > %s "
        "ORDER BY v.frame_id, v.replaced_at, v.id",
        [moment],
    )
    frames = {number: Frame(dp_id, Header(header), *rest) for number, dp_id, header, *rest in rows}
    places = forget(connection, list(frames))
    update(connection, frames, books)
    index(connection, books, frames, places)


def _reset(
    connection: Connection,
    books: Mapping[int, Rulebook],
    moment: datetime,
    flag: Flag,
    verdicts: tuple[str, str],
) -> None:
    """A flag as it was: what it had been before the first verdict that came later."""
    rows = connection.execute(
        "SELECT DISTINCT ON (frame_id) frame_id, was FROM quality_event "
        "WHERE at > %s AND verdict = ANY(%s) ORDER BY frame_id, at, id",
        [moment, list(verdicts)],
    ).fetchall()
    for value in (True, False):
        numbers = [number for number, was in rows if was is value]
        if numbers:
            set_flag(connection, books, numbers, flag, value)
