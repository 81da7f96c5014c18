"""Carries out a plan: recipes side by side, nothing twice, and a failure stops only what needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from processing.bench import Bench, TaskResult
from processing.esorex import Esorex
from processing.graph import Plan, Task, Walker
from processing.process import Limits
from processing.store import open_store

DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Event:
    """Progress: the recipe of a task is about to start (`result` is None), or the task is settled."""

    kind: Literal["started", "done", "reused", "failed", "blocked"]
    task: Task
    result: TaskResult | None = None


@dataclass(frozen=True, slots=True)
class RunReport:
    """What became of a plan: one result for each of its tasks, in the plan's order."""

    results: tuple[TaskResult, ...]

    @property
    def ok(self) -> bool:
        """Whether every task has its products."""
        return all(result.state in ("done", "reused") for result in self.results)


def run(
    plan: Plan,
    store: Path,
    *,
    jobs: int = 2,
    limits: Limits = DEFAULT_LIMITS,
    report: Callable[[Event], None] | None = None,
    esorex: Esorex | None = None,
) -> RunReport:
    """Run the plan's recipes, at most `jobs` at a time, each under `limits`; keep products in `store`.

    `report` is called from several threads, but by one at a time. Ctrl-C, as any exception, ends the
    recipes that run and leaves no half-made entry.

    Raises PlanError for a plan that cannot be walked, EsorexError when esorex is not installed, OSError when
    the store cannot be used; what goes wrong in a task is in its result.
    """
    walker = Walker(plan)
    esorex = esorex or Esorex.find()
    stop, one_at_a_time = threading.Event(), threading.Lock()
    results: dict[str, TaskResult] = {}

    def tell(event: Event) -> None:
        if report is not None:
            with one_at_a_time:
                report(event)

    with open_store(store) as place, ThreadPoolExecutor(jobs) as pool:
        bench = Bench(place, esorex, limits, stop)
        running: dict[Future[TaskResult], Task] = {}
        try:
            while not walker.done:
                begun = {task.id for task in running.values()}
                for task in [task for task in walker.ready() if task.id not in begun][: jobs - len(running)]:
                    running[_submit(pool, bench, task, dict(results), tell)] = task
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    results[task.id] = result = future.result()
                    tell(Event(result.state, task, result))
                    if result.state != "failed":
                        walker.finish(task.id)
                        continue
                    for other in walker.fail(task.id):
                        reason = f"blocked: it needs {task.id!r}, which failed"
                        results[other.id] = lost = TaskResult(
                            other.id, other.recipe, "blocked", reason=reason
                        )
                        tell(Event("blocked", other, lost))
        finally:
            stop.set()
    return RunReport(tuple(results[task.id] for task in plan.tasks))


def _submit(
    pool: ThreadPoolExecutor,
    bench: Bench,
    task: Task,
    upstream: dict[str, TaskResult],
    tell: Callable[[Event], None],
) -> Future[TaskResult]:
    return pool.submit(bench.carry_out, task, upstream, lambda _log: tell(Event("started", task)))
