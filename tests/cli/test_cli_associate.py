from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from app.formats import FORMATS
from processing.simulate.truth import Truth

Calsel = Callable[..., Result]


def test_a_complete_tree_is_drawn_with_what_was_chosen_and_exits_with_0(ask: Calsel, truth: Truth) -> None:
    told = ask("associate", truth.uves_science)
    assert told.exit_code == 0
    assert f"✓ SCI_POINT_ECH_BLUE {truth.uves_science}  uves_obs_scired" in told.stdout
    for label, (first, *_) in truth.expected[truth.uves_science].items():
        line = next(
            line
            for line in told.stdout.splitlines()
            if line.startswith(f"    ├── {label} ") or line.startswith(f"    └── {label} ")
        )
        assert first in line
    assert told.stderr == ""


def test_without_explain_nothing_is_told_of_refusals_and_of_empty_optional_slots(
    ask: Calsel, truth: Truth
) -> None:
    told = ask("associate", truth.naco_science)
    assert "refused" not in told.stdout
    assert "MASTER_LAMP_FLAT" not in told.stdout


def test_explain_names_the_rule_line_the_refusing_clause_and_the_runner_up(ask: Calsel, truth: Truth) -> None:
    told = ask("associate", truth.naco_science, "--explain")
    assert "NACO_IMG_DARK_AVG naco.2001-11-01.oca:" in told.stdout
    assert "3 refused by inputFile.DET.DIT == DET.DIT" in told.stdout
    assert "1 refused by hidden (bad quality)" in told.stdout
    assert "runner-up: NACO.2012-03-15T09:00:" in told.stdout


def test_a_tree_that_lacks_something_required_says_what_would_have_to_exist_and_exits_with_3(
    ask: Calsel, truth: Truth
) -> None:
    told = ask("associate", truth.incomplete_science)
    assert told.exit_code == 3
    assert f"{truth.incomplete_reason}: 1 needed, 0 found" in told.stdout
    assert "would have to exist: PRO.CATG = LINE_TABLE_BLUE" in told.stdout


def test_a_calibration_gets_calselectors_own_answer_and_exits_with_3(ask: Calsel, truth: Truth) -> None:
    told = ask("associate", truth.expected[truth.naco_science]["NACO_IMG_DARK_AVG"][0])
    assert told.exit_code == 3
    assert "No association could be established: this file type is not supported" in told.stdout


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"sof"}))
def test_every_format_is_written_to_the_file_as_to_stdout(
    ask: Calsel, truth: Truth, tmp_path: Path, name: str
) -> None:
    there = tmp_path / "out"
    assert ask("associate", truth.uves_science, "--format", name.upper(), "-o", there).exit_code == 0
    shown = ask("associate", truth.uves_science, "--format", name).stdout_bytes
    assert there.read_bytes() == shown != b""


def test_sof_goes_into_a_folder_one_file_for_each_step(ask: Calsel, truth: Truth, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "sofs"
    assert ask("associate", truth.naco_science, "--format", "sof", "-o", folder).exit_code == 0
    recipes = [path.name.split("_NACO.")[0] for path in sorted(folder.iterdir())]
    assert recipes == ["01_naco_img_dark", "02_naco_img_dark", "03_naco_img_twflat", "04_naco_img_jitter"]


def test_the_drawn_tree_goes_into_a_file_as_utf_8(ask: Calsel, truth: Truth, tmp_path: Path) -> None:
    there = tmp_path / "tree.txt"
    told = ask("associate", truth.naco_science, "-o", there)
    assert told.output == ""
    assert there.read_text(encoding="utf-8") == ask("associate", truth.naco_science).stdout


def test_mode_and_json_say_what_was_asked_and_what_was_answered(ask: Calsel, truth: Truth) -> None:
    told = ask("associate", truth.naco_science, "--mode", "RAW2MASTER")
    assert "Raw2Raw (asked for Raw2Master)" in told.stdout
    assert "Raw2Raw answers instead" in told.stdout.replace("\n", " ")
    tree = json.loads(ask("associate", truth.naco_science, "--mode", "raw2master", "--format", "json").stdout)
    assert (tree["asked"], tree["mode"]) == ("Raw2Master", "Raw2Raw")


def test_no_colour_and_no_broken_lines_where_the_output_is_piped(
    ask: Calsel, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    told = ask("associate", truth.naco_science)
    assert "\x1b" not in told.output
    assert "    ├── NACO_IMG_DARK_AVG +0.30 d calib_plan ✓ DARK " in told.stdout


@pytest.mark.parametrize("dp_id", ["UVES.unknown", "UVES.2012-03-14T03:00:04.659.fits"])
def test_an_unknown_dp_id_is_named_with_what_to_do(ask: Calsel, dp_id: str) -> None:
    told = ask("associate", dp_id)
    assert told.exit_code == 1
    assert told.stdout == ""
    assert told.stderr == (
        f"calsel: dp_id '{dp_id}' is not in this archive; check the spelling (no '.fits' at the end), "
        "or ingest the file with 'calsel ingest'\n"
    )


@pytest.mark.parametrize("name", ["tree", "xml"])
def test_an_output_that_cannot_be_written_is_named(
    ask: Calsel, truth: Truth, tmp_path: Path, name: str
) -> None:
    there = tmp_path / "missing" / "out"
    told = ask("associate", truth.naco_science, "--format", name, "-o", there)
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr == f"calsel: {there}: No such file or directory\n"


def test_a_file_where_the_sof_folder_should_be_is_named(ask: Calsel, truth: Truth, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = ask("associate", truth.naco_science, "--format", "sof", "-o", tmp_path / "file")
    assert (told.exit_code, told.stderr) == (1, f"calsel: {tmp_path / 'file'}: File exists\n")


def test_an_unknown_mode_or_format_is_a_usage_error_that_lists_the_right_ones(ask: Calsel) -> None:
    assert "'raw2raw', 'raw2master'" in ask("associate", "X", "--mode", "raw").stderr.lower()
    told = ask("associate", "X", "--format", "pdf")
    assert told.exit_code == 2
    assert all(f"'{name}'" in told.stderr for name in ("tree", *FORMATS))


def test_a_least_level_refuses_what_is_outside_the_plan_and_the_tree_says_the_worst(
    ask: Calsel, truth: Truth
) -> None:
    free = ask("associate", truth.uves_science)
    assert "worst level " in free.stdout
    strict = ask("associate", truth.uves_science, "--min-level", "-1")
    assert strict.exit_code == 3
    assert "refused by min_level -1: level " in strict.stdout
    assert "asked with min_level=-1" in strict.stdout
    assert ask("associate", truth.uves_science, "--min-level", "10").exit_code == 2


def test_a_wish_is_told_at_the_root_and_fulfilled(ask: Calsel, truth: Truth) -> None:
    bias = truth.expected[truth.uves_science]["MASTER_BIAS_BLUE"][0]
    tree = ask("associate", truth.uves_science, "--exclude", bias, "--max-age", "5", "--alternatives", "2")
    assert f"asked with alternatives=2, max_age=5 d, exclude={bias}" in tree.output
    assert "excluded by the request" in tree.output or f"BIAS_BLUE {bias}" not in tree.output
    assert ask("associate", truth.uves_science, "--as-of", "2000-01-01").exit_code == 1
