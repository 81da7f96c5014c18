from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.archive.books import activate
from app.archive.index import Index
from app.archive.quality import add_breakpoints, judge, remove_breakpoints
from app.archive.storing import store
from app.associate import Wish
from app.classify import Frame
from app.errors import UnknownFrameError
from app.header import Header
from app.rulebook import library, read_book
from app.tree import Node, Tree

MakeFrame = Callable[..., Frame]
Dump = Callable[[], dict[str, list[Any]]]
TOY = (Path(__file__).parents[1] / "data/associate/toy.2000-01-01.oca").read_text()


def put(index: Index, *frames: Frame) -> None:
    with index.writing() as (connection, books):
        store(connection, books, frames)


def now(index: Index) -> datetime:
    """The database's clock, which the history is kept by."""
    with index.connection() as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    moment = row[0]
    assert isinstance(moment, datetime)
    return moment


def chosen(tree: Tree, label: str = "MASTER_BIAS") -> list[str]:
    slot = next(slot for slot in tree.root.slots if slot.label == label)
    return [choice.node.files[0].dp_id for choice in slot.chosen]


def shape(node: Node) -> Any:
    """A tree without the moment it was made at."""
    return (
        node.category,
        node.files,
        node.certified,
        node.complete,
        [
            (slot.label, slot.why, [(c.match, c.days, shape(c.node)) for c in slot.chosen])
            for slot in node.slots
        ],
    )


@pytest.fixture
def archive(index: Index, make: MakeFrame) -> Index:
    """Science, and biases half a day after it."""
    put(index, make("SCI", "SCIENCE", 55000.2))
    put(index, *(make(f"FAR{n}", "BIAS", 55000.7 + n / 1000, size=1, sha256="a") for n in range(3)))
    return index


def test_what_came_later_is_not_there_yet(archive: Index, make: MakeFrame) -> None:
    then, before = now(archive), archive.associate("SCI", explain=True)
    put(archive, *(make(f"NEAR{n}", "BIAS", 55000.3 + n / 1000) for n in range(3)))
    assert chosen(archive.associate("SCI")) == ["NEAR0"]
    past = archive.associate("SCI", explain=True, wish=Wish(as_of=then))
    assert shape(past.root) == shape(before.root)
    assert past.revision == before.revision
    with pytest.raises(UnknownFrameError):
        archive.associate("SCI", wish=Wish(as_of=then - timedelta(days=1)))


def test_flags_content_and_breakpoints_are_as_they_were(archive: Index, make: MakeFrame) -> None:
    put(archive, *(make(f"NEAR{n}", "BIAS", 55000.3 + n / 1000, size=1, sha256="a") for n in range(3)))
    with archive.writing() as (connection, books):
        judge(connection, books, ["FAR0", "FAR1", "FAR2"], "certified", "somebody")
    then, before = now(archive), archive.associate("SCI", explain=True)
    assert chosen(before) == ["FAR0"]
    with archive.writing() as (connection, books):
        judge(connection, books, ["FAR0", "FAR1", "FAR2"], "rejected", "somebody")
        judge(connection, books, ["FAR1"], "hidden", "somebody")
    put(archive, make("FAR0", "BIAS", 55000.7, size=2, sha256="b", **{"DET.READ": "slow"}))
    with archive.connection() as connection:
        entry = {"mjdObs": 55000.6, "instrument": "TOY", "dpInstrument": "TOY"}
        add_breakpoints(connection, [entry | {"rawType": "ANY", "proCatg": "ANY", "doClass": "ANY"}])
    assert chosen(archive.associate("SCI")) == ["NEAR0"]
    past = archive.associate("SCI", explain=True, wish=Wish(as_of=then))
    assert shape(past.root) == shape(before.root)


