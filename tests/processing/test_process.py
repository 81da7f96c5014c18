from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from processing import process
from processing.process import Limits, Outcome, run
from tests.waiting import until

ROOT = Path(__file__).parents[2]
PATH = {"PATH": "/usr/bin:/bin"}
MINUTE = Limits(seconds=60)

# A program that runs a command and is then killed itself.
PARENT = """
import sys, threading
from pathlib import Path
from processing.process import Limits, run
where = Path(sys.argv[1])
command = ["sh", "-c", "echo $$ > leader; exec sleep 300"]
environment = {"PATH": "/usr/bin:/bin"}
run(command, cwd=where, env=environment, output=where / "output", limits=Limits(), stop=threading.Event())
"""


def sh(script: str, tmp_path: Path, limits: Limits = MINUTE, stop: threading.Event | None = None) -> Outcome:
    output = tmp_path / "output"
    return run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env=PATH,
        output=output,
        limits=limits,
        stop=stop or threading.Event(),
    )


def alive(pid: int) -> bool:
    """Whether a process still runs; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(pid: int) -> bool:
    """Whether a process ends: a kill is carried out soon, not at once."""
    return until(lambda: not alive(pid), f"process {pid} ends")


def first_line(path: Path) -> str:
    """The first line of a file; "" as long as it is not there as a whole."""
    return path.read_text().strip() if path.exists() and path.read_text().endswith("\n") else ""


def written(path: Path) -> str:
    """The first line of a file that another process will write."""
    return until(lambda: first_line(path), f"{path} is written")


def test_a_command_ends_with_its_code_and_its_output_is_kept(tmp_path: Path) -> None:
    outcome = sh("echo out; echo err >&2; exit 6", tmp_path)
    assert (outcome.code, outcome.killed) == (6, "")
    assert (tmp_path / "output").read_text() == "out\nerr\n"


def test_a_command_sees_only_the_given_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESOREX_SUPPRESS_PREFIX", "FALSE")
    sh("env | grep -c ESOREX", tmp_path)
    assert (tmp_path / "output").read_text() == "0\n"


def test_a_crash_is_told_as_its_signal(tmp_path: Path) -> None:
    assert sh("kill -SEGV $$", tmp_path).code == -11


def test_the_time_limit_ends_the_command_and_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its time stands still until the child is there, however long a busy machine takes to start it.
    clock = SimpleNamespace(monotonic=lambda: float(bool(first_line(tmp_path / "child"))))
    monkeypatch.setattr(process, "time", clock)
    outcome = sh("sleep 300 & echo $! > child; wait", tmp_path, Limits(seconds=0.5))
    assert outcome.killed == "killed after 0.5 s, its time limit"
    assert outcome.code == -9
    assert ends(int(written(tmp_path / "child")))


def test_the_memory_limit_ends_the_command(tmp_path: Path) -> None:
    code = "import time; block = bytearray(64 << 20); time.sleep(300)"
    command = [sys.executable, "-c", code]
    limits = Limits(seconds=60, memory_mb=48)
    outcome = run(
        command, cwd=tmp_path, env=PATH, output=tmp_path / "o", limits=limits, stop=threading.Event()
    )
    assert outcome.killed.endswith("of memory; its limit is 48 MB")
    assert outcome.peak_mb > 48


def test_the_peak_is_the_memory_of_the_command_not_of_python(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()  # which is seen when its memory has been
    assert 0 < sh("sleep 300", tmp_path, stop=stop).peak_mb < 20


def test_the_least_free_space_is_seen_though_what_filled_the_disk_is_removed_at_the_end(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, full = process._free_mb, small_disk / "full"

    def looked(place: Path) -> float:
        if (free := look(place)) < 2:
            full.touch()
        return free

    monkeypatch.setattr(process, "_free_mb", looked)
    assert 7 < sh("true", small_disk).free_mb <= 8
    seen = "until [ -e full ]; do sleep 0.05; done"
    assert sh(f"head -c 7M /dev/zero > big; {seen}; rm big; exit 8", small_disk).free_mb < 2
    assert sh("head -c 7M /dev/zero > big; exit 8", small_disk).free_mb < 2


def test_the_flag_ends_the_command(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert sh("sleep 300", tmp_path, stop=stop).killed == "stopped on request"


def test_a_child_left_behind_by_a_command_that_ended_is_killed_too(tmp_path: Path) -> None:
    assert sh("sleep 300 & echo $! > child", tmp_path).code == 0
    assert ends(int(written(tmp_path / "child")))


def test_the_command_dies_with_a_parent_that_is_killed_without_warning(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], env=environment) as parent:
        leader = int(written(tmp_path / "leader"))
        assert alive(leader)
        parent.kill()
    assert ends(leader)
