"""What a comparison of rulebooks found: counts, findings by slot and cause, with examples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from app.craft.causes import Cause

GAINED = "gained"
LOST = "lost"


class Example(NamedTuple):
    """A science frame, the slot, and the first files of what it holds before and after."""

    dp_id: str
    path: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class Place(NamedTuple):
    """Slot label (`.`: the science frames themselves), what has changed of it, and why."""

    label: str
    what: tuple[str, ...]
    cause: Cause


class Told(NamedTuple):
    """What has changed of a slot (`.`: of the science group itself), why, and what it held and holds."""

    label: str
    what: tuple[str, ...]
    cause: Cause
    path: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """What separates two answers: slot by slot, and as a whole; nothing where they are equal."""

    told: tuple[Told, ...] = ()
    totals: tuple[str, ...] = ()

    @property
    def by_place(self) -> dict[Place, Told]:
        """The first of each finding: a frame counts once."""
        return {Place(each.label, each.what, each.cause): each for each in reversed(self.told)}


def gained_or_lost(gained: bool, cause: Cause) -> Outcome:
    """A frame that has an answer under one version only."""
    word = GAINED if gained else LOST
    return Outcome((Told(".", (word,), cause, "."),), (word,))


@dataclass(slots=True)
class Finding:
    """How many science frames are concerned, and the first of them."""

    count: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """Of `compared` science frames `changed` have another answer, gained and lost ones among them.

    `totals` counts what happened to whole answers: gained, lost, now complete, now not complete and so on.
    At most `most` examples are kept of each finding.
    """

    most: int
    compared: int = 0
    changed: int = 0
    totals: Counter[str] = field(default_factory=Counter)
    findings: dict[Place, Finding] = field(default_factory=dict)

    def add(self, dp_id: str, outcome: Outcome) -> None:
        """Count what was found for a science frame."""
        if not outcome.told and not outcome.totals:
            return
        self.changed += 1
        self.totals.update(outcome.totals)
        for place, told in outcome.by_place.items():
            finding = self.findings.setdefault(place, Finding())
            finding.count += 1
            if len(finding.examples) < self.most:
                finding.examples.append(Example(dp_id, told.path, told.before, told.after))

    def merge(self, other: Tally) -> None:
        """Add what was found for later frames."""
        self.compared += other.compared
        self.changed += other.changed
        self.totals += other.totals
        for place, theirs in other.findings.items():
            mine = self.findings.setdefault(place, Finding())
            mine.count += theirs.count
            mine.examples += theirs.examples[: self.most - len(mine.examples)]

    @property
    def ordered(self) -> list[tuple[Place, Finding]]:
        """Frames gained and lost first, then what concerns most frames; equal ones by their names."""
        return sorted(
            self.findings.items(),
            key=lambda item: (item[0].what not in ((GAINED,), (LOST,)), -item[1].count, repr(item[0])),
        )
