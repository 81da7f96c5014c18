from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from processing.bench import TaskResult
from processing.esorex import Esorex
from processing.graph import InputFile, InputProduct, Plan, PlanError, Task
from processing.process import Limits
from processing.products import sha256
from processing.runner import Event, RunReport, run
from tests.hooked import hook
from tests.waiting import until

WriteFrames: TypeAlias = Callable[..., tuple[InputFile, ...]]
MakeTask: TypeAlias = Callable[..., Task]

ROOT = Path(__file__).parents[2]


def only(report: RunReport) -> TaskResult:
    (result,) = report.results
    return result


def manifest(result: TaskResult) -> Any:
    assert result.log is not None
    return json.loads((result.log.parent / "task.json").read_text())


def states(report: RunReport) -> dict[str, str]:
    return {result.task: result.state for result in report.results}


def entries(store: Path) -> list[str]:
    """Keys of the entries in a store."""
    return sorted(path.name for path in store.glob("??/*"))


def assert_no_work_left(store: Path) -> None:
    assert [path.name for path in (store / ".work").iterdir()] == ["lock"]


def torn(source: InputFile) -> InputFile:
    """The same frame, cut in the middle of its pixels."""
    path = Path(source.path)
    path.write_bytes(path.read_bytes()[:300_000])
    return replace(source, sha256=sha256(path))


def wrapped(esorex: Esorex, path: Path, script: str) -> Esorex:
    """An esorex that does something else first (or only)."""
    hook(path, esorex.program, script)
    return replace(esorex, program=path)


def test_a_product_feeds_the_next_recipe(
    esorex: Esorex,
    darks: tuple[InputFile, ...],
    dark_task: MakeTask,
    write_objects: WriteFrames,
    store: Path,
    tmp_path: Path,
) -> None:
    dark = InputProduct("NACO_IMG_DARK_AVG", "DARK", "NACO_IMG_DARK_AVG")
    objects = write_objects(tmp_path / "raw")
    jitter = Task("JITTER", "naco_img_jitter", "r.science", (*objects, dark), ("COADDED_IMG",))
    report = run(Plan((jitter, dark_task(darks))), store, esorex=esorex)
    assert report.ok
    science, master = report.results
    assert manifest(science)["inputs"][-1] == {
        "tag": "NACO_IMG_DARK_AVG",
        "name": master.products[0].path.name,
        "sha256": master.products[0].sha256,
    }
    assert states(run(Plan((jitter, dark_task(darks))), store, esorex=esorex)) == {
        "JITTER": "reused",
        "DARK": "reused",
    }


def test_a_failure_blocks_what_needs_it_and_the_rest_goes_on(
    esorex: Esorex,
    darks: tuple[InputFile, ...],
    dark_task: MakeTask,
    write_darks: WriteFrames,
    store: Path,
    tmp_path: Path,
) -> None:
    others = write_darks(tmp_path / "more", seed=2)
    torn_darks = (torn(darks[0]), *darks[1:])
    wants = (InputProduct("NACO_IMG_DARK_AVG", "BAD", "NACO_IMG_DARK_AVG"),)
    plan = Plan(
        (
            dark_task(torn_darks, id="BAD"),
            dark_task(wants, id="NEXT"),
            dark_task((InputProduct("CAL_DARK", "NEXT", "X"),), id="LAST"),
            dark_task(others, id="GOOD"),
        )
    )
    events: list[Event] = []
    report = run(plan, store, report=events.append, esorex=esorex)
    assert states(report) == {"BAD": "failed", "NEXT": "blocked", "LAST": "blocked", "GOOD": "done"}
    assert report.results[2].reason == "blocked: it needs 'BAD', which failed"
    assert not report.ok
    settled = sorted(event.task.id for event in events if event.result is not None)
    assert settled == ["BAD", "GOOD", "LAST", "NEXT"]


