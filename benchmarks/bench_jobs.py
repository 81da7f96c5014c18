"""What the job engine adds to the recipes, and how well it keeps the machine busy.

    python -m benchmarks.bench_jobs

Goals: dispatch of a task, everything but its recipe, below 50 ms p50; a job whose tasks are all known in
under 200 ms; 1,000 tasks that do nothing in a graph of 5 levels at 100 tasks/s or more; 3 workers keep
2 cores busy 90 % or more on a mixed load; an idle worker below 200 MB. Needs esorex and the pipelines of
NACO, UVES and VISIR.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median

import numpy as np
import orjson
from sqlalchemy import make_url

from app.archive import jobs, runs
from app.archive.calls import call
from app.archive.database import connect, upgrade
from app.archive.index import Index
from app.archive.reaping import Presence
from app.archive.runs import Claim
from app.archive.wanting import WantedRun, want
from app.config import ROOT
from app.embedded import lease
from app.ingest import ingest, use_rules
from app.jobs.submitting import run, submit
from app.rulebook import load_library
from app.worker.budget import Budget
from app.worker.hands import Hands
from app.worker.heart import Heart, Rhythm
from app.worker.service import Post, listen
from benchmarks.report import Line, machine, show
from processing.bench import Bench, TaskResult
from processing.esorex import Esorex
from processing.process import Limits
from processing.simulate import echelle, uves, visir_chain
from processing.simulate.archive import LINE_LISTS, Studio, static_cards
from processing.simulate.nightlog import Template, named
from processing.store import open_store

LEVELS, WIDTH = 5, 200
# Science templates of the mixed load: many short runs of NACO, few long ones of UVES, and VISIR's between.
NACO_SCIENCES, UVES_SCIENCES = 25, 8


class _NoOp(Hands):
    """Hands whose recipes take no time and make nothing."""

    def _make(self, claim: Claim, stop: threading.Event) -> TaskResult:  # noqa: ARG002 (it ends at once)
        return TaskResult(claim.task["id"], claim.task["recipe"], "done", key=claim.id)


def main() -> int:
    """Measure and print."""
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="calsel-bench-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        with lease(place / "home") as database:
            upgrade(database.url)
            engine = connect(database.url)
            index = Index(engine)
            first, mixed = _archive(index, place)
            lines += _no_ops(index, database.url, place)
            with _workers(database.url, place, 1) as workers:
                lines += _idle(workers)
                lines += _dispatch(index, first)
                lines += _known(index, first)
            with _workers(database.url, place, 3) as workers:
                lines += _busy(index, workers, mixed)
            engine.dispose()
    show(f"Jobs: {machine()}", lines)
    return 0


def _archive(index: Index, place: Path) -> tuple[str, list[str]]:
    """Nights of NACO, UVES and VISIR; the dp_ids of a science frame of NACO, and of the mixed load."""
    rules, raw = place / "rules", place / "raw"
    rules.mkdir()
    raw.mkdir()
    for book in ("naco", "uves", "visir"):
        (rules / book).symlink_to(ROOT / "rules" / book)
    use_rules(index, load_library(rules), rules)
    lamp, blue = echelle.lamp_lines(1), uves.Setup()
    studio = Studio(1, {blue.wlen: echelle.predict(blue)}, lamp, uves.response(1))
    naco = _again(named("NACO", "jitter"), NACO_SCIENCES + 1, seconds=600, n=4)
    spectra = _again(named("UVES", "science"), UVES_SCIENCES, seconds=1500, n=1)
    calibrations = [named("NACO", n) for n in ("dark", "twilight", "twilight-dark")]
    calibrations += [named("UVES", n) for n in ("format", "order", "bias", "flat", "arc")]
    for template in (*naco, *spectra, *calibrations):
        studio.write(template, raw)
    for dp_id in LINE_LISTS:
        echelle.write_lines(raw / f"{dp_id}.fits", lamp[0], static_cards(dp_id))
    visir_chain.build(raw, 1)
    ingest(index, [raw], certified=True)
    # In the order an archive is asked: the instruments mixed.
    mixed = [visir_chain.SCIENCE] + [template.dp_ids()[0] for template in (*spectra, *naco[1:])]
    np.random.default_rng(1).shuffle(mixed)
    return naco[0].dp_ids()[0], mixed


def _again(first: Template, times: int, *, seconds: int, n: int) -> list[Template]:
    """A science template, and the same again and again, each an observation block of its own, of n frames."""
    starts = [np.datetime64(first.start) + np.timedelta64(seconds * i, "s") for i in range(times)]
    return [
        replace(first, start=str(start), ob=first.ob + 10 * i, name="", n=n) for i, start in enumerate(starts)
    ]


def _no_ops(index: Index, url: str, place: Path) -> list[Line]:
    """A thousand tasks that do nothing, through the database, the calls and two slots of one worker."""
    worker = subprocess.Popen([sys.executable, "-m", "benchmarks.bench_jobs", url, str(place / "none")])
    with index.connection() as connection:
        while not connection.execute("SELECT 1 FROM worker").fetchall():
            connection.commit()
            time.sleep(0.05)
        hour = timedelta(hours=1)
        job = jobs.create(
            connection, {}, owner=None, run_id=None, priority=0, execution_duration=0, lifetime=hour
        )
        jobs.start(connection, job)
        connection.commit()
        begun = time.perf_counter()
        runs.changing(connection)
        jobs.begin(connection, job, [], [], "")
        call(connection, want(connection, job, _graph(), []))
        connection.commit()
        _wait(index, [job])
        elapsed = time.perf_counter() - begun
    worker.terminate()
    worker.wait()
    rate = LEVELS * WIDTH / elapsed
    return [
        Line(f"{LEVELS * WIDTH} no-op tasks in {LEVELS} levels", f"{rate:.0f}/s", ">= 100/s", rate >= 100)
    ]


def no_op_worker(url: str, place: Path) -> None:
    """A worker of two slots whose recipes take no time."""
    index, esorex, queues = Index(connect(url)), Esorex.find(), ("no-op/1",)
    libpq = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with open_store(place) as store:
        hands = _NoOp(index, Bench(store, esorex, Limits(), threading.Event()), "no-op", Budget(8000))
        heart = Heart(libpq, hands, Presence("no-op", "here", os.getpid(), queues, 2, 8000), Rhythm())
        heart.start()
        asyncio.run(listen(libpq, hands, esorex, queues, Post(place, 2, 8000)))
        heart.stop()


def _graph() -> list[WantedRun]:
    dice = np.random.default_rng(1)
    found: list[list[WantedRun]] = []
    for level in range(LEVELS):
        above = found[-1] if found else []
        row = []
        for number in range(WIDTH):
            needs = tuple({above[i].id for i in dice.integers(0, WIDTH, 3)}) if above else ()
            name = f"task {level} {number}"
            task = {
                "id": name,
                "recipe": "no_op",
                "name": name,
                "parameters": [],
                "expects": [],
                "inputs": [],
            }
            row.append(WantedRun(secrets.token_hex(32), "no_op", "no-op/1", task, needs, level == LEVELS - 1))
        found.append(row)
    return [run for row in found for run in row]


def _idle(workers: Sequence[subprocess.Popen[bytes]]) -> list[Line]:
    status = Path(f"/proc/{workers[0].pid}/status").read_text()
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    megabytes = int(peak) / 1024
    return [Line("an idle worker", f"{megabytes:.0f} MB", "< 200 MB", megabytes < 200)]


def _dispatch(index: Index, science: str) -> list[Line]:
    """From ready to done, less what the recipe's own process took."""
    job = _submit(index, science)
    _wait(index, [job])
    with index.connection() as connection:
        rows = connection.execute(
            "SELECT extract(epoch FROM r.ended - r.ready), r.log FROM job_run w JOIN run r ON r.id = w.run "
            "WHERE w.job = %s AND r.recipe LIKE 'naco%%'",
            [job],
        ).fetchall()
    overheads = [
        float(total) - orjson.loads(Path(log).with_name("task.json").read_bytes())["elapsed"]
        for total, log in rows
    ]
    p50 = median(overheads) * 1000
    return [Line("a task beside its recipe (p50 of one chain)", f"{p50:.0f} ms", "< 50 ms", p50 < 50)]


