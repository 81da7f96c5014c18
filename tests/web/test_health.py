from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import psycopg
from sqlalchemy import make_url

from app.config import Settings
from app.rulebook import load_library

ROOT = Path(__file__).parents[2]
Served = Callable[[Settings], AbstractContextManager[httpx.Client]]


def test_health_tells_what_the_service_runs_on(client: httpx.Client, rules: Path):
    answer = client.get("/health")
    told = answer.json()
    newest = max(path.name[:4] for path in (ROOT / "migrations/versions").glob("*.py"))
    assert (answer.status_code, told["status"], told["schema"]) == (200, "ok", newest)
    assert told["database"].startswith("PostgreSQL 1")
    assert (told["frames"], told["revision"]) == (11, 2)  # the rules, then one batch of frames
    (book,) = load_library(rules).books
    assert told["rulebooks"] == [{"name": "uves.2000-01-01.oca", "checksum": book.checksum}]


def test_without_its_database_the_service_says_so_and_recovers(
    database_url: str, postgres: str, serve: Served
):
    name = make_url(database_url).database
    admin = make_url(postgres).set(drivername="postgresql").render_as_string(hide_password=False)
    with (
        serve(Settings(database_url=database_url)) as client,
        psycopg.connect(admin, autocommit=True) as server,
    ):
        assert client.get("/health").status_code == 200
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        server.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s", [name]
        )

        gone = client.get("/health")
        assert (gone.status_code, gone.json()) == (
            503,
            {"status": "down", "reason": "the database does not answer"},
        )
        asked = client.get("/calselector/v1/associations", params={"dp_id": "X", "responseformat": "json"})
        assert (asked.status_code, asked.json()["type"]) == (503, "DatabaseError")
        assert str(name) not in asked.text

        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        assert client.get("/health").json()["rulebooks"] == []
