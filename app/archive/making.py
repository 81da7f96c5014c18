"""How products were made, as task.json said when they were ingested; and what only a header knows of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, TypeAlias

from psycopg.types.json import Jsonb
from pydantic import Field, TypeAdapter, ValidationError

from app.archive.finding import Connection
from app.header import Header

# Finite: JSON has no other numbers.
_Amount: TypeAlias = Annotated[float, Field(ge=0, lt=1e9)]


@dataclass(frozen=True, slots=True)
class Taken:
    """An input of a recipe run: its tag in the SOF, the name of its file, the SHA-256 of its bytes."""

    tag: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Given:
    """A product of a recipe run, in the recipe's order."""

    name: str
    category: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Making:
    """A recipe run as its task.json tells it; `elapsed` in seconds, `peak_mb` in MB, `key` by content.

    `origin` says which answer it was planned from, "" where nobody knows.
    """

    key: str
    recipe: str
    pipeline: str
    parameters: tuple[str, ...]
    inputs: tuple[Taken, ...]
    products: tuple[Given, ...]
    begun: datetime
    elapsed: _Amount
    peak_mb: _Amount
    host: str
    esorex: str
    origin: str = ""


@cache
def _reader() -> TypeAdapter[Making]:
    return TypeAdapter(Making)


def read_making(text: bytes) -> Making | None:
    """What a task.json says; None for a file of that name that somebody else wrote."""
    try:
        made = _reader().validate_json(text)
    except ValidationError:
        return None
    # PostgreSQL's text cannot hold NUL, and times without a zone could be of any.
    return None if b"\\u0000" in text or made.begun.tzinfo is None else made


def remember_making(connection: Connection, products: Mapping[str, Making | None]) -> None:
    """Write down how these products (dp_id) were made; what was known of them before is replaced."""
    connection.execute(
        "DELETE FROM made m USING frame f WHERE f.id = m.frame_id AND f.dp_id = ANY(%s)", [list(products)]
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO made (frame_id, facts) SELECT id, %s FROM frame WHERE dp_id = %s",
            [
                (Jsonb(_reader().dump_python(made, mode="json")), dp_id)
                for dp_id, made in products.items()
                if made is not None
            ],
        )


def makings(connection: Connection, dp_ids: Collection[str]) -> dict[str, Making]:
    """How those of these products came to be of which it is known."""
    rows = connection.execute(
        "SELECT f.dp_id, m.facts FROM frame f JOIN made m ON m.frame_id = f.id WHERE f.dp_id = ANY(%s)",
        [list(dp_ids)],
    )
    return {dp_id: _reader().validate_python(facts) for dp_id, facts in rows}


def recorded(connection: Connection, dp_ids: Collection[str]) -> dict[str, tuple[Header, list[str]]]:
    """Headers of these products, and the names of their sources in the order of the header's cards."""
    rows = connection.execute(
        "SELECT f.dp_id, h.header, (SELECT coalesce(array_agg(p.dp_id ORDER BY p.position), '{}') "
        "FROM provenance p WHERE p.frame_id = f.id) "
        "FROM frame f JOIN frame_header h ON h.frame_id = f.id WHERE f.dp_id = ANY(%s)",
        [list(dp_ids)],
    )
    return {dp_id: (Header(header), sources) for dp_id, header, sources in rows}


def of_content(connection: Connection, sums: Iterable[str]) -> dict[str, list[str]]:
    """The dp_ids of files with these SHA-256, by name."""
    rows = connection.execute(
        "SELECT sha256, array_agg(dp_id ORDER BY dp_id) FROM frame WHERE sha256 = ANY(%s) GROUP BY sha256",
        [list(sums)],
    )
    return dict(rows.fetchall())
