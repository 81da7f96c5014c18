from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from app.archive import jobruns, jobs, reaping, runs
from app.archive.calls import call
from app.archive.database import session
from app.archive.finding import Connection
from app.archive.reaping import Presence
from app.archive.runs import Claim, Ending, Token
from app.archive.wanting import WantedRun, forget, known, want

DONE = Ending(
    "done", "key", ({"dp_id": "p", "category": "C", "path": "/p", "sha256": "s", "size": 1},), None, 1, 1, ""
)
FAILED = Ending("failed", "key", (), None, 1.0, 1.0, "bad data")
CRASHED = Ending("failed", "key", (), None, 1.0, 1.0, "crashed", heals=True)
ME = Presence("me", "here", 1, ("p/1",), 1, 1000)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with session(engine) as found:
        yield found


def wanted(name: str, *needs: str, final: bool = False) -> WantedRun:
    return WantedRun(name, "recipe", "p/1", {"id": f"task {name}", "inputs": []}, needs, final)


CHAIN = (wanted("bias"), wanted("flat", "bias"), wanted("science", "bias", "flat", final=True))


def job_of(
    connection: Connection, wants: Sequence[WantedRun], *, priority: int = 0
) -> tuple[str, list[Token]]:
    """A job that is planned already."""
    job = jobs.create(
        connection,
        {},
        owner=None,
        run_id=None,
        priority=priority,
        execution_duration=0,
        lifetime=timedelta(days=1),
    )
    jobs.start(connection, job)
    runs.changing(connection)
    jobs.begin(connection, job, [], [], "")
    states = known(connection, [run.id for run in wants])
    lost = [run for run in states.values() if run.state in ("cancelled", "blocked") or run.heals]
    return job, want(connection, job, wants, [run.id for run in lost if run.state not in OPEN_OR_DONE])


OPEN_OR_DONE = ("waiting", "ready", "running", "done")


def state(connection: Connection, run: str) -> str:
    row = connection.execute("SELECT state FROM run WHERE id = %s", [run]).fetchone()
    assert row is not None
    return str(row[0])


def do(connection: Connection, run: str, ending: Ending, again: float | None = None) -> list[str] | None:
    claim = runs.claim(connection, run, "me")
    assert claim is not None
    tokens = runs.settle(connection, claim, "me", ending, again_after=again)
    return None if tokens is None else [token.run for token in tokens]


def heard(ear: Connection, *wanted: tuple[str, str]) -> bool:
    """Whether all these (channel, payload) come, sooner or later."""
    missing = set(wanted)
    for notice in ear.notifies(timeout=60):
        missing.discard((notice.channel, notice.payload))
        if not missing:
            break
    return not missing


def test_runs_start_when_all_that_they_need_is_done(connection: Connection) -> None:
    job, tokens = job_of(connection, CHAIN)
    assert [token.run for token in tokens] == ["bias"]
    assert do(connection, "bias", DONE) == ["flat"]
    assert do(connection, "flat", DONE) == ["science"]
    assert jobs.find(connection, job).phase == "EXECUTING"
    assert do(connection, "science", DONE) == []
    assert jobs.find(connection, job).phase == "COMPLETED"


def test_a_failure_blocks_what_needs_it_and_ends_every_job_that_wanted_it(connection: Connection) -> None:
    one, _ = job_of(connection, CHAIN)
    two, _ = job_of(connection, (wanted("bias"), wanted("other", "bias", final=True)))
    assert do(connection, "bias", DONE) == ["flat", "other"]
    assert do(connection, "flat", FAILED) == []
    assert state(connection, "science") == "blocked"
    assert jobs.find(connection, one).phase == "ERROR"
    assert do(connection, "other", DONE) == []
    assert jobs.find(connection, two).phase == "COMPLETED"


