"""That queries can only read, only for so long, and find their rows by the indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import make_url

from app.archive.database import connect, upgrade
from app.archive.index import Index
from app.errors import RequestError
from app.formats.links import links_of
from app.vo import reading as reading_room
from app.vo.adql.statement import translate
from app.vo.asking import Asker, question
from app.vo.dali import SlowError
from app.vo.reading import humble, reading
from app.vo.schema.catalogue import catalogue

CROWD = "SELECT COUNT(*) FROM dbo.raw AS a " + " ".join(
    f"JOIN dbo.raw AS b{n} ON b{n}.ra < 1000" for n in range(6)
)


def test_a_query_runs_as_a_role_that_may_only_read_what_is_public(index: Index) -> None:
    with reading(index) as connection:
        assert humble(connection)
        assert connection.execute("SELECT current_user").fetchone() == ("calsel_reader",)
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("on",)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("1min",)
    with index.connection() as connection:
        assert connection.execute("SELECT current_user <> 'calsel_reader'").fetchone() == (True,)
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("off",)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)


@pytest.mark.parametrize(
    "secret", ["SELECT path FROM frame", "SELECT * FROM book", "SELECT * FROM quality_event"]
)
def test_the_role_may_not_read_the_rest(index: Index, secret: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), reading(index) as connection:
        assert humble(connection)
        connection.execute(secret)


@pytest.mark.parametrize(
    "write", ["DELETE FROM frame", "CREATE TABLE x (a int)", "UPDATE frame SET size = 1"]
)
def test_nobody_can_write_even_without_the_role(index: Index, write: str) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), reading(index) as connection:
        connection.execute(write)


def test_without_the_role_queries_are_answered_all_the_same(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_room, "ROLE", "calsel_nobody")
    with reading(index) as connection:
        assert not humble(connection)
    answer = Asker(links_of("http://x")).answer(index, question({"query": "SELECT COUNT(*) FROM dbo.raw"}))
    with answer.file:
        assert b"<TD>32</TD>" in answer.file.read()


def test_a_query_that_takes_too_long_is_ended_and_told_how_to_mend_it(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_room, "SECONDS", 0.2)
    asker = Asker(links_of("http://x"))
    with pytest.raises(SlowError, match=r"takes more than .* s; ask for less: by dp_id, prog_id"):
        asker.answer(index, question({"query": CROWD}))
    with pytest.raises(RequestError):
        question({"query": ""})


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("dp_id = 'UVES.2012'", "frame_dp_id_order"),
        ("dp_id IN ('UVES.2012', 'UVES.2013')", "frame_dp_id_order"),
        ("dp_id LIKE 'UVES.2012-03-12T0%'", "frame_dp_id_order"),
        ("instrument IN ('NACO', 'KMOS')", "frame_instrument"),
        ("instrument = 'NACO' AND mjd_obs BETWEEN 55998 AND 55999", "frame_instrument"),
        ("mjd_obs BETWEEN 55998 AND 55999", "frame_mjd"),
        ("exp_start BETWEEN '2012-03-12' AND '2012-03-13'", "frame_exp_start"),
        ("prog_id = '088.D-0512(A)'", "frame_prog_id"),
        ("INTERSECTS(s_region, CIRCLE('ICRS', 266.4, -29.0, 0.1)) = 1", "frame_dec"),
    ],
)
def test_what_is_asked_for_most_is_found_by_an_index(index: Index, where: str, name: str) -> None:
    with reading(index) as connection:
        tables = catalogue(connection, index.rules(connection).books.values())
        connection.execute("SET LOCAL enable_seqscan = off")  # so few rows are read faster than an index
        for table in ("dbo.raw", "ist.naco") if "instrument" not in where else ("dbo.raw",):
            statement = translate(f"SELECT dp_id FROM {table} WHERE {where}", tables)
            plan = connection.execute(
                SQL("EXPLAIN {}").format(statement.sql), statement.values, prepare=False
            ).fetchall()
            told = "\n".join(line for (line,) in plan)
            assert "Index Cond" in told and ("frame_" in told)
            if table == "dbo.raw":
                assert name in told, told


def test_whole_headers_are_read_of_the_rows_that_are_told_only(index: Index) -> None:
    with reading(index) as connection:
        tables = catalogue(connection, index.rules(connection).books.values())
        statement = translate("SELECT TOP 3 * FROM dbo.raw ORDER BY exp_start DESC", tables)
        values = {**statement.values, "files": "", "links": ""}
        plan = connection.execute(
            SQL("EXPLAIN (ANALYZE, FORMAT JSON) {}").format(statement.sql), values, prepare=False
        ).fetchone()
    assert plan is not None
    nodes = [plan[0][0]["Plan"]]
    read = 0
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if node.get("Relation Name") == "frame_header":
            read += node["Actual Loops"] * node["Actual Rows"]
    assert read == 3


def test_values_of_a_statement_are_its_texts_and_numbers(index: Index) -> None:
    with reading(index) as connection:
        tables = catalogue(connection, index.rules(connection).books.values())
    query = "SELECT TOP 5 dp_id FROM dbo.raw WHERE target LIKE 'a\\b%' AND ra > 12 AND dp_cat IN ('x', 'y')"
    statement = translate(query, tables, 11)
    assert list(statement.values.values()) == ["a\\\\b%", 12.0, ["x", "y"], 5]
    assert replace(statement, values={}).sql.as_string().count("%(v") == 4


def test_an_account_that_may_not_make_roles_does_without(
    make_database: Callable[..., str], postgres: str
) -> None:
    url = make_database(empty=True)
    name = make_url(url).database
    assert name is not None
    with engine_of(url) as index, index.connection() as admin:
        # Whoever enters this database is this account, which owns nothing else.
        admin.execute(SQL("CREATE ROLE {} NOSUPERUSER NOCREATEROLE").format(Identifier(name)))
        admin.execute(SQL("GRANT ALL ON SCHEMA public TO {}").format(Identifier(name)))
        admin.execute(SQL("ALTER DATABASE {0} SET role = {0}").format(Identifier(name)))
    try:
        upgrade(url)
        with engine_of(url) as index:
            with reading(index) as connection:
                assert connection.execute("SELECT current_user").fetchone() == (name,)
                assert not humble(connection)
            answer = Asker(links_of("http://x")).answer(index, question({"query": "SELECT * FROM dbo.raw"}))
            with answer.file:
                assert b"</TABLEDATA>" in answer.file.read()
    finally:
        with engine_of(postgres) as index, index.connection() as admin:
            admin.commit()
            admin.autocommit = True
            # Without it, PostgreSQL waits five seconds for those who have just left, then it refuses.
            gone = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s"
            admin.execute(gone, [name])
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
            admin.execute(SQL("DROP ROLE {}").format(Identifier(name)))
            admin.autocommit = False


@contextmanager
def engine_of(url: str) -> Iterator[Index]:
    engine = connect(url)
    try:
        yield Index(engine)
    finally:
        engine.dispose()
