"""What is made again because it can be made better now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from app.archive import jobs, runs
from app.archive.database import connect, session
from app.archive.finding import Connection
from app.archive.runs import Ending
from app.archive.wanting import WantedRun, want
from app.jobs.sharing import share

WITHOUT = "made without DARK_AVG, whose recipe failed"


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = connect(database_url)
    with session(engine) as found:
        yield found
    engine.dispose()


def wanted(name: str, *needs: str, optional: tuple[str, ...] = (), final: bool = False) -> WantedRun:
    return WantedRun(name, "recipe", "p/1", {"id": name, "inputs": []}, needs, final, optional)


# A flat that can do without its dark, which needs a bias; the science needs the flat.
PLAN = [
    wanted("bias"),
    wanted("dark", "bias"),
    wanted("flat", optional=("dark",)),
    wanted("science", "flat", final=True),
]


def ask(connection: Connection) -> list[str]:
    """A job of the plan; returns the runs that may start."""
    job = jobs.create(connection, {}, owner=None, run_id=None, priority=0, execution_duration=0,
                      lifetime=timedelta(days=1))  # fmt: skip
    jobs.start(connection, job)
    runs.changing(connection)
    jobs.begin(connection, job, [], [], "")
    # Each in its own moment, as now() stands still in a transaction.
    return sorted(token.run for token in want(connection, job, *share(connection, PLAN)))


def do(connection: Connection, run: str, state: str = "done", reason: str = "", heals: bool = False) -> None:
    claim = runs.claim(connection, run, "me")
    assert claim is not None, run
    connection.execute("UPDATE run SET started = clock_timestamp() WHERE id = %s", [run])
    ending = Ending(state, "key", (), None, 1.0, 1.0, reason, heals=heals)
    assert runs.settle(connection, claim, "me", ending) is not None


def make_without_dark(connection: Connection, bias: str, heals: bool) -> None:
    """The plan comes to its end without the dark: the bias or, where that is done, the dark failed."""
    assert ask(connection) == ["bias"]
    do(connection, "bias", bias, heals=heals)
    if bias == "done":
        do(connection, "dark", "failed", heals=heals)
    do(connection, "flat", reason=WITHOUT)
    do(connection, "science")


def test_what_was_made_without_a_calibration_is_made_again_when_that_may_heal(
    connection: Connection,
) -> None:
    make_without_dark(connection, "done", heals=True)
    assert ask(connection) == ["dark"]
    do(connection, "dark")
    do(connection, "flat")
    do(connection, "science")
    assert ask(connection) == [], "all is as good as it can be"


def test_it_is_made_again_when_another_job_has_made_the_calibration_since(connection: Connection) -> None:
    make_without_dark(connection, "done", heals=True)
    connection.execute(
        "UPDATE run SET state = 'done', heals = false, ended = clock_timestamp() WHERE id = 'dark'"
    )
    assert ask(connection) == ["flat"]


def test_it_waits_for_a_calibration_that_is_being_made(connection: Connection) -> None:
    make_without_dark(connection, "done", heals=True)
    connection.execute("UPDATE run SET state = 'running' WHERE id = 'dark'")
    assert ask(connection) == []
    assert connection.execute("SELECT state FROM run WHERE id = 'flat'").fetchone() == ("waiting",)


def test_what_failed_for_good_is_not_hoped_for(connection: Connection) -> None:
    make_without_dark(connection, "done", heals=False)
    assert ask(connection) == []


@pytest.mark.parametrize(("heals", "again"), [(True, ["bias"]), (False, [])])
def test_a_calibration_that_was_blocked_is_hoped_for_as_what_blocked_it(
    connection: Connection, heals: bool, again: list[str]
) -> None:
    make_without_dark(connection, "failed", heals)
    assert ask(connection) == again


def test_what_had_everything_is_not_made_again(connection: Connection) -> None:
    assert ask(connection) == ["bias"]
    for run in ("bias", "dark", "flat", "science"):
        do(connection, run)
    connection.execute("UPDATE run SET ended = clock_timestamp() WHERE id = 'dark'")
    assert ask(connection) == []
