"""What the parser says of faults: words, places, and that each is said once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import RuleError
from app.oca.parser import load, parse, parse_file


def found(text: str, severity: str = "error") -> list[str]:
    return [f"{d.line}:{d.column}: {d.message}" for d in parse(text).diagnostics if d.severity == severity]


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
    "misspelt words of an action": (
        "action X { recipes r; select recipe r; minRet = x; priority = high; product P A = 1; }",
        [
            "1:12: expected 'select file', 'recipe', 'product', 'minRet', 'maxRet', 'priority' or '}', "
            "found 'recipes' (did you mean 'recipe'?)",
            "1:30: expected 'file' after 'select', found the reserved word 'recipe'",
            "1:49: minRet wants a number, found 'x'",
            "1:63: priority wants a number, found 'high'",
            "1:79: expected '{' after 'product P', found 'A'",
        ],
    ),
    "upper case in an action": (
        "Action X { RECIPE r; }",
        [
            "1:1: reserved words are written exactly so: 'action', not 'Action'",
            "1:12: reserved words are written exactly so: 'recipe', not 'RECIPE'",
        ],
    ),
    "action without a name": (
        "action { recipe; }",
        ["1:8: expected the name of the action, found '{'", "1:16: expected the name of a recipe, found ';'"],
    ),
    "option without quotes": (
        'action X { recipe r { --a=1; } recipe s { "--b" "--c"; } }',
        [
            "1:23: expected an option between quotes or '}', found '-'",
            "1:49: expected ';' after the option, found \"--c\"",
        ],
    ),
    "options without '{'": (
        'action X {\n  recipe r "--a";\n  "--b"; }\n  recipe s { "--c"; }\n  "--d"; "--e"; }\n}',
        [
            "2:12: expected '{' before the options, found \"--a\"",
            "5:3: an option stands outside 'recipe … { … }'; is a '}' too many above?",
        ],
    ),
    "product not closed": (
        "action X {\n  product P { A = 1;\n  product Q { A = 2; }\n}",
        ["3:3: expected '}' for the '{' of line 2, found 'product'"],
    ),
    "grouping without a tag": (
        "select execute(X) from rawFiles where A == 1 group by B, as (TPL_A);",
        ["1:58: expected a keyword to group by, found the reserved word 'as'"],
    ),
    "rule within an action": (
        "action X { if A == 1 then { B = 1; } }",
        ["1:12: expected '}' for the '{' of line 1, found the reserved word 'if'"],
    ),
    "nothing to select by": (
        "select execute(X) from rawFiles where ;\naction X { select file as M from calibFiles where; }",
        [
            "1:39: expected a keyword, a text or a number, found ';'",
            "2:50: expected a keyword, a text or a number, found ';'",
        ],
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
    astray = {  # their words name a line, or reach into what follows
        "comment not closed",
        "parenthesis not closed",
        "brace not closed",
        "product not closed",
        "rule within an action",
        "one '}' too many",
    }
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
        ["2:1: action X is defined twice, first in line 1"],
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


def test_known_oddities_of_the_uves_rules_are_warned_of(installed: Callable[[str], Path]) -> None:
    warnings = {(d.line, d.message) for d in parse_file(installed("uves")).diagnostics}
    assert (2434, "minRet is set again before one select; this one counts") in warnings
    assert (
        2437,
        "no minRet and maxRet before this select, so minRet = 1; maxRet = 1; is taken",
    ) in warnings
    assert (1747, "no select follows this minRet; it has no effect") in warnings


@pytest.mark.parametrize("text", ["1e999", "9" * 400, "9" * 5000])
def test_number_beyond_a_double_is_an_error(text: str) -> None:
    assert found(f"if A == {text} then {{ B = 1; }}") == ["1:9: this number is too large"]


def test_number_sign_in_a_line_is_an_error() -> None:
    assert found("if A == 1 # one\nthen { B = 1; }") == [
        "1:11: unexpected character '#'",
        "1:13: expected an operator or 'then' after the condition, found 'one'",
    ]


@pytest.mark.parametrize(
    "pattern", ["a{99999999999999999999}", "(" * 5000 + ")" * 5000, "[[a]", "*", "(?P<a>x)(?P<a>y)"]
)
def test_regular_expression_that_python_refuses_or_doubts_is_an_error(pattern: str) -> None:
    (error,) = found(f'if A regexp "{pattern}" then {{ B = 1; }}')
    assert "not a regular expression" in error


def test_nesting_has_a_limit_instead_of_a_recursion_error() -> None:
    deep = "(" * 5000 + "A" + ")" * 5000
    assert found(f"if {deep} then {{ B = 1; }}") == ["1:29: nested deeper than 25 levels"]
    for sign in ("not ", "- "):
        assert "nested deeper" in found(f"if {sign * 5000} A then {{ B = 1; }}")[0]
    assert "arithmetic operators" in found(f"if {'A + ' * 5000} A then {{ B = 1; }}")[0]


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
