"""A DAG of recipe runs: the plan that the workshop carries out, and the walker over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias


class PlanError(Exception):
    """A plan that cannot be carried out: which task is wrong, and how."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that exists: its SOF tag, its path, and the SHA-256 of its bytes (hex)."""

    tag: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class InputProduct:
    """A product that another task of the plan will make, by that task's id and PRO.CATG.

    With `others` it is all that the task makes beside that category, however much that is; the PRO.CATG of
    each stands behind the tag. An `optional` one is left out when the task that should make it fails.
    """

    tag: str
    task: str
    category: str
    others: bool = False
    optional: bool = False


Input: TypeAlias = InputFile | InputProduct


def tag_of(wanted: InputProduct, category: str) -> str | None:
    """The tag that a product of this category has in the SOF; None when it is not what is wanted."""
    if wanted.others:
        return None if category == wanted.category else f"{wanted.tag}{category}"
    return wanted.tag if category == wanted.category else None


@dataclass(frozen=True, slots=True)
class Task:
    """One recipe run.

    `id` is unique in its plan and says what it is (`ACTION_BIAS_BLUE UVES.2010-01-01T09:00:00.000`).
    `parameters` are esorex options as `--name=value`, `expects` the
    PRO.CATG set that must come out (more may).
    `name` is the root of the product names: `r.<primary dp_id>`. `origin` says what it was planned from: it
    is written into task.json, and products do not depend on it.
    """

    id: str
    recipe: str
    name: str
    inputs: tuple[Input, ...]
    expects: tuple[str, ...]
    parameters: tuple[str, ...] = ()
    origin: str = ""


def without(task: Task, failed: Set[str]) -> str:
    """What a task had to do without, for its report; "" when it had everything."""
    lacking = [
        f"{wanted.category} (of {wanted.task}, which failed)"
        for wanted in task.inputs
        if isinstance(wanted, InputProduct) and wanted.optional and wanted.task in failed
    ]
    return f"made without {', '.join(lacking)}" if lacking else ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Tasks, each after the ones it needs; the last is the science task."""

    tasks: tuple[Task, ...]


class Walker:
    """Walks a plan: which tasks may run now, and what a failure costs.

    Each task is waiting until it is finished, failed, or blocked by a failure before it; nothing
    is settled twice. The walker knows nothing of running: whoever asks keeps count of what it has begun.

    Raises PlanError for a repeated task id, an input from a task that the plan lacks, or a cycle.
    """

    def __init__(self, plan: Plan) -> None:
        repeated = [
            task_id for task_id, times in Counter(task.id for task in plan.tasks).items() if times > 1
        ]
        if repeated:
            raise PlanError(
                f"task {repeated[0]!r} is in the plan more than once; every task needs its own id"
            )
        self._waiting = {task.id: task for task in plan.tasks}
        self._needs = {task.id: _needs(task) for task in plan.tasks}
        self._demands = {task.id: _demands(task) for task in plan.tasks}
        for task_id, needs in self._needs.items():
            for unknown in sorted(needs - self._waiting.keys()):
                raise PlanError(
                    f"task {task_id!r} takes a product of {unknown!r}, which the plan does not hold"
                )
        try:
            TopologicalSorter(self._needs).prepare()
        except CycleError as error:
            raise PlanError(f"tasks wait for each other in a circle: {' -> '.join(error.args[1])}") from None
        self._settled: set[str] = set()

    @property
    def done(self) -> bool:
        """Whether every task is finished, failed or blocked."""
        return not self._waiting

    def ready(self) -> tuple[Task, ...]:
        """The waiting tasks whose needs are all settled, in the plan's order (those begun included)."""
        return tuple(task for task in self._waiting.values() if self._needs[task.id] <= self._settled)

    def finish(self, task_id: str) -> None:
        """Settle a ready task as finished. Raises ValueError when it is not ready."""
        self._settle(task_id)

    def fail(self, task_id: str) -> tuple[Task, ...]:
        """Settle a ready task as failed; returns all tasks that this blocks, in the plan's order.

        A task that could do without is not blocked. Raises ValueError when the task is not ready.
        """
        self._settle(task_id)
        lost = {task_id}
        while more := {other for other in self._waiting.keys() - lost if self._demands[other] & lost}:
            lost |= more
        self._settled |= lost
        return tuple(self._waiting.pop(other) for other in list(self._waiting) if other in lost)

    def _settle(self, task_id: str) -> None:
        if task_id not in self._waiting or not self._needs[task_id] <= self._settled:
            raise ValueError(
                f"task {task_id!r} is not ready: settled already, still in need, or not of this plan"
            )
        del self._waiting[task_id]
        self._settled.add(task_id)


def _needs(task: Task) -> frozenset[str]:
    return frozenset(wanted.task for wanted in task.inputs if isinstance(wanted, InputProduct))


def _demands(task: Task) -> frozenset[str]:
    """The needs that it cannot do without."""
    return frozenset(
        wanted.task for wanted in task.inputs if isinstance(wanted, InputProduct) and not wanted.optional
    )
