"""A site as an observatory has it: an index with NACO frames, a products folder, workers in processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from app.archive import jobruns, jobs
from app.archive.database import connect
from app.archive.index import Index
from app.archive.jobruns import RunState
from app.archive.jobs import Job
from app.config import ROOT
from app.ingest import ingest, use_rules
from app.jobs.submitting import run, submit
from app.rulebook import load_library
from processing.esorex import Esorex, EsorexError
from processing.simulate.archive import Studio
from processing.simulate.nightlog import Template, named
from tests import waiting
from tests.hooked import hook

JITTER, DARK, FLAT, FLAT_DARK = (named("NACO", n) for n in ("jitter", "dark", "twilight", "twilight-dark"))
SCIENCE = JITTER.dp_ids()[0]
# Seconds: a worker that is silent for so long is taken for dead, and how often it beats.
SILENCE, BEAT = 5.0, 0.5
# For workers of which none dies: one that a busy machine holds up keeps its runs.
PATIENT = ("--silence", "120")
PATIENCE = 900.0


@pytest.fixture(scope="session", autouse=True)
def pipeline() -> None:
    """Skip where the recipes are not installed; CI has them."""
    try:
        Esorex.find().pipeline("naco")
    except EsorexError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A NACO night: a science template with its darks, twilight flats, and their darks."""
    folder = tmp_path_factory.mktemp("naco")
    expose(folder, JITTER, DARK, FLAT, FLAT_DARK)
    return folder


def expose(folder: Path, *templates: Template) -> None:
    """Write templates with all their pixels."""
    nothing = np.zeros(0)
    studio = Studio(1, {}, (nothing, nothing), nothing)
    for template in templates:
        studio.write(template, folder)


def another_hour(hours: float) -> Template:
    """The science template some hours later, in an observation block of its own."""
    start = np.datetime64(JITTER.start) + np.timedelta64(round(hours * 3600), "s")
    return replace(JITTER, start=str(start), ob=JITTER.ob + 1 + round(hours * 100), n=3, name="")


@dataclass
class Site:
    """What the tests do to a site; every process of it ends with the test."""

    url: str
    index: Index
    products: Path
    tools: Path
    ends: ExitStack
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def worker(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it is known."""
        before = self._known()
        log = (self.products.parent / f"worker{len(self.workers)}.log").open("wb")
        self.ends.callback(log.close)
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "app.cli", "worker", "--concurrency", "1"),
                *("--heartbeat", str(BEAT), "--silence", str(SILENCE), *options),
            ],
            env=self.environment() | environment,
            stdout=log,
            stderr=log,
        )
        self.workers.append(process)
        self.ends.callback(_end, process)
        until(lambda: self._known() - before or process.poll() is not None, "the worker is there")
        assert process.poll() is None, Path(log.name).read_text()
        return process

    def environment(self) -> dict[str, str]:
        """What its programs are started with."""
        return {
            **os.environ,
            "CALSEL_DATABASE_URL": self.url,
            "CALSEL_PRODUCTS": str(self.products),
            "PATH": f"{self.tools}:{os.environ['PATH']}",
        }

    def _known(self) -> set[str]:
        with self.index.connection() as connection:
            return {name for (name,) in connection.execute("SELECT id FROM worker")}

    def submit(self, **parameters: str | list[str]) -> str:
        """Submit a job and run it."""
        given = {name: [v] if isinstance(v, str) else v for name, v in parameters.items()}
        with self.index.connection() as connection:
            job = submit(connection, given)
            run(connection, job)
        return job

    def job(self, job: str) -> Job:
        """The job as it is now."""
        with self.index.connection() as connection:
            return jobs.find(connection, job)

    def runs(self, job: str) -> dict[str, list[RunState]]:
        """Its runs by recipe."""
        found: dict[str, list[RunState]] = {}
        with self.index.connection() as connection:
            for each in jobruns.runs_of(connection, job):
                found.setdefault(each.recipe, []).append(each)
        return found

    def kinds(self, job: str) -> list[str]:
        """What happened to its runs."""
        with self.index.connection() as connection:
            return [event["kind"] for event in jobruns.events_of(connection, job)]

    def story(self, job: str) -> str:
        """What is to be read when a job does not end."""
        states = [
            f"{run.recipe} {run.state} {run.reason}" for each in self.runs(job).values() for run in each
        ]
        logs = [path.read_text()[-2000:] for path in sorted(self.products.parent.glob("worker*.log"))]
        return "\n".join([str(self.job(job)), *states, *self.kinds(job), *logs])

    def ended(self, job: str) -> Job:
        """The job, once it has ended."""
        until(lambda: self.job(job).phase in jobs.ENDED, f"job {job} ends", lambda: self.story(job))
        return self.job(job)

    def hook(self, script: str) -> None:
        """Let every call of a recipe run a shell script first (listings and versions are not recipes)."""
        real = Esorex.find().program
        self.tools.mkdir(exist_ok=True)
        hook(self.tools / "esorex", real, script)

    def hold(self, *, later: bool = False) -> Callable[[], None]:
        """Let the first recipe wait, or all `later` ones instead; returns what lets them go on."""
        some = f"{'! ' if later else ''}mkdir {self.tools}/first"
        self.hook(f"if {some}; then while [ -e {self.tools}/hold ]; do sleep 0.05; done; fi")
        (self.tools / "hold").touch()
        return (self.tools / "hold").unlink

    def held(self) -> bool:
        """Whether the first recipe has begun, and so waits."""
        return (self.tools / "first").exists()

    def recipes(self) -> list[psutil.Process]:
        """The recipes that run on this site now."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            line = " ".join(process.info["cmdline"] or ())
            if "--output-dir" in line and str(self.tools) in line and process.info["status"] != "zombie":
                found.append(process)
        return found

    def entries(self) -> list[str]:
        """The keys of finished work in the store."""
        return sorted(p.name for p in self.products.glob("??/*") if len(p.name) == 64)

    def assert_whole(self, *jobs_done: str) -> None:
        """Each task's products exist exactly once, in store and index, and nothing is left behind."""
        runs = {run.id: run for job in jobs_done for each in self.runs(job).values() for run in each}
        assert {run.state for run in runs.values()} == {"done"}
        keys = [run.key for run in runs.values()]
        assert sorted(set(map(str, keys))) == self.entries()
        products = {item["dp_id"] for run in runs.values() for item in run.products}
        with self.index.connection() as connection:
            rows = connection.execute(
                "SELECT dp_id FROM frame WHERE path LIKE %s", [f"{self.products.resolve()}/%"]
            )
            assert sorted(dp_id for (dp_id,) in rows) == sorted(products)
        for each in runs.values():
            for item in each.products:
                assert Path(item["path"]).stat().st_size == item["size"]
        assert self.recipes() == []


until = partial(waiting.until, seconds=PATIENCE)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.kill()
    process.wait()


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The NACO book alone."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "naco").symlink_to(ROOT / "rules" / "naco")
    return folder


@pytest.fixture
def site(database_url: str, tmp_path: Path, rules: Path, frames: Path) -> Iterator[Site]:
    """A site with one night of NACO."""
    with ExitStack() as ends:
        yield found(database_url, tmp_path, rules, frames, ends)


def found(url: str, place: Path, rules: Path, frames: Path, ends: ExitStack) -> Site:
    """Make a site of a database: rules and frames indexed."""
    engine = connect(url)
    ends.callback(engine.dispose)
    index = Index(engine)
    use_rules(index, load_library(rules), rules)
    ingest(index, [frames], certified=True)
    return Site(url, index, place / "products", place / "tools", ends)
