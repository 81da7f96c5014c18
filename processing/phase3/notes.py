"""What a packaging had to say: what was mended, what is absent and why, what else the reader should know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from astropy.io import fits

from processing.phase3.standard import LONGEST_NAME

Value: TypeAlias = str | int | float | bool


class PackagingError(Exception):
    """A product that cannot be packaged: which file, what is wrong, how to mend it."""


@dataclass(frozen=True, slots=True)
class Absent:
    """What could not be computed, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Note:
    """One keyword of one HDU of the science product, and a sentence about it."""

    hdu: int
    keyword: str
    sentence: str


@dataclass(slots=True)
class Notes:
    """The notes of one packaging, as they come."""

    mended: list[Note] = field(default_factory=list)
    absent: list[Note] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Cards:
    """A header in the making: new cards first, then what the old header had and nothing replaced.

    Every change of a value that was there before becomes a note.
    """

    old: fits.Header
    hdu: int
    notes: Notes
    new: fits.Header = field(default_factory=fits.Header)

    def put(self, keyword: str, value: Value | Absent, comment: str = "", why: str = "") -> None:
        """Set a keyword, or say why it is absent. Raises PackagingError for a string that does not fit."""
        before = self.old.get(keyword)
        if isinstance(value, Absent):
            self.notes.absent.append(Note(self.hdu, keyword, value.why))
            if before is not None:
                self.notes.mended.append(Note(self.hdu, keyword, f"was {before!r}, which was removed"))
            return
        demand_room(keyword, value)
        if before is not None and not _same(before, value):
            reason = f": {why}" if why else ""
            self.notes.mended.append(Note(self.hdu, keyword, f"was {before!r}, is {value!r}{reason}"))
        self.new[keyword] = (value, comment)

    def put_all(self, root: str, values: Iterable[Value], comment: str) -> None:
        """Set the numbered keywords root1, root2 and so on."""
        for number, value in enumerate(values, 1):
            self.put(f"{root}{number}", value, comment)

    def keep(self, keyword: str, comment: str, lacking: str) -> None:
        """Take over the old value, or say why there is none."""
        before = self.old.get(keyword)
        known = before is not None and not isinstance(before, fits.card.Undefined)
        self.put(keyword, before if known else Absent(lacking), comment)

    def finish(self, drop: Iterable[str] = ()) -> fits.Header:
        """The new cards, then the old ones that were neither replaced nor told absent nor in `drop`."""
        gone = {*drop, *self.new, *(note.keyword for note in self.notes.absent if note.hdu == self.hdu)}
        header = self.new.copy()
        for card in self.old.cards:
            if card.keyword not in gone:
                header.append(card, end=True)
        return header


def demand_room(keyword: str, value: Value) -> None:
    """Raise PackagingError for a string that its card cannot hold; one of ESO's long keywords has less room.

    A quote counts twice (FITS standard 4.0, 4.2.1.1).
    """
    room = LONGEST_NAME if len(keyword) <= 8 else 80 - len(f"{keyword}= ''")
    if isinstance(value, str) and len(value.replace("'", "''")) > room:
        raise PackagingError(
            f"{keyword} would be {value!r}, longer than the {room} characters of a FITS string there; "
            "shorten it where it comes from"
        )


def _same(one: object, other: Value) -> bool:
    if isinstance(one, bool) or isinstance(other, bool) or isinstance(one, str) or isinstance(other, str):
        return one == other
    if isinstance(one, int | float):
        return abs(one - other) <= 1e-9 * max(abs(one), abs(other))
    return False
