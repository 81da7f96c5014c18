"""`calsel run`: the recipe chain of a science frame, here and now."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from app import config
from app.cli.associate import MODES
from app.opening import open_index
from app.plan import make_plan
from app.terminal import make_console, print_event, print_plan
from app.tree import Mode, Tree
from app.worker import Reduction, reduce
from processing.graph import Plan
from processing.phase3.report import told


@click.command("run", short_help="Run the recipes that reduce a science frame.")
@click.argument("dp_id")
@click.option(
    "--mode", type=MODES, default="Raw2Raw", show_default=True, help="Start from raw or from masters."
)
@click.option("--jobs", type=click.IntRange(1), help="Recipes at the same time.  [default: CALSEL_JOBS]")
@click.option(
    "--products", type=click.Path(path_type=Path), help="Folder of the products.  [default: CALSEL_PRODUCTS]"
)
@click.option("--package", is_flag=True, help="Make the archive science product as well.")
@click.option("--dry-run", is_flag=True, help="Only say what would run.")
def run_command(
    dp_id: str, mode: Mode, jobs: int | None, products: Path | None, package: bool, dry_run: bool
) -> None:
    """Run the recipes that reduce the science frame DP_ID, its calibrations first.

    What was computed before is re-used. Products are verified, kept by content, and indexed; masters
    are chosen in Raw2Master once 'calsel certify' has accepted them. Exit code 1 when a task failed.

    'calsel jobs submit' leaves the same to workers.
    """
    settings = config.read()
    console = make_console()
    with open_index(settings) as index:
        if dry_run:
            print_plan(make_plan(index.associate(dp_id, mode), packaged=package), console)
            return
        result = reduce(
            index,
            dp_id,
            mode,
            products or settings.products,
            jobs=jobs or settings.jobs,
            proprietary_days=settings.proprietary_days,
            packaged=package,
            planned=lambda tree, plan: _planned(tree, plan, console),
            report=lambda event: print_event(event, console),
        )
    print_result(result, console)
    if not result.report.ok:
        raise SystemExit(1)


def _planned(tree: Tree, plan: Plan, console: Console) -> None:
    for message in tree.root.messages:
        console.print(message, style="yellow", markup=False)
    print_plan(plan, console)


def print_result(result: Reduction, console: Console) -> None:
    """The products of the last task, what their packaging has to say, and what was skipped."""
    products = result.report.results[-1].products
    for product in products:
        console.print(f"  {product.category}: {product.path}", markup=False, highlight=False, soft_wrap=True)
    for said in told(products[0].path) if products else ():
        console.print(f"  {said}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    for error in result.ingested.skipped:
        console.print(f"not indexed: {error}", style="yellow", markup=False)


COMMANDS = (run_command,)
