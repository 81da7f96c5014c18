"""Who said what of frames: certified, rejected, hidden, shown; and saying so, which takes a role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias, get_args

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from app.archive.files import demand_readable
from app.archive.index import Index
from app.archive.quality import Judged, Verdict, judge, verdicts
from app.errors import RequestError
from app.forms import TooLargeError
from app.rights import demand_role, utc_text
from app.web.listing import FORMAT, Given, Reader, as_csv, as_json, parameter
from app.web.rights import Asker

PATH: Final = "/certifications"
MOST: Final = 10_000  # frames of one request
_LONGEST_REASON: Final = 2_000
_VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
# What takes something away from others needs a reason.
_REASONED: Final = ("rejected", "hidden")

_EVENT: Final = {
    "dp_id": "r.UVES.2012-03-14T10:20:04.534_MASTER_BIAS_BLUE_08a46e9d",
    "verdict": "rejected",
    "who": "ann",
    "reason": "read-out noise twice the usual",
    "was": True,
    "at": "2026-11-23T08:00:00.000Z",
}
_COLUMNS: Final = tuple(_EVENT)
_JSON: Final = {"application/json": {"example": [_EVENT]}}
_HISTORY: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Every verdict in order; `was` is the flag before it: certified, or hidden.",
        "content": {**_JSON, "text/csv": {"example": ",".join(_COLUMNS)}},
    },
    400: {"description": "No dp_id, or parameters that make no sense."},
    401: {"description": "A frame is proprietary, or a token is not good."},
    403: {"description": "A frame is proprietary and belongs to a programme of others."},
    404: {"description": "One of them is not in the archive."},
    406: {"description": "Neither JSON nor CSV is accepted."},
}
_SAID: Final[dict[int | str, dict[str, Any]]] = {
    201: {"description": "What has been written down.", "content": _JSON},
    400: {"description": "Everything that is wrong with the request; nothing has changed."},
    401: {"description": "No token, or one that is not good."},
    403: {"description": "The token does not name the role."},
    404: {"description": "A dp_id is not in the archive; nothing has changed."},
    413: {"description": f"More than {MOST} frames, or too many bytes."},
}
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["dp_ids", "verdict"],
    "additionalProperties": False,
    "properties": {
        "dp_ids": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
        "verdict": {"type": "string", "enum": list(_VERDICTS)},
        "reason": {"type": "string", "maxLength": _LONGEST_REASON, "description": "to reject and to hide"},
    },
}
_BODY: Final = {
    "required": True,
    "content": {
        "application/json": {
            "schema": _SCHEMA,
            "example": {"dp_ids": [_EVENT["dp_id"]], "verdict": "rejected", "reason": _EVENT["reason"]},
        }
    },
}


async def _body(request: Request) -> bytes:
    return await request.body()


Body: TypeAlias = Annotated[bytes, Depends(_body)]


def router(role: str) -> APIRouter:
    """The routes; `role` is what a token must name to certify."""
    routes = APIRouter(tags=["Quality"], default_response_class=Response)

    @routes.get(
        PATH,
        summary="What was said of frames",
        responses=_HISTORY,
        openapi_extra={
            "parameters": [
                parameter(
                    "dp_id",
                    "the frame; repeat it for several",
                    [_EVENT["dp_id"]],
                    required=True,
                    type="array",
                    items={"type": "string"},
                ),
                FORMAT,
            ]
        },
    )
    def history(request: Request, given: Given, user: Asker) -> Response:
        """The history of certifications: who, when, why."""
        reader = Reader(given)
        dp_ids, form = reader.many("dp_id"), reader.form(request)
        if not dp_ids:
            reader.faults.append("no dp_id is given")
        reader.end()
        index: Index = request.app.state.index
        with index.connection() as connection:
            demand_readable(connection, dp_ids, user)
            found = [_told(each) for each in verdicts(connection, dp_ids)]
        if form == "csv":
            return as_csv(_COLUMNS, (tuple(each.values()) for each in found))
        return as_json(found)

    @routes.post(
        PATH,
        summary="Certify, reject, hide or show frames",
        status_code=201,
        responses=_SAID,
        openapi_extra={"requestBody": _BODY},
    )
    def say(request: Request, body: Body, user: Asker) -> Response:
        """All or nothing. Who says so is the subject of the token."""
        demand_role(user, role, "certify")
        dp_ids, verdict, reason = _read(body)
        index: Index = request.app.state.index
        with index.writing() as (connection, books):
            judge(connection, books, dp_ids, verdict, user.name, reason)
            last = {each.dp_id: each for each in verdicts(connection, dp_ids)}
        return as_json([_told(last[dp_id]) for dp_id in dp_ids], 201)

    return routes


def _read(body: bytes) -> tuple[list[str], Verdict, str]:
    """dp_ids, verdict and reason. Raises RequestError with everything that is wrong."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is no JSON: {error}") from None
    if not isinstance(given, dict):
        raise RequestError(f"the body is no JSON object with {', '.join(_SCHEMA['properties'])}")
    faults: list[str] = []
    if unknown := sorted(given.keys() - _SCHEMA["properties"].keys()):
        faults.append(f"there is no {', '.join(unknown)[:200]}; there are {', '.join(_SCHEMA['properties'])}")
    dp_ids = _dp_ids(given, faults)
    verdict = next((each for each in _VERDICTS if each == given.get("verdict")), None)
    if verdict is None:
        faults.append(f"verdict is one of {', '.join(_VERDICTS)}")
    reason = given.get("reason", "")
    if not isinstance(reason, str) or len(reason) > _LONGEST_REASON or "\0" in reason:
        faults.append(f"reason is a text of at most {_LONGEST_REASON} characters")
    elif verdict in _REASONED and not reason.strip():
        faults.append(f"a frame is {verdict} for a reason; say which in reason")
    if faults or verdict is None:
        raise RequestError("; ".join(faults))
    return dp_ids, verdict, reason.strip()


def _dp_ids(given: Mapping[str, object], faults: list[str]) -> list[str]:
    named = given.get("dp_ids")
    if not isinstance(named, list) or not named or not all(isinstance(each, str) for each in named):
        faults.append("dp_ids is a list of texts, with one at least")
        return []
    if len(named) > MOST:
        raise TooLargeError(f"{len(named)} dp_ids are given, at most {MOST} at a time; send several requests")
    if not all(each.isprintable() for each in named):
        faults.append("a dp_id has printable characters only")
    return list(dict.fromkeys(named))


def _told(each: Judged) -> dict[str, object]:
    return {
        "dp_id": each.dp_id,
        "verdict": each.verdict,
        "who": each.who,
        "reason": each.reason,
        "was": each.was,
        "at": utc_text(each.at),
    }
