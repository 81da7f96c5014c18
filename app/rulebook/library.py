"""The folder of rulebooks: `rules/<instrument>/<instrument>.<first night>.oca`."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from app.errors import NoRulebookError, RuleError
from app.oca.parser import parse
from app.rulebook.book import Rulebook
from app.rulebook.compiling import make_book

BOOK_NAME = re.compile(r"(?P<instrument>[a-z0-9_+-]+)\.(?P<start>\d{4}-\d\d-\d\d)\.oca")
_INSTRUME = re.compile(r"^\s*//\s*INSTRUME:\s*(?P<names>.+?)\s*$", re.MULTILINE)
_MJD_ZERO = date(1858, 11, 17)


def night_of(mjd: float) -> int:
    """The MJD of the noon (UT) that begins the observing night of `mjd`: noon to noon, as in Chile."""
    return math.floor(mjd - 0.5)


def night_date(night: int) -> date:
    """The calendar date on which a night begins."""
    return _MJD_ZERO + timedelta(days=night)


def night_number(begins: date) -> int:
    """The night that begins on a calendar date; the other way round of `night_date`."""
    return (begins - _MJD_ZERO).days


@dataclass(frozen=True, slots=True)
class Library:
    """Every version of every instrument's rulebook."""

    books: tuple[Rulebook, ...]

    def of(self, instrume: str) -> tuple[Rulebook, ...]:
        """All versions that cover this INSTRUME, oldest first."""
        covering = [book for book in self.books if instrume in book.instrumes]
        return tuple(sorted(covering, key=lambda book: book.start))

    def instrumes(self, name: str) -> list[str]:
        """The INSTRUME values that a name stands for: a book's (`naco`), or one of them; in any case."""
        found = {
            instrume
            for book in self.books
            for instrume in book.instrumes
            if name.lower() in (book.instrument, instrume.lower())
        }
        return sorted(found) or [name]

    def pick(self, instrume: str, night: int) -> Rulebook:
        """The version in force on a night: the latest that starts on it or before.

        Raises NoRulebookError naming the instruments there are, or the first night covered.
        """
        versions = self.of(instrume)
        if not versions:
            known = ", ".join(sorted({name for book in self.books for name in book.instrumes})) or "none"
            raise NoRulebookError(f"there is no rulebook for INSTRUME {instrume!r}; there are: {known}")
        past = [book for book in versions if book.start <= night]
        if not past:
            raise NoRulebookError(
                f"the rulebooks of {instrume} begin on the night of {night_date(versions[0].start)}; "
                f"the night of {night_date(night)} is before"
            )
        return past[-1]


def library(books: Iterable[Rulebook]) -> Library:
    """A library of these books; refuses two versions with one first night or with the same text."""
    ordered = sorted(books, key=lambda book: (book.instrument, book.start, book.name))
    for one, other in itertools.pairwise(ordered):
        if (one.instrument, one.start) == (other.instrument, other.start):
            raise RuleError(f"{one.name} and {other.name} begin on the same night; keep one")
    texts: dict[str, str] = {}
    for book in ordered:
        if texts.setdefault(book.checksum, book.name) != book.name:
            raise RuleError(f"{texts[book.checksum]} and {book.name} hold the same text; keep one")
    return Library(tuple(ordered))


def read_book(text: str, name: str) -> Rulebook:
    """Parse and compile one rulebook. Raises RuleError with every diagnostic of a bad file."""
    match = BOOK_NAME.fullmatch(name)
    if not match:
        raise RuleError(f"{name}: a rulebook is called <instrument>.<YYYY-MM-DD>.oca, its first night")
    try:
        start = (date.fromisoformat(match["start"]) - _MJD_ZERO).days
    except ValueError as error:
        raise RuleError(f"{name}: {match['start']} is no date ({error}); name the first night") from None
    parsed = parse(text, name)
    if parsed.errors:
        raise RuleError("\n".join(str(error) for error in parsed.errors))
    instrument = match["instrument"]
    instrumes = covered(text, name)
    return make_book(parsed.rules, text, name, instrument, instrumes, start)


def covered(text: str, name: str) -> tuple[str, ...]:
    """The INSTRUME values that the rulebook of this text and name covers; nothing is compiled."""
    names = stated(text.splitlines())
    return (name.partition(".")[0].upper(),) if names is None else names


def stated(lines: Sequence[str]) -> tuple[str, ...] | None:
    """The INSTRUME values that the first ten lines of a rulebook state; None where they do not."""
    named = _INSTRUME.search("\n".join(lines[:10]))
    return tuple(named["names"].split()) if named else None


EMPTY = "no classification rule is in it, so it would know no frame; restore the file, or remove it"


def load_book(path: Path) -> Rulebook:
    """The rulebook in this file (UTF-8). Raises RuleError for a bad one, and for one that knows no frame."""
    book = read_book(path.read_text(encoding="utf-8"), path.name)
    if not book.class_rules:
        raise RuleError(f"{path}: {EMPTY}")
    return book


def load_library(folder: Path) -> Library:
    """Every rulebook below `folder`. Raises RuleError when there is none."""
    paths = sorted(folder.glob("*/*.oca"))
    if not paths:
        raise RuleError(f"{folder}: no rulebook <instrument>/<instrument>.<first night>.oca is there")
    return library(load_book(path) for path in paths)
