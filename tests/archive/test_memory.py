"""Frames in memory give the answers that the index gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import get_args

import pytest

from app.archive.database import connect
from app.archive.index import Index, answer
from app.archive.memory import BookMemory
from app.archive.stock import load_stock
from app.associate import Associator
from app.config import ROOT
from app.craft.tables import read_pool
from app.craft.trials import folders, laid_out
from app.errors import NoRulebookError
from app.rulebook import night_of
from app.tree import Mode

FOLDERS = {folder.name: folder for folder in folders(ROOT / "rules")}


@pytest.fixture(scope="module")
def empty(make_shared_database: Callable[[], str]) -> Iterator[Index]:
    engine = connect(make_shared_database())
    yield Index(engine)
    engine.dispose()


@pytest.mark.parametrize("name", FOLDERS)
def test_memory_answers_as_the_index_does(empty: Index, name: str) -> None:
    frames = read_pool(FOLDERS[name] / "pool.txt")
    answered = 0
    with empty.connection() as connection, laid_out(connection, FOLDERS[name], frames) as rules:
        books = rules.library.books
        stock = load_stock(connection, books, books, (-math.inf, math.inf))
        views = {
            book.name: BookMemory(book, stock, rules.breakpoints, rules.revision, stock.frames)
            for book in books
        }
        asking = {
            (book, mode): Associator(view, mode) for book, view in views.items() for mode in get_args(Mode)
        }
        for held in sorted(stock.frames.values(), key=lambda held: (held.mjd or 0, held.dp_id)):
            if held.mjd is None or held.hidden:
                continue
            try:
                instrume = stock.header(held)["INSTRUME"]
                book = rules.library.pick(str(instrume), night_of(held.mjd))
            except NoRulebookError:
                continue
            for mode in get_args(Mode):
                found = asking[book.name, mode](held.dp_id)
                assert found == answer(connection, rules, held.dp_id, mode)
                answered += found.root.action is not None
    assert answered
