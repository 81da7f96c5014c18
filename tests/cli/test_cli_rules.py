from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from processing.simulate.truth import Truth

Calsel = Callable[..., Result]
BOOK = """// INSTRUME: TOY
if DPR.TYPE == "BIAS" then {
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
    assert head.startswith("toy.2000-01-01.oca:2:23: error: ")
    assert head.endswith("found 'thn' (did you mean 'then'?)")
    assert source.index("thn") == caret.index("^")
    assert told.stderr == "1 file, 1 error, 0 warnings\n"


def test_quiet_leaves_the_warnings_out_but_counts_them(bare: Calsel, rules: Path) -> None:
    book = rules / "toy" / "toy.2000-01-01.oca"
    book.write_text(BOOK + "action NEVER { recipe none; }\n")
    loud, quiet = bare("rules", "check", book), bare("rules", "check", "-q", book)
    assert loud.stdout.startswith("toy.2000-01-01.oca:10:1: warning: action NEVER is never executed\n")
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
    assert calsel("rules", "activate", "--yes", rules=rules).stdout == "replaced toy.2000-01-01.oca\n"
    toy.rename(toy.with_name("toy.2001-01-01.oca"))
    told = calsel("rules", "activate", "--yes", rules=rules)
    assert told.stdout == "added toy.2001-01-01.oca\nremoved toy.2000-01-01.oca\n"
    assert calsel("rules", "list").stdout.startswith("toy.2001-01-01.oca  from 2001-01-01  TOY  ")


def test_a_book_with_an_error_is_not_activated_and_the_old_ones_stay(calsel: Calsel, rules: Path) -> None:
    calsel("rules", "activate", rules=rules)
    before = calsel("rules", "list").stdout
    (rules / "toy" / "toy.2000-01-01.oca").write_text(BOOK.replace("then", "thn"))
    told = calsel("rules", "activate", rules=rules)
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr.startswith("calsel: toy.2000-01-01.oca:2:23: error: ")
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
    naco, uves, later = calsel("rules", "list").stdout.splitlines()
    assert naco.startswith("naco.2001-11-01.oca  from 2001-11-01  NAOS+CONICA ")
    assert uves.startswith("uves.2000-01-01.oca  from 2000-01-01  UVES  ")
    assert later.startswith("uves.2004-10-14.oca  from 2004-10-14  UVES  ")


POOL = "id | dp_id | n | INSTRUME | DPR.TYPE\nbias | TOY.2010-01-10T12:00:00.000 | 2 | TOY | BIAS\n"
NOTHING = "TOY.2010-01-10T12:00:00.000 | Raw2Raw | . | - | -\n"


@pytest.fixture
def tried(rules: Path) -> Path:
    """The folder of the small rulebook with a pool and a table."""
    (rules / "toy" / "pool.txt").write_text(POOL)
    (rules / "toy" / "expected.txt").write_text(NOTHING)
    return rules


def test_test_counts_rows_and_faults_and_leaves_the_archive_alone(calsel: Calsel, tried: Path) -> None:
    for book in ((), (tried / "toy" / "toy.2000-01-01.oca",)):
        told = calsel("rules", "test", *book, rules=tried)
        assert (told.exit_code, told.stdout, told.stderr) == (0, "", "toy: 1 rows, 0 faults\n")
    assert calsel("rules", "list").stdout == ""


def test_test_prints_each_fault_with_its_line_and_fails(calsel: Calsel, tried: Path) -> None:
    (tried / "toy" / "expected.txt").write_text(NOTHING.replace("| - | -", "| TOY.X | -"))
    told = calsel("rules", "test", "toy", rules=tried)
    assert told.exit_code == 1
    assert told.stdout == (
        "toy/expected.txt:1: TOY.2010-01-10T12:00:00.000 Raw2Raw .: expected TOY.X; "
        "No association could be established: this file type is not supported\n"
    )


@pytest.mark.parametrize("command", ["test", "coverage"])
def test_a_book_without_tables_is_named(calsel: Calsel, rules: Path, command: str) -> None:
    told = calsel("rules", command, "toy", rules=rules)
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr.startswith("calsel: toy: no folder of CALSEL_RULES with pool.txt and expected.txt")


def test_coverage_names_what_no_table_used_and_fails_below_100_percent(calsel: Calsel, tried: Path) -> None:
    told = calsel("rules", "coverage", rules=tried)
    assert told.exit_code == 1
    assert told.stdout.splitlines() == [
        "toy.2000-01-01.oca: 33.3 % of 3 rules, 2 missing",
        "  toy.2000-01-01.oca:5 organisation ACTION_BIAS: never used",
        "  toy.2000-01-01.oca:6 action ACTION_BIAS: never used",
    ]
    book = tried / "toy" / "toy.2000-01-01.oca"
    text = BOOK.replace("select", "// not tried: a toy\nselect").replace(
        "action ACT", "// not tried: one\naction ACT"
    )
    book.write_text(text)
    assert calsel("rules", "coverage", "toy", rules=tried).exit_code == 0
    book.write_text(text.replace('DPR.TYPE == "BIAS"', 'DPR.TYPE == "BIAS" and DET.CURNAM is undefined'))
    told = calsel("rules", "coverage", "toy", rules=tried)
    assert (told.exit_code, told.stdout.splitlines()[1:]) == (
        1, ["  toy.2000-01-01.oca:2 keyword DET.CURNAM: in no header of the pool"]
    )  # fmt: skip


def test_show_takes_an_instrument_a_version_a_file_and_a_night(
    bare: Calsel, rules: Path, tmp_path: Path
) -> None:
    book = rules / "toy" / "toy.2000-01-01.oca"
    (rules / "toy" / "toy.2005-01-01.oca").write_text(BOOK + "// later\n")

    def head(*arguments: object) -> str:
        return bare("rules", "show", *arguments, rules=rules).stdout.partition("\n")[0]

    first, last = (f"toy.{day}.oca, from the night of {day}" for day in ("2000-01-01", "2005-01-01"))
    assert head("toy") == head("TOY") == head("toy", "--night", "2010-01-01") == last
    assert head("toy.2000-01-01.oca") == head(book) == head("toy", "--night", "2004-12-31") == first
    told = bare("rules", "show", "toy", "--format", "svg", "-o", tmp_path / "toy.svg", rules=rules)
    assert (told.exit_code, told.stdout) == (0, "")
    assert (tmp_path / "toy.svg").read_text().startswith("<svg")
    assert bare("rules", "show", "nope", rules=rules).stderr.startswith(
        "calsel: there is no rulebook for 'nope'"
    )


def test_explain_tells_why_a_rule_of_the_book_in_force_did_what_it_did(ask: Calsel, truth: Truth) -> None:
    told = ask("rules", "explain", truth.uves_science, "MASTER_BIAS_BLUE")
    assert told.exit_code == 0
    assert "association MASTER_BIAS_BLUE: chose 1 of 1 to 1" in told.stdout
    assert ask("rules", "explain", truth.uves_science, "NOPE").stderr.startswith(
        "calsel: NOPE: uves.2004-10-14.oca has"
    )
