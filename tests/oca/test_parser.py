from collections.abc import Callable
from pathlib import Path

import pytest

from app.oca.parser import load, parse, parse_file
from app.oca.syntax import Association, ClassRule, Recipe
from app.oca.terms import (
    And,
    Arith,
    Between,
    Compare,
    Key,
    Negative,
    Not,
    Number,
    Or,
    Pos,
    Text,
    Truth,
    Undef,
)

Installed = Callable[[str], Path]

# class rules, organisation rules, actions, associations
COUNTS = {
    "amber": (35, 14, 4, 7),
    "giraf": (37, 7, 7, 40),
    "hawki": (77, 11, 8, 21),
    "muse": (47, 12, 16, 85),
    "naco": (50, 21, 13, 4),
    "uves": (394, 49, 38, 269),
    "vimos": (84, 21, 20, 88),
    "visir": (75, 39, 14, 27),
}


def condition(text: str) -> object:
    parsed = parse(f"if {text} then {{ X = 1; }}")
    assert parsed.errors == ()
    return parsed.rules.class_rules[0].condition


@pytest.mark.parametrize("instrument", COUNTS)
def test_installed_rule_file_has_no_error_and_all_its_rules(instrument: str, installed: Installed) -> None:
    parsed = parse_file(installed(instrument))
    rules = parsed.rules
    associations = sum(len(action.associations) for action in rules.actions)
    counts = len(rules.class_rules), len(rules.org_rules), len(rules.actions), associations
    assert (parsed.errors, counts) == ((), COUNTS[instrument])


@pytest.mark.parametrize("instrument", COUNTS)
def test_installed_rule_file_prints_itself(instrument: str, installed: Installed) -> None:
    rules = load(installed(instrument))
    again = parse(str(rules))
    assert (again.errors, again.rules) == ((), rules)


def test_last_repeated_setting_counts() -> None:
    text = "minRet = 1; maxRet = 5; minRet = 3; select execute(X) from rawFiles where A == 1;"
    (rule,) = parse(text).rules.org_rules
    assert (rule.minimum, rule.maximum) == (3, 5)


def test_settings_apply_to_the_next_select_only() -> None:
    text = (
        "minRet = 5; select execute(X) from rawFiles where A == 1;"
        "select execute(Y) from rawFiles where A == 1;"
        "action X { minRet = 0; maxRet = 9; select file as A from calibFiles where B == 1;"
        "select file as B from calibFiles where B == 1; }"
    )
    rules = parse(text).rules
    assert [rule.minimum for rule in rules.org_rules] == [5, None]
    assert [association.limits for association in rules.actions[0].associations] == [(0, 9), (1, 1)]


def test_missing_blank_before_and_is_read_as_meant() -> None:
    (rule,) = parse("if (A == BINYand not B like C) or Dor E then { X = 1; }").rules.class_rules
    assert str(rule.condition) == "A == BINY and not B like C or D or E"


def test_minus_belongs_to_a_name_only_before_a_letter() -> None:
    assert condition("MJD-OBS == inputFile.MJD-OBS - 3") == Compare(
        "==", Key("MJD-OBS"), Arith("-", Key("MJD-OBS", "inputFile"), Number(3))
    )
    assert condition("K-1 < MJD-OBS -3") == Compare(
        "<", Arith("-", Key("K"), Number(1)), Arith("-", Key("MJD-OBS"), Number(3))
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("007", 7),
        ("1.00", 1.0),
        ("57823.", 57823.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("2.5E-3", 0.0025),
    ],
)
def test_number_is_an_integer_unless_it_has_dot_or_exponent(text: str, value: float) -> None:
    assert condition(f"A == {text}") == Compare("==", Key("A"), Number(value))


def test_prefix_of_a_keyword_is_its_scope() -> None:
    terms = (
        Key("A.B", "inputFile"),
        Key("A", "LF"),
        Key("FRAME", "SIG"),
        Key("inputFile"),
        Key("LF-X"),
        Key("SIGX.Y"),
    )
    text = "inputFile.A.B and LF.A and SIG.FRAME and inputFile and LF-X and SIGX.Y"
    assert condition(text) == And(terms)


def test_reserved_word_with_a_dot_or_a_hyphen_is_a_keyword() -> None:
    assert condition("and.X == not-Y or T.X == 1") == Or(
        (Compare("==", Key("and.X"), Key("not-Y")), Compare("==", Key("T.X"), Number(1)))
    )


