"""Whole associations by brute force: every candidate is tried for every select of every group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from naive_groups import Group, Known, file_category, group_category, is_number, organise
from naive_rules import Rules, Select, names, raw_type, tag, terms
from naive_values import Keywords, Scene, holds, inside, value

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A file, or a group by one of its products, as a select may choose it."""

    owner: Known | Group
    keywords: Keywords
    product: int = 0

    @property
    def first(self) -> Known:
        return self.owner.primary if isinstance(self.owner, Group) else self.owner

    @property
    def certified(self) -> bool:
        files = self.owner.files if isinstance(self.owner, Group) else (self.owner,)
        return all(each.certified for each in files)


@dataclass(frozen=True, eq=False)
class Slot:
    """What one select found: `chosen` holds node, PRO.CATG of the product ("" for a file), match, days.

    `match` is the label with its level.
    """

    label: str
    minimum: int
    maximum: int
    auxiliary: bool
    own: bool
    chosen: tuple[tuple[Node, str, str, float | None], ...]


@dataclass(frozen=True, eq=False)
class Node:
    kind: str
    action: str | None
    category: str
    files: tuple[str, ...]
    certified: bool
    complete: bool
    slots: tuple[Slot, ...] = ()


class Oracle:
    """The files of one instrument as one book sees them. Hidden files are not given to it."""

    def __init__(self, rules: Rules, files: Sequence[Known], breakpoints: Sequence[Row] = ()) -> None:
        self.rules = rules
        self.files = sorted(files, key=lambda each: each.dp_id)
        self.groups = organise(rules, self.files)
        self.breakpoints = breakpoints
        self._known: dict[tuple[Group, Select, str], list[Candidate]] = {}
        made = [product.get("PRO.CATG") for group in self.groups for product in group.products]
        reduced = set()
        for action in rules.actions.values():
            for block in action.products:
                for assign in block:
                    key, right = assign.children
                    if key == "PRO.CATG" and right.data == "text":
                        made.append(str(right.children[0])[1:-1])
                        if action.reduces:
                            reduced.add(made[-1])
        self.made = {each for each in made if each is not None}
        self.reduced = reduced

    def associate(self, dp_id: str, mode: str) -> tuple[str, Node | None]:
        """The mode carried out and the data set; None where none is offered."""
        root = self._root(dp_id)
        if root is None:
            return mode, None
        node = self._node(root, mode, ())
        if mode == "Raw2Master" and self._lacks_master(node):
            mode, node = "Raw2Raw", self._node(root, "Raw2Raw", ())
        # A data set is as certain as the calibrations in it; its own frames nobody certifies.
        return mode, replace(node, certified=_sure(node))

    def _lacks_master(self, node: Node) -> bool:
        """A required slot for something that a recipe makes is short, here or below one that is required."""
        return any(
            (len(slot.chosen) < slot.minimum and self._of_master(node, slot))
            or (slot.minimum > 0 and any(self._lacks_master(below) for below, *_ in slot.chosen))
            for slot in node.slots
        )

    def _of_master(self, node: Node, slot: Slot) -> bool:
        selects = self.rules.actions[str(node.action)].selects
        return any(
            str(text.children[0])[1:-1] in self.reduced
            for select in selects
            if select.name == slot.label
            for text in select.condition.find_data("text")
        )

    def _root(self, dp_id: str) -> Group | None:
        """The largest group of the frame that is offered and makes something; of equals the first rule's."""
        offered = [
            group
            for group in self.groups
            if group.products
            and any(each.dp_id == dp_id for each in group.files)
            and group.primary.keywords.get("EXPOSE_TO_CALSELECTOR") in (True, "T")
        ]
        return max(offered, key=lambda group: (len(group.files), -group.rule), default=None)

    def _node(self, group: Group, mode: str, path: tuple[Group, ...]) -> Node:
        slots = [
            self._slot(group, select, mode, (*path, group))
            for select in self.rules.actions[group.action].selects
            if select.maximum != 0
        ]
        complete = not group.small and all(
            len(slot.chosen) >= slot.minimum
            and (slot.minimum == 0 or all(node.complete for node, *_ in slot.chosen))
            for slot in slots
        )
        return Node(
            "group",
            group.action,
            group_category(group),
            tuple(each.dp_id for each in group.files),
            all(each.certified for each in group.files),
            complete,
            tuple(slots),
        )

    def _slot(self, group: Group, select: Select, mode: str, path: tuple[Group, ...]) -> Slot:
        # A group above is no candidate: it would be made of itself.
        ranked = [each for each in self._ranked(group, select, mode) if each.owner not in path]
        chosen = []
        for each in ranked[: select.maximum]:
            if isinstance(each.owner, Group):
                node = self._node(each.owner, mode, path)
                category = str(each.keywords.get("PRO.CATG"))
            else:
                node, category = _leaf(each.owner), ""
            chosen.append((node, category, self._match(group, select, each), self._days(group, each)))
        # Files `from inputFiles` are read by the recipe (README of the rules): not auxiliary.
        auxiliary = select.source == "rawFiles"
        own = select.source == "calibFiles" and _is_step(select)
        return Slot(select.name, select.minimum, select.maximum, auxiliary, own, tuple(chosen))

    def _ranked(self, group: Group, select: Select, mode: str) -> list[Candidate]:
        """Everything that would do, the best first; remembered, for many parents ask for the same group."""
        asked = (group, select, mode)
        if asked not in self._known:
            pool = self._pool(select, mode)
            acceptable = [each for each in pool if self._would_do(group, select, each)]
            self._known[asked] = sorted(acceptable, key=lambda each: self._stand(group, select, each))
        return self._known[asked]

    def _pool(self, select: Select, mode: str) -> list[Candidate]:
        """Everything a select may look at in this mode."""
        if select.source != "calibFiles":
            return [Candidate(each, each.keywords) for each in self.files if each.is_raw]
        pool = []
        for each in self.files:
            made = each.keywords.get("PRO.CATG") in self.made
            if not each.is_raw and (not made or (mode == "Raw2Master" and each.certified)):
                pool.append(Candidate(each, each.keywords))
        # A step of the reduction of the same frames has no master, nor has what no recipe reduces.
        unreduced = _category(select) in self.made - self.reduced
        raw = mode == "Raw2Raw" or _is_step(select) or unreduced
        for other in self.groups:
            if not other.small and raw:
                pool += [Candidate(other, each, number) for number, each in enumerate(other.products)]
        return pool

    def _would_do(self, group: Group, select: Select, each: Candidate) -> bool:
        if each.owner is group or each.owner in group.files:
            return False
        if not holds(select.condition, Scene(each.keywords, group.primary.keywords)):
            return False
        return not self._cut(group, each)

    def _cut(self, group: Group, each: Candidate) -> bool:
        """An intervention lies strictly between the two times; that of a static file is none of observing."""
        is_file = not isinstance(each.owner, Group) and not each.owner.is_raw
        if is_file and each.keywords.get("PRO.CATG") not in self.made:
            return False
        times = [group.primary.keywords.get("MJD-OBS"), each.keywords.get("MJD-OBS")]
        if not all(is_number(time) for time in times):
            return False
        first = each.first.keywords
        for row in self.breakpoints:
            if not min(times) < row["mjdObs"] < max(times):
                continue
            kinds = [(row["proCatg"], each.keywords.get("PRO.CATG"))]
            if isinstance(each.owner, Group) or each.owner.is_raw:
                kinds += [(row["rawType"], raw_type(first)), (row["doClass"], tag(first))]
            if all(said in ("ANY", found) for said, found in kinds if found is not None):
                return True
        return False

    def _stand(self, group: Group, select: Select, each: Candidate) -> tuple[Any, ...]:
        days, name = self._days(group, each), each.first.dp_id
        order = (days is None, abs(days or 0.0), (days or 0.0) > 0)
        # Among files without a time the newest name is the best.
        text = tuple(-ord(letter) for letter in name) if days is None else tuple(map(ord, name))
        rule = each.owner.rule if isinstance(each.owner, Group) else 0
        level = self._level(group, select, each) or 0
        return (level, not each.certified, *order, text, rule, each.product)

    def _level(self, group: Group, select: Select, each: Candidate) -> int | None:
        """EDPS' levels tried in order: below 0 stricter than the plan, 0 the plan, beyond it 1, 2, 3 …

        The plan is the first soft window in days and all that neither contain it nor lie in it.
        """
        scene = Scene(each.keywords, group.primary.keywords)
        soft = [term for term in terms(select.condition) if term.data == "try_between"]
        if not soft:
            return None
        windows = {id(term): _window(term) for term in soft}
        plan = next((window for window in windows.values() if window), None)
        levels = {id(term): _place(windows[id(term)], plan) for term in soft}
        held = {id(term) for term in soft if inside(term, scene)}
        if any(levels[each] == "plan" and each not in held for each in levels):
            return 1 + len([each for each in levels if levels[each] == "wider" and each not in held])
        return -len([each for each in levels if levels[each] == "stricter" and each in held])

    def _match(self, group: Group, select: Select, each: Candidate) -> str:
        level = self._level(group, select, each)
        word = "N/A" if level is None else "calib_plan" if level < 1 else "extended"
        return f"{word} {level}"

    def _days(self, group: Group, each: Candidate) -> float | None:
        here, there = group.primary.middle, each.first.middle
        return None if here is None or there is None else there - here


