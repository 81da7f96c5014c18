"""Which science frames may have another answer, given what has changed: too many rather than too few.

From what was touched upwards: which groups may choose it, which groups may choose their products, and so on.
A group may choose something only if it asks for its match key, its window holds it, and not as many others
as the rule wants lie in between. Which answers really are others, only the cascade knows.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from app.archive.finding import Connection, merged
from app.archive.tables import POOLS, STATES
from app.header import UNDEFINED, Maybe
from app.organise import LONGEST_EXPOSURE_S
from app.rulebook import ActionBook, Promise, Rulebook, Wanted

_OK: Final = STATES.index("ok")
_MASTER: Final = POOLS.index("master")
_SLACK: Final = LONGEST_EXPOSURE_S / 86400  # groups are found by their mid exposure
_Number: TypeAlias = float | None


class _Offer(NamedTuple):
    """A match key of a file or of a group's product; `middle` and `mjd` in days, None without a time."""

    key: int
    middle: _Number
    mjd: _Number
    certified: bool
    pool: int
    frame: int
    group: int | None
    promise: int | None


@dataclass(frozen=True, slots=True)
class _Group:
    """A group that may ask, with what conditions see of its primary."""

    id: int
    middle: float
    mjd: float
    keywords: Mapping[str, Maybe]


_OFFERS: Final = "SELECT key, middle, mjd, certified, pool, frame_id, group_id, promise FROM match_key"
_GROUPS: Final = """
SELECT g.id, g.middle, f.mjd, f.keywords, c.derived
FROM frame_group g JOIN group_member m ON m.group_id = g.id AND m.position = 0
JOIN frame f ON f.id = m.frame_id
LEFT JOIN classified c ON c.book_id = g.book_id AND c.frame_id = f.id
WHERE g.book_id = %s AND g.action = %s AND g.middle BETWEEN %s AND %s
"""
_MIDDLES: Final = """
SELECT id, action, middle FROM frame_group WHERE book_id = %s AND middle IS NOT NULL ORDER BY middle
"""
_SCIENCE: Final = """
SELECT DISTINCT f.dp_id FROM group_member m JOIN frame f ON f.id = m.frame_id
WHERE m.group_id = ANY(%s) AND f.keywords ->> 'DPR.CATG' = 'SCIENCE'
"""


def suspects(
    connection: Connection, book_id: int, book: Rulebook, touched: Collection[int], breaks: Sequence[float]
) -> set[str]:
    """The science frames under a book, as the index is now, that may be concerned.

    `touched` are the row numbers of frames that came, went, changed or were judged, `breaks` the times of
    interventions that became known (MJD).
    """
    reach = _Reach(connection, book_id, book, frozenset(touched))
    rows = connection.execute(
        "SELECT DISTINCT m.group_id FROM group_member m JOIN frame_group g ON g.id = m.group_id "
        "WHERE g.book_id = %s AND m.frame_id = ANY(%s)",
        [book_id, sorted(touched)],
    )
    own = {group for (group,) in rows}
    groups = own | reach.across(breaks)
    offers = reach.made_by(groups) + [
        _Offer(*row)
        for row in connection.execute(
            f"{_OFFERS} WHERE book_id = %s AND group_id IS NULL AND frame_id = ANY(%s) AND state = %s",
            [book_id, sorted(touched), _OK],
        )
    ]
    reach.untrusted |= own
    while offers:
        new = reach.askers(offers) - groups
        groups |= new
        offers = reach.made_by(new)
    return {dp_id for (dp_id,) in connection.execute(_SCIENCE, [sorted(groups)])}


