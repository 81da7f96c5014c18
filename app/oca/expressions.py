"""The expressions of OCA: a recursive descent whose docstrings are the grammar, and how it recovers.

Precedence, low to high: `or`, `and`, `not`, relations, `+ -`, `* / %`, sign.
"""

from __future__ import annotations

import math
import re
from typing import Final

from app.oca.cursor import Cursor, Unexpected
from app.oca.terms import (
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
    Pos,
    Regexp,
    Scope,
    Text,
    Truth,
    TypeName,
    Undef,
)
from app.oca.tokens import NAME, NUMBER, TEXT
from app.oca.values import compile_regexp

_COMPARE: Final[dict[str, CompareOp]] = {op: op for op in ("==", "!=", "?=", "<", ">", "<=", ">=")}
_SUM: Final[dict[str, ArithOp]] = {"+": "+", "-": "-"}
_TERM: Final[dict[str, ArithOp]] = {"*": "*", "/": "/", "%": "%"}
_TYPES: Final[dict[str, TypeName]] = {
    name: name
    for name in ("undefined", "string", "int", "integer", "float", "double", "number", "bool", "boolean")
}
_TRUTHS: Final = {"T": True, "True": True, "true": True, "F": False, "False": False, "false": False}
_SCOPES: Final[dict[str, Scope]] = {"inputFile": "inputFile", "LF": "LF", "SIG": "SIG"}

NOTHING: Final[frozenset[str]] = frozenset()

# Deeper than any rule (real files nest 3 deep), and safely within Python's recursion limit.
_DEEPEST: Final = 25
_MOST_ARITHMETIC: Final = 40


def read_expr(here: Cursor) -> Expr:
    """`expr = and_expr { "or" and_expr }`."""
    first = read_and(here)
    if here.kinds[here.at] != "or":
        return first
    terms, mixed, where = [first], here.joined, here.at
    while here.kinds[here.at] == "or":
        here.at += 1
        terms.append(read_and(here))
        mixed = mixed or here.joined
    if mixed:
        here.warn(where, "'and' and 'or' without parentheses: 'and' binds first; write the parentheses")
    return Or(tuple(terms), first.pos)


def read_and(here: Cursor) -> Expr:
    """`and_expr = not_expr { "and" not_expr }`."""
    first = read_not(here)
    if here.kinds[here.at] != "and":
        here.joined = False
        return first
    terms = [first]
    while here.kinds[here.at] == "and":
        here.at += 1
        terms.append(read_not(here))
    here.joined = True
    return And(tuple(terms), first.pos)


def read_not(here: Cursor) -> Expr:
    """`not_expr = "not" not_expr | rel`."""
    if here.kinds[here.at] != "not":
        return read_relation(here)
    pos = step_deeper(here)
    term = read_not(here)
    here.depth -= 1
    return Not(term, pos)


def read_relation(here: Cursor) -> Expr:
    """`rel = sum [ relop sum | "like" sum | "regexp" sum | "is" … | "between" sum "and" sum ]`."""
    left = read_sum(here)
    word = here.kinds[here.at]
    op = _COMPARE.get(word)
    if op is not None:
        here.at += 1
        return Compare(op, left, read_sum(here), left.pos)
    match word:
        case "like":
            here.at += 1
            return Like(left, read_sum(here), left.pos)
        case "regexp":
            return Regexp(left, read_pattern(here), left.pos)
        case "is":
            return read_type_test(here, left)
        case "between" | "tryBetween":
            here.at += 1
            here.soft = here.soft or word == "tryBetween"
            low = read_sum(here)
            here.expect("and", f"between the limits of '{word}'")
            return Between(left, low, read_sum(here), word == "tryBetween", left.pos)
        case _:
            return left


def read_type_test(here: Cursor, left: Expr) -> Is:
    """`"is" [ "not" ] type`."""
    here.at += 1
    negated = here.kinds[here.at] == "not"
    here.at += negated
    name = _TYPES.get(here.texts[here.at])
    if name is None:
        known = ", ".join(_TYPES)
        raise Unexpected(here.at, f"expected a type ({known}), found {here.described(here.at)}")
    here.at += 1
    return Is(left, name, negated, left.pos)


def read_pattern(here: Cursor) -> Expr:
    """`"regexp" sum`; a pattern that is no regular expression is an error here and not later."""
    here.at += 1
    at = here.at
    pattern = read_sum(here)
    if isinstance(pattern, Text):
        try:
            compile_regexp(pattern.value)
        except re.error as fault:
            offset = here.starts[at] + 1 + (fault.pos or 0)
            here.source.report("error", offset, 1, f"not a regular expression: {fault.msg}")
    return pattern


def read_sum(here: Cursor) -> Expr:
    """`sum = term { ( "+" | "-" ) term }`."""
    left = read_term(here)
    while (op := _SUM.get(here.kinds[here.at])) is not None:
        step_arithmetic(here)
        left = Arith(op, left, read_term(here), left.pos)
    return left


