"""What an OCA expression means: a direct walk of its parse tree, nothing prepared, nothing remembered.

A second reading of the language's description, to hold against `app.oca`; it imports nothing of it.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lark import Token, Tree

# A keyword that a file does not have.
MISSING = None
Value = str | int | float | bool | None
Keywords = Mapping[str, Value]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge
}  # fmt: skip
_OPERATORS: Mapping[str, Callable[[Any, Any], int | float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "%": operator.mod
}  # fmt: skip
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int,),
    "integer": (int,),
    "float": (float,),
    "double": (float,),
    "number": (int, float),
    "bool": (bool,),
    "boolean": (bool,),
}


@dataclass(frozen=True)
class Scene:
    """Whose keywords a condition reads: its own file's, the input file's, the last file's of the group."""

    own: Keywords
    input: Keywords = field(default_factory=dict)
    last: Keywords = field(default_factory=dict)


def value(node: Tree[Token], scene: Scene) -> Value:
    """The value of an expression; evaluation never raises."""
    parts = node.children
    match node.data:
        case "text":
            return str(parts[0])[1:-1]
        case "number":
            return read_number(str(parts[0]))
        case "boolean":
            return str(parts[0]).lower() in ("t", "true")
        case "undefined":
            return MISSING
        case "keyword":
            return look_up(str(parts[0]), scene)
        case "negative":
            return _calculate(0, "-", value(parts[1], scene))
        case "arithmetic":
            return _calculate(value(parts[0], scene), str(parts[1]), value(parts[2], scene))
        case _:
            return holds(node, scene)


def holds(node: Tree[Token], scene: Scene) -> bool:
    """Whether a condition is true."""
    parts = node.children
    match node.data:
        case "or_":
            return holds(parts[0], scene) or holds(parts[1], scene)
        case "and_":
            return holds(parts[0], scene) and holds(parts[1], scene)
        case "not_":
            return not holds(parts[0], scene)
        case "compare":
            return compare(value(parts[0], scene), str(parts[1]), value(parts[2], scene))
        case "like":
            return _like(value(parts[0], scene), value(parts[1], scene))
        case "regexp":
            return _regexp(value(parts[0], scene), value(parts[1], scene))
        case "is_":
            return _is(value(parts[0], scene), _word(parts[1]))
        case "is_not":
            return not _is(value(parts[0], scene), _word(parts[1]))
        case "between":
            return inside(node, scene)
        case "try_between":
            return True  # A preference, never a filter: `inside` says what it prefers.
        case _:
            found = value(node, scene)
            if isinstance(found, str):
                return found in ("T", "True")
            return found is not MISSING and found != 0


def inside(node: Tree[Token], scene: Scene) -> bool:
    """Whether the value of a `between` or `tryBetween` lies in its window, ends included."""
    middle, low, high = (value(part, scene) for part in node.children)
    return compare(low, "<=", middle) and compare(middle, "<=", high)


def compare(a: Value, op: str, b: Value) -> bool:
    if op == "?=":
        return a is MISSING or b is MISSING or _equal(a, b)
    if op == "!=" and (a is MISSING) != (b is MISSING):
        return True
    if a is MISSING or b is MISSING:
        return False
    if op == "==":
        return _equal(a, b)
    if op == "!=":
        return not _equal(a, b)
    pair = _alike(a, b)
    return pair is not None and _ORDER[op](*pair)


def look_up(name: str, scene: Scene) -> Value:
    """A keyword, of the file its prefix says; SIG's are 1, for a whole archive has no events."""
    scope, _, rest = name.partition(".")
    match scope:
        case "inputFile" if rest:
            return scene.input.get(rest)
        case "LF" if rest:
            return scene.last.get(rest)
        case "SIG" if rest:
            return 1 if rest in ("FRAME", "TEMPLATE") else MISSING
        case _:
            return scene.own.get(name)


def read_number(text: str) -> int | float:
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)


def _equal(a: Value, b: Value) -> bool:
    pair = _alike(a, b)
    return pair is not None and pair[0] == pair[1]


def _alike(a: Value, b: Value) -> tuple[object, object] | None:
    """The two values as things that can be compared; None where unlike types cannot."""
    if isinstance(a, str) and isinstance(b, str):
        return a, b
    if isinstance(a, str):
        found = _alike(b, a)
        return found and (found[1], found[0])
    if isinstance(b, str):
        if isinstance(a, bool):
            flag = {"t": True, "true": True, "f": False, "false": False}.get(b.lower())
            return None if flag is None else (a, flag)
        return (a, read_number(b)) if _NUMBER.fullmatch(b) else None
    # Exactly, as Python compares whole and real numbers: by way of doubles, 2**53 + 1 would equal 2.0**53,
    # which equals 2**53, which is another number.
    return a, b


def _calculate(a: Value, op: str, b: Value) -> Value:
    """Numbers only; whatever has no result is undefined."""
    if any(isinstance(each, str | bool) or each is MISSING for each in (a, b)):
        return MISSING
    try:
        result = _OPERATORS[op](a, b)
    except (ZeroDivisionError, OverflowError):
        return MISSING
    return result if math.isfinite(result) else MISSING


def _like(given: Value, pattern: Value) -> bool:
    """Only `%` is special: any run of characters, also none."""
    if given is MISSING or pattern is MISSING:
        return False
    pieces = [re.escape(piece) for piece in _text(pattern).split("%")]
    return re.fullmatch(".*".join(pieces), _text(given), re.DOTALL) is not None


def _regexp(given: Value, pattern: Value) -> bool:
    if given is MISSING or pattern is MISSING:
        return False
    try:
        return re.fullmatch(_text(pattern), _text(given)) is not None
    except re.error:
        return False


def _text(given: Value) -> str:
    if isinstance(given, bool):
        return "T" if given else "F"
    return str(given)


def _is(given: Value, kind: str) -> bool:
    if kind == "undefined":
        return given is MISSING
    if isinstance(given, bool) and bool not in _TYPES[kind]:
        return False
    return isinstance(given, _TYPES[kind])


def _word(node: Tree[Token]) -> str:
    return str(node.children[0])
