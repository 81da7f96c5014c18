"""`calsel associate`: the tree of a science frame, drawn or in any format."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from app import config, formats
from app.associate import NOTHING, Wish
from app.associate.wish import Preference
from app.formats import sof
from app.level import HIGHEST, LOWEST
from app.opening import open_index
from app.terminal import make_console, print_tree
from app.tree import Mode, Tree

MODES = click.Choice(["Raw2Raw", "Raw2Master"], case_sensitive=False)


@click.command("associate", short_help="Find the calibrations of a science frame.")
@click.argument("dp_id")
@click.option("--mode", type=MODES, default="Raw2Raw", show_default=True, help="Raw or reduced calibrations.")
@click.option(
    "--format",
    "name",
    type=click.Choice(["tree", *formats.FORMATS], case_sensitive=False),
    default="tree",
    show_default=True,
    help="tree draws it here; the others are what the service sends.",
)
@click.option(
    "--explain", is_flag=True, help="Say for every slot what was refused, by which clause, and why."
)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="Write there; for sof a folder, one file a step."
)
@click.option("--alternatives", type=click.IntRange(0, 100), default=0, help="Show the next best N per slot.")
@click.option("--max-age", type=click.FloatRange(0), help="Refuse what is more days away than this.")
@click.option(
    "--min-level",
    type=click.IntRange(LOWEST, HIGHEST),
    help="Refuse worse matches: 0 wants the calibration plan, -1 a stricter window, 1 takes what is outside.",
)
@click.option("--exclude", multiple=True, metavar="DP_ID", help="Do as if this frame were hidden; repeat it.")
@click.option("--prefer", type=click.Choice(["raw", "master"]), help="Choose slot by slot, this kind first.")
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]),
    help="Answer as this archive would have then (UTC).",
)
def associate_command(
    dp_id: str,
    mode: Mode,
    name: str,
    explain: bool,
    output: Path | None,
    alternatives: int,
    max_age: float | None,
    min_level: int | None,
    exclude: tuple[str, ...],
    prefer: Preference | None,
    as_of: datetime | None,
) -> None:
    """Find the calibrations of the science frame DP_ID (no .fits at the end).

    Exit code 0 when the tree is complete, 3 when something required is missing (the tree says what).
    """
    settings = config.read()
    if as_of is not None and as_of.tzinfo is None:
        as_of = as_of.replace(tzinfo=UTC)
    wish = Wish(alternatives, max_age, frozenset(exclude), prefer, as_of, min_level=min_level)
    explain = explain or wish != NOTHING
    with open_index(settings) as index:
        tree: Tree = index.associate(dp_id, mode, explain=explain or name == "json", wish=wish)
    if name == "tree":
        if output:
            with output.open("w", encoding="utf-8") as file:
                print_tree(tree, Console(file=file, width=120), explain=explain)
        else:
            print_tree(tree, make_console(), explain=explain)
    elif name == "sof" and output:
        output.mkdir(parents=True, exist_ok=True)
        for file_name, content in sof.split(tree).items():
            (output / file_name).write_bytes(content)
    else:
        told = tree if name == "json" else formats.tell(tree, explain=explain)
        content = formats.FORMATS[name].write(told, formats.links_of(settings.public_url))
        if output:
            output.write_bytes(content)
        else:
            sys.stdout.buffer.write(content)
    if not tree.root.complete:
        raise SystemExit(3)


COMMANDS = (associate_command,)
