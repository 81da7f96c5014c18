"""A DAG of recipe runs: the plan that the workshop carries out, and the walker over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that exists: its SOF tag, its path, and the SHA-256 of its bytes (hex)."""

    tag: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class InputProduct:
    """A product that another task of the plan will make, by that task's id and PRO.CATG."""

    tag: str
    task: str
    category: str


Input: TypeAlias = InputFile | InputProduct


@dataclass(frozen=True, slots=True)
class Task:
    """One recipe run.

    `id` is unique in its plan and says what it is (`ACTION_BIAS_BLUE UVES.2010-01-01T09:00:00.000`).
    `instrument` names the pipeline (`uves`, `naco`), `parameters` are esorex options as
    `--name=value`, `expects` the PRO.CATG set that must come out (more may).
    `name` is the root of the product names: `r.<primary dp_id>`.
    """

    id: str
    recipe: str
    instrument: str
    name: str
    inputs: tuple[Input, ...]
    expects: tuple[str, ...]
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Tasks, each after the ones it needs; the last is the science task."""

    tasks: tuple[Task, ...]
