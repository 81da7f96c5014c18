"""Commands about the index: ingest, certify, breakpoints, db."""

from __future__ import annotations

import getpass
import time
from pathlib import Path

import click
import orjson
from rich.console import Console

from app import config, embedded
from app.archive.database import connect, upgrade
from app.archive.index import Index
from app.archive.quality import Verdict, add_breakpoints, breakpoints, judge
from app.archive.storing import Stored
from app.errors import RequestError
from app.ingest import Ingested, ingest, stale_rules, use_rules
from app.opening import database, open_index
from app.rulebook import load_library
from app.terminal import make_console, progress

PATH = click.Path(exists=True, path_type=Path)


@click.command("ingest")
@click.argument("paths", nargs=-1, type=PATH)
@click.option("--certified", is_flag=True, help="The frames were quality-checked where they come from.")
@click.option("--watch", is_flag=True, help="Go on and index what arrives, until stopped.")
@click.option("--every", default=10.0, show_default=True, help="Seconds between two looks, with --watch.")
def ingest_command(paths: tuple[Path, ...], certified: bool, watch: bool, every: float) -> None:
    """Index FITS files (.fits .gz .fz .Z), .hdr texts and archive tables (CSV, VOTable).

    PATHS are files or folders; without any, the folder CALSEL_ARCHIVE. A file that cannot be read is
    told by name and skipped, the rest goes in; then the exit code is 1. Doing it twice changes nothing.
    """
    settings = config.read()
    console = make_console(stderr=True)
    if not paths:
        settings.archive.mkdir(parents=True, exist_ok=True)
        paths = (settings.archive,)
    with open_index(settings) as index:
        _rules(index, settings, console)
        outcome = _once(index, paths, certified, console)
        while watch:
            time.sleep(every)
            again = ingest(index, paths, certified=certified)
            if again.stored.new or again.stored.changed:
                _tell(again, console)
    if outcome.skipped:
        raise SystemExit(1)


def _once(index: Index, paths: tuple[Path, ...], certified: bool, console: Console) -> Ingested:
    with progress(console) as report:
        outcome = ingest(index, paths, certified=certified, report=report)
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
        console.print(f"skipped {error}", style="yellow", highlight=False, markup=False)


def _rules(index: Index, settings: config.Settings, console: Console) -> None:
    """A new archive takes the rulebooks of the rules folder; later changes wait for `rules activate`."""
    library = load_library(settings.rules)
    change = stale_rules(index, library)
    if change and len(change.added) == len(library.books):
        with progress(console) as report:
            use_rules(index, library, settings.rules, report)
        console.print(f"rulebooks: {', '.join(change.added)}", highlight=False)
    elif change:
        names = ", ".join((*change.added, *change.replaced, *change.removed))
        console.print(
            f"the rules folder differs from the active rulebooks ({names}): "
            "run 'calsel rules activate' to use it",
            style="yellow",
        )


@click.command("certify")
@click.argument("dp_ids", nargs=-1, required=True)
@click.option("--reject", "verdict", flag_value="rejected", help="Take the certification away.")
@click.option("--hide", "verdict", flag_value="hidden", help="Bad quality: never choose it again.")
@click.option("--show", "verdict", flag_value="shown", help="Undo --hide.")
@click.option("--reason", default="", help="Why; kept in the history.")
@click.option("--who", default=getpass.getuser, help="Who says so; kept in the history.  [default: you]")
def certify_command(dp_ids: tuple[str, ...], verdict: Verdict | None, reason: str, who: str) -> None:
    """Say that frames passed quality control; masters are chosen only once certified."""
    verdict = verdict or "certified"
    with open_index(config.read()) as index, index.writing() as (connection, books):
        count = judge(connection, books, dp_ids, verdict, who, reason)
    click.echo(f"{count} {verdict}")


@click.group("breakpoints")
def breakpoints_group() -> None:
    """Interventions that no association may cross."""


@breakpoints_group.command("load")
@click.argument("file", type=PATH)
def load_breakpoints(file: Path) -> None:
    """Add breakpoints from a JSON list in the form of CalSelector's /calselector/v1/breakpoints."""
    try:
        entries = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise RequestError(f"{file}: not JSON: {error}") from error
    with open_index(config.read()) as index, index.connection() as connection:
        click.echo(f"{add_breakpoints(connection, entries)} new breakpoints")


@breakpoints_group.command("list")
def list_breakpoints() -> None:
    """Print every breakpoint: MJD, instrument, RAW.TYPE, PRO.CATG, DO class."""
    with open_index(config.read()) as index, index.connection() as connection:
        for each in breakpoints(connection):
            click.echo(f"{each.mjd:.4f} {each.instrument} {each.raw_type} {each.pro_catg} {each.do_class}")


@click.group("db")
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
        click.echo(f"embedded, {settings.home}: {embedded.status(settings.home)}")
        return
    engine = connect(settings.database_url)
    click.echo(f"{engine.url.render_as_string(hide_password=True)}: answers")
    engine.dispose()


@db_group.command("stop")
def stop_db() -> None:
    """Stop the embedded server now (it stops by itself when nobody uses it)."""
    embedded.stop(config.read().home)
    click.echo("stopped")


COMMANDS = (ingest_command, certify_command, breakpoints_group, db_group)
