"""Why two versions of a book answer differently: the rule lines behind a slot that holds something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from app.archive.difference import Apart
from app.archive.memory import BookMemory, Kind
from app.craft.pieces import NONE, Lines, Versions
from app.tree import Node, Slot

# What kind of rule it is; "other": nothing that can be named has changed, so the rule that asks is named.
Word: TypeAlias = Literal[
    "association", "classification", "organisation", "product", "recipe", "rulebook", "other"
]


class Cause(NamedTuple):
    """The rules that make a difference."""

    kind: Word
    lines: Lines


class Causes:
    """Finds the causes between an old and a new version."""

    def __init__(self, old: BookMemory, new: BookMemory) -> None:
        self.old, self.new = old, new
        self.versions = Versions(old.book, new.book)
        self._seen: dict[tuple[int, int], Cause | None] = {}

    def of_slot(self, apart: Apart) -> Cause:
        """Why a slot holds something else: its own rule, else what the files are that came and went."""
        before, after = apart.before, apart.after
        asked = self.versions.association(
            before and (apart.askers[0].action, before.rule.line),
            after and (apart.askers[1].action, after.rule.line),
        )
        if asked and before and after:
            return Cause("association", asked)
        if before is None or after is None:
            # the asking group runs another action: because of what it is, or because of the action itself
            one, other = apart.askers
            found = self._of_group(one, other) if one.action != other.action else None
            return found or Cause("association", asked)
        if "recipe" in apart.what:
            for one, other in _common(before, after):
                recipe = self.versions.recipe(one.action or "", other.action or "")
                if one.step != other.step and recipe:
                    return Cause("recipe", recipe)
        for name in _moved(before, after):
            found = self.of_frame(name)
            if found:
                return found
        for one, other in (*_common(before, after), apart.askers):
            found = self._of_group(one, other)
            if found:
                return found
        return Cause("other", Lines((before.rule,), (after.rule,)))

    def of_frame(self, dp_id: str) -> Cause | None:
        """Why the two versions see a frame differently; None where they do not."""
        number = self.old.stock.number(dp_id)
        one, other = self.old.kind(number), self.new.kind(number)
        place = id(one), id(other)  # the views keep them
        if place not in self._seen:
            self._seen[place] = self._of_kinds(one, other)
        return self._seen[place]

    def _of_kinds(self, one: Kind, other: Kind) -> Cause | None:
        if (one.derived, one.tag, one.raw_type) != (other.derived, other.tag, other.raw_type):
            lines = self.versions.classification(one.fired, other.fired)
            if lines:
                return Cause("classification", lines)
        lines = self.versions.organisation(one.takers, other.takers)
        if lines:
            return Cause("organisation", lines)
        both = self._actions(self.old, one.takers), self._actions(self.new, other.takers)
        for actions in zip(*both, strict=False):
            lines = self.versions.products(*actions)
            if lines:
                return Cause("product", lines)
        return None

    def of_root(self, what: tuple[str, ...], old: Node, new: Node) -> Cause:
        """Why a science group itself is another one."""
        recipe = self.versions.recipe(old.action or "", new.action or "") if "recipe" in what else NONE
        return Cause("recipe", recipe) if recipe else self.of_answer(old.files[0].dp_id)

    def of_answer(self, dp_id: str) -> Cause:
        """Why a frame has an answer under one version only."""
        return self.of_frame(dp_id) or Cause("other", NONE)

    def _of_group(self, one: Node, other: Node) -> Cause | None:
        names = dict.fromkeys(file.dp_id for node in (one, other) for file in node.files)
        return next((found for found in map(self.of_frame, names) if found), None)

    @staticmethod
    def _actions(view: BookMemory, rules: tuple[int, ...]) -> list[str]:
        return [view.book.org_rules[rule].action for rule in rules]


def _nodes(slot: Slot) -> dict[str, Node]:
    return {choice.node.files[0].dp_id: choice.node for choice in slot.chosen}


def _common(before: Slot, after: Slot) -> Iterator[tuple[Node, Node]]:
    olds, news = _nodes(before), _nodes(after)
    for name, node in sorted(olds.items()):
        if name in news:
            yield node, news[name]


def _moved(before: Slot, after: Slot) -> list[str]:
    """First files of what is held only before or only after, and files that came to a group or went."""
    olds, news = _nodes(before), _nodes(after)
    found = [name for name in (*olds, *news) if not (name in olds and name in news)]
    for one, other in _common(before, after):
        names = {file.dp_id for file in one.files} ^ {file.dp_id for file in other.files}
        found += sorted(names)
    return found
