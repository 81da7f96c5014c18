"""What the OpenAPI page says of the association endpoint."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, get_args

import orjson
from fastapi import FastAPI

from app.errors import UnknownFrameError
from app.formats import FORMATS, script
from app.tree import Mode
from app.web.asked import MOST
from app.web.example import DP_ID, example

Json: TypeAlias = dict[str, Any]

PATH: Final = "/calselector/v1/associations"

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
| `script` | a bash script that downloads everything with curl | one script, each file once |

A frame of a type that no rule covers has an ordinary answer, whose message says so."""

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
_FIELDS: Final = {"dp_id": _DP_ID, "mode": _MODE, "responseformat": _FORMAT}
_EXAMPLES: Final[Json] = {"dp_id": [DP_ID], "mode": "Raw2Raw", "responseformat": "json"}


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
    ]


def form() -> Json:
    """The form of a POST."""
    schema = {"type": "object", "required": ["dp_id"], "properties": _FIELDS}
    content = {"schema": schema, "example": _EXAMPLES}
    kinds = ("application/x-www-form-urlencoded", "multipart/form-data")
    return {"required": True, "content": dict.fromkeys(kinds, content)}


def responses(files_url: str) -> dict[int | str, Json]:
    """The answers with examples, and every error."""
    tree = example()
    content: Json = {}
    for each in FORMATS.values():
        text = script.write(tree, files_url) if each.name == "script" else each.write(tree)
        shown = orjson.loads(text) if each.name == "json" else text.decode()
        content[each.media_type.partition(";")[0]] = {"example": shown}
    content["multipart/form-data"] = {"schema": {"type": "string", "description": "several XML trees"}}
    named = {
        "description": "suggests a file name, such as `<dp_id>_raw2raw.xml`",
        "schema": {"type": "string"},
    }
    return {
        200: {"description": "The trees.", "content": content, "headers": {"Content-Disposition": named}},
        400: _error(
            "A parameter that makes no sense.",
            "RequestError",
            "there is no mode 'raw2cooked'; mode is one of Raw2Raw, Raw2Master",
        ),
        404: _error(
            "A dp_id that is not in the archive.", "UnknownFrameError", str(UnknownFrameError("UVES.X"))
        ),
        406: _error(
            "No format that the client accepts.",
            "NotAcceptableError",
            "nothing here is written as 'image/png' …",
        ),
        413: _error(f"More than {MOST} dp_ids.", "TooLargeError", f"{MOST + 1} dp_ids are asked for; …"),
        503: _error(
            "No database.", "DatabaseError", "the database does not answer at present; try again later"
        ),
    }


def keep_nulls(app: FastAPI) -> None:
    """Show the JSON example whole: FastAPI leaves every null out of what it is given, but they are told."""
    generate = app.openapi

    def openapi() -> Json:
        schema = generate()
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
