"""`calsel rules`: the bench of whoever writes rulebooks, and the active ones."""

from __future__ import annotations

import click

from app.cli.rules import books, changing, reading, tables


@click.group("rules", short_help="Check, try, show, activate rulebooks.")
def rules_group() -> None:
    """Rulebooks in OCA: check them, try them on their tables, look at them, make them the active ones."""


for command in (
    books.check_command,
    tables.test_command,
    tables.coverage_command,
    tables.pages_command,
    reading.show_command,
    reading.explain_command,
    changing.diff_command,
    books.activate_command,
    books.undo_command,
    books.list_command,
):
    rules_group.add_command(command)

COMMANDS = (rules_group,)