class _Reach:
    """One rulebook's way upwards; `touched` frames and `untrusted` groups are not what lies in between."""

    def __init__(self, connection: Connection, book_id: int, book: Rulebook, touched: frozenset[int]) -> None:
        self.connection = connection
        self.book_id = book_id
        self.book = book
        self.touched = touched
        self.untrusted: set[int] = set()
        self.cyclic = _cyclic(book)
        self._near: dict[int, list[_Offer]] = {}

    def made_by(self, groups: Collection[int]) -> list[_Offer]:
        """What these groups promise."""
        rows = self.connection.execute(
            f"{_OFFERS} WHERE group_id = ANY(%s) AND state = %s", [sorted(groups), _OK]
        )
        return [_Offer(*row) for row in rows]

    def across(self, breaks: Sequence[float]) -> set[int]:
        """The groups that look across one of these moments."""
        if not breaks:
            return set()
        groups: dict[str, list[tuple[float, int]]] = defaultdict(list)
        for number, action, middle in self.connection.execute(_MIDDLES, [self.book_id]):
            groups[action].append((middle, number))
        windows: dict[str, set[tuple[float, float]]] = defaultdict(set)
        for action, wanted in _asking(self.book):
            if action.name in groups:
                windows[action.name].add(_offsets(wanted))
        found: set[int] = set()
        for name, offsets in windows.items():
            before, after = (max(each) for each in zip(*offsets, strict=True))
            for mjd in breaks:
                first = bisect_left(groups[name], (mjd - after - _SLACK,))
                last = bisect_left(groups[name], (mjd + before + _SLACK, math.inf))
                found.update(number for _, number in groups[name][first:last])
        return found

    def askers(self, offers: Iterable[_Offer]) -> set[int]:
        """The groups that may choose one of these."""
        by_key: dict[int, list[_Offer]] = defaultdict(list)
        for offer in offers:
            if offer.certified or offer.pool != _MASTER:
                by_key[offer.key].append(offer)
        found = set()
        for action, wanted in _asking(self.book):
            wide = by_key.get(wanted.wide.key_for(self.book.checksum, ()) or 0)
            if wide:
                times = [math.nan if offer.mjd is None else offer.mjd for offer in wide]
                timeless = any(map(math.isnan, times))
                low, high = (-math.inf, math.inf) if timeless else _window(wanted, min(times), max(times))
                found |= set(self._choosers(action, wanted, by_key, self._groups(action, low, high)))
        return found

    def _choosers(
        self,
        action: ActionBook,
        wanted: Wanted,
        by_key: Mapping[int, Sequence[_Offer]],
        groups: Sequence[_Group],
    ) -> Iterator[int]:
        asked: dict[int, list[_Group]] = defaultdict(list)
        for group in groups:
            values = [group.keywords.get(given, UNDEFINED) for _, given in wanted.condition.joins]
            key = wanted.tight.key_for(self.book.checksum, values)
            if key is not None and key in by_key:
                asked[key].append(group)
        nearest = action.name not in self.cyclic and _nearest_wins(wanted)
        if nearest:
            self._load(asked.keys())
        for key, askers in asked.items():
            for group in askers:
                low, high = wanted.condition.window(group.keywords)
                offers = [o for o in by_key[key] if o.mjd is None or low <= o.mjd <= high]
                between = self._near[key] if nearest else []
                if any(_may_win(group, offer, between, wanted.maximum) for offer in offers):
                    yield group.id

    def _load(self, keys: Collection[int]) -> None:
        """What has these match keys, certainly now and then: nothing that was touched itself."""
        missing = sorted(set(keys) - self._near.keys())
        self._near.update({key: [] for key in missing})
        rows = self.connection.execute(
            f"{_OFFERS} WHERE key = ANY(%s) AND state = %s AND mjd IS NOT NULL", [missing, _OK]
        )
        for offer in (_Offer(*row) for row in rows):
            if offer.frame not in self.touched and offer.group not in self.untrusted:
                self._near[offer.key].append(offer)

    def _groups(self, action: ActionBook, low: float, high: float) -> list[_Group]:
        """The groups of an action that were taken at these times (MJD-OBS)."""
        given = [self.book_id, action.name, low - _SLACK, high + _SLACK]
        return [
            _Group(number, middle, mjd, merged(keywords, derived))
            for number, middle, mjd, keywords, derived in self.connection.execute(_GROUPS, given)
        ]


