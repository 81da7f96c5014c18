from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pyvo.io.uws import parse_job
from sqlalchemy import make_url

from app.archive import runs
from app.config import Settings
from tests.waiting import until

Site = Any  # tests/vo/uws/conftest.py


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def waiting(site: Site, pool: ThreadPoolExecutor, job: str, **given: str) -> Future[httpx.Response]:
    """Ask with WAIT, and return when the service waits."""
    asked = pool.submit(httpx.get, f"{site.client.base_url}{job}", params=given, timeout=120)
    until(site.waiting)
    return asked


def phase(answer: httpx.Response) -> str:
    return str(parse_job(BytesIO(answer.content)).phase)


def test_who_waits_is_woken_by_each_change_of_the_phase(site: Site, aside: ThreadPoolExecutor) -> None:
    job = site.create()
    queued = waiting(site, aside, job, WAIT="100")
    site.change(job, "phase", PHASE="RUN")
    assert phase(queued.result()) == "QUEUED"
    executing = waiting(site, aside, job, WAIT="-1", PHASE="QUEUED")
    site.plan(job)
    assert phase(executing.result()) == "EXECUTING"
    ended = waiting(site, aside, job, WAIT="100", PHASE="EXECUTING", responseformat="json")
    while claim := site.take(job):
        site.settle(claim)
    assert ended.result().json()["phase"] == "COMPLETED"
    until(lambda: site.waiting() == 0)


def test_who_waits_for_a_job_that_is_destroyed_hears_that_it_is_gone(
    site: Site, aside: ThreadPoolExecutor
) -> None:
    job = site.create()
    asked = waiting(site, aside, job, WAIT="100")
    site.client.delete(job)
    assert asked.result().status_code == 404


def test_nobody_waits_for_a_phase_that_is_not_or_for_a_job_that_has_ended(site: Site) -> None:
    job = site.create()
    assert phase(site.client.get(job, params={"WAIT": "100", "PHASE": "QUEUED"})) == "PENDING"
    site.change(job, "phase", PHASE="ABORT")
    assert phase(site.client.get(job, params={"WAIT": "100"})) == "ABORTED"
    assert phase(site.client.get(job, params={"WAIT": "100", "PHASE": "ABORTED"})) == "ABORTED"
    assert phase(site.client.get(job, params={"WAIT": "1" + "0" * 400})) == "ABORTED"


def test_after_the_time_asked_for_the_same_phase_is_told(site: Site) -> None:
    assert phase(site.client.get(site.create(), params={"WAIT": "1"})) == "PENDING"
    bad = site.client.get(site.create(), params={"WAIT": "long"})
    assert (bad.status_code, "WAIT='long' is no whole number" in bad.text) == (400, True)


def test_a_client_that_goes_away_leaves_no_waiter(site: Site) -> None:
    job = site.create()
    for path, asked in ((job, {"WAIT": "100"}), (f"{job}/events", {})):
        with (
            httpx.Client(base_url=site.client.base_url) as client,
            pytest.raises(httpx.ReadTimeout),
            client.stream("GET", path, params=asked, timeout=1) as answer,
        ):
            until(site.waiting)
            answer.read()
        until(lambda: site.waiting() == 0)


def test_waiting_goes_on_when_the_database_has_closed_the_connection(
    site: Site, aside: ThreadPoolExecutor
) -> None:
    job = site.create()
    asked = waiting(site, aside, job, WAIT="100")
    url = make_url(site.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%%'"
        )
    site.change(job, "phase", PHASE="RUN")
    assert phase(asked.result()) == "QUEUED"


Event = tuple[str, int | None, dict[str, Any]]


