"""Jobs in the database, as IVOA's UWS 1.1 knows them: what was asked, by whom, and how far it is."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from app.archive.finding import Connection
from app.archive.runs import REASONS, changing, news, settle_jobs
from app.archive.wanting import unwanted
from app.errors import CalselError

OPEN = ("QUEUED", "EXECUTING")
ENDED = ("COMPLETED", "ERROR", "ABORTED")


class UnknownJobError(CalselError):
    """No such job: it never was, or it has been destroyed."""

    def __init__(self, job: str) -> None:
        super().__init__(f"there is no job {job[:100]!r}: it never was, or it has been destroyed")


class NoPartError(CalselError):
    """A job has no such part or result."""


class PhaseError(CalselError):
    """A phase change that the job's present phase does not allow."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job; the fields are the columns of `app.archive.jobtables.JobRow`. Durations in seconds."""

    id: str
    parent: str | None
    run_id: str | None
    owner: str | None
    phase: str
    priority: int
    parameters: dict[str, Any]
    answers: list[Any]
    messages: list[str]
    error: str | None
    execution_duration: int
    created: datetime
    queued: datetime | None
    started: datetime | None
    ended: datetime | None
    destruction: datetime


_COLUMNS = ", ".join(Job.__dataclass_fields__)


def create(
    connection: Connection,
    parameters: Mapping[str, Any],
    *,
    owner: str | None,
    run_id: str | None,
    priority: int,
    execution_duration: int,
    lifetime: timedelta,
    parent: str | None = None,
) -> str:
    """A new job in phase PENDING; returns its id, which cannot be guessed."""
    job = secrets.token_hex(12)  # no '-', which a command line would take for an option
    connection.execute(  # several in one transaction have an order, too
        "INSERT INTO job (id, parent, run_id, owner, phase, priority, parameters, execution_duration, "
        "destruction, created) "
        "VALUES (%s, %s, %s, %s, 'PENDING', %s, %s, %s, now() + %s, clock_timestamp())",
        [job, parent, run_id, owner, priority, _json(dict(parameters)), execution_duration, lifetime],
    )
    return job


def find(connection: Connection, job: str) -> Job:
    """A job. Raises UnknownJobError."""
    if "\0" in job:  # which PostgreSQL cannot even ask for
        raise UnknownJobError(job)
    with connection.cursor(row_factory=class_row(Job)) as cursor:
        found = cursor.execute(
            f"SELECT {_COLUMNS} FROM job WHERE id = %s AND destruction > now()", [job]
        ).fetchone()
    if found is None:
        raise UnknownJobError(job)
    return found


def listed(
    connection: Connection,
    *,
    owner: str | None = None,
    everybody: bool = False,
    phases: Sequence[str] = (),
    after: datetime | None = None,
    last: int | None = None,
) -> list[Job]:
    """An owner's jobs (None: those of nobody) without children, the newest first (UWS 1.1, 2.2.2.1).

    With `everybody` all owners' jobs; `after` takes those created later, `last` the newest so many.
    """
    with connection.cursor(row_factory=class_row(Job)) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM job WHERE parent IS NULL AND destruction > now() "
            "AND (%(everybody)s OR owner IS NOT DISTINCT FROM %(owner)s) "
            "AND (%(phases)s::text[] = '{}' OR phase = ANY(%(phases)s)) "
            "AND (%(after)s::timestamptz IS NULL OR created > %(after)s) "
            "ORDER BY created DESC, id DESC LIMIT %(last)s",
            {"owner": owner, "everybody": everybody, "phases": list(phases), "after": after, "last": last},
        )
        return cursor.fetchall()


def children(connection: Connection, job: str) -> list[Job]:
    """The jobs of the groups of a period, in the order of their creation."""
    with connection.cursor(row_factory=class_row(Job)) as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM job WHERE parent = %s ORDER BY created, id", [job])
        return cursor.fetchall()


def start(connection: Connection, job: str) -> Job:
    """PHASE=RUN: put a pending job into the queue. Raises PhaseError for any other (UWS 1.1, 2.2.3.3)."""
    row = connection.execute(
        "UPDATE job SET phase = 'QUEUED', queued = now() WHERE id = %s AND phase = 'PENDING' RETURNING id",
        [job],
    ).fetchone()
    now = find(connection, job)
    if row is None:
        raise PhaseError(f"job {job} is {now.phase}; only a PENDING one can be run")
    news(connection, job)
    return now


