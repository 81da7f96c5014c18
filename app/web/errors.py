"""One table says which status an error has; its body says what, where, and how to mend it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import orjson
import psycopg
import sqlalchemy.exc
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.archive.jobs import NoPartError, PhaseError, UnknownJobError
from app.errors import (
    CalselError,
    DatabaseError,
    ForbiddenError,
    IssuerError,
    LoginError,
    NoFileError,
    RequestError,
    SchemaError,
    UnknownFrameError,
)
from app.forms import TooLargeError
from app.web.browsers import methods
from app.web.negotiate import NotAcceptableError, prefers_json

log = logging.getLogger(__name__)


# The driver's and the pool's words for a database that is gone, restarting, or out of connections.
DATABASE_AWAY: Final = (
    psycopg.OperationalError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.TimeoutError,
)

# An error may repeat what the client sent: no browser shall guess that it is a page.
NO_SNIFFING: Final[Mapping[str, str]] = MappingProxyType({"X-Content-Type-Options": "nosniff"})
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})

# The most special class that an error belongs to counts.
STATUS: Final = MappingProxyType(
    {
        CalselError: 500,
        RequestError: 400,
        NotAcceptableError: 406,
        TooLargeError: 413,
        LoginError: 401,
        ForbiddenError: 403,
        UnknownFrameError: 404,
        NoFileError: 404,
        UnknownJobError: 404,
        NoPartError: 404,
        PhaseError: 409,
        IssuerError: 503,
        SchemaError: 503,
        DatabaseError: 503,
    }
)


def add_handlers(app: FastAPI) -> None:
    """Answer the errors of the table, HTTP's own, and a database that does not."""
    for kind in STATUS:
        app.add_exception_handler(kind, _told)
    for away in DATABASE_AWAY:
        app.add_exception_handler(away, _away)
    app.add_exception_handler(HTTPException, _http)


async def _told(request: Request, error: Exception) -> Response:
    status, headers = status_of(error)
    if status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error)
    return _response(request, status, str(error), type(error).__name__, headers)


def status_of(error: Exception) -> tuple[int, Mapping[str, str]]:
    """The status of an error of the table, and the headers that belong to it."""
    status = next(STATUS[each] for each in type(error).__mro__ if each in STATUS)
    return status, {"WWW-Authenticate": _challenge(error)} if isinstance(error, LoginError) else _NO_HEADERS


def _challenge(error: LoginError) -> str:
    # RFC 6750 §3.1: a request without a token is told no error, only that one is wanted.
    return 'Bearer realm="CalSelector"' + (', error="invalid_token"' if error.refused else "")


async def _away(request: Request, error: Exception) -> Response:
    # What the driver says names hosts and users: that is for the log, not for the client.
    log.error("%s %s: %s", request.method, request.url.path, error)
    return _response(
        request, 503, "the database does not answer at present; try again later", "DatabaseError"
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    match error.status_code:
        case 404:
            text = f"there is no {request.url.path} here; / lists what there is"
            if request.url.path.startswith("/tap_cat"):  # astroquery's list_catalogs, query_catalogs
                text = (
                    "there are no catalogues here, as ESO has them at /tap_cat; observations are at /tap_obs"
                )
        case 405:
            # Starlette's own Allow names the methods of the first route of this path only.
            headers["Allow"] = ", ".join(methods(request))
            if request.method == "OPTIONS":
                return Response(status_code=204, headers=headers)
            text = f"{request.method} is not possible at {request.url.path}; use {headers['Allow']}"
        case _:
            text = error.detail
    return _response(request, error.status_code, text, "RequestError", headers)


def _response(
    request: Request, status: int, text: str, kind: str, headers: Mapping[str, str] = _NO_HEADERS
) -> Response:
    more = {**NO_SNIFFING, **headers}
    if _wants_json(request):
        body = orjson.dumps({"error": text, "type": kind}, option=orjson.OPT_APPEND_NEWLINE)
        return Response(body, status, more, "application/json")
    return Response(f"{text}\n", status, more, "text/plain")


def _wants_json(request: Request) -> bool:
    """As the answer would have been: by the format where it was settled, else by Accept."""
    settled = getattr(request.state, "format", None)
    if settled is not None:
        return bool(settled.name == "json")
    return prefers_json(request.headers.get("accept", ""))
