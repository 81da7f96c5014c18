"""What the tree says of frames that no rules can be right for; each fault has words of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest

from app.archive.books import activate, active_books
from app.archive.index import Index
from app.classify import Frame
from app.errors import RuleError
from app.formats import FORMATS, tell
from app.header import Header
from app.ingest import use_rules
from app.rulebook import Library, Rulebook, library, load_library, read_book
from app.tree import Tree

Fill = Callable[[Library, Sequence[Sequence[Frame]]], Index]
UNSUPPORTED = "No association could be established: this file type is not supported"
GOOD: dict[str, Any] = {
    "INSTRUME": "TOY",
    "MJD-OBS": 55000.2,
    "EXPTIME": 10.0,
    "DPR.CATG": "SCIENCE",
    "DPR.TYPE": "OBJECT",
    "DET.CHIPS": 1,
    "TPL.START": "t",
}
BOOK = """
if DPR.CATG == "SCIENCE" and DET.CHIPS == 1 then { RAW.TYPE = "SCI"; EXPOSE_TO_CALSELECTOR = T; }
select execute(SCI) from rawFiles where RAW.TYPE == "SCI" group by TPL.START;
action SCI { minRet = 0; maxRet = 1; select file as X from calibFiles where PRO.CATG == "X";
  product R { PRO.CATG = "R"; } }
