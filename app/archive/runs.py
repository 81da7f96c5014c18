"""Recipe runs in the database: shared by jobs, given to workers one at a time, settled once.

All that changes more than one row happens under one lock (`changing`), so that no order of events can be
half seen: a run that becomes ready, a job that ends, a run that nobody wants any more. A transaction here
takes one or two milliseconds, a recipe at least a hundred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from app.archive.finding import Connection

# "JOBS": the key of the lock.
_LOCK = 0x4A4F4253
# Other sessions hear of a job's news and of a run to be given up on these channels.
NEWS, GIVE_UP = "calsel_job", "calsel_give_up"


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
        "reason = %s, reused = %s, heals = %s, ended = clock_timestamp(), "
        "ready = CASE WHEN %s THEN now() ELSE ready END, worker = NULL "
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
            again_after is not None,
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
    settled = [mine.id, *(block(connection, mine.id) if ending.state == "failed" else ())]
    after = connection.execute("SELECT DISTINCT run FROM run_need WHERE needs = ANY(%s)", [settled])
    tokens = make_ready(connection, [run for (run,) in after])
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


def news(connection: Connection, job: str) -> None:
    """Let those hear who wait for news of a job, or of the period that it belongs to."""
    connection.execute(
        "SELECT pg_notify(%(channel)s, id) FROM (SELECT %(job)s::text AS id UNION ALL "
        "SELECT parent FROM job WHERE id = %(job)s AND parent IS NOT NULL) AS heard",
        {"channel": NEWS, "job": job},
    )


def tell(connection: Connection, run: str, kind: str, worker: str | None, detail: str = "") -> None:
    """Write an event of a run, and let those hear who wait for news of the jobs that want it.

    Who waits for a period hears of the jobs of its groups.
    """
    connection.execute(
        "WITH told AS (INSERT INTO run_event (run, kind, worker, detail) VALUES (%s, %s, %s, %s)) "
        "SELECT pg_notify(%s, heard.id) FROM (SELECT DISTINCT unnest(ARRAY[j.id, j.parent]) AS id "
        "FROM job_run w JOIN job j ON j.id = w.job "
        "WHERE w.run = %s AND j.phase IN ('QUEUED', 'EXECUTING')) AS heard WHERE heard.id IS NOT NULL",
        [run, kind, worker, detail, NEWS, run],
    )


# What went wrong with a job's runs and children, a line each; kept when it ends, for runs may be made again.
REASONS: Final = """
(SELECT string_agg((r.task ->> 'id') || ': ' || r.reason, E'\\n' ORDER BY w.position)
 FROM job_run w JOIN run r ON r.id = w.run WHERE w.job = job.id AND r.state IN ('failed', 'cancelled')),
(SELECT string_agg('job ' || c.id || ': ' || replace(coalesce(c.error, c.phase), E'\\n', '; '), E'\\n'
 ORDER BY c.created, c.id) FROM job c WHERE c.parent = job.id AND c.phase IN ('ERROR', 'ABORTED'))
"""


def settle_jobs(connection: Connection, jobs: Sequence[str]) -> None:
    """End those of these jobs whose runs (or children) have all ended. Call `changing` first.

    A job is complete when all that it was asked for is there; a calibration that it could do without may
    have failed.
    """
    rows = connection.execute(
        f"UPDATE job SET ended = now(), error = nullif(concat_ws(E'\\n', error, {REASONS}), ''), "
        "phase = CASE WHEN EXISTS ("
        "  SELECT 1 FROM job_run w JOIN run r ON r.id = w.run "
        "  WHERE w.job = job.id AND w.final AND r.state <> 'done') "
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
        news(connection, job)
    if parents := sorted({parent for _, parent in rows if parent}):
        settle_jobs(connection, parents)


def _settle_jobs_of(connection: Connection, runs: Sequence[str]) -> None:
    rows = connection.execute(
        "SELECT DISTINCT w.job FROM job_run w JOIN job j ON j.id = w.job "
        "WHERE w.run = ANY(%s) AND j.phase = 'EXECUTING'",
        [list(runs)],
    )
    settle_jobs(connection, [job for (job,) in rows])


def make_ready(connection: Connection, runs: Sequence[str]) -> list[Token]:
    """Those of these waiting runs that need nothing more become ready."""
    rows = connection.execute(
        "UPDATE run SET state = 'ready', ready = now() WHERE id = ANY(%s) AND state = 'waiting' "
        "AND NOT EXISTS (SELECT 1 FROM run_need n JOIN run u ON u.id = n.needs "
        "WHERE n.run = run.id AND u.state <> 'done' "
        "AND NOT (n.optional AND u.state IN ('failed', 'blocked', 'cancelled'))) "
        "RETURNING id, pipeline, priority",
        [list(runs)],
    )
    return [Token(*row) for row in rows.fetchall()]


def block(connection: Connection, failed: str) -> list[str]:
    """All that cannot do without a failed run, and all that cannot do without those."""
    rows = connection.execute(
        "WITH RECURSIVE lost(id) AS (SELECT %s::text UNION "
        "  SELECT n.run FROM run_need n JOIN lost ON n.needs = lost.id AND NOT n.optional) "
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
    return lost
