"""What the index holds, for whoever asks whether it is well."""

from __future__ import annotations

from dataclasses import dataclass

from app.archive.finding import Connection


@dataclass(frozen=True, slots=True)
class Status:
    """PostgreSQL's version, the schema's, the archive's revision, and the rulebooks in force.

    `frames` is the highest number a frame was given: about how many there are, and never slow to tell.
    `rulebooks` are (name, SHA-256).
    """

    server: str
    schema: str
    revision: int
    frames: int
    rulebooks: tuple[tuple[str, str], ...]


def status(connection: Connection) -> Status:
    """The state of the index now."""
    row = connection.execute(
        "SELECT split_part(current_setting('server_version'), ' ', 1), "
        "(SELECT version_num FROM alembic_version), "
        "coalesce((SELECT max(number) FROM revision), 0), coalesce((SELECT max(id) FROM frame), 0)"
    ).fetchone()
    assert row is not None
    server, schema, revision, frames = row
    books = connection.execute("SELECT name, checksum FROM book WHERE active ORDER BY name").fetchall()
    return Status(server, schema, revision, frames, tuple((name, checksum) for name, checksum in books))
