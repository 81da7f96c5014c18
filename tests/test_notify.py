"""The webhook, against a server that listens."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.archive.books import activate
from app.archive.database import connect
from app.archive.index import Index
from app.archive.storing import store
from app.classify import Frame
from app.header import Header
from app.rulebook import library, load_book
from app.worker.notify import WebhookError, notify

TOY = Path(__file__).parent / "data/associate/toy.2000-01-01.oca"


class Listener:
    """What has been posted; answers with `status`."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.heard.append((dict(self.headers), body))
                self.send_response(listener.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://user:secret@127.0.0.1:{self.server.server_port}/hook"

    def changes(self) -> list[tuple[str, str]]:
        posts = [orjson.loads(body) for _, body in self.heard]
        return [(each["asked"], each["dp_id"]) for post in posts for each in post["changes"]]


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def _frame(dp_id: str, kind: str, mjd: float) -> Frame:
    category = "SCIENCE" if kind == "SCIENCE" else "CALIB"
    keywords: dict[str, Any] = {"INSTRUME": "TOY", "DPR.CATG": category, "DPR.TYPE": kind, "MJD-OBS": mjd}
    return Frame(dp_id, Header(keywords | {"DET.READ": "fast", "INS.FILT": "J", "TPL.START": dp_id[:-1]}))


@pytest.fixture
def index(database_url: str) -> Iterator[Index]:
    engine = connect(database_url, pool_size=4)
    made = Index(engine)
    with made.connection() as connection:
        activate(connection, library([load_book(TOY)]))
    put(made, _frame("SCI0", "SCIENCE", 55000.2), *biases("FAR", 55003.0))
    yield made
    engine.dispose()


def biases(name: str, mjd: float) -> list[Frame]:
    return [_frame(f"{name}{n}", "BIAS", mjd + n / 1000) for n in range(3)]


def put(index: Index, *frames: Frame) -> None:
    with index.writing() as (connection, books):
        store(connection, books, frames)


# There is no master: raw files answer for Raw2Master as well, which is told once.
ONCE = [("Raw2Raw", "SCI0")]


def test_who_is_told_hears_of_each_change_once_and_of_none_before_the_first_look(
    index: Index, listener: Listener
) -> None:
    assert notify(index, listener.url) is None
    assert listener.heard == []
    put(index, *biases("NEAR", 55000.5))
    assert notify(index, listener.url) == 1
    assert listener.changes() == ONCE
    assert notify(index, listener.url) is None
    put(index, *biases("NEXT", 55000.3))
    assert notify(index, listener.url) == 1
    assert listener.changes() == ONCE * 2


def test_what_is_not_taken_is_told_again(index: Index, listener: Listener) -> None:
    notify(index, listener.url)
    put(index, *biases("NEAR", 55000.5))
    listener.status = 500
    with pytest.raises(WebhookError, match=r"the webhook at 127.0.0.1 answers 500") as caught:
        notify(index, listener.url)
    assert "secret" not in str(caught.value)
    listener.status = 200
    assert notify(index, listener.url) == 1
    assert listener.changes() == ONCE * 2


def test_nobody_there_is_told_again_later(index: Index, listener: Listener) -> None:
    notify(index, "http://127.0.0.1:9/")
    put(index, *biases("NEAR", 55000.5))
    with pytest.raises(WebhookError, match=r"the webhook at 127.0.0.1 does not answer: ConnectError"):
        notify(index, "http://127.0.0.1:9/")


def test_the_signature_is_the_hmac_of_the_body(index: Index, listener: Listener) -> None:
    notify(index, listener.url, "key")
    put(index, *biases("NEAR", 55000.5))
    notify(index, listener.url, "key")
    for headers, body in listener.heard:
        expected = hmac.new(b"key", body, hashlib.sha256).hexdigest()
        assert headers["X-CalSelector-Signature"] == f"sha256={expected}"


def test_of_two_that_look_at_once_one_tells(
    index: Index, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    notify(index, listener.url)
    put(index, *biases("NEAR", 55000.5))
    others: list[int | None] = []

    def meanwhile(heard: Callable[..., None]) -> Callable[..., None]:
        def post(url: str, body: bytes, secret: str | None) -> None:
            others.append(notify(index, listener.url))
            heard(url, body, secret)

        return post

    from app.worker import notify as module

    monkeypatch.setattr(module, "_post", meanwhile(module._post))
    assert notify(index, listener.url) == 1
    assert others == [None]
    assert listener.changes() == ONCE
