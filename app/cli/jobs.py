"""`calsel jobs`: leave recipe chains to workers, and see what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import click
from rich.table import Table

from app import config
from app.archive import jobruns, jobs, reaping
from app.archive.finding import Connection
from app.archive.index import Index
from app.archive.jobs import Job
from app.archive.jobtables import PHASES
from app.cli.watching import draw, look, watch
from app.errors import RequestError
from app.jobs import submitting
from app.jobs.request import HIGHEST, LOWEST, STRATEGIES
from app.opening import open_index
from app.terminal import make_console

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group("jobs", short_help="Leave recipe chains to workers, and watch them.")
def jobs_command() -> None:
    """Leave recipe chains to workers, and see what becomes of them.

    \b
    A first walk:
      calsel worker &                          somebody who works
      calsel jobs submit DP_ID --watch         reduce a science frame, and look on
      calsel jobs list --all                   what was asked for
      calsel jobs show JOB                     its tasks, results and errors

    The service does the same over HTTP at /jobs (IVOA UWS 1.1).
    """  # noqa: D301 (a \b of click's, not a backslash)


@jobs_command.command("submit", short_help="Ask for reduced frames.")
@click.argument("dp_ids", nargs=-1, metavar="[DP_ID]...")
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    help="desktop: all from raw. archive: from certified masters, raw where one is missing. quicklook: the "
    "last certified masters before. qc1: all calibrations of a period, or the group of DP_ID.  "
    "[default: desktop]",
)
@click.option("--mode", help="Raw2Raw or Raw2Master, where no strategy is given.")
@click.option("--until", metavar="PRO.CATG", help="Only as far as this product.")
@click.option(
    "-p",
    "--parameter",
    "parameters",
    multiple=True,
    metavar="RECIPE.NAME=VALUE",
    help="A parameter of a recipe, as 'esorex --params RECIPE' lists them; repeat it.",
)
@click.option("--instrument", help="Of a period (qc1): the rulebook's name, such as uves.")
@click.option("--night", type=_DAY, help="Of a period (qc1): the date of the evening.")
@click.option("--last-night", type=_DAY, help="The last evening of a period.  [default: --night]")
@click.option("--priority", help=f"From {LOWEST} to {HIGHEST}: the highest first.")
@click.option("--name", "run_id", help="A name of your own for the job (UWS: runId).")
@click.option("--pending", is_flag=True, help="Do not run it yet; 'calsel jobs run' does.")
@click.option("--watch", "look_on", is_flag=True, help="Look on until it has ended, as 'calsel jobs watch'.")
def submit_command(
    dp_ids: tuple[str, ...],
    parameters: tuple[str, ...],
    night: datetime | None,
    last_night: datetime | None,
    run_id: str | None,
    pending: bool,
    look_on: bool,
    **words: str | None,
) -> None:
    """Ask for the reduced frames of DP_ID; prints the job's id.

    Wrong requests are refused with everything that is wrong. What other jobs have made or are making is
    shared. The job waits for a 'calsel worker' that has the pipeline.

    \b
      calsel jobs submit UVES.2012-03-14T03:00:04.659 -p uves_obs_scired.reduce.extract.method=optimal
      calsel jobs submit --strategy qc1 --instrument naco --night 2012-03-15
    """  # noqa: D301 (a \b of click's, not a backslash)
    if pending and look_on:
        raise click.UsageError("--watch would wait for ever for a --pending job")
    given: dict[str, list[str]] = {name: [value] for name, value in words.items() if value}
    given |= {"dp_id": list(dp_ids)} if dp_ids else {}
    for name, day in (("night", night), ("last_night", last_night)):
        given |= {name: [day.date().isoformat()]} if day else {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not equals or "." not in name:
            raise click.UsageError(f"-p {text!r} is not RECIPE.NAME=VALUE")
        given.setdefault(name, []).append(value)
    with open_index(config.read()) as index:
        with index.connection() as connection:
            job = submitting.submit(connection, given, run_id=run_id)
            if not pending:
                submitting.run(connection, job)
        click.echo(job)
        if look_on:
            _watch(index, job)


@jobs_command.command("run", short_help="Run a job that was submitted with --pending.")
@click.argument("job")
def run_command(job: str) -> None:
    """Put the pending JOB into the queue."""
    with open_index(config.read()) as index, index.connection() as connection:
        submitting.run(connection, job)


@jobs_command.command("list", short_help="List jobs.")
@click.option(
    "--phase", "phases", multiple=True, type=click.Choice(PHASES, case_sensitive=False), help="Only these."
)
@click.option("--all", "every", is_flag=True, help="Also those that have ended.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
def list_command(phases: tuple[str, ...], every: bool, limit: int) -> None:
    """List everybody's jobs, the newest first: id, phase, tasks done, created (UTC), owner, what is asked."""
    if not phases and not every:
        phases = ("PENDING", *jobs.OPEN)
    with open_index(config.read()) as index, index.connection() as connection:
        found = jobs.listed(connection, everybody=True, phases=phases, last=limit + 1)
        for job in found[:limit]:
            click.echo(_line(connection, job))
    if len(found) > limit:
        click.echo(f"there are more: narrow the question, or raise --limit above {limit}", err=True)


