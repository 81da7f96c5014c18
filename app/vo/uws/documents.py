"""Jobs as the XML of UWS 1.1 (schema UWS 1.0), by the models of vo-models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic_xml import element
from vo_models.uws import (
    ErrorSummary,
    Jobs,
    JobSummary,
    Parameter,
    Parameters,
    ResultReference,
    Results,
    ShortJobDescription,
)
from vo_models.uws.types import ErrorType, ExecutionPhase
from vo_models.voresource.types import UTCTimestamp

from app.archive.jobs import ENDED, Job
from app.formats import Links
from app.jobs.view import View

MEDIA_TYPE: Final = "text/xml"
FITS: Final = "image/fits"


class _Given(Parameters, tag="parameters"):
    """Any parameters: their names are not known beforehand, as recipes declare them."""

    parameter: list[Parameter] = element(tag="parameter", default_factory=list)

    def __init__(self, **data: object) -> None:
        # The base class sorts parameters into fields of their names; there are none here.
        super(Parameters, self).__init__(**data)


def jobs(found: Sequence[Job], url: str) -> bytes:
    """The list of jobs at `url`."""
    refs = [
        ShortJobDescription(
            job_id=job.id,
            href=f"{url}/{job.id}",
            phase=ExecutionPhase(job.phase),
            run_id=job.run_id,
            owner_id=job.owner,
            creation_time=_time(job.created),
        )
        for job in found
    ]
    return _xml(Jobs(jobref=refs))


def job(seen: View, links: Links) -> bytes:
    """A whole job; its products are files of the service at `links`."""
    row = seen.job
    return _xml(
        JobSummary[_Given](
            job_id=row.id,
            run_id=row.run_id,
            owner_id=row.owner,
            phase=ExecutionPhase(row.phase),
            quote=_time(seen.quote),
            creation_time=_time(row.created),
            start_time=_time(row.started),
            end_time=_time(row.ended),
            execution_duration=row.execution_duration,
            destruction=_time(row.destruction),
            parameters=_given(row),
            results=_results(seen, links),
            error_summary=_error(row, seen.failures),
            job_info=None,
        )
    )


def _error(row: Job, failures: Sequence[str]) -> ErrorSummary | None:
    """What went wrong; of a job that is COMPLETED too, when it had to do without a calibration."""
    if row.phase not in ENDED or (row.phase == "COMPLETED" and not failures):
        return None
    told = failures[0] if failures else "see the error resource"
    if row.phase == "COMPLETED":
        told = f"the products are made without a calibration: {told}"
    return ErrorSummary(message=told, type=ErrorType.FATAL, has_detail=True)


def parameters(row: Job) -> bytes:
    """The parameters as they were given."""
    return _xml(_given(row))


def results(seen: View, links: Links) -> bytes:
    """The products, each by its dp_id."""
    return _xml(_results(seen, links))


def _given(row: Job) -> _Given:
    return _Given(
        parameter=[Parameter(id=name, value=v) for name, values in row.parameters.items() for v in values]
    )


def _results(seen: View, links: Links) -> Results:
    references = [
        ResultReference(
            id=product["dp_id"],
            href=links.file(product["dp_id"]),
            size=product["size"],
            mime_type=FITS,
        )
        for product in seen.results()
    ]
    return Results(results=references)


def _time(time: datetime | None) -> UTCTimestamp | None:
    return None if time is None else UTCTimestamp.fromisoformat(time.astimezone(UTC).isoformat())


def _xml(model: Jobs | JobSummary[_Given] | Results | _Given) -> bytes:
    # In a job, ownerId, startTime and endTime must be there, with xsi:nil where nothing is known; runId may
    # be left out, and has no nil (UWS 1.1, schema).
    whole = isinstance(model, JobSummary)
    document = model.to_xml(skip_empty=not whole, encoding="UTF-8", xml_declaration=True)
    assert isinstance(document, bytes)
    return document.replace(b"<uws:runId></uws:runId>", b"")
