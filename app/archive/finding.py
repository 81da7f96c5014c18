"""The index as one rulebook sees it: the cascade's questions, answered by two queries for each group."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from app.archive.tables import POOLS, STATES
from app.associate import Breakpoint, Candidate, Dataset, Question
from app.errors import UnknownFrameError
from app.header import UNDEFINED, Maybe
from app.organise import LONGEST_EXPOSURE_S, virtual_keywords
from app.rulebook import Rulebook
from app.tree import File

Connection = psycopg.Connection[TupleRow]

# The index is ordered by mid exposure, windows limit MJD-OBS: the two differ by at most this (days).
SLACK = LONGEST_EXPOSURE_S / 2 / 86400

_SIDE = """
(SELECT * FROM match_key k WHERE k.key = q.key AND {certified} AND {side}
  AND k.mjd BETWEEN q.low AND q.high AND k.pool = ANY(q.pools::int[])
  AND (k.state = 0 OR NOT q.usable) ORDER BY k.middle {order} LIMIT q.wanted)
"""
_AFTER = f"k.middle >= q.middle AND k.middle <= q.high + {SLACK}"
_BEFORE = "k.middle < q.middle AND k.middle >= q.low"
_CANDIDATES = f"""
SELECT q.n, m.pool, m.group_id, m.frame_id, m.promise, m.middle, m.certified, m.state,
       f.dp_id, f.keywords, c.derived, c.tag, c.raw_type, g.content, g.action, g.rule
FROM unnest(%s::bigint[], %s::float8[], %s::float8[], %s::float8[], %s::bigint[], %s::bool[], %s::text[])
     WITH ORDINALITY AS q(key, middle, low, high, wanted, usable, pools, n)
CROSS JOIN LATERAL (
  {_SIDE.format(certified="k.certified", side=_AFTER, order="ASC")} UNION ALL
  {_SIDE.format(certified="k.certified", side=_BEFORE, order="DESC")} UNION ALL
  {_SIDE.format(certified="NOT k.certified", side=_AFTER, order="ASC")} UNION ALL
  {_SIDE.format(certified="NOT k.certified", side=_BEFORE, order="DESC")} UNION ALL
  (SELECT * FROM match_key k WHERE k.key = q.key AND k.middle IS NULL
     AND k.pool = ANY(q.pools::int[]) AND (k.state = 0 OR NOT q.usable))
) m
JOIN frame f ON f.id = m.frame_id
LEFT JOIN classified c ON c.book_id = %s AND c.frame_id = f.id
LEFT JOIN frame_group g ON g.id = m.group_id
"""

_FILE = "f.dp_id, coalesce(c.tag, 'UNCLASSIFIED'), f.mjd, f.size, f.sha256, f.path, f.certified"
_DATASETS = f"""
SELECT g.id, g.rule, g.action, g.raw_type, g.state, g.middle, g.content,
       CASE WHEN p.position = 0 THEN f.keywords END, CASE WHEN p.position = 0 THEN c.derived END, {_FILE}
