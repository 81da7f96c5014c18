"""Recipe runs in the database: shared by jobs, given to workers one at a time, settled once.

All that changes more than one row happens under one lock (`changing`), so that no order of events can be
half seen: a run that becomes ready, a job that ends, a run that nobody wants any more. A transaction here
takes one or two milliseconds, a recipe at least a hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from app.archive.finding import Connection

# "JOBS": the key of the lock.
_LOCK = 0x4A4F4253
# Other sessions hear of a job's news and of a run to be given up on these channels.
NEWS, GIVE_UP = "calsel_job", "calsel_give_up"


@dataclass(frozen=True, slots=True)
class WantedRun:
    """A run as a plan wants it: its plan key, its task as JSON, the plan keys of what it needs."""

    id: str
    recipe: str
    pipeline: str
    task: Mapping[str, Any]
    needs: tuple[str, ...]
    final: bool


@dataclass(frozen=True, slots=True)
class Token:
    """A call for any worker that has the pipeline: this run may start, after `delay` seconds."""

    run: str
    queue: str
    priority: int
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that is ours: only with this fence may it be settled."""

    id: str
    fence: int
    attempts: int
    task: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: `state` is `done` or `failed`; `heals` says that another attempt may go well."""

    state: str
    key: str
    products: Sequence[Mapping[str, Any]]
    log: str | None
    elapsed: float
    peak_mb: float
    reason: str
    reused: bool = False
    heals: bool = False


def changing(connection: Connection) -> None:
    """Wait until no other transaction changes runs or jobs; held until this one ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def known(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, bool, list[dict[str, Any]]]]:
    """(state, whether another job may try it again, products) of those of these runs that exist.

    What a recipe itself refused, it refuses again. Inputs that were not there may be there now: then the
    run had not even a content key.
    """
    rows = connection.execute(
        "SELECT id, state, heals OR coalesce(key, '') = '', products FROM run WHERE id = ANY(%s)", [list(ids)]
    )
    return {run: (state, heals, products) for run, state, heals, products in rows}


def want(connection: Connection, job: str, runs: Sequence[WantedRun], stale: Iterable[str]) -> list[Token]:
    """Make a job's runs known, each after those it needs; returns the calls for those that may start.

    Runs that exist are shared. Those named in `stale` (ended without products that can be had) are to be
    done again. Call `changing` first.
    """
    priority = _priority(connection, job)
    columns = [
        (run.id, run.recipe, run.pipeline, Jsonb(run.task, dumps=orjson.dumps), priority) for run in runs
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO run (id, recipe, pipeline, task, state, priority) "
            "VALUES (%s, %s, %s, %s, 'waiting', %s) "
            "ON CONFLICT (id) DO UPDATE SET priority = greatest(run.priority, excluded.priority)",
            columns,
        )
        cursor.executemany(
            "INSERT INTO run_need (run, needs) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [(run.id, need) for run in runs for need in run.needs],
        )
        cursor.executemany(
            "INSERT INTO job_run (job, run, position, final) VALUES (%s, %s, %s, %s)",
            [(job, run.id, position, run.final) for position, run in enumerate(runs)],
        )
    connection.execute(
        "UPDATE run SET state = 'waiting', attempts = 0, reason = '', heals = false, ended = NULL "
        "WHERE id = ANY(%s)",
        [list(stale)],
    )
    ids = [run.id for run in runs]
    for failed in connection.execute("SELECT id FROM run WHERE id = ANY(%s) AND state = 'failed'", [ids]):
        _block(connection, failed[0])
    tokens = _ready(connection, ids)
    settle_jobs(connection, [job])
    return tokens


def claim(connection: Connection, run: str, worker: str) -> Claim | None:
    """Take a ready run; None when another worker has it, or nobody wants it any more."""
    with connection.cursor(row_factory=class_row(Claim)) as cursor:
        cursor.execute(
            "UPDATE run SET state = 'running', fence = fence + 1, attempts = attempts + 1, worker = %s, "
            "heartbeat = now(), started = now(), ended = NULL, log = NULL "
            "WHERE id = %s AND state = 'ready' RETURNING id, fence, attempts, task",
            [worker, run],
        )
        taken = cursor.fetchone()
    if taken is not None:
        tell(connection, run, "started", worker, f"attempt {taken.attempts}")
    return taken


