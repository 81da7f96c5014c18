"""One command in a process group of its own, under limits of time and memory, never left behind."""

from __future__ import annotations

import math
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

# setpriv (util-linux) asks the kernel to kill the command when we die, even by SIGKILL, then becomes it.
# Python's own way, a preexec_fn, can deadlock in a program with threads.
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use: wall-clock seconds, and resident memory in MB (2**20 bytes).

    Resident memory is watched, not RLIMIT_AS: address space is not what a machine runs short of, and a
    refused allocation ends a recipe with a message about anything but the limit.
    """

    seconds: float = 3600.0
    memory_mb: float = 8192.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.

    `code` is the exit status (-N: ended by signal N), `elapsed` in seconds, `peak_mb` the highest resident
    memory of the command itself (not of its children) in MB, as last seen alive; `killed` says why we
    ended it, "" when it ended by itself. `free_mb` is the least that was seen free, in MB, on the disk of its
    working directory, while it ran and just after.
    """

    code: int
    elapsed: float
    peak_mb: float
    killed: str
    free_mb: float


def run(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], output: Path, limits: Limits, stop: Event
) -> Outcome:
    """Run a command to its end, to a limit, or until `stop` is set; then kill what is left of its group.

    stdout and stderr go to `output`. Raises OSError when it cannot be started.
    """
    begun = time.monotonic()
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [*DIES_WITH_US, *command],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        peak_mb, free_mb, killed = _watch(process.pid, cwd, begun, limits, stop)
    finally:
        # The leader is not reaped yet, so its group id cannot belong to anyone else by now.
        os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    return Outcome(code, time.monotonic() - begun, peak_mb, killed, min(free_mb, _free_mb(cwd)))


def _watch(pid: int, cwd: Path, begun: float, limits: Limits, stop: Event) -> tuple[float, float, str]:
    """Wait for the end of a process or for a reason to end it.

    Returns its peak memory, the least space that was free where it works, and the reason.
    """
    handle = os.pidfd_open(pid)
    try:
        ended = select.poll()
        ended.register(handle, select.POLLIN)
        peak_mb, free_mb, pause = 0.0, math.inf, 0.005
        # The pause grows, so that a recipe of 30 ms is measured and one of an hour not disturbed.
        while not ended.poll(pause * 1000):
            peak_mb = max(peak_mb, _peak_mb(pid))
            free_mb = min(free_mb, _free_mb(cwd))
            if stop.is_set():
                return peak_mb, free_mb, "stopped on request"
            if time.monotonic() - begun > limits.seconds:
                return peak_mb, free_mb, f"killed after {limits.seconds:g} s, its time limit"
            if peak_mb > limits.memory_mb:
                reason = f"killed at {peak_mb:.0f} MB of memory; its limit is {limits.memory_mb:g} MB"
                return peak_mb, free_mb, reason
            pause = min(pause * 1.5, 0.1)
        return peak_mb, free_mb, ""
    finally:
        os.close(handle)


def _free_mb(place: Path) -> float:
    """What we may still write on the disk of a directory, in MB (statvfs)."""
    return shutil.disk_usage(place).free / 2**20


def _peak_mb(pid: int) -> float:
    """High-water mark of a process's resident memory in MB; 0 when it is just ending.

    getrusage would be simpler, but its ru_maxrss starts from the memory of the process that forked.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0
