"""The rules of a book by their lines and names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from app.errors import RequestError
from app.rulebook import Rulebook

Kind: TypeAlias = Literal["classification", "organisation", "action", "association"]


@dataclass(frozen=True, slots=True)
class Place:
    """A rule of a book: its kind, its number among those of its kind, and the action of an association."""

    kind: Kind
    number: int
    line: int
    action: str = ""


def find(book: Rulebook, rule: str, actions: Sequence[str]) -> Place:
    """The rule that a text names; of equal labels that of these actions first. Raises RequestError."""
    places = sorted(places_of(book), key=lambda place: place.line)
    file, _, number = rule.rpartition(":")
    if number.isdigit():
        if file and file not in (book.name, book.instrument) and not file.endswith(f"/{book.name}"):
            raise RequestError(f"{rule}: the frame's night picks {book.name}, and no other file")
        if int(number) > (last := len(book.text.splitlines())):
            raise RequestError(f"{book.name}:{number} is behind the last line, {last}")
        before = [place for place in places if place.line <= int(number)]
        if not before:
            raise RequestError(f"{book.name}:{number} is before the first rule, in line {places[0].line}")
        return before[-1]
    action, _, label = rule.rpartition("/")
    named = [
        place
        for place in places
        if place.kind == "association"
        and book.actions[place.action].wanted[place.number].label == label
        and action in ("", place.action)
    ]
    named += [place for place in places if place.kind == "action" and place.action == rule]
    if not named:
        raise RequestError(f"{rule}: {book.name} has no such line, label of an association or action")
    return min(named, key=lambda place: (place.action not in actions, place.line))


def places_of(book: Rulebook) -> Iterator[Place]:
    """Every rule, kind by kind."""
    for number, rule in enumerate(book.class_rules):
        yield Place("classification", number, rule.line)
    for org in book.org_rules:
        yield Place("organisation", org.index, org.ref.line, org.action)
    for action in book.actions.values():
        yield Place("action", 0, action.ref.line, action.name)
        for wanted in action.wanted:
            yield Place("association", wanted.index, wanted.ref.line, action.name)


def comment(lines: Sequence[str], number: int) -> str:
    """The comment in a rule's own line (counted from 1) and those right above it, line by line."""
    found = [lines[number - 1].partition("//")[2]]
    for line in reversed(lines[: number - 1]):
        bare = line.strip()
        if not bare.startswith(("//", "minRet", "maxRet")):
            break
        found.append(bare.partition("//")[2])
    return "\n".join(reversed(found))
