from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.associate.choosing import COUNTED, Asker, accept, count, needed, refusal, rival
from app.associate.ports import Breakpoint, Candidate
from app.associate.wish import Wish
from app.rulebook import Wanted, read_book
from app.tree import Rival

ASKER = Asker({"MJD-OBS": 100.0, "A": 1}, 100.0, frozenset({"above", "mine"}), frozenset({"OWN"}))


def wanted(condition: str, most: int = 1) -> Wanted:
    text = f"action X {{ maxRet = {most};\nselect file as L from calibFiles where {condition}; }}"
    return read_book(text, "toy.2000-01-01.oca").actions["X"].wanted[0]


def candidate(name: str, days: float | None = 0.0, **changes: Any) -> Candidate:
    keywords: dict[str, Any] = {"PRO.CATG": "X", "A": 1}
    if days is not None:
        keywords["MJD-OBS"] = 100.0 + days
    middle = None if days is None else 100.0 + days
    plain = Candidate("virtual", 1, 0, name, middle, True, "ok", keywords, "RAW", "TAG", f"group {name}")
    return replace(plain, **changes)


ANY = wanted('PRO.CATG == "X"')


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "hidden"}, "hidden (bad quality)"),
        ({"state": "small"}, "group smaller than its rule's minRet"),
        ({"content": "above"}, "needs the product it would calibrate (cycle)"),
        ({"content": "mine"}, "needs the product it would calibrate (cycle)"),
        ({"pool": "raw", "name": "OWN"}, "one of its own files"),
        ({"pool": "static", "name": "OWN"}, "one of its own files"),
        ({"pool": "master", "certified": False}, "master is not certified"),
        ({"keywords": {"PRO.CATG": "Y"}}, 'PRO.CATG == "X"'),
    ],
)
def test_each_reason_to_refuse_is_named(changes: dict[str, Any], reason: str) -> None:
    refused = refusal(ANY, ASKER, replace(candidate("C"), **changes), ())
    assert refused and refused.clause == reason
    assert refusal(ANY, ASKER, candidate("C"), ()) is None


def test_the_first_false_clause_refuses_with_its_line() -> None:
    rule = wanted('PRO.CATG == "X" and\nA == 2 and\nA == 3')
    refused = refusal(rule, ASKER, candidate("C"), ())
    assert refused and (refused.clause, refused.line) == ("A == 2", 3)


def test_groups_of_one_content_count_once_and_the_first_rule_stands() -> None:
    twins = [candidate("C", ref=n, rule=9 - n, content="same") for n in (1, 2, 3)]
    for order in (twins, twins[::-1]):
        assert [each.candidate.rule for each in accept(ANY, ASKER, order, ())] == [6]


def test_several_products_of_one_group_count_each() -> None:
    products = [candidate("C", promise=n, content="same") for n in (1, 0)]
    assert [each.candidate.promise for each in accept(ANY, ASKER, products, ())] == [0, 1]


def test_untimed_files_come_after_timed_ones_and_the_newest_of_them_first() -> None:
    names = ["M.TOY.2001", "M.TOY.2003", "M.TOY.2002", "M.TOY.2003.1"]
    files = [candidate(name, None, pool="static") for name in names]
    ranked = accept(ANY, ASKER, [*files, candidate("FAR", 5000.0)], ())
    found = [each.candidate.name for each in ranked]
    assert found == ["FAR", "M.TOY.2003.1", "M.TOY.2003", "M.TOY.2002", "M.TOY.2001"]


BREAK = Breakpoint(101.0, "TOY", "RAW", "X", "TAG")


@pytest.mark.parametrize(
    ("days", "crossed"), [(0.9, False), (1.0, False), (1.1, True), (-5.0, False)], ids=str
)
def test_a_breakpoint_separates_what_lies_strictly_on_both_sides(days: float, crossed: bool) -> None:
    assert (refusal(ANY, ASKER, candidate("C", days), [BREAK]) is not None) == crossed


def test_a_file_without_a_time_and_a_static_cross_nothing() -> None:
    assert refusal(ANY, ASKER, candidate("C", None), [BREAK]) is None
    assert refusal(ANY, ASKER, candidate("C", 2.0, pool="static"), [BREAK]) is None


@pytest.mark.parametrize(
    ("pool", "entry", "crossed"),
    [
        ("virtual", ("RAW", "X", "TAG"), True),
        ("virtual", ("OTHER", "X", "TAG"), False),
        ("virtual", ("RAW", "OTHER", "TAG"), False),
        ("virtual", ("RAW", "X", "OTHER"), False),
        ("master", ("OTHER", "X", "OTHER"), True),
        ("master", ("RAW", "OTHER", "TAG"), False),
        ("raw", ("RAW", "OTHER", "TAG"), True),
        ("raw", ("OTHER", "X", "TAG"), False),
        ("raw", ("ANY", "ANY", "ANY"), True),
    ],
)
def test_a_breakpoint_holds_for_its_kind_of_calibration(
    pool: Any, entry: tuple[str, str, str], crossed: bool
) -> None:
    raw_type, pro_catg, do_class = entry
    each = Breakpoint(101.0, "TOY", raw_type, pro_catg, do_class)
    assert (refusal(ANY, ASKER, candidate("C", 2.0, pool=pool), [each]) is not None) == crossed


