"""The expressions of OCA: a recursive descent whose docstrings are the grammar, and how it recovers.

Precedence, low to high: `or`, `and`, `not`, relations, `+ -`, `* / %`, sign.
"""

from __future__ import annotations

import math
import re
import warnings
from functools import lru_cache
from typing import Final

from app.oca.cursor import Cursor, Unexpected
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
    Pos,
    Regexp,
    Scope,
    Text,
    Truth,
    TypeName,
    Undef,
)
from app.oca.tokens import NAME, NUMBER, TEXT, Source

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


@lru_cache(maxsize=256)
def compile_regexp(pattern: str) -> re.Pattern[str]:
    """Compile the operand of `regexp`; raises `re.error` also for what Python and Java read differently."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return re.compile(pattern)
        except (FutureWarning, DeprecationWarning) as doubt:
            raise re.error(str(doubt)) from doubt
        except (RecursionError, OverflowError) as excess:
            raise re.error(f"too large ({excess})") from excess


class ExpressionReader(Cursor):
    """Reads expressions."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.foreign: frozenset[str] = frozenset()  # the scopes that mean nothing in this statement
        self._joined = False  # did the last `and_expr` join several terms?
        self.soft = False  # does this expression hold a `tryBetween`?
        self._depth = 0
        self._arithmetic = 0

    def expr(self) -> Expr:
        """`expr = and_expr { "or" and_expr }`."""
        first = self.and_expr()
        if self.kinds[self.at] != "or":
            return first
        terms, mixed, where = [first], self._joined, self.at
        while self.kinds[self.at] == "or":
            self.at += 1
            terms.append(self.and_expr())
            mixed = mixed or self._joined
        if mixed:
            self.warn(where, "'and' and 'or' without parentheses: 'and' binds first; write the parentheses")
        return Or(tuple(terms), first.pos)

    def and_expr(self) -> Expr:
        """`and_expr = not_expr { "and" not_expr }`."""
        first = self.not_expr()
        if self.kinds[self.at] != "and":
            self._joined = False
            return first
        terms = [first]
        while self.kinds[self.at] == "and":
            self.at += 1
            terms.append(self.not_expr())
        self._joined = True
        return And(tuple(terms), first.pos)

    def not_expr(self) -> Expr:
        """`not_expr = "not" not_expr | rel`."""
        if self.kinds[self.at] != "not":
            return self.rel()
        pos = self.deeper()
        term = self.not_expr()
        self._depth -= 1
        return Not(term, pos)

    def rel(self) -> Expr:
        """`rel = sum [ relop sum | "like" sum | "regexp" sum | "is" … | "between" sum "and" sum ]`."""
        left = self.sum()
        word = self.kinds[self.at]
        op = _COMPARE.get(word)
        if op is not None:
            self.at += 1
            return Compare(op, left, self.sum(), left.pos)
        match word:
            case "like":
                self.at += 1
                return Like(left, self.sum(), left.pos)
            case "regexp":
                return Regexp(left, self.pattern(), left.pos)
            case "is":
                return self.type_test(left)
            case "between" | "tryBetween":
                self.at += 1
                self.soft = self.soft or word == "tryBetween"
                low = self.sum()
                self.expect("and", f"between the limits of '{word}'")
                return Between(left, low, self.sum(), word == "tryBetween", left.pos)
            case _:
                return left

    def type_test(self, left: Expr) -> Is:
        """`"is" [ "not" ] type`."""
        self.at += 1
        negated = self.kinds[self.at] == "not"
        self.at += negated
        name = _TYPES.get(self.texts[self.at])
        if name is None:
            known = ", ".join(_TYPES)
            raise Unexpected(self.at, f"expected a type ({known}), found {self.described(self.at)}")
        self.at += 1
        return Is(left, name, negated, left.pos)

    def pattern(self) -> Expr:
        """`"regexp" sum`; a pattern that is no regular expression is an error here and not later."""
        self.at += 1
        at = self.at
        pattern = self.sum()
        if isinstance(pattern, Text):
            try:
                compile_regexp(pattern.value)
            except re.error as fault:
                offset = self.starts[at] + 1 + (fault.pos or 0)
                self.source.report("error", offset, 1, f"not a regular expression: {fault.msg}")
        return pattern

    def sum(self) -> Expr:
        """`sum = term { ( "+" | "-" ) term }`."""
        left = self.term()
        while (op := _SUM.get(self.kinds[self.at])) is not None:
            self.step_arithmetic()
            left = Arith(op, left, self.term(), left.pos)
        return left

    def term(self) -> Expr:
        """`term = unary { ( "*" | "/" | "%" ) unary }`."""
        left = self.unary()
        while (op := _TERM.get(self.kinds[self.at])) is not None:
            self.step_arithmetic()
            left = Arith(op, left, self.unary(), left.pos)
        return left

    def unary(self) -> Expr:
        """`unary = "-" unary | primary`.

        `primary = "(" expr ")" | TEXT | NUMBER | T | F | "undefined" | KEYWORD`.
        """
        at = self.at
        kind = self.kinds[at]
        if kind == NAME:
            self.at = at + 1
            return self.keyword(at)
        if kind == TEXT:
            self.at = at + 1
            return Text(self.texts[at][1:-1], self.source.pos(self.starts[at]))
        if kind == NUMBER:
            self.at = at + 1
            return self.number(at)
        if kind == "(":
            return self.parentheses()
        if kind == "-":
            pos = self.deeper()
            term = self.unary()
            self._depth -= 1
            return Negative(term, pos)
        if kind == "undefined":
            self.at = at + 1
            return Undef(self.pos(at))
        raise Unexpected(at, f"expected a keyword, a text or a number, found {self.described(at)}")

    def parentheses(self) -> Expr:
        """`"(" expr ")"`: for conditions and for arithmetic alike."""
        opened = self.at
        self.deeper()
        inner = self.expr()
        if self.kinds[self.at] != ")":
            line, column = self.pos(opened)
            wanted = f"expected an operator or ')' for the '(' of {line}:{column}"
            raise Unexpected(self.at, f"{wanted}, found {self.described(self.at)}{self.guess(self.at)}")
        self.at += 1
        self._depth -= 1
        return inner

    def keyword(self, at: int) -> Expr:
        """`T`, `F`, or a keyword, whose first word may say of which file."""
        text = self.texts[at]
        pos = self.source.pos(self.starts[at])
        head, dot, rest = text.partition(".")
        if not dot:
            truth = _TRUTHS.get(text)
            return Key(text, "", pos) if truth is None else Truth(truth, pos)
        scope = _SCOPES.get(head)
        if scope is None:
            return Key(text, "", pos)
        if head in self.foreign:
            self.warn(at, f"'{head}.' means nothing here: {text} is always undefined")
        elif scope == "SIG" and rest not in ("FRAME", "TEMPLATE"):
            self.warn(at, f"{text} is always undefined: there are SIG.FRAME and SIG.TEMPLATE")
        return Key(rest, scope, pos)

    def number(self, at: int) -> Number:
        """An integer, unless it has a dot or an exponent."""
        text = self.texts[at]
        value = float(text)
        if not math.isfinite(value):
            self.error(at, "this number is too large")
            value = 0.0
        elif text.isdigit():
            return Number(int(text), self.pos(at))
        return Number(value, self.pos(at))

    def deeper(self) -> Pos:
        """Step over what opens a level; refuse more levels than anyone can read."""
        pos = self.pos(self.at)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Unexpected(self.at, f"nested deeper than {_DEEPEST} levels")
        self.at += 1
        return pos

    def step_arithmetic(self) -> None:
        """Step over an arithmetic operator; each makes the tree one level deeper."""
        self._arithmetic += 1
        if self._arithmetic > _MOST_ARITHMETIC:
            raise Unexpected(self.at, f"more than {_MOST_ARITHMETIC} arithmetic operators in one expression")
        self.at += 1

    def condition(self, follow: frozenset[str], after: str, stop: frozenset[str] = NOTHING) -> Expr | None:
        """An expression and, not stepped over, a token of `follow`.

        On an error: report it, skip to `follow`, `stop` or what begins anew, and return None.
        A slip whose meaning is plain is reported, mended among the tokens, and all is read again.
        """
        start = self.at
        self.soft = False
        while True:
            self.at, self._depth, self._arithmetic = start, 0, 0
            try:
                value = self.expr()
                if self.kinds[self.at] in follow:
                    return value
                if ";" in follow and self.begins_anew():
                    self.lacking(after)
                    return value
                if self.kinds[self.at] in _COMPARE:
                    raise Unexpected(self.at, "comparisons do not chain: join them with 'and'")
                wanted = " or ".join(f"'{word}'" for word in sorted(follow))
                found = f"{self.described(self.at)}{self.guess(self.at)}"
                raise Unexpected(self.at, f"expected an operator or {wanted} {after}, found {found}")
            except Unexpected as slip:
                if self.mend(slip.at):
                    continue
                self.error(slip.at, slip.message)
                self.skip(follow | stop)
                return None