def made_by(connection: Connection, runs: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The products of these runs, by run."""
    rows = connection.execute("SELECT id, products FROM run WHERE id = ANY(%s)", [list(runs)])
    return dict(rows.fetchall())


def logging_to(connection: Connection, mine: Claim, log: str) -> None:
    """Say where the log of a run grows."""
    connection.execute("UPDATE run SET log = %s WHERE id = %s AND fence = %s", [log, mine.id, mine.fence])


def holds(connection: Connection, mine: Claim) -> bool:
    """Whether a run is still ours."""
    row = connection.execute(
        "SELECT 1 FROM run WHERE id = %s AND fence = %s AND state = 'running'", [mine.id, mine.fence]
    )
    return row.fetchone() is not None


def settle(
    connection: Connection, mine: Claim, worker: str, ending: Ending, *, again_after: float | None = None
) -> list[Token] | None:
    """End a run that is ours; returns the calls for what may start now, None when it is ours no more.

    With `again_after` (seconds) the run is to be tried again instead. Jobs whose last run this was end.
    Call `changing` first.
    """
    state = ending.state if again_after is None else "ready"
    row = connection.execute(
        "UPDATE run SET state = %s, key = %s, products = %s, log = %s, elapsed = %s, peak_mb = %s, "
        "reason = %s, reused = %s, heals = %s, ended = now(), ready = now(), worker = NULL "
        "WHERE id = %s AND fence = %s AND state = 'running' RETURNING pipeline, priority",
        [
            state,
            ending.key,
            Jsonb(list(ending.products), dumps=orjson.dumps),
            ending.log,
            ending.elapsed,
            ending.peak_mb,
            ending.reason,
            ending.reused,
            ending.heals,
            mine.id,
            mine.fence,
        ],
    ).fetchone()
    if row is None:
        return None
    kind = "again" if again_after is not None else "reused" if ending.reused else ending.state
    tell(connection, mine.id, kind, worker, ending.reason)
    if again_after is not None:
        return [Token(mine.id, row[0], row[1], again_after)]
    if ending.state == "failed":
        _block(connection, mine.id)
    after = connection.execute("SELECT run FROM run_need WHERE needs = %s", [mine.id])
    tokens = _ready(connection, [run for (run,) in after])
    _settle_jobs_of(connection, [mine.id])
    return tokens


def give_back(connection: Connection, mine: Claim, worker: str, why: str) -> list[Token]:
    """Hand a run that is ours to whoever comes next, as if it had not been tried. Call `changing` first."""
    rows = connection.execute(
        "UPDATE run SET state = 'ready', ready = now(), fence = fence + 1, attempts = attempts - 1, "
        "worker = NULL WHERE id = %s AND fence = %s AND state = 'running' RETURNING id, pipeline, priority",
        [mine.id, mine.fence],
    ).fetchall()
    for run, _, _ in rows:
        tell(connection, run, "given back", worker, why)
    return [Token(*row) for row in rows]


def unwanted(connection: Connection, job: str) -> None:
    """Cancel the runs that only this job (which has ended) wanted. Call `changing` first."""
    rows = connection.execute(
        "UPDATE run SET state = 'cancelled', fence = fence + 1, ended = now() "
        "WHERE id IN (SELECT run FROM job_run WHERE job = %s) AND state IN ('waiting', 'ready', 'running') "
        "AND NOT EXISTS (SELECT 1 FROM job_run w JOIN job j ON j.id = w.job WHERE w.run = run.id "
        "AND j.phase IN ('QUEUED', 'EXECUTING')) RETURNING id",
        [job],
    ).fetchall()
    for (run,) in rows:
        tell(connection, run, "cancelled", None, "no job wants it any more")
        connection.execute("SELECT pg_notify(%s, %s)", [GIVE_UP, run])


def tell(connection: Connection, run: str, kind: str, worker: str | None, detail: str = "") -> None:
    """Write an event of a run, and let those hear who wait for news of the jobs that want it."""
    connection.execute(
        "WITH told AS (INSERT INTO run_event (run, kind, worker, detail) VALUES (%s, %s, %s, %s)) "
        "SELECT pg_notify(%s, w.job) FROM job_run w JOIN job j ON j.id = w.job "
        "WHERE w.run = %s AND j.phase IN ('QUEUED', 'EXECUTING')",
        [run, kind, worker, detail, NEWS, run],
    )


def settle_jobs(connection: Connection, jobs: Sequence[str]) -> None:
    """End those of these jobs whose runs (or children) have all ended. Call `changing` first."""
    rows = connection.execute(
        "UPDATE job SET ended = now(), phase = CASE WHEN EXISTS ("
        "  SELECT 1 FROM job_run w JOIN run r ON r.id = w.run WHERE w.job = job.id AND r.state <> 'done') "
        "  OR job.error IS NOT NULL OR EXISTS ("
        "  SELECT 1 FROM job c WHERE c.parent = job.id AND c.phase <> 'COMPLETED') "
        "THEN 'ERROR' ELSE 'COMPLETED' END "
        "WHERE id = ANY(%s) AND phase = 'EXECUTING' AND NOT EXISTS ("
        "  SELECT 1 FROM job_run w JOIN run r ON r.id = w.run "
        "  WHERE w.job = job.id AND r.state IN ('waiting', 'ready', 'running')) "
        "AND NOT EXISTS (SELECT 1 FROM job c WHERE c.parent = job.id "
        "  AND c.phase IN ('PENDING', 'QUEUED', 'EXECUTING')) RETURNING id, parent",
        [list(jobs)],
    ).fetchall()
    for job, _ in rows:
        connection.execute("SELECT pg_notify(%s, %s)", [NEWS, job])
    if parents := sorted({parent for _, parent in rows if parent}):
        settle_jobs(connection, parents)


def _settle_jobs_of(connection: Connection, runs: Sequence[str]) -> None:
    rows = connection.execute(
        "SELECT DISTINCT w.job FROM job_run w JOIN job j ON j.id = w.job "
        "WHERE w.run = ANY(%s) AND j.phase = 'EXECUTING'",
        [list(runs)],
    )
    settle_jobs(connection, [job for (job,) in rows])


def _ready(connection: Connection, runs: Sequence[str]) -> list[Token]:
    """Those of these waiting runs that need nothing more become ready."""
    rows = connection.execute(
        "UPDATE run SET state = 'ready', ready = now() WHERE id = ANY(%s) AND state = 'waiting' "
        "AND NOT EXISTS (SELECT 1 FROM run_need n JOIN run u ON u.id = n.needs "
        "WHERE n.run = run.id AND u.state <> 'done') RETURNING id, pipeline, priority",
        [list(runs)],
    )
    return [Token(*row) for row in rows.fetchall()]


def _block(connection: Connection, failed: str) -> None:
    """All that waits for a failed run, and all that waits for those."""
    rows = connection.execute(
        "WITH RECURSIVE lost(id) AS (SELECT %s::text UNION "
        "  SELECT n.run FROM run_need n JOIN lost ON n.needs = lost.id) "
        "UPDATE run SET state = 'blocked', ended = now(), "
        "reason = 'it needs ' || (SELECT task ->> 'id' FROM run WHERE id = %s) || ', which failed' "
        "WHERE id IN (SELECT id FROM lost) AND id <> %s AND state IN ('waiting', 'ready') RETURNING id",
        [failed, failed, failed],
    ).fetchall()
    lost = [run for (run,) in rows]
    for run in lost:
        tell(connection, run, "blocked", None)
    if lost:
        _settle_jobs_of(connection, lost)


def _priority(connection: Connection, job: str) -> int:
    row = connection.execute("SELECT priority FROM job WHERE id = %s", [job]).fetchone()
    assert row is not None
    return int(row[0])
