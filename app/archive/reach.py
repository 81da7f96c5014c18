"""Which science frames may have another answer, given what has changed: too many rather than too few.

From what was touched upwards: a frame of a category may serve every group that asks for the category and
whose window holds it, the products of those groups every group that asks for these, and so on. The windows
say how far in time; which of these answers really are others, only the cascade knows.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from app.archive.finding import Connection
from app.organise import LONGEST_EXPOSURE_S
from app.rulebook import Promise, Rulebook, Wanted

Interval: TypeAlias = tuple[float, float]  # MJD-OBS, days
ALWAYS: Final = (-math.inf, math.inf)

_TOUCHED = """
WITH touched AS (SELECT unnest(%s::bigint[]) AS frame_id)
SELECT DISTINCT m.key, m.mjd FROM match_key m WHERE m.book_id = %s AND (
  (m.group_id IS NULL AND m.frame_id IN (SELECT frame_id FROM touched))
  OR m.group_id IN (SELECT g.group_id FROM group_member g JOIN touched USING (frame_id)))
"""
_SCIENCE = """
SELECT DISTINCT f.dp_id
FROM unnest(%s::text[], %s::float8[], %s::float8[]) q(action, low, high)
JOIN frame_group g ON g.book_id = %s AND g.action = q.action AND g.middle BETWEEN q.low AND q.high
JOIN group_member m ON m.group_id = g.id JOIN frame f ON f.id = m.frame_id
WHERE f.keywords ->> 'DPR.CATG' = 'SCIENCE'
"""
_OWN = """
SELECT DISTINCT f.dp_id
FROM group_member t JOIN frame_group g ON g.id = t.group_id AND g.book_id = %s
JOIN group_member m ON m.group_id = g.id JOIN frame f ON f.id = m.frame_id
WHERE t.frame_id = ANY(%s) AND f.keywords ->> 'DPR.CATG' = 'SCIENCE'
"""


def suspects(
    connection: Connection, book_id: int, book: Rulebook, touched: Collection[int], breaks: Iterable[float]
) -> set[str]:
    """The science frames of a book that the index has now and that may be concerned.

    `touched` are the row numbers of frames that came, went or were judged, `breaks` the times of
    interventions that became known (MJD).
    """
    frames = sorted(touched)
    rows = connection.execute(_TOUCHED, [frames, book_id]).fetchall()
    spans = affected(book, rows, breaks)
    slack = LONGEST_EXPOSURE_S / 86400  # groups are found by their mid exposure
    asked = [(action, low - slack, high + slack) for action, each in spans.items() for low, high in each]
    found = connection.execute(_OWN, [book_id, frames]).fetchall()
    if asked:
        actions, lows, highs = (list(column) for column in zip(*asked, strict=True))
        found += connection.execute(_SCIENCE, [actions, lows, highs, book_id]).fetchall()
    return {dp_id for (dp_id,) in found}


def affected(
    book: Rulebook, touched: Iterable[tuple[int, float | None]], breaks: Iterable[float]
) -> dict[str, list[Interval]]:
    """For each action the times (MJD-OBS) of the groups whose answers may be others.

    `touched` are match keys with the MJD-OBS of who has them, None for what has no time.
    """
    asking = [(action.name, wanted) for action in book.actions.values() for wanted in action.wanted]
    by_key: dict[int, list[tuple[str, Wanted]]] = defaultdict(list)
    for name, wanted in asking:
        key = wanted.wide.key_for(book.checksum, ())
        if key is not None:
            by_key[key].append((name, wanted))
    spans: dict[str, list[Interval]] = defaultdict(list)
    for key, mjd in touched:
        for name, wanted in by_key.get(key, ()):
            spans[name].append(ALWAYS if mjd is None else _askers(wanted, (mjd, mjd)))
    for mjd in breaks:
        for name, wanted in asking:
            spans[name].append(_askers(wanted, (mjd, mjd)))
    return _upwards(book, asking, {name: merged(each) for name, each in spans.items()})


def _upwards(
    book: Rulebook, asking: Sequence[tuple[str, Wanted]], spans: dict[str, list[Interval]]
) -> dict[str, list[Interval]]:
    """With the groups that need the products of these groups, and so on."""
    needs = [
        (action.name, name, wanted)
        for action in book.actions.values()
        for name, wanted in asking
        if any(_may_be(promise, wanted) for promise in action.promises)
    ]
    for _ in range(len(book.actions) + 1):
        grown: dict[str, list[Interval]] = {name: list(each) for name, each in spans.items()}
        for maker, asker, wanted in needs:
            grown.setdefault(asker, []).extend(_askers(wanted, each) for each in spans.get(maker, ()))
        grown = {name: merged(each) for name, each in grown.items() if each}
        if grown == spans:
            return spans
        spans = grown
    # Actions that need each other would go on for ever.
    return {name: [ALWAYS] for name in spans}


def _may_be(promise: Promise, wanted: Wanted) -> bool:
    """Whether a product may be what is asked for, as far as its PRO.CATG tells."""
    if wanted.wide.side == "raw":
        return False
    asked = dict(wanted.condition.literals).get("PRO.CATG")
    return asked is None or promise.category is None or asked == promise.category


def _askers(wanted: Wanted, candidates: Interval) -> Interval:
    """When groups that ask for something of this time may have been taken."""
    before, after = _offsets(wanted)
    return candidates[0] - after, candidates[1] + before


def _offsets(wanted: Wanted) -> tuple[float, float]:
    """How many days before and after itself an asker looks; infinite where it is not a matter of days."""
    found = []
    for mjd in (50_000.0, 60_000.0):
        low, high = wanted.condition.window({"MJD-OBS": mjd})
        found.append((mjd - low, high - mjd))
    (before, after), (then_before, then_after) = found
    same = math.isclose(before, then_before, abs_tol=1e-6), math.isclose(after, then_after, abs_tol=1e-6)
    return (before + 1e-6 if same[0] else math.inf), (after + 1e-6 if same[1] else math.inf)


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same times in as few intervals as possible, in order."""
    found: list[Interval] = []
    for low, high in sorted(intervals):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        elif low <= high:
            found.append((low, high))
    return found


def everything(connection: Connection, instrumes: Mapping[str, object] | Collection[str]) -> set[str]:
    """Every science frame of these instruments."""
    rows = connection.execute(
        "SELECT dp_id FROM frame WHERE instrume = ANY(%s) AND raw AND keywords ->> 'DPR.CATG' = 'SCIENCE'",
        [list(instrumes)],
    )
    return {dp_id for (dp_id,) in rows}
