"""Jobs of a service that runs elsewhere, over its own interface (IVOA UWS 1.1 at /jobs, JSON, events)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from app.archive.jobs import ENDED
from app.cli.desk import Described, Line, Step
from app.errors import RequestError

# Seconds for an answer; an event stream says something every five.
_TIMEOUT = 30.0
# Seconds before an event stream that broke is taken up again.
_AGAIN = 1.0
_TIMES = ("quote", "creationTime", "startTime", "endTime", "destruction")


@dataclass(frozen=True, slots=True)
class There:
    """The jobs of whoever the client's token belongs to; without one, of nobody in particular."""

    client: httpx.Client

    def submit(self, given: Mapping[str, Sequence[str]], run_id: str | None, *, run: bool) -> str:
        """POST /jobs."""
        control = {"RUNID": [run_id] if run_id else [], "PHASE": ["RUN"] if run else []}
        answer = self._ask("POST", "", data={name: list(v) for name, v in {**given, **control}.items()})
        return answer.headers["location"].rpartition("/")[2]

    def run(self, job: str) -> None:
        """PHASE=RUN."""
        self._ask("POST", f"/{quote(job, '')}/phase", data={"PHASE": "RUN"})

    def listed(self, phases: Sequence[str], last: int) -> list[Line]:
        """One's own."""
        answer = self._ask("GET", "", params={"PHASE": list(phases), "LAST": last})
        return [
            Line(
                row["id"],
                row["phase"],
                row["done"],
                row["total"],
                datetime.fromisoformat(row["creationTime"]),
                row["owner"],
                row["runId"],
                row["parameters"],
            )
            for row in answer.json()["jobs"]
        ]

    def look(self, job: str) -> Described:
        """The job's JSON, with its own times as times."""
        return _with_times(self._ask("GET", f"/{quote(job, '')}").json())

    def steps(self, job: str) -> Iterator[Step]:
        """By server-sent events, taken up again where a connection was lost."""
        events: list[dict[str, Any]] = []
        newest, over = "", False
        while True:
            try:
                with self._streamed(job, newest) as lines:
                    for name, data in _events(lines):
                        match name:
                            case "task":
                                newest = str(data["id"])
                                events.append({**data, "at": datetime.fromisoformat(data["at"])})
                            case "progress":
                                seen = self.look(job)
                                if seen["phase"] not in ENDED:  # else events before its end are on their way
                                    yield seen, events
                                    events = []
                            case "end":
                                yield _with_times(data), events
                                return
                            case _:  # a recipe's log, which the job's JSON holds
                                pass
            except httpx.TransportError:
                pass  # the job is asked for below, where a service that is gone is told
            time.sleep(_AGAIN)
            seen = self.look(job)
            if over or seen["phase"] not in ENDED:
                yield seen, events
                events = []
            if over:  # streams do not come through, so what happened last is not told, only how it ended
                return
            over = seen["phase"] in ENDED  # the rest of its events is asked for, once

    def abort(self, job: str) -> None:
        """PHASE=ABORT."""
        self._ask("POST", f"/{quote(job, '')}/phase", data={"PHASE": "ABORT"})

    def delete(self, job: str) -> None:
        """DELETE."""
        self._ask("DELETE", f"/{quote(job, '')}")

    @contextmanager
    def _streamed(self, job: str, newest: str) -> Iterator[Iterator[str]]:
        headers = {"Last-Event-ID": newest} if newest else {}
        path = f"/jobs/{quote(job, '')}/events"
        with self.client.stream("GET", path, headers=headers) as answer:
            if answer.is_error:
                answer.read()
            _demand(answer)
            yield answer.iter_lines()

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            answer = self.client.request(method, f"/jobs{path}", **more)
        except httpx.TransportError as error:
            raise RequestError(
                f"{self.client.base_url} does not answer: {error}; is it running, and this its address?"
            ) from error
        _demand(answer)
        return answer


@contextmanager
def there(url: str, token: str | None) -> Iterator[There]:
    """The service at `url`. Raises RequestError for what is no address."""
    headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    if not url.startswith(("http://", "https://")):
        raise RequestError(f"{url} is no address of a service; give one such as http://localhost:8000")
    try:
        client = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=_TIMEOUT)
    except (httpx.InvalidURL, UnicodeEncodeError) as error:
        raise RequestError(f"{url}: {error}; give a URL such as http://localhost:8000") from error
    with client:
        yield There(client)


def _demand(answer: httpx.Response) -> None:
    """Raises RequestError with the service's own words where it refuses."""
    if not answer.is_error:
        return
    try:
        text = str(orjson.loads(answer.content)["error"])
    except (ValueError, KeyError, TypeError):
        text = f"{answer.request.url} answers {answer.status_code} {answer.reason_phrase}"
    raise RequestError(text)


def _events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of each event (HTML, server-sent events: a blank line ends one, ':' is a comment)."""
    name, data = "", ""
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                yield name, orjson.loads(data)
            name, data = "", ""
        elif field == "event":
            name = value
        elif field == "data":
            data += value


def _with_times(seen: Described) -> Described:
    times = {key: seen[key] and datetime.fromisoformat(seen[key]) for key in _TIMES}
    return {**seen, **times}
