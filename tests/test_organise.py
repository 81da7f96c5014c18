from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from typing import Any

from app.classify import Frame, classified
from app.header import UNDEFINED, Header
from app.organise import Group, exposed, form, middle_of, partitions, product_name, virtual_keywords
from app.rulebook import read_book

ACTION = 'action A { product P { PRO.CATG = "P"; } }\naction B { }\n'


def frame(dp_id: str, mjd: float | None = 0.0, **keywords: Any) -> Frame:
    header = {key.replace("_", "."): value for key, value in keywords.items()}
    if mjd is not None:
        header["MJD-OBS"] = mjd
    hidden = bool(header.pop("HIDDEN", False))
    return Frame(dp_id, Header(header), hidden=hidden, certified=bool(header.pop("OK", False)))


def groups(rules: str, frames: Iterable[Frame], *, raw: bool = True) -> list[Group]:
    book = read_book(ACTION + rules, "toy.2000-01-01.oca")
    parts: dict[tuple[int, str], list[Any]] = {}
    for each in frames:
        known = classified(book, each)
        for place in partitions(book, known, raw):
            parts.setdefault(place, []).append(known)
    return [group for (n, _), members in sorted(parts.items()) if (group := form(book.org_rules[n], members))]


def names(made: Iterable[Group]) -> list[list[str]]:
    return [[each.dp_id for each in group.frames] for group in made]


def test_group_by_puts_equal_values_together_and_numbers_compare_by_value() -> None:
    rule = "select execute(A) from rawFiles where T group by K;"
    frames = [frame("a", K=1), frame("b", K=1.0), frame("c", K="1"), frame("d", K=True), frame("e", K=2)]
    assert sorted(names(groups(rule, frames))) == [["a", "b"], ["c"], ["d"], ["e"]]


def test_frames_without_the_keyword_group_together() -> None:
    rule = "select execute(A) from rawFiles where T group by K;"
    assert sorted(names(groups(rule, [frame("a"), frame("b"), frame("c", K="u")]))) == [["a", "b"], ["c"]]


def test_a_rule_with_neither_trigger_nor_group_by_takes_each_file_alone() -> None:
    assert sorted(names(groups("select execute(A) from rawFiles where T;", [frame("a"), frame("b")]))) == [
        ["a"],
        ["b"],
    ]


def test_sig_frame_takes_each_file_alone_whatever_it_groups_by() -> None:
    rule = "select execute(A) from rawFiles where SIG.FRAME == 1 group by K;"
    assert sorted(names(groups(rule, [frame("a", K=1), frame("b", K=1)]))) == [["a"], ["b"]]


def test_group_by_divides_a_template_further() -> None:
    rule = "select execute(A) from rawFiles where SIG.TEMPLATE == 1 group by TPL.EXPNO;"
    frames = [
        frame("a", TPL_START="t1", TPL_EXPNO=1),
        frame("b", TPL_START="t1", TPL_EXPNO=1),
        frame("c", TPL_START="t1", TPL_EXPNO=2),
        frame("d", TPL_START="t2", TPL_EXPNO=1),
    ]
    assert sorted(names(groups(rule, frames))) == [["a", "b"], ["c"], ["d"]]


def test_templates_of_two_instruments_with_one_start_are_two_groups() -> None:
    rule = "select execute(A) from rawFiles where SIG.TEMPLATE == 1;"
    frames = [frame("a", TPL_START="t", INSTRUME="X"), frame("b", TPL_START="t", INSTRUME="Y")]
    assert sorted(names(groups(rule, frames))) == [["a"], ["b"]]


def test_a_condition_on_the_last_file_takes_the_whole_template_of_mixed_categories() -> None:
    rule = 'select execute(A) from rawFiles where SIG.TEMPLATE == 1 and LF.K == "on";'
    on, off = frame("b", 2.0, K="on", TPL_START="t"), frame("a", 1.0, K="off", TPL_START="t")
    assert names(groups(rule, [on, off])) == [["a", "b"]]
    assert groups(rule, [off, frame("c", 0.5, K="on", TPL_START="t")]) == []


def test_the_last_file_is_the_latest_then_the_highest_exposure_number_then_the_last_name() -> None:
    rule = 'select execute(A) from rawFiles where SIG.TEMPLATE == 1 and LF.K == "last";'
    one, two = frame("z", 1.0, TPL_EXPNO=1, K="no"), frame("a", 1.0, TPL_EXPNO=2, K="last")
    assert names(groups(rule, [one, two])) == [["a", "z"]]
    assert names(groups(rule, [frame("y", 1.0, K="no"), frame("z", 1.0, K="last")])) == [["y", "z"]]


def test_a_condition_on_the_file_itself_keeps_only_the_files_it_holds_for() -> None:
    rule = 'select execute(A) from rawFiles where SIG.TEMPLATE == 1 and K == "x";'
    assert names(groups(rule, [frame("a", K="x"), frame("b", K="y")])) == [["a"]]


def test_frames_stand_in_time_order_and_the_first_is_the_primary_whatever_the_order_of_arrival() -> None:
    frames = [frame("b", 1.0), frame("a", 1.0), frame("c", 0.5), frame("d", None)]
    for order in permutations(frames):
        (group,) = groups("select execute(A) from rawFiles where T group by K;", order)
        assert [each.dp_id for each in group.frames] == ["c", "a", "b", "d"]
        assert group.primary.dp_id == "c"