def test_contextual_words_are_keywords_elsewhere() -> None:
    text = (
        "if file == product and string is string then { priority = string; }\n"
        "action product { product file { product = 1; priority = 2; } priority = 3; }"
    )
    parsed = parse(text)
    assert parsed.diagnostics == ()
    assert parsed.rules.actions[0].priority == 3
    assert [assign.key for assign in parsed.rules.actions[0].products[0].assigns] == ["product", "priority"]


@pytest.mark.parametrize("word", ["T", "True", "true", "F", "False", "false"])
def test_truths(word: str) -> None:
    assert condition(word) == Truth(word[0].upper() == "T")


def test_precedence() -> None:
    a, b, c = Key("A"), Key("B"), Key("C")
    assert condition("A or B and not C") == Or((a, And((b, Not(c)))))
    assert condition("not A == B") == Not(Compare("==", a, b))
    assert condition("A - B - C == 1") == Compare("==", Arith("-", Arith("-", a, b), c), Number(1))
    assert condition("A + B * -C == 1") == Compare("==", Arith("+", a, Arith("*", b, Negative(c))), Number(1))
    assert condition("A between B and C and A") == And((Between(a, b, c), a))
    assert condition("(A or B) and C") == And((Or((a, b)), c))
    assert condition("(A - B) < undefined") == Compare("<", Arith("-", a, b), Undef())


def test_comments_and_preprocessor_lines_separate_only() -> None:
    text = (
        '# 1 "naco.oca"\r\n/// head\nif A == /* one\n # two */ "/* // # no comment"\n'
        "   # 3 inside\n  and B == 1 // end\nthen { C = 1; }\n#"
    )
    parsed = parse(text)
    assert parsed.diagnostics == ()
    assert parsed.rules.class_rules[0].condition == And(
        (Compare("==", Key("A"), Text("/* // # no comment")), Compare("==", Key("B"), Number(1)))
    )


def test_rule_without_braces_and_lone_semicolons() -> None:
    parsed = parse(";if A == 1 then B = 2;; if A == 2 then { ; B = 3;; } action X { ; recipe none; ; };")
    assert parsed.diagnostics == ()
    assert (len(parsed.rules.class_rules), parsed.rules.actions[0].recipes) == (2, (Recipe("none"),))


def test_whole_action() -> None:
    text = """
minRet = 3;
select execute(ACTION_DARK) from rawFiles where RAW.TYPE == "DARK"
  group by DET.DIT, TPL.START as (TPL_A, tpl) ;
action ACTION_DARK
{
  minRet = 0; maxRet = 2;
  select file as BPM from calibFiles where PRO.CATG == "BPM" and inputFile.INSTRUME == INSTRUME
  ;
  recipe dark { "--a=1 --b" ; "--c"; }
  priority = -30;
  product MASTER { PRO.CATG = "MASTER_DARK"; GOOD = PRO.CATG like "X%"; }
};
"""
    parsed = parse(text)
    assert parsed.diagnostics == ()
    (rule,), (action,) = parsed.rules.org_rules, parsed.rules.actions
    assert (rule.group_by, rule.alias, rule.minimum, rule.source) == (
        ("DET.DIT", "TPL.START"),
        ("TPL_A", "tpl"),
        3,
        "rawFiles",
    )
    (association,) = action.associations
    assert isinstance(association, Association)
    assert (association.label, association.limits, association.pos) == ("BPM", (0, 2), Pos(8, 3))
    assert action.recipes == (Recipe("dark", ("--a=1 --b", "--c")),)
    assert (action.priority, [assign.key for assign in action.products[0].assigns]) == (
        -30,
        ["PRO.CATG", "GOOD"],
    )


def test_positions_are_those_of_the_text() -> None:
    (rule,) = parse("\n  if A == 1\n   and B like C then\n { D = E; }").rules.class_rules
    assert isinstance(rule, ClassRule) and isinstance(rule.condition, And)
    assert (rule.pos, rule.condition.terms[1].pos, rule.assigns[0].pos) == (Pos(2, 3), Pos(3, 8), Pos(4, 4))
    assert rule.assigns[0].value.pos == Pos(4, 8)


def test_long_alternatives_have_no_limit() -> None:
    text = " or ".join(f"(A == {number})" for number in range(2000))
    rules = parse(f"if {text} then {{ B = 1; }}").rules
    assert parse(str(rules)).rules == rules


def test_file_in_latin_1_and_in_utf_8_with_a_mark(tmp_path: Path) -> None:
    text = 'if OBJECT == "Böhm" then { X = 1; }'
    for encoding in ("latin-1", "utf-8", "utf-8-sig"):
        path = tmp_path / f"{encoding}.oca"
        path.write_bytes(text.encode(encoding))
        assert load(path) == parse(text).rules
