"""Which science frames have another answer than at a moment: what ESO's users must find by asking again."""

from __future__ import annotations

from typing import Any, Final, get_args

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.archive import changelist
from app.archive.changes import MOST_COMPARED, MOST_UNDONE, changes
from app.archive.index import Index
from app.tree import Mode
from app.web.listing import FORMAT, Given, Reader, as_csv, as_json, onwards, parameter

PATH: Final = "/calselector/v1/changes"
_MODES: Final[tuple[Mode, ...]] = get_args(Mode)

_EXAMPLE: Final = {
    "since": "2026-11-22T08:00:00Z",
    "until": "2026-11-23T08:00:00Z",
    "revisions": [41, 57],
    "modes": ["Raw2Raw", "Raw2Master"],
    "compared": 12,
    "truncated": False,
    "next": None,
    "changes": [
        {
            "dp_id": "UVES.2012-03-12T04:49:17.000",
            "asked": "Raw2Raw",
            "complete": [True, True],
            "certified": [False, True],
            "mode": ["Raw2Raw", "Raw2Raw"],
            "slots": [
                {
                    "path": "MASTER_FLAT_BLUE/MASTER_BIAS_BLUE",
                    "what": ["chosen"],
                    "before": [{"dp_id": "UVES.2012-03-13T10:00:00.000", "files": 5, "certified": False}],
                    "after": [{"dp_id": "UVES.2012-03-12T10:00:00.000", "files": 5, "certified": True}],
                }
            ],
            "causes": [
                {
                    "at": "2026-11-22T19:12:03.511Z",
                    "what": "ingested",
                    "subject": "UVES.2012-03-12T10:00:00.000",
                    "reason": "",
                }
            ],
            "moreCauses": 0,
        }
    ],
}
_DESCRIPTION: Final = f"""The science frames whose best answer has changed since a moment, with what each
slot held before and holds now, and what happened to the frames that make the difference.

Pairs are [before, after]. Both modes are compared unless `mode` says which: `asked` is the one that is told
of; where Raw2Raw answered for Raw2Master before and does now, it is told once.

`until` is the `since` of the next question. A frame that is new since then is not listed: it had no answer.
At most `limit` frames are compared at a time: where there are more, `truncated` is true, `next` is the
`after` of the request for the rest, and a `Link` header leads there.

The answer as it was is computed by undoing what has happened since, for at most {MOST_UNDONE} frames."""
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The changed ones, by dp_id; in CSV a row for each slot.",
        "content": {
            "application/json": {"example": _EXAMPLE},
            "text/csv": {"example": ",".join(changelist.COLUMNS)},
        },
        "headers": {"Link": {"description": "the rest, where it is cut", "schema": {"type": "string"}}},
    },
    400: {"description": "Parameters that make no sense, or too much to be undone."},
    406: {"description": "Neither JSON nor CSV is accepted."},
}
_PARAMETERS: Final = [
    parameter(
        "since",
        "an ISO time, UTC without a zone",
        _EXAMPLE["since"],
        required=True,
        type="string",
        format="date-time",
    ),
    parameter("instrument", "of this instrument only: the name of its rules, or INSTRUME", "uves"),
    parameter("mode", "the answer to this mode only", "Raw2Raw", type="string", enum=list(_MODES)),
    parameter("after", "compare frames behind this dp_id only"),
    parameter(
        "limit",
        "compare so many frames",
        100,
        type="integer",
        minimum=1,
        maximum=MOST_COMPARED,
        default=MOST_COMPARED,
    ),
    FORMAT,
]


def router() -> APIRouter:
    """The route /calselector/v1/changes."""
    routes = APIRouter(tags=["Associations"], default_response_class=Response)

    @routes.get(
        PATH,
        summary="What has changed",
        description=_DESCRIPTION,
        responses=_RESPONSES,
        openapi_extra={"parameters": _PARAMETERS},
    )
    def changed(request: Request, given: Given) -> Response:
        reader = Reader(given)
        form = reader.form(request)
        since, instrument = reader.moment("since"), reader.text("instrument")
        mode = reader.word("mode", _MODES)
        after, limit = reader.text("after"), reader.number("limit", MOST_COMPARED, MOST_COMPARED)
        if "since" not in given:
            reader.faults.append(
                "since is missing: the time of the last answer, such as 2024-03-01T12:00:00Z"
            )
        reader.end()
        assert since is not None
        index: Index = request.app.state.index
        found = changes(
            index,
            since,
            mode=next((each for each in _MODES if each == mode), None),
            instrument=instrument,
            after=after or "",
            limit=limit,
        )
        headers = {"Cache-Control": "no-store"}
        if found.next is not None:
            headers |= onwards(request, given, after=found.next)
        if form == "csv":
            return as_csv(changelist.COLUMNS, changelist.rows(found), headers)
        return as_json(changelist.describe(found), 200, headers)

    return routes
