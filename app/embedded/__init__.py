"""PostgreSQL for a laptop: find or start one, share it between processes, stop it when all have gone.

    with lease(home) as database:
        engine = create_engine(database.url)

Everything lives below one home folder:

    postgres/          data, run (the socket) and server.log; owned by the account that runs the server
    clients.lock       every client holds it shared for as long as it lives
    start.lock         held while somebody starts or stops the server
    keeper.lock        held by the keeper (see keeper.py), which stops a server without clients
    wheel-18.6/        only for root, whose virtual environment may be closed to the server's account

The server listens on a Unix socket only, in a folder that only its account (and root) can enter; that
folder is the authentication. Locks are flock(2): the kernel drops them when a process dies, however it
dies. Linux only: /proc tells whether a server is alive.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import re
import shlex
import stat
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from app.embedded import binaries, keeper
from app.embedded.keeper import Account, locked
from app.errors import DatabaseError

__all__ = ["Lease", "Status", "lease", "status", "stop"]

_ROLE = "calsel"
_INITDB = ("-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions")
_PORT = 5432  # only a part of the socket's name
_RECOVERY = 300  # seconds for a start that has to recover from a crash
_PATIENCE = 10.0  # seconds for a server that is not there to start
_STALL = 60.0  # for one that lives to answer: it recovers, or a busy machine keeps it waiting
_ORPHANS = "shared memory block"  # what a server says that finds the backends of a crashed one
_DEPUTIES = ("postgres", "nobody")  # whom root lets run the server


class Lease:
    """The right to use the embedded server: it runs for as long as any process holds a lease."""

    def __init__(self, url: str, claim: ExitStack) -> None:
        self.url = url  # for SQLAlchemy: postgresql+psycopg://calsel@/calsel?host=...&port=5432
        self._claim = claim

    def close(self) -> None:
        """Give the lease back; doing so twice does no harm."""
        self._claim.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of a home: process id of its server (None: not running), its data, its log."""

    pid: int | None
    data: Path
    log: Path


def lease(
    home: Path,
    database: str = "calsel",
    *,
    durable: bool = True,
    shared_buffers: str = "128MB",
    linger: float = 10.0,
    prefer_wheel: bool = False,
) -> Lease:
    """Start the server of a home unless it runs, create the database unless it exists, hold both.

    `durable=False` trades crash safety for speed (tests). `linger` is for how many seconds the server
    outlives its last client. `prefer_wheel` takes the wheel's PostgreSQL before the system's. These options
    are for whoever starts the server; those who join it get it as it is.

    Raises:
        DatabaseError: no PostgreSQL is installed, the home cannot be used, or the server does not start.
    """
    home = home.resolve()
    account = _account(home)
    _make_home(home, account)
    with ExitStack() as claim:
        clients = claim.enter_context((home / "clients.lock").open("a"))
        fcntl.flock(clients, fcntl.LOCK_SH)
        os.utime(clients.fileno())  # so that the keeper sees even the shortest visit
        with locked(home / "start.lock"):
            _make_private(home / "postgres", account)
            sockets = _socket_folder(home, account)
            _make_private(sockets, account)
            if not _answers(sockets):
                chosen = binaries.find(home, account, prefer_wheel=prefer_wheel)
                _start(home / "postgres", account, chosen.folder, sockets, shared_buffers, durable)
            _create(database, sockets)
            _employ_keeper(home, account, linger)
        return Lease(_url(database, sockets), claim.pop_all())


def stop(home: Path) -> bool:
    """Stop the server of a home at once, whoever uses it; False when it was not running."""
    home = home.resolve()
    if not (home / "postgres").exists():
        return False
    with locked(home / "start.lock"):
        return keeper.stop(home / "postgres" / "data", _account(home))


def status(home: Path) -> Status:
    """Whether the server of a home runs, and where its things are."""
    cluster = home.resolve() / "postgres"
    data = cluster / "data"
    return Status(keeper.postmaster(data, _account(home)), data, cluster / "server.log")


def _account(home: Path) -> Account:
    """Who runs the server: the caller; for root, whoever owns the data, else an unprivileged account."""
    if os.geteuid() != 0:
        return Account()
    with suppress(FileNotFoundError):
        owner = (home / "postgres").stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    for name in _DEPUTIES:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise DatabaseError(
        f"PostgreSQL does not run as root, and there is no account {' or '.join(_DEPUTIES)} to run it: "
        "call this as an ordinary user, or set CALSEL_DATABASE_URL to a server"
    )


def _make_home(home: Path, account: Account) -> None:
    """Create the home's missing folders; folders that exist keep their modes, whatever these are."""
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    _check_reach(existing, account)
    try:
        for folder in reversed([home, *home.parents]):
            if not folder.exists():
                folder.mkdir(exist_ok=True)
                if account.uid is not None:  # root's umask may be 077
                    folder.chmod(0o755)
        (home / "clients.lock").touch()
    except OSError as error:
        raise DatabaseError(
            f"{error.filename}: {error.strerror}; set CALSEL_HOME to a folder of your own"
        ) from error