def _may_win(group: _Group, offer: _Offer, others: Iterable[_Offer], wanted: int) -> bool:
    """Whether fewer than `wanted` others of its kind lie between a group and what it is offered.

    What lies between is nearer, inside every window that holds both ends, and on the same side of every
    breakpoint; so it goes before, unless it alone is not certified.
    """
    if offer.mjd is None or offer.middle is None:
        return True
    before = set()
    for other in others:
        if other.pool != offer.pool or (not other.certified and (offer.certified or other.pool == _MASTER)):
            continue
        if _lies(group.middle, other.middle, offer.middle) and _lies(group.mjd, other.mjd, offer.mjd):
            before.add(other.frame)
            if len(before) >= wanted:
                return False
    return True


def _lies(here: float, between: _Number, there: float) -> bool:
    """Between, and not at the far end."""
    return between is not None and (here <= between < there or there < between <= here)


def _nearest_wins(wanted: Wanted) -> bool:
    """Of two with the key that is asked for, the nearer one on a side is never refused alone.

    So where the rule asks for nothing but literals, equal keywords and windows in time that begin before
    the asking group and end after it.
    """
    condition = wanted.condition
    if wanted.wide.side == "raw" or any(clause.residual for clause in condition.clauses):
        return False
    if len(condition.soft) != len(condition.soft_bounds):
        return False
    spans = [(before, after) for before, after in (_offsets(wanted), _offsets(wanted, plan=True))]
    return all(before >= 0 and after >= 0 for before, after in spans)


def _window(wanted: Wanted, first: float, last: float) -> tuple[float, float]:
    """When groups that ask for something of these times may have been taken (MJD-OBS)."""
    before, after = _offsets(wanted)
    return first - after, last + before


def _offsets(wanted: Wanted, *, plan: bool = False) -> tuple[float, float]:
    """How many days before and after itself a group looks; infinite where it is not a matter of days."""
    found = []
    for mjd in (50_000.0, 60_000.0):
        given = {"MJD-OBS": mjd}
        low, high = wanted.condition.plan(given) if plan else wanted.condition.window(given)
        found.append((mjd - low, high - mjd))
    (before, after), (then_before, then_after) = found
    same = math.isclose(before, then_before, abs_tol=1e-6), math.isclose(after, then_after, abs_tol=1e-6)
    return (before if same[0] else math.inf), (after if same[1] else math.inf)


def _asking(book: Rulebook) -> Iterator[tuple[ActionBook, Wanted]]:
    for action in book.actions.values():
        for wanted in action.wanted:
            if wanted.maximum > 0:
                yield action, wanted


def _cyclic(book: Rulebook) -> set[str]:
    """The actions that may need, at some remove, what they make: the cascade refuses some of that."""
    needs: dict[str, set[str]] = defaultdict(set)
    for action, wanted in _asking(book):
        needs[action.name] |= {
            maker.name
            for maker in book.actions.values()
            if any(may_be(promise, wanted) for promise in maker.promises)
        }
    found = set()
    for name in list(needs):
        seen, ahead = set[str](), list(needs[name])
        while ahead:
            other = ahead.pop()
            if other not in seen:
                seen.add(other)
                ahead += needs.get(other, ())
        if name in seen:
            found.add(name)
    return found


def may_be(promise: Promise, wanted: Wanted) -> bool:
    """Whether a product may be what is asked for, as far as its PRO.CATG tells."""
    if wanted.wide.side == "raw":
        return False
    asked = dict(wanted.condition.literals).get("PRO.CATG")
    return asked is None or promise.category is None or asked == promise.category


def everything(connection: Connection, instrumes: Collection[str]) -> set[str]:
    """Every science frame of these instruments."""
    rows = connection.execute(
        "SELECT dp_id FROM frame WHERE instrume = ANY(%s) AND raw AND keywords ->> 'DPR.CATG' = 'SCIENCE'",
        [sorted(instrumes)],
    )
    return {dp_id for (dp_id,) in rows}
