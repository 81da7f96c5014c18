"""A served table as a source of rows: frames of the index, or the service's own description."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson
from psycopg import sql

from app.vo.schema.column import Column

# Makes a value of the statement and gives its placeholder, with the type's cast.
Bind: TypeAlias = Callable[[Any, str], sql.Composable]

# A name that no query can ask for: the row's number, by which few rows are picked before their whole
# headers are read.
KEY: Final = sql.Identifier("frame id")


@dataclass(frozen=True, slots=True)
class FrameTable:
    """Frames that meet `where`, SQL of ours over the rows `f` (and those of `joined`).

    `instrument` limits them to one, by the archive's name. `position` are the columns that s_region is of.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    where: str
    joined: str = ""
    instrument: str | None = None
    position: tuple[str, str] = ("ra", "dec")

    def source(
        self, columns: Sequence[Column], bind: Bind, keys: sql.Composable | None = None
    ) -> sql.Composable:
        """The SELECT that computes these columns; of the frames numbered by the query `keys` only."""
        values = [sql.SQL("{} AS {}").format(c.sql(), sql.Identifier(c.name)) for c in columns]
        parts: list[sql.Composable] = [
            sql.SQL("SELECT f.id AS {}").format(KEY),
            *(sql.SQL(", {}").format(value) for value in values),
            sql.SQL(f" FROM frame f{self.joined}"),
        ]
        cold = sorted({key for column in columns for key in column.cold})
        if cold:
            record = sql.SQL(", ").join(sql.SQL("{} json").format(sql.Identifier(key)) for key in cold)
            parts.append(
                sql.SQL(
                    " LEFT JOIN frame_header h ON h.frame_id = f.id"
                    " LEFT JOIN LATERAL json_to_record(h.header) AS c({}) ON true"
                ).format(record)
            )
        parts.append(sql.SQL(f" WHERE {self.where}"))
        if self.instrument is not None:
            column = next(c for c in self.columns if c.name == "instrument")
            parts.append(sql.SQL(" AND {} = {}").format(column.sql(), bind(self.instrument, "text")))
        if keys is not None:
            parts.append(sql.SQL(" AND f.id = ANY(ARRAY({}))").format(keys))
        return sql.Composed(parts)


@dataclass(frozen=True, slots=True)
class RowsTable:
    """A few rows that are known beforehand: the tables of TAP_SCHEMA."""

    name: str
    description: str
    columns: tuple[Column, ...]
    rows: tuple[dict[str, Any], ...] = field(repr=False)

    def source(
        self, columns: Sequence[Column], bind: Bind, keys: sql.Composable | None = None
    ) -> sql.Composable:
        """The SELECT of these rows, which travel as one JSON value."""
        assert keys is None, "only frames have numbers"
        kinds = {"text": sql.SQL('text COLLATE "C"'), "number": sql.SQL("float8")}
        # A record has at least one column, even where only rows are counted.
        used = columns or self.columns[:1]
        record = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(c.name), kinds[c.kind]) for c in used
        )
        rows = bind(orjson.dumps(self.rows).decode(), "json")
        return sql.SQL("SELECT * FROM json_to_recordset({}) AS r({})").format(rows, record)


Table: TypeAlias = FrameTable | RowsTable
