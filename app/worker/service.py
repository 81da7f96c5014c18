"""`calsel worker`: listens for calls, any number of processes on any number of hosts.

procrastinate wakes us; what is to be done, and by whom, only our own tables say (app.archive.runs).
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import signal
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import procrastinate
from procrastinate.exceptions import ConnectorException
from sqlalchemy import make_url

from app.archive import reaping, recipes
from app.archive.calls import PLAN, PLANNERS, RUN
from app.archive.index import Index
from app.archive.reaping import Presence
from app.errors import PlanError
from app.jobs.planning import plan_job
from app.rulebook import Rulebook
from app.worker.budget import Budget, machine_mb
from app.worker.hands import AWAY, Hands, Patience
from app.worker.heart import Heart, Rhythm
from app.worker.notify import WebhookError, notify
from processing.bench import Bench
from processing.esorex import Esorex, EsorexError
from processing.process import Limits
from processing.recipes import OURS, pipeline_of
from processing.store import open_store

LOG = logging.getLogger("calsel.worker")
USUAL_RHYTHM = Rhythm()
USUAL_PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Post:
    """A worker's place: how much it does at once, for which queues ("" for all it can), where products go.

    `memory_mb` is what its recipes may take together, `seconds` what one may take; `grace` seconds are
    given to running recipes when it is stopped. `webhook` is told of changed answers, signed by its secret.
    """

    products: Path
    slots: int
    memory_mb: int
    queues: tuple[str, ...] = ()
    seconds: float = 3600.0
    grace: float = 30.0
    proprietary_days: int = 0
    webhook: str | None = None
    webhook_secret: str | None = None
    rhythm: Rhythm = USUAL_RHYTHM
    patience: Patience = USUAL_PATIENCE


def work(index: Index, url: str, post: Post, esorex: Esorex | None = None) -> None:
    """Work until SIGTERM or SIGINT; a second one ends running recipes at once.

    Raises EsorexError when esorex is not here, OSError when the products folder cannot be used.
    """
    esorex = esorex or Esorex.find()
    libpq = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    known = (PLANNERS, OURS, *(pipeline.id for pipeline in esorex.pipelines()))
    queues = post.queues or known
    with open_store(post.products) as store:
        name = f"{platform.node()}-{os.getpid()}-{store.work.name[-6:]}"
        bench = Bench(store, esorex, Limits(post.seconds, float(post.memory_mb)), threading.Event())
        hands = Hands(index, bench, name, Budget(post.memory_mb), post.proprietary_days, post.patience)
        me = Presence(name, platform.node(), os.getpid(), queues, post.slots, post.memory_mb, post.seconds)
        heart = Heart(libpq, hands, me, post.rhythm)
        heart.start()
        _warn(index, me, post, known)
        besides = [threading.Thread(target=_declare, args=(index, esorex, hands), daemon=True)]
        if post.webhook:
            besides.append(threading.Thread(target=_notify, args=(index, post, hands), daemon=True))
        for thread in besides:
            thread.start()
        try:
            asyncio.run(listen(libpq, hands, esorex, queues, post))
        finally:
            hands.close()
            heart.stop()
            for thread in besides:
                thread.join()
        if heart.failed:
            raise RuntimeError("the heart of this worker failed, as told above; its runs go to others")


def _warn(index: Index, me: Presence, post: Post, known: Sequence[str]) -> None:
    """Say what is odd about our place: queues of nobody here, too little memory for all, another folder."""
    if strange := sorted(set(me.queues) - set(known)):
        LOG.warning("nothing here is of the queue %s; there are %s", ", ".join(strange), ", ".join(known))
    with index.connection() as connection:
        found = reaping.workers(connection)
        row = connection.execute(_NEWEST).fetchone()
    here = [
        each.memory_mb for each, silent, _ in found if each.host == me.host and silent < post.rhythm.silence
    ]
    if sum(here) > machine_mb():
        LOG.warning(
            "the workers of %s may together take %d MB of memory, it has %d: give each its part by --memory",
            me.host,
            sum(here),
            machine_mb(),
        )
    if row and not Path(row[0]).is_relative_to(post.products.absolute()):
        LOG.warning(
            "products of this archive are in %s, those made here go to %s and will replace them: "
            "CALSEL_PRODUCTS should be one folder",
            Path(row[0]).parent,
            post.products,
        )


_NEWEST: Final = """
SELECT product ->> 'path' FROM run, jsonb_array_elements(products) AS product
WHERE state = 'done' ORDER BY ended DESC LIMIT 1
"""


async def listen(url: str, hands: Hands, esorex: Esorex, queues: Sequence[str], post: Post) -> None:
    """Hear calls on these queues until SIGTERM or SIGINT; `url` is libpq's. Only in a main thread."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()

    def asked_to_stop() -> None:
        if stopping.is_set():
            hands.close()
            return
        LOG.info("stopping; running recipes have %g s to end", post.grace)
        stopping.set()
        loop.call_later(post.grace, hands.close)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop)
    LOG.info("%s listens for %s", hands.worker, ", ".join(queues))
    # Planning has a slot of its own: a job whose products are all there must not wait for a recipe to end.
    recipes_only = [queue for queue in queues if queue != PLANNERS]
    rounds = [_rounds(url, hands, esorex, recipes_only, post.slots, post.rhythm, stopping)]
    if PLANNERS in queues:
        rounds.append(_rounds(url, hands, esorex, [PLANNERS], 1, post.rhythm, stopping))
    await asyncio.gather(*rounds)


