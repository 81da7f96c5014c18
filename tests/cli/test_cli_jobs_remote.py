"""`calsel jobs --url`: the same commands over HTTP, on a service that knows its users."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import Result

from app.archive import jobruns, runs
from app.archive.database import connect
from app.archive.index import Index
from app.archive.runs import Ending
from app.cli import remote
from app.cli.desk import Step
from app.cli.remote import There
from app.config import Settings
from app.jobs.planning import plan_job
from processing.simulate.truth import Truth

Calsel = Callable[..., Result]
RECIPES = ["naco_img_dark", "naco_img_dark", "naco_img_twflat", "naco_img_jitter", "sdp_package"]
ALL = [(kind, recipe) for recipe in RECIPES for kind in ("started", "done")]


@pytest.fixture
def index(archive_url: str) -> Iterator[Index]:
    engine = connect(archive_url)
    index = Index(engine)
    yield index
    with index.connection() as connection:
        connection.execute("TRUNCATE job, job_run, run, run_need, run_event, worker")
    engine.dispose()


@pytest.fixture
def service(
    archive_url: str,
    index: Index,
    serve_here: Callable[[Settings], AbstractContextManager[httpx.Client]],
    tmp_path: Path,
) -> Iterator[httpx.Client]:
    users = tmp_path / "users.json"
    users.write_text(json.dumps({"ann": {"password": "ann's", "programmes": []}}))
    settings = Settings(
        database_url=archive_url, home=tmp_path, dev_users=users, products=tmp_path / "products"
    )
    with serve_here(settings) as client:
        yield client


@pytest.fixture
def there(bare: Calsel, service: httpx.Client) -> Calsel:
    """`calsel jobs` as ann, who knows only the address: nothing here is a database."""
    given = {"grant_type": "password", "username": "ann", "password": "ann's"}
    token = service.post("/sso/oidc/token", data=given).json()["id_token"]

    def run(*arguments: object) -> Result:
        return bare("jobs", *arguments, service=service.base_url, token=token, database_url="nonsense")

    return run


def work(index: Index, job: str, state: str = "done", reason: str = "") -> None:
    """Plan a job and end all its runs."""
    plan_job(index, job, lambda recipe: "naco/4.4.11")
    while True:
        with index.connection() as connection:
            ready = [run.id for run in jobruns.runs_of(connection, job) if run.state == "ready"]
            claim = runs.claim(connection, ready[0], "w1") if ready else None
            if claim is None:
                return
            made = [
                {"dp_id": f"r.{c}", "category": c, "path": f"/nowhere/{c}", "size": 1, "sha256": "0" * 64}
                for c in claim.task["expects"]
            ]
            products = made if state == "done" else []
            runs.changing(connection)
            ending = Ending(state, claim.id, products, None, 2.0, 50.0, reason)
            runs.settle(connection, claim, "w1", ending)


def test_a_job_goes_from_submission_to_oblivion_over_http(
    there: Calsel, ask: Calsel, truth: Truth, index: Index
) -> None:
    told = there("submit", truth.naco_science, "--name", "thesis-1", "--pending")
    assert told.exit_code == 0, told.output
    job = told.stdout.strip()
    assert f"nobody has asked to run it: calsel jobs run {job}" in there("show", job).stdout
    assert there("run", job).exit_code == 0
    line = rf"{job}  QUEUED     0/0  [-0-9]+ [:0-9]+  ann  {truth.naco_science}  thesis-1\n"
    assert re.fullmatch(line, there("list").stdout)
    assert there("list", "--phase", "completed").stdout == ""
    assert there("list").stdout == ask("jobs", "list").stdout
    work(index, job)
    assert f"{job}  COMPLETED  5/5" in there("list", "--all").stdout
    assert there("show", job).stdout == ask("jobs", "show", job).stdout
    assert there("abort", job).stderr == (
        f"calsel: job {job} has ended (COMPLETED); nothing is left to abort\n"
    )
    assert there("delete", job).exit_code == 0
    assert there("list", "--all").stdout == ""
    for command in ("show", "watch", "run", "abort", "delete"):
        gone = there(command, job)
        assert gone.exit_code == 1
        assert gone.stderr == f"calsel: there is no job '{job}': it never was, or it has been destroyed\n"


def test_everything_that_is_wrong_is_told_as_the_service_says_it(there: Calsel, ask: Calsel) -> None:
    wrong = ("submit", "X.1", "X.2", "--mode", "Raw2X", "--priority", "high")
    told = there(*wrong)
    assert (told.exit_code, told.stderr) == (1, ask("jobs", *wrong).stderr)
    assert len(told.stderr.splitlines()) == 4


def test_who_looks_on_hears_of_each_event_as_it_happens(
    there: Calsel, truth: Truth, index: Index, service: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = there("submit", truth.naco_science).stdout.strip()
    assert service.get(f"/jobs/{job}").status_code == 401
    worker = threading.Thread(target=work, args=(index, job))
    steps = There.steps

    def work_when_somebody_looks(desk: There, job: str) -> Iterator[Step]:
        for step in steps(desk, job):
            yield step
            if worker.ident is None:  # the first look has been told
                worker.start()

    monkeypatch.setattr(There, "steps", work_when_somebody_looks)
    told = there("watch", job)
    worker.join()
    assert told.exit_code == 0, told.output
    lines = [line.split() for line in told.stdout.splitlines()]
    assert [(words[1], words[2]) for words in lines if words[1] in ("started", "done")] == ALL
    assert lines[0][1:] == ["QUEUED"]
    assert lines[-1][1:] == ["COMPLETED"]


def test_who_looks_on_misses_nothing_where_the_connection_is_lost_and_the_job_ends(
    there: Calsel, truth: Truth, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = there("submit", truth.naco_science).stdout.strip()
    work(index, job)
    streamed, lost = There._streamed, list[str]()

    @contextmanager
    def lost_once(desk: There, job: str, newest: str) -> Iterator[Iterator[str]]:
        with streamed(desk, job, newest) as lines:
            yield lines if lost else until_lost(lines)

    def until_lost(lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            yield line
            if line == "" and "started" in "".join(lost):
                raise httpx.ReadError("gone")
            lost.append(line)

    monkeypatch.setattr(There, "_streamed", lost_once)
    monkeypatch.setattr(remote, "_AGAIN", 0.0)
    told = there("watch", job)
    assert told.exit_code == 0, told.output
    assert lost
    lines = [line.split() for line in told.stdout.splitlines()]
    assert [(words[1], words[2]) for words in lines if words[1] in ("started", "done")] == ALL
    assert lines[-1][1:] == ["COMPLETED"]


def test_who_looks_on_where_no_stream_comes_through_is_told_how_it_ended(
    there: Calsel, truth: Truth, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = there("submit", truth.naco_science).stdout.strip()
    work(index, job)

    @contextmanager
    def never(desk: There, job: str, newest: str) -> Iterator[Iterator[str]]:
        raise httpx.ReadError("a proxy cuts streams off")
        yield

    monkeypatch.setattr(There, "_streamed", never)
    monkeypatch.setattr(remote, "_AGAIN", 0.0)
    told = there("watch", job)
    assert told.exit_code == 0, told.output
    assert told.stdout.split()[-1] == "COMPLETED"


def test_a_job_that_fails_ends_looking_on_with_1(there: Calsel, truth: Truth, index: Index) -> None:
    job = there("submit", truth.naco_science, "-p", "naco_img_dark.hot_t=1").stdout.strip()
    assert job == ""  # no worker has declared the recipe
    job = there("submit", truth.naco_science).stdout.strip()
    work(index, job, "failed", "bad pixels everywhere")
    told = there("watch", job)
    assert told.exit_code == 1
    assert told.stdout.splitlines()[-1].endswith(": bad pixels everywhere")


def test_an_address_where_no_service_is_is_told(bare: Calsel) -> None:
    gone = bare("jobs", "list", "--url", "http://localhost:1")
    assert gone.exit_code == 1
    assert gone.stderr.startswith("calsel: http://localhost:1 does not answer: ")
    wrong = bare("jobs", "list", "--url", "here")
    assert wrong.stderr == (
        "calsel: here is no address of a service; give one such as http://localhost:8000\n"
    )
    none = bare("jobs", "list", "--url", "http://exa mple\u0000")
    assert none.exit_code == 1
    assert none.stderr.startswith("calsel: http://exa mple")
