"""`calsel rules show` and `explain`: a book as a map, and one rule on one frame."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import click

from app import config
from app.cli.associate import MODES
from app.craft import drawing
from app.craft.cascade import Cascade, as_html, as_text, cascade
from app.craft.explain import explain
from app.errors import RequestError
from app.opening import open_index
from app.rulebook import Rulebook, load_book, load_library, night_number
from app.tree import Mode


@click.command("show", short_help="A book's cascade as a table or a graph.")
@click.argument("book", metavar="INSTR")
@click.option("--night", type=click.DateTime(["%Y-%m-%d"]), help="The version of that night; else the last.")
@click.option(
    "--format",
    "name",
    type=click.Choice(["text", "html", "svg"]),
    default="text",
    show_default=True,
    help="A table here, the table as a page, or a graph of the raw types.",
)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write there.")
def show_command(book: str, night: datetime | None, name: str, output: Path | None) -> None:
    """Show the cascade of INSTR as ESO's maps do: raw types across, calibrations down.

    INSTR is an instrument (uves), a version (uves.2004-10-14.oca), an INSTRUME or a rule file. A cell says
    `min,max`, the window of the calibration plan and in brackets the extended one, in days.
    """
    found = cascade(_book(book, night))
    text = _written(found, name)
    if output:
        output.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)


def _written(found: Cascade, name: str) -> str:
    match name:
        case "html":
            return as_html(found)
        case "svg":
            return drawing.as_svg(found)
        case _:
            return as_text(found, shutil.get_terminal_size((160, 24)).columns)


def _book(name: str, night: datetime | None) -> Rulebook:
    """A rule file, a version by its name, or an instrument's version of a night, else its last."""
    path = Path(name)
    if path.is_file():
        return load_book(path)
    library = load_library(config.read().rules)
    named = [book for book in library.books if book.name == name]
    if named:
        return named[0]
    (instrume, *_) = library.instrumes(name)
    if night is not None:
        return library.pick(instrume, night_number(night.date()))
    versions = library.of(instrume)
    if not versions:
        known = ", ".join(sorted({book.instrument for book in library.books}))
        raise RequestError(f"there is no rulebook for {name!r}; there are: {known}")
    return versions[-1]


@click.command("explain", short_help="Why a rule did or did not fire for a frame.")
@click.argument("dp_id")
@click.argument("rule")
@click.option("--for", "asker", default="", metavar="DP_ID", help="Why does that frame take DP_ID, or not?")
@click.option("--mode", type=MODES, default="Raw2Raw", show_default=True, help="Raw or reduced calibrations.")
def explain_command(dp_id: str, rule: str, asker: str, mode: Mode) -> None:
    """Say why RULE fired, or chose, for the frame DP_ID: each clause with the values that it saw.

    RULE is a line of the book in force on the frame's night (430, or uves.2004-10-14.oca:430; the rule that
    the line belongs to counts), the label of an association (ACTION/LABEL where it is not clear), or an
    action.
    """
    with open_index(config.read()) as index, index.connection() as connection:
        lines = explain(connection, index.rules(connection), dp_id, rule, asker=asker, mode=mode)
    for line in lines:
        click.echo(line)
