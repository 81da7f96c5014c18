"""A job as people see it: how far it is, what each recipe does, what came out, why it waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from app.archive import jobruns, jobs, reaping
from app.archive.calls import PLANNERS
from app.archive.finding import Connection
from app.archive.jobruns import RunState
from app.archive.jobs import Job
from processing.phase3.report import told
from processing.recipes import is_ours

# Seconds without a sign of life after which a worker is not counted on; lines of a log's end.
_SILENCE: Final = 30.0
_TAIL: Final = 10


@dataclass(frozen=True, slots=True)
class View:
    """A job with its runs and children; `waits_for` are queues that no living worker serves.

    `below` are the runs of its children; `failures` is what went wrong, the job's own words first.
    """

    job: Job
    runs: list[RunState]
    children: list[Job]
    below: list[RunState]
    failures: list[str]
    waits_for: tuple[str, ...]
    quote: datetime | None

    @property
    def done(self) -> int:
        """How many of its runs (or children) have ended."""
        runs = sum(run.state not in ("waiting", "ready", "running") for run in self.runs)
        return runs + sum(child.phase in jobs.ENDED for child in self.children)

    @property
    def total(self) -> int:
        """How many runs (or children) it has."""
        return len(self.runs) + len(self.children)

    def results(self) -> list[dict[str, Any]]:
        """The products: those that were asked for first, then the calibrations', each in the plan's order.

        Each has dp_id, category (PRO.CATG), size in bytes, sha256, path, the task that made it, `final`.
        """
        ordered = sorted((*self.runs, *self.below), key=lambda run: not run.final)
        return [
            {**product, "task": run.task["id"], "final": run.final}
            for run in ordered
            if run.state == "done"
            for product in run.products
        ]


def view(connection: Connection, job: str) -> View:
    """Everything of a job. Raises UnknownJobError."""
    found = jobs.find(connection, job)
    runs, children = jobruns.runs_of(connection, job), jobs.children(connection, job)
    below = jobruns.runs_below(connection, job) if children else []
    waiting: set[str] = set()
    if found.phase in jobs.OPEN:
        served = reaping.queues_served(connection, _SILENCE)
        wanted = {run.pipeline for run in (*runs, *below) if run.state in ("waiting", "ready")}
        if any(each.phase == "QUEUED" for each in (found, *children)):
            wanted.add(PLANNERS)
        waiting = wanted - served
    quote = _quote(connection, [*runs, *below])
    failures = jobs.failures(connection, job)
    return View(found, runs, children, below, failures, tuple(sorted(waiting)), quote)


def tail(run: RunState, lines: int = _TAIL) -> list[str]:
    """The last lines that a recipe has said, where the products folder is ours as well."""
    if run.log is None or run.state not in ("running", "failed"):
        return []
    try:
        with Path(run.log).open("rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - 400 * lines))
            said = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []  # not made yet, moved just now, or on another machine
    return [line for line in said if line.strip()][-lines:]


def brief(job: Job, progress: tuple[int, int]) -> dict[str, Any]:
    """A job in a list, as JSON; `progress` is how many of its runs (or children) have ended, of how many."""
    return {
        "id": job.id,
        "runId": job.run_id,
        "owner": job.owner,
        "phase": job.phase,
        "done": progress[0],
        "total": progress[1],
        "creationTime": job.created,
        "parameters": job.parameters,
    }


def describe(seen: View) -> dict[str, Any]:
    """A job as JSON; times in UTC, durations in seconds, memory in MB."""
    job = seen.job
    now = datetime.now(UTC)
    tasks = [_task(run, now) for run in seen.runs]
    return {
        "id": job.id,
        "runId": job.run_id,
        "owner": job.owner,
        "phase": job.phase,
        "done": seen.done,
        "total": seen.total,
        "quote": seen.quote,
        "creationTime": job.created,
        "startTime": job.started,
        "endTime": job.ended,
        "executionDuration": job.execution_duration,
        "destruction": job.destruction,
        "priority": job.priority,
        "parameters": job.parameters,
        "answers": job.answers,
        "messages": [*job.messages, *(f"{t['products'][0]}: {said}" for t in tasks for said in t["report"])],
        "errors": seen.failures,
        "waitsForWorkersOf": list(seen.waits_for),
        "tasks": tasks,
        "results": [{k: v for k, v in each.items() if k != "path"} for each in seen.results()],
        "jobs": [{"id": child.id, "phase": child.phase, **_subject(child)} for child in seen.children],
    }


def _task(run: RunState, now: datetime) -> dict[str, Any]:
    elapsed = run.elapsed
    if run.state == "running" and run.started:
        elapsed = (now - run.started).total_seconds()
    return {
        "run": run.id,
        "task": run.task["id"],
        "recipe": run.recipe,
        "pipeline": run.pipeline,
        "parameters": run.task["parameters"],
        "state": run.state,
        "reused": run.reused,
        "final": run.final,
        "attempts": run.attempts,
        "worker": run.worker,
        "startTime": run.started,
        "elapsed": elapsed,
        "peakMemory": run.peak_mb,
        "reason": run.reason,
        "log": tail(run),
        "report": _report(run),
        "products": [item["dp_id"] for item in run.products],
    }


def _report(run: RunState) -> list[str]:
    """What a packaging has to say of its product, where the products folder is ours as well."""
    made = is_ours(run.recipe) and run.state == "done"
    return told(Path(run.products[0]["path"])) if made else []


def _subject(job: Job) -> dict[str, Any]:
    return {
        "dp_id": job.parameters.get("dp_id", []),
        "action": next(iter(job.parameters.get("action", [])), None),
        "error": job.error,
    }


def _quote(connection: Connection, runs: Sequence[RunState]) -> datetime | None:
    """When an open job is likely to be complete: what each recipe took so far, over the living workers.

    None when it has ended, when a recipe has never run, or when nobody works.
    """
    left = [run for run in runs if run.state in ("waiting", "ready", "running")]
    if not left:
        return None
    row = connection.execute(
        "SELECT sum(slots) FROM worker WHERE seen > now() - make_interval(secs => %s)", [_SILENCE]
    ).fetchone()
    slots = row[0] if row else None
    rows = connection.execute(
        "SELECT recipe, avg(elapsed) FROM run WHERE state = 'done' AND NOT reused AND recipe = ANY(%s) "
        "GROUP BY recipe",
        [sorted({run.recipe for run in left})],
    ).fetchall()
    usual = {str(recipe): float(seconds) for recipe, seconds in rows}
    if not slots or any(run.recipe not in usual for run in left):
        return None
    seconds = sum(usual[run.recipe] for run in left) / min(int(slots), len(left))
    return datetime.now(UTC) + timedelta(seconds=seconds)
