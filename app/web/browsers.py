"""What pages of other sites, and tools that look before they fetch, need: CORS, HEAD, OPTIONS.

Everything here is public or opened by a token that the page itself must send: there are no cookies, so any
site may read the answers (Fetch standard §3.2, without credentials).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# A page may read no other headers of an answer than these and a few that say nothing here.
_READ: Final = (
    *("Accept-Ranges", "Content-Disposition", "Content-Length", "Content-Range", "ETag"),
    *("Location", "Retry-After", "WWW-Authenticate", "X-Query-Status"),
)
_DAY_S: Final = 86_400


def welcome(app: FastAPI) -> None:
    """Answer pages of any site, and HEAD where there is a GET."""
    app.add_middleware(_Heads, routes=app.routes)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "HEAD", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=_READ,
        max_age=_DAY_S,
    )


def methods(request: Request) -> list[str]:
    """The methods that are possible at this address."""
    routes = request.app.routes
    found = [method for method in _METHODS if _has(routes, {**request.scope, "method": method})]
    return found if "HEAD" in found or "GET" not in found else ["GET", "HEAD", *found[1:]]


class _Heads:
    """Answers HEAD by the GET of the same address, whose body the server leaves out (RFC 9110 §9.3.2)."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Files have a HEAD of their own, which does not read them.
        if scope["type"] == "http" and scope["method"] == "HEAD" and not _has(self._routes, scope):
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


def _has(routes: Iterable[BaseRoute], scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in routes)
