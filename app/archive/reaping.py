"""What dead workers left behind goes to others: runs without a heartbeat, calls that nobody heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.archive.finding import Connection
from app.archive.runs import Claim, Ending, Token, settle, tell


@dataclass(frozen=True, slots=True)
class Presence:
    """A worker: `queues` are the pipelines it has; memory in MB, `seconds` are what one recipe may take."""

    id: str
    host: str
    pid: int
    queues: tuple[str, ...]
    slots: int
    memory_mb: int
    seconds: float = 3600.0


def announce(connection: Connection, worker: Presence) -> None:
    """A worker is there."""
    connection.execute(
        "INSERT INTO worker (id, host, pid, queues, slots, memory_mb, seconds) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET seen = now()",
        [
            worker.id,
            worker.host,
            worker.pid,
            list(worker.queues),
            worker.slots,
            worker.memory_mb,
            worker.seconds,
        ],
    )


def leave(connection: Connection, worker: str) -> None:
    """A worker goes."""
    connection.execute("DELETE FROM worker WHERE id = %s", [worker])


def beat(connection: Connection, worker: Presence, mine: Sequence[Claim]) -> list[Claim]:
    """A worker lives, and these runs of it; returns those that are not its own any more."""
    announce(connection, worker)
    rows = connection.execute(
        "UPDATE run SET heartbeat = now() FROM unnest(%s::text[], %s::int[]) AS m(id, fence) "
        "WHERE run.id = m.id AND run.fence = m.fence AND run.state = 'running' RETURNING run.id",
        [[claim.id for claim in mine], [claim.fence for claim in mine]],
    )
    held = {run for (run,) in rows}
    return [claim for claim in mine if claim.id not in held]


def reap(connection: Connection, silence: float, attempts: int) -> list[Token]:
    """Take runs from workers that were silent for `silence` seconds; returns the calls for them.

    A run that was lost on `attempts` attempts fails. Call `changing` first, and only when one's own
    heartbeats have gone through for that long: after a restart of the database all seem dead.
    """
    tokens: list[Token] = []
    rows = connection.execute(
        "SELECT id, fence, attempts, task, worker FROM run WHERE state = 'running' "
        "AND heartbeat < now() - make_interval(secs => %s) ORDER BY id",
        [silence],
    ).fetchall()
    for run, fence, tried, task, worker in rows:
        lost = f"worker {worker} was not heard of for {silence:g} s"
        mine = Claim(run, fence, tried, task)
        if tried >= attempts:
            ending = Ending("failed", "", (), None, 0.0, 0.0, f"{lost}, on attempt {tried}", heals=True)
            tokens += settle(connection, mine, worker, ending) or []
            continue
        (token,) = connection.execute(
            "UPDATE run SET state = 'ready', ready = now(), fence = fence + 1, worker = NULL "
            "WHERE id = %s RETURNING id, pipeline, priority",
            [run],
        ).fetchall()
        tell(connection, run, "lost", worker, lost)
        tokens.append(Token(*token))
    connection.execute("DELETE FROM worker WHERE seen < now() - make_interval(secs => %s)", [silence])
    # A fetched call whose worker died before it took the run; calls are hints, so all of them may go.
    connection.execute("DELETE FROM procrastinate_jobs WHERE status = 'doing' AND worker_id IS NULL")
    unheard = connection.execute(
        "SELECT id, pipeline, priority FROM run WHERE state = 'ready' "
        "AND ready < now() - make_interval(secs => %s) ORDER BY id",
        [silence],
    )
    return tokens + [Token(*row) for row in unheard.fetchall()]


def forgotten(connection: Connection, silence: float) -> list[tuple[str, int]]:
    """(id, priority) of queued jobs that nobody has planned for `silence` seconds."""
    rows = connection.execute(
        "SELECT id, priority FROM job WHERE phase = 'QUEUED' "
        "AND queued < now() - make_interval(secs => %s) ORDER BY id",
        [silence],
    )
    return [(job, priority) for job, priority in rows]


def workers(connection: Connection) -> list[tuple[Presence, float, list[str]]]:
    """Those who are there, each with the seconds since its last sign of life and the recipes that it runs."""
    rows = connection.execute(
        "SELECT id, host, pid, queues, slots, memory_mb, seconds, extract(epoch FROM now() - seen)::float, "
        "ARRAY(SELECT recipe FROM run WHERE run.worker = worker.id AND state = 'running' ORDER BY started) "
        "FROM worker ORDER BY host, started, id"
    )
    return [
        (Presence(name, host, pid, tuple(queues), slots, memory, seconds), silent, recipes)
        for name, host, pid, queues, slots, memory, seconds, silent, recipes in rows.fetchall()
    ]


def queues_served(connection: Connection, silence: float) -> set[str]:
    """The queues to which a living worker listens."""
    rows = connection.execute(
        "SELECT DISTINCT unnest(queues) FROM worker WHERE seen > now() - make_interval(secs => %s)", [silence]
    )
    return {queue for (queue,) in rows}
