"""What would change for the science frames of a period if other rulebooks were active.

Each frame is answered under both, from memory (`app.archive.memory`) and by the engine that answers requests.
Nothing is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.archive.difference import ROOT, Apart, Same, below, itself
from app.archive.memory import BookMemory
from app.archive.stock import Held, Stock
from app.associate import Associator, Breakpoint, Dataset
from app.craft.causes import Cause, Causes
from app.craft.pieces import Lines
from app.craft.standing import Setup, Span, Standing
from app.craft.tally import Outcome, Tally, Told, gained_or_lost
from app.errors import NoRulebookError
from app.organise import time_of
from app.rulebook import Library, Rulebook, RuleRef, night_of
from app.tree import Mode, Node, Slot, Tree, worst_level

# Answers of so many groups are kept for others before all is worked out anew: memory is bounded by it.
_KEPT: Final = 20_000


@dataclass(frozen=True)
class Asked:
    """What is compared: two libraries, the nights (MJD of their noons, the last included), the mode."""

    old: Library
    new: Library
    first: int
    last: int
    mode: Mode

    @property
    def span(self) -> tuple[float, float]:
        """From noon to noon, MJD."""
        return self.first + 0.5, self.last + 1.5

    @property
    def books(self) -> tuple[Rulebook, ...]:
        """All of them."""
        return (*self.old.books, *self.new.books)


def asked_frames(stock: Stock, asked: Asked) -> list[Held]:
    """The raw frames of the period that are not hidden, in time order."""
    first, last = asked.span
    return sorted(
        (
            held
            for held in stock.frames.values()
            if held.raw and not held.hidden and held.mjd is not None and first <= held.mjd < last
        ),
        key=lambda held: (held.mjd, held.dp_id),
    )


def compare(
    stock: Stock,
    breakpoints: Sequence[Breakpoint],
    asked: Asked,
    frames: Sequence[Held],
    examples: int,
    tell: Callable[[int], None],
) -> Tally:
    """Compare the answers for these frames, which are in time order; `tell` hears how many are done."""
    tally = Tally(examples)
    comparing = _Comparing(stock, breakpoints, asked, frames)
    for done, held in enumerate(frames, 1):
        comparing.add(held, tally)
        if done % 500 == 0 or done == len(frames):
            tell(done)
    return tally


class _Side:
    """One of the two libraries: its books as they see the stock, and who answers under each."""

    def __init__(
        self, library: Library, stock: Stock, breakpoints: Sequence[Breakpoint], numbers: frozenset[int]
    ) -> None:
        self._library, self._stock, self._breakpoints, self._numbers = library, stock, breakpoints, numbers
        self._views: dict[str, BookMemory] = {}
        self._picked: dict[tuple[str, int], Rulebook | None] = {}
        self._answering: dict[tuple[str, Mode], Associator] = {}
        self._standing: dict[str, Standing] = {}

    def book(self, instrume: str, night: int) -> Rulebook | None:
        """The version of a night; None where there is none."""
        place = instrume, night
        if place not in self._picked:
            try:
                self._picked[place] = self._library.pick(instrume, night)
            except NoRulebookError:
                self._picked[place] = None
        return self._picked[place]

    def view(self, book: Rulebook) -> BookMemory:
        """The stock under a version."""
        if book.name not in self._views:
            self._views[book.name] = BookMemory(book, self._stock, self._breakpoints, 0, self._numbers)
        return self._views[book.name]

    def answering(self, book: Rulebook, mode: Mode) -> Associator:
        """Who answers under a version."""
        place = book.name, mode
        if place not in self._answering:
            self._answering[place] = Associator(self.view(book), mode)
        return self._answering[place]

    def standing(self, book: Rulebook) -> Standing:
        """Who tells for how long an answer under a version stands."""
        if book.name not in self._standing:
            self._standing[book.name] = Standing(self.view(book))
        return self._standing[book.name]

    def forget(self) -> None:
        """Forget the answers."""
        self._answering.clear()


class _Comparing:
    def __init__(
        self, stock: Stock, breakpoints: Sequence[Breakpoint], asked: Asked, frames: Sequence[Held]
    ) -> None:
        numbers = frozenset(held.id for held in frames)
        self.stock, self.asked = stock, asked
        self.old = _Side(asked.old, stock, breakpoints, numbers)
        self.new = _Side(asked.new, stock, breakpoints, numbers)
        self.instrume = stock.names.index("INSTRUME")
        self.category = stock.names.index("DPR.CATG")
        self.same = Same()
        self.causes: dict[tuple[str, str], Causes] = {}
        self.asked_for = 0
        self.setup: Setup | None = None
        self.outcomes: dict[Setup, tuple[Span, Outcome]] = {}

    def add(self, held: Held, tally: Tally) -> None:
        """Compare the two answers for a frame."""
        assert held.mjd is not None
        instrume, night = str(held.values[self.instrume]), night_of(held.mjd)
        old, new = self.old.book(instrume, night), self.new.book(instrume, night)
        science = held.values[self.category] == "SCIENCE"
        if old and new and _equal(old, new):
            tally.compared += science
            return
        before = self.old.answering(old, self.asked.mode).dataset(held.dp_id) if old else None
        after = self.new.answering(new, self.asked.mode).dataset(held.dp_id) if new else None
        tally.compared += science or before is not None or after is not None
        if old and new and before and after:
            tally.add(
                held.dp_id, self._stands(old, new, before, after) or self._asked(old, new, before, after)
            )
        elif before or after:
            cause = self._causes(old, new).of_answer(held.dp_id) if old and new else _no_book(old, new)
            tally.add(held.dp_id, gained_or_lost(after is not None, cause))

    def _stands(self, old: Rulebook, new: Rulebook, before: Dataset, after: Dataset) -> Outcome | None:
        """The outcome for an earlier group of the same set-up, as long as it stands."""
        self.setup = self._setup(old, new, before, after)
        known = self.outcomes.get(self.setup) if self.setup else None
        if known and known[0].holds(*_times(before)):
            return known[1]
        return None

    def _asked(self, old: Rulebook, new: Rulebook, before: Dataset, after: Dataset) -> Outcome:
        """The outcome of asking twice."""
        self.asked_for += 1
        if self.asked_for % _KEPT == 0:
            self._forget()
        name = before.files[0].dp_id
        one = self.old.answering(old, self.asked.mode).answer(name, before)
        other = self.new.answering(new, self.asked.mode).answer(name, after)
        outcome = self._apart(one, other, self._causes(old, new))
        if self.setup:
            span = self.old.standing(old).span(before, one.root)
            span = span.within(self.new.standing(new).span(after, other.root))
            if span.holds(*_times(before)):
                self.outcomes[self.setup] = span, outcome
        return outcome

    def _setup(self, old: Rulebook, new: Rulebook, before: Dataset, after: Dataset) -> Setup | None:
        """What the outcome depends on beside the time; None where that cannot be told."""
        names = [[file.dp_id for file in side.files] for side in (before, after)]
        if names[0] != names[1] or _times(before) != _times(after):
            return None
        # what the causes depend on
        number = self.stock.number(names[0][0])
        kinds = [id(side.view(book).kind(number)) for side, book in ((self.old, old), (self.new, new))]
        setups = self.old.standing(old).setup(before), self.new.standing(new).setup(after)
        return None if None in setups else (old.name, new.name, *kinds, *setups)

    def _apart(self, before: Tree, after: Tree, causes: Causes) -> Outcome:
        old, new = before.root, after.root
        told: list[Told] = []
        what = itself(old, new)
        if what:
            told.append(Told(ROOT, what, causes.of_root(what, old, new), ROOT))
        found = list(below(old, new, self.same))
        if old.complete != new.complete and not found:
            found = list(_completeness(old, new, ""))
        for apart in found:
            slot = apart.after or apart.before
            assert slot is not None
            held = _held(apart.before), _held(apart.after)
            told.append(Told(slot.label, _better_or_worse(apart), causes.of_slot(apart), apart.path, *held))
        totals = []
        for word, pair in (
            ("complete", (old.complete, new.complete)),
            ("certified", (old.certified, new.certified)),
        ):
            totals += [f"{'' if pair[1] else 'not '}{word}"] if pair[0] != pair[1] else []
        totals += [after.mode] if before.mode != after.mode else []
        levels = worst_level(old), worst_level(new)
        if found and levels[0] is not None and levels[1] is not None and levels[0] != levels[1]:
            totals.append("better match" if levels[1] < levels[0] else "worse match")
        return Outcome(tuple(told), tuple(totals))

    def _causes(self, old: Rulebook, new: Rulebook) -> Causes:
        place = old.name, new.name
        if place not in self.causes:
            self.causes[place] = Causes(self.old.view(old), self.new.view(new))
        return self.causes[place]

    def _forget(self) -> None:
        self.old.forget()
        self.new.forget()
        self.same = Same()


def _equal(one: Rulebook, other: Rulebook) -> bool:
    return (one.checksum, one.instrument, one.instrumes) == (
        other.checksum,
        other.instrument,
        other.instrumes,
    )


def _times(group: Dataset) -> tuple[float, float]:
    """MJD-OBS and mid exposure; such as no answer stands for where there is none."""
    start = time_of(group.keywords)
    return (math.nan, math.nan) if start is None or group.middle is None else (start, group.middle)


def _no_book(old: Rulebook | None, new: Rulebook | None) -> Cause:
    """Only one of the libraries has a version for that night."""
    one, other = (() if book is None else (RuleRef(book.name, 1),) for book in (old, new))
    return Cause("rulebook", Lines(one, other))


def _better_or_worse(apart: Apart) -> tuple[str, ...]:
    """`match` with its direction: the worst level of what a slot holds in both answers."""
    if "match" not in apart.what or not (apart.before and apart.after):
        return apart.what
    levels = [
        max((choice.level for choice in slot.chosen if choice.level is not None), default=None)
        for slot in (apart.before, apart.after)
    ]
    if levels[0] is None or levels[1] is None or levels[0] == levels[1]:
        return apart.what
    word = "better match" if levels[1] < levels[0] else "worse match"
    return tuple(word if each == "match" else each for each in apart.what)


def _completeness(old: Node, new: Node, lead: str) -> Iterator[Apart]:
    """The slots for which what they hold is enough in one answer only, where nothing else is apart."""
    for before, after in zip(old.slots, new.slots, strict=False):
        path = f"{lead}{after.label}"
        needed = bool(before.minimum), bool(after.minimum)
        whole = [all(choice.node.complete for choice in slot.chosen) for slot in (before, after)]
        if before.satisfied != after.satisfied or (needed[0] != needed[1] and not all(whole)):
            yield Apart(path, ("needed",), before, after, (old, new))
        for one, other in zip(before.chosen, after.chosen, strict=False):
            if one.node.complete != other.node.complete:
                yield from _completeness(one.node, other.node, f"{path}/")


def _held(slot: Slot | None) -> tuple[str, ...]:
    return tuple(choice.node.files[0].dp_id for choice in slot.chosen) if slot else ()
