"""The command line on real PostgreSQL, over the simulated archive's headers with pixels left out."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from app.archive.database import connect
from app.archive.index import Index
from app.archive.quality import add_breakpoints, judge
from app.cli import main
from app.config import PREFIX, ROOT
from app.ingest import ingest, use_rules
from app.rulebook import load_library
from processing.simulate.archive import LINE_LISTS, bookkeeping, cards, static_cards
from processing.simulate.echelle import write_lines
from processing.simulate.fits import write_image
from processing.simulate.nightlog import LOG
from processing.simulate.truth import Truth

_log = logging.getLogger(__name__)
Calsel: TypeAlias = Callable[..., Result]


@pytest.fixture(scope="session")
def truth() -> Truth:
    """What is in the simulated archive: its science frames and what belongs to them."""
    return bookkeeping(())


@pytest.fixture(scope="session")
def two_books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the rulebooks of UVES and NACO, the instruments of the simulated archive."""
    folder = tmp_path_factory.mktemp("rules")
    for instrument in ("uves", "naco"):
        (folder / instrument).symlink_to(ROOT / "rules" / instrument)
    return folder


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated archive's 102 frames, each of four pixels."""
    folder = tmp_path_factory.mktemp("frames")
    for entry in LOG:
        for number, dp_id in enumerate(entry.dp_ids()):
            write_image(folder / f"{dp_id}.fits", np.zeros((2, 2), np.float32), cards(entry, number))
    for dp_id in LINE_LISTS:
        write_lines(folder / f"{dp_id}.fits", np.array([4000.0]), static_cards(dp_id))
    return folder


@pytest.fixture(scope="module")
def archive_url(make_shared_database: Callable[[], str], frames: Path, truth: Truth, two_books: Path) -> str:
    """A database with the simulated archive, which the tests of a module only read."""
    url = make_shared_database()
    with_index(url, lambda index: _fill(index, frames, truth, two_books))
    return url


def with_index(url: str, work: Callable[[Index], None]) -> None:
    engine: Engine = connect(url)
    try:
        work(Index(engine))
    finally:
        engine.dispose()


def _fill(index: Index, frames: Path, truth: Truth, rules: Path) -> None:
    use_rules(index, load_library(rules), rules)
    ingest(index, [frames], certified=True)
    with index.writing() as (connection, books):
        add_breakpoints(connection, [asdict(each) for each in truth.breakpoints])
        judge(connection, books, truth.uncertified, "rejected", "test")
        judge(connection, books, truth.hidden, "hidden", "test")


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of whoever runs the tests gets in."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    yield


@pytest.fixture
def bare(clean_environment: None) -> Calsel:
    """Runs `calsel` with these arguments and CALSEL_ settings; a bug's exception comes through."""

    def run(*arguments: object, **settings: object) -> Result:
        env = {f"{PREFIX}{name.upper()}": str(value) for name, value in settings.items()}
        told = CliRunner().invoke(main, [str(each) for each in arguments], env=env, catch_exceptions=False)
        if told.exit_code:  # shown by pytest where a test fails that did not expect it
            _log.warning("calsel %s: %d, %s", " ".join(map(str, arguments)), told.exit_code, told.stderr)
        return told

    return run


@pytest.fixture
def calsel(bare: Calsel, database_url: str, two_books: Path, tmp_path: Path) -> Calsel:
    """`calsel` on a fresh database of this test's own."""

    def run(*arguments: object, **settings: object) -> Result:
        given = {"database_url": database_url, "home": tmp_path / "home", "rules": two_books}
        return bare(*arguments, **given | settings)

    return run


@pytest.fixture
def ask(bare: Calsel, archive_url: str, tmp_path: Path) -> Calsel:
    """`calsel` on the simulated archive, to be read only."""

    def run(*arguments: object, **settings: object) -> Result:
        return bare(*arguments, **{"database_url": archive_url, "home": tmp_path / "home"} | settings)

    return run
