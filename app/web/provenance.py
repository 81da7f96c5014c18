"""How a product was made: its chain back to raw frames, as a W3C PROV document, a drawing or a script."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response

from app import forms
from app.archive.index import Index
from app.formats import Links
from app.formats.links import PROVENANCE
from app.formats.names import url_name
from app.forms import Fields
from app.provenance import FORMATS, Format, pick, trace
from app.web.negotiate import liked_best
from app.web.rights import Asker

_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The chain. What is not known of it is said in it.",
        "content": {each.media_type.partition(";")[0]: {} for each in FORMATS.values()},
    },
    400: {"description": "A `format` that there is not; or the chain has more than 10,000 files."},
    401: {
        "description": "The product, or one before it, is proprietary, and no token or a bad one was sent."
    },
    403: {"description": "The product, or one before it, is proprietary, and belongs to others."},
    404: {"description": "Nothing of this name is in the archive."},
    406: {"description": "An `Accept` that nothing fits."},
}
_DP_ID: Final = Path(
    description="a product, by its file's name without `.fits`; a raw frame has a chain of one",
    examples=["r.UVES.2012-03-12T04:49:17.000_RED_SCI_POINT_BLUE_0a1b2c3d"],
)
_FORMAT: Final = {
    "name": "format",
    "in": "query",
    "schema": {"type": "string", "enum": list(FORMATS)},
    "description": "overrides the Accept header; without both, json",
    "example": "svg",
}


def router(links: Links) -> APIRouter:
    """The route of provenance."""
    routes = APIRouter(tags=["Files"], default_response_class=Response)

    @routes.get(
        f"{PROVENANCE}{{dp_id}}",
        summary="How a product was made",
        responses=_RESPONSES,
        openapi_extra={"parameters": [_FORMAT]},
    )
    def provenance(
        request: Request,
        dp_id: Annotated[str, _DP_ID],
        user: Asker,
        fields: Annotated[Fields, Depends(forms.read)],
    ) -> Response:
        """The whole chain back to raw frames.

        Each recipe run has its recipe, version, parameters, inputs by tag and SHA-256, host, times, and the
        rulebook and archive revision that it was planned from. `json` is W3C PROV-JSON, `provn` PROV-N, `svg`
        a drawing, `script` a bash script of esorex commands that makes the product again: same pixels, other
        dates in the headers.
        """
        wanted = _format(fields, request.headers.get("accept", ""))
        index: Index = request.app.state.index
        with index.connection() as connection:
            chain = trace(connection, dp_id, user)
        name = f"{url_name(dp_id)}_provenance{wanted.suffix}"
        headers = {
            "Content-Disposition": f'inline; filename="{name}"',
            "Vary": "Accept",
            "Cache-Control": "no-cache",
        }
        return Response(wanted.write(chain, links), headers=headers, media_type=wanted.media_type)

    return routes


def _format(fields: Fields, accept: str) -> Format:
    given = forms.single({"format": fields["format"]}) if "format" in fields else {}
    if given:
        return pick(given["format"])
    by_type = {each.media_type: each for each in FORMATS.values()}
    return by_type[liked_best(accept, list(by_type))]