def read_term(here: Cursor) -> Expr:
    """`term = unary { ( "*" | "/" | "%" ) unary }`."""
    left = read_unary(here)
    while (op := _TERM.get(here.kinds[here.at])) is not None:
        step_arithmetic(here)
        left = Arith(op, left, read_unary(here), left.pos)
    return left


def read_unary(here: Cursor) -> Expr:
    """`unary = "-" unary | primary`.

    `primary = "(" expr ")" | TEXT | NUMBER | T | F | "undefined" | KEYWORD`.
    """
    at = here.at
    kind = here.kinds[at]
    if kind == NAME:
        here.at = at + 1
        return read_keyword(here, at)
    if kind == TEXT:
        here.at = at + 1
        return Text(here.texts[at][1:-1], here.source.pos(here.starts[at]))
    if kind == NUMBER:
        here.at = at + 1
        return read_number(here, at)
    if kind == "(":
        return read_parentheses(here)
    if kind == "-":
        pos = step_deeper(here)
        term = read_unary(here)
        here.depth -= 1
        return Negative(term, pos)
    if kind == "undefined":
        here.at = at + 1
        return Undef(here.pos(at))
    raise Unexpected(at, f"expected a keyword, a text or a number, found {here.described(at)}")


def read_parentheses(here: Cursor) -> Expr:
    """`"(" expr ")"`: for conditions and for arithmetic alike."""
    opened = here.at
    step_deeper(here)
    inner = read_expr(here)
    if here.kinds[here.at] != ")":
        line, column = here.pos(opened)
        wanted = f"expected an operator or ')' for the '(' of {line}:{column}"
        raise Unexpected(here.at, f"{wanted}, found {here.described(here.at)}{here.guess(here.at)}")
    here.at += 1
    here.depth -= 1
    return inner


def read_keyword(here: Cursor, at: int) -> Expr:
    """`T`, `F`, or a keyword, whose first word may say of which file."""
    text = here.texts[at]
    pos = here.source.pos(here.starts[at])
    head, dot, rest = text.partition(".")
    if not dot:
        truth = _TRUTHS.get(text)
        return Key(text, "", pos) if truth is None else Truth(truth, pos)
    scope = _SCOPES.get(head)
    if scope is None:
        return Key(text, "", pos)
    if head in here.foreign:
        here.warn(at, f"'{head}.' means nothing here: {text} is always undefined")
    elif scope == "SIG" and rest not in ("FRAME", "TEMPLATE"):
        here.warn(at, f"{text} is always undefined: there are SIG.FRAME and SIG.TEMPLATE")
    return Key(rest, scope, pos)


def read_number(here: Cursor, at: int) -> Number:
    """An integer, unless it has a dot or an exponent."""
    text = here.texts[at]
    value = float(text)
    if not math.isfinite(value):
        here.error(at, "this number is too large")
        value = 0.0
    elif text.isdigit():
        return Number(int(text), here.pos(at))
    return Number(value, here.pos(at))


def step_deeper(here: Cursor) -> Pos:
    """Step over what opens a level; refuse more levels than anyone can read."""
    pos = here.pos(here.at)
    here.depth += 1
    if here.depth > _DEEPEST:
        raise Unexpected(here.at, f"nested deeper than {_DEEPEST} levels")
    here.at += 1
    return pos


def step_arithmetic(here: Cursor) -> None:
    """Step over an arithmetic operator; each makes the tree one level deeper."""
    here.arithmetic += 1
    if here.arithmetic > _MOST_ARITHMETIC:
        raise Unexpected(here.at, f"more than {_MOST_ARITHMETIC} arithmetic operators in one expression")
    here.at += 1


def read_condition(
    here: Cursor, follow: frozenset[str], after: str, stop: frozenset[str] = NOTHING
) -> Expr | None:
    """An expression and, not stepped over, a token of `follow`.

    On an error: report it, skip to `follow`, `stop` or what begins anew, and return None.
    A slip whose meaning is plain is reported, mended among the tokens, and all is read again.
    """
    start = here.at
    here.soft = False
    while True:
        here.at, here.depth, here.arithmetic = start, 0, 0
        try:
            value = read_expr(here)
            if here.kinds[here.at] in follow:
                return value
            if ";" in follow and here.begins_anew():
                here.lacking(after)
                return value
            if here.kinds[here.at] in _COMPARE:
                raise Unexpected(here.at, "comparisons do not chain: join them with 'and'")
            wanted = " or ".join(f"'{word}'" for word in sorted(follow))
            found = f"{here.described(here.at)}{here.guess(here.at)}"
            raise Unexpected(here.at, f"expected an operator or {wanted} {after}, found {found}")
        except Unexpected as slip:
            if here.mend(slip.at):
                continue
            here.error(slip.at, slip.message)
            here.skip(follow | stop)
            return None
