"""What the workers' recipes declare of their parameters: requests are checked where no pipeline is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg.types.json import Jsonb

from app.archive.finding import Connection


@dataclass(frozen=True, slots=True)
class Declared:
    """A recipe as its newest pipeline declares it; `parameters` as esorex's --create-config writes them."""

    name: str
    pipeline: str
    parameters: list[dict[str, Any]]


def remember(
    connection: Connection, pipeline: str, recipes: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    """Keep what a pipeline's recipes declare."""
    for name, parameters in recipes.items():
        connection.execute(
            "INSERT INTO recipe (name, pipeline, parameters) VALUES (%s, %s, %s) "
            "ON CONFLICT (name, pipeline) DO UPDATE SET parameters = excluded.parameters",
            [name, pipeline, Jsonb(list(parameters), dumps=orjson.dumps)],
        )


def remembered(connection: Connection) -> set[tuple[str, str]]:
    """(recipe, pipeline) of all that is known."""
    return {(name, pipeline) for name, pipeline in connection.execute("SELECT name, pipeline FROM recipe")}


def declared(connection: Connection, name: str) -> Declared | None:
    """A recipe of the newest known pipeline that has it."""
    rows = connection.execute("SELECT name, pipeline, parameters FROM recipe WHERE name = %s", [name])
    found = [Declared(*row) for row in rows.fetchall()]
    return max(found, key=lambda each: _version(each.pipeline), default=None)


def memory(connection: Connection, recipe: str) -> float | None:
    """The most memory (MB) that a recipe has taken so far."""
    row = connection.execute(
        "SELECT max(peak_mb) FROM run WHERE recipe = %s AND state = 'done'", [recipe]
    ).fetchone()
    return None if row is None or row[0] is None else float(row[0])


def _version(pipeline: str) -> list[int]:
    return [int(part) for part in pipeline.rpartition("/")[2].split(".") if part.isdigit()]
