"""From a science frame to its products, here and now: associate, plan, run, index what came out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.archive.index import Index
from app.ingest import Ingested, ingest
from app.plan import make_plan
from app.tree import Mode, Tree
from processing.graph import Plan
from processing.runner import Event, RunReport, run


@dataclass(frozen=True, slots=True)
class Reduction:
    """What became of a request: the tree it was planned from, the plan, each task, what was indexed."""

    tree: Tree
    plan: Plan
    report: RunReport
    ingested: Ingested


def reduce(
    index: Index,
    dp_id: str,
    mode: Mode,
    products: Path,
    *,
    jobs: int = 2,
    proprietary_days: int = 0,
    packaged: bool = False,
    report: Callable[[Event], None] | None = None,
    planned: Callable[[Tree, Plan], None] | None = None,
) -> Reduction:
    """Run the recipe chain of a science frame; tasks that were done before are re-used.

    Products lie below the folder `products`, by content key, and enter the index uncertified, also when
    a later task failed. With `packaged` the archive science product is made as well. `planned` is told the
    tree and the plan before anything runs, `report` every event. Raises UnknownFrameError, and PlanError for
    a tree that cannot be run.
    """
    tree = index.associate(dp_id, mode, explain=True)
    plan = make_plan(tree, packaged=packaged)
    if planned:
        planned(tree, plan)
    outcome = run(plan, products, jobs=jobs, report=report)
    made = [product.path for result in outcome.results for product in result.products]
    return Reduction(tree, plan, outcome, ingest(index, made, proprietary_days=proprietary_days))
