"""Waiting for news of jobs without holding a thread or a pooled connection: one LISTEN for a process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import psycopg

from app.archive.runs import NEWS

log = logging.getLogger(__name__)
_AGAIN_S: Final = 1.0


class News:
    """Wakes those who wait for a job whenever something happens to it."""

    def __init__(self, url: str) -> None:
        self._url = url  # libpq's form
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._task: asyncio.Task[None] | None = None
        self.closed = False

    @asynccontextmanager
    async def of(self, job: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set at the next news of a job; look at the job after entering, then wait."""
        if self._task is None:
            self._task = asyncio.create_task(self._listen())
        heard = asyncio.Event()
        self._waiting.setdefault(job, set()).add(heard)
        try:
            yield heard
        finally:
            self._waiting[job].discard(heard)
            if not self._waiting[job]:
                del self._waiting[job]

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    def stop(self) -> None:
        """Let nobody wait any more: the service ends."""
        self.closed = True
        self._wake(*self._waiting)

    async def close(self) -> None:
        """Listen no more."""
        self.stop()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {NEWS}")
                    self._wake(*self._waiting)  # what happened while nobody listened
                    async for notice in connection.notifies():
                        self._wake(notice.payload)
            except psycopg.OperationalError as error:
                log.error("news of jobs: %s; trying again", str(error).strip())
                await asyncio.sleep(_AGAIN_S)

    def _wake(self, *jobs: str) -> None:
        for job in jobs:
            for heard in self._waiting.get(job, ()):
                heard.set()


async def wait(heard: asyncio.Event, seconds: float) -> bool:
    """Wait for news at most so long; False when there were none."""
    try:
        await asyncio.wait_for(heard.wait(), seconds)
    except TimeoutError:
        return False
    heard.clear()
    return True