def test_two_jobs_share_a_run_and_the_more_urgent_one_sets_its_priority(connection: Connection) -> None:
    _, first = job_of(connection, CHAIN, priority=0)
    call(connection, first)
    _, second = job_of(connection, CHAIN, priority=30)
    assert ([token.run for token in first], second) == (["bias"], [])
    called = connection.execute("SELECT queueing_lock, priority FROM procrastinate_jobs").fetchall()
    assert called == [("bias", 30)]
    job_of(connection, CHAIN, priority=10)
    assert connection.execute("SELECT priority FROM procrastinate_jobs").fetchall() == [(30,)]
    assert do(connection, "bias", DONE) == ["flat"]
    row = connection.execute("SELECT DISTINCT priority FROM run").fetchall()
    assert row == [(30,)]


def test_a_run_goes_on_without_an_optional_one_that_fails_and_the_job_is_complete(
    connection: Connection,
) -> None:
    science = WantedRun("science", "r", "p/1", {"id": "s", "inputs": []}, ("bias",), True, ("response",))
    job, tokens = job_of(
        connection, (wanted("bias"), wanted("standard"), wanted("response", "standard"), science)
    )
    assert [token.run for token in tokens] == ["bias", "standard"]
    assert do(connection, "bias", DONE) == []
    assert do(connection, "standard", FAILED) == ["science"]
    assert state(connection, "response") == "blocked"
    assert do(connection, "science", DONE) == []
    assert jobs.find(connection, job).phase == "COMPLETED"


def test_runs_that_no_job_holds_are_forgotten_after_their_time_with_all_that_happened_to_them(
    connection: Connection,
) -> None:
    gone, _ = job_of(connection, CHAIN)
    kept, _ = job_of(connection, (wanted("bias"), wanted("other", "bias", final=True)))
    for run in ("bias", "flat", "science", "other"):
        do(connection, run, DONE)
    job_of(connection, (wanted("lone", final=True),))
    jobs.destroy(connection, gone)
    assert forget(connection, timedelta(days=1)) == 0
    connection.execute("UPDATE run SET ended = now() - interval '2 days' WHERE ended IS NOT NULL")
    assert forget(connection, timedelta(days=1)) == 2
    left = connection.execute("SELECT id FROM run ORDER BY id").fetchall()
    assert left == [("bias",), ("lone",), ("other",)]
    events = connection.execute("SELECT DISTINCT run FROM run_event ORDER BY 1").fetchall()
    assert events == [("bias",), ("other",)]
    assert connection.execute("SELECT run, needs FROM run_need").fetchall() == [("other", "bias")]
    assert jobs.find(connection, kept).phase == "COMPLETED"
    # Who wants them again has them made again; the store knows their products by content.
    again, tokens = job_of(connection, CHAIN)
    assert [token.run for token in tokens] == ["flat"]
    assert jobs.find(connection, again).phase == "EXECUTING"


def test_what_a_run_that_stays_needs_is_not_forgotten(connection: Connection) -> None:
    whole, _ = job_of(connection, CHAIN)
    for run in ("bias", "flat", "science"):
        do(connection, run, DONE)
    # As planned for whom all is done: only the last run is held.
    job_of(connection, [wanted("science", "bias", "flat", final=True)])
    jobs.destroy(connection, whole)
    connection.execute("UPDATE run SET ended = now() - interval '2 days'")
    assert forget(connection, timedelta(days=1)) == 0


def test_who_waits_for_a_period_hears_what_happens_to_its_groups(engine: Engine) -> None:
    with session(engine) as connection:
        period, _ = job_of(connection, ())
        child = jobs.create(connection, {}, owner=None, run_id=None, priority=0, execution_duration=0,
                            lifetime=timedelta(days=1), parent=period)  # fmt: skip
        connection.execute("UPDATE job SET phase = 'EXECUTING' WHERE id = %s", [period])
        jobs.start(connection, child)
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as ear:
        ear.execute(f"LISTEN {runs.NEWS}")
        with session(engine) as connection:
            runs.changing(connection)
            jobs.begin(connection, child, [], [], "")
            want(connection, child, CHAIN[:1], [])
            do(connection, "bias", DONE)
        assert heard(ear, (runs.NEWS, period), (runs.NEWS, child))
    with session(engine) as connection:
        told = jobruns.events_of(connection, period)
        assert [(each["kind"], each["recipe"], each["job"]) for each in told] == [
            ("started", "recipe", child),
            ("done", "recipe", child),
        ]
        assert jobruns.events_of(connection, child) == told
        assert jobs.find(connection, period).phase == "COMPLETED"
        assert jobruns.progress(connection, [period, child, "x"]) == {period: (1, 1), child: (1, 1)}


