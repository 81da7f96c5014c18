"""Looking around in the index: which frames there are, and what was said of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.archive.finding import Connection
from app.errors import UnknownFrameError


@dataclass(frozen=True, slots=True)
class Listed:
    """A frame as a list shows it; `category` is RAW.TYPE or PRO.CATG, None where no rule knows it."""

    dp_id: str
    instrume: str
    category: str | None
    mjd: float | None
    certified: bool
    hidden: bool


_FRAMES = """
SELECT f.dp_id, f.instrume, c.raw_type, f.mjd, f.certified, f.hidden FROM frame f
LEFT JOIN LATERAL (
  SELECT coalesce(f.keywords->>'PRO.CATG', c.raw_type) AS raw_type
  FROM classified c JOIN book b ON b.id = c.book_id AND b.active WHERE c.frame_id = f.id
  ORDER BY b.name DESC LIMIT 1
) c ON true
WHERE (%(instrume)s::text IS NULL OR f.instrume ILIKE %(instrume)s::text || '%%')
  AND (%(category)s::text IS NULL OR c.raw_type = %(category)s)
  AND (%(night)s::int IS NULL OR floor(f.mjd - 0.5) = %(night)s)
ORDER BY f.mjd NULLS FIRST, f.dp_id LIMIT %(limit)s
"""


def frames(
    connection: Connection,
    *,
    instrume: str | None = None,
    night: int | None = None,
    category: str | None = None,
    limit: int | None = None,
) -> list[Listed]:
    """Frames in time order: of an INSTRUME (or its beginning), a night (MJD of its noon), a category."""
    given = {"instrume": instrume, "night": night, "category": category, "limit": limit}
    return [Listed(*row) for row in connection.execute(_FRAMES, given)]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a frame, when, by whom, and why."""

    at: datetime
    what: str
    who: str
    reason: str


_HISTORY = """
SELECT at, what, who, reason FROM (
  SELECT ingested_at AS at, 'ingested' AS what, '' AS who, '' AS reason, 0 AS n FROM frame WHERE id = %(id)s
  UNION ALL SELECT replaced_at, 'content changed', '', coalesce('SHA-256 was ' || sha256, ''), id
            FROM frame_version WHERE frame_id = %(id)s
  UNION ALL SELECT at, verdict, who, reason, id FROM quality_event WHERE frame_id = %(id)s
) e ORDER BY at, n
"""


def history(connection: Connection, dp_id: str) -> list[Event]:
    """Everything that happened to a frame, in order. Raises UnknownFrameError."""
    row = connection.execute("SELECT id FROM frame WHERE dp_id = %s", [dp_id]).fetchone()
    if row is None:
        raise UnknownFrameError(dp_id)
    return [Event(*each) for each in connection.execute(_HISTORY, {"id": row[0]})]
