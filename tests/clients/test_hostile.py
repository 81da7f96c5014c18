"""Hostile input against `calsel serve`: a clear answer, and a server that lives on."""

from __future__ import annotations

import asyncio
import os
import random
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, urlsplit

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from app.web import protocol
from app.web.protocol import BODY_TIME, HEAD_TIME
from tests.waiting import until

ASSOCIATIONS = "/calselector/v1/associations"
SYNC = "/tap_obs/sync"
FORM = "application/x-www-form-urlencoded"
MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Server:
    """A process that serves, and what it wrote to its log."""

    host: str
    port: int
    pid: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def memory(self, name: str) -> int:
        """In bytes: VmRSS now, or VmHWM, the most since `forget_peak`."""
        told = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+) kB", told)[1]) * 1024

    def forget_peak(self) -> int:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # proc(5)
        return self.memory("VmRSS")

    def files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def send(self, *pieces: bytes, patience: float = 60) -> bytes:
        """What the server says to these bytes, until it closes or is silent for so many seconds."""
        with socket.create_connection((self.host, self.port), timeout=patience) as wire:
            heard = b""
            with suppress(TimeoutError, ConnectionError):
                for piece in pieces:
                    wire.sendall(piece)
            with suppress(TimeoutError, ConnectionError):
                while data := wire.recv(65536):
                    heard += data
            return heard


