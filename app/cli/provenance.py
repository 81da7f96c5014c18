"""`calsel provenance`: how a product was made."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from app import config
from app.formats import links_of
from app.opening import open_index
from app.provenance import FORMATS, trace
from app.rights import User
from app.rights.locks import EVERYTHING


@click.command("provenance", short_help="How a product was made, back to raw frames.")
@click.argument("dp_id")
@click.option(
    "--format",
    "name",
    type=click.Choice(list(FORMATS), case_sensitive=False),
    default="json",
    show_default=True,
    help="json and provn are W3C PROV; svg is a drawing; script makes the product again with esorex.",
)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write there.")
def provenance_command(dp_id: str, name: str, output: Path | None) -> None:
    """Tell how the product DP_ID (no .fits at the end) was made: every recipe run back to raw frames.

    What is not known of it is told on stderr.
    """
    settings = config.read()
    with open_index(settings) as index, index.connection() as connection:
        chain = trace(connection, dp_id, User(programmes=frozenset({EVERYTHING})))
    content = FORMATS[name].write(chain, links_of(settings.public_url))
    if output:
        output.write_bytes(content)
    else:
        sys.stdout.buffer.write(content)
    for what in chain.unknown():
        click.echo(f"not known: {what}", err=True)


COMMANDS = (provenance_command,)
