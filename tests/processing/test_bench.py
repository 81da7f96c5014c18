from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from astropy.io import fits

from processing.bench import TaskResult
from processing.esorex import Esorex
from processing.graph import InputFile, InputProduct, Plan, Task
from processing.names import input_name
from processing.process import Limits
from processing.products import sha256
from processing.runner import Event, RunReport, run
from tests.hooked import hook

WriteFrames: TypeAlias = Callable[..., tuple[InputFile, ...]]
MakeTask: TypeAlias = Callable[..., Task]


def only(report: RunReport) -> TaskResult:
    (result,) = report.results
    return result


def manifest(result: TaskResult) -> Any:
    assert result.log is not None
    return json.loads((result.log.parent / "task.json").read_text())


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


def flip(product: Path) -> None:
    content = bytearray(product.read_bytes())
    content[-3000] ^= 1
    product.write_bytes(content)


def remove(product: Path) -> None:
    product.unlink()


def spoil_manifest(product: Path) -> None:
    (product.parent / "task.json").write_text("{")


def instead(esorex: Esorex, path: Path, script: str) -> Esorex:
    """An esorex that does something else instead of a recipe."""
    hook(path, esorex.program, script)
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


def test_a_recipe_names_the_masters_it_took_with_names_that_its_cards_hold(
    esorex: Esorex, plan: Plan, write_objects: WriteFrames, store: Path, tmp_path: Path
) -> None:
    """Of two products of one run; that a dark serves as a flat is nothing to naco_img_jitter."""
    taken = {"MASTER_IMG_FLAT": "NACO_IMG_DARK_AVG", "NACO_IMG_DARK_HOT": "NACO_IMG_DARK_HOT"}
    inputs = [InputProduct(tag, "DARK", category) for tag, category in taken.items()]
    objects = write_objects(tmp_path / "objects")
    jitter = Task("JITTER", "naco_img_jitter", "r.science", (*objects, *inputs), ("COADDED_IMG",),
                  ("--combine_method=first",))  # fmt: skip
    report = run(Plan((*plan.tasks, jitter)), store, esorex=esorex)
    dark, image = report.results
    assert report.ok, report.results
    files = {product.category: product.path.name for product in dark.products}
    wanted = {tag: input_name(files[category]) for tag, category in taken.items()}
    assert len(set(wanted.values())) == 2
    header = fits.getheader(image.products[0].path)
    named = {
        header[f"ESO PRO REC1 CAL{n} CATG"]: header[f"ESO PRO REC1 CAL{n} NAME"]
        for n in (1, 2)
        if f"ESO PRO REC1 CAL{n} NAME" in header
    }
    assert named
    assert named.items() <= wanted.items()
    assert image.log is not None
    sof = (image.log.parent / "task.sof").read_text().splitlines()
    assert {line.split()[1]: Path(line.split()[0]).name for line in sof if "r." in line} == wanted
    # task.json has the names in full, by which the archive knows them.
    assert {item["tag"]: item["name"] for item in manifest(image)["inputs"] if item["tag"] in taken} == {
        tag: files[category] for tag, category in taken.items()
    }


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
    assert (result.state, result.key, result.heals) == ("failed", "", False)
    assert f"input {darks[1].path} (CAL_DARK) is not the file of the plan" in result.reason


def test_a_missing_input_is_refused_but_may_be_there_another_time_or_on_another_host(
    esorex: Esorex, plan: Plan, darks: tuple[InputFile, ...], store: Path
) -> None:
    Path(darks[2].path).unlink()
    result = only(run(plan, store, esorex=esorex))
    assert result.reason == f"input {darks[2].path} (CAL_DARK) cannot be read: No such file or directory"
    assert result.heals


@pytest.mark.parametrize("code", [1, 8])
def test_a_failure_on_a_full_disk_says_so_and_may_heal_whatever_the_exit_code(
    esorex: Esorex, plan: Plan, store: Path, small_disk: Path, tmp_path: Path, code: int
) -> None:
    fails = instead(esorex, tmp_path / "esorex", f"exit {code}")
    full = only(run(plan, small_disk / "store", esorex=fails))
    assert re.search(rf"exit code {code}: .*; its disk was full: [78] MB were left", full.reason)
    assert full.heals
    roomy = only(run(plan, store, esorex=fails))
    assert (roomy.state, roomy.heals, "full: " in roomy.reason) == ("failed", False, False)
    assert only(run(plan, small_disk / "store", esorex=esorex)).state == "done"


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
    result = only(run(Plan((dark_task(darks, recipe="cr2res_obs_nodding"),)), store, esorex=esorex))
    assert result.state == "failed"
    assert "apt-get install cpl-plugin-cr2res" in result.reason


def test_a_success_takes_the_place_of_an_earlier_failure(
    esorex: Esorex, plan: Plan, store: Path, tmp_path: Path
) -> None:
    failed = only(run(plan, store, esorex=instead(esorex, tmp_path / "esorex", "exit 1")))
    assert failed.log is not None
    assert failed.log.exists()
    done = only(run(plan, store, esorex=esorex))
    assert (done.state, done.key) == ("done", failed.key)
    assert not failed.log.exists()


def test_the_time_limit_is_a_failure_that_says_so(
    esorex: Esorex, plan: Plan, store: Path, tmp_path: Path
) -> None:
    hanging = instead(esorex, tmp_path / "esorex", "exec sleep 300")
    for _ in range(2):
        result = only(run(plan, store, limits=Limits(seconds=0.001), esorex=hanging))
        assert result.reason == "naco_img_dark was killed after 0.001 s, its time limit"
        assert result.log is not None
        assert result.log.exists()
        assert_no_work_left(store)


def test_a_product_that_nobody_made_is_a_failure_of_who_needs_it(
    esorex: Esorex, darks: tuple[InputFile, ...], dark_task: MakeTask, store: Path
) -> None:
    lacking = dark_task((InputProduct("MASTER_FLAT", "DARK", "MASTER_FLAT"),), id="NEXT")
    report = run(Plan((dark_task(darks), lacking)), store, esorex=esorex)
    assert report.results[1].reason == "'DARK' made no MASTER_FLAT, which is needed as MASTER_FLAT"


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
