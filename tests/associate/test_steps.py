"""An action that reads what another action makes of the same frames: a step of one reduction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app.archive.index import Index
from app.classify import Frame
from app.formats import sof
from app.header import Header
from app.rulebook import Library, library, read_book
from app.tree import Slot, Tree

BOOK = """
if DPR.CATG == "SCIENCE" then { RAW.TYPE = "SCI"; DO.CATG = "OBJECT"; EXPOSE_TO_CALSELECTOR = T; }
if DPR.TYPE == "BIAS" then { RAW.TYPE = "BIAS"; DO.CATG = "BIAS"; }
if PRO.CATG is string then { DO.CATG = PRO.CATG; }
select execute(CUBE) from rawFiles where RAW.TYPE == "SCI" group by ARCFILE;
select execute(TABLE) from rawFiles where RAW.TYPE == "SCI" group by ARCFILE;
select execute(BIAS) from rawFiles where RAW.TYPE == "BIAS" group by TPL.START;
action BIAS { recipe toy_bias; product B { PRO.CATG = "MASTER_BIAS"; } }
action TABLE
{
  select file as MASTER_BIAS from calibFiles
    where PRO.CATG == "MASTER_BIAS" and inputFile.INSTRUME == INSTRUME;
  recipe toy_table;
  product T { PRO.CATG = "PIXTABLE"; }
}
action CUBE
{
  select file as PIXTABLE from calibFiles where PRO.CATG == "PIXTABLE" and inputFile.MJD-OBS == MJD-OBS;
  recipe toy_cube;
  product C { PRO.CATG = "CUBE"; }
}
"""
Fill = Callable[[Library, Sequence[Sequence[Frame]]], Index]


def frame(dp_id: str, mjd: float, *, certified: bool = True, **more: Any) -> Frame:
    keywords = {"INSTRUME": "TOY", "MJD-OBS": mjd, "ARCFILE": dp_id, "TPL.START": "t"}
    more = {key.replace("_", "."): value for key, value in more.items()}
    return Frame(dp_id, Header({**keywords, **more}), certified=certified)


FIRST = frame("SCI1", 55000.1, DPR_CATG="SCIENCE", certified=False)
SECOND = frame("SCI2", 55000.2, DPR_CATG="SCIENCE", certified=False)
BIAS = frame("BIAS1", 55000.5, DPR_TYPE="BIAS")
MASTER = frame("MB", 55000.6, PRO_CATG="MASTER_BIAS")


@pytest.fixture
def index_of(fill: Fill) -> Callable[..., Index]:
    book = library([read_book(BOOK, "toy.2000-01-01.oca")])
    return lambda *frames: fill(book, [frames])


def step(tree: Tree) -> Slot:
    (slot,) = tree.root.slots
    return slot


def below(tree: Tree) -> list[str]:
    (choice,) = step(tree).chosen
    return [choice.node.files[0].dp_id for slot in choice.node.slots for choice in slot.chosen]


@pytest.mark.parametrize("dp_id", ["SCI1", "SCI2"])
def test_each_exposure_is_answered_with_the_step_of_its_own_and_what_that_needs(
    index_of: Callable[..., Index], dp_id: str
) -> None:
    tree = index_of(FIRST, SECOND, BIAS).associate(dp_id)
    assert (tree.root.action, tree.root.complete) == ("CUBE", True)
    assert step(tree).own
    assert [choice.node.files[0].dp_id for choice in step(tree).chosen] == [dp_id]
    assert below(tree) == ["BIAS1"]


def test_the_recipe_reads_the_product_of_the_step_instead_of_the_frame(
    index_of: Callable[..., Index],
) -> None:
    runs = sof.steps(index_of(FIRST, BIAS).associate("SCI1"))
    assert [(run.recipe, run.lines) for run in runs] == [
        ("toy_bias", ("BIAS1.fits BIAS",)),
        ("toy_table", ("SCI1.fits OBJECT", "r.BIAS1_MASTER_BIAS.fits MASTER_BIAS")),
        ("toy_cube", ("r.SCI1_PIXTABLE.fits PIXTABLE",)),
    ]


def test_with_masters_the_step_is_carried_out_all_the_same(index_of: Callable[..., Index]) -> None:
    made_before = frame("P", 55000.1, PRO_CATG="PIXTABLE")
    tree = index_of(FIRST, BIAS, MASTER, made_before).associate("SCI1", "Raw2Master")
    assert tree.mode == "Raw2Master"
    assert below(tree) == ["MB"]


def test_a_master_that_is_missing_below_the_step_is_missing(index_of: Callable[..., Index]) -> None:
    tree = index_of(FIRST, BIAS).associate("SCI1", "Raw2Master")
    assert (tree.mode, below(tree)) == ("Raw2Raw", ["BIAS1"])
    assert tree.root.messages[0].startswith(
        "Raw2Master was asked for, but MASTER_BIAS has no certified master"
    )


@pytest.mark.parametrize("certified", [True, False])
def test_the_calibrations_below_a_step_certify_the_root_not_the_science_frame(
    index_of: Callable[..., Index], certified: bool
) -> None:
    bias = frame("BIAS1", 55000.5, DPR_TYPE="BIAS", certified=certified)
    assert index_of(FIRST, bias).associate("SCI1").root.certified is certified
