"""TAP_SCHEMA: the tables that describe the tables (TAP 1.1, §4)."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

from app.vo.schema.column import Column, Datatype
from app.vo.schema.obscore import OBSCORE
from app.vo.schema.table import RowsTable, Table

SCHEMAS: Final = MappingProxyType(
    {
        "dbo": "Raw frames",
        "ist": "Raw frames of one instrument",
        "ivoa": "Tables of the IVOA's data models",
        "TAP_SCHEMA": "Descriptions of all tables",
    }
)


def _columns(names: str, **datatypes: Datatype) -> tuple[Column, ...]:
    return tuple(Column(n, datatypes.get(n, "char"), "", "", "", _MEANING[n]) for n in names.split())


_MEANING: Final = {
    "schema_name": "Name of the schema",
    "table_name": "Name of the table, with its schema",
    "table_type": "table or view",
    "table_index": "Place in lists",
    "schema_index": "Place in lists",
    "column_name": "Name of the column",
    "column_index": "Place in lists",
    "datatype": "Type of the values, as VOTable names it",
    "arraysize": "Number of characters, * for any",
    "xtype": "What the text holds (DALI)",
    "size": "Number of characters; arraysize has taken its place",
    "description": "What it is",
    "utype": "Place in a data model",
    "unit": "Unit (VOUnits)",
    "ucd": "Quantity (UCD1+)",
    "indexed": "1: there is an index",
    "principal": "1: one of the most important",
    "std": "1: defined by a standard",
    "key_id": "Number of the key",
    "from_table": "Table that refers",
    "target_table": "Table that is referred to",
    "from_column": "Column that refers",
    "target_column": "Column that is referred to",
    "cat_id": "Number of the catalogue; none is served here",
    "title": "Title of the catalogue; none is served here",
    "version": "Version of the catalogue; none is served here",
}
_INDEXED: Final = frozenset({"dp_id", "instrument", "exp_start", "mjd_obs", "prog_id", "dec", "dec_pnt"})
_PRINCIPAL: Final = frozenset(
    "dp_id instrument object target ra dec exp_start prog_id dp_cat dp_type dp_tech access_url "
    "datalink_url".split()
)
# TAP 1.1 §4.4: the relations of TAP_SCHEMA's own tables: from, to, by which column of each.
_KEYS: Final = (
    ("tables", "schemas", "schema_name", "schema_name"),
    ("columns", "tables", "table_name", "table_name"),
    ("keys", "tables", "from_table", "table_name"),
    ("keys", "tables", "target_table", "table_name"),
    ("key_columns", "keys", "key_id", "key_id"),
)
_STANDARD: Final = frozenset(column.name for column in OBSCORE if column.utype)
_OWN: Final = frozenset({"cat_id", "title", "version"})
_SHAPES: Final = {
    "schemas": _columns("schema_name utype description schema_index", schema_index="int"),
    # cat_id, title and version are ESO's: its clients sort catalogues by them.
    "tables": _columns(
        "schema_name table_name table_type utype description table_index cat_id title version",
        table_index="int",
        cat_id="int",
        version="int",
    ),
    "columns": _columns(
        "table_name column_name datatype arraysize xtype size description utype unit ucd indexed principal"
        " std column_index",
        size="int",
        indexed="int",
        principal="int",
        std="int",
        column_index="int",
    ),
    "keys": _columns("key_id from_table target_table description utype"),
    "key_columns": _columns("key_id from_column target_column"),
}


def describe(tables: Sequence[Table]) -> list[Table]:
    """The tables of TAP_SCHEMA, which describe these and themselves."""
    empty = [
        RowsTable(f"TAP_SCHEMA.{name}", f"TAP_SCHEMA: {name}", shape, ()) for name, shape in _SHAPES.items()
    ]
    every = [*tables, *empty]
    schemas = dict.fromkeys(table.name.partition(".")[0] for table in every)
    rows: dict[str, list[dict[str, Any]]] = {
        "schemas": [
            {"schema_name": name, "description": SCHEMAS[name], "schema_index": n}
            for n, name in enumerate(schemas)
        ],
        "tables": [_table(n, table) for n, table in enumerate(every)],
        "columns": [_column(table, n, c) for table in every for n, c in enumerate(table.columns)],
        "keys": [
            {"key_id": f"{n}", "from_table": f"TAP_SCHEMA.{source}", "target_table": f"TAP_SCHEMA.{target}"}
            for n, (source, target, _, _) in enumerate(_KEYS)
        ],
        "key_columns": [
            {"key_id": f"{n}", "from_column": source, "target_column": target}
            for n, (_, _, source, target) in enumerate(_KEYS)
        ],
    }
    return [
        RowsTable(table.name, table.description, table.columns, tuple(rows[table.name.partition(".")[2]]))
        for table in empty
    ]


def keys(table: Table) -> list[tuple[str, str, str]]:
    """What this table refers to: the table, the column of ours, the column there."""
    return [
        (f"TAP_SCHEMA.{target}", column, there)
        for source, target, column, there in _KEYS
        if f"TAP_SCHEMA.{source}" == table.name
    ]


def is_indexed(table: Table, column: Column) -> bool:
    """Whether a search by this column is fast."""
    return not isinstance(table, RowsTable) and column.name in _INDEXED


def is_standard(table: Table, column: Column) -> bool:
    """Whether a standard of the IVOA defines this column."""
    if isinstance(table, RowsTable):
        return column.name not in _OWN
    return table.name == "ivoa.ObsCore" and column.name in _STANDARD


def _table(place: int, table: Table) -> dict[str, Any]:
    return {
        "schema_name": table.name.partition(".")[0],
        "table_name": table.name,
        "table_type": "table",
        "description": table.description,
        "utype": "ivo://ivoa.net/std/ObsCore#core-1.1" if table.name == "ivoa.ObsCore" else None,
        "table_index": place,
    }


def _column(table: Table, place: int, column: Column) -> dict[str, Any]:
    return {
        "table_name": table.name,
        "column_name": column.written,
        "datatype": column.datatype,
        "arraysize": "*" if column.kind == "text" else None,
        "xtype": column.xtype or None,
        "description": column.description,
        "utype": column.utype or None,
        "unit": column.unit or None,
        "ucd": column.ucd or None,
        "indexed": int(is_indexed(table, column)),
        "principal": int(column.name in _PRINCIPAL),
        "std": int(is_standard(table, column)),
        "column_index": place,
    }
