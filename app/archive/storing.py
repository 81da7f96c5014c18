"""Frames go into the index: rows, what each rulebook says of them, groups, match keys; in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from psycopg.types.json import Jsonb

from app.archive.finding import Connection
from app.archive.indexing import copy, forget, index, numbers
from app.archive.qc import record
from app.classify import Frame, is_raw
from app.header import Header, Maybe
from app.organise import time_of
from app.rulebook import Rulebook

# Ingests run one after the other: groups of late frames are made anew from all their frames.
LOCK = 0x_CA15E1
_FEW = 50  # frames that need no statistics


@dataclass(frozen=True, slots=True)
class Stored:
    """How many frames of a batch were new, changed, or known already."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: Stored) -> Stored:
        return Stored(self.new + other.new, self.changed + other.changed, self.unchanged + other.unchanged)


def store(connection: Connection, books: Mapping[int, Rulebook], frames: Sequence[Frame]) -> Stored:
    """Put a batch of frames into the index; doing it twice changes nothing.

    `books` are all active rulebooks by their row id. A known dp_id with another header or content is
    updated and loses its certification, which was for other bytes; the history says so. A header alone
    changes nothing of a frame whose file is known. Of equal dp_ids in one batch the last one counts.
    """
    total = len({frame.dp_id for frame in frames})
    with connection.transaction():
        lock(connection)
        known = _known(connection, frames)
        _release(connection, frames)
        frames = [
            frame
            for frame in {frame.dp_id: frame for frame in frames}.values()
            if not (frame.sha256 is None and frame.dp_id in known and known[frame.dp_id].sha256)
        ]
        fresh = [frame for frame in frames if frame.dp_id not in known]
        changed = [frame for frame in frames if frame.dp_id in known and known[frame.dp_id].differs(frame)]
        moved = [f for f in frames if f.dp_id in known and known[f.dp_id].moved(f)]
        for frame in moved:
            connection.execute(
                "UPDATE frame SET path = %s, mtime_ns = %s WHERE dp_id = %s",
                [frame.path, frame.mtime_ns, frame.dp_id],
            )
        stale = [known[frame.dp_id].id for frame in changed]
        places = forget(connection, stale)
        _doubt(
            connection, [known[f.dp_id].id for f in changed if known[f.dp_id].certified and not f.certified]
        )
        changed = [known[frame.dp_id].kept_by(frame) for frame in changed]
        _remember(connection, stale)
        update(connection, {known[frame.dp_id].id: frame for frame in changed}, books)
        ids = _insert(connection, fresh, books)
        rows = {**ids, **{known[frame.dp_id].id: frame for frame in changed}}
        index(connection, books, rows, places)
        record(connection, rows)
        if rows:
            bump(connection)
        if len(fresh) > max(_surveyed(connection), _FEW):
            survey(connection)
    return Stored(len(fresh), len(changed), total - len(fresh) - len(changed))


def survey(connection: Connection) -> None:
    """Have PostgreSQL count its rows again, so that it plans for what is there.

    Its own survey comes up to a minute later, and after a transaction at the earliest; until then an index
    that was empty is planned for as if it were: a question to 4,000 new frames took 20 minutes.
    """
    connection.execute("ANALYZE frame, classified, partition_member, frame_group, group_member, match_key")


def _surveyed(connection: Connection) -> float:
    """How many frames PostgreSQL knows of; -1 before its first survey."""
    row = connection.execute("SELECT reltuples FROM pg_class WHERE oid = 'frame'::regclass").fetchone()
    assert row is not None
    return float(row[0])


def _remember(connection: Connection, frame_ids: Sequence[int]) -> None:
    """Keep these frames as they are now, before they change."""
    connection.execute(
        "INSERT INTO frame_version (frame_id, header, size, sha256, path, mtime_ns, release_date) "
        "SELECT f.id, h.header, f.size, f.sha256, f.path, f.mtime_ns, f.release_date "
        "FROM frame f JOIN frame_header h ON h.frame_id = f.id WHERE f.id = ANY(%s)",
        [list(frame_ids)],
    )


def _release(connection: Connection, frames: Sequence[Frame]) -> None:
    """Take over release dates: they are news, too, where they come without a file or with a known one."""
    dated = {frame.dp_id: frame.release_date for frame in frames if frame.release_date is not None}
    if dated:
        connection.execute(
            "UPDATE frame f SET release_date = d.date FROM unnest(%s::text[], %s::text[]) AS d(dp_id, date) "
            "WHERE f.dp_id = d.dp_id AND f.release_date IS DISTINCT FROM d.date",
            [list(dated), list(dated.values())],
        )


