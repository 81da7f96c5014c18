from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.oca.conditions import Condition, take_apart
from app.oca.evaluate import EMPTY
from app.oca.parser import parse


def condition(text: str) -> Condition:
    parsed = parse(f"action A {{ select file as X from calibFiles where {text}; }}", "toy")
    assert not parsed.errors
    return take_apart(parsed.rules.actions[0].associations[0].condition)


def test_a_condition_falls_into_literals_joins_limits_and_the_rest() -> None:
    parts = condition(
        'PRO.CATG == "X" and 1 == N and G == T and inputFile.A == A and B == inputFile.C and '
        "MJD-OBS > inputFile.MJD-OBS - 5 and D ?= inputFile.D and (E == 1 or E == 2)"
    )
    assert set(parts.literals) == {("PRO.CATG", "X"), ("N", 1), ("G", True)}
    assert parts.joins == (("A", "A"), ("B", "C"))
    assert len(parts.clauses) == 8
    assert [clause.text for clause in parts.clauses if clause.residual] == [
        "D ?= inputFile.D",
        "E == 1 or E == 2",
    ]


@pytest.mark.parametrize(
    "text",
    ["A != 1", "not A == 1", "A == -1", "A == B", "inputFile.A == inputFile.B", "A ?= 1", "A == undefined"],
)
def test_what_an_index_cannot_look_up_is_left_to_evaluation(text: str) -> None:
    parts = condition(text)
    assert (parts.literals, parts.joins, parts.bounds) == ((), (), ())
    assert len(parts.clauses) == 1


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("MJD-OBS between inputFile.MJD-OBS - 3 and inputFile.MJD-OBS + 2", 97, 102),
        ("MJD-OBS < inputFile.MJD-OBS", -math.inf, 100),
        ("inputFile.MJD-OBS <= MJD-OBS", 100, math.inf),
        ("MJD-OBS >= 55 and 60 > MJD-OBS", 55, 60),
        ("MJD-OBS == inputFile.MJD-OBS", 100, 100),
        ("MJD-OBS > 10 and MJD-OBS > 20 and MJD-OBS < inputFile.GONE", 20, math.inf),
        ('MJD-OBS > "90"', -math.inf, math.inf),
        ("inputFile.MJD-OBS between MJD-OBS - 3 and MJD-OBS + 3", -math.inf, math.inf),
        ("MJD-OBS != 5", -math.inf, math.inf),
        ("MJD-OBS < inputFile.MJD-OBS or MJD-OBS > 7", -math.inf, math.inf),
        ("MJD-OBS < inputFile.MJD-OBS + OFFSET", -math.inf, math.inf),
        ("MJD-OBS tryBetween inputFile.MJD-OBS - 3 and inputFile.MJD-OBS", -math.inf, math.inf),
    ],
)
def test_the_window_is_what_the_input_alone_says_of_mjd_obs(text: str, low: float, high: float) -> None:
    assert condition(text).window({"MJD-OBS": 100.0}) == (low, high)


def test_a_soft_window_refuses_nothing_and_tells_the_plan() -> None:
    parts = condition("MJD-OBS tryBetween inputFile.MJD-OBS - 3 and inputFile.MJD-OBS + 1")
    near, far, asking = {"MJD-OBS": 98.0}, {"MJD-OBS": 101.5}, {"MJD-OBS": 100.0}
    assert parts.clauses == ()
    assert parts.test(far, asking, EMPTY)
    assert parts.plan(asking) == (97, 101)
    assert (parts.level(near, asking), parts.level(far, asking)) == (0, 1)


def test_a_rule_without_a_soft_window_has_no_level() -> None:
    assert condition("A == 1").level({}, {}) is None


def soft(before: float, after: float) -> str:
    return f"MJD-OBS tryBetween inputFile.MJD-OBS - {before} and inputFile.MJD-OBS + {after}"


NESTED = " and ".join([soft(3, 3), soft(1, 1), soft(10, 10), soft(0.5, 0.5), soft(20, 20)])


@pytest.mark.parametrize(
    ("days", "level"), [(0.5, -2), (1, -1), (1.1, 0), (-3, 0), (3.1, 1), (-10, 1), (10.1, 2), (21, 3)]
)
def test_the_first_window_is_the_plan_and_nesting_gives_the_other_levels(days: float, level: int) -> None:
    assert condition(NESTED).level({"MJD-OBS": 100.0 + days}, {"MJD-OBS": 100.0}) == level


@pytest.mark.parametrize(
    "other",
    [
        "TEL.AIRM tryBetween 1 and 1.2",
        "MJD-OBS tryBetween 50 and 60",
        "inputFile.MJD-OBS tryBetween MJD-OBS - 50 and MJD-OBS - 40",
        soft(1, 30),
        soft(3, 3).replace("- 3", "+ 50").replace("inputFile.MJD-OBS + 3", "inputFile.MJD-OBS + 60"),
    ],
)
def test_a_window_neither_inside_nor_around_the_plan_is_part_of_it(other: str) -> None:
    asking, near = {"MJD-OBS": 100.0}, {"MJD-OBS": 97.5, "TEL.AIRM": 2.0}
    assert condition(soft(3, 3)).level(near, asking) == 0
    for text in (f"{soft(3, 3)} and {other}", f"{soft(3, 3)} and {other} and {soft(9, 9)}"):
        assert condition(text).level(near, asking) == 1


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=4),
    st.floats(-8, 8),
    st.floats(0, 8),
)
def test_nothing_of_some_days_has_a_better_level_than_the_best(
    windows: list[tuple[int, int]], days: float, more: float
) -> None:
    parts = condition(" and ".join(["A == 1", *(soft(*each) for each in windows)]))
    best = parts.best_level({"MJD-OBS": 100.0}, 100 + days, 100 + days + more)
    level = parts.level({"MJD-OBS": 100 + days + more / 2}, {"MJD-OBS": 100.0})
    assert best <= (level or 0)


def test_both_ends_belong_to_the_plan() -> None:
    parts = condition("MJD-OBS tryBetween inputFile.MJD-OBS - 3 and inputFile.MJD-OBS + 1")
    assert all(parts.level({"MJD-OBS": end}, {"MJD-OBS": 100.0}) == 0 for end in (97.0, 101.0))
