from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.archive.database import connect
from app.archive.index import Index
from app.config import ROOT
from app.errors import PlanError, UnknownFrameError
from app.ingest import ingest, use_rules
from app.rulebook import load_library
from app.tree import Tree
from app.worker import reduce
from processing.graph import Plan
from processing.runner import Event
from processing.simulate.archive import Studio, cards
from processing.simulate.fits import write_image
from processing.simulate.nightlog import Template, named

JITTER, DARK, FLAT, FLAT_DARK = (named("NACO", n) for n in ("jitter", "dark", "twilight", "twilight-dark"))
SCIENCE = JITTER.dp_ids()[0]


@pytest.fixture
def index(database_url: str, tmp_path: Path) -> Iterator[Index]:
    engine = connect(database_url)
    index = Index(engine)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "naco").symlink_to(ROOT / "rules" / "naco")
    use_rules(index, load_library(tmp_path / "rules"), tmp_path / "rules")
    yield index
    engine.dispose()


def expose(index: Index, folder: Path, *templates: Template) -> None:
    """Put NACO frames with all their pixels into the index."""
    folder.mkdir()
    nothing = np.zeros(0)
    studio = Studio(1, {}, (nothing, nothing), nothing)
    for entry in templates:
        studio.write(entry, folder)
    ingest(index, [folder], certified=True)


def blank(index: Index, folder: Path, *templates: Template) -> None:
    """Put NACO frames into the index that have too few pixels for any recipe."""
    folder.mkdir()
    for entry in templates:
        for number, dp_id in enumerate(entry.dp_ids()):
            write_image(folder / f"{dp_id}.fits", np.zeros((2, 2), np.float32), cards(entry, number))
    ingest(index, [folder], certified=True)


def certified(index: Index, dp_id: str) -> bool | None:
    with index.connection() as connection:
        row = connection.execute("SELECT certified FROM frame WHERE dp_id = %s", [dp_id]).fetchone()
    return None if row is None else row[0]


def test_what_was_made_before_a_task_failed_enters_the_index_uncertified(
    index: Index, tmp_path: Path
) -> None:
    expose(index, tmp_path / "good", DARK, FLAT_DARK)
    blank(index, tmp_path / "bad", FLAT, JITTER)
    told: list[str] = []
    outcome = reduce(
        index,
        SCIENCE,
        "Raw2Raw",
        tmp_path / "products",
        report=lambda event: told.append(event.kind),
        planned=lambda tree, plan: told.append(f"{tree.dp_id} {len(plan.tasks)}"),
    )
    assert not outcome.report.ok
    states = {result.recipe: result.state for result in outcome.report.results}
    assert states == {"naco_img_dark": "done", "naco_img_twflat": "failed", "naco_img_jitter": "blocked"}
    assert told[0] == f"{SCIENCE} 4"
    assert sorted(told[1:]) == ["blocked", "done", "done", "failed", "started", "started", "started"]
    made = [product for result in outcome.report.results for product in result.products]
    assert outcome.ingested.stored.new == len({product.path.stem for product in made}) > 0
    assert all(certified(index, product.path.stem) is False for product in made)


@pytest.mark.slow
def test_a_whole_chain_ends_with_the_science_product_and_a_second_one_changes_nothing(
    index: Index, tmp_path: Path
) -> None:
    expose(index, tmp_path / "raw", JITTER, DARK, FLAT, FLAT_DARK)
    first, second = (reduce(index, SCIENCE, "Raw2Raw", tmp_path / "products") for _ in range(2))
    assert first.report.ok
    science = first.report.results[-1].products
    assert "COADDED_IMG" in {product.category for product in science}
    assert {result.state for result in second.report.results} == {"reused"}
    assert (second.ingested.stored.new, second.ingested.stored.changed) == (0, 0)
    assert second.tree.revision > first.tree.revision


def test_nothing_runs_for_an_unknown_or_an_incomplete_frame(index: Index, tmp_path: Path) -> None:
    blank(index, tmp_path / "bad", JITTER)
    seen: list[Event | Plan] = []

    def planned(_: Tree, plan: Plan) -> None:
        seen.append(plan)

    with pytest.raises(UnknownFrameError, match=r"NACO\.unknown"):
        reduce(index, "NACO.unknown", "Raw2Raw", tmp_path / "p", planned=planned, report=seen.append)
    with pytest.raises(PlanError, match="incomplete"):
        reduce(index, SCIENCE, "Raw2Raw", tmp_path / "p", planned=planned, report=seen.append)
    assert seen == []
    assert not (tmp_path / "p").exists()
