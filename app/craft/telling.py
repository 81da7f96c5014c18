"""What a comparison of rulebooks found, as text, JSON and rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.craft.compare import Asked
from app.craft.tally import Example, Place, Tally
from app.rulebook import Library, RuleRef, night_date

COLUMNS: Final = (
    "frames",
    "slot",
    "what",
    "cause",
    "old_lines",
    "new_lines",
    "dp_id",
    "path",
    "before",
    "after",
)
# What happened to whole answers, in the order of telling; modes come behind.
_TOTALS: Final = (
    "gained",
    "lost",
    "complete",
    "not complete",
    "better match",
    "worse match",
    "certified",
    "not certified",
)
_WORDS: Final = {
    "chosen": "other calibrations",
    "files": "other files in a group",
    "recipe": "another recipe",
    "category": "another category",
    "match": "another match",
    "certified": "certification of a group",
    "needed": "needed or not",
    "gained": "science frames gained",
    "lost": "science frames lost",
}


def as_text(asked: Asked, tally: Tally) -> str:
    """For people: totals, then each finding with the lines that make it and its examples."""
    first, last = night_date(asked.first), night_date(asked.last)
    lines = [
        f"old: {_names(asked.old)}",
        f"new: {_names(asked.new)}",
        f"nights {first} to {last}, {asked.mode}: {tally.compared} science frames compared, "
        f"{tally.changed} with another answer",
    ]
    totals = _totals(tally)
    if totals:
        lines.append("  " + ", ".join(f"{count} {word}" for word, count in totals.items()))
    texts = {id(library): _sources(library) for library in (asked.old, asked.new)}
    for place, finding in tally.ordered:
        frames = f"{finding.count} frame{'' if finding.count == 1 else 's'}"
        lines += ["", f"{frames}  {_headline(place)}"]
        for sign, refs, library in (
            ("-", place.cause.lines.old, asked.old),
            ("+", place.cause.lines.new, asked.new),
        ):
            lines += [f"  {sign} {ref}  {texts[id(library)].get(ref, '')}".rstrip() for ref in refs]
        lines += [f"    {_example(example)}" for example in finding.examples]
    return "".join(f"{line}\n" for line in lines)


def as_json(asked: Asked, tally: Tally) -> dict[str, Any]:
    """The same for programs."""
    return {
        "old": _books(asked.old),
        "new": _books(asked.new),
        "from": str(night_date(asked.first)),
        "to": str(night_date(asked.last)),
        "mode": asked.mode,
        "compared": tally.compared,
        "changed": tally.changed,
        "totals": _totals(tally),
        "findings": [
            {
                "frames": finding.count,
                "slot": place.label,
                "what": place.what,
                "cause": place.cause.kind,
                "old": list(map(str, place.cause.lines.old)),
                "new": list(map(str, place.cause.lines.new)),
                "examples": [each._asdict() for each in finding.examples],
            }
            for place, finding in tally.ordered
        ],
    }


def rows(tally: Tally) -> Iterator[tuple[object, ...]]:
    """A row for each example of each finding, its cells in the order of COLUMNS."""
    for place, finding in tally.ordered:
        lines = [" ".join(map(str, refs)) for refs in (place.cause.lines.old, place.cause.lines.new)]
        head = (finding.count, place.label, "; ".join(place.what), place.cause.kind, *lines)
        for each in finding.examples or [Example("", "")]:
            yield *head, each.dp_id, each.path, " ".join(each.before), " ".join(each.after)


def _totals(tally: Tally) -> dict[str, int]:
    """What there is of, in the order of telling."""
    rest = sorted(set(tally.totals) - set(_TOTALS))
    return {word: tally.totals[word] for word in (*_TOTALS, *rest) if tally.totals[word]}


def _headline(place: Place) -> str:
    what = ", ".join(_WORDS.get(word, word) for word in place.what)
    head = what if place.label == "." else f"{place.label}: {what}"
    return f"{head} ({place.cause.kind})"


def _example(example: Example) -> str:
    if not (example.before or example.after):
        return example.dp_id
    before, after = (" ".join(side) or "nothing" for side in (example.before, example.after))
    held = before if before == after else f"{before} → {after}"
    return f"{example.dp_id}  {example.path}: {held}"


def _names(library: Library) -> str:
    return ", ".join(f"{book.name} {book.checksum[:12]}" for book in library.books)


def _books(library: Library) -> list[dict[str, str]]:
    return [{"name": book.name, "checksum": book.checksum} for book in library.books]


def _sources(library: Library) -> Mapping[RuleRef, str]:
    """The rules' text line by line, without comments."""
    return {
        RuleRef(book.name, number): " ".join(line.partition("//")[0].split())
        for book in library.books
        for number, line in enumerate(book.text.splitlines(), 1)
    }
