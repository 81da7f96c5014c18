"""Generated expressions, headers and rule files mean the same to both readings."""

from __future__ import annotations

import naive_rules as naive
import naive_values
from hypothesis import given, settings
from hypothesis import strategies as st

from app.classify import classify, raw_type, tag
from app.header import UNDEFINED, Header, Maybe
from app.oca.evaluate import compile_test, compile_value
from app.oca.parser import parse
from app.rulebook.library import read_book

NAMES = ["A", "B", "C", "MJD-OBS", "INS.MODE", "string", "T.X"]
SCOPED = [*NAMES, *(f"inputFile.{name}" for name in NAMES), *(f"LF.{name}" for name in NAMES), "SIG.FRAME"]
TEXTS = [
    "",
    "A",
    "a",
    "AB",
    "A%",
    "%B",
    "%A%",
    "T",
    "F",
    "true",
    "FALSE",
    "1",
    "1.0",
    "-2",
    "+3",
    " 1",
    "1e2",
]
TEXTS += [
    "nan",
    "inf",
    "1_0",
    "0x1",
    "1.",
    ".5",
    "A_B",
    "A.B",
    "AXB",
    "[AB]+",
    "A|B",
    "(",
    "A\\d",
    "%%",
    "²",
    "é",
]
# A rule file that demands these as `regexp` is refused; in a header they may stand.
NO_PATTERNS = ["(", "+3"]
NUMBERS = [
    "0",
    "1",
    "2",
    "0.5",
    "1.0",
    "100",
    "2.",
    ".5",
    "1e2",
    "3",
    "1e308",
    "9007199254740993",
    "9007199254740992.0",
]
TYPES = ["undefined", "string", "int", "integer", "float", "double", "number", "bool", "boolean"]

values = (
    st.sampled_from(TEXTS)
    | st.integers(-3, 3)
    | st.sampled_from([2**53, 2**53 + 1, 100])
    | st.sampled_from([0.0, -0.0, 0.5, 1.0, -2.0, 100.0, 2.0**53])
    | st.booleans()
)
headers = st.dictionaries(st.sampled_from(NAMES), values)


def _joined(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map(" ".join)


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    whole = inner.map(lambda text: f"({text})")
    either = inner | whole
    relation = st.sampled_from(["==", "!=", "?=", "<", "<=", ">", ">=", "like", "regexp"])
    return (
        _joined(whole, relation, whole)
        | _joined(whole, st.sampled_from(["is", "is not"]), st.sampled_from(TYPES))
        | _joined(whole, st.sampled_from(["between", "tryBetween"]), whole, "and", whole)
        | _joined("not", either)
        | _joined(either, st.sampled_from(["and", "or"]), either)
        | _joined(either, st.sampled_from(["and", "or"]), either, st.sampled_from(["and", "or"]), either)
        | _joined(whole, st.sampled_from(["+", "-", "*", "/", "%"]), whole)
        | _joined("-", whole)
    )


atoms = (
    st.sampled_from(SCOPED)
    | st.sampled_from(NUMBERS)
    | st.sampled_from([text for text in TEXTS if text not in NO_PATTERNS]).map(lambda text: f'"{text}"')
    | st.sampled_from(["T", "F", "True", "false", "undefined"])
)
expressions = st.recursive(atoms, _larger, max_leaves=8)


def as_service(text: str, own: Header, given_input: Header, last: Header) -> tuple[object, bool]:
    parsed = parse(f"if {text} then {{ X = {text}; }}")
    assert [each for each in parsed.diagnostics if each.severity == "error"] == []
    (rule,) = parsed.rules.class_rules
    found: Maybe = compile_value(rule.assigns[0].value)(own, given_input, last)
    return _told(None if found is UNDEFINED else found), compile_test(rule.condition)(own, given_input, last)


def as_oracle(text: str, own: Header, given_input: Header, last: Header) -> tuple[object, bool]:
    tree = naive.parse_expression(text)
    scene = naive_values.Scene(own, given_input, last)
    return _told(naive_values.value(tree, scene)), naive_values.holds(tree, scene)


def _told(value: object) -> tuple[str, str]:
    return type(value).__name__, repr(value)


@settings(max_examples=500)
@given(expressions, headers, headers, headers)
def test_an_expression_has_one_value(
    text: str, own: dict[str, object], given_input: dict[str, object], last: dict[str, object]
) -> None:
    scene = [Header(each) for each in (own, given_input, last)]
    assert as_service(text, *scene) == as_oracle(text, *scene)


assigns = _joined(st.sampled_from([*NAMES[:4], "DO.CATG", "RAW.TYPE"]), "=", expressions, ";")
blanks = st.sampled_from([" ", "\n", "\t", " // no more\n", " /* if T then { A = 1; } */ ", "\n# line 7\n"])
statements = (
    _joined("if", expressions, "then", assigns)
    | _joined("if", expressions, "then {", st.lists(assigns, max_size=3).map(" ".join), "}")
    | st.sampled_from([";", "minRet = 2;", "minRet = -1", "maxRet = 0;"])
)
files = st.lists(st.tuples(statements, blanks).map("".join), min_size=1, max_size=6).map("".join)


@settings(max_examples=200)
@given(files, headers)
def test_a_file_of_rules_classifies_alike(text: str, given_header: dict[str, object]) -> None:
    text = f"// INSTRUME: X\n{text}"
    header = Header(given_header)
    known, derived, fired = classify(read_book(text, "x.2000-01-01.oca"), header)
    ours, lines = naive.classify(naive.parse(text), header)
    service = {key: _told(None if value is UNDEFINED else value) for key, value in derived.items()}
    assert service == {key: _told(value) for key, value in ours.items()}
    assert list(fired) == lines
    assert (tag(known), raw_type(known)) == (
        naive.tag({**header, **ours}),
        naive.raw_type({**header, **ours}),
    )
