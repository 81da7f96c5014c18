from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from app.rulebook import RuleRef, Step
from app.terminal import make_console, print_event, print_plan, print_tree, progress, reasons
from app.tree import Choice, File, Node, Refusal, Rival, Slot, Tree, Why
from processing.bench import TaskResult
from processing.graph import Plan, Task
from processing.runner import Event

RULE = RuleRef("toy.2000-01-01.oca", 7)
BIAS = Node(
    "BIAS",
    tuple(File(f"B{n}", "BIAS_RAW") for n in range(3)),
    certified=True,
    complete=True,
    step=Step("toy_bias", ()),
)
BIAS_SLOT = Slot("MASTER_BIAS", RULE, 1, 1, False, (Choice(BIAS, None, "calib_plan", -0.25),))
FLAT = Node("FLAT", (File("F0", "FLAT"),), certified=False, complete=True, slots=(BIAS_SLOT,))
EMPTY = Slot("MASTER_DARK", RULE, 0, 1, False, (), Why(needed="PRO.CATG = MASTER_DARK", counted=True))
TASK = Task("ACTION_BIAS B0", "toy_bias", "r.B0", (), ("MASTER_BIAS",), ("--a=1", "--b=[x]"))


def tree(*slots: Slot, **changes: object) -> Tree:
    root = Node("SCI", (File("SCI.0", "SCI"),), True, all(s.satisfied for s in slots), slots)
    return replace(Tree("SCI.0", "Raw2Raw", "Raw2Raw", root, "toy.2000-01-01.oca", "a" * 64, 3), **changes)


def shown(draw: Callable[[Console], None], *, width: int = 120, terminal: bool = False) -> str:
    file = io.StringIO()
    draw(Console(file=file, width=width, force_terminal=terminal, color_system=None, legacy_windows=False))
    return file.getvalue()


def drawn(value: Tree, *, explain: bool = False) -> list[str]:
    return [line.rstrip() for line in shown(lambda c: print_tree(value, c, explain=explain)).splitlines()]


def test_a_tree_shows_rulebook_categories_first_files_recipes_distances_and_doubts() -> None:
    flat = Slot("MASTER_FLAT", RULE, 1, 1, False, (Choice(FLAT, None, "extended", 3.5, 2),))
    static = Node("LINES", (File("M.1", "LINES"),), True, True, kind="file")
    lines = Slot("LINE_LIST", RULE, 1, 1, False, (Choice(static, None, "N/A", None),))
    assert drawn(tree(flat, lines, EMPTY)) == [
        "SCI.0  Raw2Raw  toy.2000-01-01.oca aaaaaaaa, archive revision 3  worst level 2",
        "└── ✓ SCI SCI.0",
        "    ├── MASTER_FLAT +3.50 d extended (level 2) ✓ FLAT F0 not certified",
        "    │   └── MASTER_BIAS -0.25 d calib_plan ✓ BIAS B0 … 3 files  toy_bias",
        "    └── LINE_LIST N/A ✓ LINES M.1",
    ]


def test_a_node_that_was_shown_is_not_shown_again_with_all_below_it() -> None:
    flat = Choice(FLAT, None, "N/A", None)
    slots = [Slot(label, RULE, 1, 1, False, (flat,)) for label in ("ONE", "TWO")]
    assert drawn(tree(*slots))[2:] == [
        "    ├── ONE N/A ✓ FLAT F0 not certified",
        "    │   └── MASTER_BIAS -0.25 d calib_plan ✓ BIAS B0 … 3 files  toy_bias",
        "    └── TWO N/A ✓ FLAT F0 not certified (as above)",
    ]


def test_what_is_missing_says_what_would_have_to_exist() -> None:
    missing = replace(EMPTY, minimum=2)
    assert drawn(tree(missing))[1:] == [
        "└── ✗ SCI SCI.0",
        "    └── MASTER_DARK: 2 needed, 0 found",
        "        └── would have to exist: PRO.CATG = MASTER_DARK",
    ]


def test_the_mode_that_was_asked_for_is_named_when_another_answers() -> None:
    assert "Raw2Raw (asked for Raw2Master)" in drawn(tree(asked="Raw2Master"))[0]


