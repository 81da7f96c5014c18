from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Calsel = Callable[..., Result]
BOOK = """if DPR.TYPE == "BIAS" then {
  RAW.TYPE = "BIAS";
}
select execute(ACTION_BIAS) from inputFiles where RAW.TYPE == "BIAS" group by TPL.START;
action ACTION_BIAS {
  recipe uves_cal_mbias;
  product MASTER_BIAS { PRO.CATG = "MASTER_BIAS"; }
}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A folder with one small rulebook."""
    folder = tmp_path / "rules"
    (folder / "toy").mkdir(parents=True)
    (folder / "toy" / "toy.2000-01-01.oca").write_text(BOOK)
    return folder


def test_a_sound_file_passes(bare: Calsel, rules: Path) -> None:
    told = bare("rules", "check", *rules.glob("*/*.oca"))
    assert (told.exit_code, told.stdout, told.stderr) == (0, "", "1 file, 0 errors, 0 warnings\n")


def test_a_typo_is_shown_with_line_column_caret_and_the_word_that_was_meant(
    bare: Calsel, rules: Path
) -> None:
    book = rules / "toy" / "toy.2000-01-01.oca"
    book.write_text(BOOK.replace("then", "thn"))
    told = bare("rules", "check", book)
    assert told.exit_code == 1
    head, source, caret = told.stdout.splitlines()
    assert head.startswith("toy.2000-01-01.oca:1:23: error: ")
    assert head.endswith("found 'thn' (did you mean 'then'?)")
    assert source.index("thn") == caret.index("^")
    assert told.stderr == "1 file, 1 error, 0 warnings\n"


def test_quiet_leaves_the_warnings_out_but_counts_them(bare: Calsel, rules: Path) -> None:
    book = rules / "toy" / "toy.2000-01-01.oca"
    book.write_text(BOOK + "action NEVER { recipe none; }\n")
    loud, quiet = bare("rules", "check", book), bare("rules", "check", "-q", book)
    assert loud.stdout.startswith("toy.2000-01-01.oca:9:1: warning: action NEVER is never executed\n")
    assert quiet.stdout == ""
    assert (loud.exit_code, quiet.exit_code) == (0, 0)
    assert loud.stderr == quiet.stderr == "1 file, 0 errors, 1 warning\n"


def test_a_recipe_that_is_not_installed_is_a_warning_and_without_esorex_none_is_checked(
    bare: Calsel, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = rules / "toy" / "toy.2000-01-01.oca"
    book.write_text(BOOK.replace("uves_cal_mbias", "uves_cal_mbais"))
    assert "warning: recipe uves_cal_mbais is not installed" in bare("rules", "check", book).stdout
    monkeypatch.setenv("PATH", "/nowhere")
    told = bare("rules", "check", book)
    assert (told.exit_code, told.stdout) == (0, "")
    assert told.stderr.startswith("recipes are not checked: esorex is not installed or not on PATH")


def test_a_missing_file_and_a_folder_are_usage_errors(bare: Calsel, tmp_path: Path) -> None:
    assert "nope.oca' does not exist" in bare("rules", "check", tmp_path / "nope.oca").stderr
    assert f"'{tmp_path}' is a directory" in bare("rules", "check", tmp_path).stderr


def test_activate_says_what_came_was_replaced_and_went(calsel: Calsel, rules: Path) -> None:
    toy = rules / "toy" / "toy.2000-01-01.oca"
    assert calsel("rules", "activate", rules=rules).stdout == "added toy.2000-01-01.oca\n"
    assert calsel("rules", "activate", rules=rules).stdout == "nothing to change\n"
    toy.write_text(BOOK + "// changed\n")
    assert calsel("rules", "activate", rules=rules).stdout == "replaced toy.2000-01-01.oca\n"
    toy.rename(toy.with_name("toy.2001-01-01.oca"))
    told = calsel("rules", "activate", rules=rules)
    assert told.stdout == "added toy.2001-01-01.oca\nremoved toy.2000-01-01.oca\n"
    assert calsel("rules", "list").stdout.startswith("toy.2001-01-01.oca  from 2001-01-01  TOY  ")


def test_a_book_with_an_error_is_not_activated_and_the_old_ones_stay(calsel: Calsel, rules: Path) -> None:
    calsel("rules", "activate", rules=rules)
    before = calsel("rules", "list").stdout
    (rules / "toy" / "toy.2000-01-01.oca").write_text(BOOK.replace("then", "thn"))
    told = calsel("rules", "activate", rules=rules)
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr.startswith("calsel: toy.2000-01-01.oca:1:23: error: ")
    assert calsel("rules", "list").stdout == before


@pytest.mark.parametrize("command", [["rules", "activate"], ["ingest"]])
def test_a_rules_folder_without_rulebooks_is_named(
    calsel: Calsel, tmp_path: Path, command: list[str]
) -> None:
    told = calsel(*command, rules=tmp_path / "nowhere")
    assert told.exit_code == 1
    assert told.stderr.startswith(f"calsel: {tmp_path}/nowhere: no rulebook <instrument>/")


def test_list_names_first_night_instrume_values_and_checksum(calsel: Calsel) -> None:
    calsel("rules", "activate")
    naco, uves = calsel("rules", "list").stdout.splitlines()
    assert naco.startswith("naco.2001-11-01.oca  from 2001-11-01  NAOS+CONICA ")
    assert uves.startswith("uves.2000-01-01.oca  from 2000-01-01  UVES  ")
