"""What `calsel rules diff` takes for a year of one instrument: `python -m benchmarks.bench_diff`.

A year of UVES (`benchmarks.year`) is put into an index under the real rulebook, which is then compared with
one whose plan windows for what is calibrated every few days are shorter and which knows no darks: every
science frame has another answer. Without `--url` an embedded PostgreSQL is used, in a folder of its own
that is removed afterwards unless `--keep` names it.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from time import perf_counter

from app.archive.database import connect, has_schema, upgrade
from app.archive.index import Index
from app.archive.storing import store
from app.config import ROOT
from app.craft.compare import Asked
from app.craft.diff import diff
from app.ingest import BATCH, use_rules
from app.rulebook import Rulebook, library, load_book, read_book
from benchmarks import year
from benchmarks.bench_cascade import embedded, vacuum
from benchmarks.report import Line, machine, show

_GOAL_S = 300.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="benchmarks.bench_diff", description=__doc__)
    parser.add_argument("--nights", type=int, default=year.NIGHTS, help="nights of 548 science frames (365)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the embedded database there")
    parser.add_argument("--url", help="a database of a PostgreSQL server, empty or filled by this program")
    options = parser.parse_args(arguments)
    print(machine())
    book = load_book(ROOT / "rules" / "uves" / "uves.2004-10-14.oca")
    with ExitStack() as stack:
        url = options.url or stack.enter_context(embedded(options.keep))
        engine = connect(url)
        stack.callback(engine.dispose)
        if not has_schema(engine):
            upgrade(url)
        index = Index(engine)
        held = _filled(index, book, options.nights)
        show(f"A diff of rulebooks, {held:,} frames of UVES", _measured(index, book, options.nights))


def changed(book: Rulebook) -> Rulebook:
    """The book with some lines changed."""
    text = book.text
    for old, new in (
        ("tryBetween inputFile.MJD-OBS - 4   and inputFile.MJD-OBS + 4", _plan(2)),
        ("tryBetween inputFile.MJD-OBS - 1.5 and inputFile.MJD-OBS + 1.5", _plan(0.7)),
        ('DPR.TYPE == "DARK"', 'DPR.TYPE == "NO_DARK"'),
    ):
        assert old in text
        text = text.replace(old, new)
    return read_book(text, book.name)


def _plan(days: float) -> str:
    return f"tryBetween inputFile.MJD-OBS - {days} and inputFile.MJD-OBS + {days}"


def _filled(index: Index, book: Rulebook, nights: int) -> int:
    """Put the frames into the index unless they are there; returns how many there are."""
    with index.connection() as connection:
        (held,) = connection.execute("SELECT count(*) FROM frame").fetchone() or (0,)
    if held:
        return int(held)
    use_rules(index, library([book]), ROOT / "rules" / "uves")
    rest = year.frames(nights)
    while batch := list(islice(rest, BATCH)):
        with index.writing() as (connection, books):
            held += store(connection, books, batch).new
        print(f"{held:,} frames loaded", end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr)
    vacuum(index)
    return int(held)


def _measured(index: Index, book: Rulebook, nights: int) -> Iterator[Line]:
    first = year.FIRST_NIGHT
    asked = Asked(library([book]), library([changed(book)]), first, first + nights - 1, "Raw2Raw")
    processes = len(os.sched_getaffinity(0))
    begun, busy = perf_counter(), _cpu()
    tally = diff(index, asked, processes=processes)
    elapsed, busy = perf_counter() - begun, _cpu() - busy
    # of the largest of the processes, which hold the same frames (getrusage(2): kB)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    goal = _GOAL_S * nights / year.NIGHTS
    yield Line("science frames compared", f"{tally.compared:,}")
    yield Line("  of which have another answer", f"{tally.changed:,}")
    yield Line(f"time, {processes} processes", f"{elapsed:.0f} s", f"< {goal:.0f} s", elapsed < goal)
    yield Line("  CPU of all processes, without PostgreSQL", f"{busy:.0f} s")
    yield Line("peak memory of one process", f"{peak * 1024 / 1e6:.0f} MB")


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
