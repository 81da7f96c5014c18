from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from rich.console import Console

from app.archive import jobruns, reaping, recipes, runs
from app.archive.database import connect
from app.archive.index import Index
from app.archive.reaping import Presence
from app.archive.runs import Claim, Ending
from app.cli.desk import Here
from app.cli.watching import draw
from app.jobs.planning import plan_job
from processing.esorex import Esorex, EsorexError
from processing.simulate.archive import Studio
from processing.simulate.nightlog import named
from processing.simulate.truth import Truth

Calsel = Callable[..., Result]
PROGRAM = [sys.executable, "-m", "app.cli"]


@dataclass(frozen=True)
class Player:
    """Plays the worker of a database, step by step."""

    index: Index

    def plan(self, job: str) -> None:
        plan_job(self.index, job, lambda recipe: "naco/4.4.11")

    def take(self, job: str) -> Claim | None:
        with self.index.connection() as connection:
            ready = [run.id for run in jobruns.runs_of(connection, job) if run.state == "ready"]
            return runs.claim(connection, ready[0], "w1") if ready else None

    def settle(
        self,
        claim: Claim,
        state: str = "done",
        reason: str = "",
        reused: bool = False,
        folder: str = "/nowhere",
    ) -> None:
        made = [
            {
                "dp_id": f"r.{name}",
                "category": name,
                "path": f"{folder}/{name}",
                "size": 1,
                "sha256": "0" * 64,
            }
            for name in claim.task["expects"]
        ]
        products = made if state == "done" else []
        ending = Ending(state, claim.id, products, None, 2.25, 51.4, reason, reused=reused)
        with self.index.connection() as connection:
            runs.changing(connection)
            assert runs.settle(connection, claim, "w1", ending) is not None

    def work(self, job: str) -> None:
        self.plan(job)
        while claim := self.take(job):
            self.settle(claim)


@pytest.fixture
def player(archive_url: str) -> Iterator[Player]:
    engine = connect(archive_url)
    index = Index(engine)
    declared = [{"display_name": "hot_t", "valtype": "double", "partype": "value"}]
    with index.connection() as connection:
        recipes.remember(connection, "naco/4.4.11", {"naco_img_dark": declared})
    yield Player(index)
    with index.connection() as connection:
        connection.execute("TRUNCATE job, job_run, run, run_need, run_event, worker")
    engine.dispose()


def submit(ask: Calsel, *arguments: str) -> str:
    told = ask("jobs", "submit", *arguments)
    assert told.exit_code == 0, told.output
    return told.stdout.strip()


def test_a_job_goes_from_submission_to_oblivion(ask: Calsel, truth: Truth, player: Player) -> None:
    job = submit(ask, truth.naco_science, "--name", "thesis-1", "-p", "naco_img_dark.hot_t=9")
    listed = ask("jobs", "list").stdout
    assert re.fullmatch(
        rf"{job}  QUEUED     0/0  [-0-9]+ [:0-9]+  -  {truth.naco_science}  thesis-1\n", listed
    )
    assert ask("jobs", "list", "--phase", "completed").stdout == ""
    player.work(job)
    assert ask("jobs", "list").stdout == ""
    assert f"{job}  COMPLETED  5/5" in ask("jobs", "list", "--all").stdout
    told = ask("jobs", "show", job)
    assert told.exit_code == 0, told.output
    shown = told.stdout.splitlines()
    assert shown[:2] == [f"dp_id: {truth.naco_science}", "naco_img_dark.hot_t: 9"]
    assert "COMPLETED" in shown[2] and "5 of 5" in shown[2]
    assert shown[3].split()[:2] == ["✓", "naco_img_dark"]
    assert shown[8:10] == ["  COADDED_IMG: r.COADDED_IMG", "  COADDED_IMG: r.COADDED_IMG"]
    assert shown[-1].endswith("(calibration)")
    late = ask("jobs", "abort", job)
    assert (late.exit_code, late.stderr) == (
        1, f"calsel: job {job} has ended (COMPLETED); nothing is left to abort\n"
    )  # fmt: skip
    assert ask("jobs", "delete", job).exit_code == 0
    assert ask("jobs", "list", "--all").stdout == ""
    for command in ("show", "watch", "run", "abort", "delete"):
        gone = ask("jobs", command, job)
        assert gone.exit_code == 1
        assert gone.stderr == f"calsel: there is no job '{job}': it never was, or it has been destroyed\n"


def test_what_an_archive_product_lacks_is_told_at_the_end(
    ask: Calsel, truth: Truth, player: Player, tmp_path: Path
) -> None:
    absent = [{"hdu": 0, "keyword": "PHOTZP", "sentence": "no zero point is known"}]
    report = {"files": [{"path": "COADDED_IMG"}], "absent": absent, "mended": [], "problems": []}
    (tmp_path / "report.json").write_text(json.dumps({**report, "remarks": ["it was cloudy"]}))
    job = submit(ask, truth.naco_science)
    player.plan(job)
    while claim := player.take(job):
        assert "PHOTZP" not in ask("jobs", "show", job).stdout
        player.settle(claim, folder=str(tmp_path))
    said = ["r.COADDED_IMG: absent: PHOTZP: no zero point is known", "r.COADDED_IMG: it was cloudy"]
    shown = [line.strip() for line in ask("jobs", "show", job).stdout.splitlines()]
    assert [line for line in shown if line in said] == said
    assert ask("jobs", "watch", job).stdout.splitlines()[-2:] == said


