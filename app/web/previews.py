"""Small pictures of products, at the path of https://archive.eso.org/previews that #preview leads to."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from app.archive.files import holding
from app.archive.index import Index
from app.errors import NoFileError
from app.formats.links import PREVIEWS
from app.preview import preview
from app.web.files import as_ingested
from app.web.rights import LOCKED, Asker

_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The image of a product, the mean of its cube, or its spectrum.",
        "content": {"image/png": {}},
    },
    304: {"description": "`If-None-Match` names the picture as it is."},
    **LOCKED,
    404: {"description": "No such product, no file of it, or nothing in it to show."},
}
_DP_ID: Final = Path(
    description="a product, by its file's name without `.fits`",
    examples=["r.UVES.2012-03-12T04:49:17.000_RED_SCI_POINT_BLUE_0a1b2c3d"],
)


def router() -> APIRouter:
    """The route of previews."""
    routes = APIRouter(tags=["Files"], default_response_class=Response)

    @routes.get(
        f"{PREVIEWS}{{dp_id}}/preview",
        summary="A picture of a product",
        responses=_RESPONSES,
    )
    def picture(request: Request, dp_id: Annotated[str, _DP_ID], user: Asker) -> Response:
        """A grey PNG of at most 600 pixels a side, made when it is asked for."""
        index: Index = request.app.state.index
        with index.connection() as connection:
            found = holding(connection, dp_id, user)
        path, _ = as_ingested(found)
        headers = {"ETag": f'"{found.sha256}-preview"', "Cache-Control": "no-cache"}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        try:
            made = preview(path)
        except OSError as error:
            raise NoFileError(f"the file of {dp_id} cannot be read") from error
        if made is None:
            raise NoFileError(f"{dp_id} has neither an image nor a spectrum to show")
        return Response(made, headers=headers, media_type="image/png")

    return routes
