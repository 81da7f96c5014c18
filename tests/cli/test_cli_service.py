from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Calsel = Callable[..., Result]


def test_a_service_that_does_not_answer_is_named_with_what_to_do(bare: Calsel) -> None:
    told = bare("health", "http://localhost:1", "--wait", "0.3")
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr.startswith("calsel: http://localhost:1 does not answer: ")
    assert "start the service with 'calsel serve'" in told.stderr


def test_health_asks_the_public_url_of_the_settings(bare: Calsel) -> None:
    told = bare("health", public_url="http://localhost:2")
    assert told.stderr.startswith("calsel: http://localhost:2 does not answer: ")


@pytest.mark.parametrize("url", ["nonsense", "http://localhost:port"])
def test_a_url_that_is_none_is_named(bare: Calsel, url: str) -> None:
    told = bare("health", url)
    assert told.exit_code == 1
    assert told.stderr.startswith(f"calsel: {url}")


@pytest.mark.parametrize("option", [["--port", "65536"], ["--workers", "0"]])
def test_numbers_that_cannot_be_are_usage_errors(bare: Calsel, option: list[str]) -> None:
    told = bare("serve", *option)
    assert told.exit_code == 2
    assert f"Invalid value for '{option[0]}'" in told.stderr


def test_a_database_that_nobody_answers_stops_serve_before_it_listens(bare: Calsel) -> None:
    told = bare("serve", "--port", "0", database_url="postgresql://localhost:1/none")
    assert told.exit_code == 1
    assert told.stderr.startswith("calsel: no database answers at ")


def test_serve_answers_health_and_ends_with_a_signal(
    bare: Calsel, archive_url: str, clean_environment: None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", str(port)],
        env={**os.environ, "CALSEL_DATABASE_URL": archive_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        told = bare("health", f"http://127.0.0.1:{port}", "--wait", "30")
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[1]
    assert told.exit_code == 0, said
    assert "uves.2000-01-01.oca" in told.stdout
    assert "Traceback" not in said


def test_a_demo_leaves_a_folder_that_no_demo_made_as_it_was(bare: Calsel, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    told = bare("demo", "--folder", tmp_path, home=tmp_path / "home")
    assert told.exit_code == 1
    assert told.stderr == (
        f"calsel: {tmp_path} is not empty and no demo made it; name another with --folder\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_demo_without_esorex_says_what_to_install_before_it_touches_the_folder(
    bare: Calsel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    told = bare("demo", "--folder", tmp_path / "demo", home=tmp_path / "home")
    assert told.exit_code == 1
    assert "apt-get install esorex cpl-plugin-uves cpl-plugin-naco" in told.stderr
    assert list(tmp_path.iterdir()) == []
