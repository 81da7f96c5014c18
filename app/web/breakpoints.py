"""Interventions that no association may cross, as ESO's /calselector/v1/breakpoints lists them."""

from __future__ import annotations

from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.archive.index import Index
from app.archive.quality import breakpoint_list

_EXAMPLE: Final = [
    {
        "mjdObs": 56891.6015625,
        "instrument": "KMOS",
        "dpInstrument": "KMOS",
        "rawType": "FLAT_LAMP",
        "proCatg": "MASTER_FLAT",
        "doClass": "FLAT_ON",
    }
]
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "In the order in which they were made known. `ANY` in all three names means the whole "
        "instrument; `dpInstrument` is how its dp_ids begin.",
        "content": {"application/json": {"example": _EXAMPLE}},
    },
}


def router() -> APIRouter:
    """The route /calselector/v1/breakpoints."""
    routes = APIRouter(tags=["Associations"], default_response_class=Response)

    @routes.get("/calselector/v1/breakpoints", summary="Breakpoints", responses=_RESPONSES)
    def breakpoints(request: Request) -> Response:
        """Those in force, in the form that `calsel breakpoints load` and EDPS read."""
        index: Index = request.app.state.index
        with index.connection() as connection:
            return Response(orjson.dumps(breakpoint_list(connection)), media_type="application/json")

    return routes
