from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from random import Random
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.archive import jobruns, jobs, reaping, runs
from app.archive.calls import call
from app.archive.database import connect
from app.archive.index import Index
from app.archive.jobruns import RunState
from app.archive.reaping import Presence
from app.archive.runs import Claim, Token
from app.archive.wanting import WantedRun, want
from app.worker.budget import Budget
from app.worker.hands import Hands
from processing.bench import Bench, TaskResult
from processing.esorex import Esorex
from processing.process import Limits
from processing.store import open_store

# Seconds: what every recipe takes longer than, what recipes are said to take here, and what none takes.
NO_TIME, SOME_TIME, HOUR = 0.0, 1.0, 3600.0
# One that is known to take 540 MB, and one of which 25 MB are known (processing.resources).
LARGE, LITTLE = "uves_cal_mbias", "naco_img_dark"


class Simulated(Hands):
    """Hands whose recipes take `memory` MB and SOME_TIME, as far as limits allow, without a process."""

    memory: float
    tried: list[Limits]

    def _make(self, claim: Claim, stop: Event) -> TaskResult:
        own = self.bench.limits
        self.tried.append(own)
        short = own.memory_mb < self.memory or own.seconds < SOME_TIME
        return TaskResult(
            claim.task["id"],
            claim.task["recipe"],
            "failed" if short else "done",
            key="key",
            peak_mb=min(self.memory, own.memory_mb + 1),
            reason="it was killed at a limit" if short else "",
            killed=short,
        )


class Place:
    """A database with workers of one pipeline, whose recipes all take the same."""

    def __init__(self, index: Index, folder: Path, ends: ExitStack) -> None:
        self.index, self.folder, self.ends = index, folder, ends
        self.tried: list[Limits] = []

    def worker(self, name: str, limits: Limits, memory: float) -> Hands:
        """A worker that lives."""
        store = self.ends.enter_context(open_store(self.folder / name))
        bench = Bench(store, Esorex(Path("esorex"), "3.13", ()), limits, Event())
        hands = Simulated(self.index, bench, name, Budget(limits.memory_mb))
        hands.memory, hands.tried = memory, self.tried
        me = Presence(name, "here", 1, ("p/1",), 1, int(limits.memory_mb), limits.seconds)
        with self.index.connection() as connection:
            reaping.announce(connection, me)
        return hands

    def job(self, recipe: str) -> str:
        """A job that wants one run."""
        hour = timedelta(hours=1)
        run = WantedRun("run", recipe, "p/1", {"id": "it", "recipe": recipe, "inputs": []}, (), True)
        with self.index.connection() as connection:
            job = jobs.create(
                connection, {}, owner=None, run_id=None, priority=0, execution_duration=0, lifetime=hour
            )
            jobs.start(connection, job)
            runs.changing(connection)
            jobs.begin(connection, job, [], [], "")
            want(connection, job, [run], ["run"])
        return job

    def run(self, job: str) -> RunState:
        """The run as the job sees it."""
        with self.index.connection() as connection:
            (found,) = jobruns.runs_of(connection, job)
        return found

    def called(self) -> list[str]:
        """The runs that somebody is called for."""
        with self.index.connection() as connection:
            rows = connection.execute("SELECT args ->> 'name' FROM procrastinate_jobs WHERE status = 'todo'")
            return [name for (name,) in rows]

    def clear(self) -> None:
        """As it was at first."""
        self.tried.clear()
        with self.index.connection() as connection:
            connection.execute("TRUNCATE job, run, worker, procrastinate_jobs CASCADE")


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as ends:
        engine = connect(database_url)
        ends.callback(engine.dispose)
        yield Place(Index(engine), tmp_path, ends)


SMALL, BIG = Limits(HOUR, 300), Limits(HOUR, 8000)
HASTY = Limits(NO_TIME, 300)


def test_a_run_is_left_to_a_worker_that_has_the_memory_its_recipe_is_known_to_take(place: Place) -> None:
    small, big = place.worker("small", SMALL, 540), place.worker("big", BIG, 540)
    job = place.job(LARGE)
    small.carry_out("run")
    assert (place.run(job).state, place.called()) == ("ready", ["run"])
    big.carry_out("run")
    assert (place.run(job).state, place.tried) == ("done", [BIG])


