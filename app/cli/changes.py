"""`calsel changes`: the science frames whose best answer has changed."""

from __future__ import annotations

import csv
import sys
from datetime import UTC, datetime
from typing import get_args

import click
import orjson

from app import config
from app.archive import changelist
from app.archive.changes import MOST_COMPARED, Changed, changes
from app.archive.index import Index
from app.opening import open_index
from app.tree import Mode
from app.worker.notify import notify


@click.command("changes", short_help="Science frames whose best answer has changed.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"]),
    help="From when on, UTC.",
)
@click.option("--instrument", help="Of this instrument: the name of its rules, or INSTRUME.")
@click.option(
    "--mode",
    type=click.Choice(get_args(Mode), case_sensitive=False),
    help="Compare the answers to this mode only.  [default: both]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    show_default=True,
    help="How the list is written.",
)
@click.option("--notify", "telling", is_flag=True, help="Tell CALSEL_WEBHOOK what it has not been told yet.")
def changes_command(
    since: datetime | None, instrument: str | None, mode: Mode | None, form: str, telling: bool
) -> None:
    """List the science frames whose best answer is another than at a moment, and because of what.

    The archive as it was is made for that by undoing what has happened since; nobody can ingest meanwhile.
    """
    if (since is None) != telling:
        raise click.UsageError("say --since TIME, or --notify alone")
    settings = config.read()
    with open_index(settings) as index:
        if telling:
            if settings.webhook is None:
                raise click.UsageError("CALSEL_WEBHOOK names nobody to tell")
            told = notify(index, settings.webhook, settings.webhook_secret)
            click.echo("nothing to tell" if told is None else f"told of {told} changed answers")
        elif since is not None:
            _list(index, since.replace(tzinfo=UTC), instrument, mode, form)


def _list(index: Index, since: datetime, instrument: str | None, mode: Mode | None, form: str) -> None:
    """Page by page, so that others can ingest in between."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    after: str | None = ""
    count = 0
    while after is not None:
        found = changes(
            index,
            since,
            mode=mode,
            instrument=instrument,
            after=after,
            limit=MOST_COMPARED,
            most_undone=None,
        )
        if form == "csv":
            if not after:
                writer.writerow(changelist.COLUMNS)
            writer.writerows(changelist.rows(found))
        for each in found.changed:
            if form == "json":
                click.echo(orjson.dumps(changelist.changed(each)))
            elif form == "text":
                click.echo(_text(each))
        count += len(found.changed)
        after = found.next
    until = found.until.astimezone(UTC).replace(tzinfo=None)
    click.echo(f"{count} changed; ask next --since {until.isoformat()}", err=True)


def _text(each: Changed) -> str:
    apart = each.difference
    flags = [
        f"{word} {_word(before)} → {_word(after)}"
        for word, (before, after) in (
            ("complete", apart.complete),
            ("certified", apart.certified),
            ("mode", apart.mode),
        )
        if before != after
    ]
    lines = ["  ".join((each.dp_id, each.asked, *flags))]
    for slot in apart.slots:
        before, after = (
            " ".join(held.dp_id for held in side) or "none" for side in (slot.before, slot.after)
        )
        held = before if before == after else f"{before} → {after}"
        lines.append(f"  {slot.path} ({', '.join(slot.what)}): {held}")
    lines += [f"  because: {cause.what} {cause.subject} {cause.reason}".rstrip() for cause in each.causes[:5]]
    if len(each.causes) > 5:
        lines.append(f"  and {len(each.causes) - 5} more")
    return "\n".join(lines)


def _word(value: bool | str) -> str:
    return value if isinstance(value, str) else ("yes" if value else "no")


COMMANDS = (changes_command,)