def test_a_breakpoint_that_was_taken_back_later_was_in_force(archive: Index) -> None:
    entry = {"mjdObs": 55000.6, "instrument": "TOY", "dpInstrument": "TOY"}
    entry |= {"rawType": "ANY", "proCatg": "ANY", "doClass": "ANY"}
    with archive.connection() as connection:
        add_breakpoints(connection, [entry])
    then, before = now(archive), archive.associate("SCI", explain=True)
    assert chosen(before) == []
    with archive.connection() as connection:
        remove_breakpoints(connection, [entry])
    assert chosen(archive.associate("SCI")) == ["FAR0"]
    again = now(archive)
    with archive.connection() as connection:
        add_breakpoints(connection, [entry])
    assert chosen(archive.associate("SCI", wish=Wish(as_of=again))) == ["FAR0"]
    past = archive.associate("SCI", explain=True, wish=Wish(as_of=then))
    assert shape(past.root) == shape(before.root)


def test_the_rules_are_those_that_were_in_force(archive: Index) -> None:
    then, before = now(archive), archive.associate("SCI", explain=True)
    stricter = read_book(TOY.replace("DET.READ == DET.READ", "DET.READ == INS.FILT"), "toy.2000-01-01.oca")
    with archive.connection() as connection:
        activate(connection, library([stricter]))
    assert chosen(archive.associate("SCI")) == []
    past = archive.associate("SCI", explain=True, wish=Wish(as_of=then))
    assert (shape(past.root), past.checksum) == (shape(before.root), before.checksum)
    assert chosen(archive.associate("SCI")) == []


def test_an_excluded_frame_is_as_good_as_hidden_and_the_slot_says_so(archive: Index, make: MakeFrame) -> None:
    put(archive, *(make(f"NEAR{n}", "BIAS", 55000.3 + n / 1000) for n in range(3)))
    wish = Wish(exclude=frozenset({"NEAR0", "NEAR1", "NEAR2"}))
    tree = archive.associate("SCI", explain=True, wish=wish)
    slot = next(slot for slot in tree.root.slots if slot.label == "MASTER_BIAS")
    assert chosen(tree) == ["FAR0"]
    assert ("excluded by the request", 1) in [(each.clause, each.count) for each in slot.why.refused]
    assert "exclude=NEAR0" in tree.root.messages[0]


def test_asking_about_another_archive_changes_nothing(archive: Index, make: MakeFrame, dump: Dump) -> None:
    then = now(archive)
    put(archive, *(make(f"NEAR{n}", "BIAS", 55000.3 + n / 1000) for n in range(3)))
    before, answer = dump(), shape(archive.associate("SCI", explain=True).root)
    archive.associate("SCI", wish=Wish(as_of=then, exclude=frozenset({"FAR0"})))
    assert dump() == before
    assert shape(archive.associate("SCI", explain=True).root) == answer


def test_a_largest_age_refuses_what_is_farther(archive: Index) -> None:
    tree = archive.associate("SCI", explain=True, wish=Wish(max_age=0.4))
    slot = next(slot for slot in tree.root.slots if slot.label == "MASTER_BIAS")
    assert slot.chosen == ()
    assert ("farther than max_age = 0.4 d", 1) in [(each.clause, each.count) for each in slot.why.refused]
    assert chosen(archive.associate("SCI", wish=Wish(max_age=0.6))) == ["FAR0"]


def test_alternatives_are_the_next_best_in_order(archive: Index, make: MakeFrame) -> None:
    for n in range(12):
        put(archive, *(make(f"G{n:02}{m}", "BIAS", 55001.0 + n / 10 + m / 1000) for m in range(3)))
    slot = next(
        slot
        for slot in archive.associate("SCI", wish=Wish(alternatives=10)).root.slots
        if slot.label == "MASTER_BIAS"
    )
    assert [rival.name for rival in slot.why.rivals] == [f"G{n:02}0" for n in range(10)]
    assert len(slot.why.rivals) == 10


def test_a_preferred_kind_is_taken_slot_by_slot(archive: Index) -> None:
    keywords = {"INSTRUME": "TOY", "PRO.CATG": "MASTER_BIAS", "DET.READ": "fast", "MJD-OBS": 55000.9}
    put(archive, Frame("M.TOY.1", Header(keywords), certified=True))
    assert chosen(archive.associate("SCI", "Raw2Raw", wish=Wish(prefer="master"))) == ["M.TOY.1"]
    assert chosen(archive.associate("SCI", "Raw2Master", wish=Wish(prefer="raw"))) == ["FAR0"]
    assert archive.associate("SCI", "Raw2Master", wish=Wish(prefer="raw")).mode == "Raw2Master"
