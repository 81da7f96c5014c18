"""The demo's own judgement; the whole demo runs in test_readme.py."""

from __future__ import annotations

import io
import math
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from app import chaindemo, demo, stage
from app.rulebook import RuleRef
from app.tree import Choice, File, Node, Slot, Tree
from processing.bench import TaskResult
from processing.products import ProductFile
from processing.runner import RunReport
from processing.simulate.archive import bookkeeping
from processing.simulate.measurement import Measurement
from processing.simulate.truth import Truth


@pytest.fixture(scope="module")
def truth() -> Truth:
    return bookkeeping(())


@pytest.fixture
def findings() -> stage.Findings:
    return stage.Findings(Console(file=io.StringIO(), width=200))


def right_tree(truth: Truth) -> Tree:
    """What the demo wants to find for its UVES science frame."""
    dp_id = truth.uves_science
    slots = tuple(
        Slot(label, RuleRef("toy", 1), 1, 1, False, (Choice(group(*names), None, "N/A", 0.0),))
        for label, names in truth.expected[dp_id].items()
    )
    root = Node("SCI", (File(dp_id, "SCI"),), certified=True, complete=True, slots=slots)
    return Tree(dp_id, "Raw2Raw", "Raw2Raw", root)


def group(*names: str) -> Node:
    return Node("CAL", tuple(File(name, "CAL") for name in names), certified=True, complete=True)


def test_the_right_tree_breaks_no_claim(truth: Truth, findings: stage.Findings) -> None:
    demo._compare(right_tree(truth), truth, findings)
    assert findings.broken == []


def test_a_decoy_anywhere_in_the_tree_breaks_the_demo_and_is_named(
    truth: Truth, findings: stage.Findings
) -> None:
    tree = right_tree(truth)
    decoy = truth.decoys[0]
    deep = Slot("DEEP", RuleRef("toy", 1), 0, 1, False, (Choice(group(decoy.dp_id), None, "N/A", 0.0),))
    first, *rest = tree.root.slots
    spoiled = replace(first.chosen[0], node=replace(first.chosen[0].node, slots=(deep,)))
    root = replace(tree.root, slots=(replace(first, chosen=(spoiled,)), *rest))
    demo._compare(replace(tree, root=root), truth, findings)
    assert findings.broken == [
        f"none of {len(truth.decoys)} decoys is in it",
        f"{decoy.dp_id} is not chosen: {decoy.why}",
    ]


def test_a_group_that_is_short_of_a_frame_or_missing_breaks_the_demo(
    truth: Truth, findings: stage.Findings
) -> None:
    tree = right_tree(truth)
    label, names = "MASTER_BIAS_BLUE", truth.expected[tree.dp_id]["MASTER_BIAS_BLUE"]
    short = Choice(group(*names[:-1]), None, "N/A", 0.0)
    for chosen in ((), (short,)):
        slots = tuple(replace(s, chosen=chosen) if s.label == label else s for s in tree.root.slots)
        findings.broken.clear()
        demo._compare(replace(tree, root=replace(tree.root, slots=slots)), truth, findings)
        assert findings.broken == [f"{label} is the group of {names[0]}"]


def test_an_incomplete_tree_breaks_the_demo(truth: Truth, findings: stage.Findings) -> None:
    tree = right_tree(truth)
    demo._compare(replace(tree, root=replace(tree.root, complete=False)), truth, findings)
    assert findings.broken == ["the tree is complete"]


def test_every_claim_is_printed_with_its_outcome_and_no_name_is_markup(findings: stage.Findings) -> None:
    findings.claim("[bold] holds", True)
    findings.claim("does not", False)
    assert findings.console.file.getvalue() == "  ✓ [bold] holds\n  ✗ does not\n"  # type: ignore[attr-defined]
    assert findings.broken == ["does not"]


