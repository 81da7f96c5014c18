"""What people say of frames and instruments: certified, rejected, hidden; breakpoints. With history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from app.archive.finding import Connection
from app.archive.indexing import regroup
from app.archive.storing import bump, lock
from app.archive.tables import STATES
from app.associate import Breakpoint
from app.errors import RequestError, UnknownFrameError
from app.rulebook import Rulebook

Verdict: TypeAlias = Literal["certified", "rejected", "hidden", "shown"]

Flag: TypeAlias = Literal["certified", "hidden"]

# The flag that a verdict sets, and to what.
_SETS: dict[Verdict, tuple[Flag, bool]] = {
    "certified": ("certified", True),
    "rejected": ("certified", False),
    "hidden": ("hidden", True),
    "shown": ("hidden", False),
}


def judge(
    connection: Connection,
    books: Mapping[int, Rulebook],
    dp_ids: Sequence[str],
    verdict: Verdict,
    who: str,
    reason: str = "",
) -> int:
    """Certify, reject (takes the certification away), hide or show frames; returns how many there were.

    All or nothing: an unknown dp_id raises UnknownFrameError and changes nothing. The groups that the
    frames are in are made anew. A verdict that says what is so already is kept in the history, too.
    """
    with connection.transaction():
        lock(connection)
        rows = connection.execute("SELECT dp_id, id FROM frame WHERE dp_id = ANY(%s)", [list(dp_ids)])
        ids: dict[str, int] = dict(rows.fetchall())
        unknown = [dp_id for dp_id in dict.fromkeys(dp_ids) if dp_id not in ids]
        if unknown:
            raise UnknownFrameError(*unknown)
        numbers = sorted(ids.values())
        flag, value = _SETS[verdict]
        connection.execute(
            f"INSERT INTO quality_event (frame_id, verdict, who, reason, was, at) "
            f"SELECT id, %s, %s, %s, {flag}, now() FROM frame WHERE id = ANY(%s) ORDER BY id",
            [verdict, who, reason, numbers],
        )
        set_flag(connection, books, numbers, flag, value)
        bump(connection)
    return len(numbers)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict of the history; `was` is the flag before: certified, or hidden."""

    dp_id: str
    verdict: str
    who: str
    reason: str
    was: bool
    at: datetime


def verdicts(connection: Connection, dp_ids: Sequence[str]) -> list[Judged]:
    """What was said of these frames, in order. Raises UnknownFrameError for those that there are not."""
    known = connection.execute("SELECT dp_id FROM frame WHERE dp_id = ANY(%s)", [list(dp_ids)]).fetchall()
    unknown = [dp_id for dp_id in dict.fromkeys(dp_ids) if (dp_id,) not in known]
    if unknown:
        raise UnknownFrameError(*unknown)
    rows = connection.execute(
        "SELECT f.dp_id, e.verdict, e.who, e.reason, e.was, e.at FROM quality_event e "
        "JOIN frame f ON f.id = e.frame_id WHERE f.dp_id = ANY(%s) ORDER BY e.at, e.id",
        [list(dp_ids)],
    )
    return [Judged(*row) for row in rows]


def set_flag(
    connection: Connection, books: Mapping[int, Rulebook], numbers: Sequence[int], flag: Flag, value: bool
) -> None:
    """Set a flag of frames, by row number, in the frames, their match keys and their groups."""
    connection.execute(f"UPDATE frame SET {flag} = %s WHERE id = ANY(%s)", [value, list(numbers)])
    connection.execute(
        "UPDATE match_key m SET certified = f.certified, state = CASE WHEN f.hidden THEN %s ELSE %s END "
        "FROM frame f WHERE f.id = m.frame_id AND m.group_id IS NULL AND f.id = ANY(%s)",
        [STATES.index("hidden"), STATES.index("ok"), list(numbers)],
    )
    places = connection.execute(
        "SELECT book_id, rule, part FROM partition_member WHERE frame_id = ANY(%s)", [list(numbers)]
    )
    regroup(connection, books, {(b, r, p) for b, r, p in places if b in books})


