from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from pyvo.io.uws import parse_job

from app.archive import jobruns, runs
from app.config import ROOT

sys.path.insert(0, str(ROOT / "tests/clients"))
from xsd import assert_valid

Site = Any  # tests/vo/uws/conftest.py


def test_a_job_that_ended_well_tells_its_results_the_final_ones_first(site: Site) -> None:
    job = site.create(PHASE="RUN")
    site.plan(job)
    assert site.text(job, "quote") == ""
    while claim := site.take(job):
        site.settle(claim)
    document = site.client.get(job).content
    assert_valid(document)
    seen = parse_job(BytesIO(document))
    assert (seen.phase, seen.errorsummary) == ("COMPLETED", None)
    assert seen.creationtime <= seen.starttime <= seen.endtime
    listed = site.client.get(f"{job}/results")
    assert_valid(listed.content)
    names = [result.id_ for result in seen.results]
    assert names[0].rpartition(".")[2] == "COADDED_IMG"
    assert [result.href for result in seen.results] == [
        f"{str(site.client.base_url).rstrip('/')}/dataPortal/file/{name}" for name in names
    ]
    assert [each["dp_id"] for each in site.json(job)["results"]] == names
    led = site.client.get(f"{job}/results/{names[0]}")
    assert (led.status_code, led.headers["location"]) == (303, seen.results[0].href)
    assert site.text(job, "error") == ""


def test_what_an_archive_product_lacks_is_told_with_its_task_and_in_the_messages(
    site: Site, tmp_path: Path
) -> None:
    job = site.create(PHASE="RUN", **{"naco_img_dark.hot_t": "6"})
    site.plan(job)
    report = {
        "files": [{"path": "COADDED_IMG", "category": "COADDED_IMG", "prodcatg": "SCIENCE.IMAGE"}],
        "absent": [{"hdu": 0, "keyword": "PHOTZP", "sentence": "no zero point is known"}],
        "mended": [{"hdu": 1, "keyword": "RA", "sentence": "was 1.0, is 2.0"}],
        "remarks": [],
        "problems": [],
    }
    (tmp_path / "report.json").write_text(json.dumps(report))
    while claim := site.take(job):
        site.settle(claim, folder=str(tmp_path))
    said = ["absent: PHOTZP: no zero point is known", "mended: RA (HDU 1) was 1.0, is 2.0"]
    seen = site.json(job)
    # What the recipe made itself has the same name here, and is not what the report is of.
    assert {task["recipe"]: task["report"] for task in seen["tasks"] if task["report"]} == {
        "sdp_package": said
    }
    (product,) = (task["products"][0] for task in seen["tasks"] if task["report"])
    assert seen["messages"] == [f"{product}: {sentence}" for sentence in said]
    assert site.text(job, "phase") == "COMPLETED"
    (tmp_path / "report.json").unlink()  # the products folder is another machine's
    assert site.json(job)["messages"] == []


def test_a_quote_needs_recipes_that_have_run_and_somebody_who_works(site: Site) -> None:
    first = site.create(PHASE="RUN", **{"naco_img_dark.hot_t": "9"})
    site.work(first)
    job = site.create(PHASE="RUN", **{"naco_img_dark.hot_t": "8"})
    site.plan(job)
    assert site.text(job, "quote") == ""
    with site.index.connection() as connection:
        connection.execute(
            "INSERT INTO worker (id, host, pid, queues, slots, memory_mb) "
            "VALUES ('w2', 'here', 1, '{plan}', 2, 1000)"
        )
    asked = datetime.now(UTC)
    told = datetime.fromisoformat(site.text(job, "quote"))
    assert asked < told < datetime.now(UTC) + timedelta(minutes=1)
    assert site.json(job)["waitsForWorkersOf"] == ["naco/4.4.11"]
    with site.index.connection() as connection:
        connection.execute("DELETE FROM worker")
    site.change(job, "phase", PHASE="ABORT")