async def _rounds(
    url: str,
    hands: Hands,
    esorex: Esorex,
    queues: list[str],
    slots: int,
    rhythm: Rhythm,
    stopping: asyncio.Event,
) -> None:
    """Listen until it is time to stop, anew whenever the database had gone."""
    while queues and not stopping.is_set():
        app = _app(url, hands, esorex, slots)
        try:
            async with app.open_async():
                listening = asyncio.create_task(
                    app.run_worker_async(
                        queues=queues,
                        name=hands.worker,
                        concurrency=slots,
                        install_signal_handlers=False,
                        delete_jobs="always",
                        fetch_job_polling_interval=min(5.0, rhythm.beat),
                        update_heartbeat_interval=rhythm.beat,
                        stalled_worker_timeout=rhythm.silence,
                    )
                )
                stop = asyncio.create_task(stopping.wait())
                await asyncio.wait({listening, stop}, return_when=asyncio.FIRST_COMPLETED)
                stop.cancel()
                listening.cancel()  # waits for what runs
                await asyncio.gather(listening, return_exceptions=True)
                if not listening.cancelled() and (error := listening.exception()):
                    raise error
        except (ConnectorException, *AWAY) as error:
            LOG.warning("listening failed, trying again: %s", error.__cause__ or error)
            await asyncio.sleep(0.5)


def _app(url: str, hands: Hands, esorex: Esorex, slots: int) -> procrastinate.App:
    """The engine with our two tasks; both take the name of what is to be looked into."""
    connector = procrastinate.PsycopgConnector(conninfo=url, min_size=1, max_size=slots + 3)
    app = procrastinate.App(connector=connector)

    @app.task(name=RUN)
    def carry_out(name: str) -> None:
        hands.carry_out(name)

    @app.task(name=PLAN)
    def plan(name: str) -> None:
        plan_job(hands.index, name, lambda recipe: _pipeline(esorex, recipe))

    return app


def _pipeline(esorex: Esorex, recipe: str) -> str:
    try:
        return pipeline_of(esorex, recipe).id
    except EsorexError as error:
        raise PlanError(str(error)) from error


def _recipes(books: Iterable[Rulebook]) -> set[str]:
    return {action.step.recipe for book in books for action in book.actions.values() if action.step}


def _declare(index: Index, esorex: Esorex, hands: Hands) -> None:
    """Tell what the recipes of our rulebooks declare, once for each pipeline version."""
    while not hands.closing.is_set():
        try:
            with index.connection() as connection:
                known = recipes.remembered(connection)
                wanted = _recipes(index.rules(connection).books.values())
            for recipe in sorted(wanted & esorex.recipes()):
                pipeline = esorex.pipeline_of(recipe).id
                if (recipe, pipeline) not in known and not hands.closing.is_set():
                    parameters = esorex.parameters(recipe)
                    with index.connection() as connection:
                        recipes.remember(connection, pipeline, {recipe: parameters})
        except AWAY as error:
            LOG.warning("recipes not told yet: %s", str(error).strip().splitlines()[0])
        except EsorexError as error:
            LOG.error("%s", error)
        hands.closing.wait(60)


def _notify(index: Index, post: Post, hands: Hands) -> None:
    """Tell the webhook once a minute which answers have changed; what was not heard is told again."""
    assert post.webhook is not None
    while not hands.closing.wait(60):
        try:
            notify(index, post.webhook, post.webhook_secret)
        except (WebhookError, *AWAY) as error:
            LOG.warning("changes not told yet: %s", str(error).strip().splitlines()[0])
