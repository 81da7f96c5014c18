"""Every job ends right, whatever happens to workers, recipes, the database, the disk and the files."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from app.archive.database import upgrade
from app.config import ROOT
from app.embedded import lease, stop
from app.ingest import ingest
from app.worker.budget import machine_mb
from processing.esorex import Esorex
from processing.simulate.chains import CHAINS
from tests.jobs.conftest import (
    DARK,
    FLAT,
    PATIENT,
    SCIENCE,
    SILENCE,
    Site,
    another_hour,
    expose,
    found,
    until,
)

pytestmark = pytest.mark.slow


def test_kill_of_a_worker_hands_its_run_to_another(site: Site) -> None:
    release = site.hold()
    first = site.worker()
    job = site.submit(dp_id=SCIENCE)
    until(site.held, "a recipe waits")
    first.kill()
    first.wait()
    until(lambda: not site.recipes(), "the recipe died with its worker")
    release()
    site.worker()
    assert site.ended(job).phase == "COMPLETED"
    assert "lost" in site.kinds(job)
    site.assert_whole(job)


def test_kill_of_a_recipe_is_tried_again(site: Site) -> None:
    release = site.hold()
    site.worker()
    job = site.submit(dp_id=SCIENCE)
    until(site.held, "a recipe waits")
    for recipe in site.recipes():
        with suppress(psutil.NoSuchProcess):  # a short command of the waiting script, not a program yet
            recipe.kill()
    release()
    assert site.ended(job).phase == "COMPLETED"
    assert site.kinds(job).count("again") == 1
    assert sorted(run.attempts for each in site.runs(job).values() for run in each) == [1, 1, 1, 1, 2]
    site.assert_whole(job)


def test_sigstop_past_the_heartbeat_publishes_nothing_twice(site: Site) -> None:
    release = site.hold()
    sleeper = site.worker()
    job = site.submit(dp_id=SCIENCE)
    until(site.held, "a recipe waits")
    sleeper.send_signal(signal.SIGSTOP)
    site.worker()
    assert site.ended(job).phase == "COMPLETED"
    before = {path: path.stat() for path in site.products.glob("??/*/*")}
    release()
    until(lambda: len(site.recipes()) == 0, "the sleeper's recipe has ended")
    sleeper.send_signal(signal.SIGCONT)
    again = site.submit(dp_id=SCIENCE, **{"naco_img_jitter.sky_planes": "5"})
    assert site.ended(again).phase == "COMPLETED"
    sleeper.terminate()
    assert sleeper.wait() == 0
    for path, status in before.items():
        now = path.stat()
        assert (now.st_ino, now.st_mtime_ns) == (status.st_ino, status.st_mtime_ns), path
    kinds = site.kinds(job)
    assert kinds.count("lost") == 1
    assert kinds.count("done") == 5
    site.assert_whole(job, again)


def test_restart_of_the_database_loses_nothing(tmp_path: Path, rules: Path, frames: Path) -> None:
    with ExitStack() as ends:
        # Not below tmp_path, which the account that runs the server for root may not enter.
        home = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="calsel-"))) / "home"
        home.parent.chmod(0o755)
        ends.callback(stop, home)  # else it may still write while its home is being removed
        url = ends.enter_context(lease(home)).url
        upgrade(url)
        site = found(url, tmp_path, rules, frames, ends)
        release = site.hold()
        worker = site.worker()
        job = site.submit(dp_id=SCIENCE)
        until(site.held, "a recipe waits")
        assert stop(home)
        ends.enter_context(lease(home))
        release()
        assert site.ended(job).phase == "COMPLETED"
        assert "lost" not in site.kinds(job)
        worker.terminate()
        assert worker.wait() == 0
        site.assert_whole(job)


def fill(site: Site, megabytes: int, left: int) -> Path:
    """Let the products folder be a small disk with so many bytes left; returns the file that fills it."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    site.products.mkdir()
    size = f"size={megabytes}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(site.products)], check=True)
    site.ends.callback(subprocess.run, ["umount", "-l", str(site.products)], check=True)
    filler = site.products / "filler"
    with filler.open("wb") as sink:
        sink.write(bytes(shutil.disk_usage(site.products).free - left))
    return filler


