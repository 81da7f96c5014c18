"""`calsel`: the command line."""

from __future__ import annotations

import sys

import click

from app.cli import archive, associate, jobs, rules, service
from app.errors import CalselError

__all__ = ["main"]


class _Commands(click.Group):
    """Turns the project's own errors into one line on stderr and exit code 1; bugs keep their traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except CalselError as error:
            click.secho(f"calsel: {error}", fg="red", err=True)
            sys.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="calselector", prog_name="calsel")
def main() -> None:
    r"""CalSelector, in the open: which calibrations belong to a science frame, and the reduced frame.

    \b
    A first walk, with a folder of raw FITS files:
      calsel ingest ~/data                     index the files
      calsel associate UVES.2012-03-12T…       the explained tree of a science frame
      calsel run UVES.2012-03-12T…             run the recipes of that tree
      calsel serve                             the same over HTTP

    Without CALSEL_DATABASE_URL an embedded PostgreSQL is started below CALSEL_HOME.
    """


for command in (
    *archive.COMMANDS,
    *associate.COMMANDS,
    *jobs.COMMANDS,
    *rules.COMMANDS,
    *service.COMMANDS,
):
    main.add_command(command)
