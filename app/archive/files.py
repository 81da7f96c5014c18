"""What the index knows of a file beyond its keywords: where it is, who may read it, where it came from."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from app.archive.finding import Connection
from app.archive.indexing import copy
from app.errors import UnknownFrameError
from app.header import Header
from app.rights import Lock, User, demand, lock_of

_ENDING: Final = re.compile(r"\.(?:fits|fit|fts)(\.gz|\.fz|\.z)?$", re.IGNORECASE)

# What a lock depends on.
_LOCK = (
    "f.release_date, json_build_object('DPR.CATG', h.header->'DPR.CATG', "
    "'PRO.SCIENCE', h.header->'PRO.SCIENCE', 'PRODCATG', h.header->'PRODCATG', "
    "'OBS.PROG.ID', h.header->'OBS.PROG.ID')"
)
_HOLDING = (
    "f.dp_id, f.instrume, f.raw, f.mjd, f.size, f.sha256, f.path, f.mtime_ns, "
    f"coalesce(h.header->>'PRO.CATG', ''), {_LOCK} FROM frame f JOIN frame_header h ON h.frame_id = f.id"
)


@dataclass(frozen=True, slots=True)
class Holding:
    """A file of the archive; `category` is its PRO.CATG, "" for raw files.

    `size` (bytes), `sha256` (hex), `path` and `mtime_ns` are None where only its header is known.
    """

    dp_id: str
    instrume: str
    raw: bool
    mjd: float | None
    size: int | None
    sha256: str | None
    path: str | None
    mtime_ns: int | None
    category: str
    lock: Lock | None

    @property
    def suffix(self) -> str:
        """How the file's name ends: .fits, .fits.gz, .fits.fz or .fits.Z."""
        match = _ENDING.search(self.path or "")
        packed = (match[1] or "").lower() if match else ""
        return f".fits{'.Z' if packed == '.z' else packed}"


@dataclass(frozen=True, slots=True)
class Source:
    """An input of a product: its file name without ending, and the SHA-256 of its bytes where known."""

    name: str
    sha256: str | None = None


def holdings(connection: Connection, dp_ids: Iterable[str]) -> dict[str, Holding]:
    """Those of these files that the index holds."""
    rows = connection.execute(f"SELECT {_HOLDING} WHERE f.dp_id = ANY(%s)", [_storable(dp_ids)])
    return {row[0]: _holding(*row) for row in rows}


def holding(connection: Connection, dp_id: str, user: User) -> Holding:
    """A file that this user may read. Raises UnknownFrameError, LoginError, ForbiddenError."""
    found = holdings(connection, [dp_id]).get(dp_id)
    if found is None:
        raise UnknownFrameError(dp_id)
    demand(dp_id, found.lock, user, datetime.now(UTC))
    return found


def demand_readable(connection: Connection, dp_ids: Iterable[str], user: User) -> None:
    """Raise LoginError or ForbiddenError at the first of these files that this user may not read.

    A dp_id that is not in the index is nobody's secret.
    """
    rows = connection.execute(
        f"SELECT f.dp_id, {_LOCK} FROM frame f JOIN frame_header h ON h.frame_id = f.id "
        "WHERE f.dp_id = ANY(%s) AND f.release_date IS NOT NULL ORDER BY f.dp_id",
        [_storable(dp_ids)],
    )
    now = datetime.now(UTC)
    for dp_id, release_date, header in rows:
        demand(dp_id, lock_of(release_date, header), user, now)


def stored_header(connection: Connection, dp_id: str) -> Header:
    """The whole header of a frame. Raises UnknownFrameError."""
    row = connection.execute(
        "SELECT h.header FROM frame f JOIN frame_header h ON h.frame_id = f.id WHERE f.dp_id = %s", [dp_id]
    ).fetchone()
    if row is None:
        raise UnknownFrameError(dp_id)
    return Header(row[0])


def progenitors(connection: Connection, dp_id: str) -> list[Holding]:
    """The files that a product was made from, in the recipe's order, as far as the index holds them."""
    rows = connection.execute(
        f"SELECT {_HOLDING} JOIN provenance p ON p.dp_id = f.dp_id JOIN frame made ON made.id = p.frame_id "
        "WHERE made.dp_id = %s ORDER BY p.position",
        [dp_id],
    )
    return [_holding(*row) for row in rows]


def derivations(connection: Connection, dp_id: str) -> list[Holding]:
    """The products that were made from a file, by name."""
    rows = connection.execute(
        f"SELECT {_HOLDING} WHERE f.id IN (SELECT frame_id FROM provenance WHERE dp_id = %s) "
        "ORDER BY f.dp_id",
        [dp_id],
    )
    return [_holding(*row) for row in rows]


def remember_sources(connection: Connection, products: Mapping[str, Sequence[Source]]) -> None:
    """Write down what these products (dp_id) were made from; what was known of them before is replaced.

    A source is the file with its SHA-256 where one has it, else the one of its name.
    """
    ids: dict[str, int] = dict(
        connection.execute("SELECT dp_id, id FROM frame WHERE dp_id = ANY(%s)", [list(products)]).fetchall()
    )
    sums = {source.sha256 for sources in products.values() for source in sources if source.sha256}
    by_sum = _by_sum(connection, sums)
    connection.execute("DELETE FROM provenance WHERE frame_id = ANY(%s)", [list(ids.values())])
    rows = (
        (ids[dp_id], position, by_sum.get(source.sha256 or "", source.name))
        for dp_id, sources in products.items()
        if dp_id in ids
        for position, source in enumerate(sources)
    )
    copy(connection, "provenance", "frame_id position dp_id", rows)


def _by_sum(connection: Connection, sums: Collection[str]) -> dict[str, str]:
    rows = connection.execute(
        "SELECT sha256, min(dp_id) FROM frame WHERE sha256 = ANY(%s) GROUP BY sha256", [list(sums)]
    )
    return dict(rows.fetchall())


def _holding(*row: Any) -> Holding:
    facts = (*row[:-2], lock_of(*row[-2:]))
    return Holding(*facts)


def _storable(dp_ids: Iterable[str]) -> list[str]:
    """PostgreSQL's text cannot hold NUL, nor half a surrogate pair: no dp_id has them."""
    return [dp_id for dp_id in dp_ids if dp_id.isprintable()]
