"""Which frames belong together, what action they trigger, which virtual products they promise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal, TypeAlias

from app.classify import Classified, raw_type
from app.header import UNDEFINED, Maybe, Undefined
from app.oca.evaluate import EMPTY, Keywords
from app.rulebook import NOT_INHERITED, ActionBook, OrgBook, Promise, Rulebook

State: TypeAlias = Literal["ok", "hidden", "small"]

# What tells a virtual product from a real file (facts of Gasgano's own rules: `VIRTUAL is undefined`).
VIRTUAL: Final = "VIRTUAL"

# An exposure adds at most a day to the time a frame is ranked by, so that an index on the mid
# exposure can be searched by limits of MJD-OBS.
LONGEST_EXPOSURE_S = 86400.0


@dataclass(frozen=True, slots=True)
class Group:
    """Frames of one action in time order; the first is the primary, which `inputFile.` means.

    `state` is `hidden` when only hidden (bad quality) frames are left, `small` when fewer than the
    rule's minRet are.
    """

    rule: OrgBook
    frames: tuple[Classified, ...]
    state: State

    @property
    def primary(self) -> Classified:
        """The first frame: it names the group and its products."""
        return self.frames[0]

    @property
    def raw_type(self) -> str:
        """The group's category."""
        return raw_type(self.primary.keywords)

    @property
    def certified(self) -> bool:
        """Every frame of it is."""
        return all(frame.certified for frame in self.frames)

    @property
    def content(self) -> str:
        """The same for two groups of one action and the same frames, which are then one group."""
        names = "\n".join((self.rule.action, *(frame.dp_id for frame in self.frames)))
        return sha256(names.encode()).hexdigest()[:16]


def partitions(book: Rulebook, frame: Classified, raw: bool) -> Iterator[tuple[int, str]]:
    """(rule index, partition) of every organisation rule that may take this frame.

    A partition is the text of the values that the rule groups by; missing keywords group together.
    Rules that look at the last file of a group take every file of the partition, since any may be last.
    """
    for index in takers(book, frame.keywords, raw):
        yield index, partition(book.org_rules[index], frame)


def takers(book: Rulebook, keywords: Mapping[str, Maybe], raw: bool) -> tuple[int, ...]:
    """The organisation rules that may take a frame with these keywords; the rest of the work is `form`'s."""
    return tuple(
        rule.index
        for rule in book.org_rules
        if not (rule.raw_only and not raw) and (rule.uses_last or rule.test(keywords, EMPTY, EMPTY))
    )


def form(rule: OrgBook, members: Sequence[Classified]) -> Group | None:
    """The group that a rule makes of a partition's frames; None when no frame fulfils its condition."""
    ordered = sorted(members, key=in_time)
    # A hidden frame counts for nothing, unless all are.
    seen = [frame for frame in members if not frame.hidden] or members
    last: Keywords = max(seen, key=_last).keywords if rule.uses_last and seen else EMPTY
    taken = [frame for frame in ordered if rule.test(frame.keywords, EMPTY, last)]
    visible = tuple(frame for frame in taken if not frame.hidden)
    if not taken:
        return None
    if not visible:
        return Group(rule, tuple(taken), "hidden")
    return Group(rule, visible, "ok" if len(visible) >= rule.minimum else "small")


def virtual_keywords(promise: Promise, primary: Mapping[str, Maybe]) -> dict[str, Maybe]:
    """The header of a virtual product: the primary's, less what products lose, plus the block's own.

    It is not classified again; DO.CATG mirrors PRO.CATG where the block sets none,
    as every shipped rule file names products by one or the other.
    """
    keywords = {
        key: value
        for key, value in primary.items()
        if key not in NOT_INHERITED and not key.startswith("DPR.")
    }
    for key, value in promise.assigns:
        keywords[key] = value(primary, EMPTY, EMPTY)
    if keywords.get("DO.CATG", UNDEFINED) is UNDEFINED:
        keywords["DO.CATG"] = keywords.get("PRO.CATG", UNDEFINED)
    keywords[VIRTUAL] = True
    return keywords


def product_name(primary: str, keywords: Mapping[str, Maybe]) -> str:
    """The file name of a product: `r.<primary>_<PRO.EXT>` (documented for ABbuilder)."""
    extension = keywords.get("PRO.EXT", UNDEFINED)
    if isinstance(extension, Undefined):
        extension = f"{keywords.get('PRO.CATG', 'PRODUCT')}.fits"
    return f"r.{primary}_{extension}"


def exposed(action: ActionBook, group_keywords: Mapping[str, Maybe]) -> bool:
    """Offered to association requests: its rules say EXPOSE_TO_CALSELECTOR and the action has a product."""
    return bool(action.promises) and group_keywords.get("EXPOSE_TO_CALSELECTOR", UNDEFINED) in (True, "T")


def time_of(keywords: Mapping[str, Maybe]) -> float | None:
    """MJD-OBS in days, None where there is none."""
    value = keywords.get("MJD-OBS", UNDEFINED)
    if isinstance(value, (Undefined, str, bool)) or not math.isfinite(value):
        return None
    return float(value)


def middle_of(keywords: Mapping[str, Maybe]) -> float | None:
    """Mid exposure, MJD days: closeness is measured by it (MJD-OBS_MOD of ESO's AB files)."""
    start = time_of(keywords)
    if start is None:
        return None
    exposure = keywords.get("EXPTIME", UNDEFINED)
    if isinstance(exposure, (Undefined, str)) or not math.isfinite(exposure):
        return start
    return start + min(max(float(exposure), 0.0), LONGEST_EXPOSURE_S) / 2 / 86400


def in_time(frame: Classified) -> tuple[float, str]:
    """Sort key: MJD-OBS, then name; frames without a time come last."""
    start = time_of(frame.keywords)
    return (math.inf if start is None else start, frame.dp_id)


def _last(frame: Classified) -> tuple[float, float, str]:
    start = time_of(frame.keywords)
    number = frame.keywords.get("TPL.EXPNO", UNDEFINED)
    expno = float(number) if isinstance(number, (int, float)) else -math.inf
    return (-math.inf if start is None else start, expno, frame.dp_id)


def partition(rule: OrgBook, frame: Classified) -> str:
    """The text of the values that a rule groups by."""
    if rule.per_frame:
        return frame.dp_id
    names = (("INSTRUME", "TPL.START") if rule.per_template else ()) + rule.group_by
    return "\x1f".join(_grouping(frame.keywords.get(name, UNDEFINED)) for name in names)


def _grouping(value: Maybe) -> str:
    """Keys compare by value: 1 and 1.0 are one group, "1" is another."""
    match value:
        case Undefined():
            return "u"
        case str():
            return f"s{value}"
        case bool():
            return f"b{value}"
        case _:
            return f"n{value if isinstance(value, int) and abs(value) > 2**53 else float(value) + 0.0!r}"
