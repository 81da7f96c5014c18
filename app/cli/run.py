"""`calsel run`: the recipe chains of science frames, here and now."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from app import config
from app.archive.index import Index
from app.cli.associate import MODES
from app.errors import PlanError, UnknownFrameError
from app.opening import open_index
from app.plan import make_plan
from app.terminal import make_console, print_event, print_plan
from app.tree import Mode, Tree
from app.worker import Reduction, reduce
from processing.graph import Plan
from processing.phase3.report import told


@click.command("run", short_help="Run the recipes that reduce science frames.")
@click.argument("dp_ids", nargs=-1, required=True, metavar="DP_ID...")
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
    dp_ids: tuple[str, ...],
    mode: Mode,
    jobs: int | None,
    products: Path | None,
    package: bool,
    dry_run: bool,
) -> None:
    """Run the recipes that reduce the science frames DP_ID, one after the other, their calibrations first.

    What was computed before, or for an earlier one of them, is re-used. Products are verified, kept by
    content, and indexed; masters are chosen in Raw2Master once 'calsel certify' has accepted them. A frame
    that cannot be reduced does not keep the others waiting; the exit code is 1 when one failed.

    'calsel jobs submit' leaves the same to workers.
    """
    settings = config.read()
    console = make_console()

    def carry_out(index: Index, dp_id: str) -> bool:
        if dry_run:
            print_plan(make_plan(index.associate(dp_id, mode), packaged=package), console)
            return True
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
        return result.report.ok

    frames = list(dict.fromkeys(dp_ids))
    failed = []
    with open_index(settings) as index:
        if unknown := index.unknown(frames):
            raise UnknownFrameError(*unknown)
        for number, dp_id in enumerate(frames, 1):
            if len(frames) > 1:
                console.print(
                    f"{dp_id} ({number} of {len(frames)})", style="bold", markup=False, soft_wrap=True
                )
            try:
                done = carry_out(index, dp_id)
            except PlanError as error:
                if len(frames) == 1:
                    raise
                click.secho(f"calsel: {error}", fg="red", err=True)
                done = False
            if not done:
                failed.append(dp_id)
    if failed and len(frames) > 1:
        click.secho(f"calsel: {len(failed)} of {len(frames)} failed: {', '.join(failed)}", fg="red", err=True)
    if failed:
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
