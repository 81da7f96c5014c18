"""A file becomes a classified, indexed frame; doing it twice changes nothing."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import file_digest
from pathlib import Path
from typing import TypeVar

import orjson

from app.archive.books import Activation, activate, pending
from app.archive.files import Source, remember_sources
from app.archive.finding import Connection
from app.archive.index import Index
from app.archive.making import Making, read_making, remember_making
from app.archive.nightlogs import store_night_log
from app.archive.qc import is_recorded
from app.archive.quality import add_breakpoints
from app.archive.storing import Stored, lock, store
from app.classify import Frame
from app.errors import HeaderError
from app.folders import LOG_SUFFIXES, find_files
from app.header import HEADER_SUFFIXES, TABLE_SUFFIXES, Header, read_extensions, read_header, read_table
from app.rights import release_of
from app.rulebook import Library
from app.rulebook.thresholds import load_standards

# The longest first: of a.fits.gz it is .fits.gz that is cut.
_ENDINGS = sorted((*HEADER_SUFFIXES, *LOG_SUFFIXES), key=len, reverse=True)
# Frames of one transaction: large enough for COPY, small enough for memory and progress.
BATCH = 2000
Report = Callable[[str, int, int], None]
# PROVi stands in archive science products (ESO-044286 §5.2.1), the others CPL writes.
_SOURCE = re.compile(r"PROV\d+|PRO\.REC1\.(?:RAW|CAL)\d+\.NAME")
_Item = TypeVar("_Item")


@dataclass(slots=True)
class Ingested:
    """The outcome: frames new, changed and unchanged; files skipped, each with its reason."""

    stored: Stored = field(default_factory=Stored)
    skipped: list[HeaderError] = field(default_factory=list)


def ingest(
    index: Index,
    paths: Sequence[Path],
    *,
    certified: bool = False,
    proprietary_days: int = 0,
    report: Report | None = None,
) -> Ingested:
    """Index these files and what is below these folders; a bad file is skipped and told, the rest goes in.

    `certified` says that the frames were quality-checked by the archive they come from. Science files are
    locked for `proprietary_days` after their DATE-OBS; rows of tables have release dates of their own. A
    file whose path, size and time of change are known is not read again. `report(label, done, total)`.
    """
    outcome = Ingested()
    files = find_files(paths, outcome.skipped)
    done = itertools.count(1)

    def tell() -> None:
        if report:
            report("files", next(done), len(files))

    for batch in _batched(files):
        with index.connection() as connection:
            known = _unchanged(connection, batch)
        logs = [path for path in batch if path.name.lower().endswith(LOG_SUFFIXES)]
        if logs:
            with index.connection() as connection:
                _keep_logs(connection, logs, outcome, tell)
        frames = _frames([path for path in batch if path not in logs], known, certified, outcome, tell)
        for part in _batched(_locked(frame, proprietary_days) for frame in frames):
            with index.writing() as (connection, books):
                outcome.stored += store(connection, books, part)
                products = [frame for frame in part if "PRO.CATG" in frame.header]
                remember_sources(connection, {frame.dp_id: _sources(frame) for frame in products})
                remember_making(connection, {frame.dp_id: _making(frame) for frame in products})
    return outcome


def _frames(
    paths: Sequence[Path], known: set[str], certified: bool, outcome: Ingested, tell: Callable[[], None]
) -> Iterator[Frame]:
    """The frames of these files one by one, so that a table of a million rows is never held at once."""
    for path in paths:
        if str(path.resolve()) in known:
            outcome.stored += Stored(unchanged=1)
        else:
            try:
                yield from _read(path, certified)
            except HeaderError as error:
                outcome.skipped.append(error)
        tell()


def _locked(frame: Frame, days: int) -> Frame:
    if frame.release_date is not None:
        return frame
    return replace(frame, release_date=release_of(frame.header, days))


def _sources(frame: Frame) -> list[Source]:
    """What a product was made from.

    The task.json beside a product of ours knows the content of each input; of others there are the names
    that the recipe wrote into the header, which FITS cuts where they are long.
    """
    inputs = _task_inputs(Path(frame.path), frame.sha256) if frame.path else None
    if inputs is not None:
        return inputs
    names = (_stem(str(name)) for card, name in frame.header.items() if _SOURCE.fullmatch(card))
    return [Source(name) for name in dict.fromkeys(names)]


def _making(frame: Frame) -> Making | None:
    """How a product of ours was made, from the task.json beside it."""
    if frame.path is None or frame.sha256 is None:
        return None
    try:
        made = read_making(Path(frame.path).with_name("task.json").read_bytes())
    except OSError:
        return None
    return made if made and frame.sha256 in [each.sha256 for each in made.products] else None


def _task_inputs(product: Path, sha256: str | None) -> list[Source] | None:
    """The inputs of the task that made a product; None where no task.json says that it did."""
    try:
        task = orjson.loads(product.with_name("task.json").read_bytes())
        if sha256 in [made["sha256"] for made in task["products"]]:
            return [Source(_stem(each["name"]), each["sha256"]) for each in task["inputs"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # a file of that name that somebody else wrote
    return None


def _keep_logs(
    connection: Connection, paths: Iterable[Path], outcome: Ingested, tell: Callable[[], None]
) -> None:
    for path in paths:
        try:
            text = path.read_bytes().decode("utf-8", "replace").replace("\0", "")
        except OSError as error:
            outcome.skipped.append(HeaderError.of(path, error))
        else:
            outcome.stored += store_night_log(connection, _stem(path.name), text)
        tell()


def use_rules(
    index: Index,
    library: Library,
    folder: Path,
    report: Report | None = None,
    demand: Callable[[Connection], None] | None = None,
) -> Activation:
    """Make the rulebooks of a folder, and the breakpoints beside them, the active ones.

    Breakpoints that were taken back stay so. Raises RuleError for thresholds (qc.toml) beside them that
    nothing could be scored by. `demand` may refuse by raising, before anything has changed and while nobody
    else can activate.
    """
    load_standards(folder, library)
    with index.connection() as connection:
        if demand:
            lock(connection)
            demand(connection)
        for path in sorted(folder.glob("*/breakpoints.json")):
            add_breakpoints(connection, orjson.loads(path.read_bytes()), removed_too=False)
        return activate(connection, library, report)


def stale_rules(index: Index, library: Library) -> Activation:
    """How the rulebooks of a folder differ from the active ones."""
    with index.connection() as connection:
        return pending(connection, library)


def read_frame(path: Path, certified: bool = False) -> Frame:
    """One file as a frame: header, size, SHA-256, place. Raises HeaderError.

    The dp_id of a raw frame is its ARCFILE without `.fits`; a product (PRO.CATG) has none, so its file
    name names it. Of a `.hdr` text only the header is known.
    """
    header = read_header(path)
    _demand_storable(path, header)
    try:
        status = path.stat()
        if path.name.lower().endswith((".hdr", ".txt")):
            return Frame(_dp_id(path, header), header, mtime_ns=status.st_mtime_ns, certified=certified)
        with path.open("rb") as stream:
            digest = file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise HeaderError.of(path, error) from error
    return Frame(
        dp_id=_dp_id(path, header),
        header=header,
        size=status.st_size,
        sha256=digest,
        path=str(path.resolve()),
        mtime_ns=status.st_mtime_ns,
        certified=certified,
        measured=_measured(path) if "PRO.CATG" in header else {},
    )


def _measured(path: Path) -> dict[str, float]:
    """The numbers of quality control in a product's extensions, each with its EXTNAME, else its HDU's number.

    Recipes for several chips write them there (hawki_dark_combine, vimos_ima_bias).
    """
    found: dict[str, float] = {}
    for number, header in enumerate(read_extensions(path), 1):
        numbers = {name: value for name, value in header.items() if is_recorded(name)}
        for name, value in numbers.items():
            if isinstance(value, int | float) and math.isfinite(value):
                found[f"{name}@{header.get('EXTNAME', number)}"] = float(value)
    return found


def _read(path: Path, certified: bool) -> Iterator[Frame]:
    if path.name.lower().endswith(TABLE_SUFFIXES):
        for dp_id, header, release_date in read_table(path):
            _demand_storable(path, header)
            yield Frame(dp_id, header, certified=certified, release_date=release_date)
    else:
        yield read_frame(path, certified)


def _demand_storable(path: Path, header: Header) -> None:
    """One odd card must not take the other frames of its transaction along."""
    for name, value in header.items():
        match value:
            case str():
                fits = "\0" not in value
            case int():
                fits = -(2**63) <= value < 2**63
            case _:
                fits = math.isfinite(value)
        if not fits:
            raise HeaderError(
                str(path),
                f"the index cannot hold {name} = {value!r:.40} (no NUL, 64-bit integers, finite reals); "
                "correct the card",
            )


def _dp_id(path: Path, header: Header) -> str:
    arcfile = header.get("ARCFILE")
    if isinstance(arcfile, str) and arcfile and "PRO.CATG" not in header:
        return arcfile.removesuffix(".fits")
    return _stem(path.name)


def _stem(name: str) -> str:
    for suffix in _ENDINGS:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def _unchanged(connection: Connection, paths: Sequence[Path]) -> set[str]:
    """The paths whose size and time of change the index knows."""
    status = {}
    for path in paths:
        with suppress(OSError):  # gone since it was found, or not for us: told when it is read
            status[str(path.resolve())] = path.stat()
    rows = connection.execute("SELECT path, size, mtime_ns FROM frame WHERE path = ANY(%s)", [list(status)])
    return {
        path
        for path, size, mtime in rows
        if (status[path].st_size, status[path].st_mtime_ns) == (size, mtime)
    }


def _batched(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Batches of at most BATCH items (itertools.batched needs Python 3.12)."""
    rest = iter(items)
    while batch := list(itertools.islice(rest, BATCH)):
        yield batch
