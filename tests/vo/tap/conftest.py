from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.archive.database import connect
from app.archive.index import Index
from app.archive.storing import store
from app.classify import Frame
from app.config import Settings
from app.header import Header
from app.ingest import use_rules
from app.rulebook import load_library

RULES = Path(__file__).parents[2] / "data" / "web" / "rules"
PUBLIC = "https://calsel.example.org"
_MJD = 55998.0  # 2012-03-12

ODD = "O'Brien \\ 100%_ <&>\"; DROP TABLE frame --\u00e9"


def _time(hours: float) -> str:
    seconds = round(hours * 3600)
    return f"2012-03-12T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.1239"


def _raw(prefix: str, instrume: str, n: int, **more: Any) -> Frame:
    hours = n * 0.7
    dp_id = f"{prefix}.{_time(hours)[:-1]}"
    keywords: dict[str, Any] = {
        "INSTRUME": instrume,
        "TELESCOP": "ESO-VLT-U2",
        "ARCFILE": f"{dp_id}.fits",
        "DATE-OBS": _time(hours),
        "MJD-OBS": _MJD + hours / 24,
        "EXPTIME": 10.0 * (n % 4),
        "DPR.CATG": ("SCIENCE", "CALIB", "CALIB", "ACQUISITION")[n % 4],
        "DPR.TYPE": ("OBJECT", "BIAS", "FLAT,LAMP", "SKY")[n % 4],
        "DPR.TECH": "IMAGE" if prefix == "NACO" else "ECHELLE",
        "OBS.ID": 200_000_000 + n // 3,
        "OBS.PROG.ID": ("088.D-0512(A)", "60.A-9022(A)")[n % 2],
        "OBS.TARG.NAME": ("SGR A", "HD 1", ODD)[n % 3],
        "TPL.START": _time(hours)[:19],
        "TPL.EXPNO": n % 5,
        "INS.GRAT1.WLEN": 390.0,
        "DET.READ.SPEED": "225kHz,1x1,low",
        "DET.NDIT": 3,
        "TEL.AIRM.START": 1.0 + n / 10,
    }
    # One in five has no position, as biases often have none.
    if n % 5 != 4:
        keywords |= {"RA": 266.4 + (n - 7) * 0.01, "DEC": -29.0 + (n - 7) * 0.02}
    keywords |= {key.replace("__", "-").replace("_", "."): value for key, value in more.items()}
    return Frame(dp_id, Header(keywords), size=1000 * n + 1, release_date="2013-03-12T00:00:00.000Z")


FRAMES = (
    *(_raw("UVES", "UVES", n) for n in range(15)),
    *(_raw("NACO", "NAOS+CONICA", n, DET_NDIT="three") for n in range(15)),
    _raw("KMOS", "KMOS", 20, RA=0.001, DEC=89.9),
    _raw("KMOS", "KMOS", 21, RA=359.999, DEC=0.0, OBJECT="near zero"),
    Frame("M.UVES.2012-03-13T00:00:00.001", Header({"INSTRUME": "UVES", "PRO.CATG": "MASTER_BIAS_BLUE"})),
    Frame(
        "r.UVES.2012-03-12T00:00:00.123_RED_SCI_POINT_BLUE_1234",
        Header(
            {
                "INSTRUME": "UVES",
                "ARCFILE": "UVES.2012-03-12T00:00:00.123.fits",
                "PRO.CATG": "RED_SCI_POINT_BLUE",
                "MJD-OBS": _MJD,
                "EXPTIME": 864.0,
                "RA": 266.4,
                "DEC": -29.0,
                "OBS.PROG.ID": "088.D-0512(A)",
                "OBJECT": "SGR A",
                "TELESCOP": "ESO-VLT-U2",
            }
        ),
        size=2880,
    ),
    Frame(
        "r.UVES.calibration",
        Header({"INSTRUME": "UVES", "ARCFILE": "UVES.2012-03-12T00:42:00.123.fits", "PRO.CATG": "X"}),
    ),
    Frame("UVES.HIDDEN", Header({"INSTRUME": "UVES", "MJD-OBS": _MJD}), hidden=True),
)


@pytest.fixture(scope="module")
def url(make_shared_database: Callable[..., str]) -> str:
    """A database that the tests of a module only read: frames of three instruments, masters, a product."""
    url = make_shared_database()
    engine = connect(url)
    index = Index(engine)
    use_rules(index, load_library(RULES), RULES)
    with index.connection() as connection:
        store(connection, index.rules(connection).books, FRAMES)
    engine.dispose()
    return url


@pytest.fixture(scope="module")
def index(url: str) -> Iterator[Index]:
    engine = connect(url, pool_size=2)
    yield Index(engine)
    engine.dispose()


@pytest.fixture(scope="module")
def client(
    url: str, serve: Callable[[Settings], AbstractContextManager[httpx.Client]]
) -> Iterator[httpx.Client]:
    """A client of a running service."""
    with serve(Settings(database_url=url, public_url=PUBLIC)) as client:
        yield client


@pytest.fixture
def ask(client: httpx.Client) -> Callable[..., list[list[Any]]]:
    """Asks a query; gives the rows."""

    def rows(query: str, **more: str) -> list[list[Any]]:
        told = client.post("/tap_obs/sync", data={"QUERY": query, "LANG": "ADQL", "FORMAT": "json", **more})
        assert told.status_code == 200, told.text
        data: list[list[Any]] = told.json()["data"]
        return data

    return rows


@pytest.fixture
def refuse(client: httpx.Client) -> Callable[[str], str]:
    """Asks a query that must be refused; gives the message."""

    def message(query: str) -> str:
        told = client.post("/tap_obs/sync", data={"QUERY": query, "LANG": "ADQL"})
        assert told.status_code == 400, told.text
        assert told.headers["content-type"] == "application/x-votable+xml"
        before, _, after = told.text.partition('<INFO name="QUERY_STATUS" value="ERROR">')
        assert before and after
        return after.partition("</INFO>")[0]

    return message
