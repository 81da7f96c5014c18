from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from processing import process
from processing.esorex import Esorex, EsorexError, errors, meaning
from processing.process import Limits

# As esorex 3.13.6 writes it, CPL 7.2.3, with a torn frame.
TORN_LOG = """\
04:47:48 [ INFO  ] naco_img_dark: [tid=000] Identified 1 setting(s) in 2 frames
04:47:48 [ ERROR ] cpl_errorstate_dump_one_level: [tid=000] Dumping all 3 error(s):
04:47:48 [ ERROR ] cpl_errorstate_dump_one_level: [tid=000]   [1/3] 'Bad file format' (6) at cpl_image_load:cpl_image_io.c:391
04:47:48 [ ERROR ] cpl_errorstate_dump_one_level: [tid=000]   [2/3] 'Bad file format: Could not load FITS-image from torn.fits' (6) at naco_img_dark_reduce:naco_img_dark.c:302
04:47:48 [ ERROR ] cpl_errorstate_dump_one_level: [tid=000]   [3/3] 'Bad file format: Propagating error' (6) at naco_img_dark:naco_img_dark.c:207
04:47:48 [ ERROR ] : [tid=000] Execution of recipe 'naco_img_dark' failed, status = 6
04:47:48 [WARNING] : [tid=000] Writing of output sof omitted due to previous errors
"""  # noqa: E501


def test_esorex_and_the_pipelines_are_found_with_their_versions(esorex: Esorex) -> None:
    assert esorex.version[0].isdigit()
    naco = esorex.pipeline("naco")
    assert naco.path.name == f"naco-{naco.version}"
    assert naco.id == f"naco/{naco.version}"


def test_a_missing_esorex_is_refused_with_the_packages_to_install() -> None:
    with pytest.raises(EsorexError, match="apt-get install esorex cpl-plugin-uves cpl-plugin-naco"):
        Esorex.find("no-such-esorex")


def test_a_program_that_is_not_esorex_is_refused() -> None:
    with pytest.raises(EsorexError, match="does not answer --version as esorex does"):
        Esorex.find("true")


def test_a_missing_pipeline_is_refused_with_the_package_to_install(esorex: Esorex) -> None:
    with pytest.raises(
        EsorexError, match=r"no pipeline of 'crires' in /.*: apt-get install cpl-plugin-crires"
    ):
        esorex.pipeline("crires")


def test_the_newest_pipeline_of_the_given_directory_is_taken(tmp_path: Path) -> None:
    for name in ("naco-4.4.9", "naco-4.4.11", "naco-4.10", "nacox-9.0"):
        (tmp_path / name).mkdir()
    assert Esorex.find(plugins=[tmp_path]).pipeline("naco").version == "4.10"


def test_the_installed_recipes_are_listed(esorex: Esorex) -> None:
    recipes = esorex.recipes()
    assert {"naco_img_dark", "naco_img_jitter", "naco_img_twflat", "naco_img_lampflat"} <= recipes
    assert all(recipe.isidentifier() for recipe in recipes)


def test_without_a_plugin_directory_there_is_no_recipe(esorex: Esorex) -> None:
    assert Esorex(esorex.program, esorex.version, ()).recipes() == frozenset()


def test_asking_esorex_leaves_no_log_in_the_working_directory(
    esorex: Esorex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Esorex.find().recipes()
    assert list(tmp_path.iterdir()) == []


def test_the_environment_of_a_recipe_holds_nothing_of_ours(
    esorex: Esorex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESOREX_SUPPRESS_PREFIX", "FALSE")
    environment = esorex.environment(tmp_path)
    assert environment.keys() == {"PATH", "HOME", "OMP_NUM_THREADS", "LC_ALL"}
    assert environment["HOME"] == str(tmp_path)


def test_a_recipe_that_hangs_on_its_input_is_killed_in_time(esorex: Esorex, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.fits")
    (tmp_path / "task.sof").write_text("pipe.fits CAL_DARK\n")
    command = esorex.command(esorex.pipeline("naco"), "naco_img_dark", (), Path("task.sof"), Path())
    outcome = process.run(
        command,
        cwd=tmp_path,
        env=esorex.environment(tmp_path),
        output=tmp_path / "output",
        limits=Limits(seconds=0.5),
        stop=threading.Event(),
    )
    assert outcome.killed == "killed after 0.5 s, its time limit"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (6, "not good FITS"),
        (10, "a keyword, or all frames of a tag"),
        (9, "a file is missing"),
        (66, "full or read-only"),
        (255, "gave up"),
        (-11, "crashed (SIGSEGV)"),
        (139, "crashed (SIGSEGV)"),
        (-15, "ended from outside by SIGTERM"),
        (137, "ended from outside by SIGKILL"),
        (77, "not a code"),
    ],
)
def test_exit_codes_are_said_in_words(code: int, words: str) -> None:
    assert words in meaning(code)


def test_the_telling_error_lines_are_distilled_from_a_log() -> None:
    (telling,) = errors(TORN_LOG)
    assert telling.startswith("'Bad file format: Could not load FITS-image from torn.fits' (6)")
    assert errors("04:47:48 [ INFO  ] : all is well\n") == ()


def test_the_last_errors_come_in_their_order() -> None:
    log = "".join(f"[ ERROR ] uves_cal_mbias: trouble {number}\n" for number in range(5))
    assert errors(log, last=2) == ("trouble 3", "trouble 4")


def test_a_real_error_names_the_wrong_option(esorex: Esorex, tmp_path: Path) -> None:
    (tmp_path / "task.sof").write_text("")
    command = esorex.command(
        esorex.pipeline("naco"), "naco_img_dark", ("--nonsense=1",), Path("task.sof"), Path()
    )
    answer = subprocess.run(
        command, cwd=tmp_path, env=esorex.environment(tmp_path), capture_output=True, check=False
    )
    assert answer.returncode == 255
    assert (
        errors((tmp_path / "esorex.log").read_text())[0]
        == "Command line parameter '--nonsense=1' not recognized"
    )
