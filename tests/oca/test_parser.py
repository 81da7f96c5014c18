from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import RuleError
from app.oca.parser import load, parse, parse_file
from app.oca.syntax import (
    And,
    Arith,
    Association,
    Between,
    ClassRule,
    Compare,
    Key,
    Negative,
    Not,
    Number,
    Or,
    Pos,
    Recipe,
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


def found(text: str, severity: str = "error") -> list[str]:
    return [f"{d.line}:{d.column}: {d.message}" for d in parse(text).diagnostics if d.severity == severity]


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


def test_known_oddities_of_the_uves_rules_are_warned_of(installed: Installed) -> None:
    warnings = {(d.line, d.message) for d in parse_file(installed("uves")).diagnostics}
    assert (2434, "minRet is set again before one select; this one counts") in warnings
    assert (
        2437,
        "no minRet and maxRet before this select, so minRet = 1; maxRet = 1; is taken",
    ) in warnings
    assert (1747, "no select follows this minRet; it has no effect") in warnings


def test_error_is_rendered_as_a_compiler_does() -> None:
    (error,) = parse('// bias\nif DPR.TYPE lik "%BIAS%" then { DO.CATG = "BIAS"; }', "naco.oca").errors
    assert str(error) == (
        "naco.oca:2:13: error: expected an operator or 'then' after the condition, found 'lik' "
        "(did you mean 'like'?)\n"
        '    if DPR.TYPE lik "%BIAS%" then { DO.CATG = "BIAS"; }\n'
        "                ^~~"
    )


def test_caret_stands_below_the_fault_after_tabs() -> None:
    (error,) = parse("if A == 1 then\n{\n\tB\t= ;\n}").errors
    assert error.render().splitlines()[1:] == ["    \tB\t= ;", "    \t \t  ^"]


TYPOS = {
    "missing 'and'": (
        'if A == "x" B == 1 then { C = 1; }',
        ["1:13: expected an operator or 'then' after the condition, found 'B'"],
    ),
    "'=' and '==' exchanged": (
        "if A = 1 then { B == 2; }",
        ["1:6: '=' assigns; to compare write '=='", "1:19: '==' compares; to assign write '='"],
    ),
    "missing 'then'": (
        "if A == 1 { B = 2; }",
        ["1:11: expected an operator or 'then' after the condition, found '{'"],
    ),
    "upper case": (
        "IF A == 1 AND B == 2 then { C = 1; }",
        [
            "1:1: reserved words are written exactly so: 'if', not 'IF'",
            "1:11: reserved words are written exactly so: 'and', not 'AND'",
        ],
    ),
    "other languages' operators": (
        "if A == 1 && !B || C <> 'x' then { D = 1; }",
        [
            "1:11: '&&' is not OCA: write 'and'",
            "1:14: '!' is not OCA: write 'not'",
            "1:17: '||' is not OCA: write 'or'",
            "1:22: '<>' is not OCA: write '!='",
            "1:25: a text stands between double quotes",
        ],
    ),
    "text not closed": (
        'if A == "x and B == "y" then {\n  C = "Z;\n}',
        [
            "1:23: this text is not closed: a '\"' is missing on this line",
            "2:7: this text is not closed: a '\"' is missing on this line",
        ],
    ),
    "comment not closed": (
        "if A == 1 then { B = 2; } /* and so on",
        ["1:27: this comment is not closed: '*/' is missing"],
    ),
    "missing ';'": (
        "if A == 1 then { B = 2 }\n"
        "action X {\n  select file as M from calibFiles where A == 1\n  recipe r\n}",
        [
            "1:23: expected ';' after the assignment, found '}'",
            "3:48: expected ';' after the condition, found the reserved word 'recipe'",
            "4:11: expected ';' after the name of the recipe, found '}'",
        ],
    ),
    "missing ';' between assignments": (
        'if A == 1 then {\n  B = "x"\n  C = "y";\n}',
        ["2:10: expected ';' after the assignment, found 'C'"],
    ),
    "parenthesis not closed": (
        "if (A == 1 or (B == 2 then { C = 3; }",
        ["1:23: expected an operator or ')' for the '(' of 1:15, found the reserved word 'then'"],
    ),
    "one ')' too many": (
        "if (A == 1)) then { C = 3; }",
        ["1:12: expected an operator or 'then' after the condition, found ')'"],
    ),
    "brace not closed": (
        "if A == 1 then { B = 2;\nif C == 1 then { B = 3; }\naction X {\n  recipe r;",
        [
            "2:1: expected '}' for the '{' of line 1, found the reserved word 'if'",
            "4:12: expected '}' for the '{' of line 3, found the end of the file",
        ],
    ),
    "one '}' too many": (
        "action X {\n  recipe r; }\n  minRet = 1; maxRet = 1;\n"
        "  select file as M from calibFiles where A == 1;\n  recipe s;\n}\n}",
        [
            "4:3: 'select file' stands outside an action; is there a '}' too many above?",
            "7:1: this '}' closes nothing",
        ],
    ),
    "missing '{'": (
        "if A == 1 then\n  B = 2;\n  C = 3;\n}",
        ["3:3: an assignment stands outside 'if … then { … }'; is a '{' missing above?"],
    ),
    "blank missing before 'and'": (
        "select execute(X) from inputFiles where DET.WIN1.BINYand A.B == 1;",
        ["1:41: a blank is missing before 'and' in 'DET.WIN1.BINYand'"],
    ),
    "chained comparison": (
        "if 1 < A < 3 then { B = 1; }",
        ["1:10: comparisons do not chain: join them with 'and'"],
    ),
    "bad regular expression": (
        'if A regexp "MUSE_(wfm" then { B = 1; }',
        ["1:19: not a regular expression: missing ), unterminated subpattern"],
    ),
    "unknown type": (
        "if A is text then { B = 1; }",
        [
            "1:9: expected a type (undefined, string, int, integer, float, double, number, bool, boolean), "
            "found 'text'"
        ],
    ),
    "unknown pool": (
        "select execute(X) from calibfile where A == 1;",
        [
            "1:24: expected 'inputFiles', 'calibFiles' or 'rawFiles', found 'calibfile' "
            "(did you mean 'calibFiles'?)"
        ],
    ),
    "group without by": (
        "select execute(X) from rawFiles where A == 1 group TPL.START;",
        ["1:52: expected 'by' after 'group', found 'TPL.START'"],
    ),
    "reserved word as a name": (
        "action X { product like { A = 1; } }",
        ["1:20: expected the name of a product, found the reserved word 'like'"],
    ),
    "fraction as a limit": (
        "minRet = 1.5;\nselect execute(X) from rawFiles where A == 1;",
        ["1:10: minRet wants a whole number, found '1.5'"],
    ),
    "else": (
        "if A == 1 then { B = 1; } else { B = 2; }",
        ["1:27: expected 'if', 'select', 'action', 'minRet' or 'maxRet', found 'else'"],
    ),
    "stray characters": (
        "if A == 1 @ then { B = 1; } $",
        ["1:11: unexpected character '@'", "1:29: unexpected character '$'"],
    ),
}


@pytest.mark.parametrize("typo", TYPOS)
def test_typo_is_reported_once_and_where_it_is(typo: str) -> None:
    text, errors = TYPOS[typo]
    assert found(text) == errors


@pytest.mark.parametrize("typo", TYPOS)
def test_rules_after_a_typo_are_read(typo: str) -> None:
    if typo == "comment not closed":
        text = "if Z == 1 then { Y = 2; }\n" + TYPOS[typo][0]
    else:
        text = TYPOS[typo][0] + "\nif Z == 1 then { Y = 2; }"
    assert "if Z == 1 then\n{\n  Y = 2;\n}" in map(str, parse(text).rules.class_rules)


def test_all_errors_of_a_file_are_reported() -> None:
    astray = {"comment not closed", "parenthesis not closed", "brace not closed", "one '}' too many"}
    texts, wanted = "", []
    for typo, (text, errors) in TYPOS.items():
        if typo not in astray:
            before = texts.count("\n")
            wanted += [
                f"{int(row) + before}:{rest}" for row, rest in (error.split(":", 1) for error in errors)
            ]
            texts += text + "\n"
    assert found(texts) == wanted


WARNINGS = {
    "repeated settings": (
        "minRet = 1; minRet = 2; select execute(X) from rawFiles where A == 1;",
        ["1:13: minRet is set again before one select; this one counts"],
    ),
    "settings without a select": (
        "action X { minRet = 1; maxRet = 1; recipe r; }\nminRet = 3;\naction Y { }",
        [
            "1:12: no select follows this minRet; it has no effect",
            "1:24: no select follows this maxRet; it has no effect",
            "2:1: no select follows this minRet; it has no effect",
        ],
    ),
    "select without settings": (
        "action X { select file as A from calibFiles where B == 1; }",
        ["1:12: no minRet and maxRet before this select, so minRet = 1; maxRet = 1; is taken"],
    ),
    "select with one setting": (
        "action X { minRet = 2; select file as A from calibFiles where B == 1; }",
        ["1:24: no maxRet before this select, so minRet = 2; maxRet = 2; is taken"],
    ),
    "setting without ';'": (
        "minRet=2\nselect execute(X) from rawFiles where A == 1;",
        ["1:8: no ';' after minRet"],
    ),
    "'and' and 'or' mixed": (
        "if A == 1 or B == 2 and C == 3 then { D = 4; }",
        ["1:11: 'and' and 'or' without parentheses: 'and' binds first; write the parentheses"],
    ),
    "soft window in an 'or'": (
        "action X { minRet = 1; maxRet = 1;\n"
        "select file as A from calibFiles where B == 1 or C tryBetween 1 and 2; }",
        ["2:50: 'tryBetween' counts only as an 'and' term of an association's condition; here it is true"],
    ),
    "soft window in a class rule": (
        "if A == 1 and C tryBetween 1 and 2 then { B = 1; }",
        ["1:15: 'tryBetween' counts only as an 'and' term of an association's condition; here it is true"],
    ),
    "limits that nothing can meet": (
        "minRet = -1; maxRet = -2; select execute(X) from rawFiles where A == 1;",
        [
            "1:1: minRet is negative",
            "1:14: maxRet is less than minRet, which is -1",
            "1:14: maxRet is negative",
        ],
    ),
    "repeated option": (
        'action X { recipe r { "--a=1 --b"; "--a=2"; } }',
        ["1:36: option --a is given twice; the last one counts"],
    ),
    "action defined twice": (
        "action X { }\naction X { }",
        ["2:8: action X is defined twice, first in line 1"],
    ),
    "inputFile outside an action": (
        "select execute(X) from rawFiles where inputFile.A == 1;",
        ["1:39: 'inputFile.' means nothing here: inputFile.A is always undefined"],
    ),
    "LF within an action": (
        "action X { minRet = 1; maxRet = 1; select file as A from calibFiles where LF.B == 1; }",
        ["1:75: 'LF.' means nothing here: LF.B is always undefined"],
    ),
    "unknown signal": (
        "select execute(X) from rawFiles where SIG.NIGHT == 1;",
        ["1:39: SIG.NIGHT is always undefined: there are SIG.FRAME and SIG.TEMPLATE"],
    ),
}


@pytest.mark.parametrize("oddity", WARNINGS)
def test_oddity_is_a_warning_and_no_error(oddity: str) -> None:
    text, warnings = WARNINGS[oddity]
    assert (found(text, "warning"), found(text)) == (warnings, [])


def test_soft_window_at_the_top_of_an_association_is_fine() -> None:
    window = "MJD-OBS tryBetween inputFile.MJD-OBS - 1.5 and inputFile.MJD-OBS + 1.5"
    for text in (window, f"A == 1 and {window}"):
        assert (
            parse(
                f"action X {{ minRet = 1; maxRet = 1; select file as A from calibFiles where {text}; }}"
            ).diagnostics
            == ()
        )


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


@pytest.mark.parametrize("text", ["1e999", "9" * 400, "9" * 5000])
def test_number_beyond_a_double_is_an_error(text: str) -> None:
    assert found(f"if A == {text} then {{ B = 1; }}") == ["1:9: this number is too large"]


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


def test_number_sign_in_a_line_is_an_error() -> None:
    assert found("if A == 1 # one\nthen { B = 1; }") == [
        "1:11: unexpected character '#'",
        "1:13: expected an operator or 'then' after the condition, found 'one'",
    ]


def test_rule_without_braces_and_lone_semicolons() -> None:
    parsed = parse(";if A == 1 then B = 2;;action X { ; recipe none; ; };")
    assert parsed.diagnostics == ()
    assert (len(parsed.rules.class_rules), parsed.rules.actions[0].recipes) == (1, (Recipe("none"),))


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


def test_nesting_has_a_limit_instead_of_a_recursion_error() -> None:
    deep = "(" * 5000 + "A" + ")" * 5000
    assert found(f"if {deep} then {{ B = 1; }}") == ["1:29: nested deeper than 25 levels"]
    for sign in ("not ", "- "):
        assert "nested deeper" in found(f"if {sign * 5000} A then {{ B = 1; }}")[0]
    assert "arithmetic operators" in found(f"if {'A + ' * 5000} A then {{ B = 1; }}")[0]


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


def test_load_refuses_a_file_with_errors_and_shows_them_all(tmp_path: Path) -> None:
    path = tmp_path / "bad.oca"
    path.write_text("if A = 1 then { B = 1; }\nminRet = 1;\nselect;\n")
    with pytest.raises(RuleError) as caught:
        load(path)
    lines = str(caught.value).splitlines()
    assert [line for line in lines if line.startswith("bad.oca")] == [
        "bad.oca:1:6: error: '=' assigns; to compare write '=='",
        "bad.oca:3:7: error: expected 'execute' after 'select', found ';'",
    ]
