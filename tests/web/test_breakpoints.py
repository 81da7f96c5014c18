from __future__ import annotations

from pathlib import Path

import httpx
import orjson
import pytest

from app.archive.database import connect
from app.archive.index import Index
from app.archive.quality import add_breakpoints
from app.config import Settings

PATH = "/calselector/v1/breakpoints"
REAL = Path(__file__).parents[3] / "shared/samples/breakpoints.json"
LIST = [
    {
        "mjdObs": mjd,
        "instrument": "XSHOOTER",
        "dpInstrument": "XSHOO",
        "rawType": "BIAS",
        "proCatg": "ANY",
        "doClass": "ANY",
    }
    for mjd in (58933.0, 56891.6015625, 55000.123456789012)
]


def _fetch(url: str, serve, entries: list[dict[str, object]]) -> httpx.Response:
    engine = connect(url)
    with Index(engine).connection() as connection:
        add_breakpoints(connection, entries)
    engine.dispose()
    with serve(Settings(database_url=url)) as client:
        return client.get(PATH)


def test_without_breakpoints_the_list_is_empty(database_url, serve):
    assert _fetch(database_url, serve, []).content == b"[]"


def test_the_list_comes_back_in_the_order_and_with_the_digits_it_was_given(database_url, serve):
    answer = _fetch(database_url, serve, LIST)
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == orjson.dumps(LIST)


@pytest.mark.skipif(not REAL.exists(), reason=f"needs {REAL}, ESO's own list")
def test_esos_own_list_comes_back_without_what_it_says_twice(database_url, serve):
    entries = orjson.loads(REAL.read_bytes())
    answer = _fetch(database_url, serve, entries)
    once = list({orjson.dumps(entry): entry for entry in entries}.values())
    assert (len(entries), len(once)) == (1379, 1364)
    assert answer.content == orjson.dumps(once)
