"""`calsel worker`: carries out jobs, beside any number of others."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from app import config
from app.opening import database, open_index
from app.worker.budget import machine_mb
from app.worker.heart import Rhythm
from app.worker.service import Post, work


@click.command("worker", short_help="Carry out jobs, beside any number of other workers.")
@click.option(
    "--concurrency", type=click.IntRange(1), help="Recipes at the same time.  [default: CALSEL_JOBS]"
)
@click.option(
    "--queues",
    help="What to do, by commas: 'plan', and pipelines as 'uves/6.1.8'.  [default: all that is installed]",
)
@click.option(
    "--memory",
    type=click.IntRange(100),
    help="MB that the recipes of this worker may take together; of several workers on one host each needs "
    "its own part.  [default: 80 % of the machine]",
)
@click.option(
    "--time-limit", default=3600, show_default=True, type=click.IntRange(1), help="Seconds for one recipe."
)
@click.option(
    "--grace",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds that running recipes get when the worker is stopped; then they are handed to others.",
)
@click.option(
    "--heartbeat",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0.1),
    help="Seconds between signs of life.",
)
@click.option(
    "--silence",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0.3),
    help="Seconds without a sign of life after which a worker's recipes go to others.",
)
@click.option(
    "--products", type=click.Path(path_type=Path), help="The shared folder.  [default: CALSEL_PRODUCTS]"
)
def worker_command(
    concurrency: int | None,
    queues: str | None,
    memory: int | None,
    time_limit: int,
    grace: float,
    heartbeat: float,
    silence: float,
    products: Path | None,
) -> None:
    """Carry out jobs until SIGTERM or Ctrl-C, beside any number of other workers on any number of hosts.

    All share the database and one products folder, and see that folder and the raw files under the same
    paths. A worker may be killed at any time: what it did goes to another after --silence seconds, and
    nothing is published twice. What needs more than its --memory or --time-limit is left to a worker that
    has more.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    settings = config.read()
    slots = concurrency or settings.jobs
    post = Post(
        products=products or settings.products,
        slots=slots,
        memory_mb=memory or machine_mb() * 8 // 10,
        queues=tuple(name.strip() for name in (queues or "").split(",") if name.strip()),
        seconds=time_limit,
        grace=grace,
        proprietary_days=settings.proprietary_days,
        webhook=settings.webhook,
        webhook_secret=settings.webhook_secret,
        rhythm=Rhythm(heartbeat, silence),
    )
    if silence < 2 * heartbeat:
        raise click.UsageError("--silence must be at least twice --heartbeat")
    with database(settings) as url, open_index(settings, pool_size=slots + 4) as index:
        work(index, url, post)


COMMANDS = (worker_command,)