def test_disk_full_in_the_working_folder_is_tried_again(site: Site) -> None:
    filler = fill(site, 32, left=200_000)
    release = site.hold(later=True)
    site.worker()
    job = site.submit(dp_id=SCIENCE)
    until(lambda: "again" in site.kinds(job), "a recipe met the full disk")
    assert site.job(job).phase == "EXECUTING"
    filler.unlink()
    release()
    assert site.ended(job).phase == "COMPLETED"
    site.assert_whole(job)


def test_disk_full_is_tried_again_whatever_exit_code_the_recipe_has_for_it(
    database_url: str, tmp_path: Path
) -> None:
    chain, raw, rules = CHAINS["giraffe"], tmp_path / "raw", tmp_path / "rules"
    rules.mkdir()
    (rules / "giraffe").symlink_to(ROOT / "rules" / "giraffe")
    chain.build(raw, 1)
    with ExitStack() as ends:
        site = found(database_url, tmp_path, rules, raw, ends)
        filler = fill(site, 300, left=10_000_000)
        release = site.hold(later=True)
        site.worker()
        job = site.submit(dp_id=chain.science)
        until(lambda: "again" in site.kinds(job), "a recipe met the full disk", lambda: site.story(job))
        (bias,) = site.runs(job)["gimasterbias"]
        assert "ended with exit code 1: " in bias.reason
        assert "its disk was full" in bias.reason
        filler.unlink()
        release()
        assert site.ended(job).phase == "COMPLETED"
        site.assert_whole(job)


def test_a_recipe_that_a_worker_has_not_the_memory_for_is_done_by_one_that_has(site: Site) -> None:
    seen = site.tools / "seen"
    grows = (
        "import os, sys, time; seen, *a = sys.argv[1:]; it = bytearray(200 << 20)\n"
        "while not os.path.exists(seen): time.sleep(0.05)\n"
        "os.execv(a[0], a)"
    )
    command = f'python3 -c "{grows}" {seen} {Esorex.find().program} "$@"'
    site.hook(f'case "$*" in *naco_img_twflat*) exec {command};; esac')
    site.worker("--memory", "150", *PATIENT)
    job = site.submit(dp_id=SCIENCE)
    assert site.ended(job).phase == "ERROR"
    (flat,) = site.runs(job)["naco_img_twflat"]
    assert (flat.state, flat.attempts) == ("failed", 1)
    assert "its limit is 150 MB; no worker has enough for it: start one with --memory" in flat.reason
    seen.touch()
    site.worker("--memory", "1000", *PATIENT)
    later = site.submit(dp_id=SCIENCE)
    assert site.ended(later).phase == "COMPLETED"
    (flat,) = site.runs(later)["naco_img_twflat"]
    assert flat.attempts == 1
    site.assert_whole(later)