FROM frame_group g JOIN group_member p ON p.group_id = g.id
JOIN frame f ON f.id = p.frame_id
LEFT JOIN classified c ON c.book_id = g.book_id AND c.frame_id = f.id
WHERE {{which}} ORDER BY g.id, p.position
"""
_THESE = _DATASETS.format(which="g.id = ANY(%s)")
_OF_FRAME = _DATASETS.format(
    which="g.book_id = %s AND g.id IN "
    "(SELECT m.group_id FROM group_member m JOIN frame a ON a.id = m.frame_id WHERE a.dp_id = %s)"
)
_FILES = f"""
SELECT f.id, {_FILE} FROM frame f LEFT JOIN classified c ON c.book_id = %s AND c.frame_id = f.id
WHERE f.id = ANY(%s)
"""
_FRAME = f"""
SELECT f.keywords, {_FILE} FROM frame f LEFT JOIN classified c ON c.book_id = %s AND c.frame_id = f.id
WHERE f.dp_id = %s
"""


class BookView:
    """Answers the cascade's questions (`app.associate.Archive`) on one connection."""

    def __init__(
        self,
        connection: Connection,
        book: Rulebook,
        book_id: int,
        breakpoints: Sequence[Breakpoint],
        revision: int,
    ) -> None:
        self.connection = connection
        self.book = book
        self.book_id = book_id
        self.breakpoints = breakpoints
        self.revision = revision
        self._seen: dict[tuple[int | None, int, int | None], Candidate] = {}

    def candidates(self, questions: Sequence[Question]) -> list[list[Candidate]]:
        """For each question the nearest candidates on both sides of its time."""
        found: list[list[Candidate]] = [[] for _ in questions]
        if not questions:
            return found
        columns: list[list[Any]] = [
            [q.key for q in questions],
            [math.inf if q.middle is None else q.middle for q in questions],
            [q.low for q in questions],
            [q.high for q in questions],
            [None if q.middle is None else q.limit for q in questions],
            [q.usable for q in questions],
            ["{" + ",".join(str(POOLS.index(pool)) for pool in q.pools) + "}" for q in questions],
        ]
        for n, *row in self.connection.execute(_CANDIDATES, [*columns, self.book_id]):
            found[n - 1].append(self._candidate(row))
        return found

    def datasets(self, refs: Collection[int]) -> dict[int, Dataset]:
        """The groups with these numbers."""
        return _datasets(self.connection.execute(_THESE, [sorted(refs)])) if refs else {}

    def files(self, refs: Collection[int]) -> dict[int, File]:
        """The single files with these numbers."""
        if not refs:
            return {}
        rows = self.connection.execute(_FILES, [self.book_id, sorted(refs)])
        return {ref: File(*rest) for ref, *rest in rows}

    def datasets_of(self, dp_id: str) -> list[Dataset]:
        """Every group that holds this frame, in the order of the rules."""
        found = _datasets(self.connection.execute(_OF_FRAME, [self.book_id, dp_id]))
        return sorted(found.values(), key=lambda dataset: dataset.rule)

    def frame(self, dp_id: str) -> File:
        """The frame itself. Raises UnknownFrameError."""
        return find_frame(self.connection, self.book_id, dp_id)[0]

    def header(self, dp_id: str) -> Mapping[str, Maybe]:
        """The frame's rule-relevant keywords, as its header has them."""
        return find_frame(self.connection, self.book_id, dp_id)[1]

    def _candidate(self, row: Sequence[Any]) -> Candidate:
        """A row's candidate; several slots of a cascade are offered the same ones, so each is made once."""
        pool, group_id, frame_id, promise, middle, certified, state = row[:7]
        known = self._seen.get((group_id, frame_id, promise))
        if known:
            return known
        dp_id, header, derived, tag, raw_type, content, action, rule = row[7:]
        keywords = merged(header, derived)
        if group_id is not None:
            keywords = virtual_keywords(self.book.actions[action].promises[promise], keywords)
        candidate = Candidate(
            pool=POOLS[pool],
            ref=frame_id if group_id is None else group_id,
            promise=promise,
            name=dp_id,
            middle=middle,
            certified=certified,
            state=STATES[state],
            keywords=keywords,
            raw_type=raw_type,
            tag=tag,
            content=content or f"file {dp_id}",
            rule=rule or 0,
        )
        self._seen[group_id, frame_id, promise] = candidate
        return candidate


def _datasets(rows: Iterable[TupleRow]) -> dict[int, Dataset]:
    heads: dict[int, tuple[Any, ...]] = {}
    files: dict[int, list[File]] = {}
    for row in rows:
        heads.setdefault(row[0], row)
        files.setdefault(row[0], []).append(File(*row[9:]))
    return {ref: _dataset(head, tuple(files[ref])) for ref, head in heads.items()}


def _dataset(head: Sequence[Any], files: tuple[File, ...]) -> Dataset:
    ref, rule, action, raw_type, state, middle, content, keywords, derived = head[:9]
    return Dataset(
        ref, rule, action, raw_type, STATES[state], middle, files, merged(keywords, derived), content
    )


def find_frame(connection: Connection, book_id: int | None, dp_id: str) -> tuple[File, Mapping[str, Maybe]]:
    """A frame as a book sees it, and its rule-relevant keywords. Raises UnknownFrameError."""
    row = connection.execute(_FRAME, [book_id, dp_id]).fetchone()
    if row is None:
        raise UnknownFrameError(dp_id)
    return File(*row[1:]), row[0]


def merged(header: Mapping[str, Any], derived: Mapping[str, Any] | None) -> dict[str, Maybe]:
    """Stored keywords as conditions see them; a derived null hides a header value."""
    keywords: dict[str, Maybe] = dict(header)
    for key, value in (derived or {}).items():
        keywords[key] = UNDEFINED if value is None else value
    return keywords
