"""A frame's primary header as a page, as ESO's https://archive.eso.org/hdr?DpId=<dp_id> shows it.

Clients read the first <pre>: card by card up to END, the value between the first '=' and the first '/'
(astroquery.eso get_headers). They stumble over a '=' where no simple value follows, so such cards are
written as comments. Nor do they look at the status: an error has a <pre>, too, with a card that says it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Annotated, Any, Final, assert_never

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from app import forms
from app.archive.files import Holding, holding, stored_header
from app.archive.index import Index
from app.errors import CalselError, HeaderError, RequestError
from app.formats.names import one_line
from app.forms import Fields
from app.header import Header, Value, header_text
from app.web.errors import NO_SNIFFING, status_of
from app.web.negotiate import prefers_json
from app.web.rights import user_of

# A keyword with a text, a number or a logical; FITS 4.0 §4.2.4 also writes 1.5D3.
_VALUE: Final = re.compile(
    r"(?P<key>(?:HIERARCH [^=]+?|[A-Z0-9_-]{1,8}) *)= *"
    r"(?P<value>'(?:[^']|'')*'|[+-]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][+-]?\d+)?|[TF])(?: *(?:/.*)?)"
)
_REBUILT: Final = "COMMENT Written from the keywords of the index: the file itself is not here."
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<h1>{title}</h1>
<pre>{cards}</pre>
</html>
"""
_ERROR_PAGE: Final = "The page's `<pre>` has one card, `ERROR`; in JSON where JSON is asked for."
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "A page whose `<pre>` has the cards of the primary header.", "content": {}},
    400: {"description": f"No DpId, or several. {_ERROR_PAGE}"},
    401: {"description": f"The frame is proprietary, and no token or a bad one was sent. {_ERROR_PAGE}"},
    403: {"description": f"The frame is proprietary, and belongs to a programme of others. {_ERROR_PAGE}"},
    404: {"description": f"The frame is not in the archive. {_ERROR_PAGE}"},
}


def router() -> APIRouter:
    """The route /hdr."""
    routes = APIRouter(tags=["Files"])
    parameter = {
        "name": "DpId",
        "in": "query",
        "required": True,
        "schema": {"type": "string"},
        "description": "the frame; the parameter's name ignores case",
        "example": "UVES.2012-03-12T04:49:17.000",
    }

    @routes.get(
        "/hdr",
        summary="The header of a frame",
        response_class=HTMLResponse,
        responses=_RESPONSES,
        openapi_extra={"parameters": [parameter]},
    )
    def header(request: Request, fields: Annotated[Fields, Depends(forms.read)]) -> HTMLResponse:
        """The primary header of a frame's file; of a frame without a file, the keywords of the index."""
        try:
            return _header(request, _dp_id(fields))
        except CalselError as error:
            status, headers = status_of(error)
            if status >= 500 or prefers_json(request.headers.get("accept", "")):
                raise
            return _page("No header", [_error_card(str(error)), "END"], status, {**NO_SNIFFING, **headers})

    return routes


def _header(request: Request, dp_id: str) -> HTMLResponse:
    index: Index = request.app.state.index
    user = user_of(request)
    with index.connection() as connection:
        found = holding(connection, dp_id, user)
        known = stored_header(connection, dp_id)
    return _page(f"Header of {dp_id}", map(simple, _cards(found, known)))


def _page(
    title: str, cards: Iterable[str], status: int = 200, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    content = _PAGE.format(title=escape(title), cards=escape("\n".join(cards)))
    return HTMLResponse(content, status, headers)


def _error_card(text: str) -> str:
    """The text as a card that clients read whole: a quote or a slash would end it."""
    plain = one_line(text).replace("'", '"').replace("/", "\\")
    return f"ERROR   = '{plain}'"


def simple(card: str) -> str:
    """The card as clients can read it: a comment where its value is not a text, a number or a logical."""
    if card.startswith("COMMENT") or "=" not in card:
        return card
    match = _VALUE.fullmatch(card)
    if match is None or match["key"].startswith("CONTINUE"):
        return f"COMMENT {card}"
    if match["value"].startswith("'"):
        return card
    start, end = match.span("value")
    return f"{card[:start]}{card[start:end].upper().replace('D', 'E')}{card[end:]}"


def _dp_id(fields: Fields) -> str:
    given = {value.strip() for value in fields.get("dpid", [])}
    if len(given) != 1:
        raise RequestError("name one frame, as in /hdr?DpId=UVES.2012-03-12T04:49:17.000")
    return given.pop()


def _cards(found: Holding, known: Header) -> Iterable[str]:
    if found.path is not None:
        try:
            return header_text(Path(found.path)).splitlines()
        except HeaderError:  # moved or torn since it was ingested: the keywords are still known
            pass
    return [_REBUILT, *written(known), "END"]


def written(header: Header) -> Iterator[str]:
    """A card for every keyword; in a line of its own however long, as this is a page and not a file."""
    for name, value in header.items():
        key = f"HIERARCH ESO {name.replace('.', ' ')}" if "." in name else name
        if len(key) > 8 and "." not in name:
            key = f"HIERARCH {name}"
        yield f"{key:<8}= {_value(value):>20}"


def _value(value: Value) -> str:
    match value:
        case bool():
            return "T" if value else "F"
        case int():
            return str(value)
        case float():
            return repr(value).upper()
        case str():
            text = "".join(each if each.isprintable() else " " for each in value).replace("'", "''")
            return f"'{text:<8}'"
        case _:
            assert_never(value)
