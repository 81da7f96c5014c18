"""Laws of the language over generated rule files, expressions and headers."""

import re
from dataclasses import fields, is_dataclass
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from app.header import UNDEFINED, Maybe
from app.oca import syntax
from app.oca import terms as oca
from app.oca.evaluate import EMPTY, compile_test, compile_value, equal
from app.oca.parser import parse
from app.oca.tokens import RESERVED

TRUTHS = {"T", "True", "true", "F", "False", "false"}
SCOPES = ("inputFile", "LF", "SIG")

words = st.text("ABz_09", min_size=1, max_size=4)
letters = st.sampled_from(
    ["A", "b", "_", "and", "T", "file", "string", "product", "priority", "inputFile", "LF"]
)
rests = st.lists(
    st.builds("{}{}".format, st.just("."), words)
    | st.builds("{}{}{}".format, st.just("-"), st.sampled_from("Ab"), words),
    max_size=2,
).map("".join)
names = st.builds("{}{}{}".format, letters, words | st.just(""), rests).filter(
    lambda name: name not in RESERVED
)
own_names = names.filter(
    lambda name: name not in TRUTHS and not ("." in name and name.partition(".")[0] in SCOPES)
) | st.sampled_from(["A", "DO.CATG", "MJD-OBS"])
keys = st.builds(oca.Key, own_names) | st.builds(
    oca.Key,
    st.builds("{}{}".format, words, rests) | st.sampled_from(["A", "FRAME", "and"]),
    st.sampled_from(SCOPES),
)
plain_texts = st.text(
    st.characters(exclude_characters='"\n', exclude_categories=["Cs"]), max_size=8
) | st.sampled_from(["%", "A%", "%A", "%A%", "A%A", "T", "false", "580", "5.8e2", "// no comment", "# /* "])
numbers = st.integers(0, 10**18) | st.floats(0, allow_infinity=False, allow_nan=False).map(abs)
constants = (
    st.builds(oca.Text, plain_texts)
    | st.builds(oca.Number, numbers)
    | st.builds(oca.Truth, st.booleans())
    | st.just(oca.Undef())
)
patterns = st.builds(oca.Text, st.sampled_from(["", "A.*", "MUSE_[wn]fm", r"\d+|x", "(a|b)?"])) | keys
relations = st.sampled_from(["==", "!=", "?=", "<", ">", "<=", ">="])
types = st.sampled_from(
    ["undefined", "string", "int", "integer", "float", "double", "number", "bool", "boolean"]
)


def grown(inner: st.SearchStrategy[oca.Expr]) -> st.SearchStrategy[oca.Expr]:
    several = st.lists(inner, min_size=2, max_size=5).map(tuple)
    return (
        st.builds(oca.Or, several)
        | st.builds(oca.And, several)
        | st.builds(oca.Not, inner)
        | st.builds(oca.Compare, relations, inner, inner)
        | st.builds(oca.Like, inner, inner)
        | st.builds(oca.Regexp, inner, patterns)
        | st.builds(oca.Is, inner, types, st.booleans())
        | st.builds(oca.Between, inner, inner, inner, st.booleans())
        | st.builds(oca.Arith, st.sampled_from("+-*/%"), inner, inner)
        | st.builds(oca.Negative, inner)
    )


expressions = st.recursive(keys | constants, grown, max_leaves=16)
assigns = st.lists(st.builds(syntax.Assign, names, expressions), max_size=3).map(tuple)
pools = st.sampled_from(["inputFiles", "calibFiles", "rawFiles"])
limits = st.none() | st.integers(-3, 2000)
rule_files = st.builds(
    syntax.RuleFile,
    st.lists(st.builds(syntax.ClassRule, expressions, assigns), max_size=3).map(tuple),
    st.lists(
        st.builds(
            syntax.OrgRule,
            names,
            pools,
            expressions,
            st.lists(names, max_size=3).map(tuple),
            st.none() | st.tuples(names, names),
            limits,
            limits,
        ),
        max_size=3,
    ).map(tuple),
    st.lists(
        st.builds(
            syntax.Action,
            names,
            st.lists(
                st.builds(syntax.Association, names, pools, expressions, limits, limits), max_size=3
            ).map(tuple),
            st.lists(
                st.builds(syntax.Recipe, names, st.lists(plain_texts, max_size=2).map(tuple)), max_size=2
            ).map(tuple),
            st.lists(st.builds(syntax.ProductBlock, names, assigns), max_size=2).map(tuple),
            st.none() | st.integers(-9, 99),
        ),
        max_size=2,
    ).map(tuple),
)