def _window(term: Any) -> tuple[float, float] | None:
    """The first and last day of `MJD-OBS tryBetween inputFile.MJD-OBS … and inputFile.MJD-OBS …`."""
    middle, *ends = term.children
    if (
        middle.data != "keyword"
        or names(middle) != {"MJD-OBS"}
        or any(names(end) != {"inputFile.MJD-OBS"} for end in ends)
    ):
        return None
    low, high = (value(end, Scene({}, {"MJD-OBS": 51544.5})) for end in ends)
    assert is_number(low)
    assert is_number(high)
    return round(float(low) - 51544.5, 6), round(float(high) - 51544.5, 6)


def _place(window: tuple[float, float] | None, plan: tuple[float, float] | None) -> str:
    if window is None or plan is None or window == plan:
        return "plan"
    if window[0] >= plan[0] and window[1] <= plan[1]:
        return "stricter"
    return "wider" if window[0] <= plan[0] and window[1] >= plan[1] else "plan"


def _sure(node: Node) -> bool:
    return all(
        (below.certified or slot.own) and _sure(below)
        for slot in node.slots
        if not slot.auxiliary
        for below, *_ in slot.chosen
    )


def _leaf(file: Known) -> Node:
    category = raw_type(file.keywords) if file.is_raw else file_category(file)
    return Node("file", None, category, (file.dp_id,), file.certified, True)


def _category(select: Select) -> str:
    """The PRO.CATG that a select demands, else its name."""
    for term in terms(select.condition):
        if term.data == "compare" and term.children[1] == "==" and names(term) == {"PRO.CATG"}:
            for text in term.find_data("text"):
                return str(text.children[0])[1:-1]
    return select.name


def _is_step(select: Select) -> bool:
    """Asks for what is made of the same exposure, as the README of the rules puts it."""
    return any(
        term.data == "compare"
        and names(term) == {"MJD-OBS", "inputFile.MJD-OBS"}
        and term.children[1] == "=="
        for term in terms(select.condition)
    )
