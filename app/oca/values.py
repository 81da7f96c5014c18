"""The operators of OCA on plain values.

Two-valued and total: nothing here raises. What cannot be said of a value is false, what cannot be
calculated is UNDEFINED.
"""

from __future__ import annotations

import math
import operator
import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from app.header import UNDEFINED, Maybe, Undefined, Value
from app.oca.terms import ArithOp, CompareOp, TypeName

_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_TRUE: Final = frozenset({"t", "true"})
_FALSE: Final = frozenset({"f", "false"})


def as_text(value: Value) -> str:
    """A value as `like` sees it: a number in its shortest form, a truth as T or F."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "T" if value else "F"
    try:
        return str(value)
    except ValueError:  # Python refuses integers of thousands of digits
        return "inf" if value > 0 else "-inf"


def truth(value: Maybe) -> bool:
    """A value as a condition: T, a number other than 0, or the text "T" or "True"."""
    if isinstance(value, str):
        return value in ("T", "True")
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


def is_literal(text: str) -> bool:
    """Whether a text can equal a number or a truth."""
    return _number(text) is not UNDEFINED or text.lower() in _TRUE | _FALSE


def ordered(relation: Callable[[Any, Any], bool], a: Maybe, b: Maybe) -> bool:
    """`a < b` and its kin; false where the two cannot be compared."""
    pair = _pair(a, b)
    return pair is not None and relation(*pair)


def _different(a: Maybe, b: Maybe) -> bool:
    """`a != b`: an undefined value differs from every defined one, and not from another undefined."""
    return not (equal(a, b) or (a is UNDEFINED and b is UNDEFINED))


def _equal_if_known(a: Maybe, b: Maybe) -> bool:
    """`a ?= b`."""
    return a is UNDEFINED or b is UNDEFINED or equal(a, b)


RELATIONS: Final[dict[CompareOp, Callable[[Maybe, Maybe], bool]]] = {
    "==": equal,
    "!=": _different,
    "?=": _equal_if_known,
    "<": lambda a, b: ordered(operator.lt, a, b),
    ">": lambda a, b: ordered(operator.gt, a, b),
    "<=": lambda a, b: ordered(operator.le, a, b),
    ">=": lambda a, b: ordered(operator.ge, a, b),
}
_ARITHMETIC: Final[dict[ArithOp, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}
KINDS: Final[dict[TypeName, tuple[type, ...]]] = {
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


def arithmetic(op: ArithOp, a: Maybe, b: Maybe) -> Maybe:
    """`a + b` and its kin on numbers; undefined where there is no finite result."""
    if type(a) not in (int, float) or type(b) not in (int, float):
        return UNDEFINED
    try:
        result: int | float = _ARITHMETIC[op](a, b)
        return result if math.isfinite(result) else UNDEFINED
    except (ZeroDivisionError, OverflowError):
        return UNDEFINED


@lru_cache(maxsize=1024)
def like_pattern(pattern: str) -> Callable[[str], bool]:
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


def full_match(text: str, pattern: str) -> bool:
    """`a regexp "re"` on the whole text; what is no regular expression matches nothing."""
    try:
        return compile_regexp(pattern).fullmatch(text) is not None
    except re.error:
        return False
