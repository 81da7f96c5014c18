"""Every frame of every pool, both modes: the service over PostgreSQL and the naive reading say the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from opinions import Opinions

from app.archive.database import connect
from app.archive.index import Index
from app.classify import Frame
from app.craft.tables import read_pool
from app.header import Header
from app.tree import Mode

RULES = Path(__file__).parents[2] / "rules"
MODES: tuple[Mode, ...] = ("Raw2Raw", "Raw2Master")
INSTRUMENTS = sorted(path.parent.name for path in RULES.glob("*/pool.txt"))


@contextmanager
def opened(
    instrument: str, rows: Sequence[Frame], make: Callable[[], str], parent: Path
) -> Iterator[Opinions]:
    folder = parent / instrument
    folder.symlink_to(RULES / instrument)
    engine = connect(make())
    try:
        yield Opinions(folder, rows, Index(engine))
    finally:
        engine.dispose()


@pytest.fixture(scope="module", params=INSTRUMENTS)
def opinions(
    request: pytest.FixtureRequest, make_shared_database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Opinions]:
    rows = read_pool(RULES / request.param / "pool.txt")
    with opened(request.param, rows, make_shared_database, tmp_path_factory.mktemp("rules")) as made:
        yield made


@pytest.mark.parametrize("mode", MODES)
def test_every_frame_of_a_pool_gets_the_same_answer(opinions: Opinions, mode: Mode) -> None:
    answered, different = opinions.compare(mode)
    assert answered > 0
    assert not different, f"{len(different)} of {answered}: {''.join(different[:3])}"


def disturbed(rows: Sequence[Frame], seed: int) -> list[Frame]:
    """A pool after an accident: frames lost, hidden, doubted, moved in time, with each other's set-up."""
    dice = random.Random(seed)
    templates = sorted({row.header.get("TPL.START", row.dp_id) for row in rows}, key=str)
    moved = {each: dice.choice([0, 0, 0, -20, -3, -0.5, 0.5, 1, 3, 20]) for each in templates}
    doubted = {each for each in templates if dice.random() < 0.3}
    found = []
    for row in rows:
        if dice.random() < 0.1:
            continue
        template = row.header.get("TPL.START", row.dp_id)
        keywords = row.header.to_dict()
        if "MJD-OBS" in keywords:
            keywords["MJD-OBS"] += moved[template]
        if dice.random() < 0.05:
            key = dice.choice(sorted(keywords))
            other = dice.choice(rows).header
            if key in other and key not in ("INSTRUME", "ARCFILE"):
                keywords[key] = other[key]
        found.append(
            replace(
                row,
                header=Header(keywords),
                certified=row.certified and template not in doubted and dice.random() > 0.05,
                hidden=row.hidden or dice.random() < 0.05,
            )
        )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_every_frame_of_a_disturbed_pool_gets_the_same_answer(
    instrument: str, seed: int, make_database, tmp_path: Path
) -> None:
    rows = disturbed(read_pool(RULES / instrument / "pool.txt"), seed)
    with opened(instrument, rows, make_database, tmp_path) as made:
        for mode in MODES:
            answered, different = made.compare(mode)
            assert not different, f"{len(different)} of {answered}: {''.join(different[:3])}"