def test_too_few_frames_make_a_small_group_and_the_limit_is_for_one_rule_only() -> None:
    rules = "minRet = 2;\nselect execute(A) from rawFiles where T group by K;\n"
    rules += "select execute(B) from rawFiles where T group by K;"
    assert [(group.rule.action, group.state) for group in groups(rules, [frame("a")])] == [
        ("A", "small"),
        ("B", "ok"),
    ]
    assert [group.state for group in groups(rules, [frame("a"), frame("b")])] == ["ok", "ok"]


def test_hidden_frames_are_left_out_of_a_group_and_count_for_nothing() -> None:
    rule = "minRet = 2;\nselect execute(A) from rawFiles where T group by K;"
    bad = frame("a", 0.0, HIDDEN=True)
    assert [(names([g]), g.state) for g in groups(rule, [bad, frame("b"), frame("c")])] == [
        ([["b", "c"]], "ok")
    ]
    assert [group.state for group in groups(rule, [bad, frame("b")])] == ["small"]
    assert [group.state for group in groups(rule, [bad])] == ["hidden"]


def test_the_last_file_is_the_last_that_is_not_hidden() -> None:
    rule = 'select execute(A) from rawFiles where SIG.TEMPLATE == 1 and LF.K == "on";'
    rows = [frame("a", 0.0, TPL_START="t", K="on"), frame("b", 1.0, TPL_START="t", K="off", HIDDEN=True)]
    assert names(groups(rule, rows)) == [["a"]]


def test_raw_files_leaves_products_out_and_input_files_does_not() -> None:
    assert groups("select execute(A) from rawFiles where T;", [frame("a")], raw=False) == []
    assert len(groups("select execute(A) from inputFiles where T;", [frame("a")], raw=False)) == 1


def test_a_group_is_certified_when_all_its_frames_are() -> None:
    rule = "select execute(A) from rawFiles where T group by K;"
    assert [g.certified for g in groups(rule, [frame("a", OK=True), frame("b", OK=True)])] == [True]
    assert [g.certified for g in groups(rule, [frame("a", OK=True), frame("b")])] == [False]


def test_two_groups_of_one_action_and_the_same_frames_have_one_content() -> None:
    rules = "select execute(A) from rawFiles where T group by K;\n"
    rules += "select execute(A) from rawFiles where T group by L;\n"
    one, two, other = groups(rules + "select execute(B) from rawFiles where T group by K;", [frame("a")])
    assert one.content == two.content != other.content


# --- virtual products -------------------------------------------------------------------------


def virtual(block: str, **keywords: Any) -> dict[str, Any]:
    book = read_book(f"action A {{ product P {{ {block} }} }}", "toy.2000-01-01.oca")
    header = {key.replace("_", "."): value for key, value in keywords.items()}
    return virtual_keywords(book.actions["A"].promises[0], header)


def test_a_virtual_product_has_the_primarys_keywords_less_its_categories_and_dpr() -> None:
    raw = {"DPR_CATG": "CALIB", "RAW_TYPE": "BIAS", "DO_CATG": "BIAS", "ARCFILE": "x", "A": 1, "INS_X": 2}
    assert virtual('PRO.CATG = "M";', **raw) == {
        "A": 1,
        "INS.X": 2,
        "PRO.CATG": "M",
        "DO.CATG": "M",
        "VIRTUAL": True,
    }


def test_do_catg_mirrors_pro_catg_only_where_the_block_sets_none() -> None:
    assert virtual('PRO.CATG = "M"; DO.CATG = "D";')["DO.CATG"] == "D"
    assert virtual('PRO.CATG = "M";')["DO.CATG"] == "M"


def test_right_sides_are_read_from_the_primary_and_not_from_what_the_block_has_set() -> None:
    made = virtual("A = 2; B = A; C = DPR.TYPE; D = GONE;", A=1, DPR_TYPE="BIAS")
    assert (made["A"], made["B"], made["C"], made["D"]) == (2, 1, "BIAS", UNDEFINED)


def test_a_product_is_called_r_primary_and_its_extension() -> None:
    assert product_name("TOY.2010", {"PRO.EXT": "tpl_0000.fits"}) == "r.TOY.2010_tpl_0000.fits"
    assert product_name("TOY.2010", {"PRO.CATG": "M"}) == "r.TOY.2010_M.fits"


def test_a_group_is_offered_when_its_rules_say_so_and_its_action_has_a_product() -> None:
    book = read_book(ACTION, "toy.2000-01-01.oca")
    assert exposed(book.actions["A"], {"EXPOSE_TO_CALSELECTOR": True})
    assert exposed(book.actions["A"], {"EXPOSE_TO_CALSELECTOR": "T"})
    assert not exposed(book.actions["A"], {})
    assert not exposed(book.actions["B"], {"EXPOSE_TO_CALSELECTOR": True})


def test_mid_exposure_is_half_the_exposure_time_later_in_days() -> None:
    assert middle_of({"MJD-OBS": 100.0, "EXPTIME": 8640.0}) == 100.05
    assert middle_of({"MJD-OBS": 100.0}) == middle_of({"MJD-OBS": 100, "EXPTIME": "long"}) == 100.0
    assert middle_of({"EXPTIME": 10.0}) is None
