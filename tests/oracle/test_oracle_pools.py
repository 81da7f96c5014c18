"""Every frame of every pool, both modes: the service over PostgreSQL and the naive reading say the same."""

from __future__ import annotations

import json
from difflib import ndiff
from collections.abc import Iterator
from pathlib import Path

import pytest
from holding import oracle_lines, service_lines
from naive_cascade import Oracle
from naive_groups import know
from naive_rules import parse
from pools import Mode, Row, read_pool

from app.archive.database import connect
from app.archive.index import Index
from app.archive.storing import store
from app.classify import Frame
from app.ingest import use_rules
from app.rulebook import load_library

RULES = Path(__file__).parents[2] / "rules"
REFUSED = "not supported"
INSTRUMENTS = sorted(path.parent.name for path in RULES.glob("*/pool.txt"))


class Opinions:
    """Index and oracles of one instrument's pool."""

    def __init__(self, folder: Path, index: Index) -> None:
        self.rows = read_pool(folder / "pool.txt")
        self.index = index
        use_rules(self.index, load_library(folder.parent), folder.parent)
        frames = [
            Frame(row.dp_id, row.header, certified=row.certified, hidden=row.hidden) for row in self.rows
        ]
        with self.index.writing() as (connection, books):
            store(connection, books, frames)
        breakpoints = json.loads((folder / "breakpoints.json").read_text())
        self.oracles = [
            (_first_night(path), _oracle(path, self.rows, breakpoints))
            for path in sorted(folder.glob("*.oca"))
        ]

    def oracle(self, row: Row) -> Oracle | None:
        """That of the book in force in the frame's night, which lasts from noon to noon."""
        night = int(row.header["MJD-OBS"] - 0.5)
        return next((each for first, each in reversed(self.oracles) if first <= night), None)


def _first_night(path: Path) -> int:
    from datetime import date

    return (date.fromisoformat(path.stem.split(".", 1)[1]) - date(1858, 11, 17)).days


def _oracle(path: Path, rows: list[Row], breakpoints: list[dict[str, object]]) -> Oracle:
    rules = parse(path.read_text())
    return Oracle(
        rules,
        [know(rules, row.dp_id, row.header.to_dict(), row.certified) for row in rows if not row.hidden],
        breakpoints,
    )


@pytest.fixture(scope="module", params=INSTRUMENTS)
def opinions(request: pytest.FixtureRequest, make_shared_database, tmp_path_factory) -> Iterator[Opinions]:
    folder = tmp_path_factory.mktemp("rules") / request.param
    folder.symlink_to(RULES / request.param)
    engine = connect(make_shared_database())
    try:
        yield Opinions(folder, Index(engine))
    finally:
        engine.dispose()


def answers(opinions: Opinions, row: Row, mode: Mode) -> tuple[list[str], list[str]]:
    """What the service and what the oracle say of a frame."""
    tree = opinions.index.associate(row.dp_id, mode)
    service = [tree.mode, *service_lines(tree.root)]
    if tree.root.action is None:
        assert "not supported" in tree.root.messages[0]
        service = [REFUSED]
    oracle = opinions.oracle(row)
    done, node = (mode, None) if oracle is None else oracle.associate(row.dp_id, mode)
    return service, [REFUSED] if node is None else [done, *oracle_lines(node)]


@pytest.mark.parametrize("mode", ["Raw2Raw", "Raw2Master"])
def test_every_frame_of_a_pool_gets_the_same_answer(opinions: Opinions, mode: Mode) -> None:
    answered, different = 0, []
    for row in opinions.rows:
        if row.hidden or "MJD-OBS" not in row.header:
            continue
        service, oracle = answers(opinions, row, mode)
        answered += service != [REFUSED]
        if service != oracle:
            different.append("\n".join([f"\n{row.dp_id} {mode}", *ndiff(service, oracle)]))
    assert answered > 0
    assert not different, f"{len(different)} of {answered}: {''.join(different[:3])}"
