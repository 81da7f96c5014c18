"""The index as the doors use it: one question, one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine

from app.archive.books import active_books, library_of
from app.archive.database import session
from app.archive.finding import BookView, Connection, find_frame
from app.archive.quality import breakpoints
from app.archive.status import Status, status
from app.archive.storing import lock
from app.archive.whatif import revision_at, what_if
from app.associate import NOTHING, Breakpoint, Wish, associate, unsupported
from app.errors import NoRulebookError, UnknownFrameError
from app.rulebook import OWN_KINDS, Library, Rulebook, mistyped, night_of
from app.tree import Mode, Tree


@dataclass(frozen=True, slots=True)
class Rules:
    """What is in force at a revision of the archive: books by row id, the library, the breakpoints."""

    revision: int
    books: Mapping[int, Rulebook]
    library: Library
    breakpoints: Sequence[Breakpoint]


class Index:
    """An archive index. Rulebooks are compiled once and kept until the set of active ones changes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._rules: tuple[tuple[str, ...], Rules] | None = None

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection of the pool; commits on success."""
        with session(self.engine) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[tuple[Connection, Mapping[int, Rulebook]]]:
        """A connection that alone may write, and the active rulebooks, which stay so until it commits."""
        with self.connection() as connection:
            lock(connection)
            yield connection, self.rules(connection).books

    def rules(self, connection: Connection) -> Rules:
        """The rules in force now."""
        row = connection.execute(
            "SELECT coalesce((SELECT max(number) FROM revision), 0), "
            "coalesce((SELECT array_agg(id || ' ' || name ORDER BY id) FROM book WHERE active), '{}')"
        ).fetchone()
        assert row is not None
        revision, active = int(row[0]), tuple(row[1])
        if self._rules and self._rules[0] == active:
            rules = self._rules[1]
            if rules.revision != revision:
                rules = Rules(revision, rules.books, rules.library, breakpoints(connection))
        else:
            books = active_books(connection)
            rules = Rules(revision, books, library_of(books), breakpoints(connection))
        self._rules = (active, rules)
        return rules

    def edition(self) -> tuple[int, tuple[str, ...]]:
        """What every answer depends on: the archive's revision, the checksums of the rulebooks in force."""
        with self.connection() as connection:
            row = connection.execute(
                "SELECT coalesce((SELECT max(number) FROM revision), 0), "
                "coalesce((SELECT array_agg(checksum ORDER BY checksum) FROM book WHERE active), '{}')"
            ).fetchone()
        assert row is not None
        return int(row[0]), tuple(row[1])

    def unknown(self, dp_ids: Sequence[str]) -> list[str]:
        """Those of these dp_ids that the index does not hold, in their order."""
        with self.connection() as connection:
            rows = connection.execute("SELECT dp_id FROM frame WHERE dp_id = ANY(%s)", [list(dp_ids)])
            known = {dp_id for (dp_id,) in rows}
        return [dp_id for dp_id in dp_ids if dp_id not in known]

    def status(self) -> Status:
        """What the index holds and what it runs on."""
        with self.connection() as connection:
            return status(connection)

    def associate(
        self, dp_id: str, mode: Mode = "Raw2Raw", *, explain: bool = False, wish: Wish = NOTHING
    ) -> Tree:
        """The calibrations of a science frame. Raises UnknownFrameError.

        A frame of an instrument or night that no rulebook covers gets CalSelector's answer for
        unsupported types, with the reason as a second message. The whole tree is of one revision, whatever
        is being ingested.
        """
        if not wish.rewrites:
            with session(self.engine, snapshot=True) as connection:
                return answer(connection, self.rules(connection), dp_id, mode, explain, wish)
        with self.connection() as connection:
            lock(connection)  # before the rules are read, so that they stay those of the archive
            now = self.rules(connection)
            revision = revision_at(connection, wish.as_of or datetime.now(UTC))
            with what_if(connection, wish, now.books) as books:
                then = Rules(revision, books, library_of(books), breakpoints(connection))
                return answer(connection, then, dp_id, mode, explain, wish)


def rules_now(connection: Connection, revision: int) -> Rules:
    """The rules that the database holds as it is now, even if only for a what-if."""
    books = active_books(connection)
    return Rules(revision, books, library_of(books), breakpoints(connection))


def answer(
    connection: Connection,
    rules: Rules,
    dp_id: str,
    mode: Mode,
    explain: bool = False,
    wish: Wish = NOTHING,
    view: Callable[[Connection, Rulebook, int, Sequence[Breakpoint], int], BookView] = BookView,
) -> Tree:
    """The answer for one frame on this connection; `view` makes the archive's view of a book."""
    row = connection.execute("SELECT instrume, mjd, hidden FROM frame WHERE dp_id = %s", [dp_id]).fetchone()
    if row is None:
        raise UnknownFrameError(dp_id)
    instrume, mjd, hidden = row
    try:
        if hidden:
            raise NoRulebookError("the frame is hidden (bad quality)")
        if mjd is None:
            raise NoRulebookError("the frame has no MJD-OBS (days, a number), so no night picks its rulebook")
        book = rules.library.pick(instrume, night_of(mjd))
    except NoRulebookError as error:
        file, header = find_frame(connection, None, dp_id)
        return unsupported(file, header, mode, rules.revision, *mistyped(OWN_KINDS, header), str(error))
    book_id = next(number for number, each in rules.books.items() if each is book)
    names = {book.instrument.upper(), *book.instrumes}
    own = [each for each in rules.breakpoints if each.instrument in names]
    archive = view(connection, book, book_id, own, rules.revision)
    return associate(archive, dp_id, mode, explain=explain, wish=wish)
