"""Calls for workers, on the engine's own tables (procrastinate): hints that something can be done.

A call may come twice, late, or be lost with its worker: whoever hears it looks into `run` and `job`, which
alone say what is to be done. So a call that is there already is not made again.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.archive.finding import Connection
from app.archive.runs import Token

# The names of the engine's tasks, and the queue of the planners; other queues are named by a pipeline's id.
RUN, PLAN = "calsel.run", "calsel.plan"
PLANNERS = "plan"

_CALL = """
SELECT procrastinate_defer_jobs_v1(array_agg(
  ROW(w.queue, %(task)s, w.priority, NULL, w.name, jsonb_build_object('name', w.name),
      CASE WHEN w.delay > 0 THEN now() + make_interval(secs => w.delay) END
  )::procrastinate_job_to_defer_v1 ORDER BY w.priority DESC, w.position))
FROM unnest(%(names)s::text[], %(queues)s::text[], %(priorities)s::int[], %(delays)s::float[])
  WITH ORDINALITY AS w(name, queue, priority, delay, position)
WHERE NOT EXISTS (SELECT 1 FROM procrastinate_jobs j WHERE j.queueing_lock = w.name AND j.status = 'todo')
HAVING count(*) > 0
"""


def call(connection: Connection, tokens: Sequence[Token]) -> None:
    """Call for workers that carry out these runs, in the caller's transaction.

    Call `runs.changing` first: of two who call for one run at once the second would be refused.
    """
    _call(connection, RUN, tokens)


def call_planner(connection: Connection, job: str, priority: int) -> None:
    """Call for a worker that plans a queued job."""
    _call(connection, PLAN, [Token(job, PLANNERS, priority)])


def _call(connection: Connection, task: str, tokens: Sequence[Token]) -> None:
    if tokens:
        connection.execute(
            _CALL,
            {
                "task": task,
                "names": [token.run for token in tokens],
                "queues": [token.queue for token in tokens],
                "priorities": [token.priority for token in tokens],
                "delays": [token.delay for token in tokens],
            },
        )
