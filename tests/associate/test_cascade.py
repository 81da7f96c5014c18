"""The cascade on a real index: modes, windows, the reasons of every slot, what is never chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app.archive.index import Index
from app.archive.quality import add_breakpoints, judge
from app.classify import Frame
from app.errors import UnknownFrameError
from app.header import Header
from app.rulebook import Library, Rulebook, library, read_book
from app.tree import CALIB_PLAN, EXTENDED, NOT_APPLICABLE, Node, Slot, Tree

IndexOf = Callable[..., Index]
Fill = Callable[[Library, Sequence[Sequence[Frame]]], Index]
NIGHT = 55000.2


def raw(dp_id: str, kind: str, mjd: float | None = NIGHT, *, certified: bool = True, **more: Any) -> Frame:
    keywords: dict[str, Any] = {
        "INSTRUME": "TOY",
        "DPR.CATG": kind if kind in ("SCIENCE", "ACQUISITION") else "CALIB",
        "DPR.TYPE": kind,
        "DET.READ": "fast",
        "INS.FILT": "J",
        "TPL.START": f"t{dp_id[:-1]}",
        "OBS.ID": 1,
    }
    if mjd is not None:
        keywords["MJD-OBS"] = mjd
    keywords |= {key.replace("_", "."): value for key, value in more.items()}
    return Frame(dp_id, Header(keywords), certified=certified)


def master(
    dp_id: str, category: str, mjd: float | None = None, *, certified: bool = True, **more: Any
) -> Frame:
    keywords: dict[str, Any] = {"INSTRUME": "TOY", "PRO.CATG": category, "DET.READ": "fast", "INS.FILT": "J"}
    if mjd is not None:
        keywords["MJD-OBS"] = mjd
    keywords |= {key.replace("_", "."): value for key, value in more.items()}
    return Frame(dp_id, Header(keywords), certified=certified)


def biases(name: str, days: float, **more: Any) -> list[Frame]:
    """A bias template of two frames, so many days after the science frame."""
    return [raw(f"{name}{n}", "BIAS", NIGHT + days + n * 0.001, **more) for n in range(2)]


SCIENCE = raw("SCI1", "SCIENCE")
TABLE = master("M.TOY.1", "LINE_TABLE")
FLAT = raw("FLAT1", "FLAT", NIGHT + 1)
COMPLETE = [SCIENCE, TABLE, FLAT, *biases("BIAS", 0.5)]


def slot(tree: Tree | Node, label: str) -> Slot:
    node = tree.root if isinstance(tree, Tree) else tree
    return next(each for each in node.slots if each.label == label)


def chosen(each: Slot) -> list[str]:
    return [choice.node.files[0].dp_id for choice in each.chosen]


# --- the cascade ------------------------------------------------------------------------------


def test_virtual_products_lead_down_the_cascade_and_each_level_matches_its_own_parent(
    index_of: IndexOf,
) -> None:
    near_flat = biases("NEAR", 3.0)
    flat = raw("FLAT1", "FLAT", NIGHT + 3)
    tree = index_of(SCIENCE, TABLE, flat, *biases("BIAS", 0.5), *near_flat).associate("SCI1")
    assert (tree.mode, tree.root.category, tree.root.complete) == ("Raw2Raw", "SCI", True)
    assert chosen(slot(tree, "MASTER_BIAS")) == ["BIAS0"]
    (below,) = slot(tree, "MASTER_FLAT").chosen
    assert chosen(slot(below.node, "MASTER_BIAS")) == ["NEAR0"]
    assert below.product and below.product.name == "r.FLAT1_0000.fits"
    assert below.node.step and below.node.step.options == ("--degree=3",)


def test_a_node_that_two_parents_need_is_one_object(index_of: IndexOf) -> None:
    tree = index_of(*COMPLETE).associate("SCI1")
    (flat,) = slot(tree, "MASTER_FLAT").chosen
    assert slot(tree, "MASTER_BIAS").chosen[0].node is slot(flat.node, "MASTER_BIAS").chosen[0].node


def test_the_whole_template_answers_for_any_of_its_frames(index_of: IndexOf) -> None:
    second = raw("SCI2", "SCIENCE", NIGHT + 0.01)
    index = index_of(*COMPLETE, second)
    for dp_id in ("SCI1", "SCI2"):
        assert [file.dp_id for file in index.associate(dp_id).root.files] == ["SCI1", "SCI2"]


def test_what_is_missing_below_makes_every_parent_incomplete_and_says_so(index_of: IndexOf) -> None:
    tree = index_of(SCIENCE, TABLE, *biases("BIAS", 0.5, DET_READ="slow"), FLAT).associate("SCI1")
    (flat,) = slot(tree, "MASTER_FLAT").chosen
    assert not tree.root.complete and not flat.node.complete
    assert flat.node.messages == ("MASTER_BIAS: 1 needed, 0 found",)
    why = slot(flat.node, "MASTER_BIAS").why
    assert why.needed.startswith("PRO.CATG = MASTER_BIAS, DET.READ = fast, MJD-OBS from 54971.200")
    assert why.needed.endswith("; made by BIAS")


def test_an_association_that_is_switched_off_has_no_slot(index_of: IndexOf) -> None:
    labels = [each.label for each in index_of(*COMPLETE).associate("SCI1").root.slots]
    assert labels == ["MASTER_BIAS", "MASTER_FLAT", "LINE_TABLE", "ACQ"]


def test_auxiliary_raw_files_are_found_and_their_absence_is_no_fault(index_of: IndexOf) -> None:
    acquisitions = [raw(f"ACQ{n}", "ACQUISITION", NIGHT - n / 10, certified=False) for n in range(3)]
    tree = index_of(*COMPLETE, *acquisitions).associate("SCI1")
    aux = slot(tree, "ACQ")
    assert aux.auxiliary and chosen(aux) == ["ACQ0", "ACQ1"]
    assert aux.why.runner_up and aux.why.runner_up.name == "ACQ2"
    assert tree.root.certified and tree.root.complete


def test_raw_files_from_input_files_go_to_the_recipe(fill: Fill, toy: Rulebook) -> None:
    text = toy.text.replace("minRet = 0; maxRet = 2;", "minRet = 2; maxRet = 2;")
    book = read_book(text.replace("ACQ from rawFiles", "ACQ from inputFiles"), "toy.2000-01-01.oca")
    acquisitions = [raw(f"ACQ{n}", "ACQUISITION", NIGHT - n / 10, certified=False) for n in range(3)]
    tree = fill(library([book]), [[*COMPLETE, *acquisitions]]).associate("SCI1")
    pair = slot(tree, "ACQ")
    assert not pair.auxiliary and chosen(pair) == ["ACQ0", "ACQ1"]
    assert tree.root.complete and not tree.root.certified
    tree = fill(library([book]), [[*COMPLETE, *acquisitions[:1]]]).associate("SCI1")
    assert not tree.root.complete


def test_a_type_that_no_rule_offers_has_calselectors_message(index_of: IndexOf) -> None:
    tree = index_of(*COMPLETE).associate("BIAS0")
    assert tree.root.messages == ("No association could be established: this file type is not supported",)
    assert not tree.root.slots and not tree.root.complete


def test_an_unknown_dp_id_is_an_error(index_of: IndexOf) -> None:
    with pytest.raises(UnknownFrameError, match=r"'NONE' is not in this archive"):
        index_of(*COMPLETE).associate("NONE")


# --- windows and ranks ------------------------------------------------------------------------


def test_inside_the_plan_beats_near_and_certified(index_of: IndexOf) -> None:
    frames = [*biases("OUT", -2.1), *biases("IN", 3.9, certified=False)]
    each = slot(index_of(SCIENCE, TABLE, FLAT, *frames).associate("SCI1"), "MASTER_BIAS")
    assert [(c.match, c.level, round(c.days or 0, 1)) for c in each.chosen] == [(CALIB_PLAN, 0, 3.9)]
    assert each.why.runner_up and each.why.runner_up.name == "OUT0"
    assert (each.why.runner_up.match, each.why.runner_up.level) == (EXTENDED, 1)


def test_outside_the_plan_is_extended_and_outside_the_hard_window_is_nothing(index_of: IndexOf) -> None:
    index = index_of(SCIENCE, TABLE, FLAT, *biases("FAR", 29.0), *biases("GONE", 31.0))
    each = slot(index.associate("SCI1"), "MASTER_BIAS")
    assert (chosen(each), each.chosen[0].match, each.why.runner_up) == (["FAR0"], EXTENDED, None)
    assert slot(index.associate("SCI1"), "MASTER_FLAT").chosen[0].match == NOT_APPLICABLE


def test_certified_is_preferred_to_near(index_of: IndexOf) -> None:
    frames = [*biases("NEAR", 0.1, certified=False), *biases("FAR", 1.5)]
    each = slot(index_of(SCIENCE, TABLE, FLAT, *frames).associate("SCI1"), "MASTER_BIAS")
    assert chosen(each) == ["FAR0"]


def test_at_one_distance_the_earlier_wins_and_then_the_name(index_of: IndexOf) -> None:
    frames = [
        raw(f"{n}{m}", "FLAT", NIGHT + d) for n, d in (("AFTER", 1), ("B", -1), ("A", -1)) for m in (0,)
    ]
    each = slot(index_of(*frames, SCIENCE).associate("SCI1"), "MASTER_FLAT")
    assert chosen(each) == ["A0"]
    assert each.why.runner_up and each.why.runner_up.name == "B0"


def test_of_static_files_the_newest_is_taken(index_of: IndexOf) -> None:
    tables = [master(f"M.TOY.200{n}-01-01T00:00:00", "LINE_TABLE") for n in range(3)]
    each = slot(index_of(SCIENCE, *tables).associate("SCI1"), "LINE_TABLE")
    assert chosen(each) == ["M.TOY.2002-01-01T00:00:00"]
    assert each.chosen[0].days is None


MANY = """
if DPR.CATG == "SCIENCE" then {{ RAW.TYPE = "SCI"; EXPOSE_TO_CALSELECTOR = T; }}
select execute(SCI) from rawFiles where RAW.TYPE == "SCI";
action SCI {{ maxRet = {most}; select file as X from calibFiles where PRO.CATG == "X" {more};
  product R {{ PRO.CATG = "R"; }} }}
