"""The hands of a worker: takes a run, carries it out on the bench, publishes, and settles it."""

from __future__ import annotations

import errno
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Lock
from typing import TypeVar

import psycopg
from sqlalchemy.exc import OperationalError

from app.archive import reaping, recipes, runs
from app.archive.calls import call
from app.archive.finding import Connection
from app.archive.index import Index
from app.archive.runs import Claim, Ending, Token
from app.ingest import ingest
from app.jobs.keys import lacking, runnable
from app.worker.budget import Budget, Needs, expected_mb
from processing.bench import Bench, SupersededError, TaskResult
from processing.products import ProductFile
from processing.resources import MARGIN

LOG = logging.getLogger("calsel.worker")
Answer = TypeVar("Answer")

# Seconds for which a recipe's memory is taken to be what it was.
_RECENT = 60.0
# Seconds before a run that is left to others is called for again: we may well be the first to hear that, too.
_PAUSE = 0.2
# The database is away: being restarted, the network is down, or its standby does not write yet.
AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    OperationalError,
)


@dataclass(frozen=True, slots=True)
class Patience:
    """`attempts` at a run that may heal, the next `delay` seconds later, then twice that, and so on."""

    attempts: int = 3
    delay: float = 5.0


@dataclass(slots=True)
class Hands:
    """What a worker holds: the bench, and the runs that it has taken with the flag that ends each."""

    index: Index
    bench: Bench
    worker: str
    budget: Budget
    proprietary_days: int = 0
    patience: Patience = Patience()
    closing: Event = field(default_factory=Event)
    held: dict[tuple[str, int], tuple[Claim, Event]] = field(default_factory=dict)
    _memory: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def holding(self) -> list[Claim]:
        """The runs that go on now."""
        with self._lock:
            return [claim for claim, _ in self.held.values()]

    def drop(self, claim: Claim) -> None:
        """End a run that is ours no more; one that has just been settled is not troubled by it."""
        with self._lock:
            held = self.held.get((claim.id, claim.fence))
            if held is not None:
                held[1].set()

    def close(self) -> None:
        """End all runs and take no more; each is given back."""
        self.closing.set()
        with self._lock:
            for _, stop in self.held.values():
                stop.set()

    def carry_out(self, run: str) -> None:
        """Take a run that somebody called for, if it is still to be had and no other worker is better suited.

        Then bring it to its end.
        """
        needs = self._persist(lambda connection: _needs(connection, run))
        if needs is None:
            return
        wanted = max(self._expected(needs.recipe), needs.peak_mb)
        if self._leave(run, needs, wanted):
            return
        with self.budget.share(wanted, self.closing.is_set) as got:
            # Without memory only when closing: the run stays ready, and is called for again.
            claim = self._persist(lambda c: runs.claim(c, run, self.worker)) if got else None
            if claim is None:
                return
            stop = Event()
            with self._lock:
                self.held[claim.id, claim.fence] = claim, stop
                if self.closing.is_set():
                    stop.set()
            try:
                self._bring_to_end(claim, needs, stop)
            finally:
                with self._lock:
                    del self.held[claim.id, claim.fence]

    def _expected(self, recipe: str) -> float:
        """The memory that a run of a recipe is expected to take, in MB; asked anew once in a while."""
        known, asked = self._memory.get(recipe, (0.0, -math.inf))
        if time.monotonic() - asked > _RECENT:
            seen = self._persist(lambda connection: recipes.memory(connection, recipe))
            known = expected_mb(recipe, seen)
            self._memory[recipe] = known, time.monotonic()
        return known

    def _leave(self, run: str, needs: Needs, wanted_mb: float) -> bool:
        """Leave a run to a living worker that suits it better, if there is one: call again after a pause."""
        limits = self.bench.limits
        own = needs.suits(limits.memory_mb, limits.seconds, wanted_mb)
        if own == 2 or own >= self._persist(lambda c: _best(c, needs, wanted_mb)):
            return False
        self.closing.wait(_PAUSE)
        self._persist(lambda c: self._pass_on(c, Token(run, needs.pipeline, needs.priority)))
        return True

    def _pass_on(self, connection: Connection, token: Token) -> None:
        runs.changing(connection)  # a heart may call for the same run just now
        call(connection, [token])

    def _bring_to_end(self, claim: Claim, needs: Needs, stop: Event) -> None:
        begun = time.monotonic()
        try:
            result = self._make(claim, stop)
        except SupersededError as error:
            LOG.info("%s", error)
            return
        except OSError as error:  # the store: full, read-only, gone
            reason = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EROFS)
            result = TaskResult(claim.task["id"], claim.task["recipe"], "failed", reason=reason, heals=full)
        if stop.is_set() and result.state == "failed":
            if self.closing.is_set():
                self._persist(lambda c: self._give_back(c, claim))
            else:
                LOG.info("%s is ended: it was given to another, or nobody wants it", claim.task["id"])
            return
        if result.products:
            self._persist_ingest([product.path for product in result.products])
        ending = _ending(result, time.monotonic() - begun)
        again = None
        if result.heals and claim.attempts < self.patience.attempts:
            again = self.patience.delay * 2 ** (claim.attempts - 1)
        elif result.killed:
            needs = replace(needs, peak_mb=result.peak_mb, elapsed=ending.elapsed)
            if self._persist(lambda c: _best(c, needs)):
                again = 0.0
            else:  # a later job may find one
                ending = replace(ending, reason=f"{ending.reason}; {self._lacking(needs)}", heals=True)
        settled = self._persist(lambda connection: self._settle(connection, claim, ending, again))
        LOG.info(
            "%s: %s%s", claim.task["id"], ending.state, "" if settled else ", but it was given to another"
        )

    def _make(self, claim: Claim, stop: Event) -> TaskResult:
        wanted = [each["run"] for each in claim.task["inputs"] if "run" in each]
        made = self._persist(lambda connection: runs.made_by(connection, wanted)) if wanted else {}
        bench = replace(self.bench, stop=stop, permit=lambda: self._persist(lambda c: runs.holds(c, claim)))
        result = bench.carry_out(
            runnable(claim.task, made),
            {},
            lambda log: self._persist(lambda c: runs.logging_to(c, claim, str(log))),
        )
        return replace(result, reason=result.reason or lacking(claim.task, made))

    def _lacking(self, needs: Needs) -> str:
        """What it would take to carry out a run that was killed at our limits, and nobody else can do."""
        option = f"--time-limit above {needs.elapsed:.0f}"
        if needs.peak_mb > self.bench.limits.memory_mb:
            option = f"--memory {max(self._expected(needs.recipe), needs.peak_mb * MARGIN):.0f} or more"
        return f"no worker has enough for it: start one with {option}"

    def _settle(self, connection: Connection, claim: Claim, ending: Ending, again: float | None) -> bool:
        runs.changing(connection)
        tokens = runs.settle(connection, claim, self.worker, ending, again_after=again)
        call(connection, tokens or [])
        return tokens is not None

    def _give_back(self, connection: Connection, claim: Claim) -> None:
        runs.changing(connection)
        call(connection, runs.give_back(connection, claim, self.worker, "its worker is being stopped"))

    def _persist_ingest(self, paths: list[Path]) -> None:
        while True:
            try:
                outcome = ingest(self.index, paths, proprietary_days=self.proprietary_days)
                for error in outcome.skipped:
                    LOG.error("product not indexed: %s", error)
                return
            except AWAY as error:
                _wait_for_database(error)

    def _persist(self, work: Callable[[Connection], Answer]) -> Answer:
        """Do something in one transaction, as soon as the database is there again."""
        while True:
            try:
                with self.index.connection() as connection:
                    return work(connection)
            except AWAY as error:
                _wait_for_database(error)


