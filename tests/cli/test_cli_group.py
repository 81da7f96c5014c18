"""What all commands share: help that teaches, errors in a line, streams of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import click
import psycopg
import pytest
from click.testing import CliRunner, Result

from app.cli import HOMES, main
from app.errors import CalselError
from processing.esorex import EsorexError
from processing.graph import PlanError
from processing.simulate import SimulationError
from processing.simulate.truth import Truth

Calsel = Callable[..., Result]
CALSEL = [sys.executable, "-c", "from app.cli import main; main()"]


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = dict(commands(main))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_and_every_option_says_what_it_does(
    path: tuple[str, ...], bare: Calsel
) -> None:
    told = bare(*path, "-h")
    assert told.exit_code == 0
    assert ALL[path].help
    for parameter in ALL[path].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_every_command_is_at_home_where_the_table_says() -> None:
    at_home = {
        command.name: home
        for home in set(HOMES.values())
        for command in import_module(f"app.cli.{home}").COMMANDS
    }
    assert at_home == HOMES


def test_a_command_loads_the_libraries_of_no_other() -> None:
    code = "import sys; from app.cli import main; main(['serve', '-h'], standalone_mode=False); "
    code += "print(*sorted({'scipy', 'processing.simulate.chains'} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "", told.stdout


def test_no_command_is_described_by_half_a_sentence(bare: Calsel) -> None:
    listed = bare("--help").stdout.partition("Commands:")[2]
    assert listed.count("\n  ") == len(HOMES)
    assert "..." not in listed


def test_the_help_keeps_the_lines_of_its_examples(bare: Calsel) -> None:
    assert "    calsel ingest ~/data            index the files\n" in bare("--help").stdout
    assert "\\b" not in bare("--help").stdout
    assert '  [{"mjdObs": 60237.6, "instrument": "UVES"' in bare("breakpoints", "load", "--help").stdout


@pytest.mark.parametrize(
    "error",
    [
        CalselError("it is wrong"),
        EsorexError("it is wrong"),
        PlanError("it is wrong"),
        SimulationError("it is wrong"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_our_own_errors_are_one_line_and_exit_code_1(error: Exception) -> None:
    told = _told(error)
    assert (told.exit_code, told.stderr) == (1, "calsel: it is wrong\n")


def test_an_error_of_the_system_names_the_file() -> None:
    told = _told(PermissionError(13, "Permission denied", "/etc/shadow"))
    assert (told.exit_code, told.stderr) == (1, "calsel: /etc/shadow: Permission denied\n")
    full = _told(OSError(28, "No space left on device"))
    assert (full.exit_code, full.stderr) == (1, "calsel: [Errno 28] No space left on device\n")


def test_a_database_that_goes_away_is_told() -> None:
    told = _told(psycopg.OperationalError("server closed the connection unexpectedly"))
    assert told.exit_code == 1
    assert told.stderr == (
        "calsel: the database failed: server closed the connection unexpectedly; "
        "look at it with 'calsel db status'\n"
    )


def test_a_bug_keeps_its_traceback() -> None:
    assert isinstance(_told(KeyError("bug")).exception, KeyError)


def _told(error: Exception) -> Result:
    """What the group makes of an error in a command."""

    @click.command("fail")
    def fail() -> None:
        raise error

    group = type(main)("calsel", commands=[fail])
    return CliRunner().invoke(group, ["fail"])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("database_url", "sqlite:///x", "CALSEL_DATABASE_URL: must be the URL of a PostgreSQL server"),
        ("database_url", "postgresql://me:secret@host:port/x", "the port is a number"),
        ("jobs", "zero", "CALSEL_JOBS: "),
        ("public_url", "localhost", "CALSEL_PUBLIC_URL: must start with http:// or https://"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named_without_its_value(
    calsel: Calsel, name: str, value: str, said: str
) -> None:
    told = calsel("associate", "X", **{name: value})
    assert told.exit_code == 1
    assert said in told.stderr
    assert "secret" not in told.stderr


@pytest.mark.parametrize(
    "command", [["associate", "X"], ["run", "X"], ["ingest", "."], ["rules", "list"], ["db", "status"]]
)
def test_a_database_that_nobody_answers_is_named_without_its_password(
    calsel: Calsel, command: list[str]
) -> None:
    told = calsel(*command, database_url="postgresql://me:secret@localhost:1/none")
    assert told.exit_code == 1
    assert told.stderr.startswith(
        "calsel: no database answers at postgresql+psycopg://me:***@localhost:1/none: "
    )
    assert "check CALSEL_DATABASE_URL, or unset it" in told.stderr
    assert "secret" not in told.stderr


def test_a_terminal_without_the_characters_shows_question_marks(archive_url: str, truth: Truth) -> None:
    told = _process(archive_url, "associate", truth.naco_science, PYTHONIOENCODING="latin-1")
    assert told.returncode == 0, told.stderr
    assert f"? IMGJITOBJ_SW {truth.naco_science}".encode() in told.stdout


def test_the_c_locale_shows_the_tree(archive_url: str, truth: Truth) -> None:
    told = _process(archive_url, "associate", truth.naco_science, LC_ALL="C")
    assert told.returncode == 0, told.stderr
    assert f"✓ IMGJITOBJ_SW {truth.naco_science}".encode() in told.stdout


def test_a_reader_that_leaves_early_sees_no_traceback(archive_url: str, truth: Truth, tmp_path: Path) -> None:
    gone, ours = os.pipe()
    os.close(gone)
    with (tmp_path / "stderr").open("wb") as said, os.fdopen(ours, "wb") as out:
        told = subprocess.run(
            [*CALSEL, "associate", truth.uves_science, "--explain"],
            env=_environment(archive_url),
            stdout=out,
            stderr=said,
            check=False,
        )
    assert told.returncode == 1
    assert (tmp_path / "stderr").read_bytes() == b""


def _environment(url: str, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "CALSEL_DATABASE_URL": url, **more}


def _process(url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*CALSEL, *arguments], env=_environment(url, **more), capture_output=True, check=False
    )