def _known(index: Index, science: str) -> list[Line]:
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        _wait(index, [_submit(index, science)], 0.002)
        times.append(time.perf_counter() - begun)
    p50 = median(times) * 1000
    return [Line("a job whose tasks are all known (p50)", f"{p50:.0f} ms", "< 200 ms", p50 < 200)]


def _busy(index: Index, workers: Sequence[subprocess.Popen[bytes]], sciences: Sequence[str]) -> list[Line]:
    """What the workers and their recipes have worked; PostgreSQL's share is not counted."""
    before, begun = _cpu(workers), time.perf_counter()
    _wait(index, [_submit(index, science) for science in sciences])
    elapsed = time.perf_counter() - begun
    busy = (_cpu(workers) - before) / elapsed / len(os.sched_getaffinity(0))
    return [
        Line(
            f"{len(sciences)} frames of NACO, UVES and VISIR on 3 workers, {elapsed:.0f} s: cores busy",
            f"{busy:.0%}",
            ">= 90 %",
            busy >= 0.9,
        )
    ]


def _cpu(workers: Sequence[subprocess.Popen[bytes]]) -> float:
    """Seconds that these processes have worked so far, with all their descendants that have ended."""
    ticks = 0
    for worker in workers:
        after_name = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(field) for field in after_name[11:15])  # utime, stime, cutime, cstime: proc(5)
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def _workers(url: str, place: Path, number: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    environment = {**os.environ, "CALSEL_DATABASE_URL": url, "CALSEL_PRODUCTS": str(place / "products")}
    command = [sys.executable, "-m", "app.cli", "worker", "--concurrency", "1"]
    with (place / f"workers{number}.log").open("wb") as log:
        found = [subprocess.Popen(command, env=environment, stdout=log, stderr=log) for _ in range(number)]
        time.sleep(8)  # until the recipes' parameters are told, which is done once
        try:
            yield found
        finally:
            for process in found:
                process.terminate()
            for process in found:
                process.wait()


def _submit(index: Index, science: str) -> str:
    with index.connection() as connection:
        job = submit(connection, {"dp_id": [science]})
        run(connection, job)
    return job


def _wait(index: Index, wanted: Sequence[str], pause: float = 0.02) -> None:
    for job in wanted:
        while True:
            with index.connection() as connection:
                phase = jobs.find(connection, job).phase
            if phase in jobs.ENDED:
                assert phase == "COMPLETED", phase
                break
            time.sleep(pause)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        no_op_worker(sys.argv[1], Path(sys.argv[2]))
    else:
        sys.exit(main())
