from __future__ import annotations

import math
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import ROOT
from app.errors import RuleError
from app.rulebook import load_library
from app.rulebook.thresholds import (
    GRADES,
    Threshold,
    Trend,
    load_standards,
    read_standards,
    score,
    worst,
)

MEASURED = Path(__file__).parents[1] / "data" / "rulebook" / "qc_measured.txt"
HOT = frozenset({"DET.READ"})
MADE = frozenset({"MASTER_BIAS"})
RON = Threshold("QC.RON", "inferred", "ADU", good=(1.0, 4.0), usable=(0.5, 8.0))
TREND = Threshold("QC.RON", "inferred", trend=Trend(warning=3, bad=6, least=3))
NUMBERS = st.floats(-1e6, 1e6)


def test_the_qc_files_that_are_shipped_are_right_and_say_where_each_limit_comes_from() -> None:
    standards = load_standards(ROOT / "rules", load_library(ROOT / "rules"))
    assert {("NAOS+CONICA", "NACO_IMG_DARK_AVG"), ("UVES", "MASTER_BIAS_BLUE")} <= standards.keys()
    for standard in standards.values():
        assert all(each.source.partition(":")[2] for each in standard.thresholds)


def test_what_the_simulated_chains_measured_is_good_and_every_threshold_is_met() -> None:
    """The numbers of their products, as INSTRUME, PRO.CATG, parameter (with EXTNAME) and value."""
    standards = load_standards(ROOT / "rules", load_library(ROOT / "rules"))
    met = set()
    for line in MEASURED.read_text().splitlines():
        instrume, category, parameter, value = line.split(" ")
        threshold = standards[instrume, category].of(parameter)
        assert threshold is not None, line
        assert score(threshold, float(value)).grade == "good" or threshold.good is None, line
        met.add((instrume, category, threshold))
    measured = {instrume for instrume, _, _ in met}
    assert measured == {"GIRAFFE", "HAWKI", "MUSE", "VIMOS", "VISIR"}
    for (instrume, category), standard in standards.items():
        if instrume in measured:
            assert {(instrume, category, each) for each in standard.thresholds} <= met


@pytest.mark.parametrize(
    ("value", "grade"),
    [(1.0, "good"), (4.0, "good"), (4.1, "warning"), (0.5, "warning"), (8.1, "bad"), (-math.inf, "bad")],
)
def test_limits_belong_to_the_better_side(value: float, grade: str) -> None:
    assert score(RON, value).grade == grade


def test_what_nobody_can_judge_is_unscored() -> None:
    assert score(None, 1.0).grade == "unscored"
    assert score(RON, None).grade == "unscored"
    assert score(TREND, 2.0, [2.0, 2.1]).grade == "unscored"
    assert "2 certified before it, a trend needs 3" in score(TREND, 2.0, [2.0, 2.1]).reason


def test_without_history_the_limits_alone_count() -> None:
    both = Threshold("QC.RON", "inferred", good=(0.0, 10.0), trend=Trend(3, 6, least=3))
    assert score(both, 9.0, [2.0]).grade == "good"
    assert score(both, 9.0, [2.0, 2.1, 2.2]).grade == "bad"
    assert score(both, 2.4, [2.0, 2.1, 2.2]).grade == "good"


def test_a_floor_keeps_equal_values_from_making_every_other_bad() -> None:
    floor = Threshold("QC.RON", "inferred", trend=Trend(3, 6, least=3, floor=0.1))
    assert score(TREND, 2.01, [2.0] * 5).grade == "bad"
    assert score(floor, 2.01, [2.0] * 5).grade == "good"
    assert score(TREND, 2.0, [2.0] * 5).grade == "good"


@given(NUMBERS, st.lists(NUMBERS, max_size=9))
def test_the_worst_of_limits_and_trend_is_the_score(value: float, past: list[float]) -> None:
    threshold = Threshold("QC.X", "inferred", good=(-10, 10), usable=(-100, 100), trend=Trend(2, 5, least=4))
    found = score(threshold, value, past)
    by_limits = score(Threshold("QC.X", "inferred", good=(-10, 10), usable=(-100, 100)), value).grade
    if len(past) < 4:
        assert found.grade == by_limits
    else:
        middle = median(past)
        mad = median(abs(each - middle) for each in past)
        away = abs(value - middle)
        by_trend = "bad" if away > 5 * mad else "warning" if away > 2 * mad else "good"
        # Where two roundings meet a limit, either side is right.
        if not any(math.isclose(away, k * mad) for k in (2, 5)):
            assert found.grade == max(by_limits, by_trend, key=GRADES.index)
        assert (found.median, found.mad, found.past) == (middle, mad, len(past))