def _wait_for_database(error: Exception) -> None:
    LOG.warning("the database does not answer, trying again: %s", str(error).strip().splitlines()[0])
    time.sleep(0.5)


def _needs(connection: Connection, run: str) -> Needs | None:
    row = connection.execute(
        "SELECT recipe, pipeline, priority, coalesce(peak_mb, 0), coalesce(elapsed, 0) FROM run "
        "WHERE id = %s AND state = 'ready'",
        [run],
    ).fetchone()
    return None if row is None else Needs(*row)


def _best(connection: Connection, needs: Needs, wanted_mb: float = 0.0) -> int:
    """How well a run is suited by that living worker that suits it best."""
    there = [worker for worker, _, _ in reaping.workers(connection) if needs.pipeline in worker.queues]
    return max((needs.suits(each.memory_mb, each.seconds, wanted_mb) for each in there), default=0)


def _ending(result: TaskResult, elapsed: float) -> Ending:
    return Ending(
        state="failed" if result.state == "failed" else "done",
        key=result.key,
        products=[_as_json(product) for product in result.products],
        log=None if result.log is None else str(result.log),
        elapsed=elapsed,
        peak_mb=result.peak_mb,
        reason=result.reason,
        reused=result.state == "reused",
        heals=result.heals,
    )


def _as_json(product: ProductFile) -> dict[str, object]:
    return {
        "dp_id": product.path.stem,
        "category": product.category,
        "path": str(product.path),
        "sha256": product.sha256,
        "size": product.size,
    }
