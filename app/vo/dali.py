"""DALI 1.1: documents that tell errors."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

import psycopg
import sqlalchemy.exc
from fastapi import Request, Response

from app.errors import CalselError, RequestError
from app.forms import TooLargeError
from app.vo.tables import error_votable

log = logging.getLogger(__name__)

VOTABLE: Final = "application/x-votable+xml"
_LONGEST: Final = 200  # characters of a value that an error repeats


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
