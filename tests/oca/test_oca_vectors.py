"""Headers and what the installed rule files make of them, with the lines of the rules that fire."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.header import Maybe
from app.oca.evaluate import EMPTY, compile_test, compile_value
from app.oca.parser import load
from app.oca.syntax import RuleFile
from app.oca.terms import Compare, Expr, Key, Like, Text, children

Installed = Callable[[str], Path]
Keywords = dict[str, Maybe]


def classify(rules: RuleFile, header: Keywords) -> tuple[list[int], Keywords]:
    """Run all rules, the last assignment wins, and conditions see what earlier rules assigned."""
    fired, derived, keywords = [], {}, dict(header)
    for rule in rules.class_rules:
        if compile_test(rule.condition)(keywords, EMPTY, EMPTY):
            fired.append(rule.pos.line)
            for assign in rule.assigns:
                derived[assign.key] = keywords[assign.key] = compile_value(assign.value)(
                    keywords, EMPTY, EMPTY
                )
    return fired, derived


def raw(catg: str, kind: str, tech: str | None = None, **more: Maybe) -> Keywords:
    header: Keywords = {"DPR.CATG": catg, "DPR.TYPE": kind}
    if tech:
        header["DPR.TECH"] = tech
    return header | {key.replace("_", "."): value for key, value in more.items()}


FLAT = raw("CALIB", "FLAT,LAMP", "IFU", INS_OPTI1_NAME="Blue") | {"TPL.ID": "MUSE_wfm_cal_specflat"}
ERROR: Keywords = {"PRO.CATG": "ERR_MWXB_SCI_RAW_REDL"}
SOLAR: Keywords = {
    "RAW.TYPE": "SOLAR_SPEC_ECH_BLUE",
    "DO.CLASS": "SCI_EXTND_BLUE",
    "PACK.DIR": "NONE",
    "CATG": "CALIB",
}
ACQUISITION: Keywords = {"DPR.CATG": "ACQUISITION", "INS.MODE": "SPCIMG"}

VECTORS: list[tuple[str, Keywords, list[int], Keywords]] = [
    ("uves", raw("CALIB", "BIAS", DET_CHIPS=1), [10], {"DO.CATG": "BIAS_BLUE"}),
    (
        "uves",
        raw("CALIB", "BIAS,DETCHAR", DET_CHIPS=2),
        [14, 32],
        {"DO.CATG": "OFF_RAW", "RAW.TYPE": "LINEARITY_RED_DETCHAR"},
    ),
    ("uves", raw("CALIB", "OBJECT,EXTENDED", "ECHELLE", DET_CHIPS=1), [421], SOLAR),
    ("uves", ERROR, [1564, 1572, 1588], {"DO.CATG": "ERR_MWXB_SCI_RAW_REDL"}),
    ("muse", FLAT, [114], {"DO.CATG": "FLAT", "INS.OPTI1.FILTER": True}),
    ("muse", raw("SCIENCE", "OBJECT", "IFU"), [217], {"DO.CATG": "OBJECT", "INS.OPTI1.FILTER": False}),
    ("giraf", raw("CALIB", "BIAS", "IMAGE"), [26], {"DO.CATG": "BIAS"}),
    ("giraf", raw("SCIENCE", "OBJECT,SimCal", "MOS"), [81], {"DO.CATG": "SCIENCE"}),
    ("hawki", raw("SCIENCE", "OBJECT", "IMAGE", INSTRUME="HAWKI"), [33, 53], {"DO.CATG": "OBJECT"}),
    ("visir", ACQUISITION, [5], {"DO.CATG": "ACQUISITION"}),
    ("visir", ACQUISITION | {"INS.SLIT1.NAME": "OPEN"}, [5, 9], {"DO.CATG": "ACQ_OBS_CHO_NOD_JIT"}),
    ("visir", {"PRO.CATG": "ANY_THING"}, [385], {"DO.CATG": "ANY_THING"}),
    ("naco", {"PRO.CATG": "ANY_THING"}, [238], {"DO.CATG": "ANY_THING"}),
    ("naco", raw("CALIB", "DARK", "IMAGE"), [26], {"DO.CATG": "CAL_DARK"}),
    ("amber", raw("CALIB", "3P2V"), [9], {"DO.CATG": "AMBER_3P2V"}),
]


@pytest.mark.parametrize(("instrument", "header", "lines", "derived"), VECTORS)
def test_header_is_classified_by_these_rules(
    instrument: str, header: Keywords, lines: list[int], derived: Keywords, installed: Installed
) -> None:
    assert classify(load(installed(instrument)), header) == (lines, derived)


RENAMED = {"DETECTOR_BPM_REDUCED": "BADPIX_REDUCED", "DETECTOR_FFM_REDUCED": "FLATFIELD_REDUCED"}


def categories_of(expr: Expr) -> list[str]:
    match expr:
        case Compare("==", Key("PRO.CATG"), Text(category)) | Like(Key("PRO.CATG"), Text(category)):
            return [category.strip("%")]
        case _:
            return [category for child in children(expr) for category in categories_of(child)]


@pytest.mark.parametrize(
    ("instrument", "count"),
    [("amber", 11), ("giraf", 21), ("hawki", 58), ("muse", 30), ("uves", 292), ("vimos", 41)],
)
def test_product_of_each_category_is_classified_as_that_category(
    instrument: str, count: int, installed: Installed
) -> None:
    rules = load(installed(instrument))
    categories = {category for rule in rules.class_rules for category in categories_of(rule.condition)}
    header: Keywords = {"INSTRUME": instrument.upper()}
    named = {
        category: classify(rules, header | {"PRO.CATG": category})[1]["DO.CATG"] for category in categories
    }
    assert named == {category: RENAMED.get(category, category) for category in categories}
    assert len(categories) == count
