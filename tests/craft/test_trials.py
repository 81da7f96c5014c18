"""Pools and tables: the readers, what a fault is, what no table ever used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.archive.index import Index
from app.archive.quality import breakpoints
from app.craft.coverage import Coverage, coverage
from app.craft.tables import read_expected, read_pool
from app.craft.trials import Trial, folders, try_out
from app.errors import RuleError, UnknownFrameError
from app.ingest import use_rules
from app.rulebook import load_library


def tried(index: Index, folder: Path) -> Trial:
    with index.connection() as connection:
        return try_out(connection, folder)


def with_rows(folder: Path, *rows: str) -> Path:
    with (folder / "expected.txt").open("a") as table:
        table.writelines(f"{row}\n" for row in rows)
    return folder


def test_a_table_that_is_fulfilled_has_no_faults_and_leaves_the_index_empty(
    empty: Index, folder: Path
) -> None:
    trial = tried(empty, folder)
    assert (trial.instrument, len(trial.cases), trial.faults) == ("toy", 5, [])
    with empty.connection() as connection:
        assert connection.execute("SELECT count(*) FROM frame").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM book").fetchone() == (0,)


SCI = "TOY.2010-01-10T03:00:00.000 | Raw2Raw |"


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (
            f"{SCI} MASTER_BIAS | TOY.2010-01-10T11:00:00.000 | calib_plan",
            "toy.2000-01-01.oca:19 found TOY.2010-01-10T12:00:00.000 "
            "(1 refused by inputFile.DET.BINX == DET.BINX, "
            "1 refused by group smaller than its rule's minRet)",
        ),
        (
            f"{SCI} MASTER_BIAS | TOY.2010-01-10T12:00:00.000 | extended",
            "toy.2000-01-01.oca:19 found it as calib_plan",
        ),
        (
            f"{SCI} MASTER_BIAS | TOY.2010-01-10T12:00:00.000 | calib_plan -1",
            "toy.2000-01-01.oca:19 found it as calib_plan 0",
        ),
        (
            f"{SCI} LINES | M.TOY.2009-01-01T00:00:00.000 | extended 1",
            "toy.2000-01-01.oca:24 found it as N/A",
        ),
        (
            f"{SCI} LINES | - | -",
            "toy.2000-01-01.oca:24 found M.TOY.2009-01-01T00:00:00.000",
        ),
        (f"{SCI} FLAT | - | -", "SCI has no FLAT, only MASTER_BIAS, LINES, ACQ"),
        (f"{SCI} ACQ / FLAT | - | -", "ACQ found nothing, so nothing below"),
        (f"{SCI} . | - | -", "an answer is offered: SCI"),
        (
            f"{SCI} . | TOY.2010-01-10T12:00:00.000 | -",
            "the data set begins with TOY.2010-01-10T03:00:00.000",
        ),
        (
            f"{SCI} . | TOY.2010-01-10T03:00:00.000 | MASTER_BIAS: 1 needed, 0 found",
            "the answer is told as: complete",
        ),
        (
            "TOY.2010-01-10T12:00:00.000 | Raw2Raw | . | TOY.2010-01-10T12:00:00.000 | -",
            "No association could be established: this file type is not supported",
        ),
    ],
)
def test_a_row_that_is_not_fulfilled_says_what_was_found(
    empty: Index, folder: Path, row: str, found: str
) -> None:
    trial = tried(empty, with_rows(folder, row))
    assert [(case.where, told) for case, told in trial.faults] == [("toy/expected.txt:7", found)]


def test_a_row_may_expect_that_a_data_set_is_complete_or_what_is_told_of_one_that_is_not(
    empty: Index, folder: Path
) -> None:
    with (folder / "pool.txt").open("a") as pool:
        pool.write("id | like | dp_id | DPR.TYPE\ngap | base | TOY.2011-01-10T03:00:00.000 | OBJECT\n")
    gap = "TOY.2011-01-10T03:00:00.000 | Raw2Raw | . | TOY.2011-01-10T03:00:00.000 |"
    with_rows(folder, f"{SCI} . | TOY.2010-01-10T03:00:00.000 | complete")
    with_rows(folder, f"{gap} MASTER_BIAS: 1 needed, 0 found")
    assert tried(empty, folder).faults == []
    with_rows(folder, f"{gap} complete")
    assert [told for _, told in tried(empty, folder).faults] == [
        "the answer is told as: MASTER_BIAS: 1 needed, 0 found"
    ]


def test_a_row_may_say_the_level_of_a_match(empty: Index, folder: Path) -> None:
    late = "TOY.2010-01-15T03:00:00.000 | Raw2Raw |"
    with_rows(
        folder,
        f"{SCI} MASTER_BIAS | TOY.2010-01-10T12:00:00.000 | calib_plan 0",
        f"{late} MASTER_BIAS | TOY.2010-01-10T12:00:00.000 | extended 1",
    )
    trial = tried(empty, folder)
    assert [case.level for case in trial.cases] == [None] * 5 + [0, 1]
    assert trial.faults == []


@pytest.mark.parametrize(("match", "word"), [("calib_plan 1", "extended"), ("extended 0", "calib_plan")])
def test_a_level_that_has_another_word_is_no_row(folder: Path, match: str, word: str) -> None:
    row = f"{SCI} MASTER_BIAS | TOY.2010-01-10T12:00:00.000 | {match}"
    with pytest.raises(RuleError, match=rf"toy/expected.txt:7: level . is {word}, not {match.split()[0]}"):
        read_expected(with_rows(folder, row) / "expected.txt")


def test_an_intervention_of_the_pool_counts_in_trials_and_is_not_loaded_with_the_books(
    empty: Index, folder: Path
) -> None:
    everything = {"rawType": "ANY", "proCatg": "ANY", "doClass": "ANY"}
    entry = {"mjdObs": 55208.0, "instrument": "TOY", "dpInstrument": "TOY", **everything}
    (folder / "pool.breakpoints.json").write_text(json.dumps([entry]))
    (found,) = tried(empty, folder).faults
    assert (found[0].where, "1 refused by breakpoint" in found[1]) == ("toy/expected.txt:5", True)
    use_rules(empty, load_library(folder.parent), folder.parent)
    with empty.connection() as connection:
        assert breakpoints(connection) == []


def test_a_frame_that_the_pool_does_not_have_is_named(empty: Index, folder: Path) -> None:
    with pytest.raises(UnknownFrameError, match="TOY"):
        tried(empty, with_rows(folder, "TOY.2011-01-01T00:00:00.000 | Raw2Raw | . | - | -"))


def test_only_folders_with_a_pool_and_a_table_are_tried(folder: Path) -> None:
    assert folders(folder.parent) == [folder]
    (folder / "pool.txt").unlink()
    assert folders(folder.parent) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x | y", r"toy/pool.txt:11: 2 cells under 4 column names"),
        ("lines | M.TOY.1 | TOY | X", r"toy/pool.txt:11: 'lines' is there twice"),
        ("other | M.TOY.2009-01-01T00:00:00.000 | TOY | X", "is there twice"),
    ],
)
def test_a_bad_row_of_a_pool_is_named_with_its_line(folder: Path, line: str, message: str) -> None:
    with (folder / "pool.txt").open("a") as pool:
        pool.write(f"{line}\n")
    with pytest.raises(RuleError, match=message):
        read_pool(folder / "pool.txt")


def test_a_bad_row_of_a_table_is_named_with_its_line(folder: Path) -> None:
    with pytest.raises(RuleError, match=r"toy/expected.txt:7: want 'dp_id"):
        read_expected(with_rows(folder, "TOY.X | Raw2Nothing | . | - | -") / "expected.txt")


def covered(index: Index, folder: Path) -> Coverage:
    (found,) = coverage(tried(index, folder))
    return found


def test_what_no_answer_used_is_missing_and_an_excuse_in_the_book_is_taken(
    empty: Index, folder: Path
) -> None:
    found = covered(empty, folder)
    assert [(line.ref.line, line.kind, line.name) for line in found.missing] == [
        (5, "classification", 'RAW.TYPE = "SCI_RED"'),
        (5, "keyword", "INS.MODE"),
        (11, "organisation", "ACTION_SCI"),
    ]
    assert [(line.name, line.excuse) for line in found.lines if line.excuse] == [
        (name, "no observing block of the toy has one") for name in ("ACTION_SCI / ACQ", "OBS.ID")
    ]
    assert len(found.lines) == 4 + 3 + 2 + 3 + 2
    assert found.percent == pytest.approx(100 * 11 / 14)


def test_the_rows_that_name_the_choice_of_an_association_are_counted(empty: Index, folder: Path) -> None:
    rows = {line.name: line.rows for line in covered(empty, folder).lines if line.kind == "association"}
    assert rows == {"ACTION_SCI / MASTER_BIAS": 2, "ACTION_SCI / LINES": 1, "ACTION_SCI / ACQ": 0}


def test_a_row_that_asks_for_it_makes_a_rule_used(empty: Index, folder: Path) -> None:
    with (folder / "pool.txt").open("a") as pool:
        pool.write("id | like | dp_id | DPR.TYPE | INS.MODE\n")
        pool.write("red | base | TOY.2010-01-11T03:00:00.000 | OBJECT | RED\n")
    row = "TOY.2010-01-11T03:00:00.000 | Raw2Raw | . | TOY.2010-01-11T03:00:00.000 | -"
    assert covered(empty, with_rows(folder, row)).percent == 100
