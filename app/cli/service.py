"""`calsel serve` and `calsel health`: the service over HTTP."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Final

import click
import httpx
import uvicorn

from app import config
from app.errors import RequestError
from app.opening import open_index

# Seconds without a sign of life after which one of several processes is replaced, with all that it answers
# just then; a machine that is busy may keep it waiting for as long.
_STALL: Final = 60


@click.command("serve", short_help="Answer association requests over HTTP.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen on."
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes that answer side by side.",
)
def serve_command(host: str, port: int, workers: int) -> None:
    """Answer association requests over HTTP; /docs describes the interface."""
    # Opened here first: a wrong schema or an absent database is told in one line, before any worker starts.
    settings = config.read()
    with open_index(settings):
        if "public_url" not in settings.model_fields_set and port:
            os.environ[f"{config.PREFIX}PUBLIC_URL"] = _address(host, port)  # read by every worker
        uvicorn.run(
            "app.main:app_from_environment",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            http="app.web.protocol:Protocol",
            timeout_worker_healthcheck=_STALL,
        )


def _address(host: str, port: int) -> str:
    """Where clients on this machine reach a service that listens here."""
    if host in ("127.0.0.1", "::1", "0.0.0.0", "::", ""):
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@click.command("health", short_help="Ask a running service whether it is well.")
@click.argument("url", required=False)
@click.option(
    "--wait", default=0.0, show_default=True, help="Seconds to wait for a service that is starting."
)
def health_command(url: str | None, wait: float) -> None:
    """Ask a running service whether it is well; URL defaults to CALSEL_PUBLIC_URL."""
    base = url or config.read().public_url
    deadline = time.monotonic() + wait
    while True:
        try:
            answer = httpx.get(f"{base}/health", timeout=5)
            break
        except httpx.InvalidURL as error:
            raise RequestError(f"{base}: {error}; give a URL such as http://localhost:8000") from error
        except httpx.TransportError as error:
            if time.monotonic() >= deadline:
                raise RequestError(
                    f"{base} does not answer: {error}; start the service with 'calsel serve', or name its URL"
                ) from error
            time.sleep(0.2)
    click.echo(answer.text)
    if answer.is_error:
        raise SystemExit(1)


@click.command("demo", short_help="Walk the whole way on a simulated archive.")
@click.option(
    "--folder",
    default="demo",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Leave all files there.",
)
@click.option("--seed", default=1, show_default=True, help="Another seed, other noise.")
@click.option(
    "--chain", metavar="NAME", help="One recipe chain alone, with its frames; a wrong name lists them."
)
def demo_command(folder: Path, seed: int, chain: str | None) -> None:
    """Walk the whole way on a simulated archive: index, trees, recipes, masters, pictures.

    Takes some minutes and about a gigabyte; needs esorex and the UVES and NACO pipelines, or that of the
    chain. Exit code 1 when anything measured or claimed did not hold. The next demo replaces the archive
    that this one indexed.
    """
    # Here, as the simulation brings scipy and matplotlib: seconds that no other command should wait for.
    from app.chaindemo import demo_chain
    from app.demo import demo

    settings = config.read()
    walk = partial(demo_chain, chain) if chain is not None else demo
    broken = walk(folder.resolve(), settings.rules, settings.home / "demo", jobs=settings.jobs, seed=seed)
    if broken:
        raise SystemExit(1)


COMMANDS = (serve_command, health_command, demo_command)
