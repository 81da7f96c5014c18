"""Queries of the public, carried out so that they can only read, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from app.archive.finding import Connection
from app.archive.index import Index
from app.vo.adql.statement import Statement

SECONDS: Final = 60  # that PostgreSQL may take for one query; ESO's service allows as many
ROLE: Final = "calsel_reader"  # made by migration 0002, where the database's account may make roles
_BATCH: Final = 1000

_MAY: Final = """
SELECT pg_has_role(
     oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
   ) AND has_column_privilege(oid, 'frame', 'dp_id', 'SELECT')
FROM pg_roles WHERE rolname = %s
"""


@contextmanager
def reading(index: Index) -> Iterator[Connection]:
    """A connection whose transaction is read only, sees one state of the archive, and has little time."""
    with index.connection() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")
        # All rows are wanted, not the first ones soon.
        connection.execute("SET LOCAL cursor_tuple_fraction = 1.0")
        yield connection


def humble(connection: Connection) -> bool:
    """Take the role that may only read, until the transaction ends; False where there is none."""
    row = connection.execute(_MAY, [ROLE]).fetchone()
    if row is None or not row[0]:
        return False
    connection.execute(f"SET LOCAL ROLE {ROLE}")
    return True


def rows(connection: Connection, statement: Statement) -> Iterator[tuple[Any, ...]]:
    """The rows of a statement, a thousand at a time in memory.

    A cursor's declaration holds exactly one query, whatever its text: PostgreSQL refuses anything else.
    """
    with closing(connection.cursor("tap")) as cursor:
        cursor.itersize = _BATCH
        cursor.execute(statement.sql, statement.values)
        yield from cursor
