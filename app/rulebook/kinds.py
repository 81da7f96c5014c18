"""Headers that have a keyword of another type than the service or the rules expect.

To compare text with a number is no error in OCA, it is false: a header whose `DET.CHIPS` is text falls
silently through every rule that says `DET.CHIPS == 1`. So the answer for such a frame says it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from app.header import UNDEFINED, Maybe, Undefined
from app.oca.conditions import canonical
from app.oca.syntax import RuleFile
from app.oca.terms import Compare, Expr, Key, Like, Number, Text, Truth, children

Kind: TypeAlias = Literal["number", "text"]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a keyword should be, and the first line that says so; 0 for the service's own."""

    kind: Kind
    line: int = 0


# What the service itself reads, whatever the rules say: times, and what names a frame and its template.
OWN_KINDS: Final[Mapping[str, Expected]] = MappingProxyType(
    {
        **dict.fromkeys(("MJD-OBS", "EXPTIME", "TPL.EXPNO", "TPL.NEXP"), Expected("number")),
        **dict.fromkeys(("INSTRUME", "DPR.CATG", "DPR.TYPE", "DPR.TECH", "PRO.CATG"), Expected("text")),
        **dict.fromkeys(("TPL.ID", "TPL.START", "OBS.PROG.ID"), Expected("text")),
    }
)


def expected_kinds(rules: RuleFile) -> Mapping[str, Expected]:
    """What these rules compare header keywords with, and what the service reads.

    A keyword that is compared with both, or with text that reads as a number, may be either.
    """
    found: dict[str, list[Expected | None]] = defaultdict(list)
    for condition in rules.conditions:
        for name, expected in _said(condition):
            found[name].append(expected)
    alike = {
        name: each[0] for name, each in found.items() if each[0] and len({e and e.kind for e in each}) == 1
    }
    derived = {assign.key for rule in rules.class_rules for assign in rule.assigns}
    every = {**alike, **OWN_KINDS}
    return MappingProxyType({name: each for name, each in every.items() if name not in derived})


def mistyped(kinds: Mapping[str, Expected], keywords: Mapping[str, Maybe], book: str = "") -> list[str]:
    """A sentence for each keyword of another type than expected; `book` is the name of the rules' file.

    Values are not quoted: the messages of an answer are for everybody, the header of a locked frame is not.
    """
    told = []
    for name, expected in kinds.items():
        value = keywords.get(name, UNDEFINED)
        # What the service itself reads is never a logical value; to a rule `T` may be equal to 1 or "T".
        logical = isinstance(value, bool) and not expected.line
        kind = "logical" if logical else kind_of(value)
        if kind is not None and kind != expected.kind:
            who = f"{book}:{expected.line} compares it with" if expected.line else "it has to be"
            told.append(f"{name} in the header is {_A[kind]}, and {who} {_A[expected.kind]}; {_MEND}")
    return told


def unlike(
    joins: Iterable[tuple[str, str]], keywords: Mapping[str, Maybe], others: Sequence[Mapping[str, Maybe]]
) -> list[str]:
    """A sentence for each keyword that is of another type than that of every other header it is matched with.

    `joins` are pairs of keywords, of the others and of this header (`Condition.joins`).
    """
    told = []
    for theirs, mine in joins:
        kind = kind_of(keywords.get(mine, UNDEFINED))
        kinds = {other for each in others if (other := kind_of(each.get(theirs, UNDEFINED)))}
        if kind and kinds and kind not in kinds:
            (other,) = kinds
            told.append(f"{mine} in the header is {_A[kind]}, and {_A[other]} wherever it is sought; {_MEND}")
    return told


_A: Final = MappingProxyType({"number": "a number", "text": "text", "logical": "a logical value"})
_MEND: Final = "correct the header and ingest the file again"


def kind_of(value: Maybe) -> Kind | None:
    """None for what `==` may hold equal to both: a logical value, text that reads as a number (not `T`).

    And for what is not defined.
    """
    if isinstance(value, (bool, Undefined)):
        return None
    if not isinstance(value, str):
        return "number"
    return "text" if value.isalpha() or canonical(value).startswith("s") else None


def _said(expr: Expr) -> Iterator[tuple[str, Expected | None]]:
    """The keywords that are compared with a constant, and of what kind that is; None for either."""
    match expr:
        case (
            Compare(_, Key(name, scope), (Text() | Number() | Truth()) as constant)
            | Compare(_, (Text() | Number() | Truth()) as constant, Key(name, scope))
            | Like(Key(name, scope), Text() as constant)
        ) if scope != "SIG":
            value = constant.value
            if isinstance(expr, Like) and isinstance(value, str):
                value = value.replace("%", "") or "0"  # what it demands; nothing, if there are only wildcards
            kind = kind_of(value)
            yield name, kind and Expected(kind, expr.pos.line)
        case _:
            for child in children(expr):
                yield from _said(child)
