"""The files themselves, at the paths of https://dataportal.eso.org: /dataPortal/file/<dp_id>.

Only what the index holds is ever opened: a name from outside is looked up there and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, PlainTextResponse, Response

from app.archive.files import Holding, holding
from app.archive.finding import Connection
from app.archive.index import Index
from app.archive.nightlogs import night_log, same_block
from app.errors import NoFileError, UnknownFrameError
from app.formats.names import one_line, url_name
from app.header import Value
from app.rights import User
from app.web.rights import Asker

NIGHT_LOG: Final = ".NL"
_RULE: Final = "-" * 51
_COLUMNS: Final = ("ORIGFILE", "", "TPL.EXPNO", "TPL.NEXP", "EXPTIME", "DPR.CATG", "DPR.TYPE", "DPR.TECH")

_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file, or a night log as text.", "content": {"application/fits": {}}},
    206: {"description": "The bytes of the `Range` that was asked for."},
    304: {"description": "`If-None-Match` names the file as it is."},
    400: {"description": "A `Range` that is none."},
    401: {"description": "The file is proprietary, and no token or a bad one was sent."},
    403: {"description": "The file is proprietary, and belongs to a programme of others."},
    404: {
        "description": "Nothing of this name is in the archive; or only its header is, or the file is no "
        "longer as it was ingested."
    },
    416: {"description": "A `Range` behind the end of the file."},
}


_DP_ID: Final = PathParameter(
    description="the file; `<dp_id>.NL` is the night log", examples=["UVES.2012-03-12T04:49:17.000"]
)


def router() -> APIRouter:
    """The routes of files, at their present and their older path."""
    routes = APIRouter(tags=["Files"], default_response_class=Response)

    @routes.get(
        "/dataPortal/file/{dp_id:path}",
        summary="A file, or its night log",
        responses=_RESPONSES,
    )
    @routes.head("/dataPortal/file/{dp_id:path}", include_in_schema=False)
    @routes.get("/dataportal_new/file/{dp_id:path}", include_in_schema=False)
    @routes.head("/dataportal_new/file/{dp_id:path}", include_in_schema=False)
    def file(request: Request, dp_id: Annotated[str, _DP_ID], user: Asker) -> Response:
        """The file of a dp_id, byte for byte; `<dp_id>.NL` is the night log of its observation.

        `ETag` is the SHA-256 of the bytes; `Range` resumes a download.
        """
        index: Index = request.app.state.index
        with index.connection() as connection:
            try:
                found = holding(connection, dp_id, user)
            except UnknownFrameError:
                if not dp_id.endswith(NIGHT_LOG):
                    raise
                return _night_log(connection, dp_id.removesuffix(NIGHT_LOG), user)
        return _file(found, request.headers.get("if-none-match", ""))

    return routes


def as_ingested(found: Holding) -> tuple[Path, os.stat_result]:
    """Where the file is, and its status. Raises NoFileError where there is none, or another one by now."""
    if found.path is None or found.sha256 is None:
        raise NoFileError(f"of {found.dp_id} only the header is known here, not the file")
    path = Path(found.path)
    try:
        status = path.stat()
    except OSError:
        status = None
    if status is None or status.st_size != found.size:
        raise NoFileError(
            f"the file of {found.dp_id} is no longer as it was ingested; its archive must ingest it again"
        )
    return path, status


def _file(found: Holding, known: str) -> Response:
    path, status = as_ingested(found)
    headers = {"Content-Disposition": f"attachment; filename={url_name(found.dp_id)}{found.suffix}"}
    if status.st_mtime_ns == found.mtime_ns:
        headers["ETag"] = f'"{found.sha256}"'
        if headers["ETag"] in known:
            return Response(status_code=304, headers=headers)
    return FileResponse(path, headers=headers, media_type="application/fits", stat_result=status)


def _night_log(connection: Connection, dp_id: str, user: User) -> Response:
    found = holding(connection, dp_id, user)
    text = night_log(connection, dp_id) or _listing(found, same_block(connection, found, user))
    headers = {"Content-Disposition": f"attachment; filename={url_name(dp_id)}.NL.txt"}
    return PlainTextResponse(text, headers=headers)


def _listing(found: Holding, frames: list[tuple[str, Mapping[str, Value]]]) -> str:
    """What the index can say where no night log was ingested; it says so, and gives no grade."""
    if not frames:
        raise UnknownFrameError(f"{found.dp_id}{NIGHT_LOG}")
    own = next((header for dp_id, header in frames if dp_id == found.dp_id), {})
    lines = [
        "Not a night log of the observatory: none was ingested for this frame.",
        "From the headers in the index: the frames of the same observation block and night.",
        "Nothing is known of comments, weather or quality.",
        _RULE,
        "",
        f"OB:         {own.get('OBS.ID', '')}",
        f"Instrument: {own.get('INSTRUME', '')}",
        f"Name:       {own.get('OBS.NAME', '')}",
        f"Target:     {own.get('OBS.TARG.NAME', '')}",
        f"Run:        {own.get('OBS.PROG.ID', '')}",
        _RULE,
        "",
        "\t".join(("Original Filename", "Archive Filename", *_COLUMNS[2:])),
    ]
    for dp_id, header in frames:
        values = (dp_id if name == "" else header.get(name, "") for name in _COLUMNS)
        lines.append("\t".join(map(str, values)))
    return "".join(f"{_printable(line)}\n" for line in lines)


def _printable(line: str) -> str:
    return "\t".join(map(one_line, line.split("\t")))
