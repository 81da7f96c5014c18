"""`calsel frames` and `calsel history`: what is in the index."""

from __future__ import annotations

from datetime import datetime

import click

from app import config
from app.archive.looking import Listed, frames, history
from app.opening import open_index
from app.rulebook import night_date, night_number, night_of


@click.command("frames", short_help="List frames by instrument, night, category.")
@click.option("--instrument", help="INSTRUME, or its beginning, in any case.")
@click.option("--night", type=click.DateTime(["%Y-%m-%d"]), help="The date on which the night began.")
@click.option("--category", help="RAW.TYPE, or PRO.CATG of masters and static files.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="At most so many.")
def frames_command(instrument: str | None, night: datetime | None, category: str | None, limit: int) -> None:
    """List frames in time order: night, dp_id, INSTRUME, RAW.TYPE or PRO.CATG, quality.

    A category in brackets says that no rule knows the frame.
    """
    number = None if night is None else night_number(night.date())
    with open_index(config.read()) as index, index.connection() as connection:
        found = frames(connection, instrume=instrument, night=number, category=category, limit=limit + 1)
    for frame in found[:limit]:
        click.echo(_line(frame))
    if len(found) > limit:
        click.echo(f"there are more: narrow the question, or raise --limit above {limit}", err=True)


def _line(frame: Listed) -> str:
    night = "no time   " if frame.mjd is None else night_date(night_of(frame.mjd)).isoformat()
    quality = "hidden" if frame.hidden else "certified" if frame.certified else "not certified"
    return f"{night}  {frame.dp_id}  {frame.instrume}  {frame.category or '(unclassified)'}  {quality}"


@click.command("history", short_help="What was said of a frame, when, by whom.")
@click.argument("dp_id")
def history_command(dp_id: str) -> None:
    """Print what happened to the frame DP_ID: ingested, changed, certified, rejected, hidden, shown."""
    with open_index(config.read()) as index, index.connection() as connection:
        for event in history(connection, dp_id):
            words = (event.at.isoformat(timespec="seconds"), event.what, event.who, event.reason)
            click.echo("  ".join(word for word in words if word))


COMMANDS = (frames_command, history_command)
