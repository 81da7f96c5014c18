from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

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

Serve = Callable[[Settings], AbstractContextManager[httpx.Client]]
DATA = Path(__file__).parents[1] / "data" / "web"
SCIENCE = "UVES.2012-03-12T04:00:00.000"  # has raw calibrations and masters
ALONE = "UVES.2012-03-12T05:00:00.000"  # another wavelength: no flat, so no master flat either
OTHER = "XSHOO.2012-03-12T05:00:00.000"  # no rulebook
_MJD = 55998.0  # 2012-03-12


def _raw(dp_id: str, hours: float, catg: str, kind: str, wavelength: float = 390.0) -> Frame:
    keywords = {
        "INSTRUME": "UVES",
        "ARCFILE": f"{dp_id}.fits",
        "MJD-OBS": _MJD + hours / 24,
        "EXPTIME": 10.0,
        "DPR.CATG": catg,
        "DPR.TYPE": kind,
        "DPR.TECH": "ECHELLE",
        "DET.READ.SPEED": "225kHz,1x1,low",
        "INS.GRAT1.WLEN": wavelength,
        "TPL.START": f"2012-03-12T{int(hours):02}:00:00",
    }
    return Frame(dp_id, Header(keywords), size=9_164_160, certified=True)


def _master(dp_id: str, catg: str, mjd: float | None) -> Frame:
    keywords: dict[str, str | float] = {"INSTRUME": "UVES", "PRO.CATG": catg}
    if mjd is not None:
        keywords |= {"MJD-OBS": mjd, "DET.READ.SPEED": "225kHz,1x1,low", "INS.GRAT1.WLEN": 390.0}
    return Frame(dp_id, Header(keywords), size=46_080, certified=True)


FRAMES = (
    _raw(SCIENCE, 4, "SCIENCE", "OBJECT,POINT"),
    _raw(ALONE, 5, "SCIENCE", "OBJECT,POINT", wavelength=437.0),
    *(_raw(f"UVES.2012-03-12T10:0{i}:00.000", 10 + i / 60, "CALIB", "BIAS") for i in range(3)),
    *(_raw(f"UVES.2012-03-12T11:0{i}:00.000", 11 + i / 60, "CALIB", "LAMP,FLAT") for i in range(2)),
    _master("M.UVES.2012-03-13T00:00:00.001", "MASTER_BIAS_BLUE", _MJD + 0.4),
    _master("M.UVES.2012-03-13T00:00:00.002", "MASTER_FLAT_BLUE", _MJD + 0.5),
    _master("M.UVES.2009-11-05T10:00:00.001", "LINE_REFER_TABLE", None),
    Frame(OTHER, Header({"INSTRUME": "XSHOOTER", "MJD-OBS": _MJD, "DPR.CATG": "SCIENCE", "DPR.TYPE": "SKY"})),
)


@pytest.fixture(scope="session")
def url(make_lasting_database: Callable[[], str]) -> str:
    """A database that no test changes: UVES frames and their calibrations, and one frame without rules."""
    url = make_lasting_database()
    fill(url)
    return url


def fill(url: str) -> None:
    engine = connect(url)
    index = Index(engine)
    use_rules(index, load_library(DATA / "rules"), DATA / "rules")
    with index.connection() as connection:
        store(connection, index.rules(connection).books, FRAMES)
    engine.dispose()


@pytest.fixture(scope="session")
def rules() -> Path:
    """The folder of the rulebooks that are in force in the tests' database."""
    return DATA / "rules"


@pytest.fixture(scope="session")
def client(url: str, serve: Serve) -> Iterator[httpx.Client]:
    """A client of a running service."""
    with serve(Settings(database_url=url, public_url="https://calsel.example.org")) as client:
        yield client


@pytest.fixture
def expected() -> Callable[[str, bytes], None]:
    """Compares with a reviewed file; `CALSEL_UPDATE_DATA=1 pytest tests/web` writes it anew."""

    def check(name: str, written: bytes) -> None:
        path = DATA / name
        if os.environ.get("CALSEL_UPDATE_DATA"):
            path.write_bytes(written)
        assert written.decode() == path.read_bytes().decode()

    return check
