"""An association's `where` taken apart: what an index can look up, what remains to be evaluated.

`MJD-OBS between …`, `PRO.CATG == "X"` and `inputFile.K == K` are the shapes that 1602 of uves.oca's
1614 uses of `inputFile` have; everything else is left to
`app.oca.evaluate`, which always decides: the parts here may only widen the choice, never narrow it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from app.header import UNDEFINED, Maybe, Value
from app.level import Side, Window, level_of, sides
from app.oca.evaluate import EMPTY, Compiled, Keywords, compile_test, compile_value
from app.oca.terms import And, Between, Compare, CompareOp, Expr, Key, Number, Text, Truth, keys

Test = Callable[[Keywords, Keywords, Keywords], bool]

# Two exposures: what is as far from both is a distance, all else a date (`MJD-OBS >= 55335`).
_MOMENTS = (50000.0, 60000.0)

# What `a op b` says about b when the sides are exchanged.
_MIRROR: dict[CompareOp, CompareOp] = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "=="}


@dataclass(frozen=True, slots=True)
class Clause:
    """One term of the condition's top-level `and`, with its text, its line and its meaning.

    `timing` if it is a limit in time; `residual` if it is neither a literal, nor a join, nor a limit in
    time: only evaluation can tell.
    """

    text: str
    line: int
    test: Test
    residual: bool
    timing: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit of MJD-OBS that depends on the input alone; `low` or `high` may be absent."""

    low: Compiled | None
    high: Compiled | None


@dataclass(frozen=True, slots=True)
class Soft:
    """A tryBetween: itself as a hard test, its limits where they are of MJD-OBS, its side of the plan."""

    test: Test
    bound: Bound | None
    side: Side


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition in parts.

    `literals` are `K == constant` tests of the candidate, `joins` pairs (candidate's keyword, input's
    keyword) that must be equal, `bounds` limits in time, `clauses` every term that can refuse (so
    literals, joins and bounds are among them), `soft` the tryBetween terms.
    """

    literals: tuple[tuple[str, Value], ...]
    joins: tuple[tuple[str, str], ...]
    bounds: tuple[Bound, ...]
    clauses: tuple[Clause, ...]
    soft: tuple[Soft, ...]
    test: Test

    @property
    def soft_bounds(self) -> tuple[Bound, ...]:
        """The limits of MJD-OBS among the soft ones, whatever their side of the plan."""
        return tuple(each.bound for each in self.soft if each.bound)

    def window(self, given: Keywords) -> tuple[float, float]:
        """The hard limits of MJD-OBS, days, for this input; infinite where there is none."""
        return _span(self.bounds, given)

    def plan(self, given: Keywords) -> tuple[float, float]:
        """What is inside all the soft limits of MJD-OBS, days, for this input: the best that there can be."""
        return _span(self.soft_bounds, given)

    def level(self, candidate: Keywords, given: Keywords) -> int | None:
        """How good a match is (`app.level`); None for a rule without a soft window."""
        inside = (each.test(candidate, given, EMPTY) for each in self.soft)
        return level_of((each.side for each in self.soft), inside)

    def best_level(self, given: Keywords, first: float, last: float) -> int:
        """The best level that anything of these times (MJD-OBS, days) may have for this input; 0 for none."""
        spans = (_span((each.bound,) if each.bound else (), given) for each in self.soft)
        inside = (first <= high and last >= low for low, high in spans)
        return level_of((each.side for each in self.soft), inside) or 0


def take_apart(condition: Expr) -> Condition:
    """The parts of an association's condition."""
    literals: list[tuple[str, Value]] = []
    joins: list[tuple[str, str]] = []
    bounds: list[Bound] = []
    clauses: list[Clause] = []
    soft: list[tuple[Test, Bound | None]] = []
    for term in _terms(condition):
        if isinstance(term, Between) and term.soft:
            hard = Between(term.value, term.low, term.high)
            soft.append((compile_test(hard), _bound(hard)))
            continue
        literal = _literal(term)
        join = _join(term)
        bound = _bound(term)
        if literal:
            literals.append(literal)
        if join:
            joins.append(join)
        if bound:
            bounds.append(bound)
        residual = not (literal or join or bound)
        clauses.append(Clause(str(term), term.pos.line, compile_test(term), residual, bound is not None))
    return Condition(
        literals=tuple(sorted(set(literals), key=repr)),
        joins=tuple(sorted(set(joins))),
        bounds=tuple(bounds),
        clauses=tuple(clauses),
        soft=tuple(
            Soft(test, bound, side)
            for (test, bound), side in zip(soft, sides([_window(bound) for _, bound in soft]), strict=True)
        ),
        test=compile_test(condition),
    )


