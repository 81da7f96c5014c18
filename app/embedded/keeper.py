"""The keeper: a small process that stops the embedded server once nobody uses it any more.

A client may die by `kill -9`, so no client can be trusted to stop the server. The kernel, however, drops
a dead process's file locks: every client holds a shared lock on `clients.lock`, and when the keeper can
have it exclusively for some seconds in a row, nobody is left.

Runs as a plain script with nothing but the standard library (the other half of this package starts it by
the path of this file), so that it costs little and works wherever the interpreter works.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

POLL = 0.5  # seconds between two looks at the clients
PATIENCE = 30.0  # seconds for an orderly shutdown before it is forced


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server: the caller (both None) or, for root, whom PostgreSQL refuses, somebody else."""

    uid: int | None = None
    gid: int | None = None

    def run(self, folder: Path, *argv: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program as this account in a folder, with a clean environment (no PGDATA, no PGPORT)."""
        return subprocess.run(
            argv,
            cwd=folder,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file exclusively; waits for it."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def postmaster(data: Path, account: Account) -> int | None:
    """Process id of the living server of a data folder, None when there is none.

    `postmaster.pid` alone proves nothing after a crash: its number may be a zombie that no init reaps (as in
    many containers; PostgreSQL takes it for alive) or belong to somebody else by now, at worst to another
    PostgreSQL server. A server's working directory is its data folder, and a zombie has none. The account
    itself looks, as in a container root may lack the right to.
    """
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):  # ValueError: the file is just being written
        return None
    there = account.run(Path("/"), "readlink", f"/proc/{pid}/cwd").stdout.removesuffix("\n")
    return pid if there == str(data) else None


def stop(data: Path, account: Account) -> bool:
    """Stop the server of a data folder, by force if need be; False when none was running."""
    pid = postmaster(data, account)
    if pid is None:
        return False
    # The modes "fast" and "immediate" of pg_ctl; without pg_ctl, whose folder may be gone by now.
    for signal in ("INT", "QUIT"):
        account.run(Path("/"), "sh", "-c", f"kill -{signal} {pid}")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if postmaster(data, account) is None:
                return True
            time.sleep(0.05)
    return True


def keep(lock: int, linger: float, home: Path, account: Account) -> None:
    """Wait until nobody has been a client for `linger` seconds, then stop the server.

    `lock` is the open, locked `keeper.lock` that this process got at birth; it says that a keeper lives.
    """
    path = home / "clients.lock"
    # Both opened at once: later, they might be made anew in a home that somebody is just removing.
    with path.open("a") as clients, (home / "start.lock").open("a") as starts:
        seen, stamp = time.monotonic(), 0
        while True:
            time.sleep(min(POLL, linger))
            try:
                if not os.path.samestat(os.fstat(clients.fileno()), path.stat()):
                    return
            except FileNotFoundError:
                return  # somebody removed the home; a server without its files leaves within a minute
            before, stamp = stamp, os.fstat(clients.fileno()).st_mtime_ns
            try:
                fcntl.flock(clients, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                seen = time.monotonic()
                continue
            if stamp != before:  # a client came and went since the last look
                seen = time.monotonic()
            if time.monotonic() - seen >= linger:
                break
            fcntl.flock(clients, fcntl.LOCK_UN)
        # Still exclusive: whoever comes now waits, and then must find neither server nor keeper.
        fcntl.flock(starts, fcntl.LOCK_EX)
        stop(home / "postgres" / "data", account)
        os.close(lock)


def main() -> None:
    """`keeper.py LOCK LINGER HOME [UID GID]`, as `app.embedded` calls it."""
    lock, linger, home, *ids = sys.argv[1:]
    if os.fork():  # the caller must neither wait for the keeper nor be left with a zombie
        os._exit(0)
    os.setsid()
    keep(int(lock), float(linger), Path(home), Account(*map(int, ids)))


if __name__ == "__main__":
    main()
