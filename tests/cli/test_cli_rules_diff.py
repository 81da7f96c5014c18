from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from app.config import ROOT

Calsel = Callable[..., Result]
NIGHTS = ("--from", "2012-03-01", "--to", "2012-03-31")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A rules folder with NACO's book, to be changed."""
    shutil.copytree(ROOT / "rules" / "naco", tmp_path / "rules" / "naco")
    return tmp_path / "rules"


@pytest.fixture
def filled(calsel: Calsel, rules: Path, frames: Path) -> Calsel:
    """`calsel` with NACO's book active and the simulated archive's frames."""

    def run(*arguments: object) -> Result:
        return calsel(*arguments, rules=rules)

    assert run("rules", "activate").exit_code == 0, "the first activation needs no look"
    assert run("ingest", frames).exit_code == 0
    return run


def book_of(rules: Path) -> Path:
    return rules / "naco" / "naco.2001-11-01.oca"


def change(rules: Path) -> None:
    book = book_of(rules)
    book.write_text(book.read_text().replace('DPR.TYPE == "DARK"', 'DPR.TYPE == "NO_DARK"'))


def test_what_nobody_has_looked_at_is_not_activated(filled: Calsel, rules: Path) -> None:
    before = filled("rules", "list").stdout
    change(rules)
    told = filled("rules", "activate")
    assert (told.exit_code, told.stdout) == (1, "")
    assert "naco: nobody has looked at what changes; run 'calsel rules diff active" in told.stderr
    assert filled("rules", "list").stdout == before
    looked = filled("rules", "diff", "active", rules / "naco", *NIGHTS)
    assert (looked.exit_code, looked.stderr.count("not recorded")) == (0, 0)
    told = filled("rules", "activate")
    assert told.stdout == "replaced naco.2001-11-01.oca\n"
    assert "naco: looked at" in told.stderr
    assert "nights 2012-03-01 to 2012-03-31, Raw2Raw:" in told.stderr


def test_a_look_at_nights_without_frames_is_none(filled: Calsel, rules: Path) -> None:
    change(rules)
    told = filled("rules", "diff", "active", rules / "naco", "--from", "1990-01-01", "--to", "1990-01-02")
    why = "no science frame is of these nights; the archive has some from 2012-03-14 to 2012-03-14"
    assert f"not recorded as looked at: {why}" in " ".join(told.stderr.split())
    assert filled("rules", "activate").exit_code == 1


def test_a_look_is_at_one_content_and_yes_needs_none(filled: Calsel, rules: Path) -> None:
    change(rules)
    filled("rules", "diff", "active", book_of(rules), *NIGHTS)
    book_of(rules).write_text(book_of(rules).read_text() + "// one word more\n")
    assert filled("rules", "activate").exit_code == 1
    assert filled("rules", "activate", "--yes").stdout == "replaced naco.2001-11-01.oca\n"


def test_two_files_count_as_a_look_if_the_old_one_is_active(
    filled: Calsel, rules: Path, tmp_path: Path
) -> None:
    old = tmp_path / "naco.2001-11-01.oca"
    shutil.copy(book_of(rules), old)
    change(rules)
    told = filled("rules", "diff", book_of(rules), old, *NIGHTS)
    assert "not recorded as looked at: OLD is not what is active" in told.stderr
    assert filled("rules", "activate").exit_code == 1
    filled("rules", "diff", old, book_of(rules), *NIGHTS)
    assert filled("rules", "activate").exit_code == 0


def test_an_activation_is_undone_and_redone(filled: Calsel, rules: Path) -> None:
    assert filled("rules", "undo").stderr.startswith("calsel: no rulebooks were active before")
    first = filled("rules", "list").stdout
    change(rules)
    filled("rules", "activate", "--yes")
    second = filled("rules", "list").stdout
    for expected in (first, second):
        assert filled("rules", "undo").stdout == "replaced naco.2001-11-01.oca\n"
        assert filled("rules", "list").stdout == expected


def test_a_broken_book_is_neither_compared_nor_activated(filled: Calsel, rules: Path) -> None:
    before = filled("rules", "list").stdout
    book_of(rules).write_text(book_of(rules).read_text().replace("then", "thn", 1))
    for command in (["diff", "active", rules / "naco", *NIGHTS], ["activate"], ["activate", "--yes"]):
        told = filled("rules", *command)
        assert told.exit_code == 1
        assert ": error: " in told.stderr
    assert filled("rules", "list").stdout == before


def test_json_and_csv_say_what_the_text_says(filled: Calsel, rules: Path) -> None:
    change(rules)
    asked = ("rules", "diff", "active", book_of(rules), *NIGHTS, "--examples", "1")
    found = json.loads(filled(*asked, "--format", "json").stdout)
    assert 0 < found["changed"] <= found["compared"]
    assert (found["from"], found["to"], found["mode"]) == ("2012-03-01", "2012-03-31", "Raw2Raw")
    rows = list(csv.DictReader(io.StringIO(filled(*asked, "--format", "csv").stdout)))
    text = filled(*asked).stdout
    for finding, row in zip(found["findings"], rows, strict=True):
        assert int(row["frames"]) == finding["frames"]
        assert (row["slot"], row["old_lines"].split()) == (finding["slot"], finding["old"])
        assert finding["cause"] == row["cause"] == "classification"
        assert row["dp_id"] in text
        assert all(line in text for line in finding["old"] + finding["new"])


def test_what_cannot_be_compared_is_named(filled: Calsel, rules: Path) -> None:
    uves = ROOT / "rules" / "uves" / "uves.2004-10-14.oca"
    told = filled("rules", "diff", book_of(rules), uves, *NIGHTS)
    assert "rulebooks of one instrument can be compared, not of naco and uves" in told.stderr
    assert "no rulebook of uves is active" in filled("rules", "diff", "active", uves, *NIGHTS).stderr
    assert "nope: no rule file, no folder" in filled("rules", "diff", "active", "nope", *NIGHTS).stderr
    turned = filled("rules", "diff", "active", uves, "--from", "2012-03-02", "--to", "2012-03-01")
    assert (turned.exit_code, "--from must not be behind --to" in turned.stderr) == (2, True)