def test_a_worker_takes_what_no_other_has_more_memory_for(place: Place) -> None:
    small = place.worker("small", SMALL, 250)
    place.worker("twin", SMALL, 250)
    job = place.job(LARGE)
    small.carry_out("run")
    assert place.run(job).state == "done"


def test_a_run_that_is_left_while_a_heart_calls_for_it_is_called_for_once(place: Place) -> None:
    small, _ = place.worker("small", SMALL, 540), place.worker("big", BIG, 540)
    place.job(LARGE)
    waits = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with ThreadPoolExecutor() as aside, place.index.connection() as heart:
        runs.changing(heart)
        call(heart, [Token("run", "p/1", 0)])
        leaving = aside.submit(small.carry_out, "run")
        while heart.execute(waits).fetchone() == (0,):
            assert not leaving.done()
            time.sleep(0.02)
            heart.execute("SELECT pg_stat_clear_snapshot()")
        heart.commit()
        leaving.result()
    assert place.called() == ["run"]


@pytest.mark.parametrize(
    ("less", "memory", "told"), [(SMALL, 540, "--memory 361 or more"), (HASTY, 10, "--time-limit above 0")]
)
def test_what_was_killed_at_a_limit_goes_to_a_higher_one_or_fails_until_there_is_one(
    place: Place, less: Limits, memory: float, told: str
) -> None:
    first, twin = place.worker("first", less, memory), place.worker("twin", less, memory)
    job = place.job(LITTLE)
    first.carry_out("run")
    failed = place.run(job)
    assert (failed.state, place.tried, place.called()) == ("failed", [less], [])
    assert failed.reason == f"it was killed at a limit; no worker has enough for it: start one with {told}"
    big = place.worker("big", BIG, memory)
    later = place.job(LITTLE)
    twin.carry_out("run")
    assert (place.run(later).state, place.tried) == ("ready", [less])
    big.carry_out("run")
    assert (place.run(later).state, place.tried) == ("done", [less, BIG])


@pytest.mark.parametrize(("less", "memory"), [(SMALL, 540), (HASTY, 10)])
def test_what_was_killed_at_a_limit_is_tried_again_only_by_a_worker_with_a_higher_one(
    place: Place, less: Limits, memory: float
) -> None:
    first, twin = place.worker("first", less, memory), place.worker("twin", less, memory)
    big = place.worker("big", BIG, memory)
    job = place.job(LITTLE)
    first.carry_out("run")
    assert (place.run(job).state, place.called()) == ("ready", ["run"])
    first.carry_out("run")
    twin.carry_out("run")
    assert place.tried == [less]
    big.carry_out("run")
    assert (place.run(job).state, place.tried) == ("done", [less, BIG])


ROOMS = st.builds(Limits, st.sampled_from([NO_TIME, HOUR]), st.sampled_from([100.0, 300.0, 500.0, 8000.0]))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(ROOMS, min_size=1, max_size=5),
    st.sampled_from([50.0, 200.0, 400.0, 9000.0]),
    st.sampled_from([LARGE, LITTLE]),
    st.randoms(use_true_random=False),
)
def test_a_run_is_done_just_if_some_worker_has_enough_and_no_attempt_is_in_vain_twice(
    place: Place, rooms: list[Limits], memory: float, recipe: str, dice: Random
) -> None:
    place.clear()
    workers = [place.worker(f"w{number}", room, memory) for number, room in enumerate(rooms)]
    job = place.job(recipe)
    for _ in rooms:
        dice.shuffle(workers)
        for worker in workers:
            worker.carry_out("run")
    enough = any(room.memory_mb >= memory and room.seconds >= SOME_TIME for room in rooms)
    assert place.run(job).state == ("done" if enough else "failed")
    for number, room in enumerate(place.tried):
        for former in place.tried[:number]:
            more_memory = former.memory_mb < memory and room.memory_mb > former.memory_mb
            assert more_memory or former.seconds < SOME_TIME <= room.seconds