def canonical(value: Value) -> str:
    """One text for all values that `==` may hold equal: 1, 1.0, "1" and T; the key of a sieve.

    It may hold more values equal than `==` does ("580.0" and "580"): a sieve may only be too wide.
    """
    if isinstance(value, str):
        word = value.lower()
        if word in {"t", "true"}:
            return "1.0"
        if word in {"f", "false"}:
            return "0.0"
        try:
            number = float(value)
        except ValueError:
            return f"s{value}"
    else:
        try:
            number = float(value)
        except OverflowError:
            return f"i{value}"
    return repr(number + 0.0) if math.isfinite(number) else f"s{value}"


def days_of(limit: Compiled) -> float | None:
    """A limit in days from the exposure that asks; None where it is a date, or depends on anything else."""
    days = set()
    for moment in _MOMENTS:
        given: Keywords = {"MJD-OBS": moment}
        value = limit(EMPTY, given, EMPTY)
        if not isinstance(value, (int, float)):
            return None
        days.add(round(value - moment, 6))
    return days.pop() if len(days) == 1 else None


def _window(bound: Bound | None) -> Window | None:
    if bound is None or bound.low is None or bound.high is None:
        return None
    low, high = days_of(bound.low), days_of(bound.high)
    return None if low is None or high is None else (low, high)


def _terms(condition: Expr) -> list[Expr]:
    if isinstance(condition, And):
        return [term for part in condition.terms for term in _terms(part)]
    return [condition]


def _literal(term: Expr) -> tuple[str, Value] | None:
    match term:
        case Compare("==", Key(name, ""), (Text() | Number() | Truth()) as constant):
            return name, constant.value
        case Compare("==", (Text() | Number() | Truth()) as constant, Key(name, "")):
            return name, constant.value
        case _:
            return None


def _join(term: Expr) -> tuple[str, str] | None:
    match term:
        case Compare("==", Key(mine, ""), Key(given, "inputFile")):
            return mine, given
        case Compare("==", Key(given, "inputFile"), Key(mine, "")):
            return mine, given
        case _:
            return None


def _bound(term: Expr) -> Bound | None:
    match term:
        case Between(Key("MJD-OBS", ""), low, high) if _of_input(low) and _of_input(high):
            return Bound(compile_value(low), compile_value(high))
        case Compare(op, Key("MJD-OBS", ""), limit) if op in _MIRROR and _of_input(limit):
            return _one_sided(op, limit)
        case Compare(op, limit, Key("MJD-OBS", "")) if op in _MIRROR and _of_input(limit):
            return _one_sided(_MIRROR[op], limit)
        case _:
            return None


def _one_sided(op: CompareOp, limit: Expr) -> Bound:
    value = compile_value(limit)
    return Bound(value if op in {">", ">=", "=="} else None, value if op in {"<", "<=", "=="} else None)


def _of_input(expr: Expr) -> bool:
    return all(key.scope == "inputFile" for key in keys(expr))


def _span(bounds: tuple[Bound, ...], given: Keywords) -> tuple[float, float]:
    low, high = -math.inf, math.inf
    for bound in bounds:
        if bound.low is not None:
            low = max(low, _number(bound.low(EMPTY, given, EMPTY), -math.inf))
        if bound.high is not None:
            high = min(high, _number(bound.high(EMPTY, given, EMPTY), math.inf))
    return low, high


def _number(value: Maybe, otherwise: float) -> float:
    """A limit as a number; a text limit compares by other rules, so it limits nothing here."""
    if value is UNDEFINED or isinstance(value, str):
        return otherwise
    return float(value)
