"""Whether a run went well: exit code, the set of PRO.CATG, and what its products hold."""

from __future__ import annotations

import signal
from collections.abc import Sequence, Set
from pathlib import Path

from processing.esorex import errors, meaning
from processing.graph import Task
from processing.process import Outcome
from processing.products import faults

# A recipe that failed while less than this was free, in MB, is taken to have met a full disk. Its exit code
# does not tell: on one, those of GIRAFFE end with 1, those of UVES with 8, as for much else. It is more than
# nothing because the disk is looked at every 0.1 s only: in between a frame of some tens of MB may have been
# written and, as it did not fit, removed.
FULL_MB = 64.0


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


def full_disk(outcome: Outcome) -> str:
    """What a full disk adds to the reason of a failure; "" when it was not, or we ended the run ourselves."""
    if outcome.killed or outcome.free_mb >= FULL_MB:
        return ""
    return f"; its disk was full: {outcome.free_mb:.0f} MB were left where it worked"


def heals(outcome: Outcome) -> bool:
    """Whether what failed may go well another time.

    It was ended by a signal that was not ours (128+N: told by a shell), could not write (CPL 5, esorex 66),
    or its disk was full. A crash is among them: it can be the machine's fault, and costs one more try when
    it is the recipe's.
    """
    signalled = outcome.code < 0 or 128 < outcome.code < 128 + signal.NSIG
    return not outcome.killed and (signalled or outcome.code in (5, 66) or bool(full_disk(outcome)))
