"""The image, the compose file and `make`: checked without an engine at hand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from compose_spec import PyCompose

from app.config import PREFIX, Settings

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = PyCompose.from_yaml(COMPOSE).to_dict()["services"]


def program(name: str) -> Path:
    """A tool that `make setup` installed beside this Python."""
    return Path(sys.executable).with_name(name)


def calsel_commands() -> list[list[str]]:
    """Every `calsel ...` of the image and of the services, as argument lists."""
    found = [json.loads(argv) for argv in re.findall(r"^.*CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)]
    for service in SERVICES.values():
        found.append(service.get("command", []))
        found.append(service["healthcheck"].get("test", [])[1:])
    return [argv for argv in found if argv[:1] == ["calsel"]]


def lint(dockerfile: str) -> subprocess.CompletedProcess[str]:
    argv = [str(program("hadolint")), "--no-color", "-"]
    return subprocess.run(argv, input=dockerfile, capture_output=True, text=True, check=False)


def make(*targets: str) -> str:
    """What `make` would do or says; free of the variables of a `make test` around these tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    argv = ["make", "--no-print-directory", *targets]
    return subprocess.run(
        argv, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout.rstrip()


# --- the image


def test_the_dockerfile_has_no_lint() -> None:
    told = lint(DOCKERFILE)
    assert (told.returncode, told.stdout) == (0, "")


def test_the_linter_sees_an_image_that_runs_as_root() -> None:
    assert "DL3002" in lint(DOCKERFILE.replace("USER 10001", "USER root")).stdout


def test_the_image_does_not_run_as_root() -> None:
    users = re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)
    assert users == ["10001"]
    assert "--uid 10001 " in DOCKERFILE


def test_all_that_the_image_copies_exists_and_is_let_through() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    let_through = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = set()
    for words in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        copied.update(words.split()[:-1])
    assert rules[0] == "*"
    assert copied == let_through
    assert [name for name in sorted(copied) if not (ROOT / name).exists()] == []


# --- the services


def test_the_compose_specification_accepts_the_file() -> None:
    assert PyCompose.from_yaml(COMPOSE).service_names() == ["db", "migrate", "web", "ingest", "worker"]


def test_the_compose_specification_refuses_an_unknown_condition() -> None:
    with pytest.raises(ValueError, match="service_happy"):
        PyCompose.from_yaml(COMPOSE.replace("service_healthy", "service_happy"))


def test_the_database_is_healthy_before_it_is_migrated_and_migrated_before_it_is_used() -> None:
    conditions = {name: service.get("depends_on") for name, service in SERVICES.items()}
    assert conditions == {
        "db": None,
        "migrate": {"db": {"condition": "service_healthy"}},
        "web": {"migrate": {"condition": "service_completed_successfully"}},
        "ingest": {"migrate": {"condition": "service_completed_successfully"}},
        "worker": {"migrate": {"condition": "service_completed_successfully"}},
    }
    assert SERVICES["migrate"]["restart"] == "no"
    assert SERVICES["db"]["healthcheck"]["test"][1] == "pg_isready"


def test_all_share_the_volume_where_the_image_keeps_its_files() -> None:
    (home,) = re.findall(r"CALSEL_HOME=(\S+)", DOCKERFILE)
    assert all(SERVICES[name]["volumes"] == [f"files:{home}"] for name in ("web", "ingest", "worker"))
    watched = SERVICES["ingest"]["command"][-1]
    assert Settings(home=home).archive == Path(watched)
    assert f" {watched} " in DOCKERFILE  # made there, as the container's user may not make it in a volume


def test_every_variable_of_the_deployment_is_a_setting() -> None:
    used = set(re.findall(rf"\b{PREFIX}\w+(?==)", DOCKERFILE))
    for name in ("migrate", "web", "ingest", "worker"):
        used.update(SERVICES[name]["environment"])
    assert used == {"CALSEL_HOME", "CALSEL_DATABASE_URL", "CALSEL_PUBLIC_URL"}
    assert {name.removeprefix(PREFIX).lower() for name in used} <= set(Settings.model_fields)


def test_services_reach_the_database_with_the_password_that_it_was_made_with() -> None:
    url = SERVICES["web"]["environment"]["CALSEL_DATABASE_URL"]
    made = SERVICES["db"]["environment"]
    assert url == (
        f"postgresql+psycopg://{made['POSTGRES_USER']}:{made['POSTGRES_PASSWORD']}@db:5432/{made['POSTGRES_DB']}"
    )


@pytest.mark.parametrize("argv", calsel_commands(), ids=" ".join)
def test_every_command_of_the_deployment_exists(argv: list[str]) -> None:
    from app.cli import main

    command: click.Command = main
    options = []
    for word in argv[1:]:
        if isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
            assert found is not None, word
            command = found
        elif word.startswith("--"):
            options.append(word)
    assert not isinstance(command, click.Group)
    assert set(options) <= {option for parameter in command.params for option in parameter.opts}


