"""The association as a value: nodes with their slots, and why each slot holds what it holds.

Nodes are shared: a bias group that three parents need is one object, and the formats repeat it
wherever it is needed, as CalSelector does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from app.level import CALIB_PLAN as CALIB_PLAN
from app.level import EXTENDED as EXTENDED
from app.level import NOT_APPLICABLE as NOT_APPLICABLE
from app.level import told
from app.rulebook import RuleRef as RuleRef
from app.rulebook import Step as Step

Mode: TypeAlias = Literal["Raw2Raw", "Raw2Master"]


@dataclass(frozen=True, slots=True)
class File:
    """A file of a node.

    `category` is the tag a SOF needs (DO.CATG); `size` is in bytes; `sha256` and `path` are None
    where only the header is known; `mjd` is MJD-OBS in days, None for files without a time.
    """

    dp_id: str
    category: str
    mjd: float | None = None
    size: int | None = None
    sha256: str | None = None
    path: str | None = None
    certified: bool = False


@dataclass(frozen=True, slots=True)
class Product:
    """What a node's recipe promises: PRO.CATG, the tag it has in a SOF, and its file name.

    `prodcatg` is the kind of archive science product that it becomes (`SCIENCE.SPECTRUM`); "" for none.
    """

    category: str
    tag: str
    name: str
    prodcatg: str = ""


@dataclass(frozen=True, slots=True)
class Rival:
    """A candidate that was acceptable but not chosen; `days` is its signed distance in time."""

    name: str
    days: float | None
    match: str
    certified: bool
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """How many candidates one clause refused first; `line` is the clause's line, 0 for the engine's own."""

    clause: str
    count: int
    line: int = 0


@dataclass(frozen=True, slots=True)
class Why:
    """The reasons of a slot.

    `seen` candidates were looked at; each was chosen, refused by the first clause that is false,
    or surplus (acceptable, but more than the rule wants): seen = chosen + surplus + refused.
    `counted` is False where the answer was asked for without the counts. `limited` says that only
    the nearest `seen` candidates were counted. `rivals` are the next best ones, the runner-up first.
    `needed` says, of a slot that is empty or short, what would have to exist.
    """

    needed: str = ""
    seen: int = 0
    surplus: int = 0
    refused: tuple[Refusal, ...] = ()
    rivals: tuple[Rival, ...] = ()
    counted: bool = False
    limited: bool = False

    @property
    def runner_up(self) -> Rival | None:
        """The acceptable candidate that came next."""
        return self.rivals[0] if self.rivals else None


@dataclass(frozen=True, slots=True)
class Choice:
    """A node that a slot chose, for which of its products, how far away in time (days, signed).

    `match` is CalSelector's word, `level` the number behind it (`app.level`); None where the rule has no
    plan, and where only the word is known, as of a tree that was read from XML.
    """

    node: Node
    product: Product | None
    match: str
    days: float | None
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """One association rule applied to one group: `select file as LABEL …` and its outcome.

    `own` says that it asks for a product of the group's own frames: a step of their reduction.
    """

    label: str
    rule: RuleRef
    minimum: int
    maximum: int
    auxiliary: bool
    chosen: tuple[Choice, ...]
    why: Why = Why()
    own: bool = False

    @property
    def satisfied(self) -> bool:
        """As many files as the rule demands."""
        return len(self.chosen) >= self.minimum


@dataclass(frozen=True, slots=True)
class Node:
    """A group of raw files or a single calibration file.

    `category` is the RAW.TYPE of a raw group or the PRO.CATG of a static or master file.
    """

    category: str
    files: tuple[File, ...]
    certified: bool
    complete: bool
    slots: tuple[Slot, ...] = ()
    messages: tuple[str, ...] = ()
    kind: Literal["group", "file"] = "group"
    action: str | None = None
    step: Step | None = None
    products: tuple[Product, ...] = ()
    rule: RuleRef | None = None

    @property
    def mjd(self) -> float | None:
        """MJD-OBS of the first file, days."""
        return self.files[0].mjd if self.files else None


@dataclass(frozen=True, slots=True)
class Child:
    """A node as its parent lists it: once, in CalSelector's order, with its label and type."""

    node: Node
    match: str
    auxiliary: bool
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    """The answer for one science frame.

    `asked` and `mode` differ when masters were missing and the raw cascade answers instead.
    `rulebook` is the id and `checksum` (SHA-256) the identity of the rules; `revision` is the
    archive's at the time. The three together sign the answer.
    """

    dp_id: str
    asked: Mode
    mode: Mode
    root: Node
    rulebook: str = ""
    checksum: str = ""
    revision: int = 0


