"""Night logs: what the observatory wrote of a frame's night, and the frames of its observation block."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from app.archive.files import Holding
from app.archive.finding import Connection
from app.archive.storing import Stored
from app.header import Value
from app.rights import User, allowed, lock_of
from app.rulebook import night_of

_MOST = 2000  # frames of one listing


def store_night_log(connection: Connection, dp_id: str, text: str) -> Stored:
    """Keep the night log of a frame, whether or not the frame is in the index."""
    row = connection.execute(
        "INSERT INTO night_log (dp_id, text) VALUES (%s, %s) ON CONFLICT (dp_id) DO UPDATE "
        "SET text = excluded.text WHERE night_log.text <> excluded.text RETURNING xmax = 0",
        [dp_id, text],
    ).fetchone()
    if row is None:
        return Stored(unchanged=1)
    return Stored(new=1) if row[0] else Stored(changed=1)


def night_log(connection: Connection, dp_id: str) -> str | None:
    """The night log that was ingested for a frame."""
    row = connection.execute("SELECT text FROM night_log WHERE dp_id = %s", [dp_id]).fetchone()
    return None if row is None else str(row[0])


def same_block(connection: Connection, frame: Holding, user: User) -> list[tuple[str, Mapping[str, Value]]]:
    """(dp_id, header) of the frames of the same observation block (OBS.ID) and night, in time order.

    Frames that this user may not read are left out; without an OBS.ID there are the frame itself and
    others without one.
    """
    if frame.mjd is None:
        return []
    noon = night_of(frame.mjd) + 0.5
    rows = connection.execute(
        "SELECT f.dp_id, h.header, f.release_date FROM frame f JOIN frame_header h ON h.frame_id = f.id "
        "WHERE f.raw AND f.instrume = %s AND f.mjd >= %s AND f.mjd < %s AND NOT f.hidden "
        "AND h.header->>'OBS.ID' IS NOT DISTINCT FROM (SELECT o.header->>'OBS.ID' FROM frame_header o "
        "JOIN frame t ON t.id = o.frame_id WHERE t.dp_id = %s) ORDER BY f.mjd, f.dp_id LIMIT %s",
        [frame.instrume, noon, noon + 1, frame.dp_id, _MOST],
    )
    now = datetime.now(UTC)
    return [(dp_id, header) for dp_id, header, date in rows if allowed(lock_of(date, header), user, now)]
