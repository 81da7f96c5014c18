"""The meaning of OCA expressions: each is compiled once to a closure and evaluated many times.

A closure is called with three sets of keywords: those of the file itself, of `inputFile` and of `LF`.
Evaluation never raises: what cannot be said is UNDEFINED, and an undefined condition is false.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from app.header import UNDEFINED, Maybe
from app.oca.terms import (
    And,
    Arith,
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
    Undef,
)
from app.oca.values import (
    KINDS,
    RELATIONS,
    arithmetic,
    as_text,
    equal,
    full_match,
    is_literal,
    like_pattern,
    ordered,
    truth,
)

__all__ = [
    "EMPTY",
    "Compiled",
    "Keywords",
    "Test",
    "as_text",
    "compile_test",
    "compile_value",
    "equal",
    "truth",
]

Keywords: TypeAlias = Mapping[str, Maybe]
Compiled: TypeAlias = Callable[[Keywords, Keywords, Keywords], Maybe]
Test: TypeAlias = Callable[[Keywords, Keywords, Keywords], bool]

EMPTY: Final[Keywords] = MappingProxyType({})


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
            return lambda me, input_file, last: arithmetic("-", 0, value(me, input_file, last))
        case Arith(op, left, right):
            a, b = compile_value(left), compile_value(right)
            return lambda me, input_file, last: arithmetic(
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
            return _match_texts(full_match, value, pattern)
        case Is(value, kind, negated):
            return _is(compile_value(value), KINDS[kind], negated)
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
        least, middle, most = x(me, input_file, last), a(me, input_file, last), y(me, input_file, last)
        if type(least) is type(middle) is type(most) is float:  # nearly always: MJD-OBS and days around it
            return least <= middle <= most
        return ordered(operator.le, least, middle) and ordered(operator.le, middle, most)

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
    relation = RELATIONS[op]
    a, b = compile_value(left), compile_value(right)
    return lambda me, input_file, last: relation(a(me, input_file, last), b(me, input_file, last))


def _equals_constant(name: str, constant: str | int | float) -> Test:
    """`KEYWORD == "text"` or `KEYWORD == 1`."""
    if isinstance(constant, str):
        if not is_literal(constant):
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
        return _match_texts(lambda text, wanted: like_pattern(wanted)(text), value, pattern)
    test = like_pattern(pattern.value)
    if not isinstance(value, Key) or value.scope:
        return _match_texts(lambda text, _: test(text), value, pattern)
    name = value.name

    def key_like(me: Keywords, _input: Keywords, _last: Keywords) -> bool:
        found = me.get(name, UNDEFINED)
        if type(found) is str:
            return test(found)
        return found is not UNDEFINED and test(as_text(found))

    return key_like


def _match_texts(matches: Callable[[str, str], bool], value: Expr, pattern: Expr) -> Test:
    """A test of two texts; false where one is undefined."""
    a, b = compile_value(value), compile_value(pattern)

    def both(me: Keywords, input_file: Keywords, last: Keywords) -> bool:
        text, wanted = a(me, input_file, last), b(me, input_file, last)
        return text is not UNDEFINED and wanted is not UNDEFINED and matches(as_text(text), as_text(wanted))

    return both
