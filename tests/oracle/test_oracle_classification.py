"""Every header at hand through every rule file at hand: both readings derive the same by the same lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import naive_rules as naive
import pytest
from pools import read_pool

from app.classify import classify, raw_type, tag
from app.header import UNDEFINED, Header, Value, read_header
from app.header.tables import read_table
from app.rulebook.library import read_book
from processing.simulate.archive import LINE_LISTS, cards, static_cards
from processing.simulate.nightlog import LOG

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT.parent / "shared/samples"
BOOKS = sorted(ROOT.glob("rules/*/*.oca"))
GASGANO = ["amber", "giraf", "hawki", "muse", "naco", "uves", "vimos", "visir"]


def shipped(instrument: str) -> Path:
    found = sorted(Path("/usr/share/cpl-plugins").glob(f"*/gasgano/config/{instrument}.oca"))
    if not found:
        pytest.skip(f"{instrument}.oca is not here: apt-get install cpl-plugin-{instrument}")
    return found[-1]


@cache
def texts() -> Mapping[str, str]:
    """Every rule file by its name, with the line that says whose it is."""
    paths = [*BOOKS, *sorted(Path("/usr/share/cpl-plugins").glob("*/gasgano/config/*.oca"))]
    return {path.name: _signed(path) for path in paths}


def _signed(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return text if "// INSTRUME:" in text else f"// INSTRUME: X\n{text}"


@cache
def headers() -> tuple[Header, ...]:
    """Pools, the simulated nights, and headers that the rules themselves describe."""
    pools = [row.header for path in sorted(ROOT.glob("rules/*/pool.txt")) for row in read_pool(path)]
    log = [Header(cards(entry, number)) for entry in LOG for number in range(entry.n)]
    static = [Header(static_cards(dp_id)) for dp_id in LINE_LISTS]
    return tuple(dict.fromkeys([*pools, *log, *static, *described()]))


def described() -> Iterator[Header]:
    """For every classification rule, headers of the values that it names, with a gap empty and filled."""
    for text in texts().values():
        for rule in naive.parse(text).classes:
            for filler in ("", "x"):
                values: dict[str, Value] = {}
                for test in rule.children[0].find_pred(lambda node: node.data in ("compare", "like")):
                    key, *_, constant = test.children
                    if key.data == "keyword" and constant.data in ("text", "number"):
                        said = str(constant.children[0])
                        values[str(key.children[0])] = (
                            said[1:-1].replace("%", filler) if constant.data == "text" else float(said)
                        )
                yield Header(values)


@cache
def samples() -> tuple[Header, ...]:
    """Real headers and rows of real archive tables; of long tables every tenth row."""
    if not SAMPLES.is_dir():
        pytest.skip("no sample data at ../shared/samples")
    rows = [read_header(path) for path in sorted(SAMPLES.glob("headers/*.hdr"))]
    for path in sorted(SAMPLES.glob("tables/*.csv*")):
        found = [row.header for row in read_table(path)]
        rows += found if len(found) < 1000 else found[::10]
    return tuple(rows)


def differences(text: str, name: str, given: tuple[Header, ...]) -> list[str]:
    stem = re.sub(r"\W", "", name.split(".")[0])
    book = read_book(text, name if re.search(r"\d{4}-\d\d-\d\d", name) else f"{stem}.2000-01-01.oca")
    rules = naive.parse(text)
    found = []
    for header in given:
        keywords, derived, fired = classify(book, header)
        service = (_plain(derived), list(fired), tag(keywords), raw_type(keywords))
        ours, lines = naive.classify(rules, header.to_dict())
        known = {**header.to_dict(), **ours}
        oracle = (_typed(ours), lines, naive.tag(known), naive.raw_type(known))
        if service != oracle:
            found.append(f"{dict(header)}: service {service}, oracle {oracle}")
    return found


def _plain(derived: Mapping[str, object]) -> dict[str, tuple[str, object]]:
    return _typed({key: None if value is UNDEFINED else value for key, value in derived.items()})


def _typed(derived: Mapping[str, object]) -> dict[str, tuple[str, object]]:
    """With their types: True is not 1 here."""
    return {key: (type(value).__name__, value) for key, value in derived.items()}


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.name)
def test_our_books_classify_every_header_alike(path: Path) -> None:
    assert differences(texts()[path.name], path.name, headers()) == []


@pytest.mark.parametrize("instrument", GASGANO)
def test_the_shipped_files_classify_every_header_alike(instrument: str) -> None:
    path = shipped(instrument)
    assert differences(texts()[path.name], path.name, headers()) == []


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.name)
def test_our_books_classify_real_headers_alike(path: Path) -> None:
    assert differences(texts()[path.name], path.name, samples()) == []


@pytest.mark.parametrize("instrument", GASGANO)
def test_the_shipped_files_classify_real_headers_alike(instrument: str) -> None:
    path = shipped(instrument)
    assert differences(texts()[path.name], path.name, samples()) == []


def test_the_headers_are_many_and_fire_most_rules() -> None:
    fired, there = set(), 0
    for name, text in texts().items():
        rules = naive.parse(text)
        there += len(rules.classes)
        for header in headers():
            fired |= {(name, line) for line in naive.classify(rules, header.to_dict())[1]}
    assert len(headers()) > 1000
    assert len(fired) > 0.9 * there
