"""pyvo, whose jobs are TAP's: a query is one more parameter, everything else is UWS."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pyvo
from pyvo.dal.tap import AsyncTAPJob

Site = Any  # tests/vo/uws/conftest.py


def follow(site: Site, job: str) -> AsyncTAPJob:
    return AsyncTAPJob(f"{site.client.base_url}{job}")


def test_pyvo_runs_a_job_waits_for_its_end_and_finds_its_results(site: Site) -> None:
    job = site.create()
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    with follow(site, job) as seen:
        assert (seen.phase, seen.owner, seen.uws_version) == ("PENDING", None, "1.1")
        assert seen.job_id == job.rpartition("/")[2]
        seen.execution_duration = 100
        seen.destruction = later
        assert seen.execution_duration.sec == 100
        assert seen.destruction == later
        seen.run()
        assert seen.phase == "QUEUED"
        with ThreadPoolExecutor() as aside:
            aside.submit(site.work, job)
            seen.wait(timeout=60)
        assert seen.phase == "COMPLETED"
        seen.raise_if_error()
        assert seen.result_uris == [each.href for each in seen.results]
        assert seen.result_uris[0].endswith(".COADDED_IMG")
    assert site.client.get(job).status_code == 404


def test_pyvo_aborts_a_job_and_tells_what_cannot_be_done(site: Site) -> None:
    seen = follow(site, site.create(PHASE="RUN"))
    seen.abort()
    assert seen.phase == "ABORTED"
    with pytest.raises(pyvo.DALServiceError, match="is ABORTED; only a PENDING one can be run"):
        seen.run()
    with pytest.raises(pyvo.DALQueryError, match="aborted on request"):
        seen.raise_if_error()
    seen.delete()
    with pytest.raises(pyvo.DALServiceError, match="there is no job"):
        follow(site, f"/jobs/{seen.job_id}")
