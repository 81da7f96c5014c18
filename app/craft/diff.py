"""`compare` for a whole archive: loaded once, and shared out to processes where there is much to do."""

from __future__ import annotations

import gc
import math
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from typing import Final, TypeAlias

from sqlalchemy import Engine

from app.archive.database import connect, session
from app.archive.finding import Connection
from app.archive.index import Index
from app.archive.quality import breakpoints
from app.archive.stock import load_stock
from app.craft.compare import Asked, asked_frames, compare
from app.craft.tally import Tally
from app.errors import CalselError
from app.rulebook import Library, Rulebook, library, read_book
from app.tree import Mode

# Fewer frames are done before a second process has started.
_FEW: Final = 5_000
_LABEL: Final = "frames under both rulebooks"

Report: TypeAlias = Callable[[str, int, int], None]


def diff(
    index: Index, asked: Asked, *, examples: int = 3, processes: int = 1, report: Report | None = None
) -> Tally:
    """What would change for the science frames of a period, all of one moment of the archive.

    With `processes` a large period is shared out to so many; each holds all frames of the instrument.
    `report(label, done, total)` shows progress.
    """
    tell = report or (lambda _label, _done, _total: None)
    with session(index.engine, snapshot=True) as connection:
        times = _times(connection, asked)
        total = len(times)
        if processes > 1 and total >= _FEW:
            row = connection.execute("SELECT pg_export_snapshot()").fetchone()
            assert row is not None
            cuts = [times[total * n // processes] for n in range(1, processes)]
            edges = [-math.inf, *cuts, math.inf]
            shares = [
                _Share(_url(index.engine), str(row[0]), _Sent.of(asked), edges[n], edges[n + 1], examples)
                for n in range(processes)
            ]
            return _shared(shares, lambda done: tell(_LABEL, done, total))
        active = index.rules(connection).library.books
        return _part(
            connection, asked, active, (-math.inf, math.inf), examples, lambda n: tell(_LABEL, n, total)
        )


def _times(connection: Connection, asked: Asked) -> list[float]:
    """MJD-OBS of the frames of the period, in order."""
    instrumes = sorted({name for book in asked.books for name in book.instrumes})
    rows = connection.execute(
        "SELECT mjd FROM frame WHERE instrume = ANY(%s) AND raw AND NOT hidden AND mjd >= %s AND mjd < %s "
        "ORDER BY mjd",
        [instrumes, *asked.span],
    )
    return [mjd for (mjd,) in rows]


def _part(
    connection: Connection,
    asked: Asked,
    active: Sequence[Rulebook],
    edges: tuple[float, float],
    examples: int,
    tell: Callable[[int], None],
) -> Tally:
    stock = load_stock(connection, asked.books, active, (-math.inf, math.inf))
    low, high = edges
    frames = [held for held in asked_frames(stock, asked) if held.mjd is not None and low <= held.mjd < high]
    return compare(stock, breakpoints(connection), asked, frames, examples, tell)


# --- several processes -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sent:
    """What is asked, as it goes to another process: books as (text, name), for compiled rules cannot."""

    old: tuple[tuple[str, str], ...]
    new: tuple[tuple[str, str], ...]
    first: int
    last: int
    mode: Mode

    @classmethod
    def of(cls, asked: Asked) -> _Sent:
        """What is asked, packed."""
        texts = [tuple((book.text, book.name) for book in each.books) for each in (asked.old, asked.new)]
        return cls(texts[0], texts[1], asked.first, asked.last, asked.mode)

    def asked(self) -> Asked:
        """What is asked, unpacked."""
        return Asked(_library(self.old), _library(self.new), self.first, self.last, self.mode)


@dataclass(frozen=True, slots=True)
class _Share:
    """One process's part: the database and its moment, what is asked, from when to when (MJD-OBS)."""

    url: str
    snapshot: str
    sent: _Sent
    low: float
    high: float
    examples: int


def _library(texts: Sequence[tuple[str, str]]) -> Library:
    return library(read_book(text, name) for text, name in texts)


def _url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def _shared(shares: Sequence[_Share], tell: Callable[[int], None]) -> Tally:
    """The parts, worked on side by side and put together in their order."""
    context = multiprocessing.get_context("spawn")  # a fork would share the connection, and locks of threads
    pipes: list[Pipe] = []
    workers = []
    for share in shares:
        mine, theirs = context.Pipe(duplex=False)
        worker = context.Process(target=_work, args=(share, theirs), daemon=True)
        worker.start()
        theirs.close()
        pipes.append(mine)
        workers.append(worker)
    done = [0] * len(shares)
    tallies: dict[int, Tally] = {}
    try:
        while len(tallies) < len(shares):
            for ready in wait([pipe for n, pipe in enumerate(pipes) if n not in tallies]):
                number = next(n for n, pipe in enumerate(pipes) if pipe is ready)
                told: int | Tally = pipes[number].recv()
                if isinstance(told, int):
                    done[number] = told
                    tell(sum(done))
                else:
                    tallies[number] = told
    except EOFError:
        raise CalselError("a process that compared answers ended early; its message is above") from None
    finally:
        for worker in workers:
            if len(tallies) < len(shares):
                worker.terminate()
            worker.join()
    whole = tallies[0]
    for number in range(1, len(shares)):
        whole.merge(tallies[number])
    return whole


def _work(share: _Share, pipe: Pipe) -> None:
    """One part, in a process of its own."""
    gc.disable()  # frames and answers form no cycles, and looking for some among so many takes time
    engine = connect(share.url, pool_size=1)
    try:
        with session(engine, snapshot=True) as connection:
            connection.execute(f"SET TRANSACTION SNAPSHOT '{share.snapshot}'")
            active = Index(engine).rules(connection).library.books
            asked = share.sent.asked()
            pipe.send(_part(connection, asked, active, (share.low, share.high), share.examples, pipe.send))
    finally:
        engine.dispose()
