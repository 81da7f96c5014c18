"""What no job holds any more is forgotten by the workers; its products are found again by content."""

from __future__ import annotations

import pytest

from app.archive import jobs
from tests.jobs.conftest import SCIENCE, Site, until

pytestmark = pytest.mark.slow


def test_old_runs_of_destroyed_jobs_go_and_their_products_are_not_made_twice(site: Site) -> None:
    first = site.worker()
    job = site.submit(dp_id=SCIENCE)
    assert site.ended(job).phase == "COMPLETED"
    entries = site.entries()
    first.terminate()
    first.wait()
    with site.index.connection() as connection:
        jobs.destroy(connection, job)
        connection.execute("UPDATE run SET ended = now() - interval '40 days'")
    site.worker()  # looks at once, and then every hour

    def left() -> int:
        with site.index.connection() as connection:
            rows = connection.execute("SELECT count(*) FROM run").fetchone()
        return int(rows[0]) if rows else 0

    until(lambda: left() == 0, "the runs are forgotten")
    again = site.submit(dp_id=SCIENCE)
    assert site.ended(again).phase == "COMPLETED"
    assert {run.reused for each in site.runs(again).values() for run in each} == {True}
    assert site.entries() == entries
    site.assert_whole(again)
