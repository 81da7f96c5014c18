from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.tree import (
    CALIB_PLAN,
    EXTENDED,
    NOT_APPLICABLE,
    Choice,
    File,
    Node,
    Product,
    Refusal,
    Rival,
    RuleRef,
    Slot,
    Step,
    Tree,
    Why,
)

DATA = Path(__file__).parents[1] / "data" / "formats"
BOOK = "uves.oca"
UNASKED = Why()


@pytest.fixture
def expected() -> Callable[[str, bytes], None]:
    """Compares with a reviewed file; `CALSEL_UPDATE_DATA=1 pytest tests/formats` writes it anew."""

    def check(name: str, written: bytes) -> None:
        path = DATA / name
        if os.environ.get("CALSEL_UPDATE_DATA"):
            path.write_bytes(written)
        assert written.decode() == path.read_bytes().decode()

    return check


def _raw(category: str, tag: str, day: int, minutes: range, **more: object) -> Node:
    made = tuple(
        File(
            f"UVES.2012-03-{day:02}T10:{minute:02}:00.000",
            tag,
            55987.0 + day + (600 + minute) / 1440,
            4_000_000,
        )
        for minute in minutes
    )
    return Node(category, made, certified=True, complete=True, **more)  # type: ignore[arg-type]


def _product(category: str, node: Node) -> Product:
    return Product(category, category, f"r.{node.files[0].dp_id}_{category.lower()}.fits")


def _slot(label: str, line: int, *chosen: Choice, why: Why = UNASKED, **more: object) -> Slot:
    values = {"minimum": 1, "maximum": 1, "auxiliary": False} | more
    return Slot(label, RuleRef(BOOK, line), chosen=chosen, why=why, **values)  # type: ignore[arg-type]


@pytest.fixture
def cascade() -> Tree:
    """A small invented UVES cascade: a shared bias, a static, an auxiliary, a gap, all the reasons."""
    bias = _raw("BIAS_RED", "BIAS_RED", 3, range(3), step=Step("uves_cal_mbias"), action="ACTION_BIAS")
    masters = tuple(_product(name, bias) for name in ("MASTER_BIAS_REDL", "MASTER_BIAS_REDU"))
    bias = replace(bias, products=masters)
    table = Node(
        "LINE_REFER_TABLE",
        (File("M.UVES.2010-01-01T00:00:00.000", "LINE_REFER_TABLE", None, 46080, "ab" * 32),),
        certified=True,
        complete=True,
        kind="file",
    )
    both = tuple(
        _slot(p.category, 40 + i, Choice(bias, p, CALIB_PLAN, 0.125, 0)) for i, p in enumerate(masters)
    )
    flat = _raw(
        "FLAT_RED",
        "FLAT_RED",
        2,
        range(5, 7),
        slots=both,
        step=Step("uves_cal_mflat", ("--norm_method=exptime",)),
        action="ACTION_FLAT",
        rule=RuleRef(BOOK, 12),
    )
    master = _product("MASTER_FLAT_REDL", flat)
    flat = replace(flat, products=(master,))
    sight = Node("ACQUISITION", (File("UVES.2012-03-04T01:00:00.000", "ACQ", 55991.04),), False, True)
    science = Node(
        "SCI_POINT",
        (File("UVES.2012-03-04T02:00:00.000", "SCI_POINT_RED", 55991.083, 9_000_000, "0f" * 32),),
        certified=True,
        complete=False,
        messages=('no ORDER_TABLE within ±1 d of "2012-03-04" & nearby',),
        slots=(
            _slot("MASTER_FLAT", 50, Choice(flat, master, EXTENDED, -1.5, 2)),
            *both,
            _slot("LINE_REFER_TABLE", 52, Choice(table, None, NOT_APPLICABLE, None)),
            _slot("ACQUISITION", 53, Choice(sight, None, NOT_APPLICABLE, -0.04), minimum=0, auxiliary=True),
            _slot(
                "ORDER_TABLE",
                54,
                why=Why(
                    needed="ORDER_TABLE with the same INS.GRAT2.WLEN",
                    seen=7,
                    surplus=0,
                    refused=(Refusal("inputFile.INS.GRAT2.WLEN==INS.GRAT2.WLEN", 7, 55),),
                    rivals=(
                        Rival("UVES.2012-03-01T10:00:00.000", -2.667, EXTENDED, certified=False, level=1),
                    ),
                    counted=True,
                ),
            ),
        ),
        step=Step("uves_obs_scired", ("--debug=FALSE",)),
        action="ACTION_SCIENCE",
        products=(Product("RED_SCIENCE", "RED_SCIENCE", "r.UVES.2012-03-04T02:00:00.000_0000.fits"),),
        rule=RuleRef(BOOK, 20),
    )
    return Tree(science.files[0].dp_id, "Raw2Master", "Raw2Raw", science, "uves-1", "c0ffee", 17)
