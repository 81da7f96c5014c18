from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest

from app.archive.books import activate
from app.archive.index import Index
from app.archive.quality import Verdict, judge
from app.archive.storing import store
from app.classify import Frame
from app.errors import UnknownFrameError
from app.header import Header
from app.rulebook import Rulebook, library, read_book

MakeFrame = Callable[..., Frame]
_VERDICTS: tuple[Verdict, ...] = ("shown", "hidden")


def put(index: Index, *frames: Frame) -> None:
    with index.writing() as (connection, books):
        store(connection, books, frames)


def test_the_version_is_picked_by_the_night_of_the_science_frame(
    index: Index, toy: Rulebook, make: MakeFrame
) -> None:
    newer = read_book(toy.text.replace("toy_science", "toy_new"), "toy.2009-06-18.oca")  # MJD 55000
    with index.connection() as connection:
        activate(connection, library([toy, newer]))
    put(index, make("A1", "SCIENCE", 55000.4), make("B1", "SCIENCE", 55000.6))
    morning, evening = index.associate("A1"), index.associate("B1")
    assert (morning.rulebook, evening.rulebook) == (toy.name, newer.name)
    assert (morning.checksum, evening.checksum) == (toy.checksum, newer.checksum)
    assert morning.root.step and morning.root.step.recipe == "toy_science"
    assert evening.root.step and evening.root.step.recipe == "toy_new"


def test_an_answer_is_signed_with_the_revision_which_grows_with_every_change(
    index: Index, make: MakeFrame
) -> None:
    put(index, make("A1", "SCIENCE"))
    first = index.associate("A1")
    put(index, make("A1", "SCIENCE"))
    assert index.associate("A1") == first
    put(index, make("B1", "BIAS"))
    assert index.associate("A1") == replace(first, revision=first.revision + 1)


@pytest.mark.parametrize(
    ("keywords", "reason"),
    [
        ({"INSTRUME": "OTHER", "MJD-OBS": 55000.0}, "there is no rulebook for INSTRUME 'OTHER'"),
        ({"INSTRUME": "TOY", "MJD-OBS": 50000.0}, "the rulebooks of TOY begin on the night of 2000-01-01"),
        ({"INSTRUME": "TOY"}, "the frame has no MJD-OBS"),
    ],
)
def test_a_frame_that_no_rulebook_covers_is_unsupported_and_told_why(
    index: Index, keywords: dict[str, Any], reason: str
) -> None:
    put(index, Frame("X", Header({**keywords, "DPR.CATG": "SCIENCE", "DPR.TYPE": "OBJECT"})))
    root = index.associate("X").root
    assert root.category == "SCIENCE_OBJECT"
    assert root.messages[0].endswith("this file type is not supported")
    assert root.messages[1].startswith(reason)


def test_a_hidden_science_frame_is_told_to_be_hidden(index: Index, make: MakeFrame) -> None:
    put(index, make("A1", "SCIENCE", hidden=True), make("A2", "SCIENCE"))
    assert index.associate("A1").root.messages[1] == "the frame is hidden (bad quality)"
    assert [file.dp_id for file in index.associate("A2").root.files] == ["A2"]


def test_a_tree_is_of_one_revision_while_others_write(index: Index, make: MakeFrame) -> None:
    biases = [make(f"B{n}", "BIAS", 55000.0 + n / 100, certified=True) for n in range(3)]
    put(index, make("A1", "SCIENCE"), *biases)
    trees = {index.associate("A1").revision: index.associate("A1")}
    with index.writing() as (connection, books):
        judge(connection, books, ["B0"], "hidden", "me")
    trees[index.associate("A1").revision] = index.associate("A1")
    shown, hidden = (replace(tree, revision=0) for tree in trees.values())
    assert shown != hidden

    def write() -> None:
        for _ in range(40):
            for verdict in _VERDICTS:
                with index.writing() as (connection, books):
                    judge(connection, books, ["B0"], verdict, "me")

    writer = Thread(target=write)
    writer.start()
    first = min(trees)
    try:
        while writer.is_alive():
            tree = index.associate("A1")
            assert replace(tree, revision=0) == (shown if (tree.revision - first) % 2 == 0 else hidden)
    finally:
        writer.join()


def test_unknown_frames_are_an_error_and_can_be_asked_for(index: Index, make: MakeFrame) -> None:
    put(index, make("A1", "SCIENCE"))
    assert index.unknown(["Z", "A1", "Y"]) == ["Z", "Y"]
    with pytest.raises(UnknownFrameError):
        index.associate("Z")


def test_another_process_activating_rules_is_noticed(index: Index, toy: Rulebook, make: MakeFrame) -> None:
    put(index, make("A1", "SCIENCE"))
    assert index.associate("A1").checksum == toy.checksum
    newer = read_book(toy.text + "// newer", toy.name)
    with Index(index.engine).connection() as connection:
        activate(connection, library([newer]))
    assert index.associate("A1").checksum == newer.checksum
