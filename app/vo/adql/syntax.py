"""The subset of ADQL as frozen values; `str()` of any is ADQL that parses back to an equal value.

Positions (offsets into the query) do not take part in equality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Operator: TypeAlias = Literal["=", "<>", "<", ">", "<=", ">="]


@dataclass(frozen=True, slots=True)
class Column:
    """`name` or `alias.name` or `schema.table.name`; `delimited` names keep their case."""

    parts: tuple[str, ...]
    at: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return ".".join(map(_name, self.parts))


@dataclass(frozen=True, slots=True)
class Text:
    """`'…'`."""

    value: str
    at: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return "'" + self.value.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written, with its sign."""

    written: str
    at: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return self.written


@dataclass(frozen=True, slots=True)
class Call:
    """`NAME(a, b)`; COUNT(*) has no arguments; `distinct` is of aggregates."""

    name: str
    arguments: tuple[Expr, ...]
    distinct: bool = False
    at: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        inside = ", ".join(map(str, self.arguments)) or "*"
        return f"{self.name}({'DISTINCT ' if self.distinct else ''}{inside})"


Expr: TypeAlias = Column | Text | Number | Call


@dataclass(frozen=True, slots=True)
class Compare:
    """`a = b` and the like."""

    operator: Operator
    left: Expr
    right: Expr
    at: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


@dataclass(frozen=True, slots=True)
class Like:
    """`a LIKE 'b%'`; ILIKE ignores case (ADQL 2.1)."""

    value: Expr
    pattern: str
    ignore_case: bool
    negated: bool
    at: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        word = "ILIKE" if self.ignore_case else "LIKE"
        return f"{self.value} {_not(self.negated)}{word} {Text(self.pattern)}"


@dataclass(frozen=True, slots=True)
class Between:
    """`a BETWEEN b AND c`."""

    value: Expr
    low: Expr
    high: Expr
    negated: bool
    at: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.value} {_not(self.negated)}BETWEEN {self.low} AND {self.high}"


@dataclass(frozen=True, slots=True)
class In:
    """`a IN (b, c)` with literals, or `a IN (SELECT …)`."""

    value: Expr
    choices: tuple[Text | Number, ...] | Query
    negated: bool
    at: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        inside = str(self.choices) if isinstance(self.choices, Query) else ", ".join(map(str, self.choices))
        return f"{self.value} {_not(self.negated)}IN ({inside})"


@dataclass(frozen=True, slots=True)
class IsNull:
    """`a IS NULL`."""

    value: Expr
    negated: bool
    at: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.value} IS {_not(self.negated)}NULL"


@dataclass(frozen=True, slots=True)
class Not:
    """`NOT a`."""

    term: Condition

    def __str__(self) -> str:
        return f"NOT ({self.term})"


@dataclass(frozen=True, slots=True)
class Terms:
    """`a AND b AND …` or `a OR b OR …`; at least two."""

    word: Literal["AND", "OR"]
    terms: tuple[Condition, ...]

    def __str__(self) -> str:
        return f" {self.word} ".join(f"({term})" for term in self.terms)


Condition: TypeAlias = Compare | Like | Between | In | IsNull | Not | Terms


@dataclass(frozen=True, slots=True)
class Star:
    """`*` or `alias.*` in the list of what is selected."""

    parts: tuple[str, ...] = ()
    at: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return ".".join([*map(_name, self.parts), "*"])


@dataclass(frozen=True, slots=True)
class Item:
    """`expression AS alias`."""

    value: Expr
    alias: str | None = None

    def __str__(self) -> str:
        return f"{self.value} AS {_name(self.alias)}" if self.alias else str(self.value)


@dataclass(frozen=True, slots=True)
class Table:
    """`schema.table AS alias`."""

    name: str
    alias: str | None = None
    at: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name} AS {_name(self.alias)}" if self.alias else self.name


@dataclass(frozen=True, slots=True)
class Join:
    """`INNER JOIN table ON condition`, or LEFT."""

    word: Literal["INNER", "LEFT"]
    table: Table
    on: Condition

    def __str__(self) -> str:
        return f"{self.word} JOIN {self.table} ON {self.on}"


@dataclass(frozen=True, slots=True)
class Order:
    """One key of ORDER BY: a column, or the number of one that is selected."""

    key: Expr
    descending: bool = False

    def __str__(self) -> str:
        return f"{self.key} {'DESC' if self.descending else 'ASC'}"


@dataclass(frozen=True, slots=True)
class Query:
    """A whole SELECT."""

    items: tuple[Item | Star, ...]
    table: Table
    joins: tuple[Join, ...] = ()
    where: Condition | None = None
    group: tuple[Column, ...] = ()
    order: tuple[Order, ...] = ()
    top: int | None = None
    distinct: bool = False

    def __str__(self) -> str:
        words = ["SELECT"]
        words += ["DISTINCT"] * self.distinct
        words += [f"TOP {self.top}"] * (self.top is not None)
        words += [", ".join(map(str, self.items)), f"FROM {self.table}", *map(str, self.joins)]
        words += [f"WHERE {self.where}"] if self.where else []
        words += ["GROUP BY " + ", ".join(map(str, self.group))] if self.group else []
        words += ["ORDER BY " + ", ".join(map(str, self.order))] if self.order else []
        return " ".join(words)


def _not(negated: bool) -> str:
    return "NOT " if negated else ""


def _name(name: str) -> str:
    """The name, delimited: reserved words are names, too."""
    return '"' + name.replace('"', '""') + '"'
