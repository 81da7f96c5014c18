"""DALI 1.1: parameters whose names ignore case, and documents that tell errors."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

import psycopg
import sqlalchemy.exc
from fastapi import Request, Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from app.errors import CalselError, RequestError
from app.vo.tables import error_votable

log = logging.getLogger(__name__)

VOTABLE: Final = "application/x-votable+xml"
_LARGEST: Final = 4 * 1024 * 1024  # bytes of a form: a query of a million characters, encoded
_LONGEST: Final = 200  # characters of a value that an error repeats


class TooLargeError(RequestError):
    """More than one request may send."""


class BusyError(CalselError):
    """More requests wait than can be answered soon."""


class SlowError(RequestError):
    """A query that takes longer than a query may."""


class NotOfferedError(RequestError):
    """A resource that the standard has and this service does not."""


_STATUS: Final[Mapping[type[CalselError], int]] = MappingProxyType(
    {RequestError: 400, TooLargeError: 413, NotOfferedError: 404, BusyError: 503, CalselError: 500}
)

# The driver's and the pool's words for a database that is gone, restarting, or out of connections.
AWAY: Final = (psycopg.OperationalError, sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError)

Endpoint = Callable[[Request], Awaitable[Response]]


async def parameters(request: Request) -> dict[str, str]:
    """The parameters of the address and of the form, by their names in capitals (DALI §2.1, §3).

    Raises RequestError for one that is given twice with different values, and for files.
    """
    given = list(request.query_params.multi_items())
    if request.method == "POST":
        length = request.headers.get("content-length", "")
        if not length.isdecimal():
            raise RequestError("the POST has no Content-Length; send the form in one piece, not chunked")
        if int(length) > _LARGEST:
            raise TooLargeError(f"the form has {length} bytes, the most is {_LARGEST}")
        async with request.form(max_files=1, max_fields=1000, max_part_size=_LARGEST) as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    raise RequestError("UPLOAD is not supported: no files can be sent with a query")
                given.append((name, value))
    found: dict[str, str] = {}
    for name, value in given:
        if found.setdefault(name.upper(), value) != value:
            raise RequestError(f"{name.upper()[:_LONGEST]} is given several times; give it once")
    return found


def shown(value: str) -> str:
    """A value of the client's as an error repeats it: not too long."""
    return repr(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…")


def telling(endpoint: Endpoint) -> Endpoint:
    """The endpoint, whose errors become VOTable documents (DALI §4.2: with a status that says so, too)."""

    async def told(request: Request) -> Response:
        try:
            return await endpoint(request)
        except CalselError as error:
            return failure(str(error), next(_STATUS[each] for each in type(error).__mro__ if each in _STATUS))
        except HTTPException as error:  # a form that cannot be read
            return failure(str(error.detail), error.status_code)
        except (
            psycopg.OperationalError,
            sqlalchemy.exc.OperationalError,
            sqlalchemy.exc.TimeoutError,
        ) as error:
            # What the driver says names hosts and users: that is for the log.
            log.error("%s %s: %s", request.method, request.url.path, error)
            return failure("the database does not answer at present; try again later", 503)

    told.__name__ = endpoint.__name__  # OpenAPI's name of the operation
    return told


def failure(message: str, status: int) -> Response:
    """An error document."""
    headers = {"X-Content-Type-Options": "nosniff"} | ({"Retry-After": "10"} if status == 503 else {})
    return Response(error_votable(message), status, headers, VOTABLE)
