"""The README's promises: the demo holds what it says, and every example runs on what it leaves."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from app.cli import main
from app.config import Settings
from app.formats import FORMATS
from app.main import create_app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"^```bash\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Demo:
    """A finished demo: where it lies, how it ended, what it printed."""

    checkout: Path
    code: int
    printed: str

    @property
    def folder(self) -> Path:
        return self.checkout / "demo"


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """`calsel demo` in a place of its own that looks like a checkout after `make demo`."""
    # Not below pytest's own folder: root's is closed to the account that runs PostgreSQL.
    place = Path(tempfile.mkdtemp(prefix="calsel-readme-"))
    place.chmod(0o755)
    (place / "rules").symlink_to(ROOT / "rules")
    environment = {**os.environ, "CALSEL_HOME": str(place / "home")}
    environment.pop("CALSEL_DATABASE_URL", None)
    ran = subprocess.run(
        [BIN / "calsel", "demo"],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
    )
    yield Demo(place, ran.returncode, ran.stdout)
    environment["CALSEL_HOME"] = str(place / "home/demo")
    subprocess.run([BIN / "calsel", "db", "stop"], env=environment)
    shutil.rmtree(place)


@pytest.mark.slow
def test_the_demo_ends_well(demo: Demo) -> None:
    assert demo.code == 0, demo.printed[-4000:]
    assert "did not hold" not in demo.printed


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["mbias", "predict", "orderpos", "mflat", "wavecal"])
def test_the_demo_runs_the_uves_recipes_for_real(demo: Demo, recipe: str) -> None:
    assert re.search(rf"  done +uves_cal_{recipe} .* \d+\.\d s", demo.printed)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["uves_obs_scired", "naco_img_dark", "naco_img_twflat", "naco_img_jitter"])
def test_the_demo_reduces_science_for_real(demo: Demo, recipe: str) -> None:
    assert re.search(rf"  done +{recipe} .* \d+\.\d s", demo.printed)


@pytest.mark.slow
def test_the_demo_leaves_what_the_readme_lists(demo: Demo) -> None:
    for stem in ("uves_raw2raw", "naco_raw2raw", "uves_raw2master", "naco_raw2master", "incomplete_raw2raw"):
        for form in FORMATS.values():
            assert (demo.folder / f"{stem}{form.suffix}").stat().st_size > 200
        assert list((demo.folder / f"{stem}_sof").glob("*.sof"))
    for picture in ("naco.png", "uves.png"):
        content = (demo.folder / picture).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 20_000
    assert len(list((demo.folder / "logs").glob("*.log"))) == 10


@pytest.mark.slow
def test_the_examples_run(demo: Demo, port: int) -> None:
    assert len(EXAMPLES) >= 6
    # Whoever runs these tests may have a busier machine than who types the examples.
    script = "\n".join(EXAMPLES).replace("8000", str(port)).replace("--wait 30", "--wait 300")
    stop = "trap 'kill $(jobs -p) 2>/dev/null' EXIT\n"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-xc", stop + script],
        cwd=demo.checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
    assert (demo.checkout / "sofs").is_dir()
    assert subprocess.run(["bash", "-n", demo.checkout / "get.sh"]).returncode == 0


def _commands(group: click.Group, before: str = "calsel") -> Iterator[str]:
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, f"{before} {name}")
        else:
            yield f"{before} {name}"


@pytest.mark.parametrize("command", sorted(_commands(main)))
def test_every_command_is_in_the_readme(command: str) -> None:
    # "breakpoints load FILE" may stand without its program
    assert command in README or command.removeprefix("calsel ") in README


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_in_the_readme(name: str) -> None:
    assert f"CALSEL_{name.upper()}" in README


@pytest.mark.parametrize("name", [*FORMATS, "tree"])
def test_every_format_is_in_the_readme(name: str) -> None:
    assert f"| `{name}` |" in README


def test_every_route_is_in_the_readme() -> None:
    paths = create_app(Settings()).openapi()["paths"]
    assert [path for path in paths if path != "/" and path not in README] == []


def test_every_room_of_the_service_is_in_the_readme() -> None:
    rooms = {path.stem for path in (ROOT / "app").iterdir() if path.is_dir() or path.suffix == ".py"}
    small = {
        "__init__",
        "__pycache__",
        "config",
        "errors",
        "chaindemo",
        "demo",
        "main",
        "opening",
        "stage",
        "terminal",
    }
    assert [room for room in sorted(rooms - small) if f"`{room}`" not in README] == []
