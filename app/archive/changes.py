"""The science frames whose best answer is another than at a moment, and because of what.

What happened since says which answers may be others (`reach`); these are asked for twice, as the archive is
and, in one transaction that is rolled back, as it was. Nobody writes to the index meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, get_args

from app.archive.difference import Difference, difference
from app.archive.finding import BookView, Connection
from app.archive.index import Index, Rules, answer, rules_now
from app.archive.quality import breakpoints
from app.archive.reach import everything, suspects
from app.archive.storing import lock
from app.archive.whatif import revision_at, what_if
from app.associate import Breakpoint, Candidate, Dataset, Question, Wish
from app.errors import RequestError
from app.rulebook import Rulebook, covered
from app.tree import File, Mode, Tree

# Frames that are compared at once: some ten seconds, in which nothing can be ingested.
MOST_COMPARED: Final = 500
# Frames that a request may make the archive undo; a night of an observatory has some thousands.
MOST_UNDONE: Final = 20_000


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that came after the moment: to a frame, a breakpoint, a rulebook (`subject`)."""

    at: datetime
    what: str
    subject: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """A science frame with another answer to what is `asked`, and what happened to the frames that differ."""

    dp_id: str
    asked: Mode
    difference: Difference
    causes: tuple[Happened, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """The changed ones of the compared frames, by dp_id; `modes` are those that were compared.

    `until` is the `since` of the next question: nothing that is not told here happened before it.
    `next` is what to go on behind, where more frames have to be compared; None when this is all.
    """

    since: datetime
    until: datetime
    revisions: tuple[int, int]
    modes: tuple[Mode, ...]
    compared: int
    changed: tuple[Changed, ...]
    next: str | None = None


@dataclass(slots=True)
class _Since:
    """What happened: to frames by row number, interventions (INSTRUME or book, MJD), books' INSTRUMEs."""

    frames: dict[int, list[Happened]] = field(default_factory=dict)
    breaks: list[tuple[str, float, Happened]] = field(default_factory=list)
    books: list[tuple[frozenset[str], Happened]] = field(default_factory=list)


def changes(
    index: Index,
    since: datetime,
    *,
    mode: Mode | None = None,
    instrument: str | None = None,
    after: str = "",
    limit: int = MOST_COMPARED,
    most_undone: int | None = MOST_UNDONE,
) -> Changes:
    """What has changed since a moment (with a time zone) for the frames behind the dp_id `after`.

    Without a `mode` the answers to both are compared; where Raw2Raw answered for Raw2Master, and does so now,
    it is told once. At most `limit` frames are compared. Raises RequestError where more than `most_undone`
    frames would have to be undone (None: no matter how many), for that keeps others from writing.
    """
    modes: tuple[Mode, ...] = (mode,) if mode else get_args(Mode)
    with index.connection() as connection, connection.transaction():
        revisions = revision_at(connection, since), index.rules(connection).revision
        if revisions[0] == revisions[1]:
            return Changes(since, _until(connection), revisions, modes, 0, ())
        lock(connection)
        until, now = _until(connection), index.rules(connection)
        happened = _happened(connection, since)
        _demand_few(connection, happened, most_undone)
        wanted = None if instrument is None else set(now.library.instrumes(instrument))
        found = _suspects(connection, now, happened)
        with what_if(connection, Wish(as_of=since), now.books):
            then = _rules_then(connection, now, happened, revisions[0])
            found |= _suspects(connection, then, happened)
            page, rest = _page(connection, found, wanted, after, limit)
            before = dict(_answers(connection, then, list(page), modes))
        present = dict(_answers(connection, now, list(page), modes))
    changed = []
    for (dp_id, asked), tree in before.items():
        apart = difference(tree, present[dp_id, asked])
        told = len(modes) > 1 and asked not in apart.mode
        if apart and not told:
            causes = _causes(apart.names | {dp_id}, page[dp_id], happened, now)
            changed.append(Changed(dp_id, asked, apart, tuple(causes)))
    last = list(page)[-1] if rest else None
    return Changes(since, until, (revisions[0], now.revision), modes, len(page), tuple(changed), last)


def _until(connection: Connection) -> datetime:
    """Everything before this moment is visible here.

    What is being written now will bear the time at which its transaction began.
    """
    row = connection.execute(
        "SELECT least(now(), min(xact_start)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchone()
    assert row is not None
    moment = row[0]
    assert isinstance(moment, datetime)
    return moment


_FRAMES: Final = """
SELECT id, dp_id, ingested_at, 'ingested', '' FROM frame WHERE ingested_at > %(since)s
UNION ALL SELECT f.id, f.dp_id, v.replaced_at, 'content changed', ''
  FROM frame_version v JOIN frame f ON f.id = v.frame_id WHERE v.replaced_at > %(since)s
UNION ALL SELECT f.id, f.dp_id, e.at, e.verdict, e.reason
  FROM quality_event e JOIN frame f ON f.id = e.frame_id WHERE e.at > %(since)s
ORDER BY 3, 2
"""
_BREAKS: Final = """
SELECT what, at, instrument, mjd_obs, raw_type, pro_catg, do_class
FROM breakpoint, LATERAL (VALUES ('breakpoint', added_at), ('breakpoint removed', removed_at)) AS e(what, at)
WHERE at > %(since)s ORDER BY at, id, what
"""


def _happened(connection: Connection, since: datetime) -> _Since:
    found = _Since()
    for frame_id, dp_id, at, what, reason in connection.execute(_FRAMES, {"since": since}):
        found.frames.setdefault(frame_id, []).append(Happened(at, what, dp_id, reason))
    for what, at, instrument, mjd, *kinds in connection.execute(_BREAKS, {"since": since}):
        told = Happened(at, what, f"{instrument} {mjd:.4f} {' '.join(kinds)}")
        found.breaks.append((instrument, mjd, told))
    books = connection.execute(
        "SELECT b.name, b.text, e.active, e.at FROM book_event e JOIN book b ON b.id = e.book_id "
        "WHERE e.at > %s ORDER BY e.at, e.id",
        [since],
    )
    for name, text, active, at in books:
        told = Happened(at, "rulebook activated" if active else "rulebook retired", name)
        found.books.append((frozenset(covered(text, name)), told))
    return found


def _demand_few(connection: Connection, happened: _Since, most: int | None) -> None:
    if most is None:
        return
    instrumes = sorted({name for names, _ in happened.books for name in names})
    row = connection.execute("SELECT count(*) FROM frame WHERE instrume = ANY(%s)", [instrumes]).fetchone()
    assert row is not None
    undone = len(happened.frames) + int(row[0])
    if undone > most:
        raise RequestError(
            f"{undone} frames were ingested, judged or put under other rules since then, at most {most} are "
            "undone per request; ask for a later time, or run 'calsel changes' where the archive is"
        )


def _rules_then(connection: Connection, now: Rules, happened: _Since, revision: int) -> Rules:
    """The rules as they were; compiled anew only where they were others."""
    if happened.books:
        return rules_now(connection, revision)
    return Rules(revision, now.books, now.library, breakpoints(connection))


def _suspects(connection: Connection, rules: Rules, happened: _Since) -> set[str]:
    anew = {name for names, _ in happened.books for name in names}
    found = everything(connection, anew)
    for book_id, book in rules.books.items():
        if anew.issuperset(book.instrumes):  # every frame of it is compared
            continue
        names = {book.instrument.upper(), *book.instrumes}
        breaks = [mjd for instrument, mjd, _ in happened.breaks if instrument in names]
        if happened.frames or breaks:
            found |= suspects(connection, book_id, book, happened.frames, breaks)
    return found


def _page(
    connection: Connection, found: Collection[str], instrumes: Collection[str] | None, after: str, limit: int
) -> tuple[dict[str, str], bool]:
    """The frames to compare now, which were there then, with their INSTRUME; and whether there are more."""
    rows = connection.execute(
        'SELECT dp_id, instrume FROM frame WHERE dp_id = ANY(%s) AND dp_id COLLATE "C" > %s '
        'AND (%s::text[] IS NULL OR instrume = ANY(%s)) ORDER BY dp_id COLLATE "C" LIMIT %s',
        [list(found), after, *[None if instrumes is None else list(instrumes)] * 2, limit + 1],
    ).fetchall()
    return dict(rows[:limit]), len(rows) > limit


class _Remembering(BookView):
    """Asks nothing twice: frames of one night need the same calibrations."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._offers: dict[Question, list[Candidate]] = {}
        self._groups: dict[int, Dataset] = {}
        self._singles: dict[int, File] = {}

    def candidates(self, questions: Sequence[Question]) -> list[list[Candidate]]:
        new = list(dict.fromkeys(each for each in questions if each not in self._offers))
        self._offers.update(zip(new, super().candidates(new), strict=True))
        return [self._offers[each] for each in questions]

    def datasets(self, refs: Collection[int]) -> dict[int, Dataset]:
        self._groups.update(super().datasets(set(refs) - self._groups.keys()))
        return {ref: self._groups[ref] for ref in refs}

    def files(self, refs: Collection[int]) -> dict[int, File]:
        self._singles.update(super().files(set(refs) - self._singles.keys()))
        return {ref: self._singles[ref] for ref in refs}


def _answers(
    connection: Connection, rules: Rules, dp_ids: Sequence[str], modes: Sequence[Mode]
) -> Iterator[tuple[tuple[str, Mode], Tree]]:
    views: dict[int, BookView] = {}

    def view(on: Connection, book: Rulebook, number: int, own: Sequence[Breakpoint], at: int) -> BookView:
        if number not in views:
            views[number] = _Remembering(on, book, number, own, at)
        return views[number]

    for dp_id in dp_ids:
        for mode in modes:
            yield (dp_id, mode), answer(connection, rules, dp_id, mode, view=view)


def _causes(names: Collection[str], instrume: str, happened: _Since, now: Rules) -> list[Happened]:
    """What happened to the frames that make the difference, and to the rules of the instrument."""
    own = {instrume} | {book.instrument.upper() for book in now.library.of(instrume)}
    found = [
        *(each for events in happened.frames.values() for each in events if each.subject in names),
        *(told for instrumes, told in happened.books if instrume in instrumes),
        *(told for instrument, _, told in happened.breaks if instrument in own),
    ]
    return sorted(found, key=lambda each: (each.at, each.subject))
