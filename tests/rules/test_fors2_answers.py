"""CalSelector's two public FORS2 answers, byte for byte, from header rows made of their file names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from email import message_from_bytes
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from fors2_pool import decoy_rows, read_names, real_rows

from app.archive.books import activate
from app.archive.database import connect
from app.archive.index import Index
from app.archive.storing import store
from app.classify import Frame
from app.craft.tables import read_pool
from app.formats import xml
from app.ingest import use_rules
from app.rulebook import library, load_library, read_book

ROOT = Path(__file__).parents[2]
RULES = ROOT / "rules"
BOOK = RULES / "fors2/fors2.2015-05-20.oca"
NAME = "FORS2.2021-01-02T00_59_12.533_raw2raw_multipart.xml"
ASKED = ("FORS2.2021-01-02T00:59:12.533", "FORS2.2021-01-02T00:59:12.534")
CHIPS = ("CCID20-14-5-3", "CCID20-14-5-6")


def _places() -> Iterator[Path]:
    """Where a copy of the answers may be: the installed astroquery (its own tests use them), the samples."""
    astroquery = find_spec("astroquery")
    for folder in (astroquery and astroquery.submodule_search_locations) or ():
        yield Path(folder) / "eso/tests/data" / NAME
    yield ROOT.parent / "shared/samples/trees" / NAME


ANSWER = next((path for path in _places() if path.is_file()), None)

pytestmark = pytest.mark.skipif(
    ANSWER is None, reason=f"{NAME} is neither in an installed astroquery nor in ../shared/samples/trees"
)


@cache
def answers() -> dict[str, bytes]:
    """The two answers by dp_id: the parts of the multipart reply, cut out by their Content-Length."""
    assert ANSWER is not None
    body = ANSWER.read_bytes()
    boundary = body.split(b"\n", 1)[0].removeprefix(b"--").strip()
    found = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, content = part.split(b"\n\n", 1)
        message = message_from_bytes(head.lstrip())
        name = message.get_filename()
        assert name
        found[name.removesuffix("_raw2raw.xml")] = content[: int(message["Content-Length"])]
    return found


def pool(chips: Sequence[str] = CHIPS) -> list[Frame]:
    """The rows of both answers, each file once, and the decoys of these CCDs."""
    rows: dict[str, Frame] = {}
    for dp_id, chip in zip(ASKED, CHIPS, strict=True):
        rows |= {frame.dp_id: frame for frame in real_rows(read_names(answers()[dp_id]), chip)}
    decoys = list(decoy_rows(chips))
    assert not rows.keys() & {frame.dp_id for frame in decoys}
    return [*rows.values(), *decoys]


def fill(index: Index, frames: Sequence[Frame]) -> Index:
    with index.writing() as (connection, books):
        store(connection, books, frames)
    return index


@pytest.fixture(scope="module")
def index(make_shared_database) -> Iterator[Index]:
    engine = connect(make_shared_database())
    made = Index(engine)
    use_rules(made, load_library(RULES), RULES)
    yield fill(made, pool())
    engine.dispose()


@pytest.fixture(scope="module")
def small_pool(make_shared_database) -> Iterator[Index]:
    """The table beside the books, without the answers."""
    engine = connect(make_shared_database())
    made = Index(engine)
    use_rules(made, load_library(RULES), RULES)
    rows = read_pool(RULES / "fors2/pool.txt")
    yield fill(made, rows)
    engine.dispose()


@pytest.mark.parametrize("dp_id", ASKED)
def test_a_real_answer_comes_out_of_the_rules_byte_for_byte(index: Index, dp_id: str) -> None:
    assert xml.write(index.associate(dp_id)) == answers()[dp_id]


def test_the_two_answers_differ_in_every_file_but_the_catalogue() -> None:
    first, second = (read_names(answers()[dp_id]) for dp_id in ASKED)
    assert (len(first), len(second)) == (51, 51)
    assert {first[name] for name in first.keys() & second.keys()} == {"FLX_STD_IMG"}


def test_the_rules_hold_no_file_name_of_the_answers() -> None:
    text = "".join(path.read_text() for path in (RULES / "fors2").iterdir())
    names = {name for dp_id in ASKED for name in read_names(answers()[dp_id])} - set(ASKED)
    assert [name for name in sorted(names) if name.split(".", 1)[1] in text] == []


def test_no_row_tells_what_the_rules_have_to_find_out() -> None:
    for frame in pool():
        assert not {"RAW.TYPE", "DO.CATG", "DO.CLASS"} & set(frame.header)


@pytest.mark.parametrize(
    ("dp_id", "category", "complete"),
    [
        ("FORS2.2018-03-10T03:00:00.000", "SCI_IMG_2x2_low", True),
        ("FORS2.2018-03-10T04:00:00.000", "SCI_IMG_other", True),  # high gain: no flats, but none are needed
        ("FORS2.2018-03-10T04:30:00.000", "SCI_IMG_other", True),  # not binned: the same
        ("FORS2.2010-01-10T03:00:00.000", "SCI_IMG", True),
        ("FORS2.2010-01-10T04:00:00.000", "SCI_IMG", False),  # not binned: the older version needs them
    ],
)
def test_a_read_out_that_is_not_supported_is_a_type_of_its_own_since_2015(
    small_pool: Index, dp_id: str, category: str, complete: bool
) -> None:
    root = small_pool.associate(dp_id).root
    assert (root.category, root.complete) == (category, complete)


def lacking(category: str, clause: str) -> str:
    """The book without a clause of its associations for a category (`clause` is a regular expression)."""
    parts = re.split(rf"(select file as {category} .*?;)", BOOK.read_text(), flags=re.DOTALL)
    assert len(parts) > 1
    for n in range(1, len(parts), 2):
        parts[n], count = re.subn(rf"\sand {clause}", "", parts[n])
        assert count > 0
    return "".join(parts)


def equality(keyword: str) -> str:
    return rf"inputFile\.{keyword}\s+== {keyword}"


WINDOW = r"MJD-OBS \w+etween\s+inputFile.MJD-OBS - [\d.]+\s+and inputFile.MJD-OBS \+ [\d.]+"
BEFORE = r"\(MJD-OBS < .*?undefined\)"
READ_OUT = ("DET.CHIP1.ID", "DET.READ.CLOCK", "DET.WIN1.BINX", "DET.WIN1.BINY")
OPTICS = ("INS.FILT1.NAME", "INS.COLL.NAME")
CLAUSES = [
    *(("MASTER_BIAS", equality(keyword)) for keyword in READ_OUT),
    *(("MASTER_SKY_FLAT_IMG", equality(keyword)) for keyword in READ_OUT + OPTICS),
    *(("ALIGNED_PHOT", clause) for clause in (*map(equality, ("DET.CHIP1.ID", "INS.FILT1.NAME")), WINDOW)),
    *(("ACQ_IMG", equality(keyword)) for keyword in ("DET.CHIP1.ID", "OBS.ID", "OBS.PROG.ID")),
    *(("PHOT_TABLE", clause) for clause in (equality("DET.CHIP1.ID"), BEFORE)),
    ("FLX_STD_IMG", BEFORE),
]


def answer_by(make_shared_database, text: str, frames: Sequence[Frame]) -> bytes:
    """What another book says of the first science frame."""
    engine = connect(make_shared_database())
    index = Index(engine)
    with index.connection() as connection:
        activate(connection, library([read_book(text, BOOK.name)]))
    answer = xml.write(fill(index, frames).associate(ASKED[0]))
    engine.dispose()
    return answer


def test_the_book_alone_gives_the_answer_that_its_mutants_are_held_against(make_shared_database) -> None:
    assert answer_by(make_shared_database, BOOK.read_text(), pool(CHIPS[:1])) == answers()[ASKED[0]]


@pytest.mark.parametrize(("category", "clause"), CLAUSES)
def test_without_any_one_clause_a_decoy_gets_in(make_shared_database, category: str, clause: str) -> None:
    answer = answer_by(make_shared_database, lacking(category, clause), pool(CHIPS[:1]))
    assert answer != answers()[ASKED[0]]


@pytest.mark.parametrize("minimum", ["minRet = 5;", "minRet = 4;"])
def test_without_a_smallest_group_a_decoy_gets_in(make_shared_database, minimum: str) -> None:
    text = BOOK.read_text()
    assert text.count(minimum) == 1
    answer = answer_by(make_shared_database, text.replace(minimum, ""), pool(CHIPS[:1]))
    assert answer != answers()[ASKED[0]]


@pytest.mark.parametrize("flag", [{"hidden": False}, {"certified": True}])
def test_without_the_marks_of_quality_control_a_decoy_gets_in(make_shared_database, flag) -> None:
    frames = [replace(frame, **flag) for frame in pool(CHIPS[:1])]
    assert answer_by(make_shared_database, BOOK.read_text(), frames) != answers()[ASKED[0]]