@pytest.fixture(scope="module")
def server(archive, tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    url = f"http://127.0.0.1:{port}"
    settings = {"CALSEL_DATABASE_URL": archive.database, "CALSEL_HOME": str(folder), "CALSEL_PUBLIC_URL": url}
    command = [Path(sys.executable).parent / "calsel", "serve", "--port", str(port)]
    log = folder / "log"
    with (
        log.open("wb") as written,
        subprocess.Popen(command, env={**os.environ, **settings}, stdout=written, stderr=written) as running,
    ):
        try:
            while True:
                assert running.poll() is None, log.read_text()
                with suppress(httpx.TransportError):
                    httpx.get(f"{url}/health").raise_for_status()
                    break
                time.sleep(0.05)
            yield Server("127.0.0.1", port, running.pid, log)
            assert running.poll() is None, "the server died"
        finally:
            running.terminate()
    assert "Traceback" not in log.read_text(errors="replace")


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """A well-behaved client, which is answered before and after every attack."""
    # It gives an idle connection up before the server does, which might close it as a request is sent on it.
    with httpx.Client(base_url=server.url, timeout=60, limits=httpx.Limits(keepalive_expiry=1)) as asking:
        assert asking.get("/health").status_code == 200
        yield asking
        assert asking.get("/health").status_code == 200


@pytest.fixture(scope="module")
def frames(archive) -> Callable[[], int]:
    """The number of frames in the database, asked behind the service's back."""
    url = make_url(archive.database).set(drivername="postgresql").render_as_string(hide_password=False)

    def count() -> int:
        with psycopg.connect(url) as connection:
            return connection.execute("SELECT count(*) FROM frame").fetchone()[0]

    return count


def held(wire: socket.socket) -> bool:
    """Whether the other end of a connection, on this machine as well, still exists: proc_pid_net_tcp(5)."""
    ours, theirs = (f":{name[1]:04X}" for name in (wire.getsockname(), wire.getpeername()))
    ends = [line.split()[1:3] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(local.endswith(theirs) and remote.endswith(ours) for local, remote in ends)


# --- texts

INJECTIONS = (
    "'; DROP TABLE frame; --",
    "x' OR '1'='1",
    "x\\'; DELETE FROM frame; --",
    "UVES.%s",
    "%(v0)s",
    "{0}",
    "$1",
    "x'/**/UNION/**/SELECT/**/NULL--",
    "\u02bc; DROP TABLE frame; --",  # a letter that some databases fold to a quote
    "\uff07 OR 1=1 --",
    "UVES.2012\u0000-03",
    "\u202eSEVU",
    "\ud7ff\ue000\U0001f4a5",
    "ＵＶＥＳ.2012-03-14T03:00:04.659",  # normalised it would be a frame's name
    "A" * 20_000,
)


@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_in_a_name_finds_nothing_and_changes_nothing(client: httpx.Client, frames, text):
    before = frames()
    for method in ("GET", "POST"):
        given = {"params" if method == "GET" else "data": {"dp_id": text, "mode": "raw2raw"}}
        told = client.request(method, ASSOCIATIONS, **given)
        assert told.status_code in (400, 404), told.text
        given = {"params" if method == "GET" else "data": {"ID": text}}
        told = client.request(method, "/datalink/links", **given)
        assert told.status_code == 400 or b"NotFoundFault" in told.content
    for path in (f"/dataPortal/file/{quote(text, safe='')}", f"/tap_obs/tables/{quote(text, safe='')}"):
        assert client.get(path).status_code in (400, 404)
    assert client.get("/hdr", params={"DpId": text}).status_code in (400, 404)
    for query in (
        "SELECT dp_id FROM dbo.raw WHERE dp_id = '{}'".format(text.replace("'", "''")),
        f"SELECT dp_id FROM dbo.raw WHERE dp_id = {text}",
        f"SELECT {text} FROM dbo.raw",
        f"SELECT dp_id FROM {text}",
        f'SELECT "{text}" FROM dbo.raw',
        f"{text}",
    ):
        told = client.post(SYNC, data={"QUERY": query, "FORMAT": "csv"})
        assert told.status_code == 400 or told.text.count("\r\n") <= 1, query
    assert frames() == before


@pytest.mark.parametrize(
    "query",
    [
        "SELECT dp_id FROM dbo.raw; DROP TABLE frame",
        "SELECT dp_id FROM dbo.raw; SELECT pg_sleep(60)",
        "SELECT dp_id FROM dbo.raw WHERE 1=1 --\n; DELETE FROM frame",
        "SELECT /* ; */ dp_id FROM dbo.raw; TRUNCATE frame",
        "COPY frame TO PROGRAM 'id'",
        "SELECT * FROM pg_catalog.pg_authid",
        "SELECT * FROM information_schema.tables",
        "SELECT pg_read_file('/etc/passwd') FROM dbo.raw",
        "SELECT lo_import('/etc/passwd') FROM dbo.raw",
        "SELECT dblink('','') FROM dbo.raw",
        "WITH x AS (DELETE FROM frame RETURNING *) SELECT * FROM x",
        "SELECT dp_id FROM dbo.raw FOR UPDATE",
        "SELECT dp_id INTO stolen FROM dbo.raw",
        "SELECT U&'\\0027' FROM dbo.raw",
        "SELECT E'\\'' FROM dbo.raw",
        "SELECT $$x$$ FROM dbo.raw",
        "SET ROLE postgres",
        "ＳＥＬＥＣＴ dp_id ＦＲＯＭ dbo.raw",
    ],
)
def test_only_a_query_of_the_subset_is_carried_out(client: httpx.Client, frames, query):
    before = frames()
    told = client.post(SYNC, data={"QUERY": query})
    assert told.status_code == 400
    assert re.search(rb'value="ERROR">line \d, column ', told.content)
    assert frames() == before


# --- headers

BREAKS = (
    "\r\nX-Injected: 1",
    "\nX-Injected: 1",
    "\r\n\r\n<script>",
    "\u2028X-Injected: 1",
    '"; X-Injected=1',
)


@pytest.mark.parametrize("breaks", BREAKS)
def test_no_header_is_injected(server: Server, client: httpx.Client, archive, breaks):
    name = archive.science + breaks
    answers = [
        client.get(ASSOCIATIONS, params={"dp_id": name}),
        client.get(ASSOCIATIONS, params={"dp_id": archive.science, "mode": f"raw2raw{breaks}"}),
        client.get(ASSOCIATIONS, params={"dp_id": archive.science, "responseformat": f"xml{breaks}"}),
        client.get(ASSOCIATIONS, params={"dp_id": archive.science, "as_of": f"2020-01-01{breaks}"}),
        client.get(f"/dataPortal/file/{quote(name, safe='')}"),
        client.get(f"/dataPortal/file/{quote(name, safe='')}.NL"),
        client.get("/datalink/links", params={"ID": name, "eso_download": "file"}),
        client.get("/datalink/links", params={"ID": name, "eso_download": "calSelector_raw2raw"}),
        client.get("/hdr", params={"DpId": name}),
        client.get(SYNC, params={"QUERY": f"SELECT dp_id FROM dbo.raw WHERE dp_id = '{name}'"}),
        client.get(SYNC, params={"QUERY": "x", "FORMAT": f"csv{breaks}"}),
        client.get(f"/{quote(breaks)}"),
    ]
    for told in answers:
        assert told.status_code < 500
        assert not any("injected" in key.lower() for key in told.headers), told.url
    for header in ("Accept", "If-None-Match", "Range", "Authorization", "Cookie", "Host", "X-Forwarded-For"):
        told = server.send(
            f"GET {ASSOCIATIONS}?dp_id={archive.science} HTTP/1.1\r\nHost: x\r\n"
            f"{header}: a{breaks}\r\nConnection: close\r\n\r\n".encode()
        )
        head = told.partition(b"\r\n\r\n")[0].lower()
        assert head.startswith(b"http/1.1 ") and not head.startswith(b"http/1.1 5"), told
        assert b"injected" not in head


# --- paths

TRICKS = (
    *("../" * n + "etc/passwd" for n in (1, 4, 12)),
    "/etc/passwd",
    "//etc/passwd",
    "..\\..\\etc\\passwd",
    "C:\\Windows\\win.ini",
    "file:///etc/passwd",
    "{science}/../{science}",
    "./{science}",
    "{science}/",
    "{science}.fits",
    "{science}.NL/../../../../etc/passwd",
    "{science}\x00.fits",
    "{science}\x00",
    "{locked}.NL.NL",
    "\u2025/\u2025/etc/passwd",
    "\uff0e\uff0e/etc/passwd",
    "~root/.ssh/id_rsa",
    "",
    ".",
    "A" * 30_000,
    "é".encode().decode("latin-1") * 1000,
)


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("coded", ["plainly", "once", "twice"])
def test_no_trick_of_a_path_leads_to_a_file(server: Server, client, archive, trick, coded):
    name = trick.format(science=archive.science, locked=archive.locked)
    match coded:
        case "plainly":
            path = quote(name, safe="/.:\\~")
        case "once":
            path = quote(name, safe="").replace(".", "%2e")
        case "twice":
            path = quote(quote(name, safe=""), safe="")
    for place in ("/dataPortal/file/", "/dataportal_new/file/"):
        # By hand: httpx would tidy the path up.
        told = server.send(f"GET {place}{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head, _, body = told.partition(b"\r\n\r\n")
        assert re.match(rb"HTTP/1\.1 40[01345] ", head), told[:300]
        assert b"root:" not in body and b"SIMPLE  =" not in body


def test_invalid_utf_8_in_an_address_is_a_client_s_fault(server: Server, client):
    for path in ("/dataPortal/file/%ff%fe", f"{ASSOCIATIONS}?dp_id=%ff%fe", f"{SYNC}?QUERY=%c0%27", "/%c3"):
        told = server.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert re.match(rb"HTTP/1\.1 40[04] ", told), told[:300]


# --- parameters

ABSURD = (
    {"alternatives": "1000000000"},
    {"alternatives": "-1"},
    {"alternatives": "9" * 5000},
    {"alternatives": "٣"},
    {"max_age": "nan"},
    {"max_age": "inf"},
    {"max_age": "1e400"},
    {"max_age": "-1"},
    {"as_of": "garbage"},
    {"as_of": "0000-00-00T00:00:00"},
    {"as_of": "99999-01-01"},
    {"as_of": "2012-03-14T25:61:61"},
    {"explain": "perhaps"},
    {"prefer": "all'; --"},
    {"mode": "x" * 30_000},
    {"responseformat": "../xml"},
    {"exclude": [f"x{number}" for number in range(5000)]},
)


@pytest.mark.parametrize("wish", ABSURD, ids=lambda wish: "&".join(wish) + str(wish)[14:30])
def test_an_absurd_wish_is_refused_in_words(client, archive, wish):
    told = client.post(ASSOCIATIONS, data={"dp_id": archive.science, **wish})
    assert told.status_code == 400, told.text[:300]
    (name,) = wish
    assert name.removeprefix("response") in told.text
    assert len(told.content) < 100_000


@pytest.mark.parametrize("maxrec", ["-1", "1e3", "nan", "0x10", "٣", " ", "9" * 4000, "18446744073709551616"])
def test_an_absurd_maxrec_is_refused_or_cut_to_the_most(client, maxrec):
    told = client.get(SYNC, params={"QUERY": "SELECT TOP 1 dp_id FROM dbo.raw", "MAXREC": maxrec})
    fine = maxrec == " " or (maxrec.isascii() and maxrec.isdecimal())
    assert told.status_code == (200 if fine else 400)
    assert len(told.content) < 5000


def test_too_many_of_everything_is_refused(server: Server, client, archive):
    names = [f"UVES.{number}" for number in range(10_001)]
    assert client.post(ASSOCIATIONS, data={"dp_id": names}).status_code == 413
    assert client.get("/datalink/links", params={"ID": names[:1500]}).status_code in (400, 413, 414)
    assert client.post("/datalink/links", data={"ID": names[:1500]}).status_code in (400, 413)
    assert client.get(f"{SYNC}?{'&'.join(f'a{n}=1' for n in range(8000))}").status_code == 400
    assert client.post(SYNC, data={f"a{n}": "1" for n in range(5000)}).status_code == 400
    many = {f"X-{number}": "y" for number in range(2000)}
    assert client.get("/health", headers=many).status_code in (200, 431)
    deep = "SELECT dp_id FROM dbo.raw WHERE " + "(" * 5000 + "1=1" + ")" * 5000
    assert client.post(SYNC, data={"QUERY": deep}).status_code == 400
    nested = f"SELECT dp_id FROM dbo.raw WHERE {'NOT ' * 20_000} 1=1"
    assert client.post(SYNC, data={"QUERY": nested}).status_code in (200, 400)
    wide = "SELECT dp_id FROM dbo.raw WHERE dp_id LIKE '" + "%_" * 20_000 + "'"
    assert client.post(SYNC, data={"QUERY": wide}).status_code in (200, 400)


# --- bytes

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
POST = f"POST {ASSOCIATIONS} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\n".encode()
MALFORMED = {
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\n" + SMUGGLED,
    "length and chunks": POST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chunks hidden": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks twice": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "blank before colon": POST + b"Content-Length : 5\r\n\r\n" + SMUGGLED,
    "negative length": POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED,
    "length with a sign": POST + b"Content-Length: +5\r\n\r\n" + SMUGGLED,
    "no such number": POST + b"Content-Length: \xd9\xa3\r\n\r\n" + SMUGGLED,
    "length beyond 64 bits": POST + b"Content-Length: 18446744073709551621\r\n\r\n" + SMUGGLED,
    "bad chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + SMUGGLED,
    "huge chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + SMUGGLED,
    "folded header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "bare CR": b"GET / HTTP/1.1\rHost: x\r\r",
    "NUL": b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "version 9": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no such method": b"FROBNICATE / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tunnel": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n",
    "star": b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "another host's": b"GET http://169.254.169.254/latest HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "upgrade": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "not ASCII": "GET /é HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_refused_and_hides_no_second_request(server: Server, client, name):
    told = server.send(MALFORMED[name], patience=8)
    assert told == b"" or re.match(rb"HTTP/1\.1 [24]\d\d ", told), told[:300]
    assert b"/smuggled" not in told
    assert "/smuggled" not in server.log.read_text(errors="replace")


def test_noise_is_refused(server: Server, client):
    dice = random.Random(1)
    for _ in range(150):
        told = server.send(dice.randbytes(dice.randint(1, 3000)) + b"\r\n\r\n", patience=2)
        assert told == b"" or re.match(rb"HTTP/1\.1 4\d\d ", told), told[:300]
    request = f"POST {ASSOCIATIONS}?dp_id=x HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\ndp_id=y".encode()
    for _ in range(150):
        spoilt = bytearray(request)
        for _ in range(dice.randint(1, 4)):
            spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
        # Not asked for an end: the server's silence is one, too.
        told = server.send(bytes(spoilt), b"\r\n\r\n", patience=0.05)
        assert not re.match(rb"HTTP/1\.1 5", told), (bytes(spoilt), told[:300])


# --- sizes

ENDLESS = {
    "address": (b"GET /", b"a" * 65536, (414,)),
    "parameters": (f"GET {ASSOCIATIONS}?".encode(), b"dp_id=x&" * 8192, (414,)),
    "header's name": (b"GET / HTTP/1.1\r\n", b"a" * 65536, (431,)),
    "header": (b"GET / HTTP/1.1\r\nA: ", b"a" * 65536, (431,)),
    "headers": (b"GET / HTTP/1.1\r\n", b"A: b\r\n" * 10_000, (431,)),
    "method": (b"", b"G" * 65536, (400,)),
    "blank lines": (b"", b"\r\n" * 32768, (400,)),
    "chunk's length": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 65536, (400,)),
    "chunk's extension": (POST + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 65536, (400,)),
    "trailer": (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 10_000, (400, 413, 431)),
    "body of a GET": (
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        b"a" * 65536,
        (200,),
    ),
    "chunks of a GET": (
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"ffff\r\n" + b"a" * 65535 + b"\r\n",
        (200,),
    ),
    "requests": (b"", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 2000, (200, 503)),
}
_MOST = 100 * MB


def pour(server: Server, start: bytes, piece: bytes, most: int = _MOST) -> tuple[int, bytes]:
    """Send without end, not reading before the server does not take more: how much it took, what it said."""
    taken = 0
    with socket.create_connection((server.host, server.port), timeout=60) as wire:
        with suppress(ConnectionError, TimeoutError):
            wire.sendall(start)
            while taken < most:
                wire.sendall(piece)
                taken += len(piece)
                wire.setblocking(False)
                with suppress(BlockingIOError):
                    if wire.recv(1, socket.MSG_PEEK) is not None:
                        break
                wire.settimeout(60)
        wire.settimeout(60)
        heard = b""
        with suppress(ConnectionError, TimeoutError):
            while data := wire.recv(65536):
                heard += data
    return taken, heard


@pytest.mark.parametrize("name", ENDLESS)
def test_what_has_no_end_is_cut_off_and_kept_nowhere(server: Server, client, name):
    start, piece, statuses = ENDLESS[name]
    before = server.forget_peak()
    taken, heard = pour(server, start, piece)
    assert re.match(rb"HTTP/1\.1 (%s) " % "|".join(map(str, statuses)).encode(), heard), (taken, heard[:300])
    assert server.memory("VmHWM") - before < 30 * MB


BODY_STARTS = {
    "length": b"Content-Length: 104857600\r\n\r\n",
    "chunks": b"Transfer-Encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("path", [ASSOCIATIONS, SYNC, "/datalink/links", "/tap_obs/async", "/hdr"])
@pytest.mark.parametrize("kind", BODY_STARTS)
def test_a_hundred_megabytes_are_refused_at_once(server: Server, client, path, kind):
    start = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\n".encode() + BODY_STARTS[kind]
    data = b"dp_id=" + b"A" * 65500
    piece = data if kind == "length" else b"%x\r\n%b\r\n" % (len(data), data)
    before = server.forget_peak()
    taken, heard = pour(server, start, piece)
    assert re.match(rb"HTTP/1\.1 4(00|04|05|11|13) ", heard), heard[:300]
    assert b"\r\nconnection: close\r\n" in heard  # nobody waits for another answer behind an unread body
    assert taken < 20 * MB
    assert server.memory("VmHWM") - before < 50 * MB


# --- crowds

SLOW_HEADS, SLOW_BODIES, SLOW_READERS = 2000, 500, 25
_PATIENCE = 3 * int(max(HEAD_TIME, BODY_TIME))  # seconds, a byte in each
_MANY_ROWS = (
    "SELECT a.dp_id, a.object, a.origfile, b.dp_id, b.object, b.origfile FROM dbo.raw AS a "
    "JOIN dbo.raw AS b ON a.mjd_obs > b.mjd_obs"
)
_BIG = f"GET {SYNC}?FORMAT=csv&MAXREC=60000&QUERY={quote(_MANY_ROWS)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


Wire: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def drip(wire: Wire, start: bytes, piece: bytes) -> bytes:
    """Send a little each second; what the server said when it ended the connection."""
    reader, writer = wire
    try:
        writer.write(start)
        for _ in range(_PATIENCE):
            with suppress(TimeoutError):
                return await asyncio.wait_for(reader.read(), 1)
            writer.write(piece)
        raise AssertionError("the server waits for ever")
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def sip(server: Server) -> tuple[bytes, asyncio.StreamWriter]:
    """Ask for megabytes and read only their first line."""
    reader, writer = await asyncio.open_connection(server.host, server.port, limit=4096)
    writer.write(_BIG)
    return await reader.readline(), writer


def behave(server: Server, archive, ended: asyncio.Event) -> list[int]:
    """Ask one thing after another, each on a connection of its own."""
    told = []
    query = f"SELECT dp_type FROM dbo.raw WHERE dp_id = '{archive.science}'"
    while not ended.is_set() or not told:
        for path, asked in (
            ("/health", {}),
            (ASSOCIATIONS, {"dp_id": archive.science, "mode": "raw2raw"}),
            (SYNC, {"QUERY": query}),
            (f"/dataPortal/file/{archive.science}", {}),
        ):
            told.append(httpx.get(server.url + path, params=asked, timeout=60).status_code)
    return told


async def crowd(server: Server, archive) -> tuple[list[bytes], list[bytes], list[int]]:
    """What heads and bodies that arrive slowly are told, and the statuses of who behaves."""
    ended = asyncio.Event()
    readers = await asyncio.gather(*(sip(server) for _ in range(SLOW_READERS)))
    assert {line for line, _ in readers} == {b"HTTP/1.1 200 OK\r\n"}
    head = b"GET /health HTTP/1.1\r\nHost: x\r\n"
    kinds = ((b"", b""), (b"GET /", b"x"), (head, b"X"), (head + b"X: ", b"y"))
    # Whoever behaves comes after all of them: a server that a busy machine lets take hundreds of connections
    # at once could give his place away before it reads what he has sent.
    wires = await asyncio.gather(
        *(asyncio.open_connection(server.host, server.port) for _ in range(SLOW_HEADS + SLOW_BODIES))
    )
    heads = [drip(wire, *kinds[n % len(kinds)]) for n, wire in enumerate(wires[:SLOW_HEADS])]
    forms = [POST.replace(ASSOCIATIONS.encode(), path) for path in (b"/tap_obs/sync", b"/datalink/links")]
    forms = [form + b"Content-Length: 1000\r\n\r\n" for form in (POST, *forms)]
    bodies = [drip(wire, forms[n % len(forms)], b"x") for n, wire in enumerate(wires[SLOW_HEADS:])]
    good = asyncio.create_task(asyncio.to_thread(behave, server, archive, ended))
    slow = await asyncio.gather(*heads, *bodies)
    ended.set()
    told = await good
    for _, writer in readers:
        writer.transport.abort()
    return slow[:SLOW_HEADS], slow[SLOW_HEADS:], told


@pytest.mark.slow
def test_a_crowd_of_slow_clients_keeps_nobody_else_waiting(server: Server, client, archive):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip(f"needs 4096 open files, and at most {hard} are allowed here (ulimit -Hn)")
    already = asyncio.Event()
    already.set()
    # Rulebooks are compiled when first asked for: that is no slow client's doing.
    behave(server, archive, already)
    files, threads, before = server.files(), server.threads(), server.forget_peak()
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    try:
        heads, bodies, good = asyncio.run(crowd(server, archive))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert set(good) == {200}
    # Who never said anything, and who gave his place to another, is told nothing.
    for slow in (heads, bodies):
        assert {told[:13] for told in slow} <= {b"HTTP/1.1 408 ", b""}
        assert any(slow)
    assert server.memory("VmHWM") - before < 100 * MB
    until(lambda: server.files() <= files + 5)
    assert server.threads() <= threads + 8


def test_a_newcomer_takes_the_place_of_who_waits_for_longest(archive, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(protocol, "CONNECTIONS", 20)  # the service of `archive` runs in this process
    monkeypatch.setattr(protocol, "HEAD_TIME", 60.0)  # that nobody loses his place by waiting
    place = urlsplit(archive.url)
    with ExitStack() as open_ones:
        waiting = [
            open_ones.enter_context(socket.create_connection((place.hostname, place.port), timeout=60))
            for _ in range(40)
        ]
        assert httpx.get(f"{archive.url}/health", timeout=60).status_code == 200
        # Its own place was that of the twenty-first.
        for wire in waiting[:20]:
            with suppress(ConnectionResetError):
                assert wire.recv(1) == b""
        waiting[-1].sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert waiting[-1].recv(12) == b"HTTP/1.1 200"


def test_where_nobody_waits_a_newcomer_is_sent_away_with_a_word(archive, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(protocol, "CONNECTIONS", 3)
    place = urlsplit(archive.url)
    with ExitStack() as open_ones:
        for _ in range(3):
            wire = open_ones.enter_context(socket.create_connection((place.hostname, place.port), timeout=60))
            wire.sendall(_BIG)
            assert wire.recv(12) == b"HTTP/1.1 200"
        # Connections that other tests left behind give their places first.
        asked = (httpx.get(f"{archive.url}/health", timeout=60) for _ in range(200))
        told = next(each for each in asked if each.status_code != 200)
        assert (told.status_code, told.headers["retry-after"]) == (503, "10")
        assert told.text == "too many connections are open; try again later\n"
        for _ in range(5):  # one that is sent away makes no room for the next
            assert httpx.get(f"{archive.url}/health", timeout=60).status_code == 503
    until(lambda: httpx.get(f"{archive.url}/health", timeout=60).status_code == 200)


@pytest.mark.slow
def test_who_takes_nothing_of_an_answer_loses_it(archive, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(protocol, "UNREAD_TIME", 0.5)  # the service of `archive` runs in this process
    place = urlsplit(archive.url)
    with socket.create_connection((place.hostname, place.port), timeout=60) as wire:
        wire.sendall(_BIG.replace(b"60000", b"150000"))
        assert wire.recv(12) == b"HTTP/1.1 200"
        until(lambda: not held(wire))
        received = 0
        with pytest.raises(ConnectionResetError):
            while data := wire.recv(MB):
                received += len(data)
        assert received < 10 * MB
