"""What separates two answers for one frame, slot by slot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.tree import Choice, Node, Slot, Tree

# Where the answer's own group of science frames stands.
ROOT = "."


@dataclass(frozen=True, slots=True)
class Held:
    """A group or file that a slot chose, by its first dp_id; `names` are all its dp_ids."""

    dp_id: str
    names: tuple[str, ...]
    certified: bool


@dataclass(frozen=True, slots=True)
class SlotChange:
    """A slot that holds something else: `path` are the labels down to it, `what` has changed of it.

    `chosen`: other groups or files; `files`: other frames in a group; `content`: other bytes; `certified`;
    `match`: another label; `recipe`: another recipe or options; `category`: of the science group itself.
    """

    path: str
    what: tuple[str, ...]
    before: tuple[Held, ...]
    after: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """All that separates two answers; empty (false) when nothing does. Pairs are (before, after)."""

    slots: tuple[SlotChange, ...]
    complete: tuple[bool, bool]
    certified: tuple[bool, bool]
    mode: tuple[str, str]

    def __bool__(self) -> bool:
        pairs = (self.complete, self.certified, self.mode)
        return bool(self.slots) or any(one != other for one, other in pairs)

    @property
    def names(self) -> frozenset[str]:
        """Every frame that has to do with it."""
        return frozenset(
            name for slot in self.slots for held in (*slot.before, *slot.after) for name in held.names
        )


def difference(before: Tree, after: Tree) -> Difference:
    """What has changed from one answer to the other.

    Below a group that has been replaced nothing is compared: all of that is new with it. What several
    slots share is told once, at its first place.
    """
    old, new = before.root, after.root
    what = (*(() if old.category == new.category else ("category",)), *_changes(old, new))
    own = (SlotChange(ROOT, what, (_held(old),), (_held(new),)),) if what else ()
    return Difference(
        slots=(*own, *_below(old, new, "", set())),
        complete=(old.complete, new.complete),
        certified=(old.certified, new.certified),
        mode=(before.mode, after.mode),
    )


def _below(old: Node, new: Node, lead: str, seen: set[tuple[int, int]]) -> Iterator[SlotChange]:
    if (id(old), id(new)) in seen:
        return
    seen.add((id(old), id(new)))
    olds, news = _by_label(old), _by_label(new)
    for place in dict.fromkeys((*olds, *news)):
        path = f"{lead}{place[0]}"
        before, after = _choices(olds.get(place)), _choices(news.get(place))
        common = [(before[key], after[key]) for key in before if key in after]
        what = [] if before.keys() == after.keys() else ["chosen"]
        for one, other in common:
            what += _changes(one.node, other.node)
            if one.node.certified != other.node.certified:
                what.append("certified")
            if one.match != other.match:
                what.append("match")
        if what:
            held = [tuple(_held(c.node) for c in side.values()) for side in (before, after)]
            yield SlotChange(path, tuple(dict.fromkeys(what)), held[0], held[1])
        for one, other in common:
            yield from _below(one.node, other.node, f"{path}/", seen)


def _by_label(node: Node) -> dict[tuple[str, int], Slot]:
    """The slots by label, and by number where several have one label."""
    found: dict[tuple[str, int], Slot] = {}
    for slot in node.slots:
        number = 0
        while (slot.label, number) in found:
            number += 1
        found[slot.label, number] = slot
    return found


def _choices(slot: Slot | None) -> dict[tuple[str, str, str], Choice]:
    """What a slot chose: by first dp_id, kind of calibration and the product that is taken from it."""
    return {
        (c.node.files[0].dp_id, c.node.category, c.product.category if c.product else ""): c
        for c in (slot.chosen if slot else ())
    }


def _changes(old: Node, new: Node) -> list[str]:
    what = []
    if [file.dp_id for file in old.files] != [file.dp_id for file in new.files]:
        what.append("files")
    elif [(f.sha256, f.size) for f in old.files] != [(f.sha256, f.size) for f in new.files]:
        what.append("content")
    if old.step != new.step:
        what.append("recipe")
    return what


def _held(node: Node) -> Held:
    return Held(node.files[0].dp_id, tuple(file.dp_id for file in node.files), node.certified)
