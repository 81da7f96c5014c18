from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from app.header.files import header_text
from processing.simulate.archive import Studio
from processing.simulate.nightlog import named
from processing.simulate.truth import Truth

Calsel = Callable[..., Result]
CALSEL = [sys.executable, "-c", "from app.cli import main; main()"]


@pytest.fixture(scope="session")
def naco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The NACO science frames of the simulated archive and what belongs to them, with all pixels."""
    folder = tmp_path_factory.mktemp("naco")
    nothing = np.zeros(0)
    studio = Studio(1, {}, (nothing, nothing), nothing)
    for name in ("jitter", "dark", "twilight", "twilight-dark"):
        studio.write(named("NACO", name), folder)
    return folder


def test_a_dry_run_shows_the_tasks_in_their_order_and_makes_nothing(
    ask: Calsel, truth: Truth, tmp_path: Path
) -> None:
    told = ask("run", truth.naco_science, "--dry-run", "--products", tmp_path / "products")
    assert told.exit_code == 0
    first, *tasks = told.stdout.splitlines()
    assert first == "4 tasks:"
    assert [task.split()[0] for task in tasks] == [
        "naco_img_dark", "naco_img_dark", "naco_img_twflat", "naco_img_jitter"
    ]  # fmt: skip
    assert tasks[-1] == f"  naco_img_jitter --combine_method=first (ACTION_IMGJITOBJ {truth.naco_science})"
    assert not (tmp_path / "products").exists()
    packaged = ask("run", truth.naco_science, "--dry-run", "--package").stdout.splitlines()
    assert packaged[1:-1] == tasks
    assert packaged[-1].startswith("  sdp_package (sdp_package COADDED_IMG ")


@pytest.mark.parametrize("dry", [["--dry-run"], []])
def test_an_incomplete_science_frame_is_refused_with_what_it_needs(
    ask: Calsel, truth: Truth, dry: list[str]
) -> None:
    told = ask("run", truth.incomplete_science, *dry)
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr.startswith(f"calsel: {truth.incomplete_science}: ")
    assert f"needs {truth.incomplete_reason} (1 needed, 0 found)" in told.stderr
    assert told.stderr.count("\n") == 1


def test_several_frames_are_reduced_one_after_the_other_whatever_becomes_of_one(
    ask: Calsel, truth: Truth
) -> None:
    frames = (truth.naco_science, truth.incomplete_science, truth.uves_science, truth.naco_science)
    told = ask("run", *frames, "--dry-run")
    assert told.exit_code == 1
    assert [line for line in told.stdout.splitlines() if not line.startswith("  ")] == [
        f"{truth.naco_science} (1 of 3)", "4 tasks:",
        f"{truth.incomplete_science} (2 of 3)",
        f"{truth.uves_science} (3 of 3)", "6 tasks:",
    ]  # fmt: skip
    first, last = told.stderr.splitlines()
    assert first.startswith(f"calsel: {truth.incomplete_science}: incomplete: ")
    assert last == f"calsel: 1 of 3 failed: {truth.incomplete_science}"
    assert ask("run", truth.naco_science, truth.uves_science, "--dry-run").exit_code == 0


def test_nothing_runs_where_one_frame_is_unknown(ask: Calsel, truth: Truth) -> None:
    told = ask("run", truth.naco_science, "NACO.unknown", "UVES.unknown", "--dry-run")
    assert (told.exit_code, told.stdout) == (1, "")
    assert "2 dp_ids are not in this archive: 'NACO.unknown', 'UVES.unknown'" in told.stderr


def test_a_calibration_frame_is_refused(ask: Calsel, truth: Truth) -> None:
    dark = truth.expected[truth.naco_science]["NACO_IMG_DARK_AVG"][0]
    told = ask("run", dark)
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr.startswith(f"calsel: {dark}: no recipe reduces CALIB_DARK (No association could be")


def test_an_unknown_dp_id_is_refused(ask: Calsel) -> None:
    told = ask("run", "NACO.unknown")
    assert told.exit_code == 1
    assert "dp_id 'NACO.unknown' is not in this archive" in told.stderr


def test_frames_known_by_their_headers_only_are_refused(
    calsel: Calsel, frames: Path, truth: Truth, tmp_path: Path
) -> None:
    for path in sorted(frames.glob("NACO*.fits")):
        (tmp_path / f"{path.stem}.hdr").write_text(header_text(path))
    calsel("ingest", *sorted(tmp_path.glob("*.hdr")), "--certified")
    assert calsel("associate", truth.naco_science).exit_code == 0
    told = calsel("run", truth.naco_science)
    assert told.exit_code == 1
    assert "only its header is known, so no recipe can read it; ingest the FITS file itself" in told.stderr


def test_without_esorex_the_plan_is_shown_and_one_line_says_what_to_install(
    ask: Calsel, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert ask("run", truth.naco_science, "--dry-run").exit_code == 0
    told = ask("run", truth.naco_science)
    assert told.exit_code == 1
    assert told.stderr == (
        "calsel: esorex is not installed or not on PATH; "
        "on Debian: apt-get install esorex cpl-plugin-uves cpl-plugin-naco\n"
    )


def test_a_products_folder_that_cannot_be_made_is_named(ask: Calsel, truth: Truth, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = ask("run", truth.naco_science, "--products", tmp_path / "file")
    assert (told.exit_code, told.stderr) == (1, f"calsel: {tmp_path}/file/.work: Not a directory\n")


def test_frames_that_a_recipe_cannot_reduce_fail_with_its_words_and_block_what_needs_them(
    calsel: Calsel, frames: Path, truth: Truth
) -> None:
    calsel("ingest", *sorted(frames.glob("NACO*.fits")), "--certified")
    calsel("certify", *truth.hidden[-3:], "--hide", "--reason", "light leak")
    told = calsel("run", truth.naco_science, "--jobs", 1)
    assert told.exit_code == 1
    states = {
        line.split()[1]: line.split()[0]
        for line in told.stdout.splitlines()
        if line.startswith("  ") and line.split()[0] in ("done", "failed", "blocked")
    }
    # the flat can do without its dark, so it is tried; the science frame cannot do without its own
    assert states == {"naco_img_dark": "failed", "naco_img_twflat": "failed", "naco_img_jitter": "blocked"}
    assert "blocked: it needs 'ACTION_" in told.stdout


@pytest.mark.slow
def test_a_chain_runs_its_products_are_masters_once_certified_and_nothing_runs_twice(
    calsel: Calsel, naco: Path, truth: Truth, tmp_path: Path
) -> None:
    store = tmp_path / "products"
    calsel("ingest", naco, "--certified")
    first = calsel("run", truth.naco_science, products=store)
    assert first.exit_code == 0, first.output
    assert [line.split()[0] for line in first.stdout.splitlines() if line.startswith("  done")] == [
        "done"
    ] * 4
    assert f"  COADDED_IMG: {store}" in first.stdout
    again = calsel("run", truth.naco_science, products=store)
    assert again.stdout.count("  reused  ") == 4
    packaged = calsel("run", truth.naco_science, "--package", products=store)
    assert packaged.exit_code == 0, packaged.output
    assert (packaged.stdout.count("  reused  "), packaged.stdout.count("  done  ")) == (4, 1)
    assert "  done    sdp_package " in packaged.stdout
    assert "\n  absent: PHOTZP, PHOTSYS, ABMAGLIM, ABMAGSAT: no zero point is known" in packaged.stdout
    assert "\n  absent: " not in again.stdout
    masters = [path.stem for path in store.glob("*/*/*.fits") if "COADDED" not in path.name]
    assert calsel("certify", *masters).stdout == f"{len(masters)} certified\n"
    told = calsel("run", truth.naco_science, "--mode", "Raw2Master", "--dry-run")
    assert told.stdout.splitlines() == [
        "1 task:",
        f"  naco_img_jitter --combine_method=first (ACTION_IMGJITOBJ {truth.naco_science})",
    ]


@pytest.mark.slow
def test_ctrl_c_ends_a_run_without_a_traceback_and_leaves_no_work_behind(
    calsel: Calsel, database_url: str, naco: Path, truth: Truth, tmp_path: Path
) -> None:
    store = tmp_path / "products"
    calsel("ingest", naco, "--certified")
    # The last recipe has no end, so that there is one to interrupt however late the signal comes.
    endless = tmp_path / "bin" / "esorex"
    endless.parent.mkdir()
    endless.write_text(
        '#!/bin/sh\ncase "$*" in *" naco_img_jitter "*.sof) exec sleep 600;; esac\n'
        f'exec {shutil.which("esorex")} "$@"\n'
    )
    endless.chmod(0o755)
    path = f"{endless.parent}:{os.environ['PATH']}"
    process = subprocess.Popen(
        [*CALSEL, "run", truth.naco_science, "--products", str(store), "--jobs", "1"],
        env={**os.environ, "CALSEL_DATABASE_URL": database_url, "PYTHONUNBUFFERED": "1", "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("  done"):
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert said.strip() == "Aborted!"
    assert [path.name for path in (store / ".work").iterdir()] == ["lock"]