@given(NUMBERS, NUMBERS, st.lists(NUMBERS, min_size=4, max_size=9))
def test_nearer_to_the_median_is_never_worse(one: float, other: float, past: list[float]) -> None:
    threshold = Threshold("QC.X", "inferred", trend=Trend(2, 5, least=4))
    middle = median(past)
    near, far = sorted((one, other), key=lambda each: abs(each - middle))
    grades = [GRADES.index(score(threshold, each, past).grade) for each in (near, far)]
    assert grades[0] <= grades[1]


def test_a_product_is_worth_its_worst_number() -> None:
    assert worst(["good", "unscored"]) == "unscored"
    assert worst(["good", "unscored", "warning"]) == "warning"
    assert worst(["bad", "warning"]) == "bad"
    assert worst([]) == "unscored"


def read(text: str) -> list[str]:
    return read_standards(text.encode(), "toy/qc.toml", HOT, MADE)[1]


GOOD = """
[MASTER_BIAS]
setup = ["DET.READ"]
[MASTER_BIAS."QC.OUT*.RON"]
good = [0, inf]
trend = { warning = 3, bad = 5, floor = 0 }
source = "measured: yes"
[MASTER_BIAS."QC.OUT2.RON"]
good = [1, 2]
usable = [0, 3]
source = "documented: there"
"""


def test_a_name_of_its_own_goes_before_a_pattern() -> None:
    found, faults = read_standards(GOOD.encode(), "toy/qc.toml", HOT, MADE)
    assert faults == []
    standard = found["MASTER_BIAS"]
    assert [standard.of(name) and standard.of(name).good for name in ("QC.OUT1.RON", "QC.OUT2.RON")] == [
        (0.0, math.inf),
        (1.0, 2.0),
    ]
    assert standard.of("QC.OTHER") is None
    assert standard.file.startswith("toy/qc.toml ")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"DET.READ"', '"DET.REED"', "no rule of this instrument names the set-up keyword DET.REED"),
        ('["DET.READ"]', '"DET.READ"', "setup is a list of keywords"),
        ('"QC.OUT2.RON"', '"OUT2.RON"', "a number's name begins with QC. or PRO.DATA"),
        ("good = [1, 2]", "good = [2, 1]", "good is [low, high]"),
        ("good = [1, 2]", "good = [1, nan]", "good is [low, high]"),
        ("usable = [0, 3]", "usable = [1.5, 3]", "usable holds good"),
        ("good = [1, 2]\nusable = [0, 3]", "", "needs good or trend"),
        ('"documented: there"', '"I said so"', "source says where it comes from"),
        ("good = [1, 2]", "god = [1, 2]", "does not know god"),
        ("bad = 5", "bad = 2", "bad is farther than warning"),
        ("floor = 0", "floor = -1", "floor is a number, not negative"),
        ("floor = 0", "least = 31", "least is more than last"),
        ("floor = 0", "last = 1.5", "last and least are numbers of products"),
        ("MASTER_BIAS", "MASTER_BIOS", "[MASTER_BIOS]: no action of this instrument makes that"),
        ("[MASTER_BIAS]", "[MASTER_BIAS", "toy/qc.toml: "),
        ("[MASTER_BIAS]\n", "x = 1\n[MASTER_BIAS]\n", "x = … is no category"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(old: str, new: str, fault: str) -> None:
    faults = read(GOOD.replace(old, new))
    assert any(fault in each and each.startswith("toy/qc.toml") for each in faults), faults


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    library = load_library(ROOT / "rules")
    for name in ("naco", "uves"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "qc.toml").write_text("[NONE]\n[NOTHING]\n")
    with pytest.raises(RuleError) as caught:
        load_standards(tmp_path, library)
    assert len(str(caught.value).splitlines()) == 8
