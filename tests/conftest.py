"""Real PostgreSQL for the tests: one server per checkout, one migrated template, one database per test.

`CALSEL_TEST_DATABASE_URL` takes a server of your own instead; its role must be allowed to create databases.
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import httpx
import psycopg
import pytest
import uvicorn
from hypothesis import HealthCheck, settings
from psycopg import sql
from sqlalchemy import make_url

from app import embedded
from app.config import Settings

ROOT = Path(__file__).parents[1]
# Seconds until a client gives a busy machine up; no test is about how fast an answer comes.
PATIENCE = 60.0

# The same examples on every run and machine, and none of them a timed test. New ones are thrown with
# pytest --hypothesis-profile search
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", UNTIMED)
settings.register_profile("repeatable", UNTIMED, derandomize=True)
settings.load_profile("repeatable")


class MakeDatabase(Protocol):
    """Creates a database that lives as long as the test; migrated unless `empty`; returns its URL."""

    def __call__(self, *, empty: bool = False) -> str: ...


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a maintenance database; processes of one run, and runs in a row, share the server."""
    own = os.environ.get("CALSEL_TEST_DATABASE_URL")
    if own:
        yield make_url(own).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        return
    home = Path(tempfile.gettempdir()) / f"calsel-test-{os.getuid()}-{_digest(str(ROOT).encode())}"
    with embedded.lease(home, "maintenance", durable=False, linger=30) as lease:
        assert home.stat().st_uid == os.getuid(), f"{home} belongs to somebody else"
        yield lease.url


@pytest.fixture(scope="session")
def template(postgres: str) -> str:
    """Name of a database with the newest schema; made by whichever process comes first, then only copied."""
    from app.archive.database import upgrade

    sources = [ROOT / "app/archive/database.py", *sorted((ROOT / "migrations").rglob("*.py"))]
    name = f"calsel_template_{_digest(b''.join(path.read_bytes() for path in sources))}"
    with _admin(postgres) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            # Renamed when complete: a run that dies half-way must not leave a half-migrated template.
            _drop(connection, f"{name}_new")
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"{name}_new")))
            upgrade(_url(postgres, f"{name}_new"))
            _empty(connection, f"{name}_new")
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(f"{name}_new"), sql.Identifier(name)
                )
            )
    return name


@pytest.fixture
def make_database(postgres: str, request: pytest.FixtureRequest) -> Iterator[MakeDatabase]:
    """A function that creates databases for this test, 20 ms each; they are dropped at its end."""
    with _maker(postgres, request) as make:
        yield make


@pytest.fixture(scope="module")
def make_shared_database(postgres: str, request: pytest.FixtureRequest) -> Iterator[MakeDatabase]:
    """The same for databases that the tests of one module share and only read."""
    with _maker(postgres, request) as make:
        yield make


@pytest.fixture(scope="session")
def make_lasting_database(postgres: str, request: pytest.FixtureRequest) -> Iterator[MakeDatabase]:
    """The same for databases that many modules share and only read."""
    with _maker(postgres, request) as make:
        yield make


@contextmanager
def _maker(postgres: str, request: pytest.FixtureRequest) -> Iterator[MakeDatabase]:
    made: list[str] = []

    def make(*, empty: bool = False) -> str:
        source = "template0" if empty else request.getfixturevalue("template")
        name = f"test_{uuid.uuid4().hex}"
        with _admin(postgres) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
            )
        made.append(name)
        return _url(postgres, name)

    yield make
    with _admin(postgres) as connection:
        for name in made:
            _drop(connection, name)


@pytest.fixture(scope="session")
def serve() -> Callable[[Settings], AbstractContextManager[httpx.Client]]:
    """Runs the service in a thread of this process, on a free port of the loopback; gives a client of it."""
    return _serve


@pytest.fixture(scope="session")
def serve_here() -> Callable[[Settings], AbstractContextManager[httpx.Client]]:
    """The same with its own address as `public_url`, so that its links lead to it."""
    return partial(_serve, own_links=True)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A port of the loopback for a process that the tests of a module start.

    It stays bound here, which keeps it from all who take any free one, and lets listen who names it.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def _serve(settings: Settings, own_links: bool = False) -> Iterator[httpx.Client]:
    from app.main import create_app
    from app.web.protocol import Protocol as HttpProtocol

    with socket.create_server(("127.0.0.1", 0)) as listener:
        if own_links:
            here = f"http://127.0.0.1:{listener.getsockname()[1]}"
            settings = settings.model_copy(update={"public_url": here})
        # It keeps idle connections for longer than clients do: none is closed as a request is sent on it.
        config = uvicorn.Config(
            create_app(settings), http=HttpProtocol, log_level="critical", timeout_keep_alive=int(PATIENCE)
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        try:
            base = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=base, timeout=PATIENCE) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def database_url(make_database: MakeDatabase) -> str:
    """SQLAlchemy URL of a fresh, migrated database for this test alone."""
    return make_database()


def _admin(url: str) -> psycopg.Connection[tuple[object, ...]]:
    libpq = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(libpq, autocommit=True)


def _url(server: str, database: str) -> str:
    return make_url(server).set(database=database).render_as_string(hide_password=False)


def _empty(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """Wait until nobody is in a database: PostgreSQL itself waits five seconds, then it refuses."""
    connection.execute(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
        "WHERE datname = %s AND backend_type = 'client backend'",
        [name],
    )


def _drop(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    _empty(connection, name)
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
