"""What the addresses of UWS do, each in a thread with one connection; who waits holds neither."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar

import orjson
from anyio import to_thread
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from fastapi.sse import ServerSentEvent

from app.archive import jobruns, jobs
from app.archive.files import demand_readable
from app.archive.finding import Connection
from app.archive.index import Index
from app.archive.jobs import Job, NoPartError, UnknownJobError
from app.errors import ForbiddenError, LoginError, RequestError
from app.formats import Links
from app.forms import Fields
from app.jobs import submitting
from app.jobs.view import View, brief, describe, tail, view
from app.rights import User
from app.vo.uws import asked, documents
from app.vo.uws.news import News, wait

# Between two looks of an event stream at a recipe's log, which tells no news, in seconds.
_GLANCE: Final = 5.0
# Events of transactions side by side are numbered before they can be seen: of two, the second may come first.
_LATE: Final = 100
_OPEN: Final = ("PENDING", *jobs.OPEN)
Answer = TypeVar("Answer")


class Door:
    """What the routes do, each step in a thread with one connection."""

    def __init__(self, url: str, links: Links) -> None:
        self.url, self.links = url, links

    async def listing(self, request: Request, user: User, given: Fields) -> Response:
        """The asker's jobs (UWS 1.1, 2.2.2.1).

        Whose are nobody's are listed to nobody in particular only where nobody can log in: elsewhere they
        belong to whoever knows their address.
        """
        phases, after, last = asked.phases(given), asked.moment(given, "after"), asked.last(given)

        def work(connection: Connection) -> tuple[list[Job], dict[str, tuple[int, int]]]:
            if not user.name and request.app.state.gate.issuer is not None:
                return [], {}
            owner = user.name or None
            found = jobs.listed(connection, owner=owner, phases=phases, after=after, last=last)
            return found, jobruns.progress(connection, [job.id for job in found])

        found, counts = await _do(request, work)
        if _json(request, given):
            return _as_json({"jobs": [brief(job, counts.get(job.id, (0, 0))) for job in found]})
        return _xml(documents.jobs(found, self.url))

    async def create(self, request: Request, user: User, given: Fields) -> Response:
        """A new job of the asker, run at once with PHASE=RUN."""
        wanted, wrong = asked.control(given, datetime.now(UTC))
        own = asked.own(given)

        def work(connection: Connection) -> str:
            demand_readable(connection, own.get("dp_id", []), user)
            job = submitting.submit(
                connection,
                own,
                owner=user.name or None,
                run_id=wanted.run_id,
                execution_duration=wanted.execution_duration,
                lifetime=submitting.LIFETIME if wanted.lifetime is None else wanted.lifetime,
                wrong=wrong,
            )
            if wanted.run:
                submitting.run(connection, job)
            return job

        return RedirectResponse(f"{self.url}/{await _do(request, work)}", 303)

    async def show(self, request: Request, job: str, user: User, given: Fields) -> Response:
        """A job; with WAIT not before its phase changes."""
        seen = await self.look(request, job, user)
        # UWS 1.1, 2.2.1.1: wait while the phase is the one that the client knows (or the present one).
        known = asked.one(given, "phase").upper() or seen.job.phase
        left, loop = asked.waiting(given), asyncio.get_running_loop()
        if left and seen.job.phase == known and known in _OPEN:
            end = loop.time() + left
            async with _news(request).of(job) as heard:
                while (seen := await self.look(request, job, user)).job.phase == known:
                    if loop.time() >= end or await _left(request):
                        break
                    await wait(heard, min(end - loop.time(), _GLANCE))
        if _json(request, given):
            return _as_json(describe(seen))
        return _xml(documents.job(seen, self.links))

    async def destroy(self, request: Request, job: str, user: User) -> Response:
        """Forget a job."""

        def work(connection: Connection) -> None:
            _own(jobs.find(connection, job), user)
            jobs.destroy(connection, job)

        await _do(request, work)
        return RedirectResponse(self.url, 303)

    async def events(self, request: Request, job: str, user: User) -> AsyncIterator[ServerSentEvent]:
        """What happened so far and what happens, then `end`; between two news the running recipes' logs."""
        start = newest = _number(request.headers.get("last-event-id", ""))
        told, said = set[int](), dict[str, list[str]]()
        async with _news(request).of(job) as heard:
            while not await _left(request):
                try:  # before its events: when it has ended, all of them are there
                    seen = await self.look(request, job, user)
                except UnknownJobError:  # destroyed meanwhile
                    return
                since = max(start, newest - _LATE)
                for event in await _do(request, partial(jobruns.events_of, job=job, after=since)):
                    if event["id"] not in told:
                        told.add(event["id"])
                        newest = max(newest, event["id"])
                        yield ServerSentEvent(raw_data=_text(event), event="task", id=str(event["id"]))
                for run in (*seen.runs, *seen.below):
                    if (log := tail(run)) and log != said.get(run.id):
                        said[run.id] = log
                        told_log = {"run": run.id, "task": run.task["id"], "log": log}
                        yield ServerSentEvent(raw_data=_text(told_log), event="log")
                if seen.job.phase in jobs.ENDED:
                    yield ServerSentEvent(raw_data=_text(describe(seen)), event="end")
                    return
                state = {
                    "phase": seen.job.phase,
                    "done": seen.done,
                    "total": seen.total,
                    "quote": seen.quote,
                    "waitsForWorkersOf": seen.waits_for,
                }
                yield ServerSentEvent(raw_data=_text(state), event="progress")
                await wait(heard, _GLANCE)

    async def result(self, request: Request, job: str, dp_id: str, user: User) -> Response:
        """Where a product is."""
        seen = await self.look(request, job, user)
        if dp_id not in {product["dp_id"] for product in seen.results()}:
            raise NoPartError(f"job {job} has no result {dp_id[:200]!r}; …/results lists them")
        return RedirectResponse(self.links.file(dp_id), 303)

    async def part(self, request: Request, job: str, part: str, user: User) -> Response:
        """One part of a job, as text or XML."""
        seen = await self.look(request, job, user)
        row = seen.job
        match part:
            case "phase":
                return _text_response(row.phase)
            case "executionduration":
                return _text_response(str(row.execution_duration))
            case "destruction":
                return _text_response(_moment(row.destruction))
            case "quote":
                return _text_response(_moment(seen.quote))
            case "owner":
                return _text_response(row.owner or "")
            case "error":
                return _text_response("".join(f"{line}\n" for line in seen.failures))
            case "parameters":
                return _xml(documents.parameters(row))
            case "results":
                return _xml(documents.results(seen, self.links))
            case _:
                raise _no_part(part)

    async def change(self, request: Request, job: str, part: str, user: User, given: Fields) -> Response:
        """Change the phase, times or parameters of a job."""

        def work(connection: Connection) -> None:
            row = jobs.find(connection, job)
            _own(row, user)
            match part:
                case "phase":
                    _phase(connection, job, asked.one(given, "phase").upper())
                case "destruction":
                    until = asked.destruction(given, "destruction")
                    if until is None:
                        raise RequestError("DESTRUCTION=<time> is needed")
                    latest = row.created + submitting.LONGEST_LIFETIME
                    jobs.change(connection, job, destruction=min(until, latest))
                case "executionduration":
                    limit = asked.seconds(given, "executionduration")
                    if limit is None:
                        raise RequestError("EXECUTIONDURATION=<seconds> is needed; 0 is without limit")
                    jobs.change(connection, job, execution_duration=limit)
                case "parameters":
                    more = asked.own(given)
                    demand_readable(connection, more.get("dp_id", []), user)
                    submitting.amend(connection, row, more)
                case "quote" | "owner" | "error" | "results" | "events":
                    raise RequestError(
                        f"the {part} of a job can only be read; phase, executionduration, destruction and "
                        "parameters can be changed"
                    )
                case _:
                    raise _no_part(part)

        await _do(request, work)
        return RedirectResponse(f"{self.url}/{job}", 303)

    async def look(self, request: Request, job: str, user: User) -> View:
        """A job that the asker may see."""
        seen = await _do(request, partial(view, job=job))
        _own(seen.job, user)
        return seen