def test_a_pending_job_waits_to_be_run(ask: Calsel, truth: Truth, player: Player) -> None:
    job = submit(ask, truth.naco_science, "--pending")
    assert f"nobody has asked to run it: calsel jobs run {job}" in ask("jobs", "show", job).stdout
    assert ask("jobs", "run", job).exit_code == 0
    again = ask("jobs", "run", job)
    assert (again.exit_code, again.stderr) == (
        1, f"calsel: job {job} is QUEUED; only a PENDING one can be run\n"
    )  # fmt: skip
    assert "no worker is there for plan: calsel worker" in ask("jobs", "show", job).stdout
    ask("jobs", "abort", job)
    assert "ABORTED" in ask("jobs", "show", job).stdout


def test_everything_that_is_wrong_is_told_at_once(ask: Calsel, player: Player) -> None:
    told = ask("jobs", "submit", "X.1", "X.2", "-p", "naco_img_dark.hot_t=warm", "-p", "naco_img_dark.y=1",
               "--mode", "Raw2X", "--priority", "high")  # fmt: skip
    assert told.exit_code == 1
    assert [line.partition(":")[0] for line in told.stderr.removeprefix("calsel: ").splitlines()] == [
        "mode", "naco_img_dark.hot_t", "naco_img_dark.y", "priority", "dp_id", "dp_id"
    ]  # fmt: skip
    assert ask("jobs", "list", "--all").stdout == ""


@pytest.mark.parametrize(
    "arguments", [["-p", "hot_t=9"], ["-p", "naco_img_dark.hot_t"], ["--pending", "--watch"]]
)
def test_a_command_that_makes_no_sense_is_refused(ask: Calsel, truth: Truth, arguments: list[str]) -> None:
    assert ask("jobs", "submit", truth.naco_science, *arguments).exit_code == 2


def test_all_calibrations_of_a_period_are_asked_for(ask: Calsel, player: Player) -> None:
    job = submit(ask, "--strategy", "qc1", "--instrument", "naco", "--night", "2012-03-15",
                 "--last-night", "2012-03-17")  # fmt: skip
    assert "qc1 naco 2012-03-15" in ask("jobs", "list").stdout
    player.plan(job)
    shown = ask("jobs", "show", job).stdout
    assert re.search(r"^○ job \S+ +ACTION_DARK NACO\.2012-03-1", shown, re.MULTILINE)


def test_without_a_terminal_each_event_is_a_line_and_the_exit_code_tells_the_end(
    ask: Calsel, truth: Truth, player: Player
) -> None:
    good = submit(ask, truth.naco_science)
    player.work(good)
    told = ask("jobs", "watch", good)
    assert told.exit_code == 0
    lines = [line.split() for line in told.stdout.splitlines()]
    assert [line[1:3] for line in lines[:2]] == [["started", "naco_img_dark"], ["done", "naco_img_dark"]]
    assert lines[-1][1:] == ["COMPLETED"]
    bad = submit(ask, truth.naco_science, "-p", "naco_img_dark.hot_t=1")
    player.plan(bad)
    claim = player.take(bad)
    assert claim
    player.settle(claim, "failed", "bad pixels everywhere")
    while claim := player.take(bad):
        player.settle(claim)
    told = ask("jobs", "watch", bad)
    assert told.exit_code == 1
    assert re.search(r"failed +naco_img_dark  .* bad pixels everywhere", told.stdout)
    assert told.stdout.splitlines()[-1].endswith(": bad pixels everywhere")


