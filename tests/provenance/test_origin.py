"""From which answer a run was planned: kept from the plan to task.json, and no part of what a run is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs.keys import runnable, wanted_runs, with_parameters
from app.plan import Origin, make_plan
from app.tree import File, Node, Product, Step, Tree
from processing.graph import InputFile, Plan, Task
from processing.products import sha256
from processing.recipes import PACKAGING
from processing.runner import run

WORDS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1)


@given(WORDS, st.integers(0, 2**256 - 1).map("{:064x}".format), st.integers(0, 2**63))
def test_an_origin_is_read_back(rulebook: str, checksum: str, revision: int) -> None:
    origin = Origin(rulebook, checksum, revision)
    assert Origin.read(str(origin)) == origin


@pytest.mark.parametrize(
    "text", ["", "by hand", "toy.oca sha256:ab revision", "toy.oca sha256:xy revision 1"]
)
def test_another_text_is_no_origin(text: str) -> None:
    assert Origin.read(text) is None


def planned(revision: int) -> Plan:
    science = Node(
        "SCI",
        (File("TOY.1", "SCI", path="/data/TOY.1.fits", sha256="0" * 64),),
        certified=True,
        complete=True,
        action="ACTION_SCI",
        step=Step("toy_science"),
        products=(Product("IMAGE", "IMAGE", "r.TOY.1_0000.fits", "SCIENCE.IMAGE"),),
    )
    tree = Tree("TOY.1", "Raw2Raw", "Raw2Raw", science, "toy.oca", "ab" * 32, revision)
    return make_plan(tree, packaged=True)


def test_every_task_of_a_plan_says_from_which_answer_it_was_planned() -> None:
    tasks = planned(42).tasks
    assert [task.recipe for task in tasks] == ["toy_science", PACKAGING]
    assert {Origin.read(task.origin) for task in tasks} == {Origin("toy.oca", "ab" * 32, 42)}


def test_a_job_s_run_keeps_its_origin_and_is_the_same_run_without() -> None:
    first, later = (wanted_runs(with_parameters(planned(n), {}), lambda _: "toy/1.0", ()) for n in (42, 43))
    assert [each.id for each in first] == [each.id for each in later]
    assert runnable(first[0].task, {}).origin == planned(42).tasks[0].origin
    before = {name: value for name, value in first[0].task.items() if name != "origin"}
    assert runnable(before, {}).origin == ""  # of a run that was planned before origins were noted


def test_task_json_has_the_origin_and_another_origin_is_no_other_run(tmp_path: Path) -> None:
    raw = tmp_path / "TOY.1.fits"
    raw.write_bytes(b"no FITS")
    task = Task(
        "DARK", "naco_img_dark", "r.1", (InputFile("DARK", str(raw), sha256(raw)),), (), (), "by hand"
    )
    keys = set()
    for each in (task, replace(task, origin="by machine")):
        (result,) = run(Plan((each,)), tmp_path / "store").results
        (told,) = (tmp_path / "store/failed").glob("*/task.json")
        assert json.loads(told.read_bytes())["origin"] == each.origin
        keys.add(result.key)
    assert len(keys) == 1
