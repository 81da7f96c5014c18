"""Open the index that the settings name: a PostgreSQL server, or the embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.archive.database import check_schema, connect, has_schema, upgrade
from app.archive.index import Index
from app.config import Settings
from app.embedded import lease


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
