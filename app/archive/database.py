"""The database itself: engine, connections, schema version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import psycopg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.types.json import set_json_dumps, set_json_loads
from sqlalchemy import Engine, MetaData, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlmodel import SQLModel

from app.archive import booktables, jobtables, qctables, tables
from app.errors import DatabaseError, SchemaError

# The cascade's queries are prepared and look up by key, so one plan serves all values; planning them anew
# each time costs more than running them (6 of 12 ms of a cascade of ten associations).
_OPTIONS = "-c plan_cache_mode=force_generic_plan"

# Migration 0002's, by which TAP searches; a test of TAP proves that its queries use them.
_EXPRESSIONS = ("frame_dp_id_order", "frame_instrument", "frame_exp_start", "frame_prog_id", "frame_dec")

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def connect(url: str, *, pool_size: int = 10) -> Engine:
    """An engine for this database. Raises DatabaseError when it does not answer.

    `url` starts with `postgresql+psycopg://`; a plain `postgresql://` is read as that.
    """
    if url.startswith("postgresql://"):
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    if not url.startswith("postgresql+psycopg://"):
        raise DatabaseError(
            f"CALSEL_DATABASE_URL must name a PostgreSQL (postgresql+psycopg://…), not {url[:20]!r}…"
        )
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # neither text is shown: it may hold a part of the password
        raise DatabaseError(
            "CALSEL_DATABASE_URL cannot be read as postgresql+psycopg://user:password@host:port/name; "
            "the port is a number, and '@', ':' and '/' in a password are written %40, %3A and %2F"
        ) from error
    engine = create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=20,
        pool_pre_ping=True,
        connect_args={"options": _OPTIONS, "connect_timeout": 10},
    )
    event.listen(engine, "connect", _fast_json)
    try:
        with engine.connect():
            pass
    except OperationalError as error:
        raise DatabaseError(
            f"no database answers at {engine.url.render_as_string(hide_password=True)}: "
            f"{str(error.orig).strip()}; check CALSEL_DATABASE_URL, or unset it to use the embedded one"
        ) from error
    return engine


def _fast_json(connection: psycopg.Connection[Any], _record: object) -> None:
    set_json_loads(orjson.loads, connection)
    set_json_dumps(orjson.dumps, connection)


@contextmanager
def session(engine: Engine, *, snapshot: bool = False) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the pool, below SQLAlchemy: for COPY and the hot path; commits on success.

    With `snapshot` every query sees the database as it was at the first one.
    """
    pooled = engine.raw_connection()
    connection = pooled.driver_connection
    assert isinstance(connection, psycopg.Connection)
    try:
        if snapshot:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield connection
        connection.commit()
    except BaseException:
        pooled.rollback()
        raise
    finally:
        if snapshot and not connection.closed:
            connection.isolation_level = None
        pooled.close()


def upgrade(url: str) -> None:
    """Bring the schema of a database to this program's version (`calsel db upgrade`)."""
    engine = connect(url)
    try:
        with engine.begin() as connection:
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def check_schema(engine: Engine) -> None:
    """Refuse a database of another version. Raises SchemaError saying which command mends it."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current != head:
        raise SchemaError(
            f"the database has schema {current or 'none'}, this program needs {head}: run 'calsel db upgrade'"
        )


def has_schema(engine: Engine) -> bool:
    """Somebody has made tables of ours here, of whatever version."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() is not None


def differences(engine: Engine) -> list[object]:
    """What separates the tables of this program from the database's, as Alembic sees it; empty when equal."""
    with engine.connect() as connection:
        options = {"compare_type": True, "include_object": _comparable}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata()))


def _comparable(_item: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    """All but the job engine's tables, and the indexes over expressions.

    Of those Alembic compares the texts, and PostgreSQL words them anew.
    """
    if kind == "table":
        return not (name or "").startswith("procrastinate_")
    return kind != "index" or name not in _EXPRESSIONS


def metadata() -> MetaData:
    """The tables of this program."""
    own = (
        tables.FrameRow,
        jobtables.JobRow,
        qctables.QcRow,
        booktables.BookDiff,
    )  # importing them makes them known
    assert all(table.metadata is SQLModel.metadata for table in own)
    return SQLModel.metadata


def alembic_config() -> Config:
    """Alembic, pointed at the migrations; it works on `attributes["connection"]`."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
