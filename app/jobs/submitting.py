"""Jobs are created checked, and run when somebody says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from app.archive import jobs
from app.archive.calls import call_planner
from app.archive.finding import Connection
from app.archive.jobs import Job, PhaseError
from app.errors import RequestError
from app.jobs.request import read_request

# A job is forgotten so long after its creation, unless it says otherwise; its products are kept.
LIFETIME = timedelta(days=30)
LONGEST_LIFETIME = timedelta(days=365)


def submit(
    connection: Connection,
    given: Mapping[str, Sequence[str]],
    *,
    owner: str | None = None,
    run_id: str | None = None,
    execution_duration: int = 0,
    lifetime: timedelta = LIFETIME,
    wrong: Sequence[str] = (),
) -> str:
    """Create a pending job; returns its id.

    Raises RequestError with a line for each thing that is wrong; `wrong` are those that the caller knows.
    """
    faults = list(wrong)
    if execution_duration < 0:
        faults.append(f"executionduration: {execution_duration} s is less than nothing; 0 has no limit")
    try:
        request = read_request(connection, given)
    except RequestError as error:
        raise RequestError("\n".join((*faults, str(error)))) from None
    if faults:
        raise RequestError("\n".join(faults))
    return jobs.create(
        connection,
        {name: list(values) for name, values in given.items()},
        owner=owner,
        run_id=run_id,
        priority=request.priority,
        execution_duration=execution_duration,
        lifetime=min(lifetime, LONGEST_LIFETIME),
    )


def run(connection: Connection, job: str) -> Job:
    """PHASE=RUN: queue a pending job and call for a worker. Raises PhaseError, UnknownJobError."""
    found = jobs.start(connection, job)
    call_planner(connection, job, found.priority)
    return found


def abort(connection: Connection, job: str) -> None:
    """PHASE=ABORT, on request. Raises PhaseError when the job has ended, UnknownJobError."""
    found = jobs.find(connection, job)
    if found.phase in jobs.ENDED:
        raise PhaseError(f"job {job} has ended ({found.phase}); nothing is left to abort")
    jobs.abort(connection, job, "aborted on request")


def amend(connection: Connection, job: Job, more: Mapping[str, Sequence[str]]) -> None:
    """Add parameters to a pending job, or replace those of the same name. Raises PhaseError, RequestError."""
    given = {**job.parameters, **{name: list(values) for name, values in more.items()}}
    request = read_request(connection, given)
    jobs.change(connection, job.id, parameters=given, priority=request.priority)