def test_explain_shows_every_slot_with_its_rule_its_wish_and_its_reasons() -> None:
    assert drawn(tree(EMPTY, replace(BIAS_SLOT, auxiliary=True)), explain=True)[2:] == [
        "    ├── MASTER_DARK toy.2000-01-01.oca:7, wants 0 to 1, has 0",
        "    │   ├── no candidates",
        "    │   └── would have to exist: PRO.CATG = MASTER_DARK",
        "    └── MASTER_BIAS toy.2000-01-01.oca:7, wants 1, auxiliary, has 1",
        "        └── -0.25 d calib_plan ✓ BIAS B0 … 3 files  toy_bias",
    ]


def test_reasons_count_refusals_and_name_the_runner_up() -> None:
    why = Why(
        seen=6,
        surplus=2,
        refused=(Refusal("A == B", 3),),
        rivals=(Rival("B9", -1.0, "calib_plan", False),),
        counted=True,
        limited=True,
    )
    assert reasons(replace(BIAS_SLOT, why=why)) == [
        "the nearest 6 candidates: 1 chosen; 2 more would do; 3 refused by A == B",
        "runner-up: B9 -1.00 d calib_plan, not certified",
    ]
    timeless = replace(why, rivals=(Rival("M.1", None, "N/A", True),), limited=False)
    assert reasons(replace(BIAS_SLOT, why=timeless))[1] == "runner-up: M.1 N/A"


@pytest.mark.parametrize("width", [20, 60])
def test_names_are_no_markup_and_a_narrow_terminal_loses_nothing(width: int) -> None:
    file = File("SCI.[bold]0", "SCI")
    value = tree()
    value = replace(value, dp_id=file.dp_id, root=replace(value.root, files=(file,), messages=("[red]",)))
    text = shown(lambda console: print_tree(value, console), width=width)
    words = "".join(text.split()).replace("│", "").replace("└──", "")
    assert words.count("SCI.[bold]0") == 2
    assert "[red]" in words


def test_a_plan_is_a_line_for_each_task_whatever_the_width() -> None:
    text = shown(lambda console: print_plan(Plan((TASK,)), console), width=20)
    assert text == "1 task:\n  toy_bias --a=1 --b=[x] (ACTION_BIAS B0)\n"
    plain = replace(TASK, parameters=())
    assert "  toy_bias (ACTION_BIAS B0)\n" in shown(lambda c: print_plan(Plan((plain, TASK)), c))


@pytest.mark.parametrize(
    ("state", "reason", "lines"),
    [
        ("done", "", ["  done    toy_bias ACTION_BIAS B0  1.5 s"]),
        ("reused", "", ["  reused  toy_bias ACTION_BIAS B0"]),
        ("failed", "no [frames]", ["  failed  toy_bias ACTION_BIAS B0", "      no [frames]"]),
        ("blocked", "it needs X", ["  blocked toy_bias ACTION_BIAS B0", "      it needs X"]),
    ],
)
def test_a_settled_task_is_a_line_with_its_state_and_its_reason(
    state: str, reason: str, lines: list[str]
) -> None:
    result = TaskResult(TASK.id, TASK.recipe, state, elapsed=1.52, reason=reason)  # type: ignore[arg-type]
    event = Event(state, TASK, result)  # type: ignore[arg-type]
    assert shown(lambda console: print_event(event, console)).splitlines() == lines


def test_a_task_that_starts_is_told_on_a_terminal_only() -> None:
    event = Event("started", TASK)
    assert shown(lambda console: print_event(event, console)) == ""
    assert shown(lambda c: print_event(event, c), terminal=True).strip() == "… toy_bias ACTION_BIAS B0"


def test_progress_is_a_line_at_the_end_of_each_label_where_there_is_no_terminal() -> None:
    def work(console: Console) -> None:
        with progress(console) as report:
            for done in range(1, 4):
                report("[files]".strip("[]"), done, 3)

    assert shown(work) == "files: 3\n"


def test_progress_on_a_terminal_ends_with_full_bars() -> None:
    def work(console: Console) -> None:
        with progress(console) as report:
            report("one", 1, 2)
            report("one", 2, 2)
            report("two", 5, 5)

    text = shown(work, terminal=True)
    assert "2/2" in text
    assert "5/5" in text


def test_a_pipe_is_120_columns_wide_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert make_console().width == 120