CANDIDATES = st.lists(
    st.builds(
        candidate,
        st.sampled_from("ABCDEFGH"),
        st.sampled_from([None, -2.0, -1.0, 0.0, 1.0, 2.0]),
        certified=st.booleans(),
        state=st.sampled_from(["ok", "ok", "hidden", "small"]),
        promise=st.sampled_from([0, 1]),
        content=st.sampled_from(["g1", "g2", "g3", "g4", "g5", "above"]),
        keywords=st.sampled_from([{"PRO.CATG": "X", "A": 1}, {"PRO.CATG": "X", "A": 2}, {"PRO.CATG": "X"}]),
    ),
    max_size=12,
)


@given(CANDIDATES, st.integers(1, 3))
def test_seen_is_chosen_and_surplus_and_refused(candidates: list[Candidate], most: int) -> None:
    rule = wanted('PRO.CATG == "X" and A == inputFile.A', most)
    chosen = accept(rule, ASKER, candidates, ())[:most]
    why = count(rule, ASKER, candidates, (), chosen)
    assert why.seen == len({(each.content, each.promise) for each in candidates})
    assert why.seen == len(chosen) + why.surplus + sum(each.count for each in why.refused)


@given(CANDIDATES, st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order_of_the_offers(
    candidates: list[Candidate], dice: Any
) -> None:
    distinct = list({(each.name, each.promise, each.content): each for each in candidates}.values())
    shuffled = distinct.copy()
    dice.shuffle(shuffled)
    one, other = (accept(ANY, ASKER, each, ()) for each in (distinct, shuffled))
    assert [each.order for each in one] == [each.order for each in other]


def test_very_many_are_counted_as_the_nearest() -> None:
    many = [candidate(f"C{n:04}", float(n)) for n in range(COUNTED + 1)]
    why = count(ANY, ASKER, many, (), accept(ANY, ASKER, many, ())[:1])
    assert (why.seen, why.surplus, why.limited, why.counted) == (COUNTED, COUNTED - 1, True, True)


def test_what_is_needed_names_category_set_up_time_other_clauses_and_makers() -> None:
    rule = wanted(
        'PRO.CATG == "X" and inputFile.A == A and inputFile.GONE == B and A ?= 3 and '
        "MJD-OBS between inputFile.MJD-OBS - 1 and inputFile.MJD-OBS + 1"
    )
    assert needed(rule, ASKER, ["ONE", "TWO"]) == (
        "PRO.CATG = X, A = 1, B = undefined: no file can match, "
        "MJD-OBS from 99.000 (1859-02-24) to 101.000 (1859-02-26), A ?= 3; made by ONE or TWO"
    )
    assert needed(wanted("MJD-OBS tryBetween 1 and 2"), ASKER, []) == "any file"


def test_the_runner_up_is_told_with_distance_match_and_certification() -> None:
    (one,) = accept(ANY, ASKER, [candidate("C", 2.0)], ())
    assert rival(one) == Rival("C", 2.0, "N/A", True)
    (one,) = accept(wanted(f'PRO.CATG == "X" and {PLAN}'), ASKER, [candidate("C", 2.0)], ())
    assert rival(one) == Rival("C", 2.0, "extended", True, 1)


PLAN = "MJD-OBS tryBetween inputFile.MJD-OBS - 1 and inputFile.MJD-OBS + 1"
STRICT = "MJD-OBS tryBetween inputFile.MJD-OBS - 0.5 and inputFile.MJD-OBS + 0.5"
WIDE = "MJD-OBS tryBetween inputFile.MJD-OBS - 5 and inputFile.MJD-OBS + 5"


@pytest.mark.parametrize(("least", "taken"), [(-1, "S"), (0, "SP"), (1, "SPW"), (2, "SPWO")])
def test_what_is_worse_than_the_least_level_is_refused_with_its_own(least: int, taken: str) -> None:
    rule = wanted(f'PRO.CATG == "X" and {PLAN} and {STRICT} and {WIDE}')
    asker = replace(ASKER, wish=Wish(min_level=least))
    levels = {"S": -1, "P": 0, "W": 1, "O": 2}
    every = [candidate(name, days) for name, days in (("O", 9), ("W", -3), ("P", 0.9), ("S", -0.4))]
    assert "".join(each.candidate.name for each in accept(rule, asker, every, ())) == taken
    for each in every:
        reason = refusal(rule, asker, each, ())
        told = None if each.name in taken else f"min_level {least}: level {levels[each.name]}"
        assert (reason and reason.clause) == told
    assert needed(rule, asker, []) == f"PRO.CATG = X, level {least} or better"


def test_what_has_no_level_is_not_concerned_by_the_least() -> None:
    asker = replace(ASKER, wish=Wish(min_level=-9))
    assert refusal(ANY, asker, candidate("C", 5000.0), ()) is None
    assert refusal(ANY, asker, candidate("C", None), ()) is None
