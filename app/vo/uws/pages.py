"""What the OpenAPI page says of jobs: parameters, examples, answers."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

Answers: TypeAlias = dict[int | str, dict[str, Any]]


_TEXT: Final = {"text/plain": {"schema": {"type": "string"}}, "application/json": {}}
_ERRORS: Final[Answers] = {
    400: {"description": "Something is wrong with the request; each fault has a line.", "content": _TEXT},
    401: {"description": "The job or a frame belongs to somebody: log in.", "content": _TEXT},
    403: {"description": "The job or a frame belongs to somebody else.", "content": _TEXT},
    503: {"description": "The database does not answer.", "content": _TEXT},
}
_UNKNOWN: Final[Answers] = {404: {"description": "There is no such job, or part of it.", "content": _TEXT}}
_PHASE: Final[Answers] = {409: {"description": "The job's phase does not allow it.", "content": _TEXT}}
_LARGE: Final[Answers] = {413: {"description": "The form is too large.", "content": _TEXT}}
_XML: Final = {"text/xml": {"schema": {"type": "string"}}}
_BOTH: Final = {**_XML, "application/json": {"schema": {"type": "object"}}}

LIST: Final[Answers] = {200: {"description": "Your jobs, the newest first.", "content": _BOTH}, **_ERRORS}
CREATED: Final[Answers] = {303: {"description": "The job is at `Location`."}, **_ERRORS, **_LARGE}
JOB: Final[Answers] = {
    200: {
        "description": "The job; in JSON with all its tasks. What an archive science product lacks and why, "
        "and what was mended in it, is in the `report` of the task that packaged it, and in `messages`.",
        "content": _BOTH,
    },
    **_ERRORS,
    **_UNKNOWN,
}
CHANGED: Final[Answers] = {
    303: {"description": "Done; see `Location`."},
    **_ERRORS,
    **_UNKNOWN,
    **_PHASE,
    **_LARGE,
}
PART: Final[Answers] = {
    200: {"description": "The part, as text or XML.", "content": {**_XML, "text/plain": {}}},
    **_ERRORS,
    **_UNKNOWN,
}
EVENTS: Final[Answers] = {
    200: {
        "description": "Server-sent events: `task`, `log`, `progress`, and at last `end`.",
        "content": {"text/event-stream": {}},
    },
    **_ERRORS,
    **_UNKNOWN,
}


def _query(name: str, description: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": "string"},
        "example": example,
    }


_FORMAT: Final = _query("RESPONSEFORMAT", "`json`, or as Accept says; XML otherwise.", "json")
LISTING: Final = {
    "parameters": [
        _query("PHASE", "Only jobs in this phase; repeat it.", "EXECUTING"),
        _query("AFTER", "Only jobs created after this time (UTC).", "2026-11-23T00:00:00Z"),
        _query("LAST", "Only the newest so many.", "10"),
        _FORMAT,
    ]
}
WAITING: Final = {
    "parameters": [
        _query(
            "WAIT",
            "Answer only when the phase changes, or after so many seconds; -1: as long as allowed.",
            "60",
        ),
        _query("PHASE", "The phase that you know: wait only while it is this.", "EXECUTING"),
        _FORMAT,
    ]
}
FOLLOWING: Final = {
    "parameters": [
        {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The last event that you have: only later ones are sent.",
            "schema": {"type": "string"},
            "example": "12",
        }
    ]
}


def _form(properties: dict[str, tuple[str, Any]], required: tuple[str, ...] = ()) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            name: {"type": "array", "items": {"type": "string"}, "description": text, "example": example}
            if isinstance(example, list)
            else {"type": "string", "description": text, "example": example}
            for name, (text, example) in properties.items()
        },
        "additionalProperties": {"type": "string"},
        "required": list(required),
    }
    return {"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": schema}}}}


FORM: Final = _form(
    {
        "dp_id": ("The science frame; repeat it for several.", ["UVES.2012-03-14T03:00:04.659"]),
        "strategy": (
            "`desktop`: everything from raw. `archive`: from certified masters, raw where one is missing. "
            "`quicklook`: the last certified masters before. `qc1`: all calibrations of a period.",
            "desktop",
        ),
        "mode": ("`Raw2Raw` or `Raw2Master`, where no strategy is given.", "Raw2Raw"),
        "until": ("Only as far as this PRO.CATG.", "MASTER_FLAT_BLUE"),
        "min_level": ("Refuse calibrations of a worse level: 0 is the calibration plan.", "1"),
        "uves_obs_scired.reduce.extract.method": (
            "Any parameter of any recipe, as `<recipe>.<parameter>`.",
            "optimal",
        ),
        "instrument": ("With strategy `qc1`: the rulebook's name.", "uves"),
        "night": ("With strategy `qc1`: the date of the evening.", "2012-03-13"),
        "last_night": ("With strategy `qc1`: the last evening of a period.", "2012-03-15"),
        "action": (
            "Of a `dp_id` with strategy `qc1`: its OCA action, if it has several.",
            "ACTION_DARK",
        ),
        "priority": ("From -100 to 100; quicklook 30, desktop 20, archive 10, qc1 0 unless given.", "20"),
        "PHASE": ("`RUN` begins at once; without it the job is PENDING.", "RUN"),
        "RUNID": ("A name of your own for the job.", "thesis-1"),
        "EXECUTIONDURATION": ("Seconds after which the job is aborted; 0: never.", "7200"),
        "DESTRUCTION": ("When the job is forgotten (its products stay).", "2027-01-01T00:00:00Z"),
    }
)
ACTION: Final = _form({"ACTION": ("Only DELETE.", "DELETE")}, ("ACTION",))
CHANGES: Final = _form(
    {
        "PHASE": ("At …/phase: RUN or ABORT.", "RUN"),
        "DESTRUCTION": ("At …/destruction.", "2027-01-01T00:00:00Z"),
        "EXECUTIONDURATION": ("At …/executionduration, while the job is PENDING.", "7200"),
    }
)
