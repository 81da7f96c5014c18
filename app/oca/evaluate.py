"""The meaning of OCA expressions: each is compiled once to a closure and evaluated many times.

A closure is called with three sets of keywords: those of the file itself, of `inputFile` and of `LF`.
Evaluation never raises: what cannot be said is UNDEFINED, and an undefined condition is false.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from app.header import UNDEFINED, Maybe, Undefined, Value
from app.oca.expressions import compile_regexp
from app.oca.syntax import (
    And,
    Arith,
    ArithOp,
    Between,
    Compare,
    CompareOp,
    Expr,
    Is,
    Key,
    Like,
    Negative,
    Not,
    Number,
    Or,
    Regexp,
    Text,
    Truth,
    TypeName,
    Undef,
)

Keywords: TypeAlias = Mapping[str, Maybe]
Compiled: TypeAlias = Callable[[Keywords, Keywords, Keywords], Maybe]
Test: TypeAlias = Callable[[Keywords, Keywords, Keywords], bool]

EMPTY: Final[Keywords] = MappingProxyType({})

_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_TRUE: Final = frozenset({"t", "true"})
_FALSE: Final = frozenset({"f", "false"})


# --- plain values ----------------------------------------------------------------------------


def as_text(value: Value) -> str:
    """A value as `like` sees it: a number in its shortest form, a truth as T or F."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "T" if value else "F"
    try:
        return str(value)
    except ValueError:  # Python refuses integers of thousands of digits
        return repr(math.copysign(math.inf, value))


def truth(value: Maybe) -> bool:
    """A value as a condition: T, a number other than 0, or the text of a truth."""
    if isinstance(value, str):
        return value.lower() in _TRUE
    return bool(value)


def equal(a: Maybe, b: Maybe) -> bool:
    """`a == b`: false unless both are defined; numbers compare exactly, a text as what it is compared with.

    `"580.0" == 580` is true, `"580.0" == "580"` is not: a number never becomes a text.
    """
    if type(a) is type(b):
        return a == b and a is not UNDEFINED
    pair = _pair(a, b)
    return pair is not None and bool(pair[0] == pair[1])


def _pair(a: Maybe, b: Maybe) -> tuple[Any, Any] | None:
    """Two values as values of one kind, or None where they cannot be compared."""
    if a is UNDEFINED or b is UNDEFINED:
        return None
    match a, b:
        case (str(), str()):
            pass
        case (str(), _):
            a = _as_kind_of(b, a)
        case (_, str()):
            b = _as_kind_of(a, b)
        case _:
            pass
    return None if a is UNDEFINED or b is UNDEFINED else (a, b)


def _as_kind_of(other: Maybe, text: str) -> Maybe:
    """Read a text as a truth or a number, whichever `other` is."""
    if isinstance(other, bool):
        lower = text.lower()
        return True if lower in _TRUE else False if lower in _FALSE else UNDEFINED
    return _number(text)


@lru_cache(maxsize=4096)
def _number(text: str) -> int | float | Undefined:
    """Read a text that is a number from end to end."""
    if _NUMBER.fullmatch(text) is None:
        return UNDEFINED
    value = float(text)
    return int(text) if math.isfinite(value) and text.lstrip("+-").isdigit() else value


def _ordered(relation: Callable[[Any, Any], bool], a: Maybe, b: Maybe) -> bool:
    """`a < b` and its kin; false where the two cannot be compared."""
    pair = _pair(a, b)
    return pair is not None and relation(*pair)


def _different(a: Maybe, b: Maybe) -> bool:
    """`a != b`: an undefined value differs from every defined one, and not from another undefined."""
    return not (equal(a, b) or (a is UNDEFINED and b is UNDEFINED))


def _equal_if_known(a: Maybe, b: Maybe) -> bool:
    """`a ?= b`."""
    return a is UNDEFINED or b is UNDEFINED or equal(a, b)


