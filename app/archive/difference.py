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


@dataclass(frozen=True, slots=True)
class Apart:
    """A slot that holds something else: `path` and `what` as of a SlotChange; the slots, None where none is.

    `askers` are the groups that ask, before and after.
    """

    path: str
    what: tuple[str, ...]
    before: Slot | None
    after: Slot | None
    askers: tuple[Node, Node]


class Same:
    """Whether two groups have nothing apart below them, worked out once for each two.

    The answers of an archive share their groups, so most of the work has been done for an earlier answer.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[Node, Node, bool]] = {}

    def __call__(self, old: Node, new: Node) -> bool:
        """Nothing is apart below."""
        place = id(old), id(new)
        if place not in self._known:
            olds, news = _by_label(old), _by_label(new)
            same = all(
                not what and all(self(one.node, other.node) for one, other in common)
                for what, common in (
                    _compared(olds.get(label), news.get(label)) for label in dict.fromkeys((*olds, *news))
                )
            )
            # the groups are kept with it: a number may be given again when a group is gone
            self._known[place] = old, new, same
        return self._known[place][2]


def difference(before: Tree, after: Tree) -> Difference:
    """What has changed from one answer to the other.

    Below a group that has been replaced nothing is compared: all of that is new with it. What several
    slots share is told once, at its first place.
    """
    old, new = before.root, after.root
    what = itself(old, new)
    own = (SlotChange(ROOT, what, (_held(old),), (_held(new),)),) if what else ()
    return Difference(
        slots=(*own, *(_change(each) for each in below(old, new))),
        complete=(old.complete, new.complete),
        certified=(old.certified, new.certified),
        mode=(before.mode, after.mode),
    )


def itself(old: Node, new: Node) -> tuple[str, ...]:
    """What has changed of the science group itself."""
    return (*(() if old.category == new.category else ("category",)), *_changes(old, new))


def below(old: Node, new: Node, same: Same | None = None) -> Iterator[Apart]:
    """Every slot below two groups that holds something else; `same` saves looking where nothing is."""
    return _below(old, new, "", set(), same)


def _below(old: Node, new: Node, lead: str, seen: set[tuple[int, int]], same: Same | None) -> Iterator[Apart]:
    if (id(old), id(new)) in seen or (same is not None and same(old, new)):
        return
    seen.add((id(old), id(new)))
    olds, news = _by_label(old), _by_label(new)
    for place in dict.fromkeys((*olds, *news)):
        path = f"{lead}{place[0]}"
        before, after = olds.get(place), news.get(place)
        what, common = _compared(before, after)
        if what:
            yield Apart(path, what, before, after, (old, new))
        for one, other in common:
            yield from _below(one.node, other.node, f"{path}/", seen, same)


def _compared(before: Slot | None, after: Slot | None) -> tuple[tuple[str, ...], list[tuple[Choice, Choice]]]:
    """What has changed of a slot, and what it holds in both answers."""
    olds, news = _choices(before), _choices(after)
    common = [(olds[key], news[key]) for key in olds if key in news]
    what = [] if olds.keys() == news.keys() else ["chosen"]
    for one, other in common:
        what += _changes(one.node, other.node)
        if one.node.certified != other.node.certified:
            what.append("certified")
        if (one.match, one.level) != (other.match, other.level):
            what.append("match")
    return tuple(dict.fromkeys(what)), common


def _change(apart: Apart) -> SlotChange:
    held = [tuple(_held(c.node) for c in _choices(slot).values()) for slot in (apart.before, apart.after)]
    return SlotChange(apart.path, apart.what, held[0], held[1])


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
