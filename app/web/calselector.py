"""CalSelector's endpoint: the calibrations of science frames.

Paths, parameters and headers are those of ESO's https://archive.eso.org/calselector/v1/associations, so
that its clients work here; the formats json, sof, script and csv, and the parameters beyond dp_id, mode
and responseformat are this service's own.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from app.formats import links_of
from app.rights import User
from app.web import openapi
from app.web.asked import Asked, question
from app.web.replies import reply
from app.web.rights import Asker, check

Question: TypeAlias = Annotated[Asked, Depends(question)]


def router(public_url: str) -> APIRouter:
    """The routes; `public_url` is how clients reach this service."""
    routes = APIRouter(tags=["Associations"], default_response_class=Response)
    links = links_of(public_url)

    @routes.get(
        openapi.PATH,
        summary="Calibrations of science frames",
        description=openapi.DESCRIPTION,
        responses=openapi.responses(links) | openapi.NOT_MODIFIED,
        openapi_extra={"parameters": openapi.parameters()},
    )
    def get_associations(request: Request, asked: Question, user: Asker) -> Response:
        _demand(request, asked, user)
        known = ", ".join(request.headers.getlist("if-none-match"))
        return reply(request.app.state.index, asked, public_url, known)

    @routes.post(
        openapi.PATH,
        summary="Calibrations of many science frames",
        description=openapi.DESCRIPTION + "\n\nAs GET, for more dp_ids than fit into an address.",
        responses=openapi.responses(links),
        openapi_extra={"requestBody": openapi.form()},
    )
    def post_associations(request: Request, asked: Question, user: Asker) -> Response:
        _demand(request, asked, user)
        return reply(request.app.state.index, asked, public_url)

    return routes


def _demand(request: Request, asked: Asked, user: User) -> None:
    """Calibrations are nobody's secret, but the reasons of a choice quote the science frame's header.

    JSON always tells them, a set of frames tells why something is missing.
    """
    if asked.told or asked.format.name in ("json", "sof"):
        check(request.app.state.index, asked.dp_ids, user)