def test_only_the_newest_fence_may_settle(connection: Connection) -> None:
    job_of(connection, CHAIN)
    asleep = runs.claim(connection, "bias", "sleeper")
    assert asleep is not None
    assert runs.claim(connection, "bias", "me") is None
    connection.execute("UPDATE run SET heartbeat = now() - interval '1 hour' WHERE id = 'bias'")
    assert [token.run for token in reaping.reap(connection, 30, 3)] == ["bias"]
    assert not runs.holds(connection, asleep)
    assert do(connection, "bias", DONE) == ["flat"]
    assert runs.settle(connection, asleep, "sleeper", FAILED) is None
    assert state(connection, "bias") == "done"
    assert reaping.beat(connection, ME, [asleep]) == [asleep]


def test_a_run_that_is_lost_again_and_again_fails(connection: Connection) -> None:
    job, _ = job_of(connection, CHAIN)
    for attempt in (1, 2, 3):
        claim = runs.claim(connection, "bias", "mortal")
        assert claim is not None
        assert claim.attempts == attempt
        connection.execute("UPDATE run SET heartbeat = now() - interval '1 hour' WHERE id = 'bias'")
        reaping.reap(connection, 30, 3)
    assert state(connection, "bias") == "failed"
    assert jobs.find(connection, job).phase == "ERROR"


def test_what_may_heal_is_called_for_later_and_what_will_not_is_not(connection: Connection) -> None:
    job, _ = job_of(connection, CHAIN)
    assert do(connection, "bias", CRASHED, again=5.0) == ["bias"]
    assert state(connection, "bias") == "ready"
    assert do(connection, "bias", FAILED) == []
    _, tokens = job_of(connection, CHAIN)
    assert (tokens, state(connection, "bias")) == ([], "failed")
    assert jobs.find(connection, job).phase == "ERROR"


def test_an_aborted_job_cancels_only_what_nobody_else_wants(connection: Connection) -> None:
    one, _ = job_of(connection, CHAIN)
    two, _ = job_of(connection, (wanted("bias", final=True),))
    claim = runs.claim(connection, "bias", "me")
    assert claim is not None
    jobs.abort(connection, one, "enough")
    assert [state(connection, run) for run in ("bias", "flat", "science")] == [
        "running",
        "cancelled",
        "cancelled",
    ]
    jobs.abort(connection, two, "enough")
    assert state(connection, "bias") == "cancelled"
    assert runs.settle(connection, claim, "me", DONE) is None
    three, tokens = job_of(connection, CHAIN)
    assert [token.run for token in tokens] == ["bias"]
    for run in ("bias", "flat", "science"):
        do(connection, run, DONE)
    assert jobs.find(connection, three).phase == "COMPLETED"
    assert [jobs.find(connection, job).phase for job in (one, two)] == ["ABORTED", "ABORTED"]


def test_a_run_given_back_counts_no_attempt(connection: Connection) -> None:
    job_of(connection, CHAIN)
    claim = runs.claim(connection, "bias", "me")
    assert claim is not None
    assert [token.run for token in runs.give_back(connection, claim, "me", "stopped")] == ["bias"]
    again = runs.claim(connection, "bias", "you")
    assert again is not None
    assert (again.attempts, again.fence > claim.fence) == (1, True)


