"""The heart of a worker: says that it lives, hears what is to be given up, takes over from the dead."""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg

from app.archive import jobs, reaping, runs, wanting
from app.archive.calls import call, call_planner
from app.archive.finding import Connection
from app.archive.reaping import Presence
from app.worker.hands import AWAY, Hands

# How long the runs of jobs that are gone are kept: what they took tells when the next will be ready.
KEPT = timedelta(days=30)
# The longest that it listens without a look at whether it is to stop, in seconds.
SLICE = 1.0
LOG = logging.getLogger("calsel.worker")


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A heartbeat every `beat` seconds; who is silent for `silence` seconds is taken for dead.

    Every `sweep` seconds runs that nobody holds any more are forgotten.
    """

    beat: float = 10.0
    silence: float = 30.0
    sweep: float = 3600.0


@dataclass(slots=True)
class Heart:
    """Beats in a thread of its own, on a connection of its own; one that fails (`failed`) ends the worker."""

    url: str
    hands: Hands
    me: Presence
    rhythm: Rhythm
    failed: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _swept: float = -math.inf

    def start(self) -> None:
        """Beat once, so that the worker is known, and go on."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            reaping.announce(connection, self.me)
        self._thread = threading.Thread(target=self._live, name="heart", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Beat no more, and say goodbye."""
        self._stop.set()
        assert self._thread is not None
        self._thread.join()
        try:
            with psycopg.connect(self.url, autocommit=True) as connection:
                reaping.leave(connection, self.me.id)
        except AWAY as error:
            LOG.warning("no goodbye, as the database does not answer: %s", str(error).strip())

    def _live(self) -> None:
        try:
            while not self._stop.is_set():
                self._live_while_connected()
        except Exception:  # a bug; without a beat our runs would go to others, again and again
            LOG.exception("the heart failed")
            self.failed = True
            self.hands.close()
            os.kill(os.getpid(), signal.SIGTERM)

    def _live_while_connected(self) -> None:
        try:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(f"LISTEN {runs.GIVE_UP}")
                self._beat_on(connection)
        except AWAY as error:
            LOG.warning("heartbeat: %s; trying again", str(error).strip().splitlines()[0])
            self._stop.wait(0.5)

    def _beat_on(self, connection: Connection) -> None:
        """Beat until the connection is lost or it is time to stop."""
        since = last = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            if self._slept(last):
                since = now
            last = now
            for lost in reaping.beat(connection, self.me, self.hands.holding()):
                self.hands.drop(lost)
            if now - since > self.rhythm.silence:
                self._look_after(connection, now)
            self._listen(connection)

    def _slept(self, last: float) -> bool:
        """Whether we slept since our last beat: who seems dead may have slept as well, or was not heard."""
        return time.monotonic() - last > (self.rhythm.silence + self.rhythm.beat) / 2

    def _listen(self, connection: Connection) -> None:
        """Hear what is to be given up until the next beat is due; a stop is seen within a slice."""
        due, heard = time.monotonic() + self.rhythm.beat, False
        while not (heard or self._stop.is_set()) and (left := due - time.monotonic()) > 0:
            for notice in connection.notifies(timeout=min(left, SLICE), stop_after=1):
                self._give_up(notice.payload)
                heard = True

    def _give_up(self, run: str) -> None:
        for claim in self.hands.holding():
            if claim.id == run:
                self.hands.drop(claim)

    def _look_after(self, connection: Connection, last: float) -> None:
        """What no dead worker does any more, and what has had its time; `last` is when our beat began."""
        with connection.transaction():
            if self._slept(last):  # by now() all are silent for that long, and we as well
                return
            runs.changing(connection)
            call(connection, reaping.reap(connection, self.rhythm.silence, self.hands.patience.attempts))
            for job, priority in reaping.forgotten(connection, self.rhythm.silence):
                call_planner(connection, job, priority)
            late, dead = jobs.overdue(connection)
            for job in late:
                jobs.abort(connection, job, "its execution duration is used up")
            for job in dead:
                jobs.destroy(connection, job)
            if time.monotonic() - self._swept > self.rhythm.sweep:
                self._swept = time.monotonic()
                if count := wanting.forget(connection, KEPT):
                    LOG.info("%d runs forgotten that no job held for %d days", count, KEPT.days)
