"""Each rulebook against its table of expected associations, through the real index."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pools import Expectation, read_expected, read_pool

from app.archive.database import connect
from app.archive.index import Index
from app.archive.storing import store
from app.classify import Frame
from app.ingest import use_rules
from app.oca.parser import parse_file
from app.rulebook import load_library
from app.rulebook.check import check
from app.tree import Node, Slot, Tree

RULES = Path(__file__).parents[2] / "rules"
INSTRUMENTS = sorted(folder.name for folder in RULES.iterdir() if folder.is_dir())
BOOKS = sorted(RULES.glob("*/*.oca"))
CASES = [
    pytest.param(instrument, case, id=f"{case.dp_id}-{case.mode}-{'/'.join(case.path) or '.'}")
    for instrument in INSTRUMENTS
    for case in read_expected(RULES / instrument / "expected.txt")
]


class Pools:
    """One index per instrument, filled from its pool when first asked for; answers are kept."""

    def __init__(self, make_database) -> None:
        self.make_database = make_database
        self.index = cache(self._index)
        self.tree = cache(self._tree)

    def _index(self, instrument: str) -> Index:
        engine = connect(self.make_database())
        index = Index(engine)
        use_rules(index, load_library(RULES), RULES)
        frames = [
            Frame(row.dp_id, row.header, certified=row.certified, hidden=row.hidden)
            for row in read_pool(RULES / instrument / "pool.txt")
        ]
        with index.connection() as connection:
            store(connection, index.rules(connection).books, frames)
        return index

    def _tree(self, instrument: str, dp_id: str, mode: str) -> Tree:
        return self.index(instrument).associate(dp_id, mode, explain=True)


@pytest.fixture(scope="module")
def pools(make_shared_database) -> Iterator[Pools]:
    made = Pools(make_shared_database)
    yield made
    for instrument in INSTRUMENTS:
        made.index(instrument).engine.dispose()


def at(node: Node, path: tuple[str, ...]) -> Slot:
    """The slot at the end of a path of labels."""
    slots = {slot.label: slot for slot in node.slots}
    if len(path) == 1:
        return slots[path[0]]
    return at(slots[path[0]].chosen[0].node, path[1:])


@pytest.mark.parametrize(("instrument", "case"), CASES)
def test_the_pool_gives_what_the_table_expects(pools: Pools, instrument: str, case: Expectation) -> None:
    tree = pools.tree(instrument, case.dp_id, case.mode)
    if not case.path:
        if case.chosen:
            assert tree.root.files[0].dp_id == case.chosen[0]
        else:
            assert "not supported" in tree.root.messages[0]
        return
    slot = at(tree.root, case.path)
    assert sorted(choice.node.files[0].dp_id for choice in slot.chosen) == sorted(case.chosen), slot.why
    if case.chosen:
        assert {choice.match for choice in slot.chosen} == {case.match}, slot.why


def test_every_slot_of_every_pool_accounts_for_its_candidates(pools: Pools) -> None:
    for instrument in INSTRUMENTS:
        for case in read_expected(RULES / instrument / "expected.txt"):
            for slot in pools.tree(instrument, case.dp_id, case.mode).root.slots:
                refused = sum(refusal.count for refusal in slot.why.refused)
                assert slot.why.seen == len(slot.chosen) + slot.why.surplus + refused


@pytest.mark.parametrize("book", BOOKS, ids=lambda path: path.name)
def test_a_rulebook_of_ours_has_no_error_and_no_finding(book: Path) -> None:
    parsed = parse_file(book)
    assert [str(each) for each in (*parsed.diagnostics, *check(parsed.rules, book))] == []


def test_each_association_of_our_books_says_its_source() -> None:
    """A comment stands above every association, as the README of the rules demands."""
    for book in BOOKS:
        lines = book.read_text().splitlines()
        for action in parse_file(book).rules.actions:
            for association in action.associations:
                above = lines[max(0, association.pos.line - 4) : association.pos.line]
                assert any("//" in line for line in above), f"{book.name}:{association.pos.line}"