def begin(
    connection: Connection, job: str, answers: Sequence[Any], messages: Sequence[str], error: str
) -> bool:
    """A queued job has been planned and goes on; False when it is not queued any more.

    `error` (or "") tells what of it could not be planned: it will end in ERROR, whatever becomes of the rest.
    """
    row = connection.execute(
        "UPDATE job SET phase = 'EXECUTING', started = now(), answers = %s, messages = %s, "
        "error = nullif(%s, '') WHERE id = %s AND phase = 'QUEUED' RETURNING id",
        [_json(list(answers)), _json(list(messages)), error, job],
    ).fetchone()
    if row is not None:
        news(connection, job)
    return row is not None


def fail(connection: Connection, job: str, error: str) -> None:
    """End an open job with an error; what only it wanted is given up."""
    _end(connection, job, "ERROR", error)


def abort(connection: Connection, job: str, why: str) -> None:
    """PHASE=ABORT: end a job that has not ended, and its children; what only they wanted is given up."""
    changing(connection)
    for child in children(connection, job):
        _end(connection, child.id, "ABORTED", why)
    _end(connection, job, "ABORTED", why)


def destroy(connection: Connection, job: str) -> None:
    """Forget a job (its products stay). Raises UnknownJobError."""
    abort(connection, job, "destroyed")
    if not connection.execute("DELETE FROM job WHERE id = %s", [job]).rowcount:
        raise UnknownJobError(job)
    news(connection, job)


def change(
    connection: Connection,
    job: str,
    *,
    destruction: datetime | None = None,
    execution_duration: int | None = None,
    parameters: Mapping[str, Any] | None = None,
    priority: int | None = None,
) -> None:
    """Change what may be; parameters and duration only of a pending job. Raises PhaseError."""
    connection.execute("SELECT 1 FROM job WHERE id = %s FOR UPDATE", [job])  # nobody runs it meanwhile
    present = find(connection, job)
    if present.phase != "PENDING" and (parameters is not None or execution_duration is not None):
        raise PhaseError(f"job {job} is {present.phase}; this can be changed while it is PENDING only")
    new = None if parameters is None else _json(dict(parameters))
    connection.execute(
        "UPDATE job SET destruction = coalesce(%s, destruction), "
        "execution_duration = coalesce(%s, execution_duration), parameters = coalesce(%s, parameters), "
        "priority = coalesce(%s, priority) WHERE id = %s",
        [destruction, execution_duration, new, priority, job],
    )


def failures(connection: Connection, job: str) -> list[str]:
    """What went wrong, the job's own words first; of one that has ended, what had gone wrong by then."""
    row = connection.execute(
        "SELECT CASE WHEN phase = ANY(%s) THEN error "
        f"ELSE concat_ws(E'\\n', error, {REASONS}) END FROM job WHERE id = %s",
        [list(ENDED), job],
    ).fetchone()
    return row[0].splitlines() if row and row[0] else []


def overdue(connection: Connection) -> tuple[list[str], list[str]]:
    """Jobs that have used up their execution duration, and jobs whose destruction time has come."""
    late = connection.execute(
        "SELECT id FROM job WHERE phase = 'EXECUTING' AND execution_duration > 0 "
        "AND started + make_interval(secs => execution_duration) < now() ORDER BY id"
    )
    dead = connection.execute("SELECT id FROM job WHERE parent IS NULL AND destruction < now() ORDER BY id")
    return [job for (job,) in late.fetchall()], [job for (job,) in dead.fetchall()]


def _end(connection: Connection, job: str, phase: str, error: str) -> None:
    changing(connection)
    row = connection.execute(
        "UPDATE job SET phase = %s, ended = now(), "
        f"error = nullif(concat_ws(E'\\n', %s::text, {REASONS}), '') WHERE id = %s "
        "AND phase IN ('PENDING', 'QUEUED', 'EXECUTING') RETURNING parent",
        [phase, error, job],
    ).fetchone()
    if row is None:
        return
    unwanted(connection, job)
    news(connection, job)
    if row[0]:
        settle_jobs(connection, [row[0]])


def _json(value: Any) -> Jsonb:
    return Jsonb(value, dumps=orjson.dumps)
