"""Associations that cannot be satisfied, windows and keys that contradict, keywords that nobody writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.oca.parser import parse
from app.rulebook.dictionary import Dictionary, read_dictionaries
from app.rulebook.suspects import suspects

BOOK = """if DPR.TYPE == "BIAS" then { RAW.TYPE = "BIAS"; }
if DPR.TYPE == "FLAT" then { RAW.TYPE = "FLAT"; }
select execute(BIAS) from inputFiles where RAW.TYPE == "BIAS" and INS.MODE == "RED" group by DET.BINX, TPL.START;
select execute(FLAT) from inputFiles where RAW.TYPE == "FLAT" group by DET.BINX;
action BIAS {
  recipe none;
  product P { PRO.CATG = "MASTER_BIAS"; }
}
action FLAT {
  minRet = 1; maxRet = 1;
  select file as MASTER_BIAS from calibFiles where PRO.CATG == "MASTER_BIAS"
    and inputFile.DET.BINX == DET.BINX
    and MJD-OBS between inputFile.MJD-OBS - 10 and inputFile.MJD-OBS + 10
    and MJD-OBS tryBetween inputFile.MJD-OBS - 5 and inputFile.MJD-OBS + 5;
  recipe none;
  product P { PRO.CATG = "MASTER_FLAT"; }
}
"""  # noqa: E501


def told(text: str, dictionary: Dictionary | None = None) -> list[str]:
    parsed = parse(text, "toy.2000-01-01.oca")
    assert not parsed.errors
    return [f"{pos.line}: {message}" for pos, message in suspects(parsed.rules, dictionary)]


def changed(old: str, new: str) -> str:
    assert BOOK.count(old) == 1
    return BOOK.replace(old, new)


def test_nothing_is_suspect_in_a_sound_book() -> None:
    assert told(BOOK) == []


def test_a_plan_may_not_be_wider_than_the_extended_validity_on_either_side() -> None:
    wide = "11: the plan of MASTER_BIAS ({} d) is wider than its extended validity (-10 to +10 d)"
    assert told(changed("OBS - 5", "OBS - 11")) == [wide.format("-11 to +5")]
    assert told(changed("OBS + 5", "OBS + 10.5")) == [wide.format("-5 to +10.5")]
    assert told(changed("OBS - 5", "OBS - 10")) == []


def test_further_windows_are_no_plan_but_may_not_be_wider_than_the_extended_validity() -> None:
    further = "OBS + 5\n    and MJD-OBS tryBetween inputFile.MJD-OBS - {0} and inputFile.MJD-OBS + {0}"
    assert told(changed("OBS + 5", further.format(1))) == told(changed("OBS + 5", further.format(9))) == []
    assert told(changed("OBS + 5", further.format(11))) == [
        "11: a level of MASTER_BIAS (-11 to +11 d) is wider than its extended validity (-10 to +10 d)"
    ]


def test_a_date_is_no_window() -> None:
    assert told(changed("OBS + 10\n", "OBS + 10 and MJD-OBS >= 55335\n")) == []


def test_more_files_at_least_than_at_most_are_never_found_but_none_at_most_is_switched_off() -> None:
    assert told(changed("minRet = 1;", "minRet = 3;")) == [
        "11: MASTER_BIAS wants at least 3 files and at most 1"
    ]
    assert told(changed("maxRet = 1;", "maxRet = 0;")) == []


@pytest.mark.parametrize(
    ("clause", "reason"),
    [
        ('INS.MODE == "BLUE"', "its product has INS.MODE = RED"),
        ('RAW.TYPE == "BIAS"', "its product has no RAW.TYPE"),
        ("inputFile.DPR.TECH == DPR.TECH", "its product has no DPR.TECH"),
        ('INS.MODE == "RED"', ""),
        ('DO.CATG == "MASTER_BIAS"', ""),
        ("inputFile.RAW.TYPE == RAW.TYPE", "its product has no RAW.TYPE"),
    ],
)
def test_what_no_product_can_have_satisfies_no_association(clause: str, reason: str) -> None:
    found = told(
        changed("and inputFile.DET.BINX == DET.BINX", f"and inputFile.DET.BINX == DET.BINX and {clause}")
    )
    assert found == ([f"11: no action can satisfy MASTER_BIAS: BIAS: {reason}"] if reason else [])


def test_a_category_that_nothing_makes_has_no_plan_but_a_static_file_needs_none() -> None:
    text = changed('PRO.CATG == "MASTER_BIAS"', 'PRO.CATG == "LINE_TABLE"')
    assert told(text) == ["11: MASTER_BIAS has a calibration plan, but no action makes LINE_TABLE"]
    assert (
        told(text.replace("    and MJD-OBS tryBetween inputFile.MJD-OBS - 5 and inputFile.MJD-OBS + 5", ""))
        == []
    )


SECOND = """select execute(OTHER) from inputFiles where RAW.TYPE == "BIAS" group by {};
action OTHER {{
  recipe none;
  product P {{ PRO.CATG = "MASTER_BIAS"; }}
}}
"""


def test_makers_of_one_category_group_by_the_key_that_it_is_asked_for_by() -> None:
    assert told(BOOK + SECOND.format("TPL.START, DET.BINX")) == []
    said = "MASTER_BIAS is asked for by DET.BINX: BIAS groups by it, OTHER does not"
    assert told(BOOK + SECOND.format("TPL.START")) == [f"19: {said}"]


def test_a_keyword_of_the_instrument_is_looked_up_in_its_dictionaries(tmp_path: Path) -> None:
    folder = tmp_path / "toy-1.0" / "dic"
    folder.mkdir(parents=True)
    (folder / "ESO-VLT-DIC.TOY_ICS").write_text("Parameter Name:    INS FILTi NAME\nClass:  header\n")
    dictionary = read_dictionaries(["toy-1.0"], tmp_path)
    assert dictionary is not None
    assert told(BOOK, dictionary) == ["3: no dictionary of the instrument has INS.MODE"]
    assert told(BOOK.replace("INS.MODE", "INS.FILT1.NAME"), dictionary) == []
    assert read_dictionaries(["other-1.0"], tmp_path) is None


@pytest.mark.parametrize(
    ("keyword", "known"),
    [
        ("INS.FILT1.NAME", True),
        ("INS.FILT.NAME", True),
        ("INS.FILTX.NAME", False),
        ("INS.FILT1.NAMES", False),
        ("INS2.OPTI3.ID", True),
        ("INS.GRAT1.NAME", True),
        ("DET.CHIP1.ID", True),
    ],
)
def test_an_i_in_a_dictionary_stands_for_a_number_or_nothing(
    tmp_path: Path, keyword: str, known: bool
) -> None:
    folder = tmp_path / "toy-1.0" / "dic"
    folder.mkdir(parents=True)
    (folder / "ESO-VLT-DIC.TOY_ICS").write_text(
        "Parameter Name:\tINS FILTi NAME  \nParameter Name: INSi OPTI3 ID\n"
    )
    (folder / "ESO-DFS-DIC.TOY_QC").write_text("Parameter Name:    INS GRATi NAMEi\n")
    dictionary = read_dictionaries(["toy-1.0"], tmp_path)
    assert dictionary is not None
    assert dictionary.knows(keyword) is known
