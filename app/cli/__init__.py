"""`calsel`: the command line."""

from __future__ import annotations

import io
import sys
from errno import EPIPE
from importlib import import_module
from typing import Any

import click
import psycopg
import sqlalchemy.exc

from app.errors import CalselError
from processing.esorex import EsorexError
from processing.graph import PlanError
from processing.simulate import SimulationError

__all__ = ["main"]

# Each command and the module here whose COMMANDS holds it. A module is imported when a command of it is
# asked for: a server then has no simulators in memory, and no command waits for the libraries of another.
HOMES = {
    "associate": "associate",
    "breakpoints": "archive",
    "certify": "quality",
    "changes": "changes",
    "check-product": "products",
    "db": "archive",
    "demo": "service",
    "frames": "look",
    "health": "service",
    "history": "look",
    "ingest": "archive",
    "jobs": "jobs",
    "provenance": "provenance",
    "qc": "quality",
    "rules": "rules",
    "run": "run",
    "serve": "service",
    "worker": "worker",
}


class _Commands(click.Group):
    """Turns what goes wrong outside into a message on stderr and exit code 1; bugs keep their traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*HOMES, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in HOMES:
            for command in import_module(f"{__name__}.{HOMES[cmd_name]}").COMMANDS:
                self.add_command(command)
        return super().get_command(ctx, cmd_name)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        # A terminal that cannot show ✓ or … shows a question mark.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (CalselError, EsorexError, PlanError, SimulationError) as error:
            message = str(error)
        except (psycopg.OperationalError, sqlalchemy.exc.OperationalError) as error:
            cause = error.orig if isinstance(error, sqlalchemy.exc.OperationalError) else error
            message = f"the database failed: {str(cause).strip()}; look at it with 'calsel db status'"
        except OSError as error:
            if error.errno == EPIPE:  # whoever read our output has seen enough; click ends quietly
                raise
            message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        click.secho(f"calsel: {message}", fg="red", err=True)
        sys.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="calselector", prog_name="calsel")
def main() -> None:
    """CalSelector, in the open: which calibrations belong to a science frame, and the reduced frame.

    \b
    A first walk, with a folder of raw FITS files:
      calsel ingest ~/data            index the files
      calsel associate DP_ID          the tree of a science frame
      calsel run DP_ID                run the recipes of that tree
      calsel serve                    the same over HTTP

    DP_ID is the file's ARCFILE without .fits, such as UVES.2012-03-12T04:05:06.789. Without files,
    'calsel demo' simulates some.

    Without CALSEL_DATABASE_URL an embedded PostgreSQL is started below CALSEL_HOME.
    """  # noqa: D301 (a \b of click's, not a backslash)
