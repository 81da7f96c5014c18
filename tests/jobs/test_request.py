from __future__ import annotations

from typing import Any

import pytest

from app.jobs.request import fault_of

# As `esorex --create-config` declares them.
WHOLE = {"valtype": "int", "partype": "range", "valmin": -5, "valmax": 10}
NUMBER = {"valtype": "double", "partype": "value"}
CHOICE = {"valtype": "double", "partype": "enum", "valenum": [0.5, 1.0]}
SWITCH = {"valtype": "bool", "partype": "value"}
WORD = {"valtype": "string", "partype": "enum", "valenum": ["first", "union"]}
TEXT = {"valtype": "string", "partype": "value"}


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        *((WHOLE, value) for value in ("-5", "+3", "10", "007")),
        *((NUMBER, value) for value in ("1", "-.5", "2.", "1e-3", "+4.5E+6")),
        *((CHOICE, value) for value in ("0.5", "1")),
        *((SWITCH, value) for value in ("TRUE", "false")),
        (WORD, "union"),
        *((TEXT, value) for value in ("", "-x --help", "a b")),
    ],
)
def test_a_recipe_takes_what_it_declares(declared: dict[str, Any], value: str) -> None:
    assert fault_of(declared, value) == ""


@pytest.mark.parametrize(
    ("declared", "value", "said"),
    [
        *((WHOLE, value, "is no whole number") for value in ("", "1.0", "1_0", "٣", "9" * 5000, " 1", "0x1")),
        (WHOLE, "11", "11 is not from -5 to 10"),
        *((NUMBER, value, "is no number") for value in ("", "nan", "inf", "1_0.0", ".", "1e", "1,5")),
        (CHOICE, "2", "2 is none of 0.5, 1.0"),
        (SWITCH, "yes", "'yes' is neither TRUE nor FALSE"),
        (WORD, "last", "'last' is none of first, union"),
        (TEXT, "a\nb", "holds a line break or a tab"),
    ],
)
def test_a_value_that_no_recipe_takes_is_refused(declared: dict[str, Any], value: str, said: str) -> None:
    assert said in fault_of(declared, value)