def read(lines: Iterator[str]) -> Iterator[Event]:
    """Server-sent events as a browser reads them: name, id, data."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line and not line.startswith(":"):
            fields[name] = value
        elif fields:
            number = int(fields["id"]) if "id" in fields else None
            yield fields["event"], number, json.loads(fields["data"])
            fields = {}


def follow(site: Site, job: str, told: list[Event] | None = None, **headers: str) -> list[Event]:
    """All events to the end; `told` gets each as it comes."""
    found: list[Event] = [] if told is None else told
    address = f"{site.client.base_url}{job}/events"
    with httpx.stream("GET", address, headers=headers, timeout=120) as answer:
        assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"
        found.extend(read(answer.iter_lines()))
    return found


def logs(told: list[Event]) -> list[dict[str, Any]]:
    return [data for name, _, data in told if name == "log"]


def test_events_come_in_order_as_they_happen_and_can_be_taken_up_again(
    site: Site, aside: ThreadPoolExecutor, tmp_path: Path
) -> None:
    job = site.create(PHASE="RUN")
    heard: list[Event] = []
    following = aside.submit(follow, site, job, heard)
    until(lambda: heard)
    site.plan(job)
    claim = site.take(job)
    (tmp_path / "esorex.log").write_text("\n".join(f"line {n}" for n in range(30)))
    with site.index.connection() as connection:
        runs.logging_to(connection, claim, str(tmp_path / "esorex.log"))
        runs.tell(connection, claim.id, "noted", "w1", "it says something")
    while not following.done() and claim:
        site.settle(claim)
        claim = site.take(job)
    told = following.result()
    assert [name for name, _, _ in told].index("end") == len(told) - 1
    tasks = [(number, data) for name, number, data in told if name == "task"]
    assert all(number == data["id"] for number, data in tasks)
    assert [number for number, _ in tasks] == sorted({number for number, _ in tasks})
    happened: dict[str, list[str]] = {}
    for _, data in tasks:
        happened.setdefault(data["task"], []).append(data["kind"])
    first, *others = happened.values()
    assert first == ["started", "noted", "done"]
    assert others == [["started", "done"]] * (len(site.json(job)["tasks"]) - 1)
    phases = [data["phase"] for name, _, data in told if name in ("progress", "end")]
    assert phases == sorted(phases, key=["QUEUED", "EXECUTING", "COMPLETED"].index)
    assert phases[0] == "QUEUED"
    assert told[-1][2] == site.json(job)
    middle = tasks[2][0]
    again = follow(site, job, **{"Last-Event-ID": str(middle)})
    assert [number for name, number, _ in again if name == "task"] == [n for n, _ in tasks if n > middle]
    for odd in ("x", "9" * 30, "-1"):
        whole = follow(site, job, **{"Last-Event-ID": odd})
        assert [number for name, number, _ in whole if name == "task"] == [number for number, _ in tasks]


def test_the_last_lines_of_a_running_recipe_are_told(
    site: Site, aside: ThreadPoolExecutor, tmp_path: Path
) -> None:
    job = site.create(PHASE="RUN", **{"naco_img_dark.hot_t": "12"})
    site.plan(job)
    claim = site.take(job)
    (tmp_path / "esorex.log").write_text("".join(f"line {n}\n\n" for n in range(30)))
    with site.index.connection() as connection:
        runs.logging_to(connection, claim, str(tmp_path / "esorex.log"))
    told: list[Event] = []
    following = aside.submit(follow, site, job, told)
    until(lambda: logs(told))
    (task,) = [task for task in site.json(job)["tasks"] if task["state"] == "running"]
    assert task["log"] == [f"line {n}" for n in range(20, 30)]
    assert task["elapsed"] >= 0
    site.change(job, "phase", PHASE="ABORT")
    assert following.result() == told
    assert [(each["task"], each["log"][-1]) for each in logs(told)] == [(task["task"], "line 29")]


def test_who_follows_a_period_is_told_what_the_jobs_of_its_groups_do(
    site: Site, aside: ThreadPoolExecutor, tmp_path: Path
) -> None:
    period = site.create(dp_id=[], strategy="qc1", instrument="naco", night="2012-03-15",
                         last_night="2012-03-17", PHASE="RUN")  # fmt: skip
    site.plan(period)
    children = [child["id"] for child in site.json(period)["jobs"]]
    site.plan(children[0])
    claim = site.take(children[0])
    (tmp_path / "esorex.log").write_text("half done\n")
    with site.index.connection() as connection:
        runs.logging_to(connection, claim, str(tmp_path / "esorex.log"))
    told: list[Event] = []
    following = aside.submit(follow, site, period, told)
    until(lambda: logs(told))
    site.settle(claim)
    for child in children:
        site.work(child)
    assert following.result() == told
    tasks = [data for name, _, data in told if name == "task"]
    assert {task["job"] for task in tasks} <= set(children)
    assert tasks[0]["job"] == children[0]
    # A run that several groups share comes more often here: its products, which nobody made, are not there.
    assert [task["kind"] for task in tasks] == ["started", "done"] * (len(tasks) // 2)
    assert {task["recipe"] for task in tasks} == {"naco_img_dark", "naco_img_twflat"}
    assert ["half done"] in [data["log"] for data in logs(told)]
    counts = [data["done"] for name, _, data in told if name in ("progress", "end")]
    assert counts == sorted(counts)
    assert told[-1][2]["phase"] == "COMPLETED"
    assert counts[-1] == len(children)


def test_a_stream_of_a_destroyed_job_ends(site: Site, aside: ThreadPoolExecutor) -> None:
    job = site.create()
    told: list[Event] = []
    following = aside.submit(follow, site, job, told)
    until(lambda: told)
    site.client.delete(job)
    assert {name for name, _, _ in following.result()} == {"progress"}


def test_a_service_that_is_stopped_lets_nobody_wait(
    site: Site, serve: Callable[[Settings], AbstractContextManager[httpx.Client]], aside: ThreadPoolExecutor
) -> None:
    job = site.create()
    begun = threading.Event()

    def follow_on(base: httpx.URL) -> list[Event]:
        with httpx.stream("GET", f"{base}{job}/events", timeout=120) as answer:
            lines = answer.iter_lines()
            told = [next(read(lines))]
            begun.set()
            return told + list(read(lines))

    def serve_a_while() -> list[Event]:
        with serve(site.settings) as client:
            following = aside.submit(follow_on, client.base_url)
            begun.wait()
        return following.result()

    stopped = aside.submit(serve_a_while)
    assert {name for name, _, _ in stopped.result(timeout=60)} == {"progress"}
