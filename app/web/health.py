"""Whether the service can answer, for load balancers and people."""

from __future__ import annotations

import logging
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.archive.index import Index
from app.web.errors import DATABASE_AWAY

log = logging.getLogger(__name__)

_EXAMPLE: Final = {
    "status": "ok",
    "database": "PostgreSQL 18.6",
    "schema": "0001",
    "revision": 12,
    "frames": 104_211,
    "rulebooks": [{"name": "uves.2004-10-14.oca", "checksum": "5d0c…"}],
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "It can. `frames` is about how many the index holds; `revision` grows with every "
        "change of the archive; `checksum` is the SHA-256 of a rulebook in force.",
        "content": {"application/json": {"example": _EXAMPLE}},
    },
    503: {
        "description": "The database does not answer.",
        "content": {"application/json": {"example": {"status": "down", "reason": "the database …"}}},
    },
}


def router() -> APIRouter:
    """The route /health."""
    routes = APIRouter(tags=["Service"], default_response_class=Response)

    @routes.get("/health", summary="Is the service well?", responses=_RESPONSES)
    def health(request: Request) -> Response:
        """Asks the database; answers in JSON, 200 or 503."""
        index: Index = request.app.state.index
        try:
            now = index.status()
        except DATABASE_AWAY as error:
            log.error("health: %s", error)
            return _json({"status": "down", "reason": "the database does not answer"}, 503)
        books = [{"name": name, "checksum": checksum} for name, checksum in now.rulebooks]
        return _json(
            {
                "status": "ok",
                "database": f"PostgreSQL {now.server}",
                "schema": now.schema,
                "revision": now.revision,
                "frames": now.frames,
                "rulebooks": books,
            },
            200,
        )

    return routes


def _json(content: dict[str, object], status: int) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")