def _phase(connection: Connection, job: str, phase: str) -> None:
    match phase:
        case "RUN":
            submitting.run(connection, job)
        case "ABORT":
            submitting.abort(connection, job)
        case _:
            raise RequestError(f"PHASE={phase[:50]} is not possible; it is RUN or ABORT")


def _no_part(part: str) -> NoPartError:
    return NoPartError(
        f"a job has no {part[:100]!r}; it has phase, executionduration, destruction, quote, owner, error, "
        "parameters, results and events"
    )


def _own(job: Job, user: User) -> None:
    """A job with an owner is the owner's; those of nobody are everybody's."""
    if job.owner is None or job.owner == user.name:
        return
    if not user.name:
        raise LoginError(
            f"job {job.id} belongs to somebody; log in and send the token as 'Authorization: Bearer <token>'"
        )
    raise ForbiddenError(f"job {job.id} belongs to somebody else")


async def _do(request: Request, work: Callable[[Connection], Answer]) -> Answer:
    index: Index = request.app.state.index

    def transaction() -> Answer:
        with index.connection() as connection:
            return work(connection)

    return await to_thread.run_sync(transaction)


async def _left(request: Request) -> bool:
    """Whether nobody waits for an answer any more, or waiting must end as the service does."""
    return _news(request).closed or await request.is_disconnected()


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) <= 18 else 0


def _news(request: Request) -> News:
    news: News = request.app.state.news
    return news


def _json(request: Request, given: Fields) -> bool:
    match asked.one(given, "responseformat").lower():
        case "":
            return "application/json" in request.headers.get("accept", "").lower()
        case "json" | "application/json":
            return True
        case "xml" | "text/xml" | "application/xml":
            return False
        case other:
            raise RequestError(f"RESPONSEFORMAT={other[:50]!r}: a job is written as xml or json")


def _text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()


def _as_json(value: Any) -> Response:
    return Response(orjson.dumps(value, option=orjson.OPT_UTC_Z), media_type="application/json")


def _xml(document: bytes) -> Response:
    return Response(document, media_type=documents.MEDIA_TYPE)


def _text_response(text: str) -> Response:
    return Response(text, media_type="text/plain")


def _moment(time: datetime | None) -> str:
    return "" if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
