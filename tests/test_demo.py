"""The demo's own judgement; the whole demo runs in test_readme.py."""

from __future__ import annotations

import io
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from app import demo
from app.rulebook import RuleRef
from app.tree import Choice, File, Node, Slot, Tree
from processing.simulate.archive import bookkeeping
from processing.simulate.truth import Truth


@pytest.fixture(scope="module")
def truth() -> Truth:
    return bookkeeping(())


@pytest.fixture
def findings() -> demo._Findings:
    return demo._Findings(Console(file=io.StringIO(), width=200))


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


def test_the_right_tree_breaks_no_claim(truth: Truth, findings: demo._Findings) -> None:
    demo._compare(right_tree(truth), truth, findings)
    assert findings.broken == []


def test_a_decoy_anywhere_in_the_tree_breaks_the_demo_and_is_named(
    truth: Truth, findings: demo._Findings
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
    truth: Truth, findings: demo._Findings
) -> None:
    tree = right_tree(truth)
    label, names = "MASTER_BIAS_BLUE", truth.expected[tree.dp_id]["MASTER_BIAS_BLUE"]
    short = Choice(group(*names[:-1]), None, "N/A", 0.0)
    for chosen in ((), (short,)):
        slots = tuple(replace(s, chosen=chosen) if s.label == label else s for s in tree.root.slots)
        findings.broken.clear()
        demo._compare(replace(tree, root=replace(tree.root, slots=slots)), truth, findings)
        assert findings.broken == [f"{label} is the group of {names[0]}"]


def test_an_incomplete_tree_breaks_the_demo(truth: Truth, findings: demo._Findings) -> None:
    tree = right_tree(truth)
    demo._compare(replace(tree, root=replace(tree.root, complete=False)), truth, findings)
    assert findings.broken == ["the tree is complete"]


def test_every_claim_is_printed_with_its_outcome_and_no_name_is_markup(findings: demo._Findings) -> None:
    findings.claim("[bold] holds", True)
    findings.claim("does not", False)
    assert findings.console.file.getvalue() == "  ✓ [bold] holds\n  ✗ does not\n"  # type: ignore[attr-defined]
    assert findings.broken == ["does not"]


def test_a_folder_that_no_demo_made_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(demo.DemoError, match="no demo made it; name another with --folder"):
        demo._prepare(tmp_path, tmp_path / "home")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(demo.DemoError, match="is no folder"):
        demo._prepare(tmp_path / "file", tmp_path / "home")


def test_a_former_demos_folder_and_an_empty_one_are_emptied_and_used(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    for _ in range(2):
        demo._prepare(folder, tmp_path / "home")
        assert sorted(path.name for path in folder.iterdir()) == [".calsel-demo", "env"]
        (folder / "products").mkdir()


def test_env_points_the_commands_at_the_demo_also_in_a_folder_with_blanks(tmp_path: Path) -> None:
    folder, home = tmp_path / "a demo's folder", tmp_path / "home"
    demo._prepare(folder, home)
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
