"""The script that makes a product again, run for real with NACO's recipes."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import pytest
from astropy.io import fits

from app.archive.database import connect
from app.archive.index import Index
from app.config import ROOT, Settings
from app.formats import links_of
from app.ingest import ingest, use_rules
from app.provenance import FORMATS, trace
from app.rights import User
from app.rulebook import load_library
from app.worker import reduce
from processing.esorex import Esorex, Pipeline
from processing.graph import InputFile, Plan, Task
from processing.products import sha256
from processing.runner import run
from processing.simulate.archive import Studio
from processing.simulate.nightlog import named

NOWHERE = "http://127.0.0.1:9"
PYTHON = str(ROOT / ".venv/bin/python")


@dataclass(frozen=True)
class Made:
    """A script, the folder of its raw frames, and the products that it should make again."""

    script: str
    raw: Path
    products: list[Path]


def expose(folder: Path, *templates: str) -> list[Path]:
    folder.mkdir()
    nothing = np.zeros(0)
    studio = Studio(1, {}, (nothing, nothing), nothing)
    for name in templates:
        studio.write(named("NACO", name), folder)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def dark(make_shared_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A master dark of the store, and its script."""
    folder = tmp_path_factory.mktemp("dark")
    frames = tuple(InputFile("CAL_DARK", str(path), sha256(path)) for path in expose(folder / "raw", "dark"))
    task = Task("DARK", "naco_img_dark", "r.DARK", frames, ("NACO_IMG_DARK_AVG",), ("--r=10 10 10 10",))
    (result,) = run(Plan((task,)), folder / "store").results
    assert result.state == "done", result.reason
    products = [each.path for each in result.products]
    engine = connect(make_shared_database())
    index = Index(engine)
    assert ingest(index, [folder / "raw", *products]).skipped == []
    with index.connection() as connection:
        chain = trace(connection, products[0].stem, User())
    engine.dispose()
    return Made(FORMATS["script"].write(chain, links_of(NOWHERE)).decode(), folder / "raw", products)


