from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from app.archive.books import activate
from app.archive.database import connect
from app.archive.index import Index
from app.classify import Frame
from app.header import Header
from app.rulebook import Rulebook, library, load_book

MakeFrame = Callable[..., Frame]


@pytest.fixture
def toy() -> Rulebook:
    """A rulebook of three actions: science wants a bias, a flat and a table, the flat wants a bias."""
    return load_book(Path(__file__).parents[1] / "data/associate/toy.2000-01-01.oca")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = connect(database_url, pool_size=3)
    yield engine
    engine.dispose()


@pytest.fixture
def index(engine: Engine, toy: Rulebook) -> Index:
    """An index with the toy rulebook and no frames."""
    made = Index(engine)
    with made.connection() as connection:
        activate(connection, library([toy]))
    return made


@pytest.fixture
def make() -> MakeFrame:
    """A function that makes a frame of the toy instrument: dp_id, DPR.TYPE, MJD-OBS, other keywords."""

    def frame(dp_id: str, kind: str, mjd: float | None = 55000.2, **more: Any) -> Frame:
        category = "SCIENCE" if kind == "SCIENCE" else "CALIB"
        keywords: dict[str, Any] = {"INSTRUME": "TOY", "DPR.CATG": category, "DPR.TYPE": kind}
        keywords |= {"DET.READ": "fast", "INS.FILT": "J", "TPL.START": f"t{dp_id[:-1]}"}
        if mjd is not None:
            keywords["MJD-OBS"] = mjd
        given = {"size", "sha256", "path", "mtime_ns", "certified", "hidden"} & more.keys()
        keywords |= {key.replace("_", "."): value for key, value in more.items() if key not in given}
        return Frame(dp_id, Header(keywords), **{key: more[key] for key in given})

    return frame


@pytest.fixture
def dump(index: Index) -> Callable[[], dict[str, list[Any]]]:
    """A function that tells all that the index derived, free of row numbers."""
    queries = {
        "classified": "SELECT f.dp_id, c.tag, c.raw_type, c.derived, c.fired FROM classified c "
        "JOIN frame f ON f.id = c.frame_id ORDER BY 1",
        "groups": "SELECT g.rule, g.action, g.raw_type, g.middle, g.state, g.content, array_agg(f.dp_id "
        "ORDER BY m.position) FROM frame_group g JOIN group_member m ON m.group_id = g.id "
        "JOIN frame f ON f.id = m.frame_id GROUP BY g.id ORDER BY 1, 7",
        "keys": "SELECT m.key, f.dp_id, m.middle, m.mjd, m.certified, m.state, m.pool, m.promise, g.content "
        "FROM match_key m JOIN frame f ON f.id = m.frame_id LEFT JOIN frame_group g ON g.id = m.group_id "
        "ORDER BY 1, 2, 8",
        "frames": "SELECT f.dp_id, f.keywords, h.header::text, f.certified, f.hidden FROM frame f "
        "JOIN frame_header h ON h.frame_id = f.id ORDER BY 1",
    }

    def everything() -> dict[str, list[Any]]:
        with index.connection() as connection:
            return {name: connection.execute(query).fetchall() for name, query in queries.items()}

    return everything
