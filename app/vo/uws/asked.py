"""The parameters of UWS itself, read from addresses and forms (UWS 1.1, 2.2 and 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from app.archive.jobtables import PHASES
from app.errors import RequestError
from app.forms import Fields

# The longest that a client is kept waiting (WAIT=-1: as long as the service allows), in seconds.
LONGEST_WAIT: Final = 600
# UWS has more phases; a job here is never in one of them, so asking for them finds nothing.
_OTHER_PHASES: Final = ("HELD", "SUSPENDED", "UNKNOWN", "ARCHIVED")
# What of a form is UWS's, not the job's.
CONTROL: Final = ("phase", "wait", "destruction", "executionduration", "runid", "responseformat")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Control:
    """What a POST asks of UWS beside the job's own parameters; durations in seconds."""

    run: bool
    run_id: str | None
    execution_duration: int
    lifetime: timedelta | None


def control(fields: Fields, now: datetime) -> tuple[Control, list[str]]:
    """The control parameters of a new job, and all that is wrong with them."""
    wrong: list[str] = []

    def read(reader: Callable[[Fields, str], Answer | None], name: str) -> Answer | None:
        try:
            return reader(fields, name)
        except RequestError as error:
            wrong.append(str(error))
            return None

    said = (read(one, "phase") or "").upper()
    if said not in ("", "RUN"):
        wrong.append(f"PHASE={said[:50]} is not possible for a new job; it is RUN, or left out")
    until = read(destruction, "destruction")
    found = Control(
        run=said == "RUN",
        run_id=read(one, "runid") or None,
        execution_duration=read(seconds, "executionduration") or 0,
        lifetime=None if until is None else until - now,
    )
    return found, wrong


def own(fields: Fields) -> dict[str, list[str]]:
    """The parameters of the job itself."""
    return {name: list(values) for name, values in fields.items() if name not in CONTROL}


def one(fields: Fields, name: str) -> str:
    """The value of a parameter that can be given once; "" when it is not."""
    values = list(dict.fromkeys(fields.get(name, [])))
    if len(values) > 1:
        raise RequestError(f"{name.upper()} is given {len(values)} times; give it once")
    text = values[0].strip() if values else ""
    if not text.isprintable():
        raise RequestError(f"{name.upper()}={text[:50]!r} holds a character that cannot be printed")
    return text


def phases(fields: Fields) -> list[str]:
    """The phases of a list of jobs."""
    found = [value.strip().upper() for value in fields.get("phase", []) if value.strip()]
    for phase in found:
        if phase not in (*PHASES, *_OTHER_PHASES):
            raise RequestError(f"PHASE={phase[:50]} is none of UWS's: {', '.join(PHASES)}")
    return found


def moment(fields: Fields, name: str) -> datetime | None:
    """A time in UTC (DALI 1.1, 3.1.2: ISO 8601 without a zone means UTC)."""
    text = one(fields, name)
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise RequestError(f"{name.upper()}={text[:50]!r} is no time; write 2026-11-23T08:00:00Z") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def destruction(fields: Fields, name: str) -> datetime | None:
    """When a job is to be forgotten, a time to come."""
    time = moment(fields, name)
    if time is not None and time <= datetime.now(UTC):
        raise RequestError(f"{name.upper()}={one(fields, name)} has passed; delete the job to forget it now")
    return time


def seconds(fields: Fields, name: str) -> int | None:
    """A whole number of seconds, not negative."""
    text = one(fields, name)
    if not text:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise RequestError(f"{name.upper()}={text[:50]!r} is no whole number of seconds")
    return int(text)


def last(fields: Fields) -> int | None:
    """LAST: how many of the newest jobs."""
    number = seconds(fields, "last")
    if number == 0:
        raise RequestError("LAST=0 would list nothing; it is 1 or more")
    return number


def waiting(fields: Mapping[str, list[str]]) -> float:
    """WAIT in seconds, bounded; 0 without it."""
    text = one(fields, "wait")
    if not text:
        return 0.0
    try:
        number = int(text)
    except ValueError:
        raise RequestError(
            f"WAIT={text[:50]!r} is no whole number of seconds; -1 is as long as possible"
        ) from None
    return float(LONGEST_WAIT if number < 0 else min(number, LONGEST_WAIT))
