"""For how long an answer stands: frames of one set-up, taken one after the other, mostly have the same.

What a group chooses depends on its keywords and on its time. With the keywords that its rules read
unchanged, the choice can change only where a window begins to hold a calibration or ceases to, where two
calibrations are equally far, or at a breakpoint. Between two such moments the answer of one frame is the
answer of all; near them, and for rules that use the time otherwise, every frame is asked for.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from app.archive.memory import BookMemory
from app.archive.reach import may_be
from app.associate import Dataset
from app.header import UNDEFINED
from app.oca.evaluate import EMPTY, compile_value
from app.oca.terms import And, Arith, Between, Compare, Expr, Key, Negative, Not, Number, Or, keys
from app.organise import time_of
from app.rulebook import Wanted
from app.tree import Node

_TIME: Final = "MJD-OBS"
_DATE: Final = 50_000.0  # any
# Days around a critical moment in which every frame is asked for (0.1 s): no rounding reaches as far.
_NEAR: Final = 1e-6

# What tells two groups apart for the rules: the same for groups that choose the same at the same time.
Setup: TypeAlias = tuple[Any, ...]


class Span(NamedTuple):
    """From when to when an answer stands, MJD days: of MJD-OBS, and of mid exposures."""

    start: tuple[float, float]
    middle: tuple[float, float]

    def holds(self, start: float, middle: float) -> bool:
        """Whether it stands for a group of these times."""
        return self.start[0] < start < self.start[1] and self.middle[0] < middle < self.middle[1]

    def within(self, other: Span) -> Span:
        """When both stand."""
        return Span(_both(self.start, other.start), _both(self.middle, other.middle))


class _Slot(NamedTuple):
    """An association: the input's keywords that it reads beside its time, and how it depends on that."""

    wanted: Wanted
    reads: tuple[str, ...]
    crossings: _Crossings


class _Times(NamedTuple):
    """When the files of one match key were taken, in order; `kinds` are the raw types of raw ones."""

    starts: list[float]
    middles: list[float]
    kinds: frozenset[str]


class Standing:
    """Tells for how long the answers under one book stand."""

    def __init__(self, view: BookMemory) -> None:
        self.view = view
        self._slots: dict[str, tuple[_Slot, ...] | None] = {}
        self._found: dict[tuple[Any, ...], _Times | None] = {}

    def setup(self, asker: Dataset) -> Setup | None:
        """What the group's choices depend on beside its time; None where that cannot be told."""
        slots = self._slots_of(asker.action)
        if slots is None or asker.middle is None or time_of(asker.keywords) is None:
            return None
        found: list[object] = [asker.action, asker.rule, asker.state, asker.raw_type]
        for number, slot in enumerate(slots):
            values = _values(slot, asker)
            times = self._times(asker.action, number, slot, values, asker)
            if times is not None:
                if asker.raw_type in times.kinds:
                    return None  # what a group never chooses is itself
                found.append((number, *values))
        return tuple(found)

    def span(self, asker: Dataset, root: Node) -> Span:
        """For how long the answer of a group, which has a set-up, stands for others of the same set-up."""
        slots = self._slots_of(asker.action)
        here, middle = time_of(asker.keywords), asker.middle
        assert slots is not None and here is not None and middle is not None
        starts = _between(sorted(each.mjd for each in self.view.breakpoints), here)
        middles = (-math.inf, math.inf)
        for number, (slot, chosen) in enumerate(zip(slots, root.slots, strict=True)):
            times = self._times(asker.action, number, slot, _values(slot, asker), asker)
            if times is None:
                continue
            starts = _both(starts, _between(sorted(slot.crossings.dates), here))
            for offset in slot.crossings.offsets:
                low, high = _between(times.starts, here + offset)
                starts = _both(starts, (low - offset, high - offset))
            for choice in chosen.chosen:
                if choice.days is not None:
                    far = middle + choice.days
                    low, high = _between(times.middles, 2 * middle - far)
                    middles = _both(middles, ((low + far) / 2, (high + far) / 2))
        return Span(_inner(starts), _inner(middles))

    def _slots_of(self, action: str) -> tuple[_Slot, ...] | None:
        if action not in self._slots:
            self._slots[action] = self._read(action)
        return self._slots[action]

    def _read(self, name: str) -> tuple[_Slot, ...] | None:
        book = self.view.book
        rule = next(each for each in book.rules.actions if each.name == name)
        wanted_anywhere = [wanted for action in book.actions.values() for wanted in action.wanted]
        if any(may_be(promise, each) for promise in book.actions[name].promises for each in wanted_anywhere):
            return None  # whoever is below may be offered what the group itself makes
        slots = []
        for wanted in book.actions[name].wanted:
            if wanted.maximum == 0:
                continue
            condition = rule.associations[wanted.index].condition
            crossings = _crossings(condition)
            if crossings is None or wanted.own:
                return None
            reads = {key.name for key in keys(condition) if key.scope} - {_TIME}
            slots.append(_Slot(wanted, tuple(sorted(reads)), crossings))
        return tuple(slots)

    def _times(
        self, action: str, number: int, slot: _Slot, values: tuple[Any, ...], asker: Dataset
    ) -> _Times | None:
        """The times of all that a slot may choose from; None where there is nothing."""
        place = (action, number, *values)
        if place not in self._found:
            wanted = slot.wanted
            given = [asker.keywords.get(name, UNDEFINED) for _, name in wanted.condition.joins]
            key = wanted.tight.key_for(self.view.book.checksum, given)
            offers = self.view.offers(key) if key is not None else ()
            raw = wanted.wide.side == "raw"
            times = _Times(
                sorted(offer.mjd for offer in offers if offer.mjd is not None),
                sorted(offer.middle for offer in offers if offer.middle is not None),
                frozenset(self.view.kind(offer.frame).raw_type for offer in offers if raw),
            )
            self._found[place] = times if offers else None
        return self._found[place]


