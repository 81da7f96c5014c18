"""Memory of this machine that runs may take together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