@jobs_command.command("show", short_help="A job's tasks, results and errors.")
@click.argument("job")
def show_command(job: str) -> None:
    """Print how far JOB is: its parameters, tasks, results and errors."""
    console = make_console()
    with open_index(config.read()) as index:
        seen = look(index, job)
    for name, values in seen["parameters"].items():
        console.print(f"{name}: {', '.join(values)}", highlight=False, markup=False, soft_wrap=True)
    console.print(draw(seen))
    for product in seen["results"]:
        kind = "" if product["final"] else "  (calibration)"
        console.print(
            f"  {product['category']}: {product['dp_id']}{kind}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


@jobs_command.command("watch", short_help="Look on until a job has ended.")
@click.argument("job")
def watch_command(job: str) -> None:
    """Look on until JOB has ended: what each recipe does, how long it took, its last words.

    Exit code 0 when the job is COMPLETED, 1 otherwise. Ctrl-C ends looking on; the job goes on. Where there
    is no terminal, each event is a line.
    """
    with open_index(config.read()) as index:
        _watch(index, job)


@jobs_command.command("abort", short_help="End jobs.")
@click.argument("jobs_", metavar="JOB...", nargs=-1, required=True)
def abort_command(jobs_: tuple[str, ...]) -> None:
    """End each JOB; recipes that no other job wants are ended, products that exist stay."""
    with open_index(config.read()) as index, index.connection() as connection:
        for job in jobs_:
            submitting.abort(connection, job)


@jobs_command.command("delete", short_help="Forget jobs.")
@click.argument("jobs_", metavar="JOB...", nargs=-1, required=True)
def delete_command(jobs_: tuple[str, ...]) -> None:
    """Forget each JOB, after ending it; its products stay in the index."""
    with open_index(config.read()) as index, index.connection() as connection:
        for job in jobs_:
            jobs.destroy(connection, job)


@jobs_command.command("workers", short_help="Who works.")
def workers_command() -> None:
    """List the workers: id, recipes at the same time, their memory, last sign of life, queues, what runs."""
    table = Table("worker", "slots", "memory", "seen", "runs", "queues", box=None, header_style="bold")
    with open_index(config.read()) as index, index.connection() as connection:
        found = reaping.workers(connection)
    for worker, silent, running in found:
        memory, seen = f"{worker.memory_mb} MB", f"{silent:.0f} s ago"
        queues = ", ".join(worker.queues)
        table.add_row(worker.id, str(worker.slots), memory, seen, ", ".join(running) or "nothing", queues)
    if not found:
        raise RequestError("nobody works; start a worker with 'calsel worker'")
    make_console().print(table)


def _watch(index: Index, job: str) -> None:
    if not watch(index, job, make_console()):
        raise SystemExit(1)


def _line(connection: Connection, job: Job) -> str:
    done, total = jobruns.progress(connection, job.id)
    created = job.created.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    words = (job.id, f"{job.phase:9}", f"{done}/{total}", created, job.owner or "-", _asked(job.parameters))
    return "  ".join((*words, job.run_id or "")).rstrip()


def _asked(parameters: Mapping[str, list[str]]) -> str:
    """What a job is of, in a few words."""
    strategy, dp_ids = parameters.get("strategy", []), parameters.get("dp_id", [])
    period = [*parameters.get("instrument", []), *parameters.get("night", [])]
    more = f"and {len(dp_ids) - 1} more" if len(dp_ids) > 1 else ""
    return " ".join((*strategy, *period, *dp_ids[:1], more)).rstrip()


COMMANDS = (jobs_command,)
