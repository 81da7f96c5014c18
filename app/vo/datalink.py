"""DataLink (IVOA recommendation 1.1): what there is about a file, laid out as https://archive.eso.org/datalink.

A raw file has its bytes, the lists of its calibrations and its night log; a product has a picture, how and
what from it was made, and what was made of it; anything else only its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from app import forms
from app.archive.files import Holding, derivations, holdings, progenitors
from app.archive.finding import Connection
from app.archive.index import Index
from app.errors import RequestError
from app.formats.links import DATALINK, Links
from app.formats.names import url_name
from app.forms import Fields
from app.preview import has_preview
from app.rights import User, allowed
from app.tree import Mode
from processing.phase3.report import report_beside

MEDIA_TYPE: Final = "application/x-votable+xml;content=datalink"
MOST: Final = 1000  # of IDs; ESO's clients ask for one
_IVOID: Final = "ivo://eso.org/ID?"
_ESO: Final = "http://archive.eso.org/rdf/datalink/eso#"
_MODES: Final[tuple[tuple[Mode, str], ...]] = (("Raw2Raw", "raw"), ("Raw2Master", "master"))

_TABLE: Final = Template("""\
<?xml version="1.0" encoding="utf-8"?>
<VOTABLE version="1.3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
  <RESOURCE type="results">
    <TABLE>
      <INFO name="QUERY_STATUS" value="OK" />
      <FIELD name="ID" datatype="char" ucd="meta.id;meta.main" arraysize="*" />
      <FIELD name="access_url" datatype="char" ucd="meta.ref.url" arraysize="*" />
      <FIELD name="service_def" datatype="char" ucd="meta.ref" arraysize="*" />
      <FIELD name="error_message" datatype="char" ucd="meta.code.error" arraysize="*" />
      <FIELD name="semantics" datatype="char" ucd="meta.code" arraysize="*" />
      <FIELD name="description" datatype="char" ucd="meta.note" arraysize="*" />
      <FIELD name="content_type" datatype="char" ucd="meta.code.mime" arraysize="*" />
      <FIELD name="content_length" datatype="long" ucd="phys.size;meta.file" unit="byte" />
      <FIELD name="eso_origfile" datatype="char" ucd="meta.id;meta.file" arraysize="*" />
      <FIELD name="eso_category" datatype="char" ucd="meta.code.class;meta.dataset" arraysize="*" />
      <FIELD name="eso_datalink" datatype="char" ucd="meta.ref.url" arraysize="*" />
      <DATA>
        <TABLEDATA>
$rows        </TABLEDATA>
      </DATA>
    </TABLE>
  </RESOURCE>
</VOTABLE>""")

# What ESO answers; the word before it is DataLink's (§3.4), for programs.
_NO_SUCH: Final = "you have no permission or the file does not exist"
_NIGHT_LOG: Final = (
    "The Night Log report contains comments on any issues that could have happened during the observation "
    "(e.g. instrument problems), as well as the information about the ambient conditions (airmass, seeing, "
    "transparency, etc.). The content_length provides only an order of magnitude of the file size."
)
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A VOTable with a row for each link; a file that is not here, or not for this user, "
        "has a row with `error_message`.",
        "content": {MEDIA_TYPE: {}},
    },
    303: {"description": "With `eso_download`: where the object is."},
    400: {"description": "A parameter that makes no sense."},
    401: {"description": "A token was sent and is not good."},
}
_PARAMETERS: Final = [
    {
        "name": "ID",
        "in": "query",
        "description": "a dp_id, alone or as ivo://eso.org/ID?<dp_id>; repeat it for several",
        "schema": {"type": "array", "items": {"type": "string"}, "maxItems": MOST},
        "example": ["ivo://eso.org/ID?UVES.2012-03-12T04:49:17.000"],
    },
    {
        "name": "eso_download",
        "in": "query",
        "description": "go to the file, or to the list of its calibrations, of the one ID",
        "schema": {"type": "string", "enum": ["file", "calSelector_raw2raw", "calSelector_raw2master"]},
        "example": "file",
    },
]


@dataclass(frozen=True, slots=True)
class _Row:
    """A link; the fields are the table's columns."""

    id: str
    semantics: str
    description: str = ""
    access_url: str = ""
    error: str = ""
    content_type: str = ""
    length: int | None = None
    origfile: str = ""
    category: str = ""
    datalink: str = ""


def router(links: Links) -> APIRouter:
    """The route /datalink/links."""
    routes = APIRouter(tags=["Files"], default_response_class=Response)

    @routes.get(
        DATALINK,
        summary="What there is about a file",
        responses=_RESPONSES,
        openapi_extra={"parameters": _PARAMETERS},
    )
    @routes.post(DATALINK, include_in_schema=False)
    async def datalink(request: Request) -> Response:
        """The links of files: bytes, calibrations, night log, provenance (IVOA DataLink 1.1)."""
        fields = await forms.read(request)
        return await run_in_threadpool(_answer, request, fields, links)

    return routes


def _answer(request: Request, fields: Fields, links: Links) -> Response:
    user: User = request.app.state.gate.user(request.headers.get("authorization"))
    index: Index = request.app.state.index
    ids = list(dict.fromkeys(given.strip() for given in fields.get("id", [])))
    if len(ids) > MOST:
        raise RequestError(f"{len(ids)} IDs are asked for; ask for at most {MOST} at a time")
    if download := fields.get("eso_download"):
        return RedirectResponse(_object(ids, download, links), 303)
    if any("votable" not in wanted.lower() for wanted in fields.get("responseformat", [])):
        raise RequestError(f"links are a VOTable; leave RESPONSEFORMAT out or say {MEDIA_TYPE}")
    with index.connection() as connection:
        rows = "".join(map(_xml, _rows(connection, ids, user, links)))
    return Response(_TABLE.substitute(rows=rows), media_type=MEDIA_TYPE)


