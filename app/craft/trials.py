"""An instrument's books tried on the pool and the table beside them, through the real index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from app.archive.books import activate, active_books
from app.archive.finding import Connection
from app.archive.index import Rules, answer, rules_now
from app.archive.quality import add_breakpoints
from app.archive.storing import store, survey
from app.classify import Frame
from app.craft.tables import Expectation, read_expected, read_pool
from app.errors import RuleError
from app.header import Header
from app.rulebook import Library, library, load_book
from app.tree import Mode, Node, Slot, Tree

POOL = "pool.txt"
EXPECTED = "expected.txt"
# Interventions as a service loads them, and those made up for the pool, which only a trial has.
BREAKPOINTS = ("breakpoints.json", "pool.breakpoints.json")
# What a row says of a data set that has all it needs, down to the last level, and of one that only lacks
# something further down; of others it gives the messages.
COMPLETE: Final = "complete"
INCOMPLETE: Final = "incomplete"


@dataclass(frozen=True, slots=True)
class Trial:
    """The books of a folder, what its table expects, and the answers to all that the table asks.

    `headers` are those of the pool by dp_id.
    """

    instrument: str
    library: Library
    headers: Mapping[str, Header]
    cases: tuple[Expectation, ...]
    trees: Mapping[tuple[str, Mode], Tree]

    @property
    def faults(self) -> list[tuple[Expectation, str]]:
        """The rows that are not fulfilled, and what was found instead."""
        told = [(case, fault(self.trees[case.dp_id, case.mode], case)) for case in self.cases]
        return [(case, found) for case, found in told if found]


def folders(rules: Path) -> list[Path]:
    """The instruments' folders of a rules folder that hold a pool and a table, by name."""
    return sorted(path.parent for path in rules.glob(f"*/{EXPECTED}") if (path.parent / POOL).is_file())


def try_out(connection: Connection, folder: Path) -> Trial:
    """Ask a folder's pool all that its table asks; the database, which must hold no frames, stays as it was.

    Raises RuleError for a bad book or table, UnknownFrameError for a dp_id that the pool does not have.
    """
    cases = tuple(read_expected(folder / EXPECTED))
    frames = read_pool(folder / POOL)
    with laid_out(connection, folder, frames) as rules:
        asked = dict.fromkeys((case.dp_id, case.mode) for case in cases)
        trees = {each: answer(connection, rules, *each, explain=True) for each in asked}
    headers = {frame.dp_id: frame.header for frame in frames}
    return Trial(folder.name, rules.library, headers, cases, trees)


@contextmanager
def laid_out(connection: Connection, folder: Path, frames: Sequence[Frame]) -> Iterator[Rules]:
    """The folder's books and breakpoints and these frames are in the index for as long as this is open."""
    with connection.transaction(force_rollback=True):
        add_breakpoints(connection, breakpoints_of(folder))
        activate(connection, books_of(folder))
        store(connection, active_books(connection), frames)
        survey(connection)  # its locks keep autovacuum, which sees no uncommitted rows, from saying "none"
        yield rules_now(connection, 0)


def breakpoints_of(folder: Path) -> list[dict[str, Any]]:
    """The interventions of one instrument's folder, with those that are only its pool's."""
    files = [folder / name for name in BREAKPOINTS]
    return [entry for file in files if file.is_file() for entry in orjson.loads(file.read_bytes())]


def books_of(folder: Path) -> Library:
    """The versions in one instrument's folder. Raises RuleError where there is none."""
    paths = sorted(folder.glob("*.oca"))
    if not paths:
        raise RuleError(f"{folder}: no rulebook {folder.name}.<first night>.oca is there")
    return library(load_book(path) for path in paths)


def fault(tree: Tree, case: Expectation) -> str:
    """How the answer differs from what is expected; "" where it does not."""
    if not case.path:
        return _root_fault(tree, case)
    slot = at(tree.root, case.path)
    if isinstance(slot, str):
        return slot
    found = sorted(choice.node.files[0].dp_id for choice in slot.chosen)
    if found != sorted(case.chosen):
        counts = ", ".join(f"{each.count} refused by {each.clause}" for each in slot.why.refused)
        return f"{slot.rule} found {' '.join(found) or 'nothing'}{f' ({counts})' if counts else ''}"
    levels = {(choice.match, None if case.level is None else choice.level) for choice in slot.chosen}
    if levels and levels != {(case.match, case.level)}:
        told = {match if level is None else f"{match} {level}" for match, level in levels}
        return f"{slot.rule} found it as {' and '.join(sorted(told))}"
    return ""


def _root_fault(tree: Tree, case: Expectation) -> str:
    offered = bool(tree.root.products)
    if not case.chosen:
        return f"an answer is offered: {tree.root.category}" if offered else ""
    if not offered:
        return "; ".join(tree.root.messages)
    first = tree.root.files[0].dp_id
    if (first,) != case.chosen:
        return f"the data set begins with {first}"
    told = COMPLETE if tree.root.complete else "; ".join(tree.root.messages) or INCOMPLETE
    return "" if case.match in (None, told) else f"the answer is told as: {told}"


def at(node: Node, path: tuple[str, ...]) -> Slot | str:
    """The slot at the end of a path of labels, or where the path ends before."""
    slots = {slot.label: slot for slot in node.slots}
    slot = slots.get(path[0])
    if slot is None:
        return f"{node.category} has no {path[0]}, only {', '.join(slots) or 'nothing below it'}"
    if len(path) == 1:
        return slot
    return at(slot.chosen[0].node, path[1:]) if slot.chosen else f"{path[0]} found nothing, so nothing below"