def children(node: Node) -> tuple[Child, ...]:
    """A node's children in CalSelector's order: untimed first in rule order, then groups by time.

    Untimed are static files and auxiliaries (so in 36 of 36 nodes of real answers). A child
    that several slots chose is listed once, with the label of the first.
    """
    seen: dict[int, Child] = {}
    for slot in node.slots:
        for choice in slot.chosen:
            if id(choice.node) not in seen:
                seen[id(choice.node)] = Child(choice.node, choice.match, slot.auxiliary, choice.level)
    leaves = [c for c in seen.values() if c.auxiliary or c.node.kind == "file"]
    groups = [c for c in seen.values() if not (c.auxiliary or c.node.kind == "file")]
    groups.sort(key=lambda c: (c.node.mjd is None, c.node.mjd or 0.0, c.node.files[0].dp_id))
    return (*leaves, *groups)


def consumed(node: Node) -> bool:
    """A step of the reduction reads the node's files; the node's own recipe reads its product instead."""
    return any(slot.own and slot.chosen for slot in node.slots)


def walk(node: Node) -> Iterator[Node]:
    """Every node once, parents before their children, in the order of the formats."""
    seen: set[int] = set()
    stack = [node]
    while stack:
        top = stack.pop()
        if id(top) in seen:
            continue
        seen.add(id(top))
        yield top
        stack.extend(child.node for child in reversed(children(top)))


def uncertified(root: Node) -> tuple[str, ...]:
    """Why an answer is not certified: the first dp_id of each main calibration that is not, in walking order.

    A step of the reduction is not asked, only its own calibrations are; auxiliary files do not count.
    """
    found: dict[str, None] = {}
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        main = [(slot, choice.node) for slot in node.slots if not slot.auxiliary for choice in slot.chosen]
        found.update((each.files[0].dp_id, None) for slot, each in main if not (slot.own or each.certified))
        stack.extend(each for _, each in reversed(main))
    return tuple(found)


def worst_level(root: Node) -> int | None:
    """The greatest level of the calibrations of a data set and of theirs; None where none has a plan.

    Auxiliary files do not count: CalSelector calls their match N/A.
    """
    levels = (
        choice.level
        for node in walk(root)
        for slot in node.slots
        if not slot.auxiliary
        for choice in slot.chosen
    )
    return max((level for level in levels if level is not None), default=None)


def files(node: Node) -> tuple[File, ...]:
    """Every file of the cascade once, in walking order: the download list."""
    found: dict[str, File] = {}
    for each in walk(node):
        for file in each.files:
            found.setdefault(file.dp_id, file)
    return tuple(found.values())


def reasons(slot: Slot) -> list[str]:
    """Why a slot holds what it holds, a sentence a line."""
    why = slot.why
    lines = []
    if why.counted:
        near = "the nearest " if why.limited else ""
        counts = [f"{len(slot.chosen)} chosen", f"{why.surplus} more would do"]
        counts += [f"{refusal.count} refused by {refusal.clause}" for refusal in why.refused]
        lines.append(f"{near}{why.seen} candidates: {'; '.join(counts)}" if why.seen else "no candidates")
    for word, rival in zip(("runner-up", *("then",) * len(why.rivals)), why.rivals, strict=False):
        days = "" if rival.days is None else f" {rival.days:+.2f} d"
        doubt = "" if rival.certified else ", not certified"
        lines.append(f"{word}: {rival.name}{days} {told(rival.match, rival.level)}{doubt}")
    if not slot.chosen:
        lines.append(f"would have to exist: {why.needed}")
    return lines