def _object(ids: Sequence[str], wanted: Sequence[str], links: Links) -> str:
    """Where `eso_download` leads to; whether there is such a file is for that place to say."""
    if len(ids) != 1 or not (dp_id := _dp_id(ids[0])):
        raise RequestError("eso_download needs one ID")
    targets = {
        f"calSelector_{mode}".lower(): links.associations([dp_id], mode, "votable") for mode, _ in _MODES
    }
    targets["file"] = links.file(dp_id)
    try:
        return targets[wanted[-1].lower()]
    except KeyError:
        known = "file, calSelector_raw2raw or calSelector_raw2master"
        raise RequestError(f"there is no eso_download={wanted[-1]:.50}; ask for {known}") from None


def _dp_id(identifier: str) -> str:
    return identifier[len(_IVOID) :] if identifier.lower().startswith(_IVOID.lower()) else identifier


def _rows(connection: Connection, ids: Sequence[str], user: User, links: Links) -> Iterator[_Row]:
    dp_ids = {identifier: _dp_id(identifier) for identifier in ids}
    held = holdings(connection, dp_ids.values())
    now = datetime.now(UTC)
    for identifier, dp_id in dp_ids.items():
        found = held.get(dp_id)
        if found is None:
            yield _Row(identifier, "#this", error=f"NotFoundFault: {_NO_SUCH}")
        elif not allowed(found.lock, user, now):
            yield _Row(identifier, "#this", error=f"DefaultFault: {_NO_SUCH}")
        else:
            yield from _links(connection, found, links)


def _links(connection: Connection, found: Holding, links: Links) -> Iterator[_Row]:
    key = f"{_IVOID}{found.dp_id}"
    yield _file(key, "#this", "Requested file", found, links)
    if found.raw:
        yield from _calibrations(key, found.dp_id, links)
        return
    sources = progenitors(connection, found.dp_id)
    if sources and _shows(found):
        yield _Row(
            key,
            "#preview",
            "PNG preview of the requested file",
            links.preview(found.dp_id),
            content_type="image/png",
            length=100_000,
        )
    if sources:
        # The vocabulary has no term of its own for it; "documentation" is also of structured metadata and
        # processing logs (VEP-007), and files that this one was made from are progenitors.
        yield _Row(
            key,
            "#documentation",
            "How the requested file was made, back to raw frames (W3C PROV)",
            links.provenance(found.dp_id),
            content_type="application/json",
            length=50_000,
        )
    if found.path and (report := report_beside(Path(found.path))):
        yield _Row(
            key,
            "#documentation",
            "What the requested file lacks and why, and what was mended in it when it was packaged",
            links.report(found.dp_id),
            content_type="application/json",
            length=report.stat().st_size,
        )
    for source in sources:
        said = "File used to generate the requested file (processing provenance)"
        yield _file(key, "#progenitor", said, source, links)
    for made in derivations(connection, found.dp_id):
        yield _file(key, "#derivation", "Science product derived from the requested file", made, links)


def _shows(found: Holding) -> bool:
    """Whether a preview can be made: the file is here, and has pixels or a spectrum."""
    try:
        return found.path is not None and has_preview(Path(found.path))
    except OSError:
        return False


def _file(key: str, semantics: str, description: str, found: Holding, links: Links) -> _Row:
    return _Row(
        key,
        semantics,
        description,
        links.file(found.dp_id),
        content_type=_content_type(found),
        length=found.size,
        origfile=f"{url_name(found.dp_id)}{found.suffix}",
        category=found.category,
        datalink=links.datalink(found.dp_id),
    )


def _content_type(found: Holding) -> str:
    return "application/x-fits-hcompress" if found.suffix == ".fits.fz" else "application/fits"


def _calibrations(key: str, dp_id: str, links: Links) -> Iterator[_Row]:
    for mode, kind in _MODES:
        yield _Row(
            key,
            f"{_ESO}calSelector_{mode.lower()}",
            f"List of access points of all the {kind} calibrations associated to the provided input raw "
            "file, and siblings (if any)",
            links.associations([dp_id], mode, "votable"),
            content_type="application/x-votable+xml",
            length=500_000,
        )
    yield _Row(
        key,
        f"{_ESO}night_log",
        _NIGHT_LOG,
        f"{links.file(dp_id)}.NL",
        content_type="text/plain",
        length=10_000,
        origfile=f"{url_name(dp_id)}.NL.txt",
        category="Night Log",
    )


def _xml(row: _Row) -> str:
    cells = (
        _cell(row.id),
        f"<TD><![CDATA[{row.access_url}]]></TD>" if row.access_url else "<TD />",
        "<TD />",
        _cell(row.error),
        _cell(row.semantics),
        _cell(row.description),
        _cell(row.content_type),
        _cell("" if row.length is None else str(row.length)),
        _cell(row.origfile),
        _cell(row.category),
        _cell(row.datalink),
    )
    body = "".join(f"            {cell}\n" for cell in cells)
    return f"          <TR>\n{body}          </TR>\n"


def _cell(text: str) -> str:
    """A cell; what VOTable's `char` cannot hold comes from the request only, and is shown as `?`."""
    printable = "".join(each if " " <= each <= "~" else "?" for each in text)
    return f"<TD>{escape(printable)}</TD>" if text else "<TD />"