def bash(script: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": os.environ["PATH"], "ESOREX_CONFIG": "/nowhere", "ESOREX_OUTPUT_DIR": "/nowhere"}
    return subprocess.run(
        ["bash", "-s", "--", *map(str, arguments)],
        input=script,
        capture_output=True,
        text=True,
        env={**given, **environment},
    )


def sums(path: Path) -> list[str]:
    """DATASUM of every part of a product, which the pixels decide and no date does."""
    with fits.open(path) as hdus:
        return [hdu.header["DATASUM"] for hdu in hdus]


def sources(path: Path) -> dict[str, str]:
    """What a product says it was made from."""
    header = fits.getheader(path)
    return {card: header[card] for card in header if re.fullmatch(r"ESO PRO REC1 (RAW|CAL)\d+ NAME", card)}


def test_a_product_is_made_again_with_the_same_pixels_and_never_twice(dark: Made, tmp_path: Path) -> None:
    first = bash(dark.script, tmp_path / "again", dark.raw)
    assert first.returncode == 0, first.stderr
    again = tmp_path / "again/products" / dark.products[0].name
    assert sums(again) == sums(dark.products[0])
    second = bash(dark.script, tmp_path / "again", dark.raw)
    assert re.findall(r"^(run|have)", first.stdout + second.stdout, re.MULTILINE) == ["run", "have"]
    assert second.returncode == 0
    (step,) = (tmp_path / "again/steps").iterdir()
    assert {path.name for path in step.iterdir()} == {"SHA256", "esorex.log", "task.sof", "terminal.log"}


def test_a_spoilt_product_is_made_again(dark: Made, tmp_path: Path) -> None:
    bash(dark.script, tmp_path, dark.raw)
    again = tmp_path / "products" / dark.products[0].name
    again.write_bytes(b"torn")
    assert "run   001_naco_img_dark" in bash(dark.script, tmp_path, dark.raw).stdout
    assert sums(again) == sums(dark.products[0])


def test_another_file_of_the_same_name_is_not_taken(dark: Made, tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.mkdir()
    for path in dark.raw.iterdir():
        (local / path.name).write_bytes(path.read_bytes())
    spoilt = sorted(local.iterdir())[1]
    spoilt.write_bytes(spoilt.read_bytes()[:-2880] + bytes(2880))
    ran = bash(dark.script, tmp_path / "again", local)
    assert ran.returncode == 1
    assert f"{spoilt.stem} cannot be fetched from {NOWHERE}/dataPortal/file/" in ran.stderr
    assert "run " not in ran.stdout


def test_another_version_of_the_pipeline_is_taken_only_on_demand(dark: Made, tmp_path: Path) -> None:
    other = re.sub(r"naco/4[.\d]+", "naco/3.9", dark.script)
    refused = bash(other, tmp_path, dark.raw)
    assert refused.returncode == 1
    assert re.search(r"naco/3\.9 is not installed, only naco-4\S+: products may differ", refused.stderr)
    taken = bash(other, tmp_path, dark.raw, CALSEL_ANY_VERSION="1")
    assert taken.returncode == 0, taken.stderr
    assert "naco/3.9 is not installed: takes naco-4" in taken.stderr


def test_a_recipe_that_fails_ends_it_and_names_its_log(dark: Made, tmp_path: Path) -> None:
    ran = bash(dark.script.replace("--r=", "--no_such="), tmp_path, dark.raw)
    assert ran.returncode == 1
    told = re.search(r"naco_img_dark ended with 255; see (\S+) and", ran.stderr)
    assert told is not None
    assert "no_such" in Path(told[1]).read_text()
    assert list((tmp_path / "products").iterdir()) == []


@pytest.mark.parametrize("arguments", [["--nonsense"], ["a", "b", "c"]])
def test_a_wrong_call_explains_itself(dark: Made, arguments: list[str]) -> None:
    ran = bash(dark.script, *arguments)
    assert (ran.returncode, "Usage: bash" in ran.stderr) == (2, True)


def test_help_says_what_it_makes(dark: Made) -> None:
    told = bash(dark.script, "--help").stdout
    assert f"{dark.products[0].stem}: 3 files, 1 recipe runs" in told


def test_half_a_script_does_nothing(dark: Made, tmp_path: Path) -> None:
    half = dark.script[: dark.script.index("if begin")]
    ran = bash(half, tmp_path / "again", dark.raw)
    assert ran.returncode != 0
    assert not (tmp_path / "again").exists()


def test_esorex_is_called_as_the_workshop_calls_it(dark: Made) -> None:
    """With another name for the list of products: bash reads no JSON."""
    command = Esorex(Path("/usr/bin/esorex"), "3", ()).command(
        Pipeline("naco", "1", Path("/x")), "recipe", (), Path("../task.sof"), Path("../out")
    )
    given = re.search(r"^options=\((.*)\)$", dark.script, re.MULTILINE)
    assert given is not None
    assert given[1].replace("products.sof", "products.json").split() == list(command[2:-2])


@pytest.fixture
def index(database_url: str) -> Iterator[Index]:
    engine = connect(database_url)
    yield Index(engine)
    engine.dispose()


@pytest.mark.slow
def test_a_whole_chain_is_made_again_from_what_the_service_gives(
    index: Index, database_url: str, tmp_path: Path, serve_here
) -> None:
    """NACO to the archive science product; the science frames are locked, so fetching them takes a token."""
    expose(tmp_path / "raw", "jitter", "dark", "twilight", "twilight-dark")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/naco").symlink_to(ROOT / "rules/naco")
    use_rules(index, load_library(tmp_path / "rules"), tmp_path / "rules")
    ingest(index, [tmp_path / "raw"], certified=True, proprietary_days=36_500)
    science = named("NACO", "jitter").dp_ids()[0]
    done = reduce(index, science, "Raw2Raw", tmp_path / "store", packaged=True, proprietary_days=36_500)
    assert done.report.ok
    users = tmp_path / "users.json"
    users.write_bytes(orjson.dumps({"eve": {"password": "eve's", "programmes": ["*"]}}))
    asked = f"/provenance/{done.report.results[-1].products[0].path.stem}"
    with serve_here(Settings(database_url=database_url, home=tmp_path, dev_users=users)) as client:
        assert client.get(asked).status_code == 401
        login = {"grant_type": "password", "client_id": "clientid", "username": "eve", "password": "eve's"}
        token = client.get("/sso/oidc/token", params=login | {"response_type": "id_token token"}).json()[
            "id_token"
        ]
        bearer = {"Authorization": f"Bearer {token}"}
        script = client.get(asked, params={"format": "script"}, headers=bearer).text
        refused = bash(script, tmp_path / "again")
        assert (refused.returncode, "cannot be fetched" in refused.stderr) == (1, True)
        ran = bash(script, tmp_path / "again", CALSEL_TOKEN=token, CALSEL_PYTHON=PYTHON)
    assert ran.returncode == 0, ran.stderr
    assert token not in ran.stdout + ran.stderr
    archived = {path.name: path for path in (tmp_path / "store").glob("??/*/*.fits")}
    again = sorted((tmp_path / "again/products").iterdir())
    recipes = ["naco_img_dark", "naco_img_dark", "naco_img_jitter", "naco_img_twflat", "sdp_package"]
    assert sorted(re.findall(r"^run   \d+_(\w+)_\w+$", ran.stdout, re.MULTILINE)) == recipes
    assert len(again) >= len(recipes)
    for told in (sums, sources):
        assert {path.name: told(path) for path in again} == {
            path.name: told(archived[path.name]) for path in again
        }
