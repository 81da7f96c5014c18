from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic import command

from app.archive.database import alembic_config, connect
from app.archive.index import Index
from app.archive.quality import add_breakpoints, breakpoint_list, breakpoints, judge, remove_breakpoints
from app.archive.storing import store
from app.classify import Frame
from app.errors import RequestError, UnknownFrameError

MakeFrame = Callable[..., Frame]
Dump = Callable[[], dict[str, list[Any]]]
ENTRY = {
    "mjdObs": 55000.5,
    "instrument": "TOY",
    "dpInstrument": "TOY",
    "rawType": "BIAS",
    "proCatg": "ANY",
    "doClass": "ANY",
}


@pytest.fixture
def filled(index: Index, make: MakeFrame) -> Index:
    with index.writing() as (connection, books):
        store(connection, books, [make(f"B{n}", "BIAS", 55000.0 + n / 100) for n in range(3)])
    return index


def say(index: Index, verdict: Any, *dp_ids: str) -> int:
    with index.writing() as (connection, books):
        return judge(connection, books, dp_ids, verdict, "me", "seen")


def test_a_group_is_certified_with_its_last_frame_and_no_longer_with_the_first_rejected(
    filled: Index, dump: Dump
) -> None:
    def certified() -> set[bool]:
        return {row[4] for row in dump()["keys"] if row[7] is not None}

    assert certified() == {False}
    assert say(filled, "certified", "B0", "B1") == 2
    assert certified() == {False}
    say(filled, "certified", "B2")
    assert certified() == {True}
    say(filled, "rejected", "B1")
    assert certified() == {False}


def test_hiding_takes_a_frame_out_of_its_group_and_showing_puts_it_back(filled: Index, dump: Dump) -> None:
    before = dump()
    say(filled, "hidden", "B0")
    assert dump()["groups"][0][6] == ["B1", "B2"]
    say(filled, "hidden", "B1", "B2")
    assert [row[4] for row in dump()["groups"]] == [1]
    say(filled, "shown", "B0", "B1", "B2")
    assert dump() == before


def test_an_unknown_dp_id_changes_nothing(filled: Index, dump: Dump) -> None:
    before = dump()
    with pytest.raises(UnknownFrameError, match="'NONE'"):
        say(filled, "certified", "B0", "NONE")
    assert dump() == before


def test_every_verdict_is_kept_with_who_why_and_when(filled: Index) -> None:
    say(filled, "certified", "B0")
    say(filled, "rejected", "B0")
    with filled.connection() as connection:
        rows = connection.execute(
            "SELECT verdict, who, reason, at IS NOT NULL FROM quality_event ORDER BY id"
        )
        assert rows.fetchall() == [("certified", "me", "seen", True), ("rejected", "me", "seen", True)]


def test_breakpoints_are_added_once_and_listed_by_time(filled: Index) -> None:
    with filled.connection() as connection:
        before = filled.rules(connection).revision
        assert add_breakpoints(connection, [ENTRY, ENTRY, {**ENTRY, "mjdObs": 54000}]) == 2
        assert add_breakpoints(connection, [ENTRY]) == 0
        assert [each.mjd for each in breakpoints(connection)] == [54000.0, 55000.5]
        assert filled.rules(connection).revision == before + 1
        assert len(filled.rules(connection).breakpoints) == 2


def test_a_breakpoint_that_is_taken_back_is_so_until_somebody_adds_it_again(filled: Index) -> None:
    with filled.connection() as connection:
        add_breakpoints(connection, [ENTRY])
        before = filled.rules(connection).revision
        assert remove_breakpoints(connection, [ENTRY]) == 1
        assert breakpoints(connection) == breakpoint_list(connection) == []
        assert filled.rules(connection).revision == before + 1
        assert filled.rules(connection).breakpoints == []
        assert add_breakpoints(connection, [ENTRY], removed_too=False) == 0
        assert add_breakpoints(connection, [ENTRY]) == 1
        assert breakpoint_list(connection) == [ENTRY]
        assert remove_breakpoints(connection, [ENTRY]) == 1


def test_a_list_that_names_one_twice_is_loaded_and_taken_back(filled: Index) -> None:
    with filled.connection() as connection:
        assert add_breakpoints(connection, [ENTRY, ENTRY]) == 1
        assert remove_breakpoints(connection, [ENTRY, ENTRY]) == 1


@pytest.mark.parametrize("change", [add_breakpoints, remove_breakpoints])
def test_who_changes_breakpoints_waits_for_who_writes(
    filled: Index, database_url: str, change: Callable[..., int]
) -> None:
    with filled.connection() as connection:
        if change is remove_breakpoints:
            add_breakpoints(connection, [ENTRY])
        before = filled.rules(connection).revision
    other = Index(connect(database_url, pool_size=1))

    def changed() -> int:
        with other.connection() as connection:
            return change(connection, [ENTRY])

    with ThreadPoolExecutor() as aside:
        with filled.writing() as (connection, books):
            judge(connection, books, ["B0"], "certified", "me", "seen")
            changing = aside.submit(changed)
            with pytest.raises(TimeoutError):
                changing.result(timeout=0.3)
        assert changing.result() == 1
    other.engine.dispose()
    with filled.connection() as connection:
        assert filled.rules(connection).revision == before + 2


def test_an_older_schema_has_the_breakpoints_that_are_in_force(database_url: str) -> None:
    engine = connect(database_url, pool_size=1)
    older = {**ENTRY, "mjdObs": 54000.0}
    config = alembic_config()
    try:
        with Index(engine).connection() as connection:
            add_breakpoints(connection, [ENTRY, older])
            remove_breakpoints(connection, [ENTRY, older])
            add_breakpoints(connection, [older])
        with engine.begin() as schema:
            config.attributes["connection"] = schema
            command.downgrade(config, "0009")
            kept = schema.exec_driver_sql("SELECT mjd_obs FROM breakpoint").fetchall()
            command.upgrade(config, "head")
        assert [row[0] for row in kept] == [54000.0]
        with Index(engine).connection() as connection:
            assert breakpoint_list(connection) == [older]
            assert add_breakpoints(connection, [ENTRY, older]) == 1
    finally:
        engine.dispose()


def test_none_is_taken_back_where_one_is_not_in_force(filled: Index) -> None:
    with filled.connection() as connection:
        add_breakpoints(connection, [ENTRY])
        with pytest.raises(RequestError, match=r"breakpoint 1 is not in force.*'mjdObs': 54000"):
            remove_breakpoints(connection, [ENTRY, {**ENTRY, "mjdObs": 54000}])
        with pytest.raises(RequestError, match="breakpoint 1 must have mjdObs"):
            remove_breakpoints(connection, [ENTRY, {"mjdObs": 1.0}])
        assert breakpoint_list(connection) == [ENTRY]


@pytest.mark.parametrize("bad", [{"mjdObs": 1.0}, {**ENTRY, "mjdObs": "55000"}, {**ENTRY, "rawType": "\0"}])
def test_an_entry_of_another_form_is_refused_and_named(filled: Index, bad: dict[str, Any]) -> None:
    with filled.connection() as connection:
        with pytest.raises(RequestError, match="breakpoint 1 must have mjdObs"):
            add_breakpoints(connection, [ENTRY, bad])
        assert breakpoints(connection) == []
