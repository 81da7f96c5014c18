import math

import pytest

from app.header import UNDEFINED, Maybe
from app.oca.evaluate import EMPTY, as_text, compile_test, compile_value, equal, truth
from app.oca.parser import parse
from app.oca.terms import Expr

ME: dict[str, Maybe] = {
    "S": "BIAS,DETCHAR",
    "EMPTY": "",
    "I": 580,
    "D": 580.5,
    "T1": True,
    "F1": False,
    "TEXT.I": "580",
    "TEXT.D": "580.0",
    "TEXT.T": "T",
    "TEXT.F": "false",
    "DATE": "2007-11-11T02:38:47",
    "NAN": math.nan,
    "U": UNDEFINED,
}
INPUT: dict[str, Maybe] = {"S": "BIAS,DETCHAR", "I": 580.0, "D": 580.5, "MJD-OBS": 54415.1}
LAST: dict[str, Maybe] = {"S": "ARC"}


def expression(text: str) -> Expr:
    parsed = parse(f"if {text} then {{ X = 1; }}")
    assert parsed.errors == ()
    return parsed.rules.class_rules[0].condition


# One block per row of the operator table, then the comparison of unlike types.
HOLDS = """
S == "BIAS,DETCHAR"
"BIAS,DETCHAR" == S
I == 580
S == inputFile.S
inputFile.S == S
I == inputFile.I
EMPTY == ""

S != "bias,detchar"
U != "X"
NOTHING != 1

S ?= "BIAS,DETCHAR"
S ?= U
NOTHING ?= 1
U ?= NOTHING

I < 581
I < D
I <= 580
D >= 580.5
DATE < "2007-11-12"
F1 < T1
TEXT.I < D

S like "BIAS%"
S like "%DETCHAR"
S like "%S,D%"
S like "%"
EMPTY like "%"
S like "BIAS,DETCHAR"
S like "B%D%R"
S like inputFile.S
inputFile.S like "BIAS%"
I like "58%"
D like "580.5"
T1 like "T"

S regexp "BIAS.*"
S regexp "[A-Z,]+"
I regexp "[0-9]+"

U is undefined
NOTHING is undefined
EMPTY is not undefined
S is string
EMPTY is string
I is int
I is integer
I is number
D is float
D is double
D is number
T1 is bool
F1 is boolean
U is not string

D between 580 and 580.5
I between 580 and 581
MJD-OBS tryBetween 1 and 2
S tryBetween 1 and 2
not U like "%X%"
not S == "X"
T and S == "BIAS,DETCHAR" and I == 580 and D > 1
U == 1 or I == 580
U == 1 or S like "X" or T
not (U == 1 or U == 2 or U == 3)

I + 1 == 581
I - 1 == 579
inputFile.MJD-OBS - 3 < inputFile.MJD-OBS
I * 2 == 1160
I / 2 == 290
I % 7 == 6
-I == -580
-I + 580 == 0
I / 0 is undefined
I % 0 is undefined
U + 1 is undefined
S + 1 is undefined
T1 + 1 is undefined
-U is undefined
1e308 * 10 is undefined
NAN + 1 is undefined

T
true
T1
I
TEXT.T
not F
not U
not NOTHING
not EMPTY
not S
not TEXT.F
not F1
not undefined

1 == 1.0
T1 == T
T1 == "t"
T1 == "TRUE"
F1 == TEXT.F
TEXT.T == T
VIRTUAL ?= T
T1 == 1
F1 == 0
SIG.FRAME == 1
SIG.TEMPLATE == 1
TEXT.I == 580
TEXT.D == 580
580 == TEXT.D
TEXT.D != "580"
LF.S == "ARC"
I == "580.0"
"""

FAILS = """
U == U
NOTHING == NOTHING
U == "U"
U == ""
S == "bias,detchar"
S == "BIAS,DETCHAR "
U != U
NOTHING != U
S ?= "X"
U < 1
1 < U
U >= U
S < 1
I > S
T1 < S
NAN == NAN
NAN < 1
NAN >= 1
S like "bias%"
S like "BIAS_DETCHAR"
S like "BIAS?DETCHAR"
S like "BIAS.DETCHAR"
S like "BIAS"
S like "BI%AS%TCHAR%AR"
U like "%"
S like U
S regexp "BIAS"
S regexp "bias.*"
U regexp ".*"
S regexp U
U is string
I is string
I is float
D is int
T1 is int
T1 is number
S is undefined
S is not string
D between 1 and 2
U between 1 and 2
D between U and 1000
D between 1 and U
not I
U
EMPTY
S
F
"X"
T1 == 2
T1 == S
TEXT.D == "580"
S == 580
I == " 580 "
I == "58O"
SIG.NIGHT == 1
LF.I == 580
"""


@pytest.mark.parametrize("text", [line for line in HOLDS.splitlines() if line])
def test_holds(text: str) -> None:
    assert compile_test(expression(text))(ME, INPUT, LAST) is True


@pytest.mark.parametrize("text", FAILS.strip().splitlines())
def test_does_not_hold(text: str) -> None:
    assert compile_test(expression(text))(ME, INPUT, LAST) is False


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("S", "BIAS,DETCHAR"),
        ("I", 580),
        ("I / 8", 72.5),
        ("TEXT.I", "580"),
        ("F1", False),
        ('S like "BIAS%"', True),
        ("I == 1", False),
        ("undefined", UNDEFINED),
        ("NOTHING", UNDEFINED),
        ("-(I - 1.5)", -578.5),
        ("7 - 2 - 1", 4),
        ("1 + 2 * 3", 7),
        ("SIG.FRAME", 1),
        ("LF.S", "ARC"),
    ],
)
def test_value_keeps_its_type(text: str, value: Maybe) -> None:
    result = compile_value(expression(text))(ME, INPUT, LAST)
    assert (result, type(result)) == (value, type(value))


def test_integers_beyond_a_double_compare_exactly_and_do_not_overflow() -> None:
    big = 2**53 + 1
    assert equal(big, big) and not equal(big, float(big))
    assert not equal(10**400, 1e308)
    assert compile_value(expression("K * K"))({"K": 10**300}, EMPTY, EMPTY) is UNDEFINED
    assert compile_value(expression("K / 2"))({"K": 10**400}, EMPTY, EMPTY) is UNDEFINED


def test_bad_pattern_read_from_a_header_matches_nothing() -> None:
    test = compile_test(expression("A regexp B"))
    assert not test({"A": "x", "B": "("}, EMPTY, EMPTY)
    assert not test({"A": "[", "B": "[[]"}, EMPTY, EMPTY)
    assert test({"A": "x", "B": "x|y"}, EMPTY, EMPTY)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x ", "x "),
        (580, "580"),
        (580.0, "580.0"),
        (0.1, "0.1"),
        (True, "T"),
        (False, "F"),
        pytest.param(10**6000, "inf", id="huge"),
        pytest.param(-(10**6000), "-inf", id="minus huge"),
    ],
)
def test_text_of_a_value(value: str | int | float | bool, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize("value", [True, 1, -0.5, "T", "True"])
def test_true_values(value: Maybe) -> None:
    assert truth(value) is True


@pytest.mark.parametrize("value", [False, 0, 0.0, "", "F", "yes", "1", "true", "t", UNDEFINED])
def test_untrue_values(value: Maybe) -> None:
    assert truth(value) is False
