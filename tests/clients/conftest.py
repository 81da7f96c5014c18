"""A live service with the simulated archive and the two public FORS2 answers, for the real clients."""

from __future__ import annotations

import gzip
import ipaddress
import json
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import astroquery
import httpx
import keyring
import keyring.backend
import numpy as np
import pytest
import requests
from astroquery import cache_conf
from astroquery.eso import Eso, EsoClass
from astroquery.eso import conf as eso_conf
from requests.adapters import HTTPAdapter

from app.archive.database import connect
from app.archive.index import Index
from app.archive.quality import add_breakpoints, judge
from app.archive.storing import store
from app.config import ROOT, Settings
from app.ingest import ingest, use_rules
from app.rulebook import load_library
from processing.simulate.archive import LINE_LISTS, bookkeeping, cards, static_cards
from processing.simulate.echelle import write_lines
from processing.simulate.fits import write_image
from processing.simulate.nightlog import LOG, named
from processing.simulate.truth import Truth

# The readers of the public FORS2 answers stand beside the tests of the rules.
sys.path.insert(0, str(ROOT / "tests/rules"))
from fors2_pool import decoy_rows, read_names, real_rows

LOCKED_FOR = 36_500  # days
USER, PASSWORD = "ann", "correct horse"
USERS = {USER: {"password": PASSWORD, "programmes": ["088.D-0512(A)"]}}
FORS2 = ("FORS2.2021-01-02T00:59:12.533", "FORS2.2021-01-02T00:59:12.534")
CHIPS = ("CCID20-14-5-3", "CCID20-14-5-6")
PRODUCT = "r.UVES.SCI_POINT"
IMAGES = tuple(f"r.NACO.IMG_{number}" for number in range(6))  # more than the clients' limits in the tests
MASTERS = "M.UVES.2012-03-15T08:00:00.00"
NIGHT_LOG = "OB:         200560001\nInstrument: UVES\nGrade:      A\nSky clear, seeing 0.8 arcsec.\n"


