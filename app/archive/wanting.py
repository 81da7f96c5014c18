"""What jobs want of the runs: made known, shared, and given up when no job wants it any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from app.archive.finding import Connection
from app.archive.runs import GIVE_UP, Token, block, make_ready, settle_jobs, tell


@dataclass(frozen=True, slots=True)
class WantedRun:
    """A run as a plan wants it: its plan key, its task as JSON, the plan keys of what it needs.

    It waits for the `optional` ones as well, but goes on without those that fail.
    """

    id: str
    recipe: str
    pipeline: str
    task: Mapping[str, Any]
    needs: tuple[str, ...]
    final: bool
    optional: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """A run that exists: `heals` says whether another job may try it again where it failed.

    What a recipe itself refused, it refuses again. Inputs that were not there may be there now: then the
    run had not even a content key.
    """

    id: str
    state: str
    heals: bool
    products: list[dict[str, Any]]
    reason: str
    started: datetime | None
    ended: datetime | None


def known(connection: Connection, ids: Sequence[str]) -> dict[str, Known]:
    """Those of these runs that exist."""
    with connection.cursor(row_factory=class_row(Known)) as cursor:
        cursor.execute(
            "SELECT id, state, heals OR coalesce(key, '') = '' AS heals, products, reason, started, ended "
            "FROM run WHERE id = ANY(%s)",
            [list(ids)],
        )
        return {run.id: run for run in cursor.fetchall()}


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
            "INSERT INTO run_need (run, needs, optional) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [
                *((run.id, need, False) for run in runs for need in run.needs),
                *((run.id, need, True) for run in runs for need in run.optional),
            ],
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
    # Those that are ready have been called for; the engine goes by its own rows.
    connection.execute(
        "UPDATE procrastinate_jobs j SET priority = r.priority FROM run r WHERE j.queueing_lock = r.id "
        "AND j.status = 'todo' AND r.id = ANY(%s) AND j.priority < r.priority",
        [ids],
    )
    for failed in connection.execute("SELECT id FROM run WHERE id = ANY(%s) AND state = 'failed'", [ids]):
        block(connection, failed[0])
    tokens = make_ready(connection, ids)
    settle_jobs(connection, [job])
    return tokens


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


def forget(connection: Connection, age: timedelta) -> int:
    """Delete the runs, with their events, that ended so long ago and no job holds; returns how many.

    Their products stay, known by content: who wants them again finds them in the store. What a run that
    stays needs stays as well. Call `changing` first.
    """
    rows = connection.execute(
        "WITH RECURSIVE kept(id) AS (SELECT id FROM run WHERE state IN ('waiting', 'ready', 'running') "
        "  OR coalesce(ended, now()) > now() - %s OR EXISTS (SELECT FROM job_run w WHERE w.run = run.id) "
        "  UNION SELECT n.needs FROM run_need n JOIN kept k ON n.run = k.id) "
        "SELECT id FROM run WHERE NOT EXISTS (SELECT FROM kept k WHERE k.id = run.id)",
        [age],
    )
    gone = [run for (run,) in rows]
    if gone:
        connection.execute("DELETE FROM run_need WHERE run = ANY(%s)", [gone])
        connection.execute("DELETE FROM run WHERE id = ANY(%s)", [gone])
    return len(gone)


def _priority(connection: Connection, job: str) -> int:
    row = connection.execute("SELECT priority FROM job WHERE id = %s", [job]).fetchone()
    assert row is not None
    return int(row[0])
