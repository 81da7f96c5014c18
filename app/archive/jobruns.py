"""The runs of a job: how far each is, what it made, what happened to it."""

from __future__ import annotations

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


def progress(connection: Connection, job: str) -> tuple[int, int]:
    """How many of a job's runs and children have ended, and how many there are."""
    row = connection.execute(
        "SELECT count(*) FILTER (WHERE ended), count(*) FROM ("
        "SELECT r.state NOT IN ('waiting', 'ready', 'running') AS ended "
        "FROM job_run w JOIN run r ON r.id = w.run WHERE w.job = %(job)s UNION ALL "
        "SELECT phase NOT IN ('PENDING', 'QUEUED', 'EXECUTING') FROM job WHERE parent = %(job)s) AS parts",
        {"job": job},
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


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
    """What happened to a job's runs since event number `after`: number, time, run, kind, worker, detail."""
    rows = connection.execute(
        "SELECT e.id, e.at, e.run, r.task ->> 'id', e.kind, e.worker, e.detail FROM run_event e "
        "JOIN job_run w ON w.run = e.run JOIN run r ON r.id = e.run JOIN job j ON j.id = w.job "
        "WHERE w.job = %s AND e.id > %s AND e.at >= coalesce(j.queued, j.created) ORDER BY e.id",
        [job, after],
    )
    keys = ("id", "at", "run", "task", "kind", "worker", "detail")
    return [dict(zip(keys, row, strict=True)) for row in rows]