def test_workers_that_count_on_more_memory_than_their_host_has_say_so(site: Site) -> None:
    most = str(machine_mb() * 6 // 10)
    first, second = (site.products.parent / f"worker{number}.log" for number in (0, 1))
    site.worker("--memory", most, *PATIENT)
    until(lambda: "listens" in first.read_text(), "the first worker has looked who else is there")
    site.worker("--memory", most, *PATIENT)
    until(lambda: "listens" in second.read_text(), "the second worker works")
    assert "--memory" not in first.read_text()
    assert "give each its part by --memory" in second.read_text()


def test_a_worker_says_what_is_odd_about_its_queues_and_its_folder(site: Site, tmp_path: Path) -> None:
    site.worker()
    job = site.submit(dp_id=SCIENCE)
    assert site.ended(job).phase == "COMPLETED"
    site.worker("--queues", "nonsense", CALSEL_PRODUCTS=str(tmp_path / "elsewhere"))
    first, second = (site.products.parent / f"worker{number}.log" for number in (0, 1))
    until(lambda: "CALSEL_PRODUCTS" in second.read_text(), "the second worker has looked")
    assert f"products of this archive are in {site.products}" in second.read_text()
    assert "nothing here is of the queue nonsense; there are plan, " in second.read_text()
    assert "CALSEL_PRODUCTS" not in first.read_text()
    assert "nothing here is of the queue" not in first.read_text()


def test_a_worker_whose_heart_fails_ends_with_an_error(site: Site) -> None:
    faulty = """
import signal
from app.archive import reaping
from app.cli import main
beat = reaping.beat
heard = lambda: signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
reaping.beat = lambda *given: 1 / 0 if heard() else beat(*given)
main(["worker", "--heartbeat", "0.1"])
"""
    told = subprocess.run(
        [sys.executable, "-c", faulty], env=site.environment(), capture_output=True, text=True, timeout=600
    )
    assert told.returncode == 1
    assert "ZeroDivisionError: division by zero" in told.stderr
    assert "the heart of this worker failed" in told.stderr.splitlines()[-1]
    with site.index.connection() as connection:
        assert connection.execute("SELECT count(*) FROM worker").fetchone() == (0,)


def test_torn_raw_file_fails_once_and_is_told_by_name(site: Site, frames: Path, tmp_path: Path) -> None:
    whole = frames / f"{FLAT.dp_ids()[0]}.fits"
    content = whole.read_bytes()
    whole.write_bytes(content[:300_000])
    try:
        site.worker()
        job = site.submit(dp_id=SCIENCE)
        assert site.ended(job).phase == "ERROR"
    finally:
        whole.write_bytes(content)
    (flat,) = site.runs(job)["naco_img_twflat"]
    assert (flat.state, flat.attempts) == ("failed", 1)
    assert f"{whole.name} (CAL_FLAT_TW) is not the file of the plan" in flat.reason
    states = {
        run.state for recipe, each in site.runs(job).items() if recipe != "naco_img_twflat" for run in each
    }
    assert states == {"done", "blocked"}
    again = site.submit(dp_id=SCIENCE)
    assert site.ended(again).phase == "COMPLETED"
    site.assert_whole(again)


def test_a_bad_recipe_is_not_tried_again(site: Site) -> None:
    site.hook('case "$*" in *naco_img_twflat*) exit 14;; esac')
    site.worker()
    job = site.submit(dp_id=SCIENCE)
    assert site.ended(job).phase == "ERROR"
    (flat,) = site.runs(job)["naco_img_twflat"]
    assert (flat.state, flat.attempts) == ("failed", 1)
    assert "again" not in site.kinds(job)
    once_more = site.submit(dp_id=SCIENCE)
    assert site.ended(once_more).phase == "ERROR"
    assert site.runs(once_more)["naco_img_twflat"][0].attempts == 1


def test_terminate_hands_running_recipes_over(site: Site) -> None:
    site.hold()
    first = site.worker("--grace", "0.5")
    job = site.submit(dp_id=SCIENCE)
    until(site.held, "a recipe waits")
    first.terminate()
    assert first.wait() == 0
    assert site.recipes() == []
    site.worker()
    assert site.ended(job).phase == "COMPLETED"
    assert "given back" in site.kinds(job)
    assert {run.attempts for each in site.runs(job).values() for run in each} == {1}
    site.assert_whole(job)


def test_abort_ends_a_recipe_unless_another_job_wants_it(site: Site) -> None:
    from app.archive.jobs import abort

    release = site.hold()
    site.worker()
    one = site.submit(dp_id=SCIENCE)
    until(site.held, "a recipe waits")
    two = site.submit(dp_id=SCIENCE)
    until(lambda: site.job(two).phase == "EXECUTING", "the second job is planned")
    with site.index.connection() as connection:
        abort(connection, one, "not needed")
    assert site.recipes() != []
    with site.index.connection() as connection:
        abort(connection, two, "not needed either")
    until(lambda: site.recipes() == [], "the recipe is ended")
    release()
    assert {run.state for each in site.runs(one).values() for run in each} == {"cancelled"}
    three = site.submit(dp_id=SCIENCE)
    assert site.ended(three).phase == "COMPLETED"
    site.assert_whole(three)


def test_overlap_of_200_jobs_on_three_workers_does_each_task_once(site: Site, tmp_path: Path) -> None:
    sciences = [another_hour(hours / 10) for hours in range(1, 51)]
    more = tmp_path / "more"
    more.mkdir()
    expose(more, *sciences)
    ingest(site.index, [more], certified=True)
    dice = random.Random(4)
    workers = [site.worker() for _ in range(3)]
    jobs = [
        site.submit(dp_id=[each.dp_ids()[0] for each in dice.sample(sciences, dice.randint(1, 3))])
        for _ in range(200)
    ]
    dice.choice(workers).kill()
    for job in jobs:
        assert site.ended(job).phase == "COMPLETED", site.job(job)
    site.assert_whole(*jobs)
    made = {run.id: run for job in jobs for each in site.runs(job).values() for run in each}
    assert len(made) == len({run.key for run in made.values()})
    assert sum(run.recipe == "naco_img_dark" for run in made.values()) == 2
    assert DARK.dp_ids()[0] in {run.task["name"].removeprefix("r.") for run in made.values()}
    assert SILENCE > 0
