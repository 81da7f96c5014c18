from __future__ import annotations

import math

import pytest

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
    near, far, given = {"MJD-OBS": 98.0}, {"MJD-OBS": 101.5}, {"MJD-OBS": 100.0}
    assert parts.clauses == ()
    assert parts.test(far, given, EMPTY)
    assert parts.plan(given) == (97, 101)
    assert parts.inside_plan(
        near,
        given,
    ) and not parts.inside_plan(far, given)


def test_a_rule_without_a_soft_window_is_always_inside_the_plan() -> None:
    assert condition("A == 1").inside_plan({}, {})


def test_both_ends_belong_to_the_plan() -> None:
    parts = condition("MJD-OBS tryBetween inputFile.MJD-OBS - 3 and inputFile.MJD-OBS + 1")
    assert all(parts.inside_plan({"MJD-OBS": end}, {"MJD-OBS": 100.0}) for end in (97.0, 101.0))
