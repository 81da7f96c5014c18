"""uvicorn's HTTP protocol with limits: of time, of size, of connections; each refusal says why.

    uvicorn.run(..., http=Protocol)

uvicorn itself waits for ever for a request that does not go on, keeps headers of any size, and opens as many
connections as the system lets it. httptools reads addresses of up to 65,535 bytes; of a longer one uvicorn
only says "Invalid HTTP request received.", before the application hears of it; and a list of dp_ids is soon
that long.
"""

from __future__ import annotations

import resource
import socket
from asyncio import TimerHandle, Transport
from collections import OrderedDict
from http import HTTPStatus
from typing import Any, Final, cast

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LONGEST: Final = 65_535  # bytes of an address; httptools keeps offsets in 16 bits
_LONGEST_TOLD: Final = 1 << 20  # of one whose length is still counted, to say it
HEADERS: Final = 64 * 1024  # bytes; Apache and nginx take 8 kB a line, a token has some 2 kB
LARGEST: Final = 16 * 1024 * 1024  # bytes of a body; what an endpoint takes is less, as it says itself
PIPELINED: Final = 16  # requests that wait for the answer to another one on their connection
CONNECTIONS: Final = 2000  # of one process

# Seconds. Apache's mod_reqtimeout gives 20 to 40 for the head, and for a body 20 and one for 500 bytes.
HEAD_TIME: Final = 10.0
BODY_TIME: Final = 20.0
RATE: Final = 10_000.0  # bytes per second, beyond BODY_TIME
LINGER: Final = 2.0
UNREAD_TIME: Final = 60.0  # that a client may take nothing of its answer