def _values(slot: _Slot, asker: Dataset) -> tuple[Any, ...]:
    """What a slot reads of its input; 1, 1.0 and T are equal but not the same."""
    values = [asker.keywords.get(name, UNDEFINED) for name in slot.reads]
    return (*values, *map(type, values))


class _Crossings(NamedTuple):
    """When a condition may change its mind: so many days from a calibration, or at a date (MJD)."""

    offsets: frozenset[float]
    dates: frozenset[float]

    def __or__(self, other: object) -> _Crossings:
        assert isinstance(other, _Crossings)
        return _Crossings(self.offsets | other.offsets, self.dates | other.dates)


_NEVER: Final = _Crossings(frozenset(), frozenset())


def _crossings(expr: Expr) -> _Crossings | None:
    """Of a whole condition; None where it depends on the input's time in another way."""
    found: list[_Crossings | None]
    match expr:
        case And(terms) | Or(terms):
            found = [_crossings(term) for term in terms]
        case Not(term):
            found = [_crossings(term)]
        case _ if not any(key.scope and key.name == _TIME for key in keys(expr)):
            return _NEVER
        case Compare(_, left, right):
            found = [_crossing(left, right)]
        case Between(value, low, high):
            found = [_crossing(value, low), _crossing(value, high)]
        case _:
            return None
    whole = _NEVER
    for each in found:
        if each is None:
            return None
        whole |= each
    return whole


def _crossing(left: Expr, right: Expr) -> _Crossings | None:
    """When one side overtakes the other, of two that are dates or days from one of the two times."""
    if not (_linear(left) and _linear(right)):
        return None
    sides = compile_value(left), compile_value(right)

    def apart(candidate: float, asking: float) -> float:
        values = [side({_TIME: candidate}, {_TIME: asking}, EMPTY) for side in sides]
        numbers = [value if isinstance(value, (int, float)) else math.nan for value in values]
        return numbers[0] - numbers[1]

    base = apart(_DATE, _DATE)
    slopes = round(apart(_DATE + 1, _DATE) - base, 6), round(apart(_DATE, _DATE + 1) - base, 6)
    match slopes:
        case (_, 0.0):
            return _NEVER
        case (1.0, -1.0) | (-1.0, 1.0):  # candidate - asking - offset, or the negative of it
            return _Crossings(frozenset({-base * slopes[0]}), frozenset())
        case (0.0, (1.0 | -1.0) as slope):
            return _Crossings(frozenset(), frozenset({_DATE - base * slope}))
        case _:
            return None


def _linear(expr: Expr) -> bool:
    """Sums and differences of keywords and numbers."""
    match expr:
        case Key() | Number():
            return True
        case Negative(term):
            return _linear(term)
        case Arith("+" | "-", left, right):
            return _linear(left) and _linear(right)
        case _:
            return False


def _between(moments: Sequence[float], here: float) -> tuple[float, float]:
    """The moments before and after; `here` itself is both."""
    place = bisect_left(moments, here)
    before = moments[place - 1] if place else -math.inf
    after = moments[place] if place < len(moments) else math.inf
    return before, after


def _both(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return max(one[0], other[0]), min(one[1], other[1])


def _inner(span: tuple[float, float]) -> tuple[float, float]:
    return span[0] + _NEAR, span[1] - _NEAR
