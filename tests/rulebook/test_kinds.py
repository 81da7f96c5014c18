from __future__ import annotations

import pytest

from app.rulebook import OWN_KINDS, mistyped, read_book
from app.rulebook.kinds import Expected

BOOK = """// INSTRUME: TOY
if DET.CHIPS == 1 and INS.MODE like "%WFM%" and
   INS.SLIT == "free" then { RAW.TYPE = "A"; DERIVED = "x"; }
if INS.SLIT == 5 or INS.FILT == "380" or INS.GRAT like "%" or DERIVED == 1 or 2 < DET.NDIT then { B = 1; }
select execute(A) from rawFiles where RAW.TYPE == "A" and TPL.NEXP >= 3;
action A { select file as X from calibFiles where inputFile.INS.OPTI == "in" and 3 == DET.DIT; }
"""
KINDS = read_book(BOOK, "toy.2000-01-01.oca").kinds


def test_the_rules_say_of_what_type_keywords_are_and_where() -> None:
    assert {name: each for name, each in KINDS.items() if name not in OWN_KINDS} == {
        "DET.CHIPS": Expected("number", 2),
        "INS.MODE": Expected("text", 2),
        "DET.NDIT": Expected("number", 4),
        "INS.OPTI": Expected("text", 6),
        "DET.DIT": Expected("number", 6),
    }


@pytest.mark.parametrize("name", ["INS.SLIT", "INS.FILT", "INS.GRAT", "DERIVED", "RAW.TYPE"])
def test_what_may_be_either_or_is_derived_is_never_of_a_wrong_type(name: str) -> None:
    assert mistyped(KINDS, {name: 5}) == mistyped(KINDS, {name: "word"}) == []


def test_a_wrong_type_is_told_with_the_line_and_without_the_value() -> None:
    assert mistyped(KINDS, {"DET.CHIPS": "secret", "INS.MODE": 5}, "toy.oca") == [
        "DET.CHIPS in the header is text, and toy.oca:2 compares it with a number; "
        "correct the header and ingest the file again",
        "INS.MODE in the header is a number, and toy.oca:2 compares it with text; "
        "correct the header and ingest the file again",
    ]