def test_independent_tasks_run_side_by_side(
    esorex: Esorex,
    darks: tuple[InputFile, ...],
    dark_task: MakeTask,
    write_darks: WriteFrames,
    store: Path,
    tmp_path: Path,
) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    # Each waits until the other has come: one after the other, they would wait for ever.
    script = f"touch {meeting}/$$; until [ $(ls {meeting} | wc -l) = 2 ]; do sleep 0.01; done"
    others = write_darks(tmp_path / "more", seed=2)
    plan = Plan((dark_task(darks, id="A"), dark_task(others, id="B")))
    report = run(
        plan, store, jobs=2, limits=Limits(seconds=120), esorex=wrapped(esorex, tmp_path / "meet", script)
    )
    assert states(report) == {"A": "done", "B": "done"}


def test_no_more_tasks_run_at_once_than_allowed(
    esorex: Esorex, darks: tuple[InputFile, ...], dark_task: MakeTask, store: Path
) -> None:
    tasks = tuple(
        dark_task(darks, id=str(number), parameters=(f"--hot_t={number}",)) for number in (8, 9, 10)
    )
    events: list[Event] = []
    run(Plan(tasks), store, jobs=1, report=events.append, esorex=esorex)
    assert [(event.kind, event.task.id) for event in events] == [
        (kind, number) for number in ("8", "9", "10") for kind in ("started", "done")
    ]


def test_two_runs_at_once_share_one_entry(esorex: Esorex, plan: Plan, store: Path) -> None:
    both_begin = threading.Barrier(2, timeout=120)

    def meet(event: Event) -> None:
        if event.kind == "started":
            both_begin.wait()

    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run, plan, store, report=meet, esorex=esorex) for _ in range(2)]
        first, second = (only(each.result()) for each in runs)
    assert first.state == second.state == "done"
    assert first.products == second.products
    assert first.products[0].sha256 == sha256(first.products[0].path)
    assert entries(store) == [first.key]
    assert_no_work_left(store)


def test_what_a_dead_run_left_is_swept_away(esorex: Esorex, plan: Plan, store: Path) -> None:
    left = store / ".work" / "dead" / "room"
    left.mkdir(parents=True)
    (left / "half.fits").write_bytes(b"half")
    run(plan, store, esorex=esorex)
    assert_no_work_left(store)


def test_an_exception_of_the_listener_ends_the_run_and_leaves_nothing_half_made(
    esorex: Esorex, plan: Plan, store: Path
) -> None:
    def listener(event: Event) -> None:
        raise LookupError(event.kind)

    with pytest.raises(LookupError, match="started"):
        run(plan, store, report=listener, esorex=esorex)
    assert entries(store) == []
    assert_no_work_left(store)


def test_a_plan_that_cannot_be_walked_is_refused_before_anything_runs(
    esorex: Esorex, dark_task: MakeTask, store: Path
) -> None:
    with pytest.raises(PlanError):
        run(Plan((dark_task((InputProduct("A", "DARK", "A"),)),)), store, esorex=esorex)
    assert not store.exists()


def test_an_empty_plan_is_a_success(esorex: Esorex, store: Path) -> None:
    assert run(Plan(()), store, esorex=esorex) == RunReport(())


HANGING_RUN = """
import sys
from pathlib import Path
from processing.esorex import Esorex
from processing.graph import InputFile, Plan, Task
from processing.runner import run
program, version, plugins, store, path, sha256 = sys.argv[1:]
task = Task("DARK", "naco_img_dark", "r.dark", (InputFile("CAL_DARK", path, sha256),), ())
run(Plan((task,)), Path(store), esorex=Esorex(Path(program), version, (Path(plugins),)))
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_no_recipe_and_no_entry_behind(
    esorex: Esorex, darks: tuple[InputFile, ...], store: Path, tmp_path: Path, how: signal.Signals
) -> None:
    hanging = wrapped(esorex, tmp_path / "hang", f"echo $$ > {tmp_path}/pid; exec sleep 300")
    plugins = esorex.pipeline("naco").path.parent
    arguments = [
        str(hanging.program),
        esorex.version,
        str(plugins),
        str(store),
        darks[0].path,
        darks[0].sha256,
    ]
    command = [sys.executable, "-c", HANGING_RUN, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as parent:
        recipe = int(until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()))
        assert _running(recipe)
        parent.send_signal(how)
        parent.communicate()
    until(lambda: not _running(recipe))
    assert entries(store) == []
    if how == signal.SIGINT:
        assert_no_work_left(store)


def _running(pid: int) -> bool:
    """Whether a process still runs; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