def _doubt(connection: Connection, frame_ids: Sequence[int]) -> None:
    """Write down that these frames lost their certification with their content."""
    connection.execute(
        "INSERT INTO quality_event (frame_id, verdict, who, reason, was, at) "
        "SELECT unnest(%s::bigint[]), 'rejected', 'ingest', 'the content has changed', true, now()",
        [list(frame_ids)],
    )


@dataclass(frozen=True, slots=True)
class _Known:
    id: int
    size: int | None
    sha256: str | None
    path: str | None
    mtime_ns: int | None
    header: dict[str, Any]
    hidden: bool
    certified: bool
    release_date: str | None

    def differs(self, frame: Frame) -> bool:
        return (self.size, self.sha256) != (frame.size, frame.sha256) or self.header != frame.header.to_dict()

    def kept_by(self, frame: Frame) -> Frame:
        """The frame with what was said of it, not read from it."""
        return replace(frame, hidden=self.hidden, release_date=frame.release_date or self.release_date)

    def moved(self, frame: Frame) -> bool:
        return (self.path, self.mtime_ns) != (frame.path, frame.mtime_ns)


def _known(connection: Connection, frames: Sequence[Frame]) -> dict[str, _Known]:
    rows = connection.execute(
        "SELECT f.dp_id, f.id, f.size, f.sha256, f.path, f.mtime_ns, h.header, f.hidden, f.certified, "
        "f.release_date FROM frame f JOIN frame_header h ON h.frame_id = f.id WHERE f.dp_id = ANY(%s)",
        [[frame.dp_id for frame in frames]],
    )
    return {dp_id: _Known(*rest) for dp_id, *rest in rows}


_COLUMNS = "instrume raw mjd keywords size sha256 path mtime_ns certified hidden release_date"
_COLUMNS_GIVEN = ", ".join(["%s"] * len(_COLUMNS.split()))


def _insert(
    connection: Connection, frames: Sequence[Frame], books: Mapping[int, Rulebook]
) -> dict[int, Frame]:
    ids = dict(zip(numbers(connection, "frame", len(frames)), frames, strict=True))
    copy(
        connection,
        "frame",
        "id dp_id instrume raw mjd keywords size sha256 path mtime_ns certified hidden release_date",
        ((frame_id, frame.dp_id, *_columns(frame, books)) for frame_id, frame in ids.items()),
    )
    copy(
        connection,
        "frame_header",
        "frame_id header",
        ((frame_id, orjson.dumps(frame.header.to_dict()).decode()) for frame_id, frame in ids.items()),
    )
    return ids


def update(connection: Connection, rows: Mapping[int, Frame], books: Mapping[int, Rulebook]) -> None:
    """Write these frames over the rows of their numbers."""
    for frame_id, frame in rows.items():
        connection.execute(
            f"UPDATE frame SET ({_COLUMNS.replace(' ', ', ')}) = ({_COLUMNS_GIVEN}) WHERE id = %s",
            [*_columns(frame, books), frame_id],
        )
        connection.execute(
            "UPDATE frame_header SET header = %s WHERE frame_id = %s",
            [orjson.dumps(frame.header.to_dict()).decode(), frame_id],
        )


def _columns(frame: Frame, books: Mapping[int, Rulebook]) -> tuple[Any, ...]:
    return (
        str(frame.header.get("INSTRUME", "")),
        is_raw(frame.header),
        time_of(frame.header),
        Jsonb(hot_keywords(frame.header, books)),
        frame.size,
        frame.sha256,
        frame.path,
        frame.mtime_ns,
        frame.certified,
        frame.hidden,
        frame.release_date,
    )


def hot_keywords(header: Header, books: Mapping[int, Rulebook]) -> dict[str, Maybe]:
    """The keywords that some book of this instrument names (the service's own are in every book)."""
    instrume = header.get("INSTRUME")
    hot = frozenset().union(*(book.hot for book in books.values() if instrume in book.instrumes))
    return {key: value for key, value in header.to_dict().items() if key in hot or not hot}


def lock(connection: Connection) -> None:
    """Wait until nobody else writes to the index, and keep others out until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def bump(connection: Connection) -> None:
    """The archive has changed: its revision grows."""
    connection.execute("INSERT INTO revision (number) SELECT coalesce(max(number), 0) + 1 FROM revision")
