"""TAP 1.1 (IVOA Table Access Protocol) with synchronous queries, at the path of https://archive.eso.org/tap_obs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any, Final
from weakref import WeakKeyDictionary

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from app import forms
from app.errors import RequestError
from app.formats.links import Links
from app.vo import tappages, vosi
from app.vo.asking import DEFAULT, HARD, Answer, Asker, question
from app.vo.dali import AWAY, BusyError, NotOfferedError, shown, telling
from app.vo.reading import SECONDS

PATH: Final = "/tap_obs"
# Threads, and database connections, of one process that queries may take: slow ones must not keep others
# from their calibrations, which have threads of their own.
_TOGETHER: Final = 2
_WAITING: Final = 100
# Bytes of finished answers that one process keeps on disk for clients who take their time.
_KEPT: Final = 4 << 30
_CHUNK: Final = 64 * 1024

log = logging.getLogger(__name__)


def router(links: Links) -> APIRouter:
    """The routes of the service that clients reach at `links`."""
    routes = APIRouter(tags=["TAP"], default_response_class=Response, prefix=PATH)
    asker = Asker(links)
    url = f"{links.service}{PATH}"
    limiter = CapacityLimiter(_TOGETHER)
    kept: WeakKeyDictionary[SpooledTemporaryFile[bytes], int] = WeakKeyDictionary()  # bytes under way

    async def sync(request: Request) -> Response:
        asked = question(forms.single(await forms.read(request)))
        if limiter.statistics().tasks_waiting >= _WAITING:
            raise BusyError("too many queries wait; try again later")
        index = request.app.state.index
        answer = await to_thread.run_sync(partial(asker.answer, index, asked), limiter=limiter)
        if answer.size > _CHUNK:
            under_way = sum(size for file, size in kept.items() if not file.closed)
            if under_way + answer.size > _KEPT:
                answer.file.close()
                raise BusyError("too many large answers are still being fetched; try again later")
            kept[answer.file] = answer.size
        return _response(answer, asked.media_type)

    async def tables(request: Request) -> Response:
        detail = forms.single(await forms.read(request)).get("detail", "max")
        if detail not in ("min", "max"):
            raise RequestError(f"DETAIL={shown(detail)} is not possible; it is min or max")
        known = await to_thread.run_sync(asker.catalogue, request.app.state.index, limiter=limiter)
        return _xml(vosi.tables(known, columns=detail == "max"))

    async def table(request: Request) -> Response:
        known = await to_thread.run_sync(asker.catalogue, request.app.state.index, limiter=limiter)
        described = known.find(request.path_params["name"])
        if described is None:
            raise NotOfferedError(f"there is no table {shown(request.path_params['name'])}")
        return _xml(vosi.table(described))

    async def availability(request: Request) -> Response:
        try:
            await to_thread.run_sync(request.app.state.index.edition, limiter=limiter)
        except AWAY as error:
            log.error("availability: %s", error)
            return _xml(vosi.availability(up=False, note="The database does not answer."))
        return _xml(vosi.availability(up=True, note="Queries are answered."))

    async def capabilities(_request: Request) -> Response:
        return _xml(vosi.capabilities(url, DEFAULT, HARD, SECONDS))

    async def examples(_request: Request) -> Response:
        return Response(tappages.examples(), media_type="application/xhtml+xml")

    async def asynchronous(_request: Request) -> Response:
        raise NotOfferedError(f"only synchronous queries are offered: send this to {url}/sync")

    async def service(_request: Request) -> Response:
        return RedirectResponse(f"{url}/capabilities", 303)

    parameters_shown = {"parameters": tappages.described()}
    form = {"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": tappages.form()}}}}
    add = routes.add_api_route
    more: dict[str, Any] = {"responses": tappages.RESPONSES, "description": tappages.DESCRIPTION}
    add("/sync", telling(sync), methods=["GET"], summary="Query", openapi_extra=parameters_shown, **more)
    add("/sync", telling(sync), methods=["POST"], summary="Query by form", openapi_extra=form, **more)
    add(
        "/tables",
        telling(tables),
        summary="Tables and columns",
        responses={**tappages.XML, 400: tappages.RESPONSES[400]},
    )
    add(
        "/tables/{name}",
        telling(table),
        summary="Columns of a table",
        responses={**tappages.XML, **tappages.NOT_HERE},
        openapi_extra={"parameters": [tappages.TABLE_NAME]},
    )
    add("/availability", telling(availability), summary="VOSI availability", responses=tappages.XML)
    add("/capabilities", telling(capabilities), summary="VOSI capabilities", responses=tappages.XML)
    add("/examples", telling(examples), summary="DALI examples", responses=tappages.XHTML)
    add("/async", telling(asynchronous), methods=["GET", "POST"], include_in_schema=False)
    add("/async/{rest:path}", telling(asynchronous), methods=["GET", "POST"], include_in_schema=False)
    add("", telling(service), include_in_schema=False)
    return routes


def _response(answer: Answer, media_type: str) -> Response:
    # DALI marks a cut only within VOTable; the header tells it for every format.
    headers = {
        "X-Query-Status": "OVERFLOW" if answer.overflow else "OK",
        "X-Content-Type-Options": "nosniff",
        "Content-Length": str(answer.size),
    }
    if answer.size <= _CHUNK:
        with answer.file:
            return Response(answer.file.read(), headers=headers, media_type=media_type)
    return StreamingResponse(_pieces(answer.file), headers=headers, media_type=media_type)


async def _pieces(file: SpooledTemporaryFile[bytes]) -> AsyncIterator[bytes]:
    with file:
        while piece := file.read(_CHUNK):
            yield piece


def _xml(document: bytes) -> Response:
    return Response(document, media_type="text/xml")
