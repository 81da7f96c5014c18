"""Whether a run went well: exit code, the set of PRO.CATG, and what its products hold."""

from __future__ import annotations

import signal
from collections.abc import Sequence, Set
from pathlib import Path

from processing.esorex import errors, meaning
from processing.graph import Task
from processing.process import Outcome
from processing.products import faults


def verdict(task: Task, outcome: Outcome, listed: Sequence[tuple[str, str]], log: Path) -> str:
    """Why a run failed by its exit code or its set of PRO.CATG; "" when it did not."""
    if outcome.killed:
        return f"{task.recipe} was {outcome.killed}"
    if outcome.code:
        said = "".join(f"; last error: {line}" for line in errors(log.read_text(errors="replace"), last=1))
        return f"{task.recipe} ended with exit code {outcome.code}: {meaning(outcome.code)}{said}"
    return missing(task, {category for _, category in listed})


def missing(task: Task, made: Set[str]) -> str:
    """What a task was to make and did not; more than expected may be there."""
    lacking = ", ".join(category for category in task.expects if category not in made)
    return (
        f"{task.recipe} made no {lacking}; it made {', '.join(sorted(made)) or 'nothing'}" if lacking else ""
    )


def product_faults(out: Path, listed: Sequence[tuple[str, str]]) -> str:
    """Everything that is wrong with the product files."""
    found = [
        f"product {name} ({category}) {fault}"
        for name, category in listed
        for fault in faults(out / name, category)
    ]
    return "; ".join(found)


def heals(outcome: Outcome) -> bool:
    """Ended by a signal that was not ours (128+N: told by a shell), or could not write (CPL 5, esorex 66).

    A crash is among them: it can be the machine's fault, and costs one more try when it is the recipe's.
    """
    signalled = outcome.code < 0 or 128 < outcome.code < 128 + signal.NSIG
    return not outcome.killed and (signalled or outcome.code in (5, 66))
