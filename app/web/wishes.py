"""The parameters that CalSelector does not have; every fault is noted, so that one answer tells them all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias, TypeVar, get_args

from app.associate import Wish
from app.associate.wish import Preference
from app.level import read_level

Values: TypeAlias = Mapping[str, Sequence[str]]  # by name in lower case
Faults: TypeAlias = list[str]

MOST_ALTERNATIVES: Final = 100
MOST_EXCLUDED: Final = 1_000
LONGEST: Final = 200  # characters of a dp_id; ESO's have 24 to 36

_T = TypeVar("_T")


def read_wish(values: Values, faults: Faults) -> Wish:
    """alternatives, max_age, min_level, exclude, prefer and as_of."""
    return Wish(
        alternatives=_read("alternatives", values, faults, _alternatives) or 0,
        max_age=_read("max_age", values, faults, _max_age),
        exclude=_exclude(values, faults),
        prefer=_read("prefer", values, faults, _prefer),
        as_of=_read("as_of", values, faults, _as_of),
        min_level=_read("min_level", values, faults, read_level),
    )


def read_flag(name: str, values: Values, faults: Faults) -> bool | None:
    """A parameter that is true or false; None where it is not given."""
    return _read(name, values, faults, _flag)


def once(name: str, values: Values, faults: Faults) -> str | None:
    """A parameter that may be given once, in lower case; saying the same twice does no harm."""
    different = {value.strip().lower()[:LONGEST] for value in values.get(name, ())}  # nonsense may be long
    if len(different) > 1:
        faults.append(f"{name} is given as {' and as '.join(sorted(different))}; give it once")
        return None
    return different.pop() if different else None


def is_dp_id(name: str, dp_id: str, faults: Faults) -> bool:
    """Whether this can be a dp_id."""
    # isprintable also keeps NUL away, which PostgreSQL's text cannot hold.
    if dp_id and len(dp_id) <= LONGEST and dp_id.isprintable():
        return True
    faults.append(
        f"{name}={dp_id[:LONGEST]!r} is none: a dp_id has 1 to {LONGEST} printable characters, "
        "such as UVES.2012-03-12T04:49:17.000"
    )
    return False


def pairs(wish: Wish) -> tuple[tuple[str, str], ...]:
    """The wish as parameters of an address."""
    given = {
        "alternatives": str(wish.alternatives) if wish.alternatives else None,
        "max_age": None if wish.max_age is None else str(wish.max_age).removesuffix(".0"),
        "min_level": None if wish.min_level is None else str(wish.min_level),
        "prefer": wish.prefer,
        "as_of": wish.as_of and wish.as_of.isoformat(),
    }
    named = ((name, value) for name, value in given.items() if value)
    return (*named, *(("exclude", dp_id) for dp_id in sorted(wish.exclude)))


def _read(name: str, values: Values, faults: Faults, read: Callable[[str], _T]) -> _T | None:
    word = once(name, values, faults)
    if word is None:
        return None
    try:
        return read(word)
    except ValueError as error:
        faults.append(f"{name}={word!r} {error}")
        return None


def _flag(word: str) -> bool:
    match word:
        case "true" | "1":
            return True
        case "false" | "0":
            return False
        case _:
            raise ValueError("is neither true nor false")


def _alternatives(word: str) -> int:
    # int() also takes blanks, underscores and a sign
    if not (word.isascii() and word.isdigit() and len(word) < 10 and int(word) <= MOST_ALTERNATIVES):
        raise ValueError(f"is no number of candidates: 0 to {MOST_ALTERNATIVES}")
    return int(word)


def _max_age(word: str) -> float:
    try:
        days = float(word)
    except ValueError:
        days = math.nan
    if not 0 < days < math.inf:
        raise ValueError("is no number of days: more than 0, such as 2.5")
    return days


def _prefer(word: str) -> Preference:
    kinds: tuple[Preference, ...] = get_args(Preference)
    for kind in kinds:
        if word == kind:
            return kind
    raise ValueError(f"is none of {', '.join(kinds)}")


def _as_of(word: str) -> datetime:
    try:
        time = datetime.fromisoformat(word.upper())
    except ValueError:
        raise ValueError(
            "is no ISO time: 2024-03-01T12:00:00Z, without a zone UTC; the + of a zone is %2B in an address"
        ) from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _exclude(values: Values, faults: Faults) -> frozenset[str]:
    given = frozenset(value.strip() for value in values.get("exclude", ()))
    if len(given) > MOST_EXCLUDED:
        faults.append(f"exclude names {len(given)} frames; the most is {MOST_EXCLUDED}")
    next((dp_id for dp_id in sorted(given) if not is_dp_id("exclude", dp_id, faults)), None)
    return given
