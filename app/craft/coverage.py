"""Which rules of a book no answer of its table ever used, and which keywords no header of its pool has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from app.classify import classify
from app.craft.places import Kind, comment
from app.craft.trials import Trial, at
from app.oca.terms import keys
from app.organise import VIRTUAL, time_of
from app.rulebook import Rulebook, RuleRef, night_of
from app.tree import Slot, Tree, walk

# A rule that cannot be tried says why, in its line or in the comment right above it.
_EXCUSE: Final = re.compile(r"\bnot tried:\s*(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Line:
    """A rule and whether an answer of the table used it; `excuse` is what the book says of one that none did.

    Used means: a classification rule that fired for a file of an answer, an organisation rule and an action
    of a group in it, an association that chose something. `rows` of the table name the association's choice.
    A keyword stands here only where no header of the pool has it: it may be misspelt.
    """

    kind: Kind | Literal["keyword"]
    name: str
    ref: RuleRef
    used: bool
    rows: int = 0
    excuse: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Every rule of a book, in the order of its lines."""

    book: str
    lines: tuple[Line, ...]

    @property
    def missing(self) -> tuple[Line, ...]:
        """What is neither used nor excused."""
        return tuple(line for line in self.lines if not (line.used or line.excuse))

    @property
    def percent(self) -> float:
        """Rules that are used or excused, of 100; 100 for a book without rules."""
        return 100.0 * (1 - len(self.missing) / len(self.lines)) if self.lines else 100.0


def coverage(trial: Trial) -> list[Coverage]:
    """The coverage of each version, oldest first."""
    rows = _rows(trial)
    return [_coverage(book, trial, rows) for book in trial.library.books]


def _coverage(book: Rulebook, trial: Trial, rows: Mapping[RuleRef, int]) -> Coverage:
    used: set[RuleRef] = set()
    names: set[str] = set()
    for tree in trial.trees.values():
        if _rulebook(trial, tree) != book.name:
            continue
        for node in walk(tree.root):
            names.update(file.dp_id for file in node.files)
            if node.rule and node.action:
                used |= {node.rule, book.actions[node.action].ref}
            used |= {slot.rule for slot in node.slots if slot.chosen}
    for name in names:
        used |= {RuleRef(book.name, line) for line in classify(book, trial.headers[name])[2]}
    text = book.text.splitlines()
    lines = sorted((*_rules(book), *_unseen(book, trial)), key=lambda each: each[2].line)
    return Coverage(
        book.name,
        tuple(
            Line(kind, name, ref, kind != "keyword" and ref in used, rows.get(ref, 0), excuse(text, ref.line))
            for kind, name, ref in lines
        ),
    )


def _rulebook(trial: Trial, tree: Tree) -> str:
    """The version that answered; the one of the night where it answered that the type is not supported."""
    if tree.rulebook:
        return tree.rulebook
    header = trial.headers[tree.dp_id].to_dict()
    mjd = time_of(header)
    versions = trial.library.of(str(header.get("INSTRUME")))
    past = [book.name for book in versions if mjd is not None and book.start <= night_of(mjd)]
    return past[-1] if past else ""


def _rules(book: Rulebook) -> Iterator[tuple[Kind, str, RuleRef]]:
    for rule in book.rules.class_rules:
        given = ", ".join(f"{assign.key} = {assign.value}" for assign in rule.assigns)
        yield "classification", given, RuleRef(book.name, rule.pos.line)
    for org in book.org_rules:
        yield "organisation", org.action, org.ref
    for action in book.actions.values():
        yield "action", action.name, action.ref
        for wanted in action.wanted:
            if wanted.maximum:
                yield "association", f"{action.name} / {wanted.label}", wanted.ref


def _unseen(book: Rulebook, trial: Trial) -> Iterator[tuple[Literal["keyword"], str, RuleRef]]:
    """The keywords that rules read and neither a header of the pool has nor a rule or the service makes."""
    known = {name for header in trial.headers.values() for name in header.to_dict()} | {VIRTUAL}
    known |= {assign.key for assign in book.rules.assigns}
    for condition in book.rules.conditions:
        for key in keys(condition):
            if key.scope != "SIG" and key.name not in known:
                known.add(key.name)
                yield "keyword", key.name, RuleRef(book.name, key.pos.line)


def _rows(trial: Trial) -> Counter[RuleRef]:
    """How many rows of the table say what an association finds."""
    slots = (at(trial.trees[case.dp_id, case.mode].root, case.path) for case in trial.cases if case.path)
    return Counter(slot.rule for slot in slots if isinstance(slot, Slot) and slot.chosen)


def excuse(lines: list[str], number: int) -> str:
    """What a rule's own line, or the comment right above it, says after `not tried:`; "" where nothing."""
    found = _EXCUSE.search(comment(lines, number))
    return found[1] if found else ""
