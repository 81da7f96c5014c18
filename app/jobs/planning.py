"""A queued job becomes recipe runs: associate, plan, share what other jobs want or have made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from app.archive import jobs, runs, wanting
from app.archive.calls import call, call_planner
from app.archive.index import Index
from app.archive.jobs import Job
from app.archive.wanting import WantedRun
from app.associate import Wish
from app.errors import PlanError, RequestError, UnknownFrameError
from app.jobs.keys import until, wanted_runs, with_parameters
from app.jobs.request import CALIBRATION, Request, read_request
from app.jobs.sharing import share
from app.plan import make_plan
from app.rulebook import night_number
from app.tree import Tree, uncertified
from processing.recipes import PACKAGING


@dataclass(slots=True)
class _Planned:
    """What a job comes to: its runs, from which answers they follow, and what could not be planned."""

    runs: dict[str, WantedRun] = field(default_factory=dict)
    answers: list[dict[str, object]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(self, wanted: Sequence[WantedRun]) -> None:
        for run in wanted:
            known = self.runs.get(run.id)
            if known is None or (run.final and not known.final):
                self.runs[run.id] = run


def plan_job(index: Index, job: str, pipeline_of: Callable[[str], str]) -> None:
    """Plan a queued job and set its runs going; a job that is not queued any more is left alone.

    `pipeline_of` gives the pipeline (`uves/6.1.8`) of a recipe, and raises an exception with a message for
    users where there is none. What cannot be planned ends the job with an error that names every cause.
    """
    with index.connection() as connection:
        found = jobs.find(connection, job)
        if found.phase != "QUEUED":
            return
        try:
            request = read_request(connection, found.parameters)
        except RequestError as error:  # asked when other pipelines were there, or a frame has gone since
            jobs.fail(connection, job, str(error))
            return
    if request.strategy == "qc1" and not request.dp_ids:
        _divide(index, found, request)
        return
    planned = _plan(index, request, pipeline_of)
    with index.connection() as connection:
        runs.changing(connection)
        if not planned.runs:
            jobs.fail(connection, job, "\n".join(planned.errors))
            return
        if not jobs.begin(connection, job, planned.answers, planned.messages, "\n".join(planned.errors)):
            return
        wanted, stale = share(connection, list(planned.runs.values()))
        call(connection, wanting.want(connection, job, wanted, stale))


def tree_of(index: Index, dp_id: str, request: Request) -> Tree:
    """The tree of one frame as the request's strategy wants it. Raises UnknownFrameError.

    `archive`: certified masters, raw cascade for a dataset that lacks one. `desktop`: all from raw.
    `qc1`: the group of one action, whatever it serves. `quicklook`: the last certified masters before,
    however old, and the frames of the template that have arrived.
    """
    quick = request.strategy == "quicklook"
    wish = Wish(latest=quick, action="" if quick else request.action, min_level=request.min_level)
    return index.associate(dp_id, request.mode, wish=wish)


def _plan(index: Index, request: Request, pipeline_of: Callable[[str], str]) -> _Planned:
    planned = _Planned()
    for dp_id in request.dp_ids:
        try:
            tree = tree_of(index, dp_id, request)
            planned.messages += [f"{dp_id}: {message}" for message in tree.root.messages]
            plan = with_parameters(make_plan(tree, packaged=True), request.options)
            science = next(task.id for task in reversed(plan.tasks) if task.recipe != PACKAGING)
            final = [task.id for task in plan.tasks if task.id == science or task.recipe == PACKAGING]
            if request.until:
                whole = {category for task in plan.tasks for category in task.expects}
                plan, final = until(plan, request.until)
                if not final:
                    raise PlanError(
                        f"{dp_id}: until={request.until}: nothing in its plan makes that; it makes "
                        f"{', '.join(sorted(whole))}"
                    )
            planned.add(wanted_runs(plan, pipeline_of, final))
        except PlanError as error:
            calibration = tree.root.step is None and tree.root.category.startswith(CALIBRATION)
            hint = "; strategy=qc1 reduces calibrations" if calibration and request.strategy != "qc1" else ""
            planned.errors.append(f"{error}{hint}")
            continue
        except UnknownFrameError as error:
            planned.errors.append(str(error))
            continue
        planned.answers.append(
            {
                "dp_id": dp_id,
                "mode": tree.mode,
                "rulebook": tree.rulebook,
                "checksum": tree.checksum,
                "revision": tree.revision,
                "certified": tree.root.certified,
                "uncertified": list(uncertified(tree.root)),
            }
        )
    return planned


_GROUPS = """
SELECT DISTINCT ON (g.middle, g.action, f.dp_id) g.action, f.dp_id
FROM frame_group g JOIN book b ON b.id = g.book_id AND b.active
JOIN group_member m ON m.group_id = g.id AND m.position = 0 JOIN frame f ON f.id = m.frame_id
WHERE g.state = 0 AND f.keywords ->> 'DPR.CATG' = %s AND g.book_id = ANY(%s)
AND f.mjd >= %s + 0.5 AND f.mjd < %s + 1.5 ORDER BY g.middle, g.action, f.dp_id
"""


def _divide(index: Index, parent: Job, request: Request) -> None:
    """A job for each group of calibrations of a period, as the parent's children."""
    assert request.night is not None
    assert request.last_night is not None
    with index.connection() as connection:
        books = index.rules(connection).books
        own = {number: book for number, book in books.items() if book.instrument == request.instrument}
        nights = (night_number(request.night), night_number(request.last_night))
        rows = connection.execute(_GROUPS, [CALIBRATION, list(own), *nights]).fetchall()
        # Of a period with `until` each group is asked for itself, not for what it needs.
        steps = {
            action.name
            for book in own.values()
            for action in book.actions.values()
            if action.step and (not request.until or action.may_make(request.until))
        }
        groups = [(action, dp_id) for action, dp_id in rows if action in steps]
        if not groups:
            jobs.fail(
                connection,
                parent.id,
                f"no group of {request.instrument} calibrations that a recipe reduces"
                + (f" to {request.until}" if request.until else "")
                + f" from {request.night} to {request.last_night}"
                + ("" if own else f"; no rulebook of {request.instrument!r} is active"),
            )
            return
        runs.changing(connection)
        if not jobs.begin(connection, parent.id, [], [f"{len(groups)} groups of calibrations"], ""):
            return
        for action, dp_id in groups:
            child = jobs.create(
                connection,
                _child(parent.parameters, action, dp_id),
                owner=parent.owner,
                run_id=parent.run_id,
                priority=parent.priority,
                execution_duration=parent.execution_duration,
                lifetime=max(timedelta(), parent.destruction - parent.created),
                parent=parent.id,
            )
            jobs.start(connection, child)
            call_planner(connection, child, parent.priority)


def _child(parameters: Mapping[str, Sequence[str]], action: str, dp_id: str) -> dict[str, list[str]]:
    kept = {
        name: list(values)
        for name, values in parameters.items()
        if name.partition(".")[1] or name.lower() in ("until", "min_level")
    }
    return {**kept, "strategy": ["qc1"], "dp_id": [dp_id], "action": [action]}
