"""A service with NACO frames of four pixels; the tests themselves play the worker, step by step."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

import app.main
from app.archive import jobruns, recipes, runs
from app.archive.database import connect
from app.archive.index import Index
from app.archive.runs import Claim, Ending
from app.config import ROOT, Settings
from app.ingest import ingest, use_rules
from app.jobs.planning import plan_job
from app.rulebook import load_library
from processing.simulate.archive import cards
from processing.simulate.fits import write_image
from processing.simulate.nightlog import Template, named

JITTER, *CALIBRATIONS = (named("NACO", name) for name in ("jitter", "dark", "twilight", "twilight-dark"))
# The same template three hours later, in an observation block of its own, and not yet released.
SECRET: Template = replace(JITTER, start="2012-03-15T06:50:00", ob=JITTER.ob + 1, name="")
USERS = {
    "ann": {"password": "ann's", "programmes": ["088.D-0512"]},
    "bob": {"password": "bob's", "programmes": []},
}
PIPELINE = "naco/4.4.11"
# As `esorex --create-config` writes them, what the tests ask for.
DECLARED = [
    {"display_name": "hot_t", "valtype": "double", "partype": "value"},
    {"display_name": "combine_method", "valtype": "string", "partype": "enum", "valenum": ["first", "union"]},
]


@dataclass(frozen=True)
class Site:
    """The service, its database, and whoever plays its workers."""

    client: httpx.Client
    index: Index
    url: str
    science: str
    secret: str
    settings: Settings
    app: FastAPI

    def waiting(self) -> int:
        """How many clients wait for news."""
        return int(self.app.state.news.waiting)

    def create(self, headers: dict[str, str] | None = None, **given: str | list[str]) -> str:
        """POST a job, by default of the science frame; returns its address."""
        answer = self.client.post("/jobs", data={"dp_id": self.science, **given}, headers=headers or {})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].partition(str(self.client.base_url).rstrip("/"))[2]

    def change(self, job: str, part: str, **given: str) -> httpx.Response:
        """POST to a part of a job."""
        return self.client.post(f"{job}/{part}", data=given)

    def text(self, job: str, part: str) -> str:
        """A part of a job."""
        answer = self.client.get(f"{job}/{part}")
        assert answer.status_code == 200, answer.text
        return answer.text

    def json(self, job: str) -> dict[str, object]:
        """A job as JSON."""
        found: dict[str, object] = self.client.get(job, params={"responseformat": "json"}).json()
        return found

    def plan(self, job: str) -> None:
        """What a worker does first: the job is EXECUTING afterwards, or has ended."""
        plan_job(self.index, job.rpartition("/")[2], lambda recipe: PIPELINE)

    def take(self, job: str) -> Claim | None:
        """Take the next run of a job that is ready."""
        with self.index.connection() as connection:
            states = jobruns.runs_of(connection, job.rpartition("/")[2])
            ready = next((run.id for run in states if run.state == "ready"), None)
            return runs.claim(connection, ready, "w1") if ready else None

    def settle(self, claim: Claim, state: str = "done", reason: str = "", folder: str = "/nowhere") -> None:
        """End a run: each category that it is to make becomes a product, which no recipe has made."""
        products = [
            {
                "dp_id": f"r.{claim.id[:8]}.{category}",
                "category": category,
                "path": f"{folder}/{category}",
                "size": 1,
                "sha256": "0" * 64,
            }
            for category in claim.task["expects"]
        ]
        ending = Ending(state, claim.id, products if state == "done" else (), None, 2.0, 50.0, reason)
        with self.index.connection() as connection:
            runs.changing(connection)
            assert runs.settle(connection, claim, "w1", ending) is not None

    def work(self, job: str) -> None:
        """Plan a job and do all its runs."""
        self.plan(job)
        while claim := self.take(job):
            self.settle(claim)


def write(folder: Path, *templates: Template) -> Path:
    """Frames of four pixels."""
    for entry in templates:
        for number, dp_id in enumerate(entry.dp_ids()):
            write_image(folder / f"{dp_id}.fits", np.zeros((2, 2), np.float32), cards(entry, number))
    return folder


@pytest.fixture(scope="session")
def naco_rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The NACO book alone."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "naco").symlink_to(ROOT / "rules" / "naco")
    return folder


@pytest.fixture(scope="module")
def site(
    make_shared_database: Callable[[], str],
    serve_here: Callable[[Settings], AbstractContextManager[httpx.Client]],
    naco_rules: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """A site whose jobs the tests of a module share."""
    place = tmp_path_factory.mktemp("site")
    for name in ("open", "locked"):
        (place / name).mkdir()
    (place / "users.json").write_text(json.dumps(USERS))
    url = make_shared_database()
    engine = connect(url)
    index = Index(engine)
    use_rules(index, load_library(naco_rules), naco_rules)
    ingest(index, [write(place / "open", JITTER, *CALIBRATIONS)], certified=True)
    ingest(index, [write(place / "locked", SECRET)], certified=True, proprietary_days=36_500)
    with index.connection() as connection:
        recipes.remember(connection, PIPELINE, {"naco_img_dark": DECLARED, "naco_img_jitter": DECLARED})
    settings = Settings(database_url=url, home=place, dev_users=place / "users.json", products=place / "p")
    made: list[FastAPI] = []
    with pytest.MonkeyPatch.context() as patch:
        create = app.main.create_app

        def create_and_keep(given: Settings) -> FastAPI:
            made.append(create(given))
            return made[-1]

        patch.setattr(app.main, "create_app", create_and_keep)
        with serve_here(settings) as client:
            client.timeout = httpx.Timeout(60)
            yield Site(client, index, url, JITTER.dp_ids()[0], SECRET.dp_ids()[0], settings, made[0])
    engine.dispose()


@pytest.fixture(scope="module")
def bearer(site: Site) -> Callable[[str], dict[str, str]]:
    """The header that says who somebody is."""

    def header(name: str) -> dict[str, str]:
        given = {"grant_type": "password", "username": name, "password": USERS[name]["password"]}
        return {
            "Authorization": f"Bearer {site.client.post('/sso/oidc/token', data=given).json()['id_token']}"
        }

    return header


@pytest.fixture
def start_worker(site: Site, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a real worker on the site; it is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "CALSEL_DATABASE_URL": site.url,
            "CALSEL_PRODUCTS": str(tmp_path / "products"),
        }
        command = [sys.executable, "-m", "app.cli", "worker", *options]
        with (tmp_path / "worker.log").open("wb") as log:
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait()
