from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import Result

from app import embedded
from app.cli.service import _address
from app.config import ROOT
from processing.simulate.chains import CHAINS
from processing.simulate.truth import Truth

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


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://localhost:8765"),
        ("0.0.0.0", "http://localhost:8765"),
        ("::", "http://localhost:8765"),
        ("archive.example.org", "http://archive.example.org:8765"),
        ("fd00::1", "http://[fd00::1]:8765"),
    ],
)
def test_the_address_of_a_service_follows_from_where_it_listens(host: str, address: str) -> None:
    assert _address(host, 8765) == address


@pytest.mark.parametrize("public", ["", "https://calsel.example.org"])
def test_serve_answers_health_with_links_to_its_port_unless_told_otherwise_and_ends_with_a_signal(
    bare: Calsel, archive_url: str, clean_environment: None, truth: Truth, public: str, port: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", str(port)],
        env={**os.environ, "CALSEL_DATABASE_URL": archive_url, "CALSEL_PUBLIC_URL": public},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        told = bare("health", f"http://127.0.0.1:{port}", "--wait", "120")
        answer = httpx.get(
            f"http://127.0.0.1:{port}/calselector/v1/associations",
            params={"dp_id": truth.naco_science, "responseformat": "votable"},
            timeout=60,
        )
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=120)[1]
    assert told.exit_code == 0, said
    assert "uves.2004-10-14.oca" in told.stdout
    assert f"{public or f'http://localhost:{port}'}/" in answer.text
    assert "localhost:8000" not in answer.text
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


def test_the_demo_says_that_it_can_show_one_chain(bare: Calsel) -> None:
    told = bare("demo", "--help")
    assert told.exit_code == 0
    assert "--chain NAME" in told.stdout


def test_a_chain_that_is_not_there_is_told_with_those_that_are_and_touches_nothing(
    bare: Calsel, tmp_path: Path
) -> None:
    told = bare("demo", "--chain", "sofi", "--folder", tmp_path / "demo", home=tmp_path / "home")
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr == f"calsel: there is no chain 'sofi'; there are: {', '.join(CHAINS)}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with the rules of VISIR that root's deputy may enter, to whom pytest's own are closed."""
    with tempfile.TemporaryDirectory(prefix="calsel-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        (place / "rules").mkdir()
        (place / "rules" / "visir").symlink_to(ROOT / "rules" / "visir")
        yield place
        embedded.stop(place / "home" / "demo")


@pytest.mark.slow
def test_the_demo_of_a_chain_shows_its_tree_its_recipes_and_its_numbers(bare: Calsel, place: Path) -> None:
    chain = CHAINS["visir"]
    settings = {"home": place / "home", "rules": place / "rules"}
    told = bare("demo", "--chain", "visir", "--folder", place / "demo", **settings)
    assert told.exit_code == 0, told.output
    assert f"Which raw calibrations belong to {chain.science}?" in told.stdout
    for recipe in chain.recipes:
        assert re.search(rf"  done +{recipe} .* \d+\.\d s", told.stdout)
        assert re.search(rf"  reused +{recipe} ", told.stdout)
    assert re.search(r"✓ all \d+ are within their limits", told.stdout)
    assert "✗" not in told.stdout
    assert len(list((place / "demo" / "logs").glob("visir_*.log"))) == len(chain.recipes)
