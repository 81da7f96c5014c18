"""Loading a large archive, and the whole cascade for its frames: `python -m benchmarks.bench_cascade`.

Without `--url` an embedded PostgreSQL is used, in a folder of its own that is removed afterwards unless
`--keep` names it; a database that already holds the frames is used as it is. Times are of one client, one
request after the other, the process and the database warm.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from socket import socket
from statistics import fmean
from time import perf_counter, process_time, sleep

import httpx

from app.archive.database import connect, has_schema, upgrade
from app.archive.index import Index
from app.archive.storing import store
from app.config import ROOT
from app.embedded import lease
from app.ingest import BATCH, use_rules
from app.rulebook import library, load_library
from app.tree import Node, Tree
from benchmarks.archive import INSTRUMES, frames, rulebooks
from benchmarks.report import Line, cpu_seconds, machine, p50_p95, resident_mb, show

_RULES = ROOT / "rules"
_PASSES = 3


@dataclass(frozen=True, slots=True)
class _Options:
    frames: int
    requests: int
    keep: Path | None
    url: str | None


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    options = _options(arguments)
    print(machine())
    with ExitStack() as stack:
        url = options.url or stack.enter_context(embedded(options.keep))
        engine = connect(url)
        stack.callback(engine.dispose)
        if not has_schema(engine):
            upgrade(url)
        index = Index(engine)
        version, held = _what_is_there(index)
        title = f"{options.frames:,} frames of {len(INSTRUMES)} instruments, PostgreSQL {version}"
        show(f"Loading {title}", _loaded(index, options.frames, held))
        dp_ids = _science(index, options.requests)
        show(f"Whole cascades in process, {title}", _in_process(index, dp_ids))
        show(f"Whole cascades over HTTP, {title}", _over_http(url, dp_ids))


def _options(arguments: Sequence[str] | None) -> _Options:
    parser = argparse.ArgumentParser(prog="benchmarks.bench_cascade", description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000, help="size of the archive (1000000)")
    parser.add_argument("--requests", type=int, default=500, help="science frames that are asked for (500)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the embedded database there")
    parser.add_argument("--url", help="a database of a PostgreSQL server, empty or filled by this program")
    return _Options(**vars(parser.parse_args(arguments)))


@contextmanager
def embedded(keep: Path | None) -> Iterator[str]:
    """The URL of an embedded database in this folder, or in one of its own."""
    with ExitStack() as stack:
        # Not durable: a benchmark's archive can be made again, and the disk is not what is measured.
        home = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="calsel-bench-")))
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o755)  # root's server runs under another account
        yield stack.enter_context(lease(home, durable=False, shared_buffers="1GB", linger=1)).url


def _what_is_there(index: Index) -> tuple[str, int]:
    """The server's version; how many frames of the benchmark the database holds."""
    with index.connection() as connection:
        (version,) = connection.execute("SHOW server_version").fetchone() or ("?",)
        rows = connection.execute("SELECT count(*) FROM frame WHERE instrume = ANY(%s)", [list(INSTRUMES)])
        (held,) = rows.fetchone() or (0,)
    return str(version).split()[0], int(held)


# --- loading -----------------------------------------------------------------------------------


