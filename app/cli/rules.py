"""`calsel rules`: check rule files like a compiler does, activate and list rulebooks."""

from __future__ import annotations

from pathlib import Path

import click

from app import config
from app.ingest import use_rules
from app.oca.parser import parse_file
from app.opening import open_index
from app.rulebook import load_library, night_date
from app.rulebook.check import check
from app.terminal import make_console, progress
from processing.esorex import Esorex, EsorexError


@click.group("rules", short_help="Check, activate and list rulebooks.")
def rules_group() -> None:
    """Rulebooks in OCA: check them, make them the active ones, list them."""


@rules_group.command("check")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
def check_command(files: tuple[Path, ...], quiet: bool) -> None:
    """Print the errors and findings of OCA rule FILES with line, column and caret; exit 1 on errors.

    Findings: dead rules, actions never executed, categories that nothing makes, recipes that are not
    installed, settings without a select, mixed and/or, and more.
    """
    installed = _installed()
    errors = warnings = 0
    for file in files:
        parsed = parse_file(file)
        found = list(parsed.diagnostics)
        if not parsed.errors:  # what the parser had to skip would be missed all over the file
            found += check(parsed.rules, file, installed)
        for diagnostic in sorted(found, key=lambda each: (each.line, each.column)):
            errors += diagnostic.severity == "error"
            warnings += diagnostic.severity == "warning"
            if diagnostic.severity == "error" or not quiet:
                click.echo(str(diagnostic))
    counts = ((len(files), "file"), (errors, "error"), (warnings, "warning"))
    click.echo(", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts), err=True)
    if errors:
        raise SystemExit(1)


def _installed() -> frozenset[str] | None:
    """The installed recipes; None, and said so, where esorex is not installed."""
    try:
        return frozenset(Esorex.find().recipes())
    except EsorexError as error:
        click.echo(f"recipes are not checked: {error}", err=True)
        return None


@rules_group.command("activate")
def activate_command() -> None:
    """Make the rulebooks of CALSEL_RULES the active ones and index every frame under them.

    One transaction: until it ends, answers come from the old rulebooks; an error changes nothing.
    """
    settings = config.read()
    library = load_library(settings.rules)
    console = make_console(stderr=True)
    with open_index(settings) as index, progress(console) as report:
        change = use_rules(index, library, settings.rules, report)
    for word, names in (("added", change.added), ("replaced", change.replaced), ("removed", change.removed)):
        for name in names:
            click.echo(f"{word} {name}")
    if not change:
        click.echo("nothing to change")


@rules_group.command("list")
def list_command() -> None:
    """The active rulebooks: name, first night, INSTRUME values, checksum."""
    with open_index(config.read()) as index, index.connection() as connection:
        for book in index.rules(connection).library.books:
            names = " ".join(book.instrumes)
            click.echo(f"{book.name}  from {night_date(book.start)}  {names}  {book.checksum[:12]}")


COMMANDS = (rules_group,)