_HEADERS_TOO_LONG: Final = f"the headers have more than {HEADERS} bytes"
_FRAMING: Final = 16  # bytes around one of a body in chunks, at most
_FILES: Final = 8192  # descriptors; each connection needs one, and one more for the file that it gets


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 by httptools, which nobody can hold up for others."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._timer: TimerHandle | None = None
        self._deaf = False  # what still comes is not read
        self._last = False  # the client was told that no other answer comes on this connection
        self._refusal: tuple[int, str] | None = None
        self._messages = 0
        self._in_head = self._in_body = False
        self._address = self._head = self._pieces = self._body = 0  # bytes of this message
        # Connections of this server that wait for their client, those that do so for longest first.
        self._waiting: OrderedDict[Protocol, None] = vars(self.server_state).setdefault(
            "waiting", OrderedDict()
        )

    # --- the connection

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Make room for it, at the cost of who waits for longest."""
        super().connection_made(transport)
        wire = cast(socket.socket, transport.get_extra_info("socket"))
        internet = wire.family in (socket.AF_INET, socket.AF_INET6)
        if internet and hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: tcp(7)
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_TIME * 1000))
        most = _most()
        while len(self.connections) > most and self._waiting:
            self._waiting.popitem(last=False)[0]._drop()
        if len(self.connections) > most:
            self._refuse(503, "too many connections are open; try again later")
        else:
            self._wait(HEAD_TIME)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._go_on()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server ends: answers under way are completed, those that wait for news come at once."""
        self.app_state.get("stopping", lambda: None)()
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Read on, unless the answer is that no more is wanted."""
        if self._deaf:
            return
        message = self._messages
        super().data_received(data)
        if self._deaf or self.transport.is_closing():
            return
        if message == self._messages:  # otherwise a part of this is of messages before
            self._pieces += len(data)
            self._bound()
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self._timer is None:  # the next request begins, or blank lines hold the place
            self._wait(HEAD_TIME)

    def _bound(self) -> None:
        """Refuse what has arrived in pieces, and is neither kept by the callbacks below nor counted there."""
        if self._in_head:
            if self._address > _LONGEST_TOLD:
                self._refuse(*_address_too_long(self._address))
            elif self._pieces - self._address > HEADERS:
                self._refuse(431, _HEADERS_TOO_LONG)
        elif self._pieces - self._body > HEADERS + _FRAMING * self._body:
            self._refuse(400, "the request has more framing than content")

    def _wait(self, seconds: float) -> None:
        self._go_on()
        self._waiting[self] = None
        self._timer = self.loop.call_later(seconds, self._too_slow)

    def _go_on(self) -> None:
        self._waiting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop(self) -> None:
        self._go_on()
        self._deaf = True
        self.connections.discard(self)
        self.transport.abort()

    # --- the parser's callbacks

    def on_message_begin(self) -> None:
        """Count anew."""
        super().on_message_begin()
        self._messages += 1
        self._in_head = True
        self._address = self._head = self._pieces = self._body = 0

    def on_url(self, url: bytes) -> None:
        """Keep no more of an address than can be read."""
        self._address += len(url)
        if self._address <= LONGEST:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep headers, but not what is sent as such behind a body."""
        self._head += len(name) + len(value) + 4
        if self._head > HEADERS:
            self._stop(431, _HEADERS_TOO_LONG)
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request over, and wait for its body."""
        if self._address > LONGEST:
            self._stop(*_address_too_long(self._address))
        if len(self.pipeline) >= PIPELINED:
            self._stop(503, f"more than {PIPELINED} requests wait on one connection")
        super().on_headers_complete()
        self._in_head, self._in_body = False, True
        length = next((value for name, value in self.headers if name == b"content-length"), b"0")
        self._wait(BODY_TIME + min(int(length), LARGEST) / RATE)

    def on_body(self, body: bytes) -> None:
        """Hand it over, up to a limit."""
        self._body += len(body)
        if self._body > LARGEST and not self.cycle.response_complete:
            self._stop(413, f"the body has more than {LARGEST} bytes")
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait no longer."""
        self._in_body = False
        self._go_on()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        async def run(scope: Scope, receive: Receive, send: Send) -> None:
            async def tell(message: Message) -> None:
                if message["type"] == "http.response.start" and cycle is self.cycle and self._in_body:
                    # RFC 9112 §9.3, §9.6: who does not read a body ends the connection, and says so.
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
                    self._last = True
                await send(message)
                if self._last:
                    cycle.keep_alive = True  # _linger ends it: uvicorn would do so at once

            await app(scope, receive, tell)

        super()._start_asgi_task(cycle, cast(Any, run))

    def on_response_complete(self) -> None:
        """Wait for the next request; where the body of this one is not read, end the connection."""
        if self._last:
            self.pipeline.clear()
        super().on_response_complete()
        if self.transport.is_closing():
            return
        idle = self.cycle.response_complete
        if self._last or (idle and self._in_body):
            self._linger()
        elif idle and not self._in_head:
            self._waiting[self] = None

    def _should_upgrade_to_ws(self) -> bool:
        return False  # no route speaks WebSocket

    # --- refusals

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser stopped at: for a reason of ours, or as it is no HTTP."""
        if self._refusal is None and self._address > LONGEST:
            self._refusal = _address_too_long(self._address)
        self._refuse(*(self._refusal or (400, msg)))

    def _stop(self, status: int, text: str) -> None:
        """Out of a callback of the parser: it then calls send_400_response."""
        self._refusal = (status, text)
        raise ValueError(text)

    def _too_slow(self) -> None:
        self._timer = None
        if self._deaf or not self._messages:
            self._drop()
        elif self._in_body and self.flow.read_paused:  # we are, not the client
            self._wait(BODY_TIME)
        else:
            self._refuse(408, "the request did not arrive in time")

    def _refuse(self, status: int, text: str) -> None:
        """Answer in the application's place, behind what it still has to say, and close."""
        self._go_on()
        self._deaf = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not self._in_body:  # it is of a request before; behind its answer comes nothing more
                cycle.keep_alive = False
                return
            cycle.disconnected = True  # the application must not go on with it
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self._drop()
                return
        body = f"{text}\n".encode("ascii")
        retry = "retry-after: 10\r\n" if status == 503 else ""
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            "content-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(body)}\r\n{retry}"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self._linger()

    def _linger(self) -> None:
        """End the answer, and the connection soon after: at once, with bytes unread, would be a reset.

        By a reset the client may lose the answer (RFC 9112 §9.6).
        """
        self._deaf = True
        self._unset_keepalive_if_required()
        self.transport.write_eof()
        self._wait(LINGER)


def allow_many_files() -> None:
    """Let this process open as many files as its connections need, where the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _most() -> int:
    """Connections that there are descriptors for; the database and the program itself need some, too."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS if soft == resource.RLIM_INFINITY else min(CONNECTIONS, soft // 3)


def _address_too_long(length: int) -> tuple[int, str]:
    so_far = f"more than {_LONGEST_TOLD}" if length > _LONGEST_TOLD else f"{length}"
    text = (
        f"the address has {so_far} bytes, the most is {LONGEST}; "
        "send the dp_ids as the form of a POST, or in several requests"
    )
    return 414, text