"""
NAME = "toy.2000-01-01.oca"
MEND = "correct the header and ingest the file again"


def asked(fill: Fill, **wrong: Any) -> Tree:
    given = GOOD | {key.replace("_", "."): value for key, value in wrong.items()}
    frame = Frame("X1", Header({key: value for key, value in given.items() if value is not None}))
    return fill(library([read_book(BOOK, NAME)]), [[frame]]).associate("X1", explain=True)


def told(tree: Tree) -> tuple[str, ...]:
    """The messages, which JSON and the explained XML show alike."""
    messages = tree.root.messages
    assert orjson.loads(FORMATS["json"].write(tree))["tree"]["messages"] == list(messages)
    xml = FORMATS["xml"].write(tell(tree, explain=True)).decode()
    assert all(message.replace("<", "&lt;") in xml for message in messages)
    return messages


def test_a_good_frame_is_answered_without_a_word(fill: Fill) -> None:
    tree = asked(fill)
    assert tree.root.action == "SCI"
    assert told(tree) == ()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"INSTRUME": "OTHER"},
            ["there is no rulebook for INSTRUME 'OTHER'; there are: TOY"],
        ),
        (
            {"MJD-OBS": 50000.0},
            ["the rulebooks of TOY begin on the night of 2000-01-01; the night of 1995-10-09 is before"],
        ),
        (
            {"MJD-OBS": None},
            ["the frame has no MJD-OBS (days, a number), so no night picks its rulebook"],
        ),
        (
            {"MJD-OBS": "yesterday"},
            [
                f"MJD-OBS in the header is text, and it has to be a number; {MEND}",
                "the frame has no MJD-OBS (days, a number), so no night picks its rulebook",
            ],
        ),
        (
            {"INSTRUME": 7},
            [
                f"INSTRUME in the header is a number, and it has to be text; {MEND}",
                "there is no rulebook for INSTRUME '7'; there are: TOY",
            ],
        ),
        (
            {"MJD-OBS": True},
            [
                f"MJD-OBS in the header is a logical value, and it has to be a number; {MEND}",
                "the frame has no MJD-OBS (days, a number), so no night picks its rulebook",
            ],
        ),
        (
            {"DPR.CATG": True},
            [f"DPR.CATG in the header is a logical value, and it has to be text; {MEND}"],
        ),
        (
            {"DPR.CATG": 3},
            [f"DPR.CATG in the header is a number, and it has to be text; {MEND}"],
        ),
        (
            {"DET.CHIPS": "two"},
            [f"DET.CHIPS in the header is text, and {NAME}:2 compares it with a number; {MEND}"],
        ),
    ],
    ids=["instrument", "night", "no-time", "time", "name", "logical-time", "logical", "category", "rule"],
)
def test_each_fault_of_a_frame_without_an_answer_has_its_own_words(
    fill: Fill, wrong: dict[str, Any], said: list[str]
) -> None:
    tree = asked(fill, **wrong)
    assert told(tree) == (UNSUPPORTED, *said)
    silent = FORMATS["xml"].write(tell(tree, explain=False)).decode()
    assert UNSUPPORTED in silent and said[-1] not in silent  # CalSelector's own bytes


def test_a_wrong_type_that_does_not_hinder_an_answer_is_told_with_it(fill: Fill) -> None:
    tree = asked(fill, EXPTIME="long")
    assert tree.root.action == "SCI"
    assert told(tree) == (f"EXPTIME in the header is text, and it has to be a number; {MEND}",)


@pytest.mark.parametrize("chips", [1, 1.0, "1", True])
def test_what_the_rules_hold_equal_is_of_no_wrong_type(fill: Fill, chips: Any) -> None:
    assert told(asked(fill, DET_CHIPS=chips)) == ()


BAD = BOOK + "if A == then { B = 1; }"


def test_a_book_with_an_error_replaces_none_and_the_old_answers_go_on(fill: Fill, tmp_path: Any) -> None:
    frame = Frame("X1", Header(GOOD))
    index = fill(library([read_book(BOOK, NAME)]), [[frame]])
    before = index.associate("X1", explain=True)
    (tmp_path / "toy").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "toy" / NAME).write_text(BOOK.replace('"SCI"', '"NEW"'))  # good, and would change answers
    (tmp_path / "other" / "other.2000-01-01.oca").write_text(BAD)
    with pytest.raises(RuleError, match=r"other\.2000-01-01\.oca:6:"):
        use_rules(index, load_library(tmp_path), tmp_path)
    assert index.associate("X1", explain=True) == before


class _StopError(Exception):
    """Whoever activates is interrupted."""


def test_an_activation_that_is_interrupted_changes_nothing(fill: Fill) -> None:
    index = fill(library([read_book(BOOK, NAME)]), [[Frame("X1", Header(GOOD))]])
    before = index.associate("X1", explain=True)
    new: Rulebook = read_book(BOOK.replace('"SCI"', '"NEW"'), NAME)

    def stop(*_: object) -> None:
        raise _StopError

    with pytest.raises(_StopError), index.connection() as connection:
        activate(connection, library([new]), stop)
    assert index.associate("X1", explain=True) == before
    with index.connection() as connection:
        assert [each.text for each in active_books(connection).values()] == [BOOK]
        activate(connection, library([new]))
    assert index.associate("X1").root.category == "NEW"


MATCHED = BOOK.replace("minRet = 0", "minRet = 1").replace(
    'PRO.CATG == "X"', 'PRO.CATG == "X" and INS.GRAT == inputFile.INS.GRAT'
)


@pytest.mark.parametrize(
    ("grat", "others", "said"),
    [
        (
            5.0,
            ["RED", "BLUE"],
            f"; INS.GRAT in the header is a number, and text wherever it is sought; {MEND}",
        ),
        ("RED", [5.0, None], f"; INS.GRAT in the header is text, and a number wherever it is sought; {MEND}"),
        (5.0, ["RED", 6.0], ""),
        (5.0, ["6", None], ""),
        (None, ["RED"], ""),
    ],
)
def test_a_matched_keyword_of_another_type_than_all_candidates_is_told_where_nothing_is_found(
    fill: Fill, grat: Any, others: list[Any], said: str
) -> None:
    given = [("X1", GOOD | {"INS.GRAT": grat})]
    given += [
        (f"M{number}", {"INSTRUME": "TOY", "PRO.CATG": "X", "INS.GRAT": each})
        for number, each in enumerate(others)
    ]
    frames = [
        Frame(name, Header({key: value for key, value in header.items() if value is not None}))
        for name, header in given
    ]
    index = fill(library([read_book(MATCHED, NAME)]), [frames])
    (slot,) = index.associate("X1", explain=True).root.slots
    assert not slot.chosen
    value = "undefined: no file can match" if grat is None else grat
    assert slot.why.needed == f"PRO.CATG = X, INS.GRAT = {value}{said}"
