from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import which
from threading import Thread
from urllib.parse import unquote

import pytest

from app.formats import Links, script, xml
from app.tree import Choice, File, Node, RuleRef, Slot, Tree

HOSTILE = "$(touch pwned)'; `touch pwned` \"\n../../x"
BODIES = {
    "UVES.2012-03-04T02:00:00.000": b"science" * 30_000,
    "UVES.2012-03-03T10:00:00.000": b"bias" * 50_000,
    HOSTILE: b"hostile" * 100,
}
TOKEN = "eyJ-secret.token_1="

pytestmark = pytest.mark.skipif(
    which("bash") is None or which("curl") is None, reason="bash and curl are needed to run the script"
)


class Archive(ThreadingHTTPServer):
    """A file server that can tear its first answers, forget ranges, or ask for a token."""

    daemon_threads = True
    tears = 0
    ranges = True
    token = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/files"


class _Handler(BaseHTTPRequestHandler):
    server: Archive

    def do_GET(self) -> None:
        dp_id = unquote(self.path.removeprefix("/files/"))
        wanted = self.headers.get("Range", "")
        self.server.asked.append((dp_id, wanted))
        body = BODIES.get(dp_id)
        if self.server.token and self.headers.get("Authorization") != f"Bearer {self.server.token}":
            self.send_error(401)
        elif body is None:
            self.send_error(404)
        else:
            start = (
                int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted and self.server.ranges else 0
            )
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.end_headers()
            if self.server.tears:
                self.server.tears -= 1
                body = body[: start + (len(body) - start) // 2]
            self.wfile.write(body[start:])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def archive() -> Iterator[Archive]:
    with _serving(Archive()) as server:
        yield server


@contextmanager
def _serving(server: Archive) -> Iterator[Archive]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _tree(*dp_ids: str, known: bool = True) -> Tree:
    made = [
        File(name, "TAG", None, len(BODIES[name]), sha256(BODIES[name]).hexdigest())
        if known and name in BODIES
        else File(name, "TAG")
        for name in dp_ids
    ]
    slots = tuple(
        Slot(
            "X",
            RuleRef("a.oca", 1),
            1,
            1,
            False,
            (Choice(Node("T", (file,), True, True), None, "N/A", None),),
        )
        for file in made[1:]
    )
    return Tree(dp_ids[0], "Raw2Raw", "Raw2Raw", Node("SCI", (made[0],), True, True, slots))


def _run(tree: Tree, url: str, folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    path = folder / "get.sh"
    path.write_bytes(script.write(tree, Links(files=f"{url}/")))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CALSEL_")}
    return subprocess.run(
        ["bash", str(path), *words],
        cwd=folder,
        env=inherited | {"no_proxy": "127.0.0.1"} | more,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _saved(folder: Path) -> dict[str, bytes]:
    return {unquote(path.name.removesuffix(".fits")): path.read_bytes() for path in folder.glob("*.fits*")}


def test_bash_accepts_the_script(cascade: Tree):
    subprocess.run(["bash", "-n"], input=script.write(cascade), check=True)


def test_every_file_arrives_whole_and_a_hostile_name_does_nothing(archive: Archive, tmp_path: Path):
    done = _run(_tree(*BODIES), archive.url, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert _saved(tmp_path) == BODIES
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".fits", ".fits", ".fits", ".sh", ".xml"]


def test_a_second_run_asks_for_nothing(archive: Archive, tmp_path: Path):
    _run(_tree(*BODIES), archive.url, tmp_path)
    archive.asked.clear()
    assert _run(_tree(*BODIES), archive.url, tmp_path).returncode == 0
    assert archive.asked == []


def test_a_torn_download_is_continued_where_it_broke(archive: Archive, tmp_path: Path):
    name = next(iter(BODIES))
    archive.tears = 2
    assert _run(_tree(name), archive.url, tmp_path).returncode == 0
    half = len(BODIES[name]) // 2
    assert [wanted for _, wanted in archive.asked] == ["", f"bytes={half}-", f"bytes={half + half // 2}-"]
    assert _saved(tmp_path) == {name: BODIES[name]}


@pytest.mark.parametrize("known", [True, False])
def test_a_part_left_by_another_run_is_continued(known: bool, archive: Archive, tmp_path: Path):
    name = next(iter(BODIES))
    (tmp_path / f"{name}.fits.part").write_bytes(BODIES[name][:1000])
    assert _run(_tree(name, known=known), archive.url, tmp_path).returncode == 0
    assert [wanted for _, wanted in archive.asked] == ["bytes=1000-"]
    assert _saved(tmp_path) == {name: BODIES[name]}


def test_a_server_without_ranges_is_asked_again_from_the_start(archive: Archive, tmp_path: Path):
    name = next(iter(BODIES))
    archive.tears, archive.ranges = 1, False
    assert _run(_tree(name), archive.url, tmp_path).returncode == 0
    assert _saved(tmp_path) == {name: BODIES[name]}


@pytest.mark.parametrize("suffix", [".fits", ".fits.part"])
def test_wrong_bytes_on_disk_are_replaced(suffix: str, archive: Archive, tmp_path: Path):
    name = next(iter(BODIES))
    (tmp_path / f"{name}{suffix}").write_bytes(b"x" * len(BODIES[name]))
    assert _run(_tree(name), archive.url, tmp_path).returncode == 0
    assert _saved(tmp_path) == {name: BODIES[name]}


def test_bytes_that_differ_from_the_archives_checksum_are_not_kept(archive: Archive, tmp_path: Path):
    name = next(iter(BODIES))
    tree = Tree(name, "Raw2Raw", "Raw2Raw", Node("S", (File(name, "T", sha256="0" * 64),), True, True))
    done = _run(tree, archive.url, tmp_path)
    assert done.returncode == 1
    assert "SHA-256 differs" in done.stderr
    assert _saved(tmp_path) == {}


def test_what_failed_is_listed_and_the_rest_arrives(archive: Archive, tmp_path: Path):
    name = next(iter(BODIES))
    done = _run(_tree("GONE", name), archive.url, tmp_path)
    assert done.returncode == 1
    assert "1 of 2 files are missing:\n  GONE.fits: curl exit 22, HTTP 404" in done.stderr
    assert _saved(tmp_path) == {name: BODIES[name]}


def test_a_protected_file_needs_the_token_which_is_never_printed(archive: Archive, tmp_path: Path):
    name = next(iter(BODIES))
    archive.token = TOKEN
    refused = _run(_tree(name), archive.url, tmp_path)
    assert refused.returncode == 1
    assert "HTTP 401: protected, set CALSEL_TOKEN" in refused.stderr
    allowed = _run(_tree(name), archive.url, tmp_path, CALSEL_TOKEN=TOKEN)
    assert allowed.returncode == 0
    assert TOKEN not in allowed.stdout + allowed.stderr
    assert _saved(tmp_path) == {name: BODIES[name]}


def test_a_token_that_would_add_a_header_is_refused(archive: Archive, tmp_path: Path):
    done = _run(_tree(next(iter(BODIES))), archive.url, tmp_path, CALSEL_TOKEN="a\r\nX-Evil: secret")
    assert done.returncode == 2
    assert "secret" not in done.stdout + done.stderr
    assert archive.asked == []


def test_another_address_and_folder_can_be_given(archive: Archive, tmp_path: Path):
    tree = _tree(*BODIES)
    done = _run(tree, "http://127.0.0.1:9/nobody/", tmp_path, "to here", CALSEL_URL=f"{archive.url}/")
    assert done.returncode == 0
    assert _saved(tmp_path / "to here") == BODIES


def test_help_names_the_cascade_and_asks_nobody(archive: Archive, tmp_path: Path):
    done = _run(_tree(*BODIES), f"{archive.url}/$(touch pwned)", tmp_path, "--help")
    assert done.returncode == 0
    assert "Raw2Raw cascade, 3 files" in done.stdout
    assert "/files/$(touch pwned)" in done.stdout
    assert archive.asked == []
    assert [path.name for path in tmp_path.iterdir()] == ["get.sh"]


@pytest.mark.parametrize("words", [["--fast"], ["a", "b"]])
def test_a_wrong_call_is_refused(words: list[str], archive: Archive, tmp_path: Path):
    assert _run(_tree(*BODIES), archive.url, tmp_path, *words).returncode == 2
    assert archive.asked == []


def test_the_tree_lies_beside_its_files_as_xml(cascade: Tree, archive: Archive, tmp_path: Path):
    _run(cascade, archive.url, tmp_path, "data")
    (saved,) = (tmp_path / "data").glob("*.xml")
    assert saved.name == f"{cascade.dp_id}_raw2raw.xml"
    assert saved.read_bytes() == xml.write(cascade)


def test_half_a_script_does_nothing(archive: Archive, tmp_path: Path):
    whole = script.write(_tree(*BODIES), Links(files=f"{archive.url}/"))
    for end in (whole.rindex(b"main "), whole.rindex(b"get "), whole.rindex(b"END_OF_TREE")):
        subprocess.run(["bash"], input=whole[:end], cwd=tmp_path, capture_output=True, check=False)
    assert archive.asked == []
    assert list(tmp_path.iterdir()) == []
