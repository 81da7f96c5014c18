from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from app.archive.index import Index
from app.archive.quality import judge
from app.archive.storing import Stored, store
from app.classify import Frame
from app.header import Header

MakeFrame = Callable[..., Frame]
Dump = Callable[[], dict[str, list[Any]]]


def put(index: Index, *frames: Frame) -> Stored:
    with index.writing() as (connection, books):
        return store(connection, books, frames)


def revision(index: Index) -> int:
    with index.connection() as connection:
        return index.rules(connection).revision


@pytest.fixture
def trio(make: MakeFrame) -> list[Frame]:
    return [make(f"BIAS{n}", "BIAS", 55000.0 + n / 100, size=10, sha256=f"{n}") for n in range(3)]


def test_storing_twice_changes_nothing_not_even_the_revision(
    index: Index, trio: list[Frame], dump: Dump
) -> None:
    assert put(index, *trio) == Stored(new=3)
    before, number = dump(), revision(index)
    assert put(index, *trio) == Stored(unchanged=3)
    assert (dump(), revision(index)) == (before, number)


def test_the_frames_of_a_template_may_come_one_by_one_in_any_order(
    index: Index, trio: list[Frame], dump: Dump
) -> None:
    seen = []
    for order in permutations(trio):
        for frame in order:
            put(index, frame)
        seen.append(dump())
        with index.connection() as connection:
            connection.execute("TRUNCATE frame CASCADE")
            connection.execute("DELETE FROM frame_group")
    assert all(each == seen[0] for each in seen)
    assert seen[0]["groups"][0][6] == ["BIAS0", "BIAS1", "BIAS2"]


def test_a_template_grows_from_too_small_to_complete(index: Index, trio: list[Frame], dump: Dump) -> None:
    states = []
    for frame in trio:
        put(index, frame)
        states.append([state for _, _, _, _, state, _, _ in dump()["groups"]])
    assert states == [[2], [0], [0]]


def test_a_changed_header_is_updated_everywhere_and_leaves_its_old_group(
    index: Index, trio: list[Frame], make: MakeFrame, dump: Dump
) -> None:
    put(index, *trio)
    moved = make("BIAS0", "FLAT", 55000.0, size=10, sha256="0")
    assert put(index, moved) == Stored(changed=1)
    found = dump()
    assert [(row[1], row[6]) for row in found["groups"]] == [
        ("BIAS", ["BIAS1", "BIAS2"]),
        ("FLAT", ["BIAS0"]),
    ]
    assert found["classified"][0][:3] == ("BIAS0", "FLAT_RAW", "FLAT")


def test_an_index_that_was_changed_is_as_one_that_was_always_so(
    index: Index, trio: list[Frame], make: MakeFrame, dump: Dump
) -> None:
    put(index, *(make(frame.dp_id, "FLAT", 55009.0, DET_READ="old") for frame in trio), *trio[:1])
    put(index, *trio)
    changed = dump()
    with index.connection() as connection:
        connection.execute("TRUNCATE frame CASCADE")
        connection.execute("DELETE FROM frame_group")
    put(index, *trio)
    assert dump() == changed


def test_other_bytes_under_an_equal_header_are_a_change_and_cost_the_certification(
    index: Index, trio: list[Frame], dump: Dump
) -> None:
    put(index, *(replace(frame, certified=True) for frame in trio))
    assert put(index, replace(trio[0], sha256="other")) == Stored(changed=1)
    assert [row[3] for row in dump()["frames"]] == [False, True, True]


def test_a_hidden_frame_stays_hidden_when_its_file_changes(
    index: Index, trio: list[Frame], dump: Dump
) -> None:
    put(index, *trio)
    with index.writing() as (connection, books):
        judge(connection, books, ["BIAS0"], "hidden", "me")
    put(index, replace(trio[0], sha256="other"))
    found = dump()
    assert [row[4] for row in found["frames"]] == [True, False, False]
    assert found["groups"][0][6] == ["BIAS1", "BIAS2"]


