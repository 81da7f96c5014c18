"""What a diff of rulebooks tells is what archives under the two books answer, no more and no less."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.archive.books import activate, active_books
from app.archive.database import connect
from app.archive.difference import difference
from app.archive.index import Index, answer, rules_now
from app.archive.quality import add_breakpoints
from app.archive.stock import load_stock
from app.archive.storing import store, survey
from app.classify import Frame
from app.config import ROOT
from app.craft import telling
from app.craft.compare import Asked, asked_frames, compare
from app.craft.diff import diff
from app.craft.pieces import Versions
from app.craft.tables import read_pool
from app.craft.trials import books_of, breakpoints_of
from app.header import Header
from app.rulebook import Library, library, read_book
from app.tree import Mode, Tree

RULES = ROOT / "rules"
ALWAYS = (40_000, 70_000)
# What becomes another in a book: its name, a text, the text that it becomes.
MUTATIONS = {
    "a shorter plan": ("naco", "- 1.5 and inputFile.MJD-OBS + 1.5", "- 0.2 and inputFile.MJD-OBS + 0.2"),
    "a key that is not compared": ("naco", "and inputFile.DET.DIT         == DET.DIT", ""),
    "optional slots that are needed": ("naco", "minRet = 0;", "minRet = 1;"),
    "a kind of calibration that is not known": ("naco", 'DPR.TYPE == "DARK"', 'DPR.TYPE == "NO"'),
    "science that is not offered": ("naco", 'DPR.TYPE == "OBJECT"', 'DPR.TYPE == "NO"'),
    "larger groups": ("naco", "minRet = 3;", "minRet = 6;"),
    "another recipe": ("naco", "recipe naco_img_dark", "recipe naco_img_other"),
    "a product with another name": ("naco", '{ PRO.CATG = "NACO_IMG_DARK_AVG";', '{ PRO.CATG = "DARK";'),
    "a date": ("naco", "53315", "60000"),
    "groups of single files": ("naco", "TPL.START as", "ARCFILE as"),
    "a chain of steps": ("muse", 'DPR.TYPE == "BIAS"', 'DPR.TYPE == "NO"'),
    "a shorter hard window": (
        "uves",
        "between    inputFile.MJD-OBS - 7",
        "between    inputFile.MJD-OBS - 0.3",
    ),
}


@pytest.fixture(scope="module")
def shared(make_shared_database: Callable[[], str]) -> Iterator[Index]:
    engine = connect(make_shared_database(), pool_size=3)
    yield Index(engine)
    engine.dispose()


def mutated(books: Library, old: str, new: str) -> Library:
    found = library(read_book(book.text.replace(old, new), book.name) for book in books.books)
    assert found != books
    return found


def more(frames: list[Frame]) -> list[Frame]:
    """The pool, and some science frames again minutes and hours later: frames for which an answer stands."""
    found = list(frames)
    science = [frame for frame in frames if frame.header.get("DPR.CATG") == "SCIENCE"]
    for frame in science[:: 1 + len(science) // 5]:
        mjd = frame.header.get("MJD-OBS")
        assert isinstance(mjd, float)
        for number, later in enumerate((0.001, 0.11, 0.4)):
            keywords = frame.header.to_dict() | {"MJD-OBS": mjd + later, "TPL.START": f"{number} {mjd}"}
            name = f"{frame.dp_id}.{number}"
            found.append(replace(frame, dp_id=name, header=Header(keywords | {"ARCFILE": f"{name}.fits"})))
    return found


@pytest.mark.parametrize(
    ("name", "mode"),
    [*((name, "Raw2Raw") for name in MUTATIONS), ("a shorter plan", "Raw2Master"), ("a date", "Raw2Master")],
)
def test_a_diff_tells_what_asking_the_index_under_both_books_tells(
    shared: Index, name: str, mode: Mode
) -> None:
    instrument, before, after = MUTATIONS[name]
    folder = RULES / instrument
    old = books_of(folder)
    new = mutated(old, before, after)
    frames = more(read_pool(folder / "pool.txt"))
    with shared.connection() as connection, connection.transaction(force_rollback=True):
        activate(connection, old)
        store(connection, active_books(connection), frames)
        survey(connection)
        add_breakpoints(connection, breakpoints_of(folder))
        asked = Asked(old, new, *ALWAYS, mode)
        stock = load_stock(connection, asked.books, old.books, (float("-inf"), float("inf")))
        rules = rules_now(connection, 0)
        todo = [held for held in asked_frames(stock, asked) if stock.header(held)["DPR.CATG"] == "SCIENCE"][
            :30
        ]
        tally = compare(stock, rules.breakpoints, asked, todo, len(todo), lambda _: None)
        trees = {held.dp_id: [answer(connection, rules, held.dp_id, mode)] for held in todo}
        activate(connection, new)
        rules = rules_now(connection, 0)
        for held in todo:
            trees[held.dp_id].append(answer(connection, rules, held.dp_id, mode))
    told: dict[str, set[tuple[str, tuple[str, ...]]]] = {}
    for place, finding in tally.findings.items():
        assert finding.count == len(finding.examples)
        assert place.cause.lines, "every finding has its lines"
        for example in finding.examples:
            told.setdefault(example.dp_id, set()).add((place.label, place.what))
    expected = {dp_id: _expected(*pair) for dp_id, pair in trees.items()}
    assert told.keys() == {dp_id for dp_id, apart in expected.items() if apart}
    for dp_id, found in told.items():
        needed = {label for label, what in found if what == ("needed",)}
        assert {label for label, _ in found} - needed == expected[dp_id] - {"needed"}, dp_id
        assert bool(needed) == (expected[dp_id] == {"needed"}), "what is needed is told where nothing else is"
    assert tally.changed == len(told) > 0


def _expected(before: Tree, after: Tree) -> set[str]:
    """The labels of the slots that are apart; `.` for the science frame itself."""
    if (before.root.action is None) != (after.root.action is None):
        return {"."}
    apart = difference(before, after)
    found = {slot.path.rpartition("/")[2] for slot in apart.slots}
    if not found and apart:
        found = {"needed"}
    return found


@pytest.fixture
def two(folder: Path, empty: Index) -> Index:
    """The toy's pool in an archive under the toy's book."""
    with empty.connection() as connection:
        activate(connection, books_of(folder))
        store(connection, active_books(connection), read_pool(folder / "pool.txt"))
    return empty


def test_a_book_and_itself_do_not_differ_and_nothing_is_left_behind(two: Index, folder: Path) -> None:
    book = books_of(folder)
    spaced = mutated(book, "action ACTION_SCI", "// a comment that changes nothing\n\naction ACTION_SCI")
    before = _everything(two)
    for new in (book, spaced):
        tally = diff(two, Asked(book, new, *ALWAYS, "Raw2Raw"))
        assert (tally.changed, tally.findings) == (0, {})
    assert tally.compared == 2
    assert _everything(two) == before


def _everything(index: Index) -> list[object]:
    with index.connection() as connection:
        tables = (
            "frame classified frame_group group_member match_key partition_member book book_event revision"
        )
        return [
            connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in tables.split()
        ]


def test_processes_share_the_work_and_find_the_same(
    two: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.craft.diff._FEW", 1)
    old = books_of(folder)
    asked = Asked(old, mutated(old, "MJD-OBS - 7 and", "MJD-OBS - 3 and"), *ALWAYS, "Raw2Raw")
    told: list[tuple[int, int]] = []
    alone = diff(two, asked)
    shared = diff(two, asked, processes=2, report=lambda _, done, total: told.append((done, total)))
    assert (shared, told[-1]) == (alone, (told[-1][1], told[-1][1]))


def test_a_night_without_a_version_is_a_cause(two: Index, folder: Path) -> None:
    old = books_of(folder)
    later = library([read_book(old.books[0].text, "toy.2010-01-12.oca")])
    tally = diff(two, Asked(old, later, *ALWAYS, "Raw2Raw"))
    ((place, finding),) = tally.ordered
    assert (place.what, place.cause.kind, finding.count) == (("lost",), "rulebook", 1)
    assert [str(ref) for ref in place.cause.lines.old] == ["toy.2000-01-01.oca:1"]


def test_other_limits_are_told_by_their_own_lines(folder: Path) -> None:
    old = books_of(folder)
    new = mutated(old, "minRet = 1; maxRet = 2;", "minRet = 2; maxRet = 2;")
    lines = [number for number, text in enumerate(old.books[0].text.splitlines(), 1) if "maxRet = 2" in text]
    versions = Versions(old.books[0], new.books[0])
    (rule,) = [rule for rule in old.books[0].rules.actions[1].associations if rule.label == "LINES"]
    apart = versions.association(("ACTION_SCI", rule.pos.line), ("ACTION_SCI", rule.pos.line))
    assert [[ref.line for ref in refs] for refs in (apart.old, apart.new)] == [lines, lines]


TOLD = Path(__file__).parents[1] / "data/craft/diff.txt"


def test_the_text_of_a_diff_is_the_reviewed_one(two: Index, folder: Path) -> None:
    old = books_of(folder)
    new = old
    for one, other in (
        ('DPR.TYPE == "OBJECT" then', 'DPR.TYPE == "OBJECT" and EXPTIME is undefined then'),
        ("MJD-OBS between inputFile.MJD-OBS - 7 and", "MJD-OBS between inputFile.MJD-OBS - 3 and"),
        ("inputFile.DET.BINX == DET.BINX", "inputFile.INSTRUME == INSTRUME"),
        ('"LINES"\n', '"LINES_OF_OLD"\n'),
    ):
        new = mutated(new, one, other)
    asked = Asked(old, new, *ALWAYS, "Raw2Raw")
    text = telling.as_text(asked, diff(two, asked))
    for library_ in (old, new):
        text = text.replace(library_.books[0].checksum[:12], "CHECKSUM")
    assert text == TOLD.read_text()
