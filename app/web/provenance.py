"""How a product was made: its chain back to raw frames, as a W3C PROV document, a drawing or a script."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi import Path as PathParameter
from fastapi.responses import Response

from app import forms
from app.archive.files import holding
from app.archive.index import Index
from app.errors import NoFileError
from app.formats import Links
from app.formats.links import PROVENANCE
from app.formats.names import url_name
from app.forms import Fields
from app.provenance import FORMATS, Format, pick, trace
from app.web.negotiate import liked_best
from app.web.rights import LOCKED, Asker
from processing.phase3.report import report_beside

_REPORT: Final = {
    "files": [
        {
            "path": "NACO.2012-03-15T03:55:04.642_COADDED_IMG_0becb8a7_sdp.fits",
            "category": "COADDED_IMG",
            "prodcatg": "SCIENCE.IMAGE",
        }
    ],
    "mended": [{"hdu": 0, "keyword": "EXPTIME", "sentence": "was 2.0, is 240.0: …"}],
    "absent": [{"hdu": 0, "keyword": "PHOTZP", "sentence": "no zero point is known: …"}],
    "remarks": [],
    "problems": [
        {
            "severity": "error",
            "hdu": 0,
            "keyword": "PHOTZP",
            "sentence": "is missing, and is mandatory here",
            "source": "ESO-044286 v8, table 8",
        }
    ],
}
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
_REPORTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The report.",
        "content": {"application/json": {"schema": {"type": "object"}, "example": _REPORT}},
    },
    **LOCKED,
    404: {"description": "Nothing of this name is in the archive, or no packaging made it."},
}
_PACKAGED: Final = PathParameter(
    description="an archive science product or a file that belongs to it, by its name without `.fits`",
    examples=["UVES.2012-03-12T04:49:17.000_RED_SCI_POINT_BLUE_0a1b2c3d_sdp"],
)
_DP_ID: Final = PathParameter(
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

    @routes.get(
        f"{PROVENANCE}{{dp_id}}/report",
        summary="What an archive science product lacks, and what was mended in it",
        responses=_REPORTS,
    )
    def report(request: Request, dp_id: Annotated[str, _PACKAGED], user: Asker) -> Response:
        """The report of the packaging (`report.json`).

        `absent` are keywords that could not be computed, `mended` those that are not what the recipe wrote,
        each with its HDU and a sentence; `problems` are what the checker of archive science products finds,
        with the section of the standard; `remarks` what else there is to know; `files` all that belong to
        the product.
        """
        index: Index = request.app.state.index
        with index.connection() as connection:
            found = holding(connection, dp_id, user)
        path = report_beside(Path(found.path)) if found.path else None
        if path is None:
            raise NoFileError(
                f"{dp_id} has no report: it was not packaged here as an archive science product"
            )
        headers = {
            "Content-Disposition": f'inline; filename="{url_name(dp_id)}_report.json"',
            "Cache-Control": "no-cache",
        }
        return Response(path.read_bytes(), headers=headers, media_type="application/json")

    return routes


def _format(fields: Fields, accept: str) -> Format:
    given = forms.single({"format": fields["format"]}) if "format" in fields else {}
    if given:
        return pick(given["format"])
    by_type = {each.media_type: each for each in FORMATS.values()}
    return by_type[liked_best(accept, list(by_type))]