# --- make


def test_make_alone_says_what_can_be_made() -> None:
    offered = re.findall(r"^  make (\w+) +\w", make(), re.MULTILINE)
    assert offered == ["help", "setup", "demo", "test", "check", "bench", "serve", "clean"]


def test_make_demo_sets_up_installs_recipes_and_runs_the_main_job() -> None:
    steps = make("--dry-run", "--always-make", "demo").splitlines()
    assert any("pip install" in step and ".[dev,embedded]" in step for step in steps)
    assert steps[-2:] == [
        "bash .ci/packages esorex cpl-plugin-uves cpl-plugin-naco",
        ".venv/bin/calsel demo",
    ]


def test_make_test_checks_then_tests_fast_then_slow() -> None:
    steps = make("--dry-run", "--always-make", "test")
    wanted = [
        "pip install",
        ".ci/packages esorex",
        "ruff check",
        "ruff format --check",
        "mypy",
        "lint-imports",
    ]
    wanted += ['pytest -m "not slow"', "pytest -m slow", "exit $failed"]
    places = [steps.index(step) for step in wanted]
    assert places == sorted(places)


def test_make_test_fails_when_any_of_its_parts_fails() -> None:
    # The recipe's own lines, with each tool replaced by one that fails or not.
    steps = make("--dry-run", "test")
    recipe = steps[steps.index("failed=0") :]
    for fails in (None, "ruff check", "mypy", 'pytest -m "not slow"', "pytest -m slow"):
        script = re.sub(r"\.venv/bin/", "tool ", recipe)
        tool = f'tool() {{ [ "$*" != "{(fails or "nothing").replace(chr(34), "")}" ]; }}\n'
        script = script.replace(" -n 2", "").replace(" --dist loadfile", "")
        told = subprocess.run(["bash", "-c", tool + script], check=False)
        assert told.returncode == (fails is not None), fails


def test_ci_runs_the_tests_from_wherever_it_is_called(tmp_path: Path) -> None:
    spy = tmp_path / "make"
    spy.write_text('#!/bin/sh\necho "$PWD: make $*"\nexit 3\n')
    spy.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    told = subprocess.run(
        ["bash", ROOT / ".ci/run"], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True
    )
    assert (told.returncode, told.stdout) == (3, f"{ROOT}: make test\n")


# --- Debian packages


def packages(tmp_path: Path, *names: str, uid: int, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run .ci/packages where only these programs exist: neither root nor sudo can be had or lost at will."""
    for name, script in {"id": f"echo {uid}", **programs}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    for name in ("env", "sh"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    bash = shutil.which("bash") or "bash"
    return subprocess.run(
        [bash, ROOT / ".ci/packages", *names],
        env={"PATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )


def test_packages_that_are_there_need_nothing(tmp_path: Path) -> None:
    told = packages(tmp_path, "esorex", uid=1000, **{"dpkg-query": "echo installed"})
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


def test_without_the_right_to_install_one_line_says_the_command(tmp_path: Path) -> None:
    query = 'case "$4" in curl) echo installed;; *) exit 1;; esac'
    told = packages(tmp_path, "esorex", "curl", uid=1000, **{"dpkg-query": query, "apt-get": "exit 9"})
    assert told.returncode == 1
    assert told.stderr == (
        "Packages are missing; run: "
        "sudo apt-get update && sudo apt-get install -y --no-install-recommends esorex\n"
    )


def test_where_there_is_no_apt_one_line_says_what_is_needed(tmp_path: Path) -> None:
    told = packages(tmp_path, "esorex", uid=0)
    assert told.returncode == 1
    assert re.fullmatch(r"No apt-get here: install what Debian calls esorex by hand .*\n", told.stderr)


@pytest.mark.parametrize(
    ("uid", "programs"), [(0, {}), (1000, {"sudo": '[ "$1" = -n ] && exit 0; echo sudo; exec "$@"'})]
)
def test_with_the_right_to_install_only_what_is_missing_is(
    tmp_path: Path, uid: int, programs: dict[str, str]
) -> None:
    apt = 'echo "$DEBIAN_FRONTEND $*"'
    told = packages(tmp_path, "esorex", uid=uid, **{"apt-get": apt}, **programs)
    assert told.returncode == 0, told.stderr
    calls = [line for line in told.stdout.splitlines() if line.startswith("noninteractive")]
    assert [re.sub(r"-q|-o \S+", "", call).split()[1:] for call in calls] == [
        ["update"],
        ["install", "-y", "--no-install-recommends", "esorex"],
    ]
