"""What the OpenAPI page says of the association endpoint."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, get_args

import orjson
from fastapi import FastAPI

from app.associate.wish import Preference
from app.errors import UnknownFrameError
from app.formats import FORMATS, Links
from app.formats.links import ASSOCIATIONS
from app.forms import LARGEST
from app.level import HIGHEST, LOWEST
from app.tree import Mode
from app.web.asked import MOST, MOST_REWRITTEN
from app.web.example import DP_ID, example
from app.web.wishes import LONGEST, MOST_ALTERNATIVES, MOST_EXCLUDED

Json: TypeAlias = dict[str, Any]

PATH: Final = ASSOCIATIONS

DESCRIPTION: Final = f"""The calibration cascade of each science frame.

The format is `responseformat` where given, else what the `Accept` header likes best, else XML. Names of
parameters ignore case, as do modes and formats. A dp_id that is named twice is answered once; at most
{MOST} are answered per request. The executed mode is in the answer: where masters are missing,
Raw2Master is answered by the raw cascade, as CalSelector does.

| format | one dp_id | several |
|---|---|---|
| `xml` | CalSelector's tree | `multipart/form-data`, one part per tree, as CalSelector sends it |
| `json` | the tree with the reason of every choice | an array of trees |
| `sof` | the set of frames of every recipe run, in running order | one section per dp_id |
| `script` | a bash script that downloads all with curl, and holds the tree | one script, each file once |
| `votable` | CalSelector's DataLink table | one table; `ID` says which dp_id a row belongs to |
| `csv` | a row per file: category, role, size, address, parent, certified … | one table, each file once |

A frame of a type that no rule covers has an ordinary answer, whose message says so. Of several dp_ids, one
that is not in the archive has an answer of its own: a tree without files whose message says so, in VOTable a
row with `error_message`, in csv a row of role `unknown`, in the script a missing file. Where none is in the
archive, the status is 404.

`explain`, `alternatives`, `max_age`, `min_level`, `exclude`, `prefer` and `as_of` are beyond CalSelector.
Without them the XML and the VOTable are CalSelector's own, whose messages are nearly always empty; with one
of them, messages tell the reasons. With `exclude` or `as_of` at most {MOST_REWRITTEN} dp_ids are answered per
request.

