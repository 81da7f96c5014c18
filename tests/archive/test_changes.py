"""What has changed since: never less than what asking everything again would show, and never more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.archive.books import activate
from app.archive.changelist import describe
from app.archive.changes import changes
from app.archive.database import connect
from app.archive.difference import difference
from app.archive.index import Index
from app.archive.quality import add_breakpoints, breakpoint_list, judge, remove_breakpoints
from app.archive.storing import store
from app.classify import Frame
from app.errors import RequestError
from app.rulebook import library, read_book
from app.tree import Mode, Tree, uncertified

MakeFrame = Callable[..., Frame]
TOY = (Path(__file__).parents[1] / "data/associate/toy.2000-01-01.oca").read_text()
# Flats without a limit in time are everybody's: with one, most changes concern nobody.
NEAR = TOY.replace(
    "inputFile.INS.FILT == INS.FILT;",
    "inputFile.INS.FILT == INS.FILT and MJD-OBS between inputFile.MJD-OBS - 5 and inputFile.MJD-OBS + 5;",
)


def put(index: Index, *frames: Frame) -> None:
    with index.writing() as (connection, books):
        store(connection, books, frames)


def say(index: Index, verdict: Any, *dp_ids: str) -> None:
    with index.writing() as (connection, books):
        judge(connection, books, dp_ids, verdict, "me", "seen")


def rule(index: Index, text: str) -> None:
    with index.connection() as connection:
        activate(connection, library([read_book(text, "toy.2000-01-01.oca")]))


def intervene(index: Index, mjd: float, kind: str = "ANY", say: Any = add_breakpoints) -> None:
    entry = {"mjdObs": mjd, "instrument": "TOY", "dpInstrument": "TOY", "rawType": kind}
    with index.connection() as connection:
        say(connection, [entry | {"proCatg": "ANY", "doClass": "ANY"}])


def now(index: Index) -> datetime:
    with index.connection() as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None and isinstance(row[0], datetime)
    return row[0]


def bias(make: MakeFrame, name: str, mjd: float, **more: Any) -> list[Frame]:
    return [make(f"{name}{n}", "BIAS", mjd + n / 1000, **more) for n in range(3)]


def flat(make: MakeFrame, name: str, mjd: float, **more: Any) -> list[Frame]:
    return [make(f"{name}{n}", "FLAT", mjd + n / 1000, **more) for n in range(2)]


@pytest.fixture
def archive(index: Index, make: MakeFrame) -> Index:
    """Two science frames half a year apart, each with bias and flat, under rules with windows."""
    rule(index, NEAR)
    for n, mjd in enumerate((55000.0, 55180.0)):
        put(index, make(f"SCI{n}X", "SCIENCE", mjd + 0.2))
        put(index, *bias(make, f"B{n}", mjd + 0.7), *flat(make, f"F{n}", mjd + 0.6))
    return index


def paths(index: Index, since: datetime, **more: Any) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    found = changes(index, since, **more).changed
    return {each.dp_id: [(s.path, s.what) for s in each.difference.slots] for each in found}


def test_nothing_has_changed_when_nothing_has_happened(archive: Index) -> None:
    found = changes(archive, now(archive))
    assert (found.changed, found.compared, found.next) == ((), 0, None)


def test_a_nearer_bias_changes_its_frame_at_both_places_and_says_so(archive: Index, make: MakeFrame) -> None:
    then = now(archive)
    put(archive, *bias(make, "NEW", 55000.65))
    found = changes(archive, then)
    (changed,) = found.changed
    assert changed.dp_id == "SCI0X"
    assert [(s.path, s.what) for s in changed.difference.slots] == [
        ("MASTER_BIAS", ("chosen",)),
        ("MASTER_FLAT/MASTER_BIAS", ("chosen",)),
    ]
    (before,), (after,) = changed.difference.slots[0].before, changed.difference.slots[0].after
    assert (before.dp_id, after.names) == ("B00", ("NEW0", "NEW1", "NEW2"))
    assert [(cause.what, cause.subject) for cause in changed.causes] == [
        ("ingested", "NEW0"),
        ("ingested", "NEW1"),
        ("ingested", "NEW2"),
    ]
    assert found.compared == 1, "the other frame is half a year away"
    assert changes(archive, found.until).changed == ()


def test_a_verdict_a_changed_file_and_another_bias_of_the_group_are_told_apart(
    archive: Index, make: MakeFrame
) -> None:
    then = now(archive)
    say(archive, "certified", "B00", "B01", "B02")
    assert ("MASTER_BIAS", ("certified",)) in paths(archive, then)["SCI0X"]
    then = now(archive)
    put(archive, make("F00", "FLAT", 55000.6, size=7, sha256="other"))
    assert paths(archive, then) == {"SCI0X": [("MASTER_FLAT", ("content",))]}
    then = now(archive)
    put(archive, make("F09", "FLAT", 55000.61, **{"TPL.START": "tF0"}))
    assert paths(archive, then) == {"SCI0X": [("MASTER_FLAT", ("files",))]}
    put(archive, make("TABLE", "", None, **{"PRO.CATG": "LINE_TABLE"}))
    then = now(archive)
    say(archive, "hidden", "B10", "B11", "B12")
    found = changes(archive, then)
    assert [(each.dp_id, each.difference.complete) for each in found.changed] == [("SCI1X", (True, False))]
    assert describe(found)["changes"][0]["causes"][0]["reason"] == "seen"


def test_a_bias_that_only_the_flat_can_reach_changes_the_science_frame(
    archive: Index, make: MakeFrame
) -> None:
    say(archive, "hidden", "F00", "F01", "B00", "B01", "B02")
    put(archive, *flat(make, "F5", 55004.5))
    then = now(archive)
    put(archive, *bias(make, "FAR", 55033.0))
    assert paths(archive, then) == {"SCI0X": [("MASTER_FLAT/MASTER_BIAS", ("chosen",))]}


@pytest.mark.parametrize("days", [-29.0, -3.0, 3.0, 29.0])
def test_a_bias_before_or_after_is_told_within_the_window(
    archive: Index, make: MakeFrame, days: float
) -> None:
    say(archive, "hidden", "B00", "B01", "B02", "F00", "F01")
    then = now(archive)
    put(archive, *bias(make, "NEW", 55000.2 + days))
    assert paths(archive, then) == {"SCI0X": [("MASTER_BIAS", ("chosen",))]}


@pytest.mark.parametrize(("days", "found"), [(-2.5, 1), (-4.0, 0), (19.0, 1), (21.0, 0)])
def test_a_window_that_is_longer_on_one_side_is_followed(
    archive: Index, make: MakeFrame, days: float, found: int
) -> None:
    rule(archive, NEAR.replace("MJD-OBS - 30", "MJD-OBS - 3").replace("MJD-OBS + 30", "MJD-OBS + 20"))
    say(archive, "hidden", "B00", "B01", "B02", "F00", "F01")
    then = now(archive)
    put(archive, *bias(make, "NEW", 55000.2 + days))
    assert len(changes(archive, then).changed) == found


def test_a_certified_bias_counts_behind_one_that_is_not(archive: Index, make: MakeFrame) -> None:
    then = now(archive)
    put(archive, *bias(make, "FAR", 55003.0, certified=True))
    assert ("MASTER_BIAS", ("chosen",)) in paths(archive, then)["SCI0X"]
    then = now(archive)
    put(archive, *bias(make, "MID", 55002.0))
    assert paths(archive, then) == {}


def test_a_science_frame_with_other_bytes_has_another_answer(archive: Index, make: MakeFrame) -> None:
    then = now(archive)
    put(archive, make("SCI0X", "SCIENCE", 55000.2, size=7, sha256="other"))
    assert paths(archive, then) == {"SCI0X": [(".", ("content",))]}


def test_a_new_science_frame_had_no_answer_that_could_change(archive: Index, make: MakeFrame) -> None:
    then = now(archive)
    put(archive, make("SCI0Y", "SCIENCE", 55000.3, **{"TPL.START": "tSCI9"}))
    assert paths(archive, then) == {}


def test_a_master_matters_once_it_is_certified_and_only_to_who_asks_for_masters(
    archive: Index, make: MakeFrame
) -> None:
    then = now(archive)
    for name, category in (("MB", "MASTER_BIAS"), ("MF", "MASTER_FLAT")):
        put(archive, make(name, "", 55000.5, **{"PRO.CATG": category}))
    assert paths(archive, then, mode="Raw2Master") == {}
    say(archive, "certified", "MB", "MF")
    assert paths(archive, then, mode="Raw2Raw") == {}
    for modes in ({}, {"mode": "Raw2Master"}):
        found = changes(archive, then, **modes)
        assert [(each.dp_id, each.asked, each.difference.mode) for each in found.changed] == [
            ("SCI0X", "Raw2Master", ("Raw2Raw", "Raw2Master"))
        ]


def test_where_raw_files_answer_for_masters_a_change_is_told_once(archive: Index, make: MakeFrame) -> None:
    then = now(archive)
    for n in range(3):
        put(archive, make(f"NEAR{n}", "BIAS", 55000.3 + n / 1000, **{"TPL.START": "tNEAR"}))
    found = changes(archive, then)
    assert found.modes == ("Raw2Raw", "Raw2Master")
    assert [(each.dp_id, each.asked) for each in found.changed] == [("SCI0X", "Raw2Raw")]
    (alone,) = changes(archive, then, mode="Raw2Master").changed
    assert (alone.asked, alone.difference.slots) == ("Raw2Master", found.changed[0].difference.slots)


def test_a_static_file_concerns_every_frame(archive: Index, make: MakeFrame) -> None:
    then = now(archive)
    put(archive, make("TABLE", "", None, **{"PRO.CATG": "LINE_TABLE"}))
    assert paths(archive, then) == {n: [("LINE_TABLE", ("chosen",))] for n in ("SCI0X", "SCI1X")}
    first = changes(archive, then, limit=1)
    assert ([each.dp_id for each in first.changed], first.next) == (["SCI0X"], "SCI0X")
    second = changes(archive, then, limit=1, after="SCI0X")
    assert ([each.dp_id for each in second.changed], second.next) == (["SCI1X"], None)
    assert changes(archive, then, instrument="TOY").compared == 2
    assert changes(archive, then, instrument="other").compared == 0


def test_an_intervention_and_other_rules_are_causes(archive: Index) -> None:
    then = now(archive)
    intervene(archive, 55000.5)
    found = changes(archive, then)
    assert [(each.dp_id, [c.what for c in each.causes]) for each in found.changed] == [
        ("SCI0X", ["breakpoint"])
    ]
    then = now(archive)
    rule(archive, NEAR.replace("recipe toy_flat", "recipe toy_other"))
    found = changes(archive, then)
    assert {each.dp_id: [s.what for s in each.difference.slots] for each in found.changed} == {
        "SCI1X": [("recipe",)]
    }
    assert {c.what for c in found.changed[0].causes} == {"rulebook activated", "rulebook retired"}
    then = now(archive)
    intervene(archive, 55000.5, say=remove_breakpoints)
    found = changes(archive, then)
    assert [(each.dp_id, [(c.what, c.subject) for c in each.causes]) for each in found.changed] == [
        ("SCI0X", [("breakpoint removed", "TOY 55000.5000 ANY ANY ANY")])
    ]


def test_more_than_may_be_undone_is_refused(archive: Index, make: MakeFrame) -> None:
    then = now(archive)
    put(archive, *bias(make, "NEW", 55000.65))
    with pytest.raises(RequestError, match=r"3 frames were ingested, .* at most 2 are undone per request"):
        changes(archive, then, most_undone=2)
    assert len(changes(archive, then, most_undone=None).changed) == 1


def test_asking_changes_nothing(archive: Index, make: MakeFrame, dump: Callable[[], Any]) -> None:
    then = now(archive)
    put(archive, *bias(make, "NEW", 55000.65))
    before = dump()
    changes(archive, then)
    assert dump() == before


# Around three science frames: inside and outside the windows of 5 and 30 days, and what only flats reach.
_MJD = st.builds(
    lambda science, days: science + days,
    st.sampled_from([55000.0, 55080.0, 55160.0]),
    st.sampled_from([-34.0, -29.0, -4.5, 0.1, 4.5, 29.0, 34.0]),
)
_OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("bias"), _MJD, st.sampled_from(["fast", "slow"])),
        st.tuples(st.just("flat"), _MJD, st.sampled_from(["J", "K"])),
        st.tuples(st.just("master"), _MJD, st.sampled_from(["MASTER_BIAS", "MASTER_FLAT"])),
        st.tuples(st.just("table"), _MJD, st.just("")),
        st.tuples(st.just("break"), _MJD, st.sampled_from(["ANY", "BIAS"])),
        st.tuples(st.just("no break"), st.just(0.0), st.just("")),
        st.tuples(st.sampled_from(["flat content", "science content"]), st.integers(0, 2), st.just("K")),
        st.tuples(
            st.sampled_from(["certified", "rejected", "hidden", "shown"]),
            st.integers(0, 8),
            st.just(""),
        ),
    ),
    max_size=5,
)


# Whole groups, which are certified with their last frame, and single frames.
_JUDGED = (
    ("B00", "B01", "B02"),
    ("B10", "B11", "B12"),
    ("F00", "F01"),
    ("F10", "F11"),
    ("F20", "F21"),
    ("B00",),
    ("F20",),
    ("S0X",),
    ("S2X",),
)


def _do(index: Index, frame: MakeFrame, number: int, operation: tuple[str, float, str]) -> None:
    what, where, detail = operation
    name = f"N{number}"
    match what:
        case "bias":
            put(index, *bias(frame, name, where, DET_READ=detail))
        case "flat":
            put(index, *flat(frame, name, where, INS_FILT=detail))
        case "master":
            put(index, frame(name, "", where, PRO_CATG=detail, certified=True))
        case "table":
            put(index, frame(name, "", None, PRO_CATG="LINE_TABLE"))
        case "break":
            intervene(index, where + number / 100, detail)
        case "no break":
            with index.connection() as connection:
                remove_breakpoints(connection, breakpoint_list(connection)[:1])  # the first, if there is one
        case "flat content":
            put(index, frame(f"F{where}0", "FLAT", 55004.0 + 80 * where, INS_FILT=detail))
        case "science content":
            put(index, frame(f"S{where}X", "SCIENCE", 55000.2 + 80 * where, size=1, sha256=name))
        case _:
            say(index, what, *_JUDGED[where])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(first=_OPERATIONS, then=_OPERATIONS, mode=st.sampled_from(["Raw2Raw", "Raw2Master"]))
def test_exactly_those_are_told_whose_answer_is_another_when_all_are_asked_again(
    make_database: Callable[[], str], make: MakeFrame, first: Any, then: Any, mode: Mode
) -> None:
    engine = connect(make_database(), pool_size=2)
    try:
        index = Index(engine)
        rule(index, NEAR)
        for n in range(3):
            put(index, make(f"S{n}X", "SCIENCE", 55000.2 + 80 * n), *flat(make, f"F{n}", 55004.0 + 80 * n))
            if n < 2:
                put(index, *bias(make, f"B{n}", 55000.7 + 80 * n))
        for number, operation in enumerate(first):
            _do(index, make, number, operation)
        moment, before = now(index), _all(index, mode)
        for number, operation in enumerate(then):
            _do(index, make, number + 10, operation)
        after = _all(index, mode)
        expected = {name: difference(before[name], after[name]) for name in before}
        told = {each.dp_id: each.difference for each in changes(index, moment, mode=mode).changed}
        assert told == {name: apart for name, apart in expected.items() if apart}
    finally:
        engine.dispose()


def _all(index: Index, mode: Mode) -> dict[str, Tree]:
    trees = {f"S{n}X": index.associate(f"S{n}X", mode) for n in range(3)}
    for tree in trees.values():
        assert tree.root.certified == (tree.root.action is not None and not uncertified(tree.root))
    return trees


def test_an_answer_names_the_calibrations_that_nobody_certified(archive: Index) -> None:
    assert uncertified(archive.associate("SCI0X").root) == ("B00", "F00")
    say(archive, "certified", "B00", "B01", "B02")
    assert uncertified(archive.associate("SCI0X").root) == ("F00",)
    say(archive, "certified", "F00", "F01")
    tree = archive.associate("SCI0X")
    assert (uncertified(tree.root), tree.root.certified) == ((), True)


def test_the_difference_of_an_answer_to_itself_is_nothing(archive: Index) -> None:
    tree = archive.associate("SCI0X")
    assert not difference(tree, archive.associate("SCI0X", explain=True))