_RELATIONS: Final[dict[CompareOp, Callable[[Maybe, Maybe], bool]]] = {
    "==": equal,
    "!=": _different,
    "?=": _equal_if_known,
    "<": lambda a, b: _ordered(operator.lt, a, b),
    ">": lambda a, b: _ordered(operator.gt, a, b),
    "<=": lambda a, b: _ordered(operator.le, a, b),
    ">=": lambda a, b: _ordered(operator.ge, a, b),
}
_ARITHMETIC: Final[dict[ArithOp, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}
_KINDS: Final[dict[TypeName, tuple[type, ...]]] = {
    "undefined": (type(UNDEFINED),),
    "string": (str,),
    "int": (int,),
    "integer": (int,),
    "float": (float,),
    "double": (float,),
    "number": (int, float),
    "bool": (bool,),
    "boolean": (bool,),
}


def _arithmetic(op: ArithOp, a: Maybe, b: Maybe) -> Maybe:
    """`a + b` and its kin on numbers; undefined where there is no finite result."""
    if type(a) not in (int, float) or type(b) not in (int, float):
        return UNDEFINED
    try:
        result: int | float = _ARITHMETIC[op](a, b)
        return result if math.isfinite(result) else UNDEFINED
    except (ZeroDivisionError, OverflowError):
        return UNDEFINED


# --- expressions -----------------------------------------------------------------------------


def compile_value(expr: Expr) -> Compiled:
    """A function of (file, inputFile, LF) that gives the value of `expr`."""
    match expr:
        case Text(constant) | Number(constant) | Truth(constant):
            return lambda _me, _input, _last: constant
        case Undef():
            return lambda _me, _input, _last: UNDEFINED
        case Key():
            return _read(expr)
        case Negative(term):
            value = compile_value(term)
            return lambda me, input_file, last: _arithmetic("-", 0, value(me, input_file, last))
        case Arith(op, left, right):
            a, b = compile_value(left), compile_value(right)
            return lambda me, input_file, last: _arithmetic(
                op, a(me, input_file, last), b(me, input_file, last)
            )
        case _:
            return compile_test(expr)


def _read(key: Key) -> Compiled:
    """Read a keyword; in batch every frame has arrived and every template is over, so SIG.* are 1."""
    name = key.name
    match key.scope:
        case "":
            return lambda me, _input, _last: me.get(name, UNDEFINED)
        case "inputFile":
            return lambda _me, input_file, _last: input_file.get(name, UNDEFINED)
        case "LF":
            return lambda _me, _input, last: last.get(name, UNDEFINED)
        case "SIG":
            signal = 1 if name in ("FRAME", "TEMPLATE") else UNDEFINED
            return lambda _me, _input, _last: signal


def compile_test(expr: Expr) -> Test:
    """A function of (file, inputFile, LF) that says whether the condition `expr` holds."""
    match expr:
        case And(terms):
            return _all([compile_test(term) for term in terms])
        case Or(terms):
            return _any([compile_test(term) for term in terms])
        case Not(term):
            test = compile_test(term)
            return lambda me, input_file, last: not test(me, input_file, last)
        case Compare(op, left, right):
            return _compare(op, left, right)
        case Like(value, pattern):
            return _like(value, pattern)
        case Regexp(value, pattern):
            return _match_texts(_full_match, value, pattern)
        case Is(value, kind, negated):
            return _is(compile_value(value), _KINDS[kind], negated)
        case Between(value, low, high, soft):
            return _always if soft else _between(value, low, high)
        case _:
            plain = compile_value(expr)
            return lambda me, input_file, last: truth(plain(me, input_file, last))


def _always(_me: Keywords, _input: Keywords, _last: Keywords) -> bool:
    """`tryBetween` as a filter: it only ranks."""
    return True


def _all(tests: list[Test]) -> Test:
    """`a and b and …`, unrolled for two and three terms: most rules have so many."""
    match tests:
        case [a, b]:
            return lambda me, input_file, last: a(me, input_file, last) and b(me, input_file, last)
        case [a, b, c]:
            return lambda me, input_file, last: (
                a(me, input_file, last) and b(me, input_file, last) and c(me, input_file, last)
            )
        case _:
            pass

    def every(me: Keywords, input_file: Keywords, last: Keywords) -> bool:
        for test in tests:  # noqa: SIM110 - all() over a generator takes twice as long
            if not test(me, input_file, last):
                return False
        return True

    return every


def _any(tests: list[Test]) -> Test:
    """`a or b or …`."""

    def some(me: Keywords, input_file: Keywords, last: Keywords) -> bool:
        for test in tests:  # noqa: SIM110 - as above
            if test(me, input_file, last):
                return True
        return False

    return some


def _is(value: Compiled, kinds: tuple[type, ...], negated: bool) -> Test:
    """`a is string`, `a is not undefined`; a truth is no number."""
    return lambda me, input_file, last: (type(value(me, input_file, last)) in kinds) is not negated


def _between(value: Expr, low: Expr, high: Expr) -> Test:
    """`a between x and y`: both ends belong to it."""
    a, x, y = compile_value(value), compile_value(low), compile_value(high)

    def inside(me: Keywords, input_file: Keywords, last: Keywords) -> bool:
        middle = a(me, input_file, last)
        return _ordered(operator.le, x(me, input_file, last), middle) and _ordered(
            operator.le, middle, y(me, input_file, last)
        )

    return inside


# --- comparisons: the frequent shapes have closures of their own -----------------------------


def _compare(op: CompareOp, left: Expr, right: Expr) -> Test:
    if op == "==":
        match left, right:
            case (Key(name, scope=""), (Text() | Number()) as constant) | (
                (Text() | Number()) as constant,
                Key(name, scope=""),
            ):
                return _equals_constant(name, constant.value)
            case (Key(name, scope=""), Key(other, scope="inputFile")) | (
                Key(other, scope="inputFile"),
                Key(name, scope=""),
            ):
                return _equals_input(name, other)
            case _:
                pass
    relation = _RELATIONS[op]
    a, b = compile_value(left), compile_value(right)
    return lambda me, input_file, last: relation(a(me, input_file, last), b(me, input_file, last))


def _equals_constant(name: str, constant: str | int | float) -> Test:
    """`KEYWORD == "text"` or `KEYWORD == 1`."""
    if isinstance(constant, str):
        if _number(constant) is UNDEFINED and constant.lower() not in _TRUE | _FALSE:
            return lambda me, _input, _last: me.get(name) == constant  # no number or truth can equal it
        return lambda me, _input, _last: equal(me.get(name, UNDEFINED), constant)

    def same(me: Keywords, _input: Keywords, _last: Keywords) -> bool:
        value = me.get(name)
        return equal(value, constant) if type(value) is str else value == constant

    return same


def _equals_input(name: str, other: str) -> Test:
    """`inputFile.OTHER == KEYWORD`."""

    def same(me: Keywords, input_file: Keywords, _last: Keywords) -> bool:
        a, b = me.get(name, UNDEFINED), input_file.get(other, UNDEFINED)
        return (a == b and a is not UNDEFINED) if type(a) is type(b) else equal(a, b)

    return same


def _like(value: Expr, pattern: Expr) -> Test:
    """`a like "X%"`."""
    if not isinstance(pattern, Text):
        return _match_texts(lambda text, wanted: _pattern(wanted)(text), value, pattern)
    test = _pattern(pattern.value)
    if not isinstance(value, Key) or value.scope:
        return _match_texts(lambda text, _: test(text), value, pattern)
    name = value.name

    def key_like(me: Keywords, _input: Keywords, _last: Keywords) -> bool:
        found = me.get(name, UNDEFINED)
        if type(found) is str:
            return test(found)
        return found is not UNDEFINED and test(as_text(found))

    return key_like


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> Callable[[str], bool]:
    """The operand of `like`: '%' is any run of characters, everything else is literal."""
    first, *rest = pattern.split("%")
    if not rest:
        return lambda text: text == pattern
    inner, last = [part for part in rest[:-1] if part], rest[-1]
    match first, inner, last:
        case "", [], "":
            return lambda _text: True
        case "", [part], "":
            return lambda text: part in text
        case _, [], "":
            return lambda text: text.startswith(first)
        case "", [], _:
            return lambda text: text.endswith(last)
        case _:
            pass

    def in_order(text: str) -> bool:
        end = len(text) - len(last)
        at = len(first)
        if at > end or not text.startswith(first) or not text.endswith(last):
            return False
        for part in inner:
            found = text.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return in_order


def _full_match(text: str, pattern: str) -> bool:
    """`a regexp "re"` on the whole text; what is no regular expression matches nothing."""
    try:
        return compile_regexp(pattern).fullmatch(text) is not None
    except re.error:
        return False


def _match_texts(matches: Callable[[str, str], bool], value: Expr, pattern: Expr) -> Test:
    """A test of two texts; false where one is undefined."""
    a, b = compile_value(value), compile_value(pattern)

    def both(me: Keywords, input_file: Keywords, last: Keywords) -> bool:
        text, wanted = a(me, input_file, last), b(me, input_file, last)
        return text is not UNDEFINED and wanted is not UNDEFINED and matches(as_text(text), as_text(wanted))

    return both
