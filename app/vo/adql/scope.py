"""Which tables a query is about, and which of their columns a name means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.vo.adql import syntax
from app.vo.adql.tokens import error_at
from app.vo.schema.catalogue import Catalogue
from app.vo.schema.column import Column
from app.vo.schema.table import Table


@dataclass(slots=True)
class Place:
    """A table of the FROM clause: its alias in the SQL, its names in the query, the columns used so far."""

    table: Table
    alias: str
    names: frozenset[str]
    used: dict[str, Column] = field(default_factory=dict)

    def column(self, name: str) -> Column | None:
        """The column of this name, from now on used."""
        for column in self.table.columns:
            if column.name == name or column.name == name.lower():
                self.used[column.name] = column
                return column
        return None


class Scope:
    """The tables of one SELECT."""

    def __init__(self, query: str, tables: Catalogue) -> None:
        self.query = query
        self.tables = tables
        self.places: list[Place] = []

    def add(self, table: syntax.Table, alias: str) -> None:
        """Take a table in. Raises AdqlError where there is none of this name, or two of one name."""
        found = self.tables.find(table.name)
        if found is None:
            known = [each.name for each in self.tables.tables.values()]
            raise error_at(
                self.query, table.at, f"there is no table {table.name[:60]}{_guess(table.name, known)}"
            )
        own = [table.alias.lower()] if table.alias else [found.name.lower(), found.name.lower().split(".")[1]]
        if any(name in place.names for place in self.places for name in own):
            raise error_at(
                self.query, table.at, f"two tables are called {own[0]}; give one another name with AS"
            )
        self.places.append(Place(found, alias, frozenset(own)))

    def resolve(self, name: syntax.Column) -> tuple[Place, Column]:
        """The column that is meant. Raises AdqlError where there is none, or several."""
        *qualifier, last = name.parts
        places = self.qualified(tuple(qualifier), name.at) if qualifier else self.places
        found = [(place, column) for place in places if (column := place.column(last))]
        if not found:
            known = [column.name for place in places for column in place.table.columns]
            tables = " or ".join(place.table.name for place in places)
            raise error_at(
                self.query, name.at, f"there is no column {last[:60]} in {tables}{_guess(last, known)}"
            )
        if len(found) > 1:
            raise error_at(self.query, name.at, f"{last} is a column of several tables: write alias.{last}")
        return found[0]

    def qualified(self, qualifier: tuple[str, ...], at: int) -> list[Place]:
        """The tables that a name before the dot means."""
        wanted = ".".join(qualifier).lower()
        places = [place for place in self.places if wanted in place.names]
        if not places:
            raise error_at(self.query, at, f"no table of this query is called {'.'.join(qualifier)[:60]}")
        return places


def _guess(name: str, known: Iterable[str]) -> str:
    lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name[:60].lower(), lower, n=1, cutoff=0.6)
    return f" (did you mean {lower[near[0]]}?)" if near else "; TAP_SCHEMA lists what there is"
