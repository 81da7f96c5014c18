"""The addresses of UWS 1.1 (2.2), with JSON beside XML, and events as they happen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app import forms
from app.errors import RequestError
from app.formats import Links
from app.forms import Fields
from app.rights import User
from app.vo.uws import asked, pages
from app.vo.uws.door import Door

PATH: Final = "/jobs"


async def _who(request: Request) -> User:
    authorization = request.headers.get("authorization")
    user: User = await to_thread.run_sync(request.app.state.gate.user, authorization)
    return user


Asker = Annotated[User, Depends(_who)]
Given = Annotated[Fields, Depends(forms.read)]
Part = Annotated[
    str,
    Path(
        description="phase, executionduration, destruction, quote, owner, error, parameters or results",
        examples=["phase"],
    ),
]
Changed = Annotated[
    str, Path(description="phase, executionduration, destruction or parameters", examples=["phase"])
]


def router(links: Links) -> APIRouter:
    """The routes of the service that clients reach at `links`; `app.state` holds the index and the news."""
    routes = APIRouter(prefix=PATH, tags=["Jobs"], default_response_class=Response)
    door = Door(f"{links.service}{PATH}", links)

    @routes.get("", summary="List jobs", responses=pages.LIST, openapi_extra=pages.LISTING)
    async def listing(request: Request, user: Asker, given: Given) -> Response:
        return await door.listing(request, user, given)

    @routes.post(
        "", summary="Create a job", status_code=303, responses=pages.CREATED, openapi_extra=pages.FORM
    )
    async def create(request: Request, user: Asker, given: Given) -> Response:
        return await door.create(request, user, given)

    @routes.get("/{job}", summary="A job", responses=pages.JOB, openapi_extra=pages.WAITING)
    async def show(request: Request, job: str, user: Asker, given: Given) -> Response:
        return await door.show(request, job, user, given)

    @routes.post(
        "/{job}",
        summary="Delete a job (ACTION=DELETE)",
        status_code=303,
        responses=pages.CHANGED,
        openapi_extra=pages.ACTION,
    )
    async def act(request: Request, job: str, user: Asker, given: Given) -> Response:
        if asked.one(given, "action").upper() != "DELETE":
            raise RequestError("a POST here says ACTION=DELETE; post PHASE to …/phase")
        return await door.destroy(request, job, user)

    @routes.delete("/{job}", summary="Delete a job", status_code=303, responses=pages.CHANGED)
    async def delete(request: Request, job: str, user: Asker) -> Response:
        return await door.destroy(request, job, user)

    async def mine(request: Request, job: str, user: Asker) -> None:
        await door.look(request, job, user)

    @routes.get(
        "/{job}/events",
        summary="What happens, as it happens",
        dependencies=[Depends(mine)],  # refused before the stream begins, with a status
        response_class=EventSourceResponse,
        responses=pages.EVENTS,
        openapi_extra=pages.FOLLOWING,
    )
    async def events(request: Request, job: str, user: Asker) -> AsyncIterator[ServerSentEvent]:
        async for event in door.events(request, job, user):
            yield event

    @routes.get("/{job}/results/{dp_id}", summary="A product", status_code=303, responses=pages.CHANGED)
    async def result(request: Request, job: str, dp_id: str, user: Asker) -> Response:
        return await door.result(request, job, dp_id, user)

    @routes.get("/{job}/{part}", summary="A part of a job", responses=pages.PART)
    async def part(request: Request, job: str, part: Part, user: Asker) -> Response:
        return await door.part(request, job, part, user)

    @routes.post(
        "/{job}/{part}",
        summary="Change a part of a job",
        status_code=303,
        responses=pages.CHANGED,
        openapi_extra=pages.CHANGES,
    )
    async def change(request: Request, job: str, part: Changed, user: Asker, given: Given) -> Response:
        return await door.change(request, job, part, user, given)

    return routes
