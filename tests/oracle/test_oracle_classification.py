"""Every header at hand through every rule file at hand: both readings derive the same by the same lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import naive_rules as naive
import pytest
from lark import Token, Tree

from app.classify import classify, raw_type, tag
from app.craft.tables import read_pool
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
    """For every classification rule the headers that its words describe, by the first and the last `or`."""
    for text in texts().values():
        for rule in naive.parse(text).classes:
            for branch, filler in ((0, ""), (1, "x")):
                values: dict[str, Value] = {}
                _describe(rule.children[0], branch, filler, values)
                yield Header(values)


def _describe(node: Tree[Token], branch: int, filler: str, values: dict[str, Value]) -> None:
    match node.data:
        case "or_":
            _describe(node.children[branch], branch, filler, values)
        case "and_":
            for each in node.children:
                _describe(each, branch, filler, values)
        case "compare" | "like":
            key, *_, constant = node.children
            if key.data == "keyword" and constant.data in ("text", "number"):
                name, said = str(key.children[0]), str(constant.children[0])
                if constant.data == "number":
                    values[name] = float(said)
                elif node.data == "compare":
                    values[name] = said[1:-1]
                else:  # Two patterns for one keyword are both in it.
                    values[name] = f"{values.get(name, '')}{said[1:-1].replace('%', filler)}"
        case "is_":
            values.setdefault(str(node.children[0].children[0]), "ANY")


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


def compared(path: Path, given: tuple[Header, ...]) -> float:
    """The share of a file's rules that fire; every header that looks new to them must be classified alike."""
    text, first_night = texts()[path.name], path.name.count(".") > 1
    book = read_book(text, path.name if first_night else f"{path.stem}.2000-01-01.oca")
    rules = naive.parse(text)
    fired: set[int] = set()
    for header in _distinct(rules, given):
        keywords, derived, lines = classify(book, header)
        service = (_plain(derived), list(lines), tag(keywords), raw_type(keywords))
        ours, lines_of_ours = naive.classify(rules, header.to_dict())
        known = {**header.to_dict(), **ours}
        oracle = (_typed(ours), lines_of_ours, naive.tag(known), naive.raw_type(known))
        assert service == oracle, dict(header)
        fired |= set(lines)
    return len(fired) / len(rules.classes)


def _distinct(rules: naive.Rules, given: tuple[Header, ...]) -> Iterator[Header]:
    """One header of those that say the same in the keywords that the rules mention."""
    read = {"DO.CATG", "DO.CLASS", "REFLEX.CATG", "PRO.CATG", "RAW.TYPE"}
    for rule in rules.classes:
        read |= naive.names(rule)
    first = {repr([(key, header.get(key)) for key in sorted(read)]): header for header in given}
    yield from first.values()


def _plain(derived: Mapping[str, object]) -> dict[str, tuple[str, object]]:
    return _typed({key: None if value is UNDEFINED else value for key, value in derived.items()})


def _typed(derived: Mapping[str, object]) -> dict[str, tuple[str, object]]:
    """With their types: True is not 1 here."""
    return {key: (type(value).__name__, value) for key, value in derived.items()}


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.name)
def test_our_books_classify_every_header_alike(path: Path) -> None:
    assert compared(path, headers()) > 0.8


@pytest.mark.parametrize("instrument", GASGANO)
def test_the_shipped_files_classify_every_header_alike(instrument: str) -> None:
    assert compared(shipped(instrument), headers()) > 0.8


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.name)
def test_our_books_classify_real_headers_alike(path: Path) -> None:
    compared(path, samples())


@pytest.mark.parametrize("instrument", GASGANO)
def test_the_shipped_files_classify_real_headers_alike(instrument: str) -> None:
    compared(shipped(instrument), samples())


def test_the_headers_are_many() -> None:
    assert len(headers()) > 1000
