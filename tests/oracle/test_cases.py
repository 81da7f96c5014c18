"""Where the two readings once differed: each case with the answer that was decided to be right, and why."""

from __future__ import annotations

import naive_rules as naive
import naive_values
import pytest

from app.header import UNDEFINED, Header, Value
from app.oca.evaluate import compile_test, compile_value
from app.oca.parser import parse

CASES: list[tuple[str, dict[str, Value], object, str]] = [
    # The service took these for true as well.
    ("A and T", {"A": "true"}, False, "a bare text is true only as T or True"),
    ("A and T", {"A": "t"}, False, "a bare text is true only as T or True"),
    ("A and T", {"A": "True"}, True, "a bare text is true only as T or True"),
    # Compared with a truth, the same texts are read in any case.
    ("A == T", {"A": "true"}, True, "a text beside a truth is converted, in any case"),
    # The oracle went by way of doubles, as the description says of mixed numbers; then equality would not
    # be transitive and no index could hold it.
    ("A == 9007199254740993", {"A": 2.0**53}, False, "numbers are compared exactly"),
    ("A == 9007199254740993", {"A": 2**53}, False, "numbers are compared exactly"),
    ("A == 9007199254740993", {"A": 2**53 + 1}, True, "numbers are compared exactly"),
    # The oracle let infinity out.
    ("1e308 * 10 is undefined", {}, True, "what cannot be calculated is undefined"),
    # The oracle's grammar took the literal for a keyword.
    ("T is bool and T.X is undefined", {}, True, "T is a literal, T.X a keyword"),
]


@pytest.mark.parametrize(("text", "header", "right", "why"), CASES)
def test_both_readings_say_what_was_decided(
    text: str, header: dict[str, Value], right: object, why: str
) -> None:
    scene = naive_values.Scene(header)
    assert naive_values.value(naive.parse_expression(text), scene) is right, why
    (rule,) = parse(f"if {text} then {{ X = {text}; }}").rules.class_rules
    empty = Header({})
    found = compile_value(rule.assigns[0].value)(Header(header), empty, empty)
    assert found is not UNDEFINED
    assert found is right, why
    assert compile_test(rule.condition)(Header(header), empty, empty) is right, why


def test_settings_before_statements_without_braces_are_read() -> None:
    """The oracle's grammar took the second setting for a keyword of the assignment before."""
    text = "if A then B = 1; minRet = 2 maxRet = 3 select execute(X) from rawFiles where T; action X {}"
    (rule,) = naive.parse(text).organised
    (parsed,) = parse(text).rules.org_rules
    assert (rule.minimum, rule.maximum) == (2, 3)
    assert (parsed.minimum, parsed.maximum) == (2, 3)
