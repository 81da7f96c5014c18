"""Why a rule did or did not fire, or choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.archive.index import Index
from app.craft.explain import explain
from app.craft.tables import read_pool
from app.craft.trials import laid_out
from app.errors import NoRulebookError, RequestError, UnknownFrameError

SCI = "TOY.2010-01-10T03:00:00.000"
BIAS = "TOY.2010-01-10T12:00:00.000"
Why = Callable[..., list[str]]


@pytest.fixture
def why(empty: Index, folder: Path) -> Iterator[Why]:
    with (
        empty.connection() as connection,
        laid_out(connection, folder, read_pool(folder / "pool.txt")) as rules,
    ):
        yield lambda dp_id, rule, **more: explain(connection, rules, dp_id, rule, **more)


def test_a_classification_rule_tells_each_clause_with_its_value_and_what_it_assigned(why: Why) -> None:
    assert why(SCI, "4") == [
        "toy.2000-01-01.oca:4 classification: fired",
        '  yes  DPR.TYPE == "OBJECT"    [DPR.TYPE = "OBJECT"]',
        '  assigned RAW.TYPE = "SCI"',
        '  assigned DO.CATG = "SCI"',
        "  assigned EXPOSE_TO_CALSELECTOR = True",
    ]


def test_a_rule_sees_what_the_rules_before_it_derived(why: Why) -> None:
    assert why(SCI, "toy.2000-01-01.oca:5") == [
        "toy.2000-01-01.oca:5 classification: did not fire",
        '  yes  RAW.TYPE == "SCI"    [RAW.TYPE = "SCI"]',
        '  no   INS.MODE == "RED"    [INS.MODE = undefined]',
    ]


def test_an_assignment_that_a_later_rule_replaced_is_told(folder: Path, empty: Index) -> None:
    with (folder / "pool.txt").open("a") as pool:
        pool.write("id | like | dp_id | DPR.TYPE | INS.MODE\n")
        pool.write("red | base | TOY.2010-01-11T03:00:00.000 | OBJECT | RED\n")
    with (
        empty.connection() as connection,
        laid_out(connection, folder, read_pool(folder / "pool.txt")) as rules,
    ):
        told = explain(connection, rules, "TOY.2010-01-11T03:00:00.000", "4")
    assert told[-1] == '  but line 5 assigned RAW.TYPE = "SCI_RED" afterwards'


def test_an_organisation_rule_tells_its_group(why: Why) -> None:
    assert why(BIAS, "9") == [
        "toy.2000-01-01.oca:9 organisation: made a group of it for ACTION_BIAS",
        '  yes  RAW.TYPE == "BIAS"    [RAW.TYPE = "BIAS"]',
        '  group by TPL.START = "2010-01-10T12:00:00"',
        f"  group of 2 files, 2 wanted (enough): {BIAS} … TOY.2010-01-10T12:01:00.000",
    ]
    assert why("TOY.2010-01-10T10:00:00.000", "9")[-1].startswith("  group of 1 files, 2 wanted (too few)")
    assert why(SCI, "9")[0] == "toy.2000-01-01.oca:9 organisation: made no group of it for ACTION_BIAS"


def test_an_action_is_named_by_its_name_and_tells_the_rules_that_run_it(why: Why) -> None:
    told = why(SCI, "ACTION_SCI")
    assert told[0] == f"toy.2000-01-01.oca:17 action ACTION_SCI: run on a group of {SCI}"
    assert [line for line in told if "organisation" in line] == [
        "toy.2000-01-01.oca:10 organisation: made a group of it for ACTION_SCI",
        "toy.2000-01-01.oca:11 organisation: made no group of it for ACTION_SCI",
    ]


def test_an_association_tells_what_each_clause_refused_and_what_it_chose(why: Why) -> None:
    told = why(SCI, "MASTER_BIAS")
    assert told[0] == "toy.2000-01-01.oca:19 association MASTER_BIAS: chose 1 of 1 to 1"
    assert "  refused    1  inputFile.DET.BINX == DET.BINX    [inputFile.DET.BINX = 1]" in told
    assert "  refused    1  group smaller than its rule's minRet" in told
    assert f"  chose {BIAS} +0.38 d calib_plan" in told


def test_an_association_that_the_frames_group_does_not_have_was_not_asked(why: Why) -> None:
    (told,) = why(BIAS, "ACTION_SCI/MASTER_BIAS")
    assert told.endswith(f"not asked, {BIAS} is in no group for ACTION_SCI")


@pytest.mark.parametrize(
    ("dp_id", "said", "clause"),
    [
        (
            "TOY.2010-01-10T11:00:00.000",
            "refuses it: inputFile.DET.BINX == DET.BINX",
            "  no   inputFile.DET.BINX == DET.BINX    [inputFile.DET.BINX = 1; DET.BINX = 2]",
        ),
        (
            "TOY.2010-01-10T10:00:00.000",
            "refuses it: group smaller than its rule's minRet",
            "  yes  inputFile.DET.BINX == DET.BINX    [inputFile.DET.BINX = 1; DET.BINX = 1]",
        ),
        (
            BIAS,
            "could take it (calib_plan)",
            "  yes  inputFile.DET.BINX == DET.BINX    [inputFile.DET.BINX = 1; DET.BINX = 1]",
        ),
    ],
)
def test_a_candidate_is_held_against_the_frame_that_asks(
    why: Why, dp_id: str, said: str, clause: str
) -> None:
    told = why(dp_id, "MASTER_BIAS", asker=SCI)
    assert told[0] == (
        f"toy.2000-01-01.oca:19 association MASTER_BIAS of {SCI}: {said}, as virtual MASTER_BIAS"
    )
    assert clause in told
    assert told[-1] == f"  chose {BIAS} +0.38 d calib_plan"


@pytest.mark.parametrize(("asker", "word"), [(SCI, "in "), ("TOY.2010-01-15T03:00:00.000", "out")])
def test_a_plan_says_whether_the_candidate_is_in_it(why: Why, asker: str, word: str) -> None:
    told = why(BIAS, "MASTER_BIAS", asker=asker)
    (line,) = [line for line in told if "tryBetween" in line]
    assert line.startswith(f"  {word}  MJD-OBS tryBetween inputFile.MJD-OBS - 1 and inputFile.MJD-OBS + 1")


def test_a_static_file_without_a_time_is_held_against_the_frame_that_asks(why: Why) -> None:
    told = why("M.TOY.2009-01-01T00:00:00.000", "LINES", asker=SCI)
    assert told[0].endswith("could take it (N/A), as static LINES")
    with pytest.raises(RequestError, match="name who asks for it"):
        why("M.TOY.2009-01-01T00:00:00.000", "LINES")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("other.oca:4", "picks toy.2000-01-01.oca"),
        ("1", "before the first rule, in line 3"),
        ("99999", r"toy.2000-01-01.oca:99999 is behind the last line, \d+"),
        ("FLAT", "no such line, label of an association or action"),
    ],
)
def test_a_rule_that_is_not_there_is_named(why: Why, rule: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        why(SCI, rule)


def test_a_frame_that_is_not_there_is_named(why: Why) -> None:
    with pytest.raises(UnknownFrameError):
        why("TOY.1999-01-01T00:00:00.000", "4")


def test_a_frame_from_before_the_first_night_is_named(folder: Path, empty: Index) -> None:
    (folder / "toy.2000-01-01.oca").rename(folder / "toy.2020-01-01.oca")
    with (
        empty.connection() as connection,
        laid_out(connection, folder, read_pool(folder / "pool.txt")) as rules,
        pytest.raises(NoRulebookError, match="is before"),
    ):
        explain(connection, rules, SCI, "4")
