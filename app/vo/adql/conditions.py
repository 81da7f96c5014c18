"""Conditions as SQL; comparisons are between values of one kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

from psycopg.sql import SQL, Composable

from app.vo.adql.syntax import (
    Between,
    Call,
    Compare,
    Condition,
    Expr,
    In,
    IsNull,
    Like,
    Not,
    Number,
    Query,
    Terms,
    Text,
)
from app.vo.adql.syntax import Column as Name
from app.vo.adql.values import Value, Values
from app.vo.schema.column import Kind

_LITERALS: Final = (Text, Number)
# Names of instruments are capitals, and clients write them as list_instruments tells them. ESO's server finds
# them so: astroquery's remote tests ask for the surveys "sphere, vegas". Other texts are as they are written.
_CAPITALS: Final = frozenset({"instrument", "instrument_name", "obs_collection"})
# Makes the SELECT of a query after IN, and tells the kinds of its columns.
Subquery = Callable[[Query], tuple[Composable, tuple[Kind, ...]]]


class Conditions:
    """Turns conditions of one SELECT into SQL."""

    def __init__(self, values: Values, subquery: Subquery) -> None:
        self.values = values
        self.subquery = subquery

    def sql(self, condition: Condition) -> Composable:
        """Compose the condition, in parentheses."""
        match condition:
            case Compare():
                return self.compare(condition)
            case Like():
                return self.like(condition)
            case Between(value, low, high, negated):
                first, least, most = self.alike(value, low, high)
                template = "({} NOT BETWEEN {} AND {})" if negated else "({} BETWEEN {} AND {})"
                return SQL(template).format(first.sql, least.sql, most.sql)
            case In():
                return self.membership(condition)
            case IsNull(value, negated):
                template = "({} IS NOT NULL)" if negated else "({} IS NULL)"
                return SQL(template).format(self.values.value(value).sql)
            case Not(term):
                return SQL("(NOT {})").format(self.sql(term))
            case Terms(word, terms):
                return SQL("({})").format(SQL(f" {word} ").join([self.sql(term) for term in terms]))
            case _:
                assert_never(condition)

    def compare(self, condition: Compare) -> Composable:
        """Compose `a = b`; CONTAINS and INTERSECTS are 1 or 0 (ADQL 2.1 §4.2)."""
        for shape, other in ((condition.left, condition.right), (condition.right, condition.left)):
            if isinstance(shape, Call) and shape.name in ("CONTAINS", "INTERSECTS"):
                return self.geometry(condition, shape, other)
            if condition.operator in ("=", "<>") and self.capitals(shape):
                match other:
                    case Text(value) if value != value.upper():  # else an index gives them in order
                        return self.membership(In(shape, (other,), condition.operator == "<>"))
        left, right = self.alike(condition.left, condition.right)
        return SQL(f"({{}} {condition.operator} {{}})").format(left.sql, right.sql)

    def geometry(self, condition: Compare, shape: Call, other: Expr) -> Composable:
        """Compose `INTERSECTS(…) = 1` and its opposites."""
        truth = self.values.number(other) if isinstance(other, Number) else None
        if condition.operator not in ("=", "<>") or truth not in (0, 1):
            raise self.values.error(condition.at, f"{shape.name}(…) is compared with = 1 or = 0")
        inside = self.values.within(shape)
        wanted = (truth == 1) == (condition.operator == "=")
        return inside if wanted else SQL("(NOT {})").format(inside)

    def alike(self, *exprs: Expr) -> list[Value]:
        """The values of expressions that are compared: of one kind, that of the first that is no literal."""
        first = next((expr for expr in exprs if not isinstance(expr, _LITERALS)), exprs[0])
        kind = self.values.value(first).kind
        return [self.values.coerced(expr, kind, first) for expr in exprs]

    def like(self, condition: Like) -> Composable:
        """Compose `a LIKE b`. ADQL has no character that escapes; PostgreSQL's is doubled to be itself."""
        value = self.values.value(condition.value)
        if value.kind != "text":
            raise self.values.error(condition.at, f"LIKE is for texts, and {condition.value} is a number")
        pattern = self.values.bind(condition.pattern.replace("\\", "\\\\"), "text")
        word = ("NOT " if condition.negated else "") + ("ILIKE" if condition.ignore_case else "LIKE")
        return SQL(f"({{}} {word} {{}})").format(value.sql, pattern)

    def membership(self, condition: In) -> Composable:
        """Compose `a IN (…)`; a list of literals travels as one array."""
        value = self.values.value(condition.value)
        if isinstance(condition.choices, Query):
            inside, kinds = self.subquery(condition.choices)
            if kinds != (value.kind,):
                raise self.values.error(condition.at, f"the query after IN gives one column, a {value.kind}")
            template = "({} NOT IN ({}))" if condition.negated else "({} IN ({}))"
            return SQL(template).format(value.sql, inside)
        literals = [self.literal(each, value.kind, condition.value) for each in condition.choices]
        if self.capitals(condition.value):
            literals = sorted({*map(str, literals), *(str(each).upper() for each in literals)})
        array = self.values.bind(literals, "text[]" if value.kind == "text" else "float8[]")
        template = "(NOT {} = ANY({}))" if condition.negated else "({} = ANY({}))"
        return SQL(template).format(value.sql, array)

    def capitals(self, expr: Expr) -> bool:
        """Whether it is a column of capitals, which is asked for in any case."""
        return isinstance(expr, Name) and self.values.value(expr).column.name in _CAPITALS

    def literal(self, literal: Text | Number, kind: Kind, other: Expr) -> str | float:
        """A literal as a value of this kind."""
        if kind == "text":
            return literal.value if isinstance(literal, Text) else literal.written
        return self.values.as_number(literal, other)
