"""What the pages of TAP say: examples, parameters, answers."""

# ruff: noqa: E501 - an example stands on a line

from __future__ import annotations

from typing import Any, Final
from xml.sax.saxutils import escape

from app.vo.asking import DEFAULT, HARD
from app.vo.dali import VOTABLE

EXAMPLES: Final = (
    ("Science frames of a run", "SELECT dp_id, exp_start, object FROM dbo.raw WHERE prog_id = '080.C-0881(C)' AND dp_cat = 'SCIENCE' ORDER BY exp_start"),
    ("Everything of an instrument in a night", "SELECT * FROM dbo.raw WHERE instrument = 'UVES' AND exp_start BETWEEN '2012-03-14T12:00:00' AND '2012-03-15T12:00:00'"),
    ("A cone around a position", "SELECT TOP 100 dp_id, ra, dec FROM dbo.raw WHERE INTERSECTS(s_region, CIRCLE('ICRS', 266.41683, -29.00781, 0.1)) = 1"),
    ("How many frames of each type", "SELECT dp_type, COUNT(*) AS n FROM ist.uves GROUP BY dp_type ORDER BY n DESC"),
    ("Columns of a table", "SELECT column_name, datatype, unit, description FROM TAP_SCHEMA.columns WHERE table_name = 'dbo.raw'"),
)  # fmt: skip
PARAMETERS: Final[dict[str, tuple[str, str]]] = {
    "QUERY": ("A query in ADQL.", EXAMPLES[0][1]),
    "LANG": ("ADQL, the only one.", "ADQL"),
    "REQUEST": ("doQuery, the only one.", "doQuery"),
    "MAXREC": (f"The most rows of the answer: {DEFAULT} unless given, {HARD} at most.", "100"),
    "FORMAT": ("votable, csv or json; RESPONSEFORMAT is the same.", "csv"),
}
DESCRIPTION: Final = (
    "Queries of `dbo.raw`, `ist.<instrument>`, `ivoa.ObsCore` and `TAP_SCHEMA` in a subset of ADQL: one SELECT "
    "with DISTINCT, TOP, JOIN, WHERE (comparisons, LIKE, IN, BETWEEN, IS NULL, CONTAINS and INTERSECTS with a "
    "CIRCLE), GROUP BY with COUNT, MIN, MAX, AVG and SUM, ORDER BY. What is not supported is refused by its name. "
    "Names of parameters ignore case. An answer that was cut off says OVERFLOW, also in the header X-Query-Status."
)
ERROR: Final = {VOTABLE: {"example": '<INFO name="QUERY_STATUS" value="ERROR">line 1, column 8: …</INFO>'}}
ANY_ERROR: Final[dict[int | str, dict[str, Any]]] = {
    503: {"description": "The database does not answer, or too many queries wait.", "content": ERROR},
}
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The rows.",
        "content": {
            VOTABLE: {"example": "<VOTABLE …"},
            "text/csv": {"example": "dp_id,object\r\nUVES.2012-03-12T04:49:17.000,HD 1\r\n"},
            "application/json": {"example": {"metadata": [{"name": "n"}], "data": [[3]], "overflow": False}},
        },
    },
    400: {
        "description": "A query that is not understood or takes too long; a VOTable tells why.",
        "content": ERROR,
    },
    413: {"description": "A query that is too long.", "content": ERROR},
    **ANY_ERROR,
}
XML: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "XML.", "content": {"text/xml": {}}},
    **ANY_ERROR,
}
XHTML: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "XHTML with RDFa.", "content": {"application/xhtml+xml": {}}}
}
NOT_HERE: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "A VOTable that says so.", "content": ERROR}
}
TABLE_NAME: Final = {
    "name": "name", "in": "path", "required": True, "schema": {"type": "string"}, "example": "dbo.raw"
}  # fmt: skip


def described() -> list[dict[str, Any]]:
    """The parameters of a GET, for OpenAPI."""
    return [
        {"name": name, "in": "query", "required": name == "QUERY", "description": text, "example": example,
         "schema": {"type": "string"}}
        for name, (text, example) in PARAMETERS.items()
    ]  # fmt: skip


def form() -> dict[str, Any]:
    """The fields of a POST, for OpenAPI."""
    fields = {
        name: {"type": "string", "description": text, "example": example}
        for name, (text, example) in PARAMETERS.items()
    }
    return {"type": "object", "properties": fields, "required": ["QUERY"]}


def examples() -> str:
    """The examples as DALI 1.1 §2.3 wants them: XHTML with RDFa, for programs and people."""
    each = "".join(
        f'<div typeof="example" id="example{n}" resource="#example{n}"><h2 property="name">{escape(name)}</h2>\n'
        f'<pre property="query">{escape(query)}</pre></div>\n'
        for n, (name, query) in enumerate(EXAMPLES, 1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<html xmlns="http://www.w3.org/1999/xhtml">\n'
        f'<head><title>Queries</title></head>\n<body vocab="http://www.ivoa.net/rdf/examples#">\n{each}</body></html>\n'
    )
