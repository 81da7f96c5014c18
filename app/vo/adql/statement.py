"""A parsed query -> the one SELECT that PostgreSQL sees.

By construction: the SQL is put together from texts of this program, from names of the catalogue and from
placeholders. Every text and number of the query is a bound value; no word of it is ever a part of the SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeGuard

from psycopg.sql import SQL, Composable, Composed, Identifier, Placeholder

from app.vo.adql.conditions import Conditions
from app.vo.adql.parser import parse
from app.vo.adql.scope import Scope
from app.vo.adql.syntax import Call, Expr, Item, Number, Query, Star
from app.vo.adql.syntax import Column as Name
from app.vo.adql.tokens import error_at
from app.vo.adql.values import Value, Values
from app.vo.schema.catalogue import Catalogue
from app.vo.schema.column import Column, Kind
from app.vo.schema.table import KEY, FrameTable

_TABLES: Final = 16  # PostgreSQL's planner takes long over more
_COLUMNS: Final = 1000


@dataclass(frozen=True, slots=True)
class Statement:
    """One SELECT, its values, and the columns of its answer."""

    sql: Composed
    values: Mapping[str, Any]
    columns: tuple[Column, ...]


def translate(query: str, tables: Catalogue, limit: int | None = None) -> Statement:
    """The SELECT for a query, for at most `limit` rows. Raises AdqlError for what cannot be asked."""
    values = _Values()
    select = _Select(query, tables, values, parse(query), limit)
    return Statement(select.sql(), values.bound, _renamed(select.outputs))


class _Values:
    """The bound values of a statement, and how many tables it has."""

    def __init__(self) -> None:
        self.bound: dict[str, Any] = {}
        self.tables = 0

    def bind(self, value: Any, type_name: str) -> Composable:
        """Make a value of the statement: its placeholder, cast to one of our types."""
        name = f"v{len(self.bound)}"
        self.bound[name] = value
        return SQL(f"{{}}::{type_name}").format(Placeholder(name))


class _Select:
    """One SELECT, outermost or after IN: its parts as SQL, and the columns that each table must compute."""

    def __init__(
        self, text: str, tables: Catalogue, statement: _Values, query: Query, limit: int | None
    ) -> None:
        self.text, self.tables, self.statement, self.query = text, tables, statement, query
        self.scope = Scope(text, tables)
        self.values = Values(self.scope, statement.bind)
        for table in (query.table, *(join.table for join in query.joins)):
            statement.tables += 1
            if statement.tables > _TABLES:
                raise error_at(text, table.at, f"more than {_TABLES} tables in one query")
            self.scope.add(table, f"t{statement.tables}")
        conditions = Conditions(self.values, self.subquery)
        self.where = conditions.sql(query.where) if query.where else None
        self.joins = [(join.word, conditions.sql(join.on)) for join in query.joins]
        self.order = [
            SQL("{} DESC" if key.descending else "{} ASC").format(self.ordering(key.key).sql)
            for key in query.order
        ]
        self.picking = [column for place in self.scope.places for column in place.used.values()]
        self.outputs = self.selected()
        self.group = [self.values.value(name).sql for name in query.group]
        self.check_size()
        self.check_groups()
        self.check_distinct()
        self.limit = min((n for n in (query.top, limit) if n is not None), default=None)

    def sql(self) -> Composed:
        """Compose the whole SELECT."""
        distinct = "DISTINCT " if self.query.distinct else ""
        told = _listed([value.sql for value in self.outputs])
        keys = self.keys()
        if keys is not None:
            return Composed([SQL("SELECT "), told, self.sources(keys), self.ordered()])
        return Composed(
            [SQL(f"SELECT {distinct}"), told, self.sources(), self.restricted(), self.ordered(limit=True)]
        )

    def keys(self) -> Composable | None:
        """The SELECT of the numbers of the frames that are told, where reading all headers would be slow.

        A header takes some 50 µs to take apart; sorting a million frames by their start does not need it.
        """
        (place, *others) = self.scope.places
        simple = not (others or self.query.distinct or self.group or any(v.aggregate for v in self.outputs))
        cold = any(column.cold for column in place.used.values())
        if not (simple and cold and isinstance(place.table, FrameTable)):
            return None
        if any(column.cold for column in self.picking):
            return None
        source = place.table.source(self.picking, self.statement.bind)
        key = SQL("SELECT {}.{} FROM ({}) AS {}").format(
            Identifier(place.alias), KEY, source, Identifier(place.alias)
        )
        return Composed([key, self.restricted(), self.ordered(limit=True)])

    def sources(self, keys: Composable | None = None) -> Composable:
        """Compose FROM: each table computes the columns that are used of it."""
        tables = []
        for place in self.scope.places:
            source = place.table.source(tuple(place.used.values()), self.statement.bind, keys)
            tables.append(SQL("({}) AS {}").format(source, Identifier(place.alias)))
        parts: list[Composable] = [SQL(" FROM "), tables[0]]
        for (word, on), table in zip(self.joins, tables[1:], strict=True):
            parts.append(SQL(f" {word} JOIN {{}} ON {{}}").format(table, on))
        return Composed(parts)

    def restricted(self) -> Composable:
        """Compose WHERE and GROUP BY."""
        where = SQL(" WHERE {}").format(self.where) if self.where else SQL("")
        group = SQL(" GROUP BY {}").format(_listed(self.group)) if self.group else SQL("")
        return Composed([where, group])

    def ordered(self, *, limit: bool = False) -> Composable:
        """Compose ORDER BY and LIMIT."""
        order = SQL(" ORDER BY {}").format(_listed(self.order)) if self.order else SQL("")
        if not limit or self.limit is None:
            return order
        return Composed([order, SQL(" LIMIT {}").format(self.statement.bind(self.limit, "bigint"))])

    def selected(self) -> list[Value]:
        """List what is selected, each with the name that it has in the answer."""
        found: list[Value] = []
        for item in self.query.items:
            match item:
                case Star():
                    places = self.scope.places
                    if item.parts:
                        places = self.scope.qualified(item.parts, item.at)
                    found += [self.values.of_column(p, c) for p in places for c in p.table.columns]
                case Item():
                    value = self.values.value(item.value, aggregates=True)
                    name = item.alias or value.column.name
                    found.append(replace(value, column=replace(value.column, name=name)))
        return found

    def ordering(self, key: Expr) -> Value:
        """What is ordered by: an alias or a number stands for what is selected."""
        items = self.query.items
        if isinstance(key, Number):
            place = int(key.written) if key.written.isdecimal() and len(key.written) < 5 else 0
            chosen = items[place - 1] if 0 < place <= len(items) else None
            if not isinstance(chosen, Item):
                raise error_at(self.text, key.at, f"ORDER BY {key}: there is no such item before FROM")
            return self.values.value(chosen.value, aggregates=True)
        for item in items:
            if isinstance(item, Item) and item.alias and isinstance(key, Name) and key.parts == (item.alias,):
                return self.values.value(item.value, aggregates=True)
        return self.values.value(key, aggregates=True)

    def check_size(self) -> None:
        """Refuse more columns than PostgreSQL's rows can have (1664)."""
        if len(self.outputs) + len(self.order) + len(self.group) > _COLUMNS:
            raise error_at(self.text, 0, f"more than {_COLUMNS} columns are selected, grouped and ordered by")

    def check_distinct(self) -> None:
        """Refuse to order distinct rows by what is none of their values."""
        told = [value.sql for value in self.outputs]
        for order in self.query.order if self.query.distinct else ():
            if self.ordering(order.key).sql not in told:
                message = f"SELECT DISTINCT orders by what it selects, not by {order.key}"
                raise error_at(self.text, order.key.at, message)

    def check_groups(self) -> None:
        """Refuse a column beside an aggregate that is not what is grouped by."""
        grouped = set(self.query.group)
        orders = [
            self.values.value(key.key, aggregates=True) for key in self.query.order if _is_call(key.key)
        ]
        if not (grouped or any(value.aggregate for value in (*self.outputs, *orders))):
            return
        for item in self.query.items:
            if isinstance(item, Star):
                raise error_at(self.text, item.at, "* cannot stand beside COUNT, MIN and the like")
            self.check_grouped(item.value)
        aliases = {item.alias for item in self.query.items if isinstance(item, Item)}
        for key in self.query.order:
            if not (
                isinstance(key.key, Number) or (isinstance(key.key, Name) and key.key.parts[-1] in aliases)
            ):
                self.check_grouped(key.key)

    def check_grouped(self, expr: Expr) -> None:
        """Refuse an expression that has several values in a group."""
        if isinstance(expr, Name):
            wanted = self.scope.resolve(expr)
            if wanted not in [self.scope.resolve(name) for name in self.query.group]:
                raise error_at(self.text, expr.at, f"{expr} must stand in GROUP BY, or in COUNT, MIN, …")
        elif _is_call(expr) and not self.values.value(expr, aggregates=True).aggregate:
            for argument in expr.arguments:
                self.check_grouped(argument)

    def subquery(self, query: Query) -> tuple[Composable, tuple[Kind, ...]]:
        """Compose the SELECT after IN, which knows nothing of the tables around it."""
        select = _Select(self.text, self.tables, self.statement, query, None)
        return select.sql(), tuple(value.kind for value in select.outputs)


def _listed(parts: Sequence[Composable]) -> Composable:
    return SQL(", ").join(parts)


def _is_call(expr: Expr) -> TypeGuard[Call]:
    return isinstance(expr, Call)


def _renamed(values: Sequence[Value]) -> tuple[Column, ...]:
    """The columns of the answer; one whose name was there before gets a number behind it."""
    seen: dict[str, int] = {}
    columns = []
    for column in (value.column for value in values):
        number = seen[column.name] = seen.get(column.name, 0) + 1
        columns.append(column if number == 1 else replace(column, name=f"{column.name}_{number}"))
    return tuple(columns)
