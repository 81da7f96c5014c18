from __future__ import annotations

import time
from types import SimpleNamespace
from typing import cast

import psycopg

from app.archive.reaping import Presence
from app.worker.hands import Hands
from app.worker.heart import Heart, Rhythm

# As long as no test would wait.
BEAT = 600.0
ASLEEP = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND state = 'idle' AND query LIKE 'UPDATE run SET heartbeat%'"
)


def test_a_heart_that_waits_for_its_next_beat_stops_long_before_it_is_due(database_url: str) -> None:
    idle = cast(Hands, SimpleNamespace(holding=list))
    url = database_url.replace("+psycopg", "")
    heart = Heart(url, idle, Presence("me", "here", 1, (), 1, 1000), Rhythm(beat=BEAT))
    heart.start()
    with psycopg.connect(url, autocommit=True) as connection:
        end = time.monotonic() + 60
        while connection.execute(ASLEEP).fetchone() != (1,):
            assert time.monotonic() < end
            time.sleep(0.05)
        begun = time.monotonic()
        heart.stop()
        assert time.monotonic() - begun < BEAT / 10
        assert connection.execute("SELECT count(*) FROM worker").fetchone() == (0,)
