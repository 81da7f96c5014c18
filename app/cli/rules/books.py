"""`calsel rules check`, `activate`, `list`: rule files as a compiler sees them, and the active rulebooks."""

from __future__ import annotations

from pathlib import Path

import click

from app import config
from app.archive.books import Activation, undo
from app.archive.finding import Connection
from app.archive.looked import demand_looked, looked_at
from app.ingest import use_rules
from app.oca.parser import parse_file
from app.oca.syntax import RuleFile
from app.opening import open_index
from app.rulebook import load_library, night_date
from app.rulebook.check import check
from app.rulebook.dictionary import Dictionary, read_dictionaries
from app.terminal import make_console, progress
from processing.esorex import Esorex, EsorexError


@click.command("check")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
def check_command(files: tuple[Path, ...], quiet: bool) -> None:
    """Print the errors and findings of OCA rule FILES with line, column and caret; exit 1 on errors.

    Findings: dead rules, actions never executed, categories that nothing makes, recipes that are not
    installed, settings without a select, mixed and/or, associations that no product can satisfy, plans wider
    than the extended validity, keywords that the instrument's installed dictionaries do not have, and more.
    """
    esorex = _esorex()
    installed = esorex.recipes() if esorex else None
    errors = warnings = 0
    for file in files:
        parsed = parse_file(file)
        found = list(parsed.diagnostics)
        if not parsed.errors:  # what the parser had to skip would be missed all over the file
            found += check(parsed.rules, file, installed, _dictionary(esorex, parsed.rules))
        for diagnostic in sorted(found, key=lambda each: (each.line, each.column)):
            errors += diagnostic.severity == "error"
            warnings += diagnostic.severity == "warning"
            if diagnostic.severity == "error" or not quiet:
                click.echo(str(diagnostic))
    counts = ((len(files), "file"), (errors, "error"), (warnings, "warning"))
    click.echo(", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts), err=True)
    if errors:
        raise SystemExit(1)


def _esorex() -> Esorex | None:
    """Where recipes are installed; None, and said so, where esorex is not."""
    try:
        return Esorex.find()
    except EsorexError as error:
        click.echo(f"recipes are not checked: {error}", err=True)
        return None


def _dictionary(esorex: Esorex | None, rules: RuleFile) -> Dictionary | None:
    """The dictionaries of the pipelines whose recipes a book runs; None where none is installed."""
    if esorex is None:
        return None
    named = {recipe.name for action in rules.actions for recipe in action.recipes}
    pipelines = {esorex.pipeline_of(recipe).path.name for recipe in named & esorex.recipes()}
    return read_dictionaries(sorted(pipelines))


@click.command("activate", short_help="Make the rules folder's books the active ones.")
@click.option("--yes", is_flag=True, help="Even where nobody has looked at what changes.")
def activate_command(yes: bool) -> None:
    """Make the rulebooks of CALSEL_RULES the active ones and index every frame under them.

    One transaction: until it ends, answers come from the old rulebooks; an error changes nothing.

    Refused (exit 1) where an instrument's active rulebooks would change and nobody has looked at that very
    change with 'calsel rules diff active CALSEL_RULES/INSTRUMENT'. Which nights were looked at is printed;
    how many are enough is yours to say. An instrument without active rulebooks needs no look. 'calsel rules
    undo' makes the former ones active again. The breakpoints.json beside rulebooks are loaded, but for those
    that 'calsel breakpoints remove' has taken back.
    """
    settings = config.read()
    library = load_library(settings.rules)
    seen: list[str] = []

    def demand(connection: Connection) -> None:
        if not yes:
            demand_looked(connection, library, str(settings.rules))
        seen.extend(str(diff) for _, diffs in looked_at(connection, library) for diff in diffs or ())

    console = make_console(stderr=True)
    with open_index(settings) as index, progress(console) as report:
        change = use_rules(index, library, settings.rules, report, demand)
    for line in seen:
        click.echo(line, err=True)
    _tell(change)


@click.command("undo", short_help="Make the former rulebooks active again.")
def undo_command() -> None:
    """Make the rulebooks of before the last activation active again, and index every frame under them.

    One transaction, as 'calsel rules activate'. The rules folder stays as it is: mend it before the next
    activation. The history keeps all: answers as of an earlier time stay what they were. An undo is undone by
    another one. Breakpoints and qc.toml are not concerned.
    """
    settings = config.read()
    console = make_console(stderr=True)
    with open_index(settings) as index, progress(console) as report, index.connection() as connection:
        change = undo(connection, report)
    _tell(change)


def _tell(change: Activation) -> None:
    for word, names in (("added", change.added), ("replaced", change.replaced), ("removed", change.removed)):
        for name in names:
            click.echo(f"{word} {name}")
    if not change:
        click.echo("nothing to change")


@click.command("list")
def list_command() -> None:
    """The active rulebooks: name, first night, INSTRUME values, checksum."""
    with open_index(config.read()) as index, index.connection() as connection:
        for book in index.rules(connection).library.books:
            names = " ".join(book.instrumes)
            click.echo(f"{book.name}  from {night_date(book.start)}  {names}  {book.checksum[:12]}")
