from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from app.archive.database import check_schema, connect, differences, has_schema, session, upgrade
from app.errors import DatabaseError, SchemaError

MakeDatabase = Callable[..., str]


def test_the_migrations_make_the_tables_that_the_program_describes(engine: Engine) -> None:
    assert differences(engine) == []


def test_a_table_that_a_migration_forgot_is_a_difference(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE frame DROP COLUMN release_date"))
    assert len(differences(engine)) == 1


def test_upgrading_twice_changes_nothing(database_url: str, engine: Engine) -> None:
    upgrade(database_url)
    check_schema(engine)
    assert differences(engine) == []


def test_an_empty_database_is_refused_and_told_the_command(make_database: MakeDatabase) -> None:
    engine = connect(make_database(empty=True))
    try:
        assert not has_schema(engine)
        with pytest.raises(
            SchemaError, match=r"schema none, this program needs \w+: run 'calsel db upgrade'"
        ):
            check_schema(engine)
    finally:
        engine.dispose()


def test_an_old_schema_is_refused_and_mended_by_the_command(database_url: str, engine: Engine) -> None:
    check_schema(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert has_schema(engine)
    with pytest.raises(SchemaError, match="schema 0000, this program needs"):
        check_schema(engine)


@pytest.mark.parametrize("url", ["sqlite:///x.db", "mysql://host/db", "nonsense"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(DatabaseError, match="CALSEL_DATABASE_URL must name a PostgreSQL"):
        connect(url)


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(DatabaseError, match=r"no database answers at .*host=%2Fnowhere") as caught:
        connect("postgresql+psycopg://me:secret@/calsel?host=/nowhere")
    assert "secret" not in str(caught.value)


def test_a_plain_postgresql_url_is_understood(database_url: str) -> None:
    engine = connect(database_url.replace("postgresql+psycopg://", "postgresql://"))
    check_schema(engine)
    engine.dispose()


def test_a_session_commits_on_success_and_leaves_nothing_on_failure(engine: Engine) -> None:
    with session(engine) as connection:
        connection.execute("INSERT INTO revision (number) VALUES (1)")
    with pytest.raises(RuntimeError, match="torn"), session(engine) as connection:
        connection.execute("UPDATE revision SET number = 2")
        raise RuntimeError("torn")
    with session(engine) as connection:
        assert connection.execute("SELECT number FROM revision").fetchone() == (1,)


def test_a_snapshot_does_not_see_what_is_committed_meanwhile(engine: Engine) -> None:
    count = "SELECT count(*) FROM revision"
    with session(engine, snapshot=True) as reader:
        assert reader.execute(count).fetchone() == (0,)
        with session(engine) as writer:
            writer.execute("INSERT INTO revision (number) VALUES (1)")
        assert reader.execute(count).fetchone() == (0,)
    with session(engine) as reader:
        assert reader.execute("SHOW transaction_isolation").fetchone() == ("read committed",)
        assert reader.execute(count).fetchone() == (1,)
