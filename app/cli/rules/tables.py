"""`calsel rules test`, `coverage`, `pages`: rulebooks tried on their tables, and what that proves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from app import config
from app.craft.coverage import Coverage, coverage
from app.craft.pages import Proof, write_pages
from app.craft.trials import EXPECTED, POOL, Trial, folders, try_out
from app.errors import RequestError, RuleError
from app.opening import open_scratch
from processing.simulate.chains import CHAINS

BOOKS = click.argument("books", nargs=-1, metavar="[BOOK]...")


@click.command("test", short_help="Try rulebooks on their tables.")
@BOOKS
def test_command(books: tuple[str, ...]) -> None:
    """Put the pool beside each BOOK into an empty index and compare with its expected.txt; exit 1 on a fault.

    BOOK is an instrument (uves), a version or its file; without any, all of CALSEL_RULES that have tables.
    The index is a scratch database on the same server; the archive is not touched.
    """
    faults = 0
    for trial in _trials(books):
        for case, found in trial.faults:
            wanted = " ".join(case.chosen) or "nothing"
            what = f"{case.dp_id} {case.mode} {' / '.join(case.path) or '.'}"
            match = f" as {case.match}" if case.match else ""
            click.echo(f"{case.where}: {what}: expected {wanted}{match}; {found}")
        faults += len(trial.faults)
        click.echo(f"{trial.instrument}: {len(trial.cases)} rows, {len(trial.faults)} faults", err=True)
    if faults:
        raise SystemExit(1)


@click.command("coverage", short_help="Rules that no table ever used.")
@BOOKS
@click.option("--all", "everything", is_flag=True, help="Print every rule, not only what is missing.")
def coverage_command(books: tuple[str, ...], everything: bool) -> None:
    """Print for each BOOK the share of its rules that the answers of its table used, and those that none did.

    Used are classification rules that fired for a file of an answer, organisation rules and actions of its
    groups, associations that chose something (with the number of rows that name what). A rule that cannot be
    tried says why after `// not tried:`, in its line or the comment above it. A keyword that no header of the
    pool has, which may be misspelt, is missing too. Exit 1 below 100 %.
    """
    missing = 0
    for trial in _trials(books):
        for found in coverage(trial):
            if _named(found.book, books):
                missing += len(found.missing)
                _print(found, everything)
    if missing:
        raise SystemExit(1)


def _print(found: Coverage, everything: bool) -> None:
    click.echo(
        f"{found.book}: {found.percent:.1f} % of {len(found.lines)} rules, {len(found.missing)} missing"
    )
    for line in found.lines if everything else found.missing:
        never = "in no header of the pool" if line.kind == "keyword" else "never used"
        state = "used" if line.used else f"not tried: {line.excuse}" if line.excuse else never
        rows = f", {line.rows} rows" if everything and line.kind == "association" and line.used else ""
        click.echo(f"  {line.ref} {line.kind} {line.name}: {state}{rows}")


def _named(book: str, asked: tuple[str, ...]) -> bool:
    """The version is asked for: by itself, by its instrument, or because nothing is."""
    names = {Path(each).name for each in asked}
    return not names or book in names or book.partition(".")[0] in names


def _trials(books: tuple[str, ...]) -> Iterator[Trial]:
    settings = config.read()
    known = {folder.name: folder for folder in folders(settings.rules)}
    chosen = [_folder(known, book) for book in books] or list(known.values())
    with open_scratch(settings) as index, index.connection() as connection:
        for folder in dict.fromkeys(chosen):
            yield try_out(connection, folder)


def _folder(known: dict[str, Path], book: str) -> Path:
    """The folder of an instrument, of a version by its name, or of a file. Raises RequestError."""
    path = Path(book)
    if path.is_file():
        folder = path.resolve().parent
        if not ((folder / POOL).is_file() and (folder / EXPECTED).is_file()):
            raise RequestError(f"{book}: there is no {POOL} and {EXPECTED} beside it")
        return folder
    name = path.name.partition(".")[0]
    if name not in known:
        has = ", ".join(known) or "none"
        raise RequestError(f"{book}: no folder of CALSEL_RULES with {POOL} and {EXPECTED}; there are: {has}")
    return known[name]


@click.command("pages", short_help="Write what is covered into the README of the rules.")
@click.option("--check", "only", is_flag=True, help="Write nothing; exit 1 when it is not up to date.")
def pages_command(only: bool) -> None:
    """Make the tables of what is covered in CALSEL_RULES/README.md anew, between their marks."""
    rules = config.read().rules
    readme = rules / "README.md"
    text = readme.read_text(encoding="utf-8")
    proofs = [
        Proof(chain.name, chain.science, chain.raw_type, frozenset(chain.recipes))
        for chain in CHAINS.values()
    ]
    made = write_pages(text, rules, proofs)
    if made == text:
        click.echo("nothing to change")
    elif only:
        raise RuleError(f"{readme} is not up to date: run 'calsel rules pages'")
    else:
        readme.write_text(made, encoding="utf-8")
        click.echo(f"wrote {readme}")
