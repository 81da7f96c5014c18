"""What products measured of themselves, with scores, for the portals of quality control."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.archive.files import demand_readable, holdings
from app.archive.finding import Connection
from app.archive.index import Index
from app.archive.qc import Measured, measured, scores
from app.rights import User, allowed, utc_text
from app.rulebook.thresholds import load_standards
from app.web.listing import FORMAT, Given, Reader, as_csv, as_json, parameter
from app.web.rights import Asker

PATH: Final = "/qc"
MOST: Final = 10_000
_USUAL: Final = 1_000
_MJD_ZERO: Final = datetime(1858, 11, 17, tzinfo=UTC)

_EXAMPLE: Final = {
    "dp_id": "r.UVES.2012-03-14T10:20:04.534_MASTER_BIAS_BLUE_08a46e9d",
    "instrume": "UVES",
    "category": "MASTER_BIAS_BLUE",
    "parameter": "QC.OUT1.RON.RAW",
    "value": 2.2193,
    "unit": "ADU",
    "mjd": 56000.4306080324,
    "recorded": "2026-11-23T08:00:00.000Z",
    "certified": False,
    "hidden": False,
    "score": "good",
    "reason": "",
    "good_low": 1.0,
    "good_high": 5.0,
    "usable_low": 0.5,
    "usable_high": 10.0,
    "median": 2.21,
    "mad": 0.02,
    "past": 30,
}
COLUMNS: Final = tuple(_EXAMPLE)
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The newest numbers in time order. `score` is good, warning, bad, or unscored; `mjd` "
        "is the product's MJD-OBS; `median` and `mad` are of the `past` certified products of its set-up "
        "before it. `truncated` says that there are older ones. Infinite limits are null in JSON.",
        "content": {
            "application/json": {"example": {"truncated": False, "values": [_EXAMPLE]}},
            "text/csv": {"example": ",".join(COLUMNS)},
        },
        "headers": {"Truncated": {"description": "true: there are older ones", "schema": {"type": "string"}}},
    },
    400: {"description": "Parameters that make no sense."},
    401: {"description": "A product named by dp_id is proprietary, or a token is not good."},
    403: {"description": "A product named by dp_id is proprietary and belongs to a programme of others."},
    404: {"description": "A product named by dp_id is not in the archive."},
    406: {"description": "Neither JSON nor CSV is accepted."},
}
_TIME: Final = {"type": "string", "format": "date-time"}
_PARAMETERS: Final = [
    parameter("dp_id", "all numbers of this product, those that are missing too", _EXAMPLE["dp_id"]),
    parameter("instrument", "the name of an instrument's rules, or INSTRUME", "uves"),
    parameter("category", "PRO.CATG", "MASTER_BIAS_BLUE"),
    parameter("parameter", "its name; QC. may be left out", "QC.OUT1.RON.RAW"),
    parameter(
        "since", "products observed then or later; UTC without a zone", "2012-03-01T00:00:00Z", **_TIME
    ),
    parameter("until", "products observed before", "2012-04-01T00:00:00Z", **_TIME),
    parameter("limit", "the newest so many", 100, type="integer", minimum=1, maximum=MOST, default=_USUAL),
    FORMAT,
]


def router(rules: Path) -> APIRouter:
    """The route /qc; the thresholds are those of the rules folder as it is when it is asked."""
    routes = APIRouter(tags=["Quality"], default_response_class=Response)

    @routes.get(PATH, summary="Numbers of quality control", responses=_RESPONSES,
                openapi_extra={"parameters": _PARAMETERS})  # fmt: skip
    def qc(request: Request, given: Given, user: Asker) -> Response:
        """What products measured of themselves, over time, each number with its score."""
        reader = Reader(given)
        form, dp_id, instrument = reader.form(request), reader.text("dp_id"), reader.text("instrument")
        category, name = reader.text("category"), reader.text("parameter")
        since, until = _mjd(reader.moment("since")), _mjd(reader.moment("until"))
        limit = reader.number("limit", _USUAL, MOST)
        reader.end()
        index: Index = request.app.state.index
        with index.connection() as connection:
            library = index.rules(connection).library
            standards = load_standards(rules, library)
            if dp_id is not None:
                demand_readable(connection, [dp_id], user)
                found = scores(connection, standards, dp_id)
            else:
                found = measured(
                    connection,
                    standards,
                    instrumes=None if instrument is None else library.instrumes(instrument),
                    category=category,
                    parameter=name,
                    since=since,
                    until=until,
                    limit=limit + 1,
                )
            truncated = dp_id is None and len(found) > limit
            found = list(_readable(connection, found[-limit:] if truncated else found, user))
        values = [row(each) for each in found]
        headers = {"Truncated": str(truncated).lower(), "Cache-Control": "no-store"}
        if form == "csv":
            return as_csv(COLUMNS, (tuple(each.values()) for each in values), headers)
        return as_json({"truncated": truncated, "values": values}, 200, headers)

    return routes


def row(each: Measured) -> dict[str, object]:
    """A number as JSON and CSV tell it."""
    threshold, score = each.threshold, each.score
    good = threshold.good if threshold and threshold.good else (None, None)
    usable = threshold.usable if threshold and threshold.usable else good
    return {
        "dp_id": each.dp_id,
        "instrume": each.instrume,
        "category": each.category,
        "parameter": each.parameter,
        "value": each.value,
        "unit": each.unit,
        "mjd": each.mjd,
        "recorded": each.recorded and utc_text(each.recorded),
        "certified": each.certified,
        "hidden": each.hidden,
        "score": score.grade,
        "reason": score.reason,
        "good_low": good[0],
        "good_high": good[1],
        "usable_low": usable[0],
        "usable_high": usable[1],
        "median": score.median,
        "mad": score.mad,
        "past": score.past,
    }


def _readable(connection: Connection, found: list[Measured], user: User) -> Iterable[Measured]:
    """Without the products of science that this user may not read: a number is a part of a header."""
    held = holdings(connection, {each.dp_id for each in found})
    now = datetime.now(UTC)
    locked = {dp_id for dp_id, each in held.items() if each.lock and not allowed(each.lock, user, now)}
    return (each for each in found if each.dp_id not in locked)


def _mjd(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - _MJD_ZERO).total_seconds() / 86400
