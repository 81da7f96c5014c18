"""What runs take: memory of this machine that they share, and which worker has enough for one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Condition

from processing.resources import DEFAULT_MB, MARGIN, MEMORY_MB


def machine_mb() -> int:
    """Memory for this process in MB: the machine's, or less where a container says so (cgroup 2)."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    said = limit.read_text().strip() if limit.exists() else "max"
    return min(physical, int(said) if said.isdigit() else physical) // 2**20


class Budget:
    """So much memory for all; who wants more than is left waits, and one run alone always fits."""

    def __init__(self, total_mb: float) -> None:
        self.total_mb = total_mb
        self._left = total_mb
        self._changed = Condition()

    @contextmanager
    def share(self, wanted_mb: float, gives_up: Callable[[], bool]) -> Iterator[bool]:
        """Wait for so much memory and hold it; False, without any, when `gives_up` says so while waiting."""
        wanted = min(wanted_mb, self.total_mb)
        with self._changed:
            while not (got := wanted <= self._left) and not gives_up():
                self._changed.wait(0.2)
            if got:
                self._left -= wanted
        try:
            yield got
        finally:
            if got:
                with self._changed:
                    self._left += wanted
                    self._changed.notify_all()


def expected_mb(recipe: str, seen_mb: float | None) -> float:
    """What a run of a recipe is expected to take: the most seen so far with a margin, else as measured."""
    return (seen_mb or MEMORY_MB.get(recipe, DEFAULT_MB)) * MARGIN


@dataclass(frozen=True, slots=True)
class Needs:
    """A ready run, and what it took when it was last tried: memory in MB, seconds (0: it was not)."""

    recipe: str
    pipeline: str
    priority: int
    peak_mb: float
    elapsed: float

    def suits(self, memory_mb: float, seconds: float, expected_mb: float = 0.0) -> int:
        """How well so much suits a run: 2 well; 1 unless it takes what others of its recipe take; 0 not."""
        enough = memory_mb >= self.peak_mb and seconds >= self.elapsed
        return enough + (enough and memory_mb >= expected_mb)