def test_a_folder_that_no_demo_made_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(stage.DemoError, match="no demo made it; name another with --folder"):
        stage.prepare(tmp_path, tmp_path / "home")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(stage.DemoError, match="is no folder"):
        stage.prepare(tmp_path / "file", tmp_path / "home")


def test_a_former_demos_folder_and_an_empty_one_are_emptied_and_used(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    for _ in range(2):
        stage.prepare(folder, tmp_path / "home")
        assert sorted(path.name for path in folder.iterdir()) == [".calsel-demo", "env"]
        (folder / "products").mkdir()


def test_env_points_the_commands_at_the_demo_also_in_a_folder_with_blanks(tmp_path: Path) -> None:
    folder, home = tmp_path / "a demo's folder", tmp_path / "home"
    stage.prepare(folder, home)
    names = ("HOME", "ARCHIVE", "PRODUCTS", "DATABASE_URL")
    script = '. "$1"/env; printf "%s\\n" ' + " ".join(f'"$CALSEL_{name}"' for name in names)
    told = subprocess.run(
        ["sh", "-c", script, "sh", str(folder)],
        env={**os.environ, "CALSEL_DATABASE_URL": "postgresql://elsewhere"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split("\n") == [str(home), f"{folder}/archive", f"{folder}/products", "", ""]


NUMBER = Measurement("dark level", 100.0, 100.4, 1.0, "ADU")


@pytest.mark.parametrize(
    ("numbers", "broken"),
    [
        ([NUMBER], []),
        ([NUMBER, replace(NUMBER, measured=102.0)], ["all 2 are within their limits"]),
        ([replace(NUMBER, measured=math.nan)], ["all 1 are within their limits"]),
        ([], ["all 0 are within their limits"]),
    ],
)
def test_a_number_beyond_its_limit_breaks_the_demo_and_so_does_having_none(
    findings: stage.Findings, numbers: list[Measurement], broken: list[str]
) -> None:
    findings.measured(numbers)
    assert findings.broken == broken


def test_at_the_end_what_did_not_hold_is_said_again(findings: stage.Findings, tmp_path: Path) -> None:
    findings.claim("the moon is made of [cheese]", False)
    assert findings.finish(tmp_path, "UVES.x") == ["the moon is made of [cheese]"]
    printed = findings.console.file.getvalue()  # type: ignore[attr-defined]
    assert "did not hold: the moon is made of [cheese]\n" in printed
    assert f"Look around: source {tmp_path}/env; calsel associate UVES.x --explain" in printed


def result(recipe: str, *products: tuple[str, str]) -> TaskResult:
    files = tuple(ProductFile(Path(f"/p/{name}.fits"), category, "", 0) for name, category in products)
    return TaskResult(recipe, recipe, "done", products=files)


def test_masters_are_all_products_but_the_sciences_and_categories_keep_the_order_of_the_plan() -> None:
    report = RunReport(
        (
            result("dark", ("d1", "DARK"), ("h1", "HOT")),
            result("dark", ("d2", "DARK")),
            result("science", ("image", "IMAGE")),
        )
    )
    assert chaindemo.masters(report) == ["d1", "d2", "h1"]
    made = {name: [path.stem for path in paths] for name, paths in chaindemo.by_category(report).items()}
    assert made == {"DARK": ["d1", "d2"], "HOT": ["h1"], "IMAGE": ["image"]}


def test_what_goes_into_the_science_recipe_leaves_auxiliaries_out() -> None:
    def slot(label: str, auxiliary: bool) -> Slot:
        choice = Choice(group(f"{label}.1", f"{label}.2"), None, "N/A", 0.0)
        return Slot(label, RuleRef("toy", 1), 0, 1, auxiliary, (choice,))

    root = Node(
        "SCI",
        (File("s", "SCI"),),
        certified=True,
        complete=True,
        slots=(slot("FLAT", False), slot("ACQ", True)),
    )
    assert chaindemo.chosen_files(root) == {"FLAT.1"}