"""


@pytest.mark.parametrize("most", [1, 3, 8])
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(
    ("more", "near"),
    [
        ("", {"certified": False}),
        ("and A ?= 1", {"A": 2}),
        ("and MJD-OBS tryBetween inputFile.MJD-OBS - 50 and inputFile.MJD-OBS - 12", {}),
        ("and MJD-OBS tryBetween inputFile.MJD-OBS + 12 and inputFile.MJD-OBS + 50", {}),
        ("and inputFile.MJD-OBS tryBetween MJD-OBS + 12 and MJD-OBS + 50", {}),
        (
            "and MJD-OBS tryBetween inputFile.MJD-OBS - 50 and inputFile.MJD-OBS + 50 "
            "and MJD-OBS tryBetween inputFile.MJD-OBS - 50 and inputFile.MJD-OBS - 12",
            {},
        ),
        (
            "and MJD-OBS tryBetween inputFile.MJD-OBS + 30 and inputFile.MJD-OBS + 40 "
            "and MJD-OBS tryBetween inputFile.MJD-OBS + 12 and inputFile.MJD-OBS + 50",
            {},
        ),
        ("and inputFile.MJD-OBS between MJD-OBS - 50 and MJD-OBS - 12", {}),
    ],
    ids=[
        "certified",
        "refused",
        "plan-before",
        "plan-after",
        "plan-reversed",
        "stricter",
        "wider",
        "window-reversed",
    ],
)
def test_the_right_one_is_found_behind_many_that_are_nearer(
    fill: Fill, more: str, near: dict[str, Any], side: int, most: int
) -> None:
    book = read_book(MANY.format(more=more, most=most), "toy.2000-01-01.oca")
    close = [master(f"N{n:02}", "X", NIGHT + side * (1 + n / 10), **near) for n in range(20)]
    far = [master(f"F{n:02}", "X", NIGHT + way * (15 + n / 10)) for n in range(10) for way in (-1, 1)]
    far = [Frame(f"{f.dp_id}{'ba'[n % 2]}", f.header, certified=True) for n, f in enumerate(far)]
    every = [SCIENCE, *close, *far]
    each = slot(fill(library([book]), [every]).associate("SCI1"), "X")
    condition = book.actions["SCI"].wanted[0].condition
    given = dict(SCIENCE.header)

    def order(frame: Frame) -> tuple[int, bool, float, float, str]:
        days = float(frame.header["MJD-OBS"]) - NIGHT
        return (
            condition.level(dict(frame.header), given) or 0,
            not frame.certified,
            abs(days),
            days,
            frame.dp_id,
        )

    good = sorted((f for f in every[1:] if condition.test(dict(f.header), given, {})), key=order)
    assert chosen(each) == [frame.dp_id for frame in good[:most]]
    assert (each.why.runner_up.name if each.why.runner_up else None) == (
        good[most].dp_id if len(good) > most else None
    )


def test_many_at_one_time_are_ranked_by_name(fill: Fill) -> None:
    book = read_book(MANY.format(more="", most=1), "toy.2000-01-01.oca")
    same = [master(f"X{n:02}", "X", NIGHT + 1) for n in range(20)]
    for frames in (same, same[::-1]):
        each = slot(fill(library([book]), [[SCIENCE, *frames]]).associate("SCI1"), "X")
        assert chosen(each) == ["X00"]
        assert each.why.runner_up and each.why.runner_up.name == "X01"


# --- never chosen -----------------------------------------------------------------------------


def test_hidden_frames_are_never_chosen_and_counted_as_such(index_of: IndexOf) -> None:
    index = index_of(*COMPLETE, *biases("FAR", 1.5))
    with index.writing() as (connection, books):
        judge(connection, books, ["BIAS0", "BIAS1", "M.TOY.1"], "hidden", "test", "saturated")
    tree = index.associate("SCI1", explain=True)
    assert chosen(slot(tree, "MASTER_BIAS")) == ["FAR0"]
    assert chosen(slot(tree, "LINE_TABLE")) == []
    assert [(r.clause, r.count) for r in slot(tree, "LINE_TABLE").why.refused] == [
        ("hidden (bad quality)", 1)
    ]


def test_a_group_that_is_too_small_is_not_chosen(index_of: IndexOf) -> None:
    alone = raw("ALONE1", "BIAS", NIGHT + 0.1)
    tree = index_of(*COMPLETE, alone).associate("SCI1", explain=True)
    why = slot(tree, "MASTER_BIAS").why
    assert chosen(slot(tree, "MASTER_BIAS")) == ["BIAS0"]
    assert [(r.clause, r.count) for r in why.refused] == [("group smaller than its rule's minRet", 1)]


@pytest.mark.parametrize(
    ("kind", "category", "tag", "crossed"),
    [
        ("ANY", "ANY", "ANY", True),
        ("BIAS", "MASTER_BIAS", "BIAS_RAW", True),
        ("ANY", "MASTER_BIAS", "ANY", True),
        ("FLAT", "ANY", "ANY", False),
        ("BIAS", "MASTER_FLAT", "BIAS_RAW", False),
    ],
)
def test_no_association_crosses_a_breakpoint_of_its_kind(
    index_of: IndexOf, kind: str, category: str, tag: str, crossed: bool
) -> None:
    index = index_of(SCIENCE, TABLE, *biases("AFTER", 0.5), *biases("BEFORE", -1.5))
    entry = {"mjdObs": NIGHT + 0.3, "instrument": "TOY", "dpInstrument": "TOY"}
    entry |= {"rawType": kind, "proCatg": category, "doClass": tag}
    with index.connection() as connection:
        assert add_breakpoints(connection, [entry]) == 1
    each = slot(index.associate("SCI1", explain=True), "MASTER_BIAS")
    assert chosen(each) == (["BEFORE0"] if crossed else ["AFTER0"])
    assert any(r.clause == "breakpoint between the two times" for r in each.why.refused) == crossed


def test_a_breakpoint_of_another_instrument_separates_nothing(index_of: IndexOf) -> None:
    index = index_of(*COMPLETE)
    entry = {"mjdObs": NIGHT + 0.3, "instrument": "UVES", "dpInstrument": "UVES"}
    entry |= {"rawType": "ANY", "proCatg": "ANY", "doClass": "ANY"}
    with index.connection() as connection:
        add_breakpoints(connection, [entry])
    assert chosen(slot(index.associate("SCI1"), "MASTER_BIAS")) == ["BIAS0"]


# --- why --------------------------------------------------------------------------------------


def test_every_slot_knows_its_line_what_it_saw_and_what_each_clause_refused(index_of: IndexOf) -> None:
    frames = [*biases("SLOW", 0.2, DET_READ="slow"), *biases("GONE", 31.0), *biases("FAR", 2.0)]
    each = slot(index_of(*COMPLETE, *frames).associate("SCI1", explain=True), "MASTER_BIAS")
    assert str(each.rule) == "toy.2000-01-01.oca:33"
    assert (each.why.seen, each.why.surplus) == (4, 1)
    assert [(r.clause, r.count, r.line) for r in each.why.refused] == [
        ("inputFile.DET.READ == DET.READ", 1, 34),
        ("MJD-OBS between inputFile.MJD-OBS - 30 and inputFile.MJD-OBS + 30", 1, 35),
    ]
    assert each.chosen[0].days == pytest.approx(0.5)


def test_an_empty_slot_says_what_would_have_to_exist_even_for_odd_clauses(fill: Fill) -> None:
    book = read_book(MANY.format(more="and A ?= 2 and inputFile.GONE == B", most=1), "toy.2000-01-01.oca")
    why = slot(fill(library([book]), [[SCIENCE]]).associate("SCI1"), "X").why
    assert why.needed == "PRO.CATG = X, B = undefined: no file can match, A ?= 2"


# --- modes ------------------------------------------------------------------------------------

MASTERS = [master("MB", "MASTER_BIAS", NIGHT + 1), master("MF", "MASTER_FLAT", NIGHT + 1)]


def test_raw2raw_takes_no_master_and_raw2master_no_raw_frames(index_of: IndexOf) -> None:
    index = index_of(*COMPLETE, *MASTERS)
    raws, masters = index.associate("SCI1"), index.associate("SCI1", "Raw2Master")
    assert chosen(slot(raws, "MASTER_BIAS")) == ["BIAS0"]
    assert (masters.asked, masters.mode) == ("Raw2Master", "Raw2Master")
    assert chosen(slot(masters, "MASTER_BIAS")) == ["MB"] and chosen(slot(masters, "MASTER_FLAT")) == ["MF"]
    assert chosen(slot(masters, "LINE_TABLE")) == chosen(slot(raws, "LINE_TABLE")) == ["M.TOY.1"]


@pytest.mark.parametrize(
    "masters", [MASTERS[:1], [MASTERS[0], master("U", "MASTER_FLAT", NIGHT, certified=False)]]
)
def test_where_a_required_master_is_missing_raw2raw_answers_and_says_why(
    index_of: IndexOf, masters: list[Frame]
) -> None:
    tree = index_of(*COMPLETE, *masters).associate("SCI1", "Raw2Master")
    assert (tree.asked, tree.mode) == ("Raw2Master", "Raw2Raw")
    assert chosen(slot(tree, "MASTER_BIAS")) == ["BIAS0"]
    assert tree.root.messages == (
        "Raw2Master was asked for, but MASTER_FLAT has no certified master (1 needed, 0 found): "
        "Raw2Raw answers instead",
    )


def test_a_missing_static_is_no_reason_to_fall_back(index_of: IndexOf) -> None:
    tree = index_of(SCIENCE, *MASTERS).associate("SCI1", "Raw2Master")
    assert tree.mode == "Raw2Master" and not tree.root.complete
    assert tree.root.messages == ("LINE_TABLE: 1 needed, 0 found",)


def test_the_root_is_certified_when_all_calibrations_below_are(index_of: IndexOf) -> None:
    science = raw("SCI1", "SCIENCE", certified=False)
    assert index_of(science, *COMPLETE[1:]).associate("SCI1").root.certified
    assert (
        not index_of(science, *COMPLETE[1:3], *biases("BIAS", 0.5, certified=False))
        .associate("SCI1")
        .root.certified
    )


# --- cycles -----------------------------------------------------------------------------------

CYCLE = """
if DPR.CATG == "SCIENCE" then { RAW.TYPE = "SCI"; EXPOSE_TO_CALSELECTOR = T; }
if DPR.TYPE is string then { K = DPR.TYPE; }
select execute(SCI) from rawFiles where RAW.TYPE == "SCI";
select execute(A) from rawFiles where K == "A";
select execute(A) from rawFiles where K == "A" group by TPL.START;
select execute(B) from rawFiles where K == "B";
action A { select file as B from calibFiles where PRO.CATG == "MB"; product P { PRO.CATG = "MA"; } }
action B { select file as A from calibFiles where PRO.CATG == "MA"; product P { PRO.CATG = "MB"; } }
action SCI { select file as A from calibFiles where PRO.CATG == "MA";
             select file as B from calibFiles where PRO.CATG == "MB"; product P { PRO.CATG = "R"; } }
"""


def test_a_group_that_needs_itself_is_refused_and_told(fill: Fill) -> None:
    book = read_book(CYCLE, "toy.2000-01-01.oca")
    index = fill(library([book]), [[SCIENCE, raw("A1", "A"), raw("B1", "B")]])
    tree = index.associate("SCI1", explain=True)
    for label, other in (("A", "B"), ("B", "A")):
        (top,) = slot(tree, label).chosen
        (middle,) = slot(top.node, other).chosen
        end = slot(middle.node, label)
        assert end.chosen == ()
        assert [r.clause for r in end.why.refused] == ["needs the product it would calibrate (cycle)"]
    assert not tree.root.complete