def test_a_failure_is_told_with_its_cause_and_what_it_blocks(site: Site) -> None:
    job = site.create(PHASE="RUN", **{"naco_img_dark.hot_t": "7"})
    site.plan(job)
    claim = site.take(job)
    site.settle(claim, "failed", "no dark frame in the frame set")
    while claim := site.take(job):
        site.settle(claim)
    document = site.client.get(job).content
    assert_valid(document)
    assert parse_job(BytesIO(document)).phase == "ERROR"
    assert b"no dark frame in the frame set" in document
    assert site.text(job, "error").endswith(": no dark frame in the frame set\n")
    states = [task["state"] for task in site.json(job)["tasks"]]
    assert (states.count("failed"), states[-1]) == (1, "blocked")
    # Another job has the run made again, and it succeeds: why this one ended stays known.
    told = site.text(job, "error")
    with site.index.connection() as connection:
        connection.execute("UPDATE run SET state = 'done', reason = '' WHERE state = 'failed'")
    assert site.text(job, "error") == told
    assert site.json(job)["errors"] == told.splitlines()


def test_a_job_that_had_to_do_without_a_calibration_is_complete_and_says_so(site: Site) -> None:
    job = site.create(PHASE="RUN")
    site.work(job)
    # None of this archive's calibrations can be done without: it ends anew as if one had failed all the same.
    number = job.rpartition("/")[2]
    with site.index.connection() as connection:
        (calibration, *_) = jobruns.runs_of(connection, number)
        connection.execute(
            "UPDATE run SET state = 'failed', reason = 'too few counts' WHERE id = %s", [calibration.id]
        )
        connection.execute("UPDATE job SET phase = 'EXECUTING' WHERE id = %s", [number])
        runs.settle_jobs(connection, [number])
    document = site.client.get(job).content
    assert_valid(document)
    told = parse_job(BytesIO(document))
    assert told.phase == "COMPLETED"
    failure = f"{calibration.task['id']}: too few counts"
    assert told.errorsummary.message.content == f"the products are made without a calibration: {failure}"
    assert site.text(job, "error") == f"{failure}\n"


def test_a_frame_that_cannot_be_planned_ends_the_job_with_every_cause(site: Site) -> None:
    dark = named_dark(site)
    job = site.create(PHASE="RUN", dp_id=[dark, site.science], until="ARC_MAP")
    site.plan(job)
    assert site.text(job, "phase") == "ERROR"
    error = site.text(job, "error")
    assert f"{dark}: no recipe reduces" in error
    assert f"{site.science}: until=ARC_MAP: nothing in its plan makes that" in error


def named_dark(site: Site) -> str:
    with site.index.connection() as connection:
        row = connection.execute(
            "SELECT dp_id FROM frame WHERE keywords ->> 'DPR.TYPE' = 'DARK' ORDER BY dp_id LIMIT 1"
        ).fetchone()
    assert row
    return str(row[0])


def test_the_calibrations_of_a_night_are_a_job_with_a_job_for_each_group(site: Site) -> None:
    job = site.create(PHASE="RUN", dp_id=[], strategy="qc1", instrument="NACO", night="2012-03-13",
                      last_night="2012-03-17")  # fmt: skip
    site.plan(job)
    children = site.json(job)["jobs"]
    assert [child["action"] for child in children] == ["ACTION_DARK", "ACTION_TIMGFLAT", "ACTION_DARK"]
    assert f"/jobs/{children[0]['id']}" not in [f"/jobs/{j['id']}" for j in site.client.get(
        "/jobs", params={"responseformat": "json"}).json()["jobs"]]  # fmt: skip
    for child in children[1:]:
        site.work(f"/jobs/{child['id']}")
    assert site.text(job, "phase") == "EXECUTING"
    assert site.json(job)["waitsForWorkersOf"] == ["plan"]
    made = site.json(job)["results"]
    assert {each["category"] for each in made} >= {"MASTER_IMG_FLAT", "NACO_IMG_DARK_AVG"}
    assert len({(each["task"], each["category"]) for each in made}) == len(made)
    broken = f"/jobs/{children[0]['id']}"
    site.change(broken, "phase", PHASE="ABORT")
    assert site.text(job, "phase") == "ERROR"
    assert site.text(job, "error") == f"job {children[0]['id']}: aborted on request\n"
    assert_valid(site.client.get(job).content)
