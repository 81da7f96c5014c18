"""The question of a client, read from a query or a form; names, and values other than dp_ids, ignore case."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, get_args

from starlette.datastructures import FormData
from starlette.requests import Request

from app.errors import RequestError
from app.formats import Format
from app.tree import Mode
from app.web.negotiate import choose

# ESO's own client sends 100 at a time (astroquery.eso). So many still fit into the address of a GET, and are
# some ten seconds of work: whoever needs more is better served by several requests side by side.
MOST: Final = 10_000
_LONGEST: Final = 200  # characters of a dp_id; ESO's have 24 to 36
_LARGEST: Final = 4 * 1024 * 1024  # bytes of a form: enough to count, and refuse, some 40,000 dp_ids
_SPLIT: Final = f"ask for at most {MOST} dp_ids at a time, in several requests"


class TooLargeError(RequestError):
    """More than one request may ask for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted: each dp_id once, in the order of first mention."""

    dp_ids: tuple[str, ...]
    mode: Mode
    format: Format


async def from_query(request: Request) -> Asked:
    """The question of a GET."""
    return _read(request, request.query_params.multi_items())


async def from_form(request: Request) -> Asked:
    """The question of a POST: its form, after the query of its address."""
    length = request.headers.get("content-length")
    if length is None:
        raise RequestError("the POST has no Content-Length; send the form in one piece, not chunked")
    if int(length) > _LARGEST:
        raise TooLargeError(f"the form has {length} bytes, the most is {_LARGEST}; {_SPLIT}")
    form: FormData = await request.form(max_files=0, max_fields=_LARGEST, max_part_size=_LARGEST)
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    return _read(request, [*request.query_params.multi_items(), *fields])


def _read(request: Request, fields: list[tuple[str, str]]) -> Asked:
    values: dict[str, list[str]] = {}
    for name, value in fields:
        values.setdefault(name.lower(), []).append(value)
    formats = values.get("responseformat", [])
    wanted = choose(_one("responseformat", formats), request.headers.get("accept", ""))
    request.state.format = wanted  # an error is told in it, too
    mode = _mode(_one("mode", values.get("mode", [])))
    return Asked(_dp_ids(values), mode, wanted)


def _one(name: str, values: Iterable[str]) -> str | None:
    """A parameter that may be given once; saying the same twice does no harm."""
    different = {value.strip().lower()[:_LONGEST] for value in values}  # nonsense may be long
    if len(different) > 1:
        raise RequestError(f"{name} is given as {' and as '.join(sorted(different))}; give it once")
    return different.pop() if different else None


def _mode(word: str | None) -> Mode:
    modes = get_args(Mode)
    if word is None:
        return "Raw2Raw"
    for mode in modes:
        if word == mode.lower():
            return mode  # type: ignore[no-any-return]
    raise RequestError(f"there is no mode {word!r}; mode is one of {', '.join(modes)}")


def _dp_ids(values: dict[str, list[str]]) -> tuple[str, ...]:
    given = tuple(dict.fromkeys(value.strip() for value in values.get("dp_id", [])))
    if not given:
        others = f" (only {', '.join(sorted(values))[:_LONGEST]})" if values else ""
        raise RequestError(
            f"no dp_id is given{others}; name the science frame as dp_id=<ID>, repeated for several, "
            "in the query of a GET or the form (application/x-www-form-urlencoded) of a POST"
        )
    if len(given) > MOST:
        raise TooLargeError(f"{len(given)} dp_ids are asked for; {_SPLIT}")
    for dp_id in given:
        # isprintable also keeps NUL away, which PostgreSQL's text cannot hold.
        if not dp_id or len(dp_id) > _LONGEST or not dp_id.isprintable():
            raise RequestError(
                f"dp_id={dp_id[:_LONGEST]!r} is none: a dp_id has 1 to {_LONGEST} printable characters, "
                "such as UVES.2012-03-12T04:49:17.000"
            )
    return given
