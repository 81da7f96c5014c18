from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pyvo.io.uws import parse_job, parse_job_list
from vo_models.uws import Jobs

from app.config import ROOT

sys.path.insert(0, str(ROOT / "tests/clients"))
from xsd import assert_valid

Site = Any  # tests/vo/uws/conftest.py


def test_a_job_is_created_pending_and_its_address_is_told(site: Site) -> None:
    answer = site.client.post("/jobs", data={"DP_ID": site.science, "RUNID": "thesis-1"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{site.client.base_url}/jobs/")
    job = site.client.get(answer.headers["location"])
    assert job.headers["content-type"].partition(";")[0] == "text/xml"
    assert_valid(job.content)
    seen = parse_job(BytesIO(job.content))
    assert (seen.phase, seen.runid, seen.ownerid) == ("PENDING", "thesis-1", None)
    assert [(each.id_, each.content) for each in seen.parameters] == [("dp_id", site.science)]


def test_phase_run_at_creation_queues_it(site: Site) -> None:
    assert site.text(site.create(PHASE="RUN"), "phase") == "QUEUED"


def test_the_list_is_valid_and_filtered_by_phase_time_and_number(
    site: Site, bearer: Callable[[str], dict[str, str]]
) -> None:
    ann = bearer("ann")
    before = datetime.now(UTC).isoformat()
    pending, queued, newest = site.create(ann), site.create(ann, PHASE="RUN"), site.create(ann)

    def listed(**given: Any) -> list[str]:
        answer = site.client.get("/jobs", params=given, headers=ann)
        assert_valid(answer.content)
        refs = Jobs.from_xml(answer.content).jobref or []
        assert (
            [f"/jobs/{ref.job_id}" for ref in refs]
            == [httpx.URL(str(ref.href)).path for ref in refs]
            == [f"/jobs/{job.jobid}" for job in parse_job_list(BytesIO(answer.content))]
        )
        return [f"/jobs/{ref.job_id}" for ref in refs]

    assert listed(AFTER=before) == [newest, queued, pending]
    assert listed(after=before, PHASE="QUEUED") == [queued]
    assert listed(AFTER=before, phase=["QUEUED", "PENDING"]) == [newest, queued, pending]
    assert listed(AFTER=before, LAST=2) == [newest, queued]
    assert listed(AFTER=before, PHASE="PENDING", LAST=1) == [newest]
    assert listed(PHASE="ARCHIVED") == []
    assert listed(AFTER="2999-01-01T00:00:00Z") == []
    asked = {"AFTER": before, "responseformat": "json"}
    rows = site.client.get("/jobs", params=asked, headers=ann).json()["jobs"]
    assert [(f"/jobs/{row['id']}", row["phase"]) for row in rows] == [
        (newest, "PENDING"), (queued, "QUEUED"), (pending, "PENDING")
    ]  # fmt: skip
    assert [(row["owner"], row["done"], row["total"], row["parameters"]) for row in rows[:1]] == [
        ("ann", 0, 0, {"dp_id": [site.science]})
    ]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"PHASE": "DONE"}, "PHASE=DONE is none of UWS's"),
        ({"AFTER": "yesterday"}, "AFTER='yesterday' is no time"),
        ({"LAST": "0"}, "LAST=0 would list nothing"),
        ({"LAST": "-3"}, "LAST='-3' is no whole number"),
        ({"LAST": "\0"}, "LAST='\\x00' holds a character that cannot be printed"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(site: Site, asked: dict[str, str], said: str) -> None:
    answer = site.client.get("/jobs", params=asked)
    assert (answer.status_code, said in answer.text) == (400, True), answer.text


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_created(site: Site) -> None:
    given = {
        "dp_id": ["NACO.1", "NACO.2"],
        "strategy": "fast",
        "mode": "raw2nothing",
        "priority": "1000",
        "until": "a\x01b",
        "night": "tonight",
        "bla": "3",
        "naco_img_dark.hot_t": "warm",
        "naco_img_dark.foo": "1",
        "naco_img_jitter.combine_method": "last",
        "uves_cal_x.y": "1",
        "DESTRUCTION": "never",
        "EXECUTIONDURATION": "-1",
        "RUNID": "\0",
        "PHASE": "ABORT",
    }
    before = site.client.get("/jobs").content
    answer = site.client.post("/jobs", data=given)
    assert answer.status_code == 400
    lines = answer.text.splitlines()
    for said in (
        "dp_id: NACO.1 is not in the archive",
        "dp_id: NACO.2 is not in the archive",
        "strategy: 'fast' is none of archive, desktop, qc1, quicklook",
        "mode: 'raw2nothing' is neither Raw2Raw nor Raw2Master",
        "priority: '1000' is no whole number from -100 to 100",
        "'until': holds a character that cannot be printed",
        "night: 'tonight' is no date",
        "bla: no such parameter",
        "naco_img_dark.hot_t: 'warm' is no number",
        "naco_img_dark.foo: naco_img_dark has combine_method, hot_t",
        "naco_img_jitter.combine_method: 'last' is none of first, union",
        "uves_cal_x: no worker has declared this recipe",
        "DESTRUCTION='never' is no time",
        "EXECUTIONDURATION='-1' is no whole number of seconds",
        "RUNID='\\x00' holds a character that cannot be printed",
        "PHASE=ABORT is not possible for a new job",
    ):
        assert len([line for line in lines if line.startswith(said)]) == 1, (said, answer.text)
    assert len(lines) == 16
    assert site.client.get("/jobs").content == before


def test_a_job_without_a_frame_is_refused(site: Site) -> None:
    answer = site.client.post("/jobs", data={"PHASE": "RUN"}, headers={"Accept": "application/json"})
    assert answer.status_code == 400
    assert answer.json() == {"error": "dp_id: name at least one frame", "type": "RequestError"}


def test_a_job_that_waits_is_run_or_aborted_and_nothing_else(site: Site) -> None:
    job = site.create()
    assert site.change(job, "phase", PHASE="PENDING").status_code == 400
    ran = site.change(job, "phase", PHASE="RUN")
    assert (ran.status_code, httpx.URL(ran.headers["location"]).path) == (303, job)
    again = site.change(job, "phase", PHASE="RUN")
    assert (again.status_code, "is QUEUED; only a PENDING one can be run" in again.text) == (409, True)
    assert site.change(job, "phase", PHASE="ABORT").status_code == 303
    seen = site.client.get(job)
    assert_valid(seen.content)
    assert parse_job(BytesIO(seen.content)).phase == "ABORTED"
    assert site.text(job, "error") == "aborted on request\n"
    for phase in ("RUN", "ABORT"):
        assert site.change(job, "phase", PHASE=phase).status_code == 409


def test_an_aborted_job_gives_up_what_only_it_wanted(site: Site) -> None:
    first, second = site.create(PHASE="RUN"), site.create(PHASE="RUN", until="NACO_IMG_DARK_AVG")
    site.plan(first)
    site.plan(second)
    assert site.change(first, "phase", PHASE="ABORT").status_code == 303
    states = {task["recipe"]: task["state"] for task in site.json(first)["tasks"]}
    assert states["naco_img_jitter"] == "cancelled"
    assert states["naco_img_dark"] == "ready"
    site.change(second, "phase", PHASE="ABORT")


def test_parameters_are_changed_while_the_job_is_pending_only(site: Site) -> None:
    job = site.create(strategy="desktop")
    assert site.change(job, "parameters", until="NACO_IMG_DARK_AVG", PRIORITY="55").status_code == 303
    assert site.json(job)["parameters"] == {
        "dp_id": [site.science], "strategy": ["desktop"], "until": ["NACO_IMG_DARK_AVG"], "priority": ["55"]
    }  # fmt: skip
    assert site.json(job)["priority"] == 55
    document = site.client.get(f"{job}/parameters").content
    assert_valid(document)
    wrong = site.change(job, "parameters", strategy="fast", mode="x")
    assert (wrong.status_code, len(wrong.text.splitlines())) == (400, 2)
    site.change(job, "phase", PHASE="RUN")
    late = site.change(job, "parameters", strategy="archive")
    assert (late.status_code, "is QUEUED; this can be changed while it is PENDING only" in late.text) == (
        409,
        True,
    )
    assert site.client.get(f"{job}/parameters").content == document


def test_times_are_told_and_changed_as_uws_writes_them(site: Site) -> None:
    day, next_day = ((datetime.now(UTC) + timedelta(days=n)).date().isoformat() for n in (8, 9))
    job = site.create(EXECUTIONDURATION="30", DESTRUCTION=f"{day}T10:00:00")
    assert site.text(job, "executionduration") == "30"
    assert site.text(job, "destruction") == f"{day}T10:00:00Z"
    assert site.change(job, "executionduration", EXECUTIONDURATION="60").status_code == 303
    assert site.change(job, "destruction", DESTRUCTION=f"{next_day}T12:00:00+02:00").status_code == 303
    seen = parse_job(BytesIO(site.client.get(job).content))
    assert seen.executionduration.sec == 60
    assert seen.destruction.isot == f"{next_day}T10:00:00.000"
    for part in ("executionduration", "destruction"):
        for given in ({}, {part.upper(): "soon"}):
            assert site.change(job, part, **given).status_code == 400
    site.change(job, "phase", PHASE="ABORT")
    assert site.change(job, "executionduration", EXECUTIONDURATION="5").status_code == 409


def test_a_destruction_time_that_no_calendar_has_is_brought_into_bounds(site: Site) -> None:
    asked, made = "9999-12-31T23:59:59", datetime.now(UTC)
    for job in (site.create(DESTRUCTION=asked), site.create()):
        assert site.change(job, "destruction", DESTRUCTION=asked).status_code == 303
        told = datetime.fromisoformat(site.text(job, "destruction"))
        assert made - timedelta(seconds=2) <= told <= made + timedelta(days=366)


@pytest.mark.parametrize("asked", ["2001-01-01", "0001-01-01T00:00:00+23:59"])
def test_a_destruction_time_that_has_passed_is_refused(site: Site, asked: str) -> None:
    refused = site.client.post("/jobs", data={"dp_id": site.science, "DESTRUCTION": asked})
    assert (refused.status_code, "has passed" in refused.text) == (400, True)
    job = site.create()
    before = site.text(job, "destruction")
    assert site.change(job, "destruction", DESTRUCTION=asked).status_code == 400
    assert site.text(job, "destruction") == before


def test_a_job_whose_time_has_come_is_gone_before_anybody_deletes_it(site: Site) -> None:
    job = site.create()
    with site.index.connection() as connection:
        connection.execute(
            "UPDATE job SET destruction = now() - interval '1 s' WHERE id = %s", [job.rpartition("/")[2]]
        )
    assert site.client.get(job).status_code == 404
    assert job not in site.client.get("/jobs").text


@pytest.mark.parametrize("how", ["DELETE", "ACTION"])
def test_a_deleted_job_is_forgotten(site: Site, how: str) -> None:
    job = site.create(PHASE="RUN")
    if how == "DELETE":
        gone = site.client.delete(job)
    else:
        assert site.client.post(job, data={"ACTION": "RUN"}).status_code == 400
        gone = site.client.post(job, data={"ACTION": "DELETE"})
    assert (gone.status_code, httpx.URL(gone.headers["location"]).path) == (303, "/jobs")
    for path in (job, f"{job}/phase", f"{job}/events", f"{job}/results/x"):
        answer = site.client.get(path)
        assert (answer.status_code, "there is no job" in answer.text) == (404, True), path
    assert site.change(job, "phase", PHASE="RUN").status_code == 404
    assert site.client.delete(job).status_code == 404


@pytest.mark.parametrize("name", ["nothing", "\0", "a b", "ü", "x" * 5000, "%2F", "../jobs/x"])
def test_a_job_that_never_was_is_not_found(site: Site, name: str) -> None:
    answer = site.client.get(f"/jobs/{quote(name, safe='')}")
    assert answer.status_code == 404
    assert len(answer.text) < 6000


def test_a_part_that_no_job_has_is_not_found_and_one_that_only_tells_cannot_be_changed(site: Site) -> None:
    job = site.create()
    for answer in (site.client.get(f"{job}/speed"), site.change(job, "speed", SPEED="1")):
        assert (answer.status_code, "a job has no 'speed'; it has phase" in answer.text) == (404, True)
    told = site.change(job, "quote", QUOTE="now")
    assert (told.status_code, "the quote of a job can only be read" in told.text) == (400, True)
    assert site.client.get(f"{job}/results/M.NACO.x").status_code == 404


def test_json_is_given_beside_xml(site: Site, bearer: Callable[[str], dict[str, str]]) -> None:
    job = site.create(RUNID="r")
    by_accept = site.client.get(job, headers={"Accept": "application/json"})
    assert by_accept.headers["content-type"] == "application/json"
    assert by_accept.json() == site.json(job)
    assert by_accept.json()["runId"] == "r"
    both = site.client.get(job, params={"responseformat": "xml"}, headers={"Accept": "application/json"})
    assert both.headers["content-type"].partition(";")[0] == "text/xml"
    odd = site.client.get(job, params={"responseformat": "yaml"})
    assert (odd.status_code, "RESPONSEFORMAT='yaml'" in odd.text) == (400, True)
