"""Each rulebook against its table of expected associations, through the real index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from app.archive.database import connect
from app.archive.index import Index
from app.associate.choosing import BREAKPOINT
from app.classify import classify
from app.craft.coverage import coverage
from app.craft.tables import Expectation, read_expected
from app.craft.trials import COMPLETE, EXPECTED, INCOMPLETE, Trial, fault, folders, try_out
from app.errors import NoRulebookError
from app.header import UNDEFINED
from app.oca.parser import parse_file
from app.organise import time_of
from app.rulebook import night_of
from app.rulebook.check import check
from app.tree import Mode, walk

RULES = Path(__file__).parents[2] / "rules"
INSTRUMENTS = [folder.name for folder in folders(RULES)]
BOOKS = sorted(RULES.glob("*/*.oca"))
CASES = [
    pytest.param(folder.name, case, id=f"{case.dp_id}-{case.mode}-{'/'.join(case.path) or '.'}")
    for folder in folders(RULES)
    for case in read_expected(folder / EXPECTED)
]
MODES: tuple[Mode, ...] = ("Raw2Raw", "Raw2Master")
Trials = Callable[[str], Trial]


@pytest.fixture(scope="module")
def trials(make_shared_database) -> Iterator[Trials]:
    """Each instrument's trial, made when first asked for."""
    engine = connect(make_shared_database())
    with Index(engine).connection() as connection:
        yield cache(lambda instrument: try_out(connection, RULES / instrument))
    engine.dispose()


def test_every_instrument_has_a_pool_and_a_table() -> None:
    assert {folder.name for folder in folders(RULES)} == {book.parent.name for book in BOOKS}


@pytest.mark.parametrize(("instrument", "case"), CASES)
def test_the_pool_gives_what_the_table_expects(trials: Trials, instrument: str, case: Expectation) -> None:
    assert fault(trials(instrument).trees[case.dp_id, case.mode], case) == ""


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_every_rule_is_used_by_an_answer_of_its_table_or_says_why_none_does(
    trials: Trials, instrument: str
) -> None:
    missing = [line for book in coverage(trials(instrument)) for line in book.missing]
    assert [f"{line.ref} {line.kind} {line.name}" for line in missing] == []


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_a_table_asks_for_three_nights_a_gap_what_is_told_of_it_and_an_intervention(
    trials: Trials, instrument: str
) -> None:
    trial = trials(instrument)
    assert len({case.dp_id.partition(".")[2][:10] for case in trial.cases}) >= 3
    assert any(case.path and not case.chosen for case in trial.cases)
    assert any(not case.path and case.match not in (None, COMPLETE, INCOMPLETE) for case in trial.cases)
    slots = [slot for tree in trial.trees.values() for node in walk(tree.root) for slot in node.slots]
    assert any(refusal.clause == BREAKPOINT for slot in slots for refusal in slot.why.refused)


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_a_table_asks_for_each_science_type_of_each_version_in_both_modes(
    trials: Trials, instrument: str
) -> None:
    """And for each standard that the service offers an answer of, in Raw2Raw."""
    trial = trials(instrument)
    asked = {(tree.rulebook, tree.root.category, asked) for (_, asked), tree in trial.trees.items()}
    science, standards = offered(trial, "SCIENCE"), offered(trial, "CALIB")
    assert science, "the pool has no science frame"
    wanted = {(*each, mode) for each in science for mode in MODES}
    assert sorted((wanted | {(*each, "Raw2Raw") for each in standards}) - asked) == []


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_a_table_has_a_complete_answer_of_each_science_type_of_each_version_in_both_modes(
    trials: Trials, instrument: str
) -> None:
    """So that no rule demands what cannot be."""
    trial = trials(instrument)
    roots = [case for case in trial.cases if not case.path and case.match == COMPLETE]
    trees = [(trial.trees[case.dp_id, case.mode], case.mode) for case in roots]
    proven = {(tree.rulebook, tree.root.category, asked) for tree, asked in trees}
    wanted = {(*each, mode) for each in offered(trial, "SCIENCE") for mode in MODES}
    assert sorted(wanted - proven) == []


def offered(trial: Trial, category: str) -> set[tuple[str, str]]:
    """Version and type of the pool's frames with this DPR.CATG that the service offers an answer of."""
    found = set()
    for header in trial.headers.values():
        plain = header.to_dict()
        mjd = time_of(plain)
        if mjd is None or plain.get("DPR.CATG", UNDEFINED) != category:
            continue
        with suppress(NoRulebookError):  # a pool may hold frames of a night before the first version
            book = trial.library.pick(str(plain["INSTRUME"]), night_of(mjd))
            derived = classify(book, header)[1]
            if derived.get("EXPOSE_TO_CALSELECTOR", UNDEFINED) in (True, "T"):
                found.add((book.name, str(derived["RAW.TYPE"])))
    return found


def test_every_slot_of_every_pool_accounts_for_its_candidates(trials: Trials) -> None:
    for folder in folders(RULES):
        for tree in trials(folder.name).trees.values():
            for slot in tree.root.slots:
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
