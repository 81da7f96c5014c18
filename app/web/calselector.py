"""CalSelector's endpoint: the calibrations of science frames.

Paths, parameters and headers are those of ESO's https://archive.eso.org/calselector/v1/associations, so
that its clients work here; the formats json, sof and script are this service's own.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from app.web import openapi
from app.web.asked import Asked, from_form, from_query
from app.web.replies import reply


def router(public_url: str) -> APIRouter:
    """The routes; `public_url` is how clients reach this service."""
    routes = APIRouter(tags=["Associations"], default_response_class=Response)
    files_url = f"{public_url}/dataPortal/file/"
    responses = openapi.responses(files_url)

    @routes.get(
        openapi.PATH,
        summary="Calibrations of science frames",
        description=openapi.DESCRIPTION,
        responses=responses,
        openapi_extra={"parameters": openapi.parameters()},
    )
    def get_associations(request: Request, asked: Annotated[Asked, Depends(from_query)]) -> Response:
        return reply(request.app.state.index, asked, files_url)

    @routes.post(
        openapi.PATH,
        summary="Calibrations of many science frames",
        description=openapi.DESCRIPTION + "\n\nAs GET, for more dp_ids than fit into an address.",
        responses=responses,
        openapi_extra={"requestBody": openapi.form()},
    )
    def post_associations(request: Request, asked: Annotated[Asked, Depends(from_form)]) -> Response:
        return reply(request.app.state.index, asked, files_url)

    return routes
