"""What a good product looks like: `rules/<instrument>/qc.toml`, and the score of a number by it.

```
[MASTER_BIAS_BLUE]                       # a PRO.CATG
setup = ["DET.WIN1.BINX"]                # keywords that must be equal for two products to be compared

[MASTER_BIAS_BLUE."QC.OUT1.RON.RAW"]     # a number of the header; * and ? as in file names
unit = "ADU"
good = [1.0, 4.0]                        # outside: warning; `inf` where there is no limit
usable = [0.5, 8.0]                      # outside: bad; without it, outside good is bad
trend = { warning = 5, bad = 10 }        # times the median absolute deviation from the median
source = "inferred: …"                   # documented, measured or inferred, and how
```

A trend looks at the `last` (30) certified products of the same set-up before this one, and says nothing
before there are `least` (5). `floor` is a deviation that matters to nobody, in the parameter's unit.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal, TypeAlias

from app.errors import RuleError
from app.rulebook.library import Library

Grade: TypeAlias = Literal["good", "unscored", "warning", "bad"]
# From the best to the worst. What nobody can judge is worse than good, and better than a doubt.
GRADES: Final[tuple[Grade, ...]] = ("good", "unscored", "warning", "bad")
FILE: Final = "qc.toml"
_LAST: Final = 30
_LEAST: Final = 5
Limits: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Trend:
    """How far from the median of the last certified ones: `warning` and `bad` in units of their MAD."""

    warning: float
    bad: float
    last: int = _LAST
    least: int = _LEAST
    floor: float = 0.0


@dataclass(frozen=True, slots=True)
class Threshold:
    """The limits of one number; `parameter` may hold `*`, `unit` is "" where there is none."""

    parameter: str
    source: str
    unit: str = ""
    good: Limits | None = None
    usable: Limits | None = None
    trend: Trend | None = None


@dataclass(frozen=True, slots=True)
class Standard:
    """What is expected of the products of a category; `setup` are the keywords that make two comparable."""

    setup: tuple[str, ...]
    thresholds: tuple[Threshold, ...]
    file: str = ""

    def of(self, parameter: str) -> Threshold | None:
        """The threshold of a number: the one with its very name, else the first pattern that fits."""
        fitting = [each for each in self.thresholds if fnmatchcase(parameter, each.parameter)]
        return next((e for e in fitting if e.parameter == parameter), fitting[0] if fitting else None)


# By INSTRUME and PRO.CATG.
Standards: TypeAlias = Mapping[tuple[str, str], Standard]


@dataclass(frozen=True, slots=True)
class Score:
    """What a number is worth and why; `median` and `mad` of the `past` values, None without a trend."""

    grade: Grade
    reason: str = ""
    median: float | None = None
    mad: float | None = None
    past: int = 0


def worst(grades: Sequence[Grade]) -> Grade:
    """The grade of a product: that of its worst number; unscored when it has none."""
    return max(grades, key=GRADES.index, default="unscored")


def score(threshold: Threshold | None, value: float | None, past: Sequence[float] = ()) -> Score:
    """Score a number by its threshold and the values of the certified products before it.

    None as value says that the header has no such number.
    """
    if threshold is None:
        return Score("unscored", "no threshold")
    if value is None:
        return Score("unscored", "the header has no such number")
    middle = mad = None
    verdicts = [] if threshold.good is None else [_by_limits(threshold, value)]
    if threshold.trend is not None:
        if past:
            middle = median(past)
            mad = median(abs(each - middle) for each in past)
        if middle is None or mad is None or len(past) < threshold.trend.least:
            wanted = threshold.trend.least
            verdicts = verdicts or [
                ("unscored", f"{len(past)} certified before it, a trend needs {wanted}"),
            ]
        else:
            verdicts.append(_by_trend(threshold.trend, value, middle, mad))
    grade = worst([grade for grade, _ in verdicts])
    reasons = [reason for each, reason in verdicts if each == grade and reason]
    return Score(grade, "; ".join(reasons), middle, mad, len(past))


def _by_limits(threshold: Threshold, value: float) -> tuple[Grade, str]:
    assert threshold.good is not None
    good, usable = threshold.good, threshold.usable or threshold.good
    if good[0] <= value <= good[1]:
        return "good", ""
    if usable[0] <= value <= usable[1]:
        return "warning", f"outside {good[0]:g} to {good[1]:g}"
    return "bad", f"outside {usable[0]:g} to {usable[1]:g}"


def _by_trend(trend: Trend, value: float, middle: float, mad: float) -> tuple[Grade, str]:
    away, spread = abs(value - middle), max(mad, trend.floor)
    times = away / spread if spread else (math.inf if away else 0.0)
    grade: Grade = "bad" if times > trend.bad else "warning" if times > trend.warning else "good"
    return grade, "" if grade == "good" else f"{times:.1f} MAD from the median {middle:.6g}"


def load_standards(folder: Path, library: Library) -> dict[tuple[str, str], Standard]:
    """The qc.toml of every instrument of a rules folder, for the INSTRUME values of its books.

    Raises RuleError that names everything that is wrong in all of them.
    """
    found: dict[tuple[str, str], Standard] = {}
    faults: list[str] = []
    for path in sorted(folder.glob(f"*/{FILE}")):
        books = [book for book in library.books if book.instrument == path.parent.name]
        hot = frozenset[str]().union(*(book.hot for book in books))
        made = frozenset(category for book in books for category in book.makers)
        standards, wrong = read_standards(path.read_bytes(), f"{path.parent.name}/{FILE}", hot, made)
        faults += wrong
        for instrume in {name for book in books for name in book.instrumes}:
            found.update({(instrume, category): standard for category, standard in standards.items()})
    if faults:
        raise RuleError("\n".join(faults))
    return found


def read_standards(
    content: bytes, name: str, hot: frozenset[str], made: frozenset[str]
) -> tuple[dict[str, Standard], list[str]]:
    """The standards of a qc.toml by category, and all its faults.

    `hot` are the keywords that the instrument's rules name, `made` the categories that they make.
    """
    try:
        tables = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return {}, [f"{name}: {error}"]
    version = f"{name} {sha256(content).hexdigest()[:8]}"
    found: dict[str, Standard] = {}
    faults: list[str] = []
    for category, table in tables.items():
        if not isinstance(table, dict):
            faults.append(f"{name}: {category} = … is no category; write [{category}]")
            continue
        if category not in made:
            faults.append(f"{name} [{category}]: no action of this instrument makes that")
        setup = table.pop("setup", [])
        if not isinstance(setup, list) or not all(isinstance(each, str) for each in setup):
            faults.append(f"{name} [{category}]: setup is a list of keywords")
            setup = []
        # The index keeps only the keywords at hand that some rule names.
        faults += [
            f"{name} [{category}]: no rule of this instrument names the set-up keyword {each}"
            for each in setup
            if each not in hot
        ]
        if not table:
            faults.append(f"{name} [{category}]: holds no number")
        thresholds = []
        for parameter, given in table.items():
            place = f'{name} [{category}."{parameter}"]'
            wrong = list(_faults(parameter, given))
            faults += [f"{place}: {each}" for each in wrong]
            if not wrong:
                thresholds.append(_threshold(parameter, given))
        found[category] = Standard(tuple(setup), tuple(thresholds), version)
    return found, faults


_KEYS: Final = ("unit", "good", "usable", "trend", "source")
_TREND: Final = ("warning", "bad", "last", "least", "floor")
_SOURCES: Final = ("documented", "measured", "inferred")


def _faults(parameter: str, given: object) -> Iterator[str]:
    if not parameter.startswith(("QC.", "PRO.DATA")):
        yield "a number's name begins with QC. or PRO.DATA"
    if not isinstance(given, dict):
        yield f"is no table of {', '.join(_KEYS)}"
        return
    if unknown := sorted(given.keys() - set(_KEYS)):
        yield f"does not know {', '.join(unknown)}; it has {', '.join(_KEYS)}"
    if not isinstance(given.get("source"), str) or not given["source"].startswith(_SOURCES):
        yield f"source says where it comes from: it begins with {', '.join(_SOURCES)}"
    if not isinstance(given.get("unit", ""), str):
        yield "unit is a text"
    if "good" not in given and "trend" not in given:
        yield "needs good or trend"
    for name in ("good", "usable"):
        if name in given and not _is_range(given[name]):
            yield f"{name} is [low, high], -inf and inf where there is no limit"
    if "usable" in given and not (
        _is_range(given.get("good")) and _is_range(given["usable"]) and _holds(given["usable"], given["good"])
    ):
        yield "usable holds good"
    if "trend" in given:
        yield from _trend_faults(given["trend"])


def _trend_faults(trend: object) -> Iterator[str]:
    if not isinstance(trend, dict) or trend.keys() - set(_TREND):
        yield f"trend is a table of {', '.join(_TREND)}"
        return
    if not all(_is_number(trend.get(name)) and trend[name] > 0 for name in ("warning", "bad")):
        yield "trend needs warning and bad, in MAD"
    elif trend["bad"] < trend["warning"]:
        yield "trend: bad is farther than warning"
    counts = [trend.get("least", _LEAST), trend.get("last", _LAST)]
    if not all(type(each) is int and each > 0 for each in counts):
        yield "trend: last and least are numbers of products"
    elif counts[0] > counts[1]:
        yield "trend: least is more than last"
    if not _is_number(trend.get("floor", 0)) or trend.get("floor", 0) < 0:
        yield "trend: floor is a number, not negative"


def _threshold(parameter: str, given: Mapping[str, Any]) -> Threshold:
    trend = given.get("trend")
    return Threshold(
        parameter=parameter,
        source=given["source"],
        unit=given.get("unit", ""),
        good=_range(given.get("good")),
        usable=_range(given.get("usable")),
        trend=None if trend is None else Trend(**trend),
    )


def _range(given: Sequence[float] | None) -> Limits | None:
    return None if given is None else (float(given[0]), float(given[1]))


def _is_number(given: object) -> bool:
    return isinstance(given, (int, float)) and not isinstance(given, bool) and not math.isnan(given)


def _is_range(given: object) -> bool:
    return (
        isinstance(given, list) and len(given) == 2 and all(map(_is_number, given)) and given[0] <= given[1]
    )


def _holds(outer: Sequence[float], inner: Sequence[float]) -> bool:
    return outer[0] <= inner[0] <= inner[1] <= outer[1]