def test_who_submits_can_look_on_as_workers_work(archive_url: str, truth: Truth, player: Player) -> None:
    with (
        subprocess.Popen(
            [*PROGRAM, "jobs", "submit", truth.naco_science, "--watch"],
            env={**os.environ, "CALSEL_DATABASE_URL": archive_url, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
        ExitStack() as failed,
    ):
        failed.callback(process.kill)
        assert process.stdout is not None
        job = process.stdout.readline().strip()
        assert process.stdout.readline().split()[1:] == ["QUEUED"]
        assert "no worker is there for plan: calsel worker" in process.stdout.readline()
        player.plan(job)
        assert process.stdout.readline().split()[1:] == ["EXECUTING"]
        while claim := player.take(job):
            player.settle(claim)
        rest = process.stdout.read().splitlines()
        failed.pop_all()
    assert process.returncode == 0
    assert [line.split()[1] for line in rest if "naco_img_jitter" in line] == ["started", "done"]
    assert rest[-1].split()[1:] == ["COMPLETED"]


def test_a_drawing_has_a_line_for_each_task(
    ask: Calsel, truth: Truth, player: Player, tmp_path: Path
) -> None:
    job = submit(ask, truth.naco_science)
    player.plan(job)
    done, reused = player.take(job), player.take(job)
    assert done and reused
    player.settle(done)
    player.settle(reused, reused=True)
    running = player.take(job)
    assert running
    log = tmp_path / "esorex.log"
    log.write_text("[ INFO ] reading\n[ INFO ]  the [bold]flats[/]\n")
    with player.index.connection() as connection:
        runs.logging_to(connection, running, str(log))
    seen = Here(player.index).look(job)
    drawn = _drawn(seen)
    assert re.fullmatch(rf"{job}  EXECUTING  ━+╸ +2 of 5 *", drawn[0])
    assert [line.split()[:2] for line in drawn[1:6]] == [
        ["✓", "naco_img_dark"], ["✓", "naco_img_dark"], ["▶", "naco_img_twflat"],
        ["·", "naco_img_jitter"], ["·", "sdp_package"],
    ]  # fmt: skip
    assert drawn[1].split()[-4:] == ["2.2", "s", "51", "MB"]
    assert " s " not in drawn[2]
    assert re.search(r"\d\.\d s +\[ INFO \] the \[bold\]flats\[/\]$", drawn[3].rstrip())
    small = _drawn(seen, room=2)
    assert [line.split()[0] for line in small[1:3]] == ["✓", "▶"]
    assert small[3].strip() == "… and 3 more"
    player.settle(running, "failed", "no flux")
    ended = _drawn(Here(player.index).look(job))
    assert [line.split()[0] for line in ended[1:6]] == ["✓", "✓", "✗", "✗", "✗"]
    assert ended[-1].strip().endswith(": no flux")


def _drawn(seen: dict[str, object], room: int | None = None) -> list[str]:
    console = Console(width=160, file=StringIO())
    with console.capture() as drawn:
        console.print(draw(seen, room=room))
    return drawn.get().splitlines()


def test_workers_are_listed_with_what_they_do(ask: Calsel, truth: Truth, player: Player) -> None:
    nobody = ask("jobs", "workers")
    assert (nobody.exit_code, nobody.stderr) == (
        1, "calsel: nobody works; start a worker with 'calsel worker'\n"
    )  # fmt: skip
    began = time.monotonic()
    with player.index.connection() as connection:
        reaping.announce(connection, Presence("w1", "here", 1, ("plan", "naco/4.4.11"), 2, 3000))
        reaping.announce(connection, Presence("w2", "there", 1, ("plan",), 1, 500))
    job = submit(ask, truth.naco_science)
    player.plan(job)
    player.take(job)
    head, first, second = ask("jobs", "workers").stdout.splitlines()
    assert head.split() == ["worker", "slots", "memory", "seen", "runs", "queues"]
    most = round(time.monotonic() - began)
    one = re.fullmatch(r"w1 +2 +3000 MB +(\d+) s ago +naco_img_dark +plan, naco/4\.4\.11", first.strip())
    other = re.fullmatch(r"w2 +1 +500 MB +(\d+) s ago +nothing +plan", second.strip())
    assert one and other
    assert int(one[1]) <= most and int(other[1]) <= most


@pytest.mark.slow
def test_a_real_worker_reduces_a_science_frame_while_a_terminal_shows_it(
    calsel: Calsel, database_url: str, truth: Truth, tmp_path: Path
) -> None:
    try:
        Esorex.find().pipeline("naco")
    except EsorexError as error:
        pytest.skip(str(error))
    (tmp_path / "raw").mkdir()
    nothing = np.zeros(0)
    studio = Studio(1, {}, (nothing, nothing), nothing)
    for name in ("jitter", "dark", "twilight", "twilight-dark"):
        studio.write(named("NACO", name), tmp_path / "raw")
    calsel("ingest", tmp_path / "raw", "--certified")
    environment = {
        **os.environ,
        "CALSEL_DATABASE_URL": database_url,
        "CALSEL_PRODUCTS": str(tmp_path / "products"),
        "TERM": "xterm",
        "COLUMNS": "160",
    }
    worker = subprocess.Popen([*PROGRAM, "worker"], env=environment, stderr=subprocess.DEVNULL)
    try:
        code, shown = _in_terminal([*PROGRAM, "jobs", "submit", truth.naco_science, "--watch"], environment)
        assert code == 0, shown
        assert "5 of 5" in shown
        assert shown.count("▶") > 0
        again = calsel("jobs", "submit", truth.naco_science, "--watch")
        *_, ended, absent, wrong, _, _ = again.stdout.splitlines()
        assert (again.exit_code, ended.split()[1:]) == (0, ["COMPLETED"])
        assert "_sdp: absent: PHOTZP, PHOTSYS, ABMAGLIM, ABMAGSAT: no zero point is known" in absent
        assert "5 errors of 'calsel check-product'" in wrong
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait() == 0


def _in_terminal(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and output of a command in a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 4096)
        except OSError:  # Linux says EIO when nobody has the other end any more
            break
    os.close(ours)
    return process.wait(), said.decode()