@dataclass(frozen=True, slots=True)
class Archive:
    """The service's address, and what is in it: open, locked, incomplete and packed frames by dp_id."""

    url: str
    folder: Path
    truth: Truth
    locked: str
    packed: str
    database: str
    product: str = PRODUCT

    @property
    def masters(self) -> set[str]:
        """The masters of `science`."""
        return {f"{MASTERS}{number}" for number in range(4)}

    @property
    def science(self) -> str:
        return self.truth.uves_science

    @property
    def dp_ids(self) -> list[str]:
        """All that is there as a file."""
        return sorted(path.name.partition(".fits")[0] for path in self.folder.glob("*.fits*"))

    @property
    def calibrations(self) -> set[str]:
        """What CalSelector must choose for `science`, of the raw frames."""
        return {dp_id for group in self.truth.expected[self.science].values() for dp_id in group}


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test of this folder asks anybody but this machine."""
    connect_, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def demand_loopback(host: object) -> None:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in (None, "", "localhost") and not _is_loopback(str(name)):
            raise AssertionError(f"a client asks {name}, which is not this machine")

    def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                demand_loopback(address[0])
            return method(self, address)

        return call

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        demand_loopback(host)
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket.socket, "connect", guarded(connect_))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session")
def archive(
    make_lasting_database: Callable[[], str],
    serve_here: Callable[[Settings], AbstractContextManager[httpx.Client]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Archive]:
    """One service for all tests of the folder, which only read."""
    folder, home = tmp_path_factory.mktemp("frames"), tmp_path_factory.mktemp("home")
    truth, url = bookkeeping(()), make_lasting_database()
    locked, packed = truth.incomplete_science, named("UVES", "bias").dp_ids()[0]
    _write_frames(folder, truth, packed)
    _fill(url, folder, truth, locked)
    (home / "users.json").write_text(json.dumps(USERS))
    settings = Settings(database_url=url, home=home, dev_users=home / "users.json")
    with serve_here(settings) as client:
        yield Archive(str(client.base_url).rstrip("/"), folder, truth, locked, packed, url)


def _write_frames(folder: Path, truth: Truth, packed: str) -> None:
    """The simulated archive with four pixels per frame, a night log, a master and a product."""
    pixels = np.zeros((2, 2), np.float32)
    for entry in LOG:
        for number, dp_id in enumerate(entry.dp_ids()):
            write_image(folder / f"{dp_id}.fits", pixels, cards(entry, number))
    for dp_id in LINE_LISTS:
        write_lines(folder / f"{dp_id}.fits", np.array([4000.0]), static_cards(dp_id))
    plain = folder / f"{packed}.fits"
    plain.with_suffix(".fits.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    (folder / f"{truth.uves_science}.NL.txt").write_text(NIGHT_LOG)
    for number, (category, group) in enumerate(truth.expected[truth.uves_science].items()):
        raw = next(entry for entry in LOG if group[0] in entry.dp_ids())
        write_image(
            folder / f"{MASTERS}{number}.fits",
            pixels,
            cards(raw, 0) | {"PRO.CATG": category, "PRO.TYPE": "REDUCED"},
        )
    _write_product(folder, PRODUCT, truth.uves_science, "RED_SCI_POINT_BLUE")
    for image in IMAGES:
        _write_product(folder, image, truth.naco_science, "COADDED_IMG")


def _write_product(folder: Path, dp_id: str, source: str, category: str) -> None:
    raw = next(entry for entry in LOG if source in entry.dp_ids())
    made = {"PRO.CATG": category, "PRO.TYPE": "REDUCED", "PRO.REC1.RAW1.NAME": f"{source}.fits"}
    write_image(folder / f"{dp_id}.fits", np.zeros((2, 2), np.float32), cards(raw, 0) | made)


def _fill(url: str, folder: Path, truth: Truth, locked: str) -> None:
    engine = connect(url)
    try:
        index = Index(engine)
        use_rules(index, load_library(ROOT / "rules"), ROOT / "rules")
        first = ingest(index, [folder / f"{locked}.fits"], certified=True, proprietary_days=LOCKED_FOR)
        rest = ingest(index, [folder], certified=True)
        assert first.skipped == rest.skipped == []
        with index.writing() as (connection, books):
            add_breakpoints(connection, [asdict(each) for each in truth.breakpoints])
            judge(connection, books, truth.uncertified, "rejected", "test")
            judge(connection, books, truth.hidden, "hidden", "test")
            for dp_id, chip in zip(FORS2, CHIPS, strict=True):
                names = read_names(fors2_answers()[dp_id])
                store(connection, books, list(real_rows(names, chip)))
            store(connection, books, list(decoy_rows(CHIPS)))
    finally:
        engine.dispose()


@cache
def fors2_answers() -> Mapping[str, bytes]:
    """CalSelector's two public answers by dp_id, as astroquery's own tests carry them."""
    name = "FORS2.2021-01-02T00_59_12.533_raw2raw_multipart.xml"
    body = (Path(astroquery.__path__[0]) / "eso/tests/data" / name).read_bytes()
    found = {}
    for part in body.split(b"<?xml")[1:]:
        tree = b"<?xml" + part[: part.rindex(b"</association>")] + b"</association>\n"
        found[next(dp_id for dp_id in FORS2 if dp_id.encode() in tree)] = tree
    return found


@pytest.fixture(scope="session")
def answers() -> Mapping[str, bytes]:
    """The trees that ESO's CalSelector gave for two FORS2 frames."""
    return fors2_answers()


@pytest.fixture
def passwords() -> Iterator[dict[str, str]]:
    """Passwords by user name, in a keyring of memory; the user's own keyring stays closed."""
    before, known = keyring.get_keyring(), {USER: PASSWORD}
    keyring.set_keyring(_Memory(known))
    yield known
    keyring.set_keyring(before)


class _Memory(keyring.backend.KeyringBackend):
    priority = 1  # type: ignore[assignment]

    def __init__(self, known: dict[str, str]) -> None:
        super().__init__()
        self._known = known

    def get_password(self, service: str, username: str) -> str | None:
        return self._known.get(username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self._known[username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self._known[username]


class _Here(HTTPAdapter):
    """Sends what goes to one host to another: astroquery writes the address of headers out in full."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:  # type: ignore[override]
        assert request.url
        request.url = self._base + request.url.removeprefix("https://archive.eso.org")
        return super().send(request, **more)


@pytest.fixture
def eso(archive: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EsoClass]:
    """astroquery.eso with nothing changed but base URLs; also for programs that make one of their own."""
    for name, path in (
        ("CALSELECTOR_URL", "/calselector/v1/associations"),
        ("DOWNLOAD_URL", "/dataPortal/file/"),
        ("AUTH_URL", "/sso/oidc/token"),
    ):
        monkeypatch.setattr(EsoClass, name, archive.url + path)
    with (
        eso_conf.set_temp("tap_obs_url", f"{archive.url}/tap_obs"),
        eso_conf.set_temp("tap_cat_url", f"{archive.url}/tap_cat"),
        cache_conf.set_temp("cache_active", False),
    ):
        client = Eso()
        client.cache_location = tmp_path / "cache"
        client._session.mount("https://archive.eso.org/hdr", _Here(archive.url))
        yield client
