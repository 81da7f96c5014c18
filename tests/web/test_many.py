from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from app.archive.database import connect
from app.archive.index import Index
from app.archive.storing import store
from app.classify import Frame
from app.header import Header
from app.ingest import use_rules
from app.rulebook import load_library
from app.web.asked import MOST

ROOT = Path(__file__).parents[2]
PATH = "/calselector/v1/associations"
MEGABYTE = 1024 * 1024

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's count of memory"),
]


def _frame(number: int, catg: str, kind: str) -> Frame:
    """A frame of that minute; every science frame is a dataset of its own."""
    stamp = f"2012-03-{12 + number // 1440:02}T{number // 60 % 24:02}:{number % 60:02}:00.000"
    dp_id = f"UVES.{stamp}" if catg == "SCIENCE" else f"UVES.{stamp}.{kind[:4]}"
    keywords = {
        "INSTRUME": "UVES",
        "ARCFILE": f"{dp_id}.fits",
        "MJD-OBS": 55998 + number / 1440,
        "EXPTIME": 10.0,
        "DPR.CATG": catg,
        "DPR.TYPE": kind,
        "DPR.TECH": "ECHELLE",
        "DET.READ.SPEED": "225kHz,1x1,low",
        "INS.GRAT1.WLEN": 390.0,
        "TPL.START": stamp[:10],
    }
    return Frame(dp_id, Header(keywords), size=9_164_160)


@pytest.fixture(scope="module")
def dp_ids(make_shared_database: Callable[[], str], rules: Path) -> tuple[str, list[str]]:
    """A database with as many science frames as one request may ask for; its URL and their names."""
    url = make_shared_database()
    engine = connect(url)
    index = Index(engine)
    use_rules(index, load_library(rules), rules)
    science = [_frame(number, "SCIENCE", "OBJECT,POINT") for number in range(MOST)]
    calibrations = [
        _frame(day * 1440 + number, "CALIB", kind)
        for day in range(7)
        for kind in ("BIAS", "LAMP,FLAT")
        for number in range(600, 605)
    ]
    with index.connection() as connection:
        store(connection, index.rules(connection).books, [*calibrations, *science])
    engine.dispose()
    return url, [frame.dp_id for frame in science]


@pytest.fixture(scope="module")
def service(dp_ids: tuple[str, list[str]], port: int) -> Iterator[tuple[str, int]]:
    """The service as a process of its own: its address and number."""
    command = (
        f"{sys.executable} -m uvicorn --factory app.main:app_from_environment --host 127.0.0.1 --port {port} "
        "--log-level warning --http app.web.protocol:Protocol"
    )
    environment = {**os.environ, "CALSEL_DATABASE_URL": dp_ids[0]}
    with subprocess.Popen(command.split(), cwd=ROOT, env=environment) as running:
        try:
            while True:
                assert running.poll() is None, "uvicorn did not start"
                with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}", running.pid
        finally:
            running.terminate()


@pytest.mark.parametrize(
    ("form", "last"),
    [
        ("xml", b"--"),
        ("votable", b"</VOTABLE>"),
        ("json", b"]"),
        ("csv", b"\n"),
        ("sof", b"\n"),
        ("script", b"\n"),
    ],
)
def test_ten_thousand_trees_are_sent_as_they_are_made(
    form: str, last: bytes, dp_ids: tuple[str, list[str]], service: tuple[str, int]
):
    (address, number), (_, names) = service, dp_ids
    asked = {"mode": "Raw2Raw", "responseformat": form}
    httpx.post(
        address + PATH, data=asked | {"dp_id": names[:2]}, timeout=60
    ).raise_for_status()  # its caches are warm
    Path(f"/proc/{number}/clear_refs").write_text("5")  # the peak begins anew: proc(5)
    before = _memory(number, "VmRSS")
    received, ends = 0, b""
    with httpx.stream("POST", address + PATH, data=asked | {"dp_id": names}, timeout=600) as answer:
        assert answer.status_code == 200
        for chunk in answer.iter_raw():
            received += len(chunk)
            ends = (ends + chunk)[-100:]
    assert ends.endswith((last, last + b"\n", last + b"\r\n"))
    assert received > MOST * 100
    assert _memory(number, "VmHWM") - before < 100 * MEGABYTE


def _memory(number: int, name: str) -> int:
    """VmRSS is what the process has in memory, VmHWM the most it had, in bytes."""
    lines = Path(f"/proc/{number}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
