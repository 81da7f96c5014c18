from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest
from sqlalchemy import Engine

from app.archive.books import activate
from app.archive.database import connect
from app.archive.index import Index
from app.archive.storing import store
from app.classify import Frame
from app.rulebook import Library, Rulebook, library, load_book

Fill: TypeAlias = Callable[[Library, Sequence[Sequence[Frame]]], Index]


@pytest.fixture
def toy() -> Rulebook:
    """A rulebook of three actions: science wants a bias, a flat and a table, the flat wants a bias."""
    return load_book(Path(__file__).parents[1] / "data/associate/toy.2000-01-01.oca")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = connect(database_url, pool_size=2)
    yield engine
    engine.dispose()


@pytest.fixture
def fill(engine: Engine) -> Fill:
    """A function that empties the index, activates the books and stores batches of frames."""

    def filled(books: Library, batches: Sequence[Sequence[Frame]]) -> Index:
        index = Index(engine)
        with index.connection() as connection:
            connection.execute("TRUNCATE book, frame, breakpoint, revision CASCADE")
            activate(connection, books)
            active = index.rules(connection).books
            for batch in batches:
                store(connection, active, batch)
        return index

    return filled


@pytest.fixture
def index_of(fill: Fill, toy: Rulebook) -> Callable[..., Index]:
    """An index of the toy instrument that holds these frames."""
    return lambda *frames: fill(library([toy]), [frames])
