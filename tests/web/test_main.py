from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import httpx
import orjson
import pytest

from app import embedded
from app.archive.database import upgrade
from app.config import Settings
from app.errors import ConfigError, DatabaseError, SchemaError
from app.formats import FORMATS
from app.main import app_from_environment, create_app

ROOT = Path(__file__).parents[2]
PATH = "/calselector/v1/associations"
SCIENCE = "UVES.2012-03-12T04:00:00.000"
ALONE = "UVES.2012-03-12T05:00:00.000"
REFUSALS = {"408", "414", "431", "503"}  # of the server, before the application hears of a request


def _start(settings: Settings) -> None:
    async def start() -> None:
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            pass

    asyncio.run(start())


def test_a_database_with_another_schema_stops_the_start(make_database):
    with pytest.raises(SchemaError, match=r"has schema none, this program needs .*: run 'calsel db upgrade'"):
        _start(Settings(database_url=make_database(empty=True)))


def test_a_database_that_is_not_there_stops_the_start(tmp_path: Path):
    with pytest.raises(DatabaseError, match="CALSEL_DATABASE_URL"):
        _start(Settings(database_url=f"postgresql://nobody@/none?host={tmp_path}"))


def test_nothing_is_opened_before_the_start(tmp_path: Path):
    create_app(Settings(database_url=f"postgresql://nobody@/none?host={tmp_path}", home=tmp_path / "home"))
    assert not (tmp_path / "home").exists()


def test_a_setting_that_makes_no_sense_stops_the_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CALSEL_DATABASE_URL", "mysql://x")
    with pytest.raises(ConfigError, match="CALSEL_DATABASE_URL"):
        app_from_environment()


def test_without_a_database_url_the_embedded_one_runs_as_long_as_the_service():
    home = Path(
        tempfile.mkdtemp(prefix="calsel-web-")
    )  # pytest's own folder is closed to PostgreSQL's account
    home.chmod(0o755)

    async def run() -> None:
        app = create_app(Settings(home=home))
        async with AsyncExitStack() as service:
            with embedded.lease(home, durable=False, linger=0.5) as lease:
                upgrade(lease.url)
                pid = embedded.status(home).pid
                await service.enter_async_context(app.router.lifespan_context(app))
            assert embedded.status(home).pid == pid
            await asyncio.sleep(2)  # four times the linger: the service's own lease holds it
            assert embedded.status(home).pid == pid

    try:
        asyncio.run(run())
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


def test_the_openapi_page_has_examples_and_every_error(client: httpx.Client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {PATH, "/health"} <= set(paths)
    for method in ("get", "post"):
        responses = paths[PATH][method]["responses"]
        own = {"200", "400", "401", "403", "404", "406", "413"}
        assert set(responses) - {"304"} == own | REFUSALS
        assert all("example" in kind for code in responses for kind in _content(responses[code]))
    assert "304" in paths[PATH]["get"]["responses"]
    names = {each["name"]: each for each in paths[PATH]["get"]["parameters"]}
    assert all("example" in each and each["description"] for each in names.values())
    del names["If-None-Match"]
    assert set(names) == {
        *("dp_id", "mode", "responseformat"),
        *("explain", "alternatives", "max_age", "min_level", "exclude", "prefer", "as_of"),
    }
    assert names["responseformat"]["schema"]["enum"] == list(FORMATS)
    form = paths[PATH]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]
    assert set(form["schema"]["properties"]) == set(names)


def test_every_operation_names_a_parameter_once_and_tells_of_each_answer(client: httpx.Client):
    paths = client.get("/openapi.json").json()["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            names = [(each["in"], each["name"].lower()) for each in operation.get("parameters", [])]
            assert len(set(names)) == len(names), (method, path)
            assert set(operation["responses"]) >= REFUSALS, (method, path)
            assert all(answer["description"] for answer in operation["responses"].values())
    for path in ("/dataPortal/file/{dp_id}", "/previews/v1/files/{dp_id}/preview", "/provenance/{dp_id}"):
        assert "422" not in paths[path]["get"]["responses"], "every text is a dp_id"


def test_the_json_example_has_the_keys_of_a_real_answer(client: httpx.Client):
    responses = client.get("/openapi.json").json()["paths"][PATH]["get"]["responses"]
    example = responses["200"]["content"]["application/json"]["example"]
    real = client.get(PATH, params={"dp_id": SCIENCE, "responseformat": "json"}).json()
    assert example.keys() == real.keys()
    assert example["tree"].keys() == real["tree"].keys()
    assert example["tree"]["slots"][0].keys() == real["tree"]["slots"][0].keys()


def test_the_first_page_links_only_to_what_exists(client: httpx.Client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    links = [part.partition('"')[0] for part in page.text.split('href="')[1:]]
    assert links == ["/docs", "/openapi.json", "/health"]
    assert [client.get(link).status_code for link in links] == [200, 200, 200]


@pytest.fixture
def process(url: str, port: int) -> Iterator[str]:
    """The service as an administrator starts it: uvicorn with two workers; its address."""
    # Unless told otherwise, uvicorn kills a worker that a busy machine keeps from a ping for five seconds.
    command = (
        f"{sys.executable} -m uvicorn --factory app.main:app_from_environment "
        "--workers 2 --timeout-worker-healthcheck 60 "
        f"--host 127.0.0.1 --port {port} --log-level warning --http app.web.protocol:Protocol"
    )
    with subprocess.Popen(
        command.split(), cwd=ROOT, env={**os.environ, "CALSEL_DATABASE_URL": url}, start_new_session=True
    ) as running:
        try:
            while True:
                assert running.poll() is None, "uvicorn did not start"
                with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(running.pid, signal.SIGTERM)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is needed to ask as users do")
def test_curl_gets_its_answers_from_two_workers(process: str, tmp_path: Path):
    def curl(*words: str) -> bytes:
        return subprocess.run(["curl", "-sSm60", *words], check=True, capture_output=True).stdout

    assert b'"status":"ok"' in curl(f"{process}/health")
    one = curl(f"{process}{PATH}?dp_id={SCIENCE}&mode=raw2raw")
    assert one == (ROOT / "tests/data/web/one_raw2raw.xml").read_bytes()
    form = ("-d", f"dp_id={SCIENCE}", "-d", f"dp_id={ALONE}", "-d", "responseformat=json")
    both = orjson.loads(curl(*form, f"{process}{PATH}"))
    assert [tree["dp_id"] for tree in both] == [SCIENCE, ALONE]
    saved = curl(
        "-OJ", "--output-dir", str(tmp_path), "-w", "%{http_code}", f"{process}{PATH}?dp_id={SCIENCE}"
    )
    assert saved == b"200"
    assert (tmp_path / f"{SCIENCE}_raw2raw.xml").read_bytes() == one
    script = curl("-H", "Accept: text/x-shellscript", f"{process}{PATH}?dp_id={SCIENCE}")
    subprocess.run(["bash", "-n"], input=script, check=True)
    refused = curl("-w", "%{http_code}", f"{process}{PATH}?dp_id=UVES.X")
    assert refused.startswith(b"dp_id 'UVES.X' is not in this archive") and refused.endswith(b"404")


def _content(response: dict[str, dict[str, dict[str, object]]]) -> list[dict[str, object]]:
    # The several trees of multipart/form-data are described, not shown.
    return [kind for name, kind in response.get("content", {}).items() if name != "multipart/form-data"]
