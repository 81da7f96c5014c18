"""Where `calsel jobs` asks: the database itself, or (`app.cli.remote`) a service over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias

import psycopg

from app import config
from app.archive import jobruns, jobs
from app.archive.index import Index
from app.archive.runs import NEWS
from app.jobs import submitting
from app.jobs.view import describe, view
from app.opening import open_index

# Seconds between two looks when nothing is heard: a recipe's log tells no news.
_GLANCE = 1.0

# A job as `app.jobs.view.describe` tells it, and what happened since the last look (`jobruns.events_of`).
Described: TypeAlias = dict[str, Any]
Step: TypeAlias = tuple[Described, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Line:
    """A job in a list; `done` and `total` count its runs (or children)."""

    id: str
    phase: str
    done: int
    total: int
    created: datetime
    owner: str | None
    run_id: str | None
    parameters: Mapping[str, Sequence[str]]


class Desk(Protocol):
    """What can be asked of jobs; all raise CalselError (UnknownJobError, PhaseError, RequestError)."""

    def submit(self, given: Mapping[str, Sequence[str]], run_id: str | None, *, run: bool) -> str:
        """A new job; returns its id."""

    def run(self, job: str) -> None:
        """Put a pending job into the queue."""

    def listed(self, phases: Sequence[str], last: int) -> list[Line]:
        """The newest so many jobs in these phases (all if none is named), the newest first."""

    def look(self, job: str) -> Described:
        """A job as it is now."""

    def steps(self, job: str) -> Iterator[Step]:
        """The job again and again, whenever something has happened; at last as it ended."""

    def abort(self, job: str) -> None:
        """End a job."""

    def delete(self, job: str) -> None:
        """Forget a job."""


@dataclass(frozen=True, slots=True)
class Here:
    """Everybody's jobs, in the database of this machine's settings."""

    index: Index

    def submit(self, given: Mapping[str, Sequence[str]], run_id: str | None, *, run: bool) -> str:
        """A job of nobody in particular."""
        with self.index.connection() as connection:
            job = submitting.submit(connection, given, run_id=run_id)
            if run:
                submitting.run(connection, job)
        return job

    def run(self, job: str) -> None:
        """PHASE=RUN."""
        with self.index.connection() as connection:
            submitting.run(connection, job)

    def listed(self, phases: Sequence[str], last: int) -> list[Line]:
        """Everybody's."""
        with self.index.connection() as connection:
            found = jobs.listed(connection, everybody=True, phases=phases, last=last)
            counts = jobruns.progress(connection, [job.id for job in found])
        return [
            Line(j.id, j.phase, *counts.get(j.id, (0, 0)), j.created, j.owner, j.run_id, j.parameters)
            for j in found
        ]

    def look(self, job: str) -> Described:
        """As the service tells it in JSON."""
        with self.index.connection() as connection:
            return describe(view(connection, job))

    def steps(self, job: str) -> Iterator[Step]:
        """With news of the database, and at times between."""
        libpq = self.index.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        told = set[int]()
        with psycopg.connect(libpq, autocommit=True) as ear:
            ear.execute(f"LISTEN {NEWS}")
            while True:
                seen = self.look(job)
                with self.index.connection() as connection:
                    events = jobruns.events_of(connection, job)
                yield seen, [event for event in events if event["id"] not in told]
                told |= {event["id"] for event in events}
                if seen["phase"] in jobs.ENDED:
                    return
                for _ in ear.notifies(timeout=_GLANCE, stop_after=1):
                    pass

    def abort(self, job: str) -> None:
        """PHASE=ABORT."""
        with self.index.connection() as connection:
            submitting.abort(connection, job)

    def delete(self, job: str) -> None:
        """Its products stay."""
        with self.index.connection() as connection:
            jobs.destroy(connection, job)


@contextmanager
def here() -> Iterator[Here]:
    """The database of the settings, which an embedded server may have to be started for."""
    with open_index(config.read()) as index:
        yield Here(index)
