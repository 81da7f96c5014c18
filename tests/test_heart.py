from __future__ import annotations

import signal
import time
from types import SimpleNamespace
from typing import cast

import psycopg
import pytest

from app.archive import reaping
from app.archive.finding import Connection
from app.archive.reaping import Presence
from app.archive.runs import Claim, Token
from app.worker.hands import Hands, Patience
from app.worker.heart import Heart, Rhythm
from tests.waiting import until

# As long as no test would wait.
BEAT = 600.0
ASLEEP = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND state = 'idle' AND query LIKE 'UPDATE run SET heartbeat%'"
)

IDLE = cast(Hands, SimpleNamespace(holding=list, patience=Patience()))
ME = Presence("me", "here", 1, (), 1, 1000)


def test_a_heart_that_waits_for_its_next_beat_stops_long_before_it_is_due(database_url: str) -> None:
    url = database_url.replace("+psycopg", "")
    heart = Heart(url, IDLE, ME, Rhythm(beat=BEAT))
    heart.start()
    with psycopg.connect(url, autocommit=True) as connection:
        until(lambda: connection.execute(ASLEEP).fetchone() == (1,))
        begun = time.monotonic()
        heart.stop()
        assert time.monotonic() - begun < BEAT / 10
        assert connection.execute("SELECT count(*) FROM worker").fetchone() == (0,)


@pytest.mark.parametrize("asleep", [True, False])
def test_who_slept_since_its_own_beat_began_takes_nobody_for_dead(
    database_url: str, monkeypatch: pytest.MonkeyPatch, asleep: bool
) -> None:
    rhythm, begun = Rhythm(beat=0.1, silence=1.0), time.monotonic()
    told: list[str] = []
    beat = reaping.beat

    def slow_beat(connection: Connection, me: Presence, mine: list[Claim]) -> list[Claim]:
        lost = beat(connection, me, mine)
        if time.monotonic() - begun > rhythm.silence and asleep:
            time.sleep(rhythm.silence)  # the whole machine, so whoever else works as well
            told.append("slept")
        return lost

    def reap(connection: Connection, silence: float, attempts: int) -> list[Token]:
        told.append("reap")
        return []

    monkeypatch.setattr(reaping, "beat", slow_beat)
    monkeypatch.setattr(reaping, "reap", reap)
    heart = Heart(database_url.replace("+psycopg", ""), IDLE, ME, rhythm)
    heart.start()
    until(lambda: told.count("slept") == 2 or "reap" in told)
    heart.stop()
    assert ("reap" in told) == (not asleep)


def test_a_heart_that_fails_ends_its_worker(database_url: str) -> None:
    told: list[str] = []

    def holding() -> list[Claim]:
        raise KeyError("a bug")

    hands = cast(Hands, SimpleNamespace(holding=holding, close=lambda: told.append("hands closed")))
    before = signal.signal(signal.SIGTERM, lambda *_: told.append("worker asked to stop"))
    try:
        heart = Heart(database_url.replace("+psycopg", ""), hands, ME, Rhythm(beat=BEAT))
        heart.start()
        until(lambda: len(told) == 2)
    finally:
        signal.signal(signal.SIGTERM, before)
    heart.stop()
    assert heart.failed
    assert told == ["hands closed", "worker asked to stop"]
