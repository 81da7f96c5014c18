"""Open the index that the settings name: a PostgreSQL server, or the embedded one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from app.archive.database import check_schema, connect, has_schema, upgrade
from app.archive.index import Index
from app.config import Settings
from app.embedded import lease
from app.errors import DatabaseError


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The URL of the database, which stays up for as long as the context is open."""
    if settings.database_url is not None:
        yield settings.database_url
    else:
        with lease(settings.home) as embedded:
            yield embedded.url


@contextmanager
def open_index(settings: Settings, *, pool_size: int = 10) -> Iterator[Index]:
    """The index, its schema checked. An embedded database that is new gets its tables first.

    Raises SchemaError for a schema of another version, DatabaseError when no database answers.
    """
    with database(settings) as url:
        engine = connect(url, pool_size=pool_size)
        try:
            if settings.database_url is None and not has_schema(engine):
                upgrade(url)
            check_schema(engine)
            yield Index(engine)
        finally:
            engine.dispose()


@contextmanager
def open_scratch(settings: Settings) -> Iterator[Index]:
    """An empty index of its own on the same server, gone afterwards: what is tried there touches nothing.

    Raises DatabaseError where the role may not create databases.
    """
    with database(settings) as url:
        name = f"calsel_scratch_{uuid.uuid4().hex}"
        server = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(server, autocommit=True) as admin:
            try:
                admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            except psycopg.errors.InsufficientPrivilege as error:
                raise DatabaseError(
                    f"rules are tried in a database of their own: {str(error).strip()}; grant the role "
                    "CREATEDB, or unset CALSEL_DATABASE_URL to use the embedded server"
                ) from None
            try:
                own = make_url(url).set(database=name).render_as_string(hide_password=False)
                upgrade(own)
                engine = connect(own, pool_size=1)
                try:
                    yield Index(engine)
                finally:
                    engine.dispose()
            finally:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
