"""Lists for programs: parameters with every fault told at once, answers as JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import urlencode

import orjson
from fastapi import Depends, Request
from fastapi.responses import Response

from app import forms
from app.errors import RequestError
from app.forms import Fields
from app.web.negotiate import liked_best, prefers_json

_LONGEST: Final = 200  # characters of a value; nonsense may be long
_KINDS: Final = {"json": "application/json", "csv": "text/csv; charset=utf-8"}

Given: TypeAlias = Annotated[Fields, Depends(forms.read)]


@dataclass(slots=True)
class Reader:
    """Reads parameters one by one and notes what is wrong with them."""

    given: Fields
    faults: list[str] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)

    def many(self, name: str) -> list[str]:
        """The values of a parameter that may be repeated, each once."""
        self._known.add(name)
        values = [value.strip() for value in self.given.get(name, ())]
        for value in values:
            # isprintable also keeps NUL away, which PostgreSQL's text cannot hold.
            if not value or len(value) > _LONGEST or not value.isprintable():
                self.faults.append(
                    f"{name}={value[:_LONGEST]!r} is none: 1 to {_LONGEST} printable characters"
                )
        return list(dict.fromkeys(values))

    def text(self, name: str) -> str | None:
        """A parameter that may be given once."""
        values = self.many(name)
        if len(values) > 1:
            self.faults.append(f"{name} is given {len(values)} times; give it once")
        return values[0] if values else None

    def word(self, name: str, words: Sequence[str]) -> str | None:
        """One of these words, in any case."""
        value = self.text(name)
        found = next((word for word in words if value is not None and value.lower() == word.lower()), None)
        if value is not None and found is None:
            self.faults.append(f"{name}={value[:_LONGEST]!r} is none of {', '.join(words)}")
        return found

    def moment(self, name: str) -> datetime | None:
        """A time; ISO 8601 without a zone means UTC (DALI 1.1, 3.1.2)."""
        value = self.text(name)
        if value is None:
            return None
        try:
            time = datetime.fromisoformat(value.upper())
            return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        except (ValueError, OverflowError):
            self.faults.append(
                f"{name}={value!r} is no ISO time: 2024-03-01T12:00:00Z; the + of a zone is %2B in an address"
            )
            return None

    def number(self, name: str, usual: int, most: int) -> int:
        """A whole number from 1 to `most`."""
        value = self.text(name)
        if value is None:
            return usual
        if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= most):
            self.faults.append(f"{name}={value!r} is no number from 1 to {most}")
            return usual
        return int(value)

    def form(self, request: Request) -> str:
        """`json` or `csv`, by `responseformat` or else by Accept."""
        asked = self.word("responseformat", list(_KINDS))
        if asked is None:
            liked = liked_best(request.headers.get("accept", ""), list(_KINDS.values()))
            asked = next(name for name, kind in _KINDS.items() if kind == liked)
        return asked

    def end(self) -> None:
        """Raise RequestError with everything that is wrong, names that nobody knows among it."""
        unknown = sorted(self.given.keys() - self._known)
        if unknown:
            names = ", ".join(name[:_LONGEST] for name in unknown[:10])
            self.faults.append(f"there is no parameter {names}; there are {', '.join(sorted(self._known))}")
        if self.faults:
            raise RequestError("; ".join(self.faults))


def as_json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    return Response(body, status, dict(headers or {}), "application/json")


def as_csv(
    columns: Sequence[str], rows: Iterable[Sequence[object]], headers: Mapping[str, str] | None = None
) -> Response:
    """A CSV answer with a line of names; what is not known is empty, flags are true and false."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(each) for each in row] for row in rows)
    return Response(text.getvalue(), 200, dict(headers or {}), _KINDS["csv"])


def _cell(value: object) -> object:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return value.astimezone(UTC).isoformat()
        case _:
            return value


def onwards(request: Request, given: Fields, **more: str) -> dict[str, str]:
    """The header that leads to the rest of a list (RFC 8288), with these parameters set anew."""
    kept = [(name, value) for name, values in given.items() if name not in more for value in values]
    return {"Link": f'<{request.url.path}?{urlencode([*kept, *more.items()])}>; rel="next"'}


def parameter(name: str, description: str, example: Any = None, **schema: Any) -> dict[str, Any]:
    """A parameter of the OpenAPI page."""
    required = bool(schema.pop("required", False))
    told = {"name": name, "in": "query", "required": required, "description": description}
    return {
        **told,
        "schema": schema or {"type": "string"},
        **({} if example is None else {"example": example}),
    }


FORMAT: Final = parameter(
    "responseformat", "overrides the Accept header", "json", type="string", enum=list(_KINDS)
)

__all__ = ["FORMAT", "Given", "Reader", "as_csv", "as_json", "onwards", "parameter", "prefers_json"]
