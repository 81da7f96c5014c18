"""A small invented answer for the OpenAPI page; the formats write it, so the page shows what they write."""

from __future__ import annotations

from app.tree import CALIB_PLAN, NOT_APPLICABLE, Choice, File, Node, Product, RuleRef, Slot, Step, Tree, Why

DP_ID = "UVES.2012-03-12T04:49:17.000"
_BOOK = "uves.2004-10-14.oca"


def example() -> Tree:
    """One science frame with a bias group, a line table, and a flat field that was not found."""
    bias = Node(
        "BIAS_BLUE",
        tuple(
            File(f"UVES.2012-03-12T10:0{i}:00.000", "BIAS_BLUE", 55998.4167 + i / 1440, 9_164_160, None)
            for i in range(2)
        ),
        certified=True,
        complete=True,
        action="ACTION_BIAS_BLUE",
        step=Step("uves_cal_mbias"),
        products=(Product("MASTER_BIAS_BLUE", "MASTER_BIAS_BLUE", "masterbias_blue.fits"),),
        rule=RuleRef(_BOOK, 41),
    )
    lines = Node(
        "LINE_REFER_TABLE",
        (File("M.UVES.2009-11-05T10:00:00.001", "LINE_REFER_TABLE", None, 46_080),),
        certified=True,
        complete=True,
        kind="file",
    )
    needed = "PRO.CATG = MASTER_FLAT_BLUE, INS.GRAT1.WLEN = 390.0; made by ACTION_FLAT_BLUE"
    slots = (
        _slot("MASTER_BIAS_BLUE", 60, Choice(bias, bias.products[0], CALIB_PLAN, 0.216, 0)),
        _slot("LINE_REFER_TABLE", 66, Choice(lines, None, NOT_APPLICABLE, None)),
        Slot("MASTER_FLAT_BLUE", RuleRef(_BOOK, 72), 1, 1, False, (), Why(needed, counted=True)),
    )
    science = Node(
        "SCI_POINT_ECH_BLUE",
        (File(DP_ID, "SCIENCE_BLUE", 55998.2009, 9_164_160),),
        certified=True,
        complete=False,
        slots=slots,
        action="ACTION_SCIENCE_BLUE",
        step=Step("uves_obs_scired"),
        rule=RuleRef(_BOOK, 50),
    )
    return Tree(DP_ID, "Raw2Raw", "Raw2Raw", science, _BOOK, "5d0c…", 12)


def _slot(label: str, line: int, choice: Choice) -> Slot:
    return Slot(label, RuleRef(_BOOK, line), 1, 1, False, (choice,), Why(label, seen=1, counted=True))