values: st.SearchStrategy[Maybe] = (
    plain_texts
    | st.integers()
    | st.sampled_from([0, 1, 580, 10**400, -(10**5000)])
    | st.floats()
    | st.sampled_from([580.0, float("nan"), float("inf")])
    | st.booleans()
    | st.just(UNDEFINED)
)
headers = st.dictionaries(st.sampled_from(["A", "DO.CATG", "MJD-OBS", "FRAME", "and"]), values)


def positions(node: object) -> list[oca.Pos]:
    if isinstance(node, tuple) and not isinstance(node, oca.Pos):
        return [pos for item in node for pos in positions(item)]
    if is_dataclass(node):
        own = [cast(oca.Pos, node.pos)] if hasattr(node, "pos") else []
        return own + [pos for item in fields(node) for pos in positions(getattr(node, item.name))]
    return []


@given(rule_files)
def test_a_printed_rule_file_reads_back_equal(rules: syntax.RuleFile) -> None:
    parsed = parse(str(rules))
    assert (parsed.errors, parsed.rules) == ((), rules)


@given(expressions)
def test_a_printed_expression_reads_back_equal_and_every_node_knows_its_place(expr: oca.Expr) -> None:
    parsed = parse(f"if {expr} then A = 1;")
    assert parsed.errors == ()
    assert [rule.condition for rule in parsed.rules.class_rules] == [expr]
    assert oca.NOWHERE not in positions(parsed.rules)


PIECES = [
    *RESERVED,
    *(
        '== = != ?= < <> <= - + * / % ( ) { } ; , " \' "x" 1 1.5 .5 1e999 '
        "A A.B T F file product priority string /* */ // #"
    ).split(),
    "\n",
    "BINYand",
    "inputFile.A",
    "AND",
    "@",
    "select execute(A) from rawFiles where A == 1;",
    "action X {",
    "select file as",
    "if A then {",
]


@settings(max_examples=300)
@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join))
def test_parsing_never_raises_and_every_diagnostic_points_into_the_text(text: str) -> None:
    parsed = parse(text)
    lines = text.split("\n")
    places = [(found.line, found.column) for found in parsed.errors]
    assert len(set(places)) == len(places)
    for found in parsed.diagnostics:
        assert found.source == lines[found.line - 1].rstrip("\r")
        assert 1 <= found.column <= len(lines[found.line - 1]) + 1
        assert found.column + found.length <= len(found.source) + 2
        assert found.render().count("^") >= 1


@settings(max_examples=300)
@given(expressions, headers, headers, headers)
def test_evaluation_never_raises(
    expr: oca.Expr, me: dict[str, Maybe], input_file: dict[str, Maybe], last: dict[str, Maybe]
) -> None:
    value = compile_value(expr)(me, input_file, last)
    assert value is UNDEFINED or isinstance(value, str | int | float | bool)
    assert isinstance(compile_test(expr)(me, input_file, last), bool)


@settings(max_examples=300)
@given(st.tuples(keys | constants, keys | constants), headers, headers)
def test_every_shape_of_equality_means_the_same(
    sides: tuple[oca.Expr, oca.Expr], me: dict[str, Maybe], input_file: dict[str, Maybe]
) -> None:
    left, right = sides
    a, b = (compile_value(side)(me, input_file, EMPTY) for side in sides)
    test = compile_test(oca.Compare("==", left, right))
    assert test(me, input_file, EMPTY) == equal(a, b) == equal(b, a)


@given(st.lists(st.text("AB.%_", max_size=3), max_size=5).map("%".join), st.text("AB._", max_size=8))
def test_like_is_a_regular_expression_with_one_wildcard(pattern: str, text: str) -> None:
    meant = ".*".join(re.escape(part) for part in pattern.split("%"))
    wanted = re.fullmatch(meant, text, re.DOTALL) is not None
    for value, me in ((oca.Key("A"), {"A": text}), (oca.Text(text), {})):
        for like in (oca.Text(pattern), oca.Key("P", "inputFile")):
            assert compile_test(oca.Like(value, like))(me, {"P": pattern}, EMPTY) is wanted
