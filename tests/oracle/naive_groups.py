"""Groups of raw files and the products they promise, by going through every file again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lark import Token, Tree
from naive_rules import Rules, Select, classify, names, raw_type, tag
from naive_values import Keywords, Scene, Value, holds, value

# What a product does not take over from the frame it is made of: CPL erases these, and the categories are
# the frame's own.
_OF_THE_FILE = ("ARCFILE", "ORIGFILE", "CHECKSUM", "DATASUM")
_CATEGORIES = ("RAW.TYPE", "PACK.DIR", "CATG")


@dataclass(frozen=True, eq=False)
class Known:
    """A file with the keywords that the rules see: its header's, hidden by the derived ones."""

    dp_id: str
    header: Keywords
    derived: Keywords
    keywords: Keywords
    certified: bool

    @property
    def is_raw(self) -> bool:
        return self.header.get("PRO.CATG") is None

    @property
    def middle(self) -> float | None:
        """MJD of the middle of the exposure; None without a time."""
        start, length = self.keywords.get("MJD-OBS"), self.keywords.get("EXPTIME")
        if not is_number(start):
            return None
        return start + (length / 86400 / 2 if is_number(length) else 0.0)


@dataclass(frozen=True, eq=False)
class Group:
    """Files of one action in the order of time; `rule` is the number of its organisation rule."""

    action: str
    files: tuple[Known, ...]
    rule: int
    minimum: int
    products: tuple[Keywords, ...] = field(default=())

    @property
    def primary(self) -> Known:
        return self.files[0]

    @property
    def small(self) -> bool:
        """Less than its rule demands: it can be asked for, but nothing is made of it."""
        return len(self.files) < self.minimum


def is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def know(rules: Rules, dp_id: str, header: Mapping[str, Value], certified: bool) -> Known:
    derived, _ = classify(rules, header)
    return Known(dp_id, header, derived, {**header, **derived}, certified)


def organise(rules: Rules, files: Sequence[Known]) -> list[Group]:
    """All groups; the same files for the same action are one, the first rule's."""
    found: list[Group] = []
    for number, rule in enumerate(rules.organised):
        for files_of_one in _parts(rule, [each for each in files if each.is_raw]):
            last = max(files_of_one, key=_last).keywords
            chosen = tuple(
                each for each in files_of_one if holds(rule.condition, Scene(each.keywords, last=last))
            )
            if chosen and not any(each.action == rule.name and each.files == chosen for each in found):
                products = tuple(_promise(chosen[0], block) for block in rules.actions[rule.name].products)
                found.append(Group(rule.name, chosen, number, rule.minimum, products))
    return found


def _parts(rule: Select, files: list[Known]) -> list[list[Known]]:
    """Candidate groups in the order of time: single files, templates, or what `group by` says."""
    mentioned = names(rule.condition)
    if "SIG.FRAME" in mentioned or not (rule.keys or "SIG.TEMPLATE" in mentioned):
        return [[each] for each in files]
    keys = ("INSTRUME", "TPL.START") if "SIG.TEMPLATE" in mentioned else ()
    parts: dict[tuple[Value, ...], list[Known]] = {}
    for each in sorted(files, key=_first):
        parts.setdefault(tuple(each.keywords.get(key) for key in (*keys, *rule.keys)), []).append(each)
    return list(parts.values())


def _first(file: Known) -> tuple[bool, float, str]:
    start = file.keywords.get("MJD-OBS")
    return (False, start, file.dp_id) if is_number(start) else (True, 0.0, file.dp_id)


def _last(file: Known) -> tuple[float, float, str]:
    start, number = file.keywords.get("MJD-OBS"), file.keywords.get("TPL.EXPNO")
    return (
        start if is_number(start) else float("-inf"),
        number if is_number(number) else float("-inf"),
        file.dp_id,
    )


def _promise(primary: Known, block: Sequence[Tree[Token]]) -> Keywords:
    """The header of a virtual product."""
    made: dict[str, Value] = {
        key: found
        for key, found in primary.keywords.items()
        if not key.startswith(("DPR.", "DO.", "REFLEX.")) and key not in (*_OF_THE_FILE, *_CATEGORIES)
    }
    for assign in block:
        key, right = assign.children
        made[str(key)] = value(right, Scene(primary.keywords))
    made["VIRTUAL"] = True
    if made.get("DO.CATG") is None:
        made["DO.CATG"] = made.get("PRO.CATG")
    return made


def group_category(group: Group) -> str:
    return raw_type(group.primary.keywords)


def file_category(file: Known) -> str:
    found = file.keywords.get("PRO.CATG")
    return found if isinstance(found, str) else tag(file.keywords)
