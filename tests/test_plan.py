from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.errors import PlanError
from app.plan import make_plan
from app.rulebook import RuleRef, Step
from app.tree import Choice, File, Node, Product, Slot, Tree, Why
from processing.graph import InputFile, InputProduct, Walker


def file(name: str, tag: str) -> File:
    return File(name, tag, path=f"/data/{name}.fits", sha256=name.lower())


def group(name: str, *slots: Slot, recipe: str | None = "toy", count: int = 1, **changes: Any) -> Node:
    made = f"MASTER_{name}"
    return replace(
        Node(
            category=name,
            files=tuple(file(f"{name}{n}", f"{name}_RAW") for n in range(count)),
            certified=True,
            complete=True,
            slots=slots,
            action=f"ACTION_{name}",
            step=Step(f"{recipe}_{name.lower()}", ("--degree=3",)) if recipe else None,
            products=(Product(made, made, f"r.{name}0_0000.fits"),),
        ),
        **changes,
    )


def slot(label: str, *nodes: Node, low: int = 1, auxiliary: bool = False) -> Slot:
    choices = tuple(Choice(n, n.products[0] if n.products else None, "N/A", 0.0) for n in nodes)
    return Slot(label, RuleRef("toy", 1), low, 9, auxiliary, choices, Why(needed=f"PRO.CATG = {label}"))


def leaf(name: str, tag: str) -> Node:
    return Node(tag, (file(name, tag),), certified=True, complete=True, kind="file")


def tree(root: Node) -> Tree:
    return Tree("SCI0", "Raw2Raw", "Raw2Raw", root, "toy.2000-01-01.oca", "abc", 1)


def test_calibrations_come_before_what_needs_them_and_shared_ones_once() -> None:
    bias = group("BIAS", count=3)
    flat = group("FLAT", slot("B", bias))
    plan = make_plan(tree(group("SCI", slot("B", bias), slot("F", flat))))
    assert [task.id for task in plan.tasks] == ["ACTION_BIAS BIAS0", "ACTION_FLAT FLAT0", "ACTION_SCI SCI0"]
    assert Walker(plan).ready() == (plan.tasks[0],)


def test_a_task_says_recipe_options_inputs_by_tag_and_what_must_come_out() -> None:
    plan = make_plan(tree(group("SCI", slot("B", group("BIAS")), slot("T", leaf("M.TOY.1", "LINE_TABLE")))))
    task = plan.tasks[-1]
    assert (task.recipe, task.parameters, task.name) == ("toy_sci", ("--degree=3",), "r.SCI0")
    assert task.expects == ("MASTER_SCI",)
    assert task.inputs == (
        InputFile("SCI_RAW", "/data/SCI0.fits", "sci0"),
        InputProduct("MASTER_BIAS", "ACTION_BIAS BIAS0", "MASTER_BIAS"),
        InputFile("LINE_TABLE", "/data/M.TOY.1.fits", "m.toy.1"),
    )


def test_auxiliary_files_are_no_input_of_a_recipe() -> None:
    plan = make_plan(tree(group("SCI", slot("A", leaf("ACQ", "ACQ_RAW"), auxiliary=True))))
    assert [each.tag for each in plan.tasks[-1].inputs] == ["SCI_RAW"]


def test_where_a_step_has_read_the_frames_the_recipe_reads_its_product() -> None:
    first = group("SCI", recipe="first", action="ACTION_FIRST")
    plan = make_plan(tree(group("SCI", replace(slot("STEP", first), own=True))))
    assert [task.recipe for task in plan.tasks] == ["first_sci", "toy_sci"]
    assert [each.tag for each in plan.tasks[0].inputs] == ["SCI_RAW"]
    assert plan.tasks[1].inputs == (InputProduct("MASTER_SCI", "ACTION_FIRST SCI0", "MASTER_SCI"),)


def test_two_groups_of_one_action_with_one_first_frame_are_two_tasks() -> None:
    one, three = group("BIAS", count=1), group("BIAS", count=3)
    plan = make_plan(tree(group("SCI", slot("B", one), slot("C", three))))
    assert [len(task.inputs) for task in plan.tasks] == [1, 3, 3]
    Walker(plan)


def test_a_missing_required_calibration_is_told_with_what_would_have_to_exist() -> None:
    flat = group("FLAT", slot("B"), complete=False)
    with pytest.raises(PlanError, match=r"FLAT FLAT0 needs B \(1 needed, 0 found\): PRO.CATG = B"):
        make_plan(tree(group("SCI", slot("F", flat), complete=False)))


def test_an_optional_calibration_that_is_incomplete_or_missing_is_left_out() -> None:
    flat = group("FLAT", slot("B"), complete=False)
    plan = make_plan(tree(group("SCI", slot("F", flat, low=0), slot("D", low=0))))
    assert [task.id for task in plan.tasks] == ["ACTION_SCI SCI0"]


def test_a_file_known_by_its_header_only_is_refused() -> None:
    bare = replace(leaf("M.TOY.1", "LINE_TABLE"), files=(File("M.TOY.1", "LINE_TABLE"),))
    with pytest.raises(PlanError, match=r"M\.TOY\.1: only its header is known"):
        make_plan(tree(group("SCI", slot("T", bare))))


def test_a_science_action_without_a_recipe_is_refused_with_the_trees_messages() -> None:
    with pytest.raises(PlanError, match=r"no recipe reduces SCI \(not supported\)"):
        make_plan(tree(group("SCI", recipe=None, messages=("not supported",))))


def test_a_calibration_action_without_a_recipe_is_refused() -> None:
    with pytest.raises(PlanError, match="ACTION_BIAS BIAS0: its action names no recipe"):
        make_plan(tree(group("SCI", slot("B", group("BIAS", recipe=None)))))
