"""What only time does to a job, done by the heart of a real worker."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from processing.esorex import Esorex, EsorexError
from tests.waiting import until

Site = Any  # tests/vo/uws/conftest.py
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture(autouse=True)
def esorex() -> None:
    try:
        Esorex.find()
    except EsorexError as error:
        pytest.skip(str(error))


def known(site: Site, numbers: list[str]) -> int:
    """How many of these jobs are there, whether their time has come or not."""
    with site.index.connection() as connection:
        (count,) = connection.execute("SELECT count(*) FROM job WHERE id = ANY(%s)", [numbers]).fetchone()
    return int(count)


def test_a_job_is_aborted_when_its_time_is_used_up_and_forgotten_when_it_is_due(
    site: Site, start_worker: Start
) -> None:
    short = site.create(PHASE="RUN", EXECUTIONDURATION="1")
    endless = site.create(PHASE="RUN", **{"naco_img_dark.hot_t": "20"})
    pending, due = (
        site.create(EXECUTIONDURATION="1"),
        site.create(PHASE="RUN", **{"naco_img_dark.hot_t": "21"}),
    )
    for job in (short, endless, due):
        site.plan(job)
    while claim := site.take(due):
        site.settle(claim)
    (made,) = [each["dp_id"] for each in site.json(due)["results"]][:1]
    start_worker("--queues", "nothing", "--heartbeat", "0.1", "--silence", "1")
    ended = site.client.get(
        short, params={"WAIT": "200", "PHASE": "EXECUTING", "responseformat": "json"}, timeout=240
    ).json()
    assert (ended["phase"], ended["errors"][0]) == ("ABORTED", "its execution duration is used up")
    assert site.text(endless, "phase") == "EXECUTING"
    numbers = [job.rpartition("/")[2] for job in (endless, due)]
    with site.index.connection() as connection:
        connection.execute("UPDATE job SET destruction = now() WHERE id = ANY(%s)", [numbers])
    until(lambda: not known(site, numbers), "the worker forgets them")
    assert [site.client.get(job).status_code for job in (endless, due)] == [404, 404]
    assert site.text(pending, "phase") == "PENDING"
    with site.index.connection() as connection:
        (kept,) = connection.execute(
            "SELECT count(*) FROM run WHERE products @> %s::jsonb", [f'[{{"dp_id": "{made}"}}]']
        ).fetchone()
    assert kept == 1