`ETag` changes when the archive, its rulebooks or the question do. A GET with that tag in `If-None-Match` is
answered by 304, at the cost of one query."""

_DP_ID: Final[Json] = {
    "type": "array",
    "items": {"type": "string", "minLength": 1},
    "minItems": 1,
    "maxItems": MOST,
    "description": "the science frame; repeat the parameter for several",
}
_MODE: Final[Json] = {
    "type": "string",
    "enum": list(get_args(Mode)),
    "default": "Raw2Raw",
    "description": "raw calibrations with all that these need, or masters where there are such",
}
_FORMAT: Final[Json] = {
    "type": "string",
    "enum": list(FORMATS),
    "description": "overrides the Accept header",
}
_WISHES: Final[Json] = {
    "explain": {
        "type": "boolean",
        "description": "tell why each calibration was chosen, and what was refused by which clause: in the "
        "messages of XML and VOTable, and in JSON, which leaves the counts out only where this is false",
    },
    "alternatives": {
        "type": "integer",
        "minimum": 0,
        "maximum": MOST_ALTERNATIVES,
        "default": 0,
        "description": "tell so many next best candidates for each slot",
    },
    "max_age": {
        "type": "number",
        "exclusiveMinimum": 0,
        "description": "refuse calibrations taken more than so many days before or after what they calibrate",
    },
    "min_level": {
        "type": "integer",
        "minimum": LOWEST,
        "maximum": HIGHEST,
        "description": "refuse calibrations of a worse level: 0 takes what is inside the calibration plan, "
        "-1 what is inside a stricter window of the rule, 1 also what is outside the plan, 2 and 3 what is "
        "outside of wider windows, too. Rules without a plan (match N/A) have no level and refuse nothing",
    },
    "exclude": {
        "type": "array",
        "items": {"type": "string", "minLength": 1, "maxLength": LONGEST},
        "maxItems": MOST_EXCLUDED,
        "description": "answer as if this frame were hidden; repeat the parameter for several",
    },
    "prefer": {
        "type": "string",
        "enum": list(get_args(Preference)),
        "description": "slot by slot, take masters or raw groups first, and the others where there is none",
    },
    "as_of": {
        "type": "string",
        "format": "date-time",
        "description": "answer as this service would have answered then: an ISO time, UTC without a zone",
    },
}
_FIELDS: Final = {"dp_id": _DP_ID, "mode": _MODE, "responseformat": _FORMAT, **_WISHES}
_EXAMPLES: Final[Json] = {
    "dp_id": [DP_ID],
    "mode": "Raw2Raw",
    "responseformat": "json",
    "explain": True,
    "alternatives": 3,
    "max_age": 2.5,
    "min_level": 1,
    "exclude": ["UVES.2012-03-12T10:00:00.000"],
    "prefer": "master",
    "as_of": "2024-03-01T12:00:00Z",
}
# What the page sends when somebody tries it: a wish that empties the answer would surprise.
_FORM: Final[Json] = {name: _EXAMPLES[name] for name in ("dp_id", "mode", "responseformat")}

NOT_MODIFIED: Final[dict[int | str, Json]] = {
    304: {"description": "The answer with the tag of If-None-Match still holds."}
}


def parameters() -> list[Json]:
    """The query of a GET."""
    return [
        {
            "name": name,
            "in": "query",
            "required": name == "dp_id",
            "description": schema["description"],
            "schema": schema,
            "example": _EXAMPLES[name],
        }
        for name, schema in _FIELDS.items()
    ] + [
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "the ETag of an answer at hand",
            "schema": {"type": "string"},
            "example": '"5a1e0f0c2d3b4a69788796a5b4c3d2e1"',
        }
    ]


def form() -> Json:
    """The form of a POST."""
    schema = {"type": "object", "required": ["dp_id"], "properties": _FIELDS}
    content = {"schema": schema, "example": _FORM}
    kinds = ("application/x-www-form-urlencoded", "multipart/form-data")
    return {"required": True, "content": dict.fromkeys(kinds, content)}


def responses(links: Links) -> dict[int | str, Json]:
    """The answers with examples, and every error."""
    tree = example()
    content: Json = {}
    for each in FORMATS.values():
        text = each.write(tree, links)
        shown = orjson.loads(text) if each.name == "json" else text.decode()
        content[each.media_type.partition(";")[0]] = {"example": shown}
    content["multipart/form-data"] = {"schema": {"type": "string", "description": "several XML trees"}}
    named = {
        "description": "suggests a file name, such as `<dp_id>_raw2raw.xml`",
        "schema": {"type": "string"},
    }
    tag = {
        "description": "changes with the archive, its rulebooks and the question; of a GET only",
        "schema": {"type": "string"},
    }
    headers = {"Content-Disposition": named, "ETag": tag}
    return {
        200: {"description": "The trees.", "content": content, "headers": headers},
        400: _error(
            "A parameter that makes no sense.",
            "RequestError",
            "there is no mode 'raw2cooked'; mode is one of Raw2Raw, Raw2Master",
        ),
        401: _error(
            "The reasons of a choice quote the science frame's header: of a proprietary frame they are for "
            "its owners. Or a token was sent that is not good.",
            "LoginError",
            "UVES.X is proprietary, …; log in and send the token as 'Authorization: Bearer <token>'",
        ),
        403: _error(
            "The same, where the user is known.",
            "ForbiddenError",
            "UVES.X is proprietary, …, and belongs to …",
        ),
        404: _error(
            "None of the dp_ids is in the archive.", "UnknownFrameError", str(UnknownFrameError("UVES.X"))
        ),
        406: _error(
            "No format that the client accepts.",
            "NotAcceptableError",
            "nothing here is written as 'image/png' …",
        ),
        413: _error(
            f"More than {MOST} dp_ids, or a form of more than {LARGEST} bytes.",
            "TooLargeError",
            f"{MOST + 1} dp_ids are asked for; …",
        ),
        503: _error(
            "No database.", "DatabaseError", "the database does not answer at present; try again later"
        ),
    }


def _refusal(description: str, text: str) -> Json:
    return {"description": description, "content": {"text/plain": {"example": f"{text}\n"}}}


_EVERYWHERE: Final[Json] = {
    "408": _refusal("The request did not arrive in time.", "the request did not arrive in time"),
    "414": _refusal("The address is too long.", "the address has 75055 bytes, the most is 65535; …"),
    "431": _refusal("The headers are too long.", "the headers have more than 65536 bytes"),
    "503": _refusal(
        "Too busy, or no database. `Retry-After` says when to ask again, where that is known.",
        "the database does not answer at present; try again later",
    ),
}


def complete(app: FastAPI) -> None:
    """Add to FastAPI's page what it cannot know or would leave out.

    The JSON example is shown whole (FastAPI drops every null), and each operation tells of what the server
    refuses before the application hears of it. FastAPI promises 422 wherever a path has a parameter; where
    every text is one, none is refused.
    """
    generate = app.openapi

    def openapi() -> Json:
        schema = generate()
        for operations in schema["paths"].values():
            for operation in operations.values():
                operation["responses"] = _EVERYWHERE | operation["responses"]
                given = [each for each in operation.get("parameters", []) if each["in"] == "path"]
                if not any("enum" in each["schema"] for each in given):
                    operation["responses"].pop("422", None)
        for operation in schema["paths"][PATH].values():
            content = operation["responses"]["200"]["content"]["application/json"]
            content["example"] = orjson.loads(FORMATS["json"].write(example()))
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's manual does it ("Extending OpenAPI")


def _error(description: str, kind: str, text: str) -> Json:
    schema = {
        "type": "object",
        "required": ["error", "type"],
        "properties": {
            "error": {"type": "string", "description": "what is wrong, where, and how to mend it"},
            "type": {"type": "string", "description": "the class of the error, for programs"},
        },
    }
    return {
        "description": f"{description} In JSON where JSON is asked for, else as plain text.",
        "content": {
            "application/json": {"schema": schema, "example": {"error": text, "type": kind}},
            "text/plain": {"example": f"{text}\n"},
        },
    }
