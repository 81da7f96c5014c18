"""The web service put together.

uvicorn --factory app.main:app_from_environment --http app.web.protocol:Protocol --workers 2
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from anyio import to_thread
from fastapi import FastAPI

from app import config
from app.config import Settings
from app.formats import links_of
from app.opening import open_index
from app.rights.tokens import open_gate
from app.vo import datalink, tap, uws
from app.vo.uws.news import News
from app.web import (
    add_handlers,
    breakpoints,
    calselector,
    certifications,
    changes,
    files,
    hdr,
    health,
    home,
    oidc,
    previews,
    provenance,
    qc,
)
from app.web.browsers import welcome
from app.web.openapi import complete
from app.web.protocol import allow_many_files
from app.web.rights import keep_secrets

# Of one process, each with a database connection. Only one computes at a time (Python's global lock); the
# others wait for the database. Starlette's 40 take each other's turns: with 64 clients on 2 workers the
# slowest answer took 8 s, with 4 threads 1.2 s, at a somewhat higher rate.
_THREADS: Final = 4


def create_app(settings: Settings) -> FastAPI:
    """The service. It opens its database when it starts, not before.

    Starting raises DatabaseError, SchemaError or ConfigError, whose message says how to mend it.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Callable[[], None]]]:
        allow_many_files()
        with open_index(settings, pool_size=_THREADS) as index:
            app.state.index = index
            app.state.news = news = News(
                index.engine.url.set(drivername="postgresql").render_as_string(False)
            )
            app.state.gate, app.state.issuer = open_gate(settings)
            to_thread.current_default_thread_limiter().total_tokens = _THREADS
            yield {"stopping": news.stop}
            await news.close()

    app = FastAPI(
        title="CalSelector",
        summary="Which calibrations does a science frame need, and why these?",
        version="1",
        license_info={"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        lifespan=lifespan,
    )
    add_handlers(app)
    welcome(app)
    keep_secrets()
    for router in (
        home.router(),
        calselector.router(settings.public_url),
        breakpoints.router(),
        changes.router(),
        qc.router(settings.rules),
        certifications.router(settings.certifier_role),
        datalink.router(links_of(settings.public_url)),
        tap.router(links_of(settings.public_url)),
        uws.router(links_of(settings.public_url)),
        files.router(),
        previews.router(),
        provenance.router(links_of(settings.public_url)),
        hdr.router(),
        *([oidc.router()] if settings.dev_users else []),
        health.router(),
    ):
        app.include_router(router)
    complete(app)
    return app


def app_from_environment() -> FastAPI:
    """The service with the settings of the environment; for uvicorn, whose workers each call it."""
    return create_app(config.read())
