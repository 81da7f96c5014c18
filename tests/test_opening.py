from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from app import embedded
from app.archive.database import check_schema
from app.archive.quality import add_breakpoints, breakpoints
from app.config import Settings
from app.errors import DatabaseError, SchemaError
from app.opening import database, open_index, open_scratch

BREAKPOINT = {
    "mjdObs": 56000.5,
    "instrument": "UVES",
    "dpInstrument": "UVES",
    "rawType": "ANY",
    "proCatg": "ANY",
    "doClass": "ANY",
}


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that the embedded server's account can enter; pytest's own folders are closed to it for root."""
    place = Path(tempfile.mkdtemp(prefix="calsel-opening-"))
    place.chmod(0o755)
    yield place
    embedded.stop(place)
    shutil.rmtree(place)


def test_a_named_server_is_used_and_no_embedded_one_started(database_url: str, tmp_path: Path) -> None:
    settings = Settings(database_url=database_url, home=tmp_path)
    with database(settings) as url:
        assert url == database_url
    with open_index(settings) as index:
        assert index.unknown(["X"]) == ["X"]
    assert list(tmp_path.iterdir()) == []


def test_a_named_server_without_tables_is_left_without_them(
    make_database: Callable[..., str], tmp_path: Path
) -> None:
    settings = Settings(database_url=make_database(empty=True), home=tmp_path)
    for _ in range(2):
        with pytest.raises(SchemaError, match=r"schema none.*calsel db upgrade"), open_index(settings):
            pytest.fail("it opened")


def test_an_unreachable_server_is_named_without_its_password(tmp_path: Path) -> None:
    settings = Settings(database_url="postgresql://me:secret@localhost:1/none", home=tmp_path)
    with pytest.raises(DatabaseError, match="CALSEL_DATABASE_URL") as told, open_index(settings):
        pytest.fail("it opened")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("url", ["postgresql://host:port/name", "postgresql://me:se:cret@host:5x/name"])
def test_a_url_that_cannot_be_read_is_told_without_a_part_of_it(url: str, tmp_path: Path) -> None:
    with (
        pytest.raises(DatabaseError, match="the port is a number") as told,
        open_index(Settings(database_url=url, home=tmp_path)),
    ):
        pytest.fail("it opened")
    assert "cret" not in str(told.value)


def test_a_new_embedded_database_gets_its_tables_and_an_old_one_keeps_its_frames(home: Path) -> None:
    settings = Settings(database_url=None, home=home)
    with open_index(settings) as index:
        check_schema(index.engine)
        with index.connection() as connection:
            add_breakpoints(connection, [BREAKPOINT])
    with open_index(settings) as index, index.connection() as connection:
        assert [each.mjd for each in breakpoints(connection)] == [BREAKPOINT["mjdObs"]]


def test_an_embedded_database_of_another_version_is_refused_and_not_upgraded(home: Path) -> None:
    settings = Settings(database_url=None, home=home)
    with open_index(settings) as index, index.connection() as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'old'")
    with pytest.raises(SchemaError, match="schema old"), open_index(settings):
        pytest.fail("it opened")


def scratches(url: str) -> list[str]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'calsel_scratch_%'")
        return [name for (name,) in rows]


def test_a_scratch_index_is_empty_apart_and_gone_afterwards_even_after_a_fault(
    database_url: str, tmp_path: Path
) -> None:
    settings = Settings(database_url=database_url, home=tmp_path)
    with pytest.raises(ZeroDivisionError), open_scratch(settings) as index, index.connection() as connection:
        (name,) = connection.execute("SELECT current_database()").fetchone()
        assert name in scratches(database_url)
        add_breakpoints(connection, [BREAKPOINT])
        raise ZeroDivisionError
    assert name not in scratches(database_url)
    with open_index(settings) as index, index.connection() as connection:
        assert breakpoints(connection) == []


def test_a_role_that_may_not_create_databases_is_told_so(database_url: str, tmp_path: Path) -> None:
    role = f"calsel_test_{uuid.uuid4().hex}"
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        try:
            url = make_url(database_url).set(username=role).render_as_string(hide_password=False)
            with (
                pytest.raises(DatabaseError, match="grant the role CREATEDB"),
                open_scratch(Settings(database_url=url, home=tmp_path)),
            ):
                pass
        finally:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
