from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from astropy.io import fits

from processing.bench import TaskResult
from processing.esorex import Esorex
from processing.graph import InputFile, InputProduct, Plan, PlanError, Task
from processing.process import Limits
from processing.products import sha256
from processing.runner import Event, RunReport, run

WriteFrames: TypeAlias = Callable[..., tuple[InputFile, ...]]
MakeTask: TypeAlias = Callable[..., Task]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def darks(tmp_path: Path, write_darks: WriteFrames) -> tuple[InputFile, ...]:
    return write_darks(tmp_path / "raw")


@pytest.fixture
def plan(darks: tuple[InputFile, ...], dark_task: MakeTask) -> Plan:
    return Plan((dark_task(darks),))


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
    path.write_text(f'#!/bin/sh\n{script}\nexec {esorex.program} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return replace(esorex, program=path)


def test_a_recipe_makes_checked_products_and_keeps_its_papers(
    esorex: Esorex, plan: Plan, store: Path
) -> None:
    events: list[Event] = []
    report = run(plan, store, report=events.append, esorex=esorex)
    result = only(report)
    assert report.ok
    assert (result.state, result.reason) == ("done", "")
    assert [event.kind for event in events] == ["started", "done"]
    assert {product.category for product in result.products} == {
        f"NACO_IMG_DARK_{kind}" for kind in ("AVG", "HOT", "COLD", "DEV")
    }
    average = next(product for product in result.products if product.category == "NACO_IMG_DARK_AVG")
    assert average.path == (
        store / result.key[:2] / result.key
        / f"r.NACO.2010-01-01T01:00:00.000_NACO_IMG_DARK_AVG_{result.key[:8]}.fits"
    )  # fmt: skip
    assert average.sha256 == sha256(average.path)
    assert abs(float(fits.getdata(average.path).mean()) - 100) < 0.1
    assert result.log is not None
    assert "This is EsoRex" in result.log.read_text()
    assert (result.log.parent / "task.sof").read_text().count("CAL_DARK\n") == 3
    assert_no_work_left(store)


def test_the_manifest_says_how_the_products_came_to_be(
    esorex: Esorex, plan: Plan, darks: tuple[InputFile, ...], store: Path
) -> None:
    result = only(run(plan, store, esorex=esorex))
    said = manifest(result)
    assert said["key"] == result.key
    assert said["recipe"] == "naco_img_dark"
    assert said["pipeline"] == esorex.pipeline("naco").id
    assert said["inputs"] == [
        {"tag": dark.tag, "name": Path(dark.path).name, "sha256": dark.sha256} for dark in darks
    ]
    assert said["code"] == 0
    assert [item["sha256"] for item in said["products"]] == [product.sha256 for product in result.products]


def test_products_name_their_raw_frames_and_carry_no_datamd5(esorex: Esorex, plan: Plan, store: Path) -> None:
    result = only(run(plan, store, esorex=esorex))
    header = fits.getheader(result.products[0].path)
    assert header["ESO PRO REC1 RAW2 NAME"] == "NACO.2010-01-01T01:01:00.000.fits"
    assert "DATAMD5" not in header


def test_what_is_done_is_never_done_again(esorex: Esorex, plan: Plan, store: Path) -> None:
    first = only(run(plan, store, esorex=esorex))
    begun = manifest(first)["begun"]
    events: list[Event] = []
    second = only(run(plan, store, report=events.append, esorex=esorex))
    assert [event.kind for event in events] == ["reused"]
    assert second.state == "reused"
    assert second.products == first.products
    assert manifest(second)["begun"] == begun


def test_neither_names_nor_order_of_the_inputs_make_it_another_run(
    esorex: Esorex, darks: tuple[InputFile, ...], dark_task: MakeTask, store: Path
) -> None:
    run(Plan((dark_task(darks),)), store, esorex=esorex)
    moved = []
    for number, dark in enumerate(reversed(darks)):
        path = Path(dark.path).rename(Path(dark.path).parent / f"{number}.fits")
        moved.append(replace(dark, path=str(path)))
    assert only(run(Plan((dark_task(tuple(moved)),)), store, esorex=esorex)).state == "reused"


def test_other_content_or_other_parameters_are_another_run(
    esorex: Esorex,
    darks: tuple[InputFile, ...],
    dark_task: MakeTask,
    write_darks: WriteFrames,
    store: Path,
    tmp_path: Path,
) -> None:
    others = (darks[0], darks[1], write_darks(tmp_path / "more", seed=2)[0])
    tasks = (dark_task(darks), dark_task(others), dark_task(darks, parameters=("--hot_t=9",)))
    keys = {only(run(Plan((task,)), store, esorex=esorex)).key for task in tasks}
    assert len(keys) == 3
    assert entries(store) == sorted(keys)


def test_a_torn_input_fails_with_the_file_and_the_meaning(
    esorex: Esorex, darks: tuple[InputFile, ...], dark_task: MakeTask, store: Path
) -> None:
    report = run(Plan((dark_task((torn(darks[0]), *darks[1:])),)), store, esorex=esorex)
    result = only(report)
    assert not report.ok
    assert result.state == "failed"
    assert "exit code 6: an input file is not good FITS" in result.reason
    assert "NACO.2010-01-01T01:00:00.000.fits" in result.reason
    assert result.log == store / "failed" / result.key / "esorex.log"
    assert manifest(result)["reason"] == result.reason
    assert entries(store) == []
    assert_no_work_left(store)


def test_an_input_that_changed_since_the_plan_is_refused(
    esorex: Esorex, plan: Plan, darks: tuple[InputFile, ...], store: Path
) -> None:
    flip(Path(darks[1].path))
    result = only(run(plan, store, esorex=esorex))
    assert (result.state, result.key) == ("failed", "")
    assert f"input {darks[1].path} (CAL_DARK) is not the file of the plan" in result.reason


def test_a_missing_input_is_refused(
    esorex: Esorex, plan: Plan, darks: tuple[InputFile, ...], store: Path
) -> None:
    Path(darks[2].path).unlink()
    result = only(run(plan, store, esorex=esorex))
    assert result.reason == f"input {darks[2].path} (CAL_DARK) cannot be read: No such file or directory"


def test_a_missing_category_is_a_failure_though_the_recipe_is_content(
    esorex: Esorex, darks: tuple[InputFile, ...], dark_task: MakeTask, store: Path
) -> None:
    demanding = dark_task(darks, expects=("NACO_IMG_DARK_AVG", "NACO_IMG_DARK_RON"))
    result = only(run(Plan((demanding,)), store, esorex=esorex))
    assert result.state == "failed"
    assert "naco_img_dark made no NACO_IMG_DARK_RON; it made NACO_IMG_DARK_AVG, " in result.reason
    assert manifest(result)["code"] == 0
    run(Plan((dark_task(darks),)), store, esorex=esorex)
    reused = only(run(Plan((demanding,)), store, esorex=esorex))
    assert (reused.state, reused.reason) == ("failed", result.reason)


def test_a_missing_pipeline_is_a_failure_that_says_what_to_install(
    esorex: Esorex, darks: tuple[InputFile, ...], dark_task: MakeTask, store: Path
) -> None:
    result = only(run(Plan((dark_task(darks, instrument="crires"),)), store, esorex=esorex))
    assert result.state == "failed"
    assert "apt-get install cpl-plugin-crires" in result.reason


def test_a_success_takes_the_place_of_an_earlier_failure(esorex: Esorex, plan: Plan, store: Path) -> None:
    failed = only(run(plan, store, limits=Limits(seconds=0.01), esorex=esorex))
    assert failed.log is not None
    assert failed.log.exists()
    done = only(run(plan, store, esorex=esorex))
    assert (done.state, done.key) == ("done", failed.key)
    assert not failed.log.exists()


def test_the_time_limit_is_a_failure_that_says_so(esorex: Esorex, plan: Plan, store: Path) -> None:
    for _ in range(2):
        result = only(run(plan, store, limits=Limits(seconds=0.01), esorex=esorex))
        assert result.reason == "naco_img_dark was killed after 0.01 s, its time limit"
        assert result.log is not None
        assert result.log.exists()
        assert_no_work_left(store)


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
    jitter = Task("JITTER", "naco_img_jitter", "naco", "r.science", (*objects, dark), ("COADDED_IMG",))
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


def test_a_product_that_nobody_made_is_a_failure_of_who_needs_it(
    esorex: Esorex, darks: tuple[InputFile, ...], dark_task: MakeTask, store: Path
) -> None:
    lacking = dark_task((InputProduct("MASTER_FLAT", "DARK", "MASTER_FLAT"),), id="NEXT")
    report = run(Plan((dark_task(darks), lacking)), store, esorex=esorex)
    assert report.results[1].reason == "'DARK' made no MASTER_FLAT, which is needed as MASTER_FLAT"


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
        plan, store, jobs=2, limits=Limits(seconds=30), esorex=wrapped(esorex, tmp_path / "meet", script)
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


def test_blanks_in_paths_do_no_harm(
    esorex: Esorex, write_darks: WriteFrames, dark_task: MakeTask, tmp_path: Path
) -> None:
    first, *rest = write_darks(tmp_path / "raw data")
    renamed = Path(first.path).rename(tmp_path / "raw data" / "my dark.fits")
    plan = Plan((dark_task((replace(first, path=str(renamed)), *rest)),))
    result = only(run(plan, tmp_path / "my store", esorex=esorex))
    assert (result.state, result.reason) == ("done", "")
    assert fits.getheader(result.products[0].path)["ESO PRO REC1 RAW1 NAME"] == "my_dark.fits"


def test_two_inputs_of_one_base_name_stay_apart(
    esorex: Esorex, darks: tuple[InputFile, ...], dark_task: MakeTask, store: Path, tmp_path: Path
) -> None:
    same = []
    for number, dark in enumerate(darks):
        (tmp_path / str(number)).mkdir()
        same.append(replace(dark, path=str(Path(dark.path).rename(tmp_path / str(number) / "dark.fits"))))
    result = only(run(Plan((dark_task(tuple(same)),)), store, esorex=esorex))
    assert result.state == "done"
    assert fits.getheader(result.products[0].path)["ESO PRO DATANCOM"] == 3


def test_settings_of_the_user_do_not_matter(
    esorex: Esorex, plan: Plan, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / ".esorex").mkdir(parents=True)
    (tmp_path / "home" / ".esorex" / "esorex.rc").write_text("esorex.caller.no-checksum=TRUE\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ESOREX_PLUGIN_DIR", "/nowhere")
    monkeypatch.setenv("ESOREX_OUTPUT_PREFIX", "zz")
    monkeypatch.setenv("ESOREX_SUPPRESS_PREFIX", "FALSE")
    monkeypatch.setenv("ESOREX_LOG_LEVEL", "off")
    result = only(run(plan, store, esorex=esorex))
    assert (result.state, result.reason) == ("done", "")
    assert result.log is not None
    assert "Created product" in result.log.read_text()


def flip(product: Path) -> None:
    content = bytearray(product.read_bytes())
    content[-3000] ^= 1
    product.write_bytes(content)


def remove(product: Path) -> None:
    product.unlink()


def spoil_manifest(product: Path) -> None:
    (product.parent / "task.json").write_text("{")


@pytest.mark.parametrize("harm", [flip, remove, spoil_manifest])
def test_a_damaged_entry_is_noticed_and_made_again(
    esorex: Esorex, plan: Plan, store: Path, harm: Callable[[Path], None]
) -> None:
    first = only(run(plan, store, esorex=esorex))
    path = first.products[0].path
    harm(path)
    again = only(run(plan, store, esorex=esorex))
    assert again.state == "done"
    assert again.reason.startswith("made again, as the stored entry was damaged: ")
    assert again.products[0].sha256 == sha256(path)
    assert only(run(plan, store, esorex=esorex)).state == "reused"
    assert entries(store) == [first.key]
    assert_no_work_left(store)


def test_two_runs_at_once_share_one_entry(esorex: Esorex, plan: Plan, store: Path) -> None:
    both_begin = threading.Barrier(2, timeout=30)

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
task = Task("DARK", "naco_img_dark", "naco", "r.dark", (InputFile("CAL_DARK", path, sha256),), ())
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
        recipe = int(_soon(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()))
        assert _running(recipe)
        parent.send_signal(how)
        parent.communicate()
    _soon(lambda: not _running(recipe))
    assert entries(store) == []
    if how == signal.SIGINT:
        assert_no_work_left(store)


def _soon(answer: Callable[[], Any]) -> Any:
    """The first true answer, within ten seconds."""
    for _ in range(1000):
        if said := answer():
            return said
        time.sleep(0.01)
    raise AssertionError("it never came true")


def _running(pid: int) -> bool:
    """Whether a process still runs; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
