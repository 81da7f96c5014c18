"""The runs of a job: how far each is, what it made, what happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from app.archive.finding import Connection


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as a job sees it. `task` is what the plan calls it, `elapsed` seconds, `peak_mb` MB."""

    id: str
    position: int
    final: bool
    task: dict[str, Any]
    recipe: str
    pipeline: str
    state: str
    attempts: int
    worker: str | None
    started: datetime | None
    ended: datetime | None
    elapsed: float | None
    peak_mb: float | None
    reused: bool
    key: str | None
    products: list[dict[str, Any]]
    log: str | None
    reason: str


_RUN = ", ".join(
    f"{'w' if name in ('position', 'final') else 'r'}.{name}" for name in RunState.__dataclass_fields__
)


def progress(connection: Connection, jobs: Sequence[str]) -> dict[str, tuple[int, int]]:
    """By job, how many of its runs and children have ended, and how many there are; (0, 0) is left out."""
    rows = connection.execute(
        "SELECT job, count(*) FILTER (WHERE ended), count(*) FROM ("
        "SELECT w.job, r.state NOT IN ('waiting', 'ready', 'running') AS ended "
        "FROM job_run w JOIN run r ON r.id = w.run WHERE w.job = ANY(%(jobs)s) UNION ALL "
        "SELECT parent, phase NOT IN ('PENDING', 'QUEUED', 'EXECUTING') FROM job "
        "WHERE parent = ANY(%(jobs)s)) AS parts GROUP BY job",
        {"jobs": list(jobs)},
    )
    return {job: (done, total) for job, done, total in rows}


def runs_of(connection: Connection, job: str) -> list[RunState]:
    """The runs that a job wants, in the plan's order."""
    with connection.cursor(row_factory=class_row(RunState)) as cursor:
        cursor.execute(
            f"SELECT {_RUN} FROM job_run w JOIN run r ON r.id = w.run WHERE w.job = %s ORDER BY w.position",
            [job],
        )
        return cursor.fetchall()


def runs_below(connection: Connection, job: str) -> list[RunState]:
    """The runs that the children of a job want, each once, in the order of the children and their plans."""
    with connection.cursor(row_factory=class_row(RunState)) as cursor:
        cursor.execute(
            f"SELECT {_RUN} FROM job c JOIN job_run w ON w.job = c.id JOIN run r ON r.id = w.run "
            "WHERE c.parent = %s ORDER BY c.created, c.id, w.position",
            [job],
        )
        found: dict[str, RunState] = {}
        for run in cursor.fetchall():
            if run.id not in found or run.final:  # one's means may be another's end
                found[run.id] = run
        return list(found.values())


def events_of(connection: Connection, job: str, after: int = 0) -> list[dict[str, Any]]:
    """What happened to the runs of a job and of its children since event number `after`.

    Each has its number, time, run, task, recipe, kind, worker, detail, and the job that wants the run (of
    several children the first).
    """
    rows = connection.execute(
        "SELECT DISTINCT ON (e.id) e.id, e.at, e.run, r.task ->> 'id', r.recipe, e.kind, e.worker, e.detail, "
        "j.id FROM job j JOIN job_run w ON w.job = j.id JOIN run r ON r.id = w.run "
        "JOIN run_event e ON e.run = w.run WHERE (j.id = %(job)s OR j.parent = %(job)s) "
        "AND e.id > %(after)s AND e.at >= coalesce(j.queued, j.created) ORDER BY e.id, j.created, j.id",
        {"job": job, "after": after},
    )
    keys = ("id", "at", "run", "task", "recipe", "kind", "worker", "detail", "job")
    return [dict(zip(keys, row, strict=True)) for row in rows]