_KEYS = ("mjdObs", "instrument", "dpInstrument", "rawType", "proCatg", "doClass")


def add_breakpoints(
    connection: Connection, entries: Iterable[Mapping[str, Any]], *, removed_too: bool = True
) -> int:
    """Add breakpoints in the form of CalSelector's list; known ones change nothing; returns how many are new.

    Without `removed_too` those that were taken back stay so. Raises RequestError naming the entry that is
    not of that form.
    """
    lock(connection)
    with connection.transaction():
        added = sum(
            connection.execute(_ADD, {**entry, "removed_too": removed_too}).rowcount
            for entry in _demand_breakpoints(entries)
        )
        if added:
            bump(connection)
    return added


def remove_breakpoints(connection: Connection, entries: Iterable[Mapping[str, Any]]) -> int:
    """Take breakpoints back; the history keeps them; returns how many.

    Raises RequestError naming the entry that is not of CalSelector's form, or that is not in force.
    """
    lock(connection)
    done = set()
    with connection.transaction():
        for number, entry in enumerate(_demand_breakpoints(entries)):
            key = tuple(entry[name] for name in _KEYS if name != "dpInstrument")
            if key not in done and not connection.execute(_REMOVE, entry).rowcount:
                raise RequestError(
                    f"breakpoint {number} is not in force, so none is taken back: {dict(entry)}; "
                    "'calsel breakpoints list --format json' prints those that are"
                )
            done.add(key)
        if done:
            bump(connection)
    return len(done)


_SAME: Final = """mjd_obs = %(mjdObs)s AND instrument = %(instrument)s AND raw_type = %(rawType)s
AND pro_catg = %(proCatg)s AND do_class = %(doClass)s"""
# Their times are those of the change, not of its transaction: who waits for the lock comes later than who
# has it, so that at no moment two of a kind were in force.
_ADD: Final = f"""
INSERT INTO breakpoint (mjd_obs, instrument, dp_instrument, raw_type, pro_catg, do_class, added_at)
SELECT %(mjdObs)s, %(instrument)s, %(dpInstrument)s, %(rawType)s, %(proCatg)s, %(doClass)s, clock_timestamp()
WHERE %(removed_too)s OR NOT EXISTS (SELECT 1 FROM breakpoint WHERE {_SAME})
ON CONFLICT DO NOTHING
"""
_REMOVE: Final = f"UPDATE breakpoint SET removed_at = clock_timestamp() WHERE removed_at IS NULL AND {_SAME}"


def _demand_breakpoints(entries: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for number, entry in enumerate(entries):
        if not _is_breakpoint(entry):
            raise RequestError(
                f"breakpoint {number} must have {', '.join(_KEYS)} (mjdObs a number, the rest texts): {entry}"
            )
        yield entry


def _is_breakpoint(entry: object) -> bool:
    """Whether an entry, which comes from outside, has all keys with values of the right types."""
    if not isinstance(entry, Mapping):
        return False
    mjd, *words = (entry.get(key) for key in _KEYS)
    number = isinstance(mjd, (int, float)) and not isinstance(mjd, bool)
    return number and all(isinstance(word, str) and "\0" not in word for word in words)


def breakpoints(connection: Connection) -> list[Breakpoint]:
    """Every breakpoint that is in force, in time order."""
    rows = connection.execute(
        "SELECT mjd_obs, instrument, raw_type, pro_catg, do_class FROM breakpoint WHERE removed_at IS NULL "
        "ORDER BY mjd_obs, instrument, raw_type, pro_catg, do_class"
    )
    return [Breakpoint(*row) for row in rows]


def breakpoint_list(connection: Connection) -> list[dict[str, Any]]:
    """Those in force, in the form of CalSelector's list, in the order in which they were made known."""
    rows = connection.execute(
        "SELECT mjd_obs, instrument, dp_instrument, raw_type, pro_catg, do_class FROM breakpoint "
        "WHERE removed_at IS NULL ORDER BY id"
    )
    return [dict(zip(_KEYS, row, strict=True)) for row in rows]
