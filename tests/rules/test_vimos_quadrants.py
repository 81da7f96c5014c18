"""VIMOS: a set of files that lacks a quadrant makes the recipes crash, so no rule may let one through."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.archive.database import connect
from app.archive.index import Index
from app.archive.storing import store
from app.craft.tables import read_pool
from app.errors import PlanError
from app.ingest import use_rules
from app.plan import make_plan
from app.rulebook import load_library

RULES = Path(__file__).parents[2] / "rules"
BOOKS = sorted((RULES / "vimos").glob("*.oca"))
ORGANISED = re.compile(
    r"minRet = (?P<least>\d+);\nselect execute\(\w+\) from rawFiles where [^;]*?"
    r"TPL\.NEXP (?:== (?P<only>\d+)|>= (?P<low>\d+) and TPL\.NEXP <= (?P<high>\d+))\n"
)
SMALL = "group smaller than its rule's minRet"


@pytest.fixture(scope="module")
def index(make_shared_database) -> Iterator[Index]:
    engine = connect(make_shared_database())
    made = Index(engine)
    use_rules(made, load_library(RULES), RULES)
    rows = read_pool(RULES / "vimos/pool.txt")
    with made.writing() as (connection, books):
        store(
            connection,
            books,
            [replace(row, sha256="0" * 64, path=f"/archive/{row.dp_id}.fits") for row in rows],
        )
    yield made
    engine.dispose()


@pytest.mark.parametrize("book", BOOKS, ids=lambda path: path.name)
def test_no_group_can_be_filled_by_three_quadrants_but_each_by_four(book: Path) -> None:
    rules = list(ORGANISED.finditer(book.read_text()))
    every = re.findall(r"select execute\([^;]*;", book.read_text())
    own = [each for each in every if re.search(r"OCS\.CON\.QUAD|ARCFILE", each)]  # spectra
    assert len(rules) == len(every) - len(own)
    for rule in rules:
        low, high = int(rule["only"] or rule["low"]), int(rule["only"] or rule["high"])
        assert 3 * high < int(rule["least"]) <= 4 * low, rule[0]


@pytest.mark.parametrize("dp_id", ["VIMOS.2012-03-14T03:00:00.000", "VIMOS.2012-03-14T04:00:00.000"])
def test_four_quadrants_are_complete_and_planned(index: Index, dp_id: str) -> None:
    tree = index.associate(dp_id)
    assert tree.root.complete
    tasks = make_plan(tree).tasks
    assert sorted(task.recipe for task in tasks) == [
        "vimos_ima_bias",
        "vimos_ima_dark",
        "vimos_ima_det_noise",
        "vimos_ima_science",
        "vimos_ima_twilight_flat",
    ]
    assert tasks[-1].recipe == "vimos_ima_science"
    assert sum(each.tag == "OBJECT" for each in tasks[-1].inputs) == len(tree.root.files)


@pytest.mark.parametrize(
    "dp_id",
    [
        "VIMOS.2012-03-14T04:30:00.000",  # quadrant 2 is missing
        "VIMOS.2012-03-14T05:00:00.000",  # quadrant 4 is hidden
    ],
)
def test_science_that_lacks_a_quadrant_is_answered_as_incomplete_and_not_planned(
    index: Index, dp_id: str
) -> None:
    tree = index.associate(dp_id)
    assert len(tree.root.files) == 9
    assert not tree.root.complete
    assert tree.root.messages == (f"{SMALL}: 12 needed, 9 found",)
    with pytest.raises(PlanError, match="incomplete: group smaller"):
        make_plan(tree)


def test_calibrations_that_lack_a_quadrant_or_one_file_of_it_are_refused(index: Index) -> None:
    root = index.associate("VIMOS.2012-03-14T03:00:00.000", explain=True).root
    small = {
        slot.label: sum(refusal.count for refusal in slot.why.refused if refusal.clause == SMALL)
        for slot in root.slots
    }
    assert small["MASTER_BIAS"] == 2
    assert small["MASTER_DARK"] == 1
    assert small["MASTER_TWILIGHT_FLAT"] == 1
