"""`calsel rules diff`: what would change for science frames if another rulebook were active."""

from __future__ import annotations

import csv
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Final

import click
import orjson

from app import config
from app.archive.index import Index
from app.archive.looked import active_library, record
from app.cli.associate import MODES
from app.craft import telling
from app.craft.compare import Asked
from app.craft.diff import diff
from app.craft.trials import books_of
from app.errors import RequestError
from app.opening import open_index
from app.rulebook import Library, library, load_book, night_number
from app.terminal import make_console, progress
from app.tree import Mode

_ACTIVE: Final = "active"
_NIGHT: Final = click.DateTime(["%Y-%m-%d"])


@click.command("diff", short_help="What would change if other rules were active.")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--from", "first", type=_NIGHT, required=True, help="The first night: the date it begins on.")
@click.option("--to", "last", type=_NIGHT, required=True, help="The last night.")
@click.option(
    "--mode", type=MODES, default="Raw2Raw", show_default=True, help="Compare the answers of this mode."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    show_default=True,
    help="For people; or for programs.",
)
@click.option(
    "--examples",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="Name so many science frames for each finding.",
)
def diff_command(
    old: str, new: str, first: datetime, last: datetime, mode: Mode, form: str, examples: int
) -> None:
    """Say what would change for the science frames of a period if NEW were active, not OLD.

    OLD and NEW are rule files, folders of one instrument's files (all its versions; each night picks its
    own), or the word 'active': the instrument's active rulebooks. Beside 'active' a file stands for these,
    with itself in the place of the one of its name.

    \b
    A change before it is activated:
      calsel rules diff active rules/uves --from 2012-03-01 --to 2012-03-31
      calsel rules activate
    Two drafts:
      calsel rules diff a/uves.2004-10-14.oca b/uves.2004-10-14.oca --from 2012-03-01 --to 2012-03-31

    Every finding is a slot (an association's label; none for the science frames themselves), what it holds
    that is different, in how many science frames, and the lines of OLD (-) and NEW (+) that make the
    difference: those of the association, else of the classification, organisation or product block of the
    files that came and went. What lies below a calibration that has been replaced is not told.

    The archive stays as it is. That this change was looked at is recorded where OLD is what is active: what
    nobody has looked at 'calsel rules activate' refuses. Exit code 0 whether anything would change or not (as
    'calsel changes'; 1 is an error): programs read 'changed' of the JSON.
    """  # noqa: D301 (a \b of click's, not a backslash)
    nights = night_number(first.date()), night_number(last.date())
    if nights[0] > nights[1]:
        raise click.UsageError("--from must not be behind --to")
    console = make_console(stderr=True)
    with open_index(config.read()) as index:
        asked = Asked(*_sides(index, old, new), *nights, mode)
        with progress(console) as report:
            tally = diff(index, asked, examples=examples, processes=_cores(), report=report)
        with index.connection() as connection:
            counts = tally.compared, tally.changed
            unseen = record(connection, asked.old.books, asked.new.books, nights, mode, counts)
    match form:
        case "json":
            click.echo(orjson.dumps(telling.as_json(asked, tally)))
        case "csv":
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(telling.COLUMNS)
            writer.writerows(telling.rows(tally))
        case _:
            click.echo(telling.as_text(asked, tally), nl=False)
    if unseen:
        click.echo(f"not recorded as looked at: {unseen}", err=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _sides(index: Index, old: str, new: str) -> tuple[Library, Library]:
    """The two sets of versions. Raises RequestError unless they are of one instrument, RuleError."""
    named = [None if side == _ACTIVE else _library(side) for side in (old, new)]
    instruments = sorted({book.instrument for each in named if each for book in each.books})
    if len(instruments) != 1:
        what = " and ".join(instruments) or "no file"
        raise RequestError(f"rulebooks of one instrument can be compared, not of {what}")
    with index.connection() as connection:
        active = active_library(connection, instruments[0])
    if None in named and not active.books:
        raise RequestError(f"no rulebook of {instruments[0]} is active: there is nothing to compare with")
    sides = []
    for place, each in zip((old, new), named, strict=True):
        if each is None:
            sides.append(active)
        elif None in named and Path(place).is_file():
            (book,) = each.books
            sides.append(library([*(b for b in active.books if b.name != book.name), book]))
        else:
            sides.append(each)
    return sides[0], sides[1]


def _library(place: str) -> Library:
    path = Path(place)
    if path.is_dir():
        return books_of(path)
    if not path.is_file():
        raise RequestError(f"{place}: no rule file, no folder of rule files, and not the word {_ACTIVE!r}")
    return library([load_book(path)])