def _loaded(index: Index, number: int, held: int) -> Iterator[Line]:
    if held not in (0, number):
        raise SystemExit(f"the database holds {held:,} frames, not {number:,}: name an empty one")
    if held:
        yield Line("frames", "loaded before")
    else:
        use_rules(index, library((*rulebooks(), *load_library(_RULES).books)), _RULES)
        elapsed, busy = _load(index, number)
        peak = resident_mb(peak=True)
        yield Line("frames stored, classified, grouped, keyed", f"{number / elapsed:,.0f} /s")
        yield Line("of which in this process, one core", f"{busy / elapsed:.0%}")
        yield Line("peak memory of the loading process", f"{peak:.0f} MB", "< 600 MB", peak < 600)
        vacuum(index)
    with index.connection() as connection:
        (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
    yield Line("size of the database", f"{size / 1e6:,.0f} MB ({size / number / 1e3:.1f} kB a frame)")


def _load(index: Index, number: int) -> tuple[float, float]:
    """Seconds, and seconds of this process's CPU, without the generator's."""
    start = perf_counter(), process_time()
    generating = 0.0
    rest = frames(number)
    done = 0
    while True:
        before = perf_counter()
        batch = list(islice(rest, BATCH))
        generating += perf_counter() - before
        if not batch:
            break
        with index.writing() as (connection, books):
            done += store(connection, books, batch).new
        _progress(done, number, perf_counter() - start[0])
    return perf_counter() - start[0] - generating, process_time() - start[1] - generating


def _progress(done: int, number: int, elapsed: float) -> None:
    if sys.stderr.isatty() or done % 100_000 < BATCH:
        end = "\r" if sys.stderr.isatty() else "\n"
        print(f"{done:,} of {number:,} frames, {done / elapsed:,.0f} /s", end=end, file=sys.stderr)


def vacuum(index: Index) -> None:
    """What autovacuum does in its own time: statistics, visibility map."""
    with index.connection() as connection:
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")
        connection.autocommit = False


# --- cascades ----------------------------------------------------------------------------------


def _science(index: Index, number: int) -> list[str]:
    """Science frames of random instruments and nights, the same ones each time."""
    with index.connection() as connection:
        rows = connection.execute(
            "SELECT dp_id FROM classified JOIN frame ON id = frame_id WHERE tag = 'SCI' "
            "ORDER BY md5(dp_id) LIMIT %s",
            [number],
        )
        return [dp_id for (dp_id,) in rows]


def _timed(ask: Callable[[str], object], dp_ids: list[str]) -> tuple[list[float], list[float]]:
    """Milliseconds of every request, in three passes after one to warm up; the best of each frame's three."""
    for dp_id in dp_ids:
        ask(dp_id)
    passes = []
    for _ in range(_PASSES):
        times = []
        for dp_id in dp_ids:
            start = perf_counter()
            ask(dp_id)
            times.append((perf_counter() - start) * 1e3)
        passes.append(times)
    return [each for times in passes for each in times], [min(each) for each in zip(*passes, strict=True)]


def _times(what: str, goal_ms: float, every: list[float], best: list[float]) -> Iterator[Line]:
    p50, p95 = p50_p95(every)
    undisturbed, _ = p50_p95(best)
    yield Line(f"{what}, {len(every)} requests, p50", f"{p50:.1f} ms", f"<= {goal_ms:.0f} ms", p50 <= goal_ms)
    yield Line("  p95", f"{p95:.1f} ms")
    yield Line(f"  p50 where the best of {_PASSES} passes counts", f"{undisturbed:.1f} ms")


def _in_process(index: Index, dp_ids: list[str]) -> Iterator[Line]:
    busy = process_time()
    every, best = _timed(index.associate, dp_ids)
    busy = (process_time() - busy) / (len(every) + len(dp_ids)) * 1e3
    yield from _times("engine in process", 5, every, best)
    yield Line("  of which Python (CPU, mean)", f"{busy:.1f} ms")
    shapes = [_shape(index.associate(dp_id)) for dp_id in dp_ids]
    yield Line("  association rules asked (mean)", f"{fmean(shape.asked for shape in shapes):.1f}")
    yield Line("  of which found something", f"{fmean(shape.found for shape in shapes):.1f}")
    yield Line(
        "  slots filled (a rule serves several groups)", f"{fmean(shape.slots for shape in shapes):.1f}"
    )
    yield Line("  levels (most)", f"{max(shape.levels for shape in shapes)}")
    every, _ = _timed(lambda dp_id: index.associate(dp_id, explain=True), dp_ids[:20])
    p50, p95 = p50_p95(every)
    yield Line("engine, every refusal counted, p50", f"{p50:.0f} ms")
    yield Line("  p95", f"{p95:.0f} ms")


@dataclass(frozen=True, slots=True)
class _Shape:
    """Rules asked, rules that found something, slots of different groups, levels of slots."""

    asked: int
    found: int
    slots: int
    levels: int


def _shape(tree: Tree) -> _Shape:
    groups: dict[str, Node] = {}

    def walk(node: Node) -> int:
        if not node.slots:
            return 0
        groups[node.files[0].dp_id] = node
        return 1 + max((walk(c.node) for slot in node.slots for c in slot.chosen), default=0)

    levels = walk(tree.root)
    slots = [slot for node in groups.values() for slot in node.slots]
    found = {slot.rule for slot in slots if slot.chosen}
    return _Shape(len({slot.rule for slot in slots}), len(found), len(slots), levels)


def _over_http(url: str, dp_ids: list[str]) -> Iterator[Line]:
    with _served(url) as (base, pid), httpx.Client(base_url=base) as client:

        def ask(dp_id: str) -> int:
            answer = client.get("/calselector/v1/associations", params={"dp_id": dp_id, "mode": "Raw2Raw"})
            return len(answer.raise_for_status().content)

        size = fmean(ask(dp_id) for dp_id in dp_ids[:100])
        busy = cpu_seconds(pid)
        every, best = _timed(ask, dp_ids)
        busy = (cpu_seconds(pid) - busy) / (len(every) + len(dp_ids)) * 1e3
        memory, books = resident_mb(pid), len(client.get("/health").json()["rulebooks"])
    yield from _times("XML over HTTP, one client", 10, every, best)
    yield Line("  of which the web worker (CPU, mean)", f"{busy:.1f} ms")
    yield Line("  size of an answer (mean)", f"{size / 1e3:.1f} kB")
    yield Line(f"memory of the web worker, {books} books", f"{memory:.0f} MB", "< 250 MB", memory < 250)


@contextmanager
def _served(url: str) -> Iterator[tuple[str, int]]:
    """`calsel serve` on a free port of this machine: its address and process id."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    calsel = Path(sys.executable).parent / "calsel"
    server = subprocess.Popen(
        [calsel, "serve", "--port", str(port)],
        env=os.environ | {"CALSEL_DATABASE_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _answers(base):
            if server.poll() is not None:
                raise SystemExit(f"calsel serve ended with code {server.returncode}")
            sleep(0.1)
        yield base, server.pid
    finally:
        server.terminate()
        server.wait()


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/health").is_success
    except httpx.ConnectError:
        return False


if __name__ == "__main__":
    main()
