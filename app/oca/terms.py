"""The expressions of OCA as frozen values that print themselves and know their line.

The grammar is the one of the parser (`app/oca/parser.py`). `str()` of any node is OCA text
that parses back to an equal node; positions do not take part in equality.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias


class Pos(NamedTuple):
    """Where a piece of a rule file begins; line and column count from 1, 0 is nowhere."""

    line: int
    column: int


NOWHERE = Pos(0, 0)
Scope: TypeAlias = Literal["", "inputFile", "LF", "SIG"]
CompareOp: TypeAlias = Literal["==", "!=", "?=", "<", ">", "<=", ">="]
ArithOp: TypeAlias = Literal["+", "-", "*", "/", "%"]
TypeName: TypeAlias = Literal[
    "undefined", "string", "int", "integer", "float", "double", "number", "bool", "boolean"
]

# Binding strength, low to high: or, and, not, relation, sum, product, sign, primary.
_OR, _AND, _NOT, _REL, _SUM, _TERM, _SIGN, _PRIMARY = range(1, 9)


@dataclass(frozen=True, slots=True)
class Or:
    """`a or b or …`; at least two terms."""

    terms: tuple[Expr, ...]
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return " or ".join(_inside(term, _AND) for term in self.terms)


@dataclass(frozen=True, slots=True)
class And:
    """`a and b and …`; at least two terms."""

    terms: tuple[Expr, ...]
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return " and ".join(_inside(term, _NOT) for term in self.terms)


@dataclass(frozen=True, slots=True)
class Not:
    """`not a`; binds looser than a relation."""

    term: Expr
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"not {_inside(self.term, _NOT)}"


@dataclass(frozen=True, slots=True)
class Compare:
    """`a == b` and the other relations; they do not chain."""

    op: CompareOp
    left: Expr
    right: Expr
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{_inside(self.left, _SUM)} {self.op} {_inside(self.right, _SUM)}"


@dataclass(frozen=True, slots=True)
class Like:
    """`a like "X%"`: `%` is any run of characters, everything else is literal."""

    value: Expr
    pattern: Expr
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{_inside(self.value, _SUM)} like {_inside(self.pattern, _SUM)}"


@dataclass(frozen=True, slots=True)
class Regexp:
    """`a regexp "re"`: the whole text must match."""

    value: Expr
    pattern: Expr
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{_inside(self.value, _SUM)} regexp {_inside(self.pattern, _SUM)}"


@dataclass(frozen=True, slots=True)
class Is:
    """`a is string`, `a is not undefined`."""

    value: Expr
    type: TypeName
    negated: bool = False
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{_inside(self.value, _SUM)} is {'not ' if self.negated else ''}{self.type}"


@dataclass(frozen=True, slots=True)
class Between:
    """`a between x and y` (hard window), or `tryBetween` (soft: marks and ranks, never refuses)."""

    value: Expr
    low: Expr
    high: Expr
    soft: bool = False
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        word = "tryBetween" if self.soft else "between"
        low, high = _inside(self.low, _SUM), _inside(self.high, _SUM)
        return f"{_inside(self.value, _SUM)} {word} {low} and {high}"


@dataclass(frozen=True, slots=True)
class Arith:
    """`a + b` and the other sums and products; left associative."""

    op: ArithOp
    left: Expr
    right: Expr
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        level = _level(self)
        return f"{_inside(self.left, level)} {self.op} {_inside(self.right, level + 1)}"


@dataclass(frozen=True, slots=True)
class Negative:
    """`-a`."""

    term: Expr
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"-{_inside(self.term, _SIGN)}"


@dataclass(frozen=True, slots=True)
class Text:
    """`"text"`; no escapes, so it holds neither a quote nor a newline."""

    value: str
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f'"{self.value}"'


@dataclass(frozen=True, slots=True)
class Number:
    """A number without sign; an integer unless it has a dot or an exponent."""

    value: int | float
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return repr(self.value)

    def __eq__(self, other: object) -> bool:
        # 1 and 1.0 are different texts, so different nodes
        return (
            isinstance(other, Number) and type(self.value) is type(other.value) and self.value == other.value
        )

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True, slots=True)
class Truth:
    """`T` or `F`."""

    value: bool
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return "T" if self.value else "F"


@dataclass(frozen=True, slots=True)
class Undef:
    """The word `undefined` used as a value."""

    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return "undefined"


@dataclass(frozen=True, slots=True)
class Key:
    """A keyword of the file itself, or of `inputFile`, `LF` (last file of a group) or `SIG`."""

    name: str
    scope: Scope = ""
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.scope}.{self.name}" if self.scope else self.name


Relation: TypeAlias = Compare | Like | Regexp | Is | Between
Constant: TypeAlias = Text | Number | Truth | Undef
Expr: TypeAlias = Or | And | Not | Relation | Arith | Negative | Constant | Key


def _level(expr: Expr) -> int:
    match expr:
        case Or():
            return _OR
        case And():
            return _AND
        case Not():
            return _NOT
        case Compare() | Like() | Regexp() | Is() | Between():
            return _REL
        case Arith(op="+" | "-"):
            return _SUM
        case Arith():
            return _TERM
        case Negative():
            return _SIGN
        case _:
            return _PRIMARY


def _inside(expr: Expr, level: int) -> str:
    return str(expr) if _level(expr) >= level else f"({expr})"


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct sub-expressions of `expr`, in text order."""
    match expr:
        case Or(terms) | And(terms):
            return terms
        case Not(term) | Negative(term):
            return (term,)
        case Compare(_, left, right) | Arith(_, left, right):
            return (left, right)
        case Like(value, pattern) | Regexp(value, pattern):
            return (value, pattern)
        case Is(value):
            return (value,)
        case Between(value, low, high):
            return (value, low, high)
        case _:
            return ()


def parts(expr: Expr) -> Iterator[Expr]:
    """`expr` and all that is in it, in text order."""
    yield expr
    for child in children(expr):
        yield from parts(child)


def keys(expr: Expr) -> tuple[Key, ...]:
    """Every keyword named in `expr`, in text order, repeats included."""
    return tuple(part for part in parts(expr) if isinstance(part, Key))
