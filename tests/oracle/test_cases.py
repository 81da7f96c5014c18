"""Where the two readings once differed: each case with the answer that was decided to be right, and why."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import naive_rules as naive
import naive_values
import pytest
from opinions import Opinions

from app.archive.database import connect
from app.archive.index import Index
from app.classify import Frame
from app.header import UNDEFINED, Header, Value
from app.oca.evaluate import compile_test, compile_value
from app.oca.parser import parse
from app.tree import Mode, walk

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


BOOK = """// INSTRUME: X
if DPR.TYPE is string then { RAW.TYPE = DPR.TYPE; DO.CATG = DPR.TYPE; EXPOSE_TO_CALSELECTOR = T; }
select execute(SCI) from rawFiles where LF.RAW.TYPE == "SCI" group by TPL.START;
select execute(STD) from rawFiles where RAW.TYPE == "STD" group by TPL.START;
action SCI
{ minRet = 1; select file as STD from calibFiles where PRO.CATG == "STD"; product R { PRO.CATG = "R"; } }
action STD { recipe none; product STD { PRO.CATG = "STD"; } }
"""


@pytest.mark.parametrize(
    ("last", "hidden", "right"),
    [
        # The service took the last file of a template though it was hidden.
        ("SKY", True, ["X.0", "STD.0"]),
        ("SKY", False, None),
        # Neither had the raw frames of what no recipe reduces for who asks for masters.
        ("SCI", False, ["X.0", "X.1", "STD.0"]),
    ],
)
def test_both_cascades_say_what_was_decided(
    make_database, tmp_path: Path, last: str, hidden: bool, right: list[str] | None
) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/x.2000-01-01.oca").write_text(BOOK)
    (tmp_path / "x/breakpoints.json").write_text("[]")
    rows = [
        Frame(
            name,
            Header(
                {"INSTRUME": "X", "DPR.TYPE": kind, "TPL.START": name[:1], "MJD-OBS": 56000.0 + number / 10}
            ),
            hidden=hidden and name == "X.1",
        )
        for number, (name, kind) in enumerate((("X.0", "SCI"), ("X.1", last), ("STD.0", "STD")))
    ]
    engine = connect(make_database())
    index = Index(engine)
    opinions = Opinions(tmp_path / "x", rows, index)
    for mode in get_args(Mode):
        assert opinions.compare(mode)[1] == []
        tree = index.associate("X.0", mode)
        named = [file.dp_id for node in walk(tree.root) for file in node.files]
        assert (named if tree.root.products else None) == right
    engine.dispose()
