"""What a measurement is reported in: the machine, and a table of what was measured beside its goal.

`python -m benchmarks.report` prints the machine's description.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Line:
    """One measurement; `goal` is told beside it, `met` is None where there is none."""

    what: str
    measured: str
    goal: str = ""
    met: bool | None = None


def machine() -> str:
    """Processor, cores that this process may use, memory, system, Python, and how busy it is right now."""
    names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{names[0] if names else platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
        f"{memory:.0f} GB, Linux {platform.release()}, Python {platform.python_version()}, load {load:.1f}"
    )


def show(title: str, lines: Iterable[Line]) -> None:
    """Print a table; a goal that was missed is told, no more."""
    lines = list(lines)
    what = max(len(line.what) for line in lines)
    measured = max(len(line.measured) for line in lines)
    print(f"\n{title}")
    for line in lines:
        verdict = "" if line.met is None else "ok" if line.met else "falls short"
        row = f"  {line.what:{what}}  {line.measured:>{measured}}  {line.goal:>14}  {verdict}"
        print(row.rstrip(), flush=True)


def seconds(work: Callable[[], object], rounds: int) -> float:
    """What the fastest of the rounds took, as the others were disturbed."""
    times = []
    for _ in range(rounds):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times)


def p50_p95(times: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    cuts = quantiles(times, n=20, method="inclusive")
    return cuts[9], cuts[18]


def resident_mb(pid: int | None = None, *, peak: bool = False) -> float:
    """Resident memory of a process (this one), MB = 10^6 bytes; its highest so far with `peak` (proc(5))."""
    status = Path(f"/proc/{pid or 'self'}/status").read_text()
    found = re.search(rf"^{'VmHWM' if peak else 'VmRSS'}:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024 / 1e6


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, user and system (proc(5)), in steps of a clock tick, 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    print(machine())