def _check_reach(folder: Path, account: Account) -> None:
    """Refuse a home that the server's account cannot reach, as below /root: opening it up is not our call."""
    if account.uid is None:
        return
    path = [*reversed(folder.parents), folder]
    script = 'for d; do test -x "$d" || { echo "$d"; exit 1; }; done'
    told = account.run(Path("/"), "sh", "-c", script, "sh", *path)
    if told.returncode != 0:
        name = pwd.getpwuid(account.uid).pw_name
        raise DatabaseError(
            f"As root, the embedded PostgreSQL runs as {name!r}, who may not enter {told.stdout.strip()}: "
            "set CALSEL_HOME to a folder outside, such as /var/lib/calselector"
        )


def _make_private(folder: Path, account: Account) -> None:
    """Create a folder that only the server's account (and root) can enter, or check that it is one."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    owner = os.geteuid() if account.uid is None else account.uid
    if account.uid is not None and account.gid is not None and found.st_uid == 0:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    elif found.st_uid != owner:
        raise DatabaseError(f"{folder} belongs to user id {found.st_uid}, not {owner}; set CALSEL_HOME")
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
        raise DatabaseError(f"{folder} is no folder of mode 0700; remove it, or set CALSEL_HOME")


def _socket_folder(home: Path, account: Account) -> Path:
    """`run` in the cluster; for a home with a long or odd name, a short one in /tmp.

    A socket's path has at most 107 bytes (unix(7)), and PostgreSQL reads blanks and commas as syntax.
    Not $TMPDIR: the clients of one server may have different ones.
    """
    folder = home / "postgres" / "run"
    if len(str(folder)) <= 80 and re.fullmatch(r"[\w./+@=-]+", str(folder), re.ASCII):
        return folder
    uid = os.geteuid() if account.uid is None else account.uid
    return Path(f"/tmp/calsel-{uid}-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}")


def _options(sockets: Path, shared_buffers: str, durable: bool) -> str:
    settings = {
        "listen_addresses": "",
        "port": str(_PORT),
        "unix_socket_directories": str(sockets),
        "max_connections": "100",
        "shared_buffers": shared_buffers,
        "jit": "off",  # costs more than it saves in queries of milliseconds
        "timezone": "UTC",
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return " ".join(f"-c {name}={shlex.quote(value)}" for name, value in settings.items())


def _start(
    cluster: Path, account: Account, folder: Path, sockets: Path, shared_buffers: str, durable: bool
) -> None:
    """Run initdb where there are no data yet, start the server, and wait until it answers."""
    data = cluster / "data"
    options = _options(sockets, shared_buffers, durable)
    if not data.exists():
        # Renamed when complete, as a killed initdb leaves a folder that looks like a cluster.
        account.run(cluster, "rm", "-rf", "data.new")
        sync = () if durable else ("--no-sync",)
        told = account.run(cluster, folder / "initdb", "-D", "data.new", "-U", _ROLE, *_INITDB, *sync)
        if told.returncode != 0:
            raise DatabaseError(f"initdb failed in {cluster}: {told.stderr.strip()}")
        (cluster / "data.new").rename(data)
    began = time.monotonic()
    while not _answers(sockets):
        alive = keeper.postmaster(data, account) is not None
        if not alive:
            # Stale, whatever their number means now. Backends that outlived their postmaster still keep a
            # new one away: it finds them attached to the shared memory named by the data folder's inode.
            (data / "postmaster.pid").unlink(missing_ok=True)
            (sockets / f".s.PGSQL.{_PORT}.lock").unlink(missing_ok=True)
        start = ("start", "-D", "data", "-w", "-t", str(_RECOVERY), "-l", "server.log", "-o", options)
        told = account.run(cluster, folder / "pg_ctl", *start)
        if told.returncode != 0:
            log = account.run(cluster, "tail", "-n", "5", "server.log").stdout or told.stderr
            patience = _STALL if alive or _ORPHANS in log else _PATIENCE
            if time.monotonic() > began + patience:
                raise DatabaseError(f"PostgreSQL did not start ({cluster / 'server.log'}):\n{log.strip()}")
            time.sleep(0.2)


def _answers(sockets: Path) -> bool:
    try:
        _connect(sockets).close()
    except psycopg.OperationalError:
        return False
    return True


def _connect(sockets: Path) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=str(sockets), port=_PORT, user=_ROLE, dbname="postgres", autocommit=True, connect_timeout=10
    )


def _create(database: str, sockets: Path) -> None:
    with _connect(sockets) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))


def _employ_keeper(home: Path, account: Account, linger: float) -> None:
    """Start a keeper unless one lives; it inherits the open lock file, so there is no moment without lock."""
    with (home / "keeper.lock").open("a") as lock, (home / "keeper.log").open("ab") as log:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        ids = [] if account.uid is None else [str(account.uid), str(account.gid)]
        subprocess.run(
            [sys.executable, "-IS", keeper.__file__, str(lock.fileno()), str(linger), str(home), *ids],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock.fileno()],
            check=True,
        )


def _url(database: str, sockets: Path) -> str:
    return f"postgresql+psycopg://{_ROLE}@/{quote(database)}?host={quote(str(sockets))}&port={_PORT}"
