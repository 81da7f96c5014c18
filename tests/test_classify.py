from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.classify import Frame, classified, is_raw, unsupported_category
from app.header import UNDEFINED, Header
from app.rulebook import Rulebook, load_book, read_book

RULES = Path(__file__).parents[1] / "rules"


def book(rules: str) -> Rulebook:
    return read_book(rules, "toy.2000-01-01.oca")


def seen(rules: str, **keywords: Any) -> Any:
    header = Header({key.replace("_", "."): value for key, value in keywords.items()})
    return classified(book(rules), Frame("X", header))


def test_all_rules_run_in_order_and_the_last_assignment_wins() -> None:
    rules = (
        'if T then { DO.CATG = "A"; }\nif A == 1 then { DO.CATG = "B"; }\nif A == 2 then { DO.CATG = "C"; }'
    )
    assert seen(rules, A=1).tag == "B"
    assert seen(rules, A=1).fired == (1, 2)
    assert seen(rules, A=3).tag == "A"


def test_a_condition_sees_what_earlier_rules_derived_and_not_what_later_ones_do() -> None:
    rules = "if B == 1 then { C = 1; }\nif A == 1 then { B = 1; }\nif B == 1 then { D = B; }"
    assert seen(rules, A=1).derived == {"B": 1, "D": 1}


def test_an_assignment_may_read_what_the_same_rule_has_just_set() -> None:
    assert seen("if T then { A = 2; B = A; }", A=1).derived == {"A": 2, "B": 2}


def test_a_header_keyword_that_a_rule_sets_to_undefined_is_undefined_for_all_later_rules() -> None:
    known = seen('if T then { A = undefined; }\nif A is undefined then { DO.CATG = "GONE"; }', A=1)
    assert known.keywords["A"] is UNDEFINED
    assert known.tag == "GONE"


def test_the_header_itself_is_not_changed() -> None:
    header = Header({"A": 1})
    classified(book("if T then { A = 2; }"), Frame("X", header))
    assert dict(header) == {"A": 1}


def test_a_file_that_no_rule_assigns_is_unclassified_and_no_error() -> None:
    known = seen('if A == 1 then { DO.CATG = "X"; }')
    assert (known.tag, known.raw_type, known.fired) == ("UNCLASSIFIED", "UNCLASSIFIED", ())


def test_the_tag_is_do_catg_and_else_do_class_reflex_catg_pro_catg() -> None:
    rules = "if DROP == 1 then { DO.CATG = undefined; }"
    every = {"DO_CATG": "a", "DO_CLASS": "b", "REFLEX_CATG": "c", "PRO_CATG": "d"}
    assert seen(rules, **every).tag == "a"
    assert seen(rules, **every, DROP=1).tag == "b"
    assert seen(rules, REFLEX_CATG="c", PRO_CATG="d").tag == "c"
    assert seen(rules, PRO_CATG="d").tag == "d"


def test_the_group_category_is_raw_type_and_else_the_tag() -> None:
    assert seen("", RAW_TYPE="r", DO_CATG="a").raw_type == "r"
    assert seen("", RAW_TYPE="", DO_CATG="a").raw_type == "a"


def test_a_file_with_pro_catg_is_not_raw() -> None:
    assert is_raw(Header({"DPR.CATG": "CALIB"}))
    assert not is_raw(Header({"PRO.CATG": "MASTER_BIAS"}))


def test_an_unsupported_type_is_named_from_its_dpr_keywords() -> None:
    assert (
        unsupported_category(Header({"DPR.CATG": "CALIB", "DPR.TYPE": "LAMP,FLAT X"})) == "CALIB_LAMP_FLAT_X"
    )
    assert unsupported_category(Header({})) == "UNKNOWN_UNKNOWN"


@pytest.mark.parametrize(
    ("typ", "chips", "tag"), [("BIAS", 1, "BIAS_BLUE"), ("BIAS", 2, "BIAS_RED")], ids=["blue", "red"]
)
def test_the_shipped_uves_rules_name_a_bias_by_its_chips(typ: str, chips: int, tag: str) -> None:
    uves = load_book(RULES / "uves/uves.2004-10-14.oca")
    keywords = {
        "INSTRUME": "UVES",
        "DPR.CATG": "CALIB",
        "DPR.TYPE": typ,
        "DPR.TECH": "IMAGE",
        "DET.CHIPS": chips,
    }
    assert classified(uves, Frame("X", Header(keywords))).tag == tag
