"""`calsel jobs`: leave recipe chains to workers, and see what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial, wraps
from typing import Any, TypeAlias

import click
from rich.table import Table

from app import config
from app.archive import jobs, reaping
from app.archive.jobtables import PHASES
from app.cli.desk import Desk, Line, here
from app.cli.remote import there
from app.cli.watching import draw, watch
from app.errors import RequestError
from app.jobs.request import HIGHEST, LOWEST, STRATEGIES
from app.opening import open_index
from app.terminal import make_console

_DAY = click.DateTime(["%Y-%m-%d"])
# How a command gets to the jobs.
Reach: TypeAlias = Callable[[], AbstractContextManager[Desk]]


def _service(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that lead to a service, and `reach`, which opens its way to the jobs."""

    @click.option(
        "--url",
        envvar="CALSEL_SERVICE",
        help="Of a service that runs elsewhere, http://host:8000; its jobs and not this database's.  "
        "[default: CALSEL_SERVICE]",
    )
    @click.option("--token", envvar="CALSEL_TOKEN", help="Who asks the service.  [default: CALSEL_TOKEN]")
    @wraps(command)
    def reaching(url: str | None, token: str | None, **given: Any) -> None:
        command(reach=partial(there, url, token) if url else here, **given)

    return reaching


@click.group("jobs", short_help="Leave recipe chains to workers, and watch them.")
def jobs_command() -> None:
    """Leave recipe chains to workers, and see what becomes of them.

    \b
    A first walk:
      calsel worker &                          somebody who works
      calsel jobs submit DP_ID --watch         reduce a science frame, and look on
      calsel jobs list --all                   what was asked for
      calsel jobs show JOB                     its tasks, results and errors

    The service does the same over HTTP at /jobs (IVOA UWS 1.1); with --url these commands ask it.
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
@click.option("--min-level", help="Refuse worse matches, as 'calsel associate' does: 0 wants the plan.")
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
@click.option("--action", help="Of a DP_ID with qc1: the OCA action, where a frame is of several groups.")
@click.option("--priority", help=f"From {LOWEST} to {HIGHEST}: the highest first.")
@click.option("--name", "run_id", help="A name of your own for the job (UWS: runId).")
@click.option("--pending", is_flag=True, help="Do not run it yet; 'calsel jobs run' does.")
@click.option("--watch", "look_on", is_flag=True, help="Look on until it has ended, as 'calsel jobs watch'.")
@_service
def submit_command(
    reach: Reach,
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
    with reach() as desk:
        job = desk.submit(given, run_id, run=not pending)
        click.echo(job)
        if look_on:
            _watch(desk, job)


@jobs_command.command("run", short_help="Run a job that was submitted with --pending.")
@click.argument("job")
@_service
def run_command(reach: Reach, job: str) -> None:
    """Put the pending JOB into the queue."""
    with reach() as desk:
        desk.run(job)


@jobs_command.command("list", short_help="List jobs.")
@click.option(
    "--phase", "phases", multiple=True, type=click.Choice(PHASES, case_sensitive=False), help="Only these."
)
@click.option("--all", "every", is_flag=True, help="Also those that have ended.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
@_service
def list_command(reach: Reach, phases: tuple[str, ...], every: bool, limit: int) -> None:
    """List everybody's jobs, the newest first: id, phase, tasks done, created (UTC), owner, what is asked.

    Of a service (--url) one's own are listed.
    """
    if not phases and not every:
        phases = ("PENDING", *jobs.OPEN)
    with reach() as desk:
        found = desk.listed(phases, limit + 1)
    for job in found[:limit]:
        click.echo(_line(job))
    if len(found) > limit:
        click.echo(f"there are more: narrow the question, or raise --limit above {limit}", err=True)


@jobs_command.command("show", short_help="A job's tasks, results and errors.")
@click.argument("job")
@_service
def show_command(reach: Reach, job: str) -> None:
    """Print how far JOB is: its parameters, tasks, results and errors."""
    console = make_console()
    with reach() as desk:
        seen = desk.look(job)
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
@_service
def watch_command(reach: Reach, job: str) -> None:
    """Look on until JOB has ended: what each recipe does, how long it took, its last words.

    Exit code 0 when the job is COMPLETED, 1 otherwise. Ctrl-C ends looking on; the job goes on. Where there
    is no terminal, each event is a line.
    """
    with reach() as desk:
        _watch(desk, job)


@jobs_command.command("abort", short_help="End jobs.")
@click.argument("jobs_", metavar="JOB...", nargs=-1, required=True)
@_service
def abort_command(reach: Reach, jobs_: tuple[str, ...]) -> None:
    """End each JOB; recipes that no other job wants are ended, products that exist stay."""
    with reach() as desk:
        for job in jobs_:
            desk.abort(job)


@jobs_command.command("delete", short_help="Forget jobs.")
@click.argument("jobs_", metavar="JOB...", nargs=-1, required=True)
@_service
def delete_command(reach: Reach, jobs_: tuple[str, ...]) -> None:
    """Forget each JOB, after ending it; its products stay in the index."""
    with reach() as desk:
        for job in jobs_:
            desk.delete(job)


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


def _watch(desk: Desk, job: str) -> None:
    if not watch(desk.steps(job), make_console()):
        raise SystemExit(1)


def _line(job: Line) -> str:
    created = job.created.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    asked = _asked(job.parameters)
    words = (job.id, f"{job.phase:9}", f"{job.done}/{job.total}", created, job.owner or "-", asked)
    return "  ".join((*words, job.run_id or "")).rstrip()


def _asked(parameters: Mapping[str, Sequence[str]]) -> str:
    """What a job is of, in a few words."""
    strategy, dp_ids = parameters.get("strategy", []), parameters.get("dp_id", [])
    period = [*parameters.get("instrument", []), *parameters.get("night", [])]
    more = f"and {len(dp_ids) - 1} more" if len(dp_ids) > 1 else ""
    return " ".join((*strategy, *period, *dp_ids[:1], more)).rstrip()


COMMANDS = (jobs_command,)