def test_a_file_that_moved_is_found_at_its_new_place_and_nothing_else_changes(
    index: Index, trio: list[Frame], dump: Dump
) -> None:
    put(index, *trio)
    before = dump()
    assert put(index, replace(trio[0], path="/new", mtime_ns=5)) == Stored(unchanged=1)
    assert dump() == before
    with index.connection() as connection:
        assert connection.execute("SELECT path, mtime_ns FROM frame WHERE dp_id = 'BIAS0'").fetchone() == (
            "/new",
            5,
        )


def test_of_one_dp_id_twice_in_a_batch_the_last_counts(index: Index, make: MakeFrame, dump: Dump) -> None:
    assert put(index, make("A1", "BIAS"), make("A1", "FLAT")) == Stored(new=1)
    assert [row[1] for row in dump()["classified"]] == ["FLAT_RAW"]


def test_a_batch_that_fails_leaves_nothing(index: Index, trio: list[Frame], dump: Dump) -> None:
    before = dump()
    bad = Frame("BAD", Header({"INSTRUME": "TOY", "MJD-OBS": 55000.0}), size=2**70)
    with pytest.raises(Exception, match="out of range"):
        put(index, *trio, bad)
    assert dump() == before


def test_a_frame_of_another_instrument_is_kept_whole_and_classified_by_nobody(
    index: Index, dump: Dump
) -> None:
    put(index, Frame("X", Header({"INSTRUME": "OTHER", "ODD.KEY": 1, "MJD-OBS": 1.0})))
    found = dump()
    assert found["frames"][0][1] == {"INSTRUME": "OTHER", "ODD.KEY": 1, "MJD-OBS": 1.0}
    assert found["classified"] == found["groups"] == found["keys"] == []


def test_the_header_is_kept_in_the_order_of_the_file_and_the_hot_part_holds_what_rules_name(
    index: Index, make: MakeFrame, dump: Dump
) -> None:
    put(index, make("B1", "BIAS", DO_CLASS="d", ZZZ=1, AAA=2.0))
    _, hot, text, _, _ = dump()["frames"][0]
    assert text.endswith('"ZZZ":1,"AAA":2.0}')
    assert "ZZZ" not in hot and hot["DET.READ"] == "fast"
    assert hot["DO.CLASS"] == "d"  # no rule names it, but it names the frame


def test_a_virtual_product_is_found_by_its_first_frames_start_and_mid_exposure(
    index: Index, make: MakeFrame, dump: Dump
) -> None:
    put(index, make("B1", "BIAS", 55000.0, EXPTIME=864.0))
    assert {row[2:4] for row in dump()["keys"] if row[7] is not None} == {(55000.005, 55000.0)}


def test_a_header_alone_changes_nothing_of_a_frame_whose_file_is_known(index: Index) -> None:
    file = Frame("TOY.1", Header({"INSTRUME": "TOY", "A": 1}), size=2880, sha256="aa", path="/a.fits")
    with index.writing() as (connection, books):
        store(connection, books, [file])
        outcome = store(connection, books, [Frame("TOY.1", Header({"INSTRUME": "TOY", "A": 2}))])
        path = connection.execute("SELECT path FROM frame WHERE dp_id = 'TOY.1'").fetchone()
    assert outcome == Stored(unchanged=1)
    assert path == ("/a.fits",)


def test_the_history_tells_that_a_changed_file_lost_its_certification(index: Index) -> None:
    header = Header({"INSTRUME": "TOY"})
    with index.writing() as (connection, books):
        store(connection, books, [Frame("TOY.1", header, 2880, "aa", "/a.fits", certified=True)])
        store(connection, books, [Frame("TOY.1", header, 2880, "bb", "/a.fits")])
        events = connection.execute("SELECT verdict, who, reason FROM quality_event").fetchall()
    assert events == [("rejected", "ingest", "the content has changed")]