def test_a_job_whose_runs_are_all_done_ends_at_once(connection: Connection) -> None:
    job_of(connection, CHAIN)
    for run in ("bias", "flat", "science"):
        do(connection, run, DONE)
    job, tokens = job_of(connection, CHAIN)
    assert (jobs.find(connection, job).phase, tokens) == ("COMPLETED", [])


def test_a_call_is_not_made_twice(connection: Connection) -> None:
    _, tokens = job_of(connection, CHAIN)
    call(connection, tokens)
    call(connection, tokens)
    rows = connection.execute("SELECT queue_name, args FROM procrastinate_jobs").fetchall()
    assert rows == [("p/1", {"name": "bias"})]


def test_news_and_giving_up_are_heard(connection: Connection, engine: Engine) -> None:
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as ear:
        ear.execute(f"LISTEN {runs.NEWS}")
        ear.execute(f"LISTEN {runs.GIVE_UP}")
        job, _ = job_of(connection, CHAIN)
        runs.claim(connection, "bias", "me")
        jobs.abort(connection, job, "enough")
        connection.commit()
        assert heard(ear, (runs.NEWS, job), (runs.GIVE_UP, "bias"))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_happens_every_job_ends_as_its_runs_did(connection: Connection, data: st.DataObject) -> None:
    connection.execute("TRUNCATE job, run, run_need, job_run, run_event CASCADE")
    names = [f"r{n}" for n in range(data.draw(st.integers(1, 7)))]
    graph = {
        name: data.draw(st.lists(st.sampled_from(names[:n]), unique=True, max_size=3)) if n else []
        for n, name in enumerate(names)
    }
    mine: list[str] = []
    held: list[Claim] = []
    for _ in range(data.draw(st.integers(1, 25))):
        match data.draw(
            st.sampled_from(["job", "claim", "claim", "done", "done", "fail", "crash", "lose", "abort"])
        ):
            case "job":
                last = data.draw(st.sampled_from(names))
                mine.append(job_of(connection, _plan(graph, last))[0])
            case "claim":
                claim = runs.claim(connection, data.draw(st.sampled_from(names)), "me")
                held += [claim] if claim else []
            case "lose":
                connection.execute("UPDATE run SET heartbeat = now() - interval '1 hour'")
                reaping.reap(connection, 30, 3)
            case "abort" if mine:
                jobs.abort(connection, data.draw(st.sampled_from(mine)), "enough")
            case "done" | "fail" | "crash" as how if held:
                claim = held.pop(data.draw(st.integers(0, len(held) - 1)))
                ending = {"done": DONE, "fail": FAILED, "crash": CRASHED}[how]
                runs.settle(connection, claim, "me", ending, again_after=1.0 if how == "crash" else None)
            case _:
                pass
    for claim in held:
        runs.settle(connection, claim, "me", DONE)
    while ready := connection.execute("SELECT id FROM run WHERE state = 'ready' ORDER BY id").fetchall():
        for (run,) in ready:
            do(connection, run, DONE)
    assert connection.execute("SELECT id FROM run WHERE state IN ('waiting', 'running')").fetchall() == []
    for job in mine:
        phase = jobs.find(connection, job).phase
        states = {run.state for run in jobruns.runs_of(connection, job)}
        assert phase in jobs.ENDED
        final = {run.state for run in jobruns.runs_of(connection, job) if run.final}
        assert (phase == "COMPLETED") == (final == {"done"} and phase != "ABORTED")
        assert states <= {"done", "failed", "blocked", "cancelled"}


def _plan(graph: dict[str, list[str]], last: str) -> list[WantedRun]:
    """The runs below one, each after those it needs."""
    found: dict[str, WantedRun] = {}

    def add(name: str) -> None:
        for need in graph[name]:
            add(need)
        needs = graph[name][:2]
        optional = tuple(graph[name][2:])
        found[name] = WantedRun(
            name, "recipe", "p/1", {"id": name, "inputs": []}, tuple(needs), name == last, optional
        )

    add(last)
    return list(found.values())
