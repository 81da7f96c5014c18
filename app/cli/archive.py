"""Commands about the index: ingest, breakpoints, db."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console

from app import config, embedded
from app.archive.database import connect, upgrade
from app.archive.index import Index
from app.archive.quality import add_breakpoints, breakpoint_list, breakpoints, remove_breakpoints
from app.archive.storing import Stored
from app.errors import RequestError
from app.folders import FITS_SUFFIXES, LOG_SUFFIXES, TABLE_SUFFIXES
from app.ingest import Ingested, ingest, stale_rules, use_rules
from app.opening import database, open_index
from app.rulebook import load_library
from app.terminal import make_console, progress

PATH = click.Path(exists=True, path_type=Path)


@click.command("ingest", short_help="Index FITS files, header texts, archive tables.")
@click.argument("paths", nargs=-1, type=PATH)
@click.option("--certified", is_flag=True, help="The frames were quality-checked where they come from.")
@click.option("--watch", is_flag=True, help="Go on and index what arrives, until stopped.")
@click.option(
    "--every",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds between two looks, with --watch.",
)
def ingest_command(paths: tuple[Path, ...], certified: bool, watch: bool, every: float) -> None:
    """Index FITS files (.fits .gz .fz .Z), .hdr texts, archive tables (CSV, VOTable), night logs (.NL.txt).

    PATHS are files or folders; without any, the folder CALSEL_ARCHIVE. A file that cannot be read is
    told by name and skipped, the rest goes in; then the exit code is 1, as when there is no file to read.
    Doing it twice changes nothing.
    """
    settings = config.read()
    console = make_console(stderr=True)
    if not paths:
        settings.archive.mkdir(parents=True, exist_ok=True)
        paths = (settings.archive,)
    with open_index(settings) as index:
        _rules(index, settings, console)
        outcome = _once(index, paths, certified, settings.proprietary_days, console)
        told = {str(error) for error in outcome.skipped}
        while watch:
            time.sleep(every)
            again = ingest(index, paths, certified=certified, proprietary_days=settings.proprietary_days)
            bad = {str(error) for error in again.skipped}
            if again.stored.new or again.stored.changed or bad - told:
                _tell(again, console)
            told = bad
    if outcome.skipped:
        raise SystemExit(1)
    if outcome.stored == Stored():
        raise RequestError(
            f"{', '.join(map(str, paths))}: no file to ingest; names end in "
            f"{' '.join((*FITS_SUFFIXES, *TABLE_SUFFIXES, *LOG_SUFFIXES))}"
        )


def _once(
    index: Index, paths: tuple[Path, ...], certified: bool, proprietary_days: int, console: Console
) -> Ingested:
    with progress(console) as report:
        outcome = ingest(index, paths, certified=certified, proprietary_days=proprietary_days, report=report)
    _tell(outcome, console)
    return outcome


def _tell(outcome: Ingested, console: Console) -> None:
    stored: Stored = outcome.stored
    console.print(
        f"{stored.new} new, {stored.changed} changed, {stored.unchanged} unchanged, "
        f"{len(outcome.skipped)} skipped",
        highlight=False,
    )
    for error in outcome.skipped:
        console.print(f"skipped {error}", style="yellow", highlight=False, markup=False, soft_wrap=True)


def _rules(index: Index, settings: config.Settings, console: Console) -> None:
    """A new archive takes the rulebooks of the rules folder; later changes wait for `rules activate`."""
    library = load_library(settings.rules)
    change = stale_rules(index, library)
    if len(change.added) == len(library.books) and not change.removed:
        with progress(console) as report:
            use_rules(index, library, settings.rules, report)
        console.print(f"rulebooks: {', '.join(change.added)}", highlight=False)
    elif change:
        names = ", ".join((*change.added, *change.replaced, *change.removed))
        console.print(
            f"the rules folder differs from the active rulebooks ({names}): "
            "run 'calsel rules activate' to use it",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


@click.group("breakpoints")
def breakpoints_group() -> None:
    """Interventions that no association may cross."""


FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@breakpoints_group.command("load")
@FILE
def load_breakpoints(file: Path) -> None:
    """Add breakpoints from a JSON list in the form of CalSelector's /calselector/v1/breakpoints.

    \b
    [{"mjdObs": 60237.6, "instrument": "UVES", "dpInstrument": "UVES",
      "rawType": "WAVE_ECH_BLUE", "proCatg": "ANY", "doClass": "ANY"}]

    No association of that instrument and type crosses mjdObs; "ANY" means all. A wrong entry leaves all out.
    """  # noqa: D301 (a \b of click's, not a backslash)
    entries = _breakpoints_of(file)
    with open_index(config.read()) as index, index.connection() as connection:
        click.echo(f"{add_breakpoints(connection, entries)} new breakpoints")


@breakpoints_group.command("remove")
@FILE
def remove_breakpoints_command(file: Path) -> None:
    """Take breakpoints back that a JSON list names, in the form that 'load' takes.

    Associations may cross them again; the history keeps them for as_of. One that is not in force, or a wrong
    entry, leaves all as they are. Those beside rulebooks come back with 'load' only.
    """
    entries = _breakpoints_of(file)
    with open_index(config.read()) as index, index.connection() as connection:
        click.echo(f"{remove_breakpoints(connection, entries)} breakpoints removed")


def _breakpoints_of(file: Path) -> list[Any]:
    try:
        entries = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise RequestError(f"{file}: not JSON: {error}") from error
    if not isinstance(entries, list):
        raise RequestError(f"{file}: no JSON list of breakpoints; put [ ] around it")
    return entries


@breakpoints_group.command("list")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json is what 'load' and 'remove' take.",
)
def list_breakpoints(form: str) -> None:
    """Print the breakpoints in force: MJD, instrument, RAW.TYPE, PRO.CATG, DO class."""
    with open_index(config.read()) as index, index.connection() as connection:
        if form == "json":
            click.echo(orjson.dumps(breakpoint_list(connection), option=orjson.OPT_INDENT_2))
            return
        for each in breakpoints(connection):
            click.echo(f"{each.mjd:.4f} {each.instrument} {each.raw_type} {each.pro_catg} {each.do_class}")


@click.group("db", short_help="Upgrade, look at or stop the database.")
def db_group() -> None:
    """The database: make or upgrade its tables, look at the embedded server, stop it."""


@db_group.command("upgrade")
def upgrade_db() -> None:
    """Bring the tables to this program's version (a new database gets them all)."""
    with database(config.read()) as url:
        upgrade(url)
        engine = connect(url)
        click.echo(f"{engine.url.render_as_string(hide_password=True)}: up to date")
        engine.dispose()


@db_group.command("status")
def db_status() -> None:
    """Which database is used, and whether it answers."""
    settings = config.read()
    if settings.database_url is None:
        found = embedded.status(settings.home)
        state = "stopped; the next command starts it" if found.pid is None else f"runs, process {found.pid}"
        click.echo(f"embedded: {state}\ndata {found.data}\nlog  {found.log}")
        return
    engine = connect(settings.database_url)
    click.echo(f"{engine.url.render_as_string(hide_password=True)}: answers")
    engine.dispose()


@db_group.command("stop")
def stop_db() -> None:
    """Stop the embedded server now (it stops by itself when nobody uses it)."""
    settings = config.read()
    if settings.database_url is not None:
        raise RequestError("CALSEL_DATABASE_URL names a server of your own, which calsel does not stop")
    click.echo("stopped" if embedded.stop(settings.home) else "was not running")


COMMANDS = (ingest_command, breakpoints_group, db_group)
