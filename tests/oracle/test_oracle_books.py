"""Books and archives made by dice: the service over PostgreSQL and the naive reading give the same trees."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opinions import Opinions

from app.archive.database import connect
from app.archive.index import Index
from app.classify import Frame
from app.header import Header, Value
from app.tree import Mode

RAW = ["SCI", "FLAT", "BIAS", "ARC"]
MASTERS = ["MASTER_FLAT", "MASTER_BIAS", "WAVE", "TABLE", "MASK"]  # Dice decide which an action makes.
MODES: tuple[Mode, ...] = ("Raw2Raw", "Raw2Master")
KEYS = ["INS.A", "INS.B", "TPL.START", "OBS.ID"]


def book(dice: random.Random) -> str:
    made = {kind: dice.sample(MASTERS[:4], dice.choice([1, 1, 2])) for kind in RAW[1:]}
    made["SCI"] = ["REDUCED"]
    lines = ["// INSTRUME: X"]
    for kind in RAW:
        exposed = "EXPOSE_TO_CALSELECTOR = T;" if kind == "SCI" or dice.random() < 0.3 else ""
        lines.append(f'if DPR.TYPE == "{kind}" then {{ RAW.TYPE = "{kind}"; DO.CATG = "{kind}"; {exposed} }}')
    lines.append("if PRO.CATG is string and VIRTUAL is undefined then { DO.CATG = PRO.CATG; }")
    if dice.random() < 0.5:
        lines.append('if INS.B == "x" then { INS.C = INS.A + 1; }')
    for kind in RAW:
        # Two actions on the same frames: the first one asks for what the other makes.
        steps = ["", "_STEP"] if dice.random() < 0.3 else [""]
        for step in steps:
            lines += _organisation(dice, kind, step)
        for step in steps:
            promised = [f"STEP_{kind}"] if step else made[kind]
            lines += _action(dice, kind, step, promised, wants_step=not step and len(steps) == 2)
    return "\n".join(lines)


def _organisation(dice: random.Random, kind: str, step: str) -> list[str]:
    condition = f'RAW.TYPE == "{kind}"'
    condition = dice.choice(
        [condition] * 4
        + [
            f"SIG.FRAME == 1 and {condition}",
            f"SIG.TEMPLATE == 1 and {condition}",
            f'SIG.TEMPLATE == 1 and LF.DO.CATG == "{kind}"',
            f"{condition} and not INS.A == 3",
        ]
    )
    keys = dice.sample(KEYS[:3], dice.choice([0, 1, 2, 3]))
    grouped = f"group by {', '.join(keys)} as (TPL_A, tpl)" if keys else ""
    limits = dice.choice(["", "", "minRet = 2;", "minRet = 3; maxRet = 9;"])
    return [limits, f"select execute(ACTION_{kind}{step}) from rawFiles where {condition} {grouped};"]


def _action(dice: random.Random, kind: str, step: str, promised: list[str], wants_step: bool) -> list[str]:
    lines = [f"action ACTION_{kind}{step} {{"]
    if wants_step:
        lines.append(
            f'select file as STEP from calibFiles where PRO.CATG == "STEP_{kind}"'
            " and inputFile.MJD-OBS == MJD-OBS;"
        )
    for number in range(dice.choice([0, 1, 2, 3]) if kind != "SCI" else 4):
        lines.append(
            dice.choice(["", "minRet = 0;", "minRet = 0; maxRet = 2;", "minRet = 2;", "maxRet = 3;"])
        )
        if dice.random() < 0.2:
            raw = dice.choice(["rawFiles", "inputFiles"])
            lines.append(f'select file as R{number} from {raw} where RAW.TYPE == "{dice.choice(RAW)}"')
        else:
            category = dice.choice(MASTERS)
            lines.append(f'select file as L{number} from calibFiles where PRO.CATG == "{category}"')
        lines += _clauses(dice)
        lines.append(";")
    lines.append(dice.choice(["recipe none;", "recipe x_do;", ""]))
    for name in promised:
        tagged = f'DO.CATG = "{name}";' if dice.random() < 0.5 else ""
        lines.append(f'product {name} {{ PRO.CATG = "{name}"; {tagged} PRO.EXT = "tpl_0000.fits"; }}')
    return [*lines, "}"]


def _clauses(dice: random.Random) -> list[str]:
    found = []
    for key in dice.sample([*KEYS, "INS.C"], dice.choice([0, 1, 1, 2])):
        relation = dice.choice(["==", "==", "?=", "<=", "!="])
        found.append(f"and inputFile.{key} {relation} {key}")
    days = dice.choice([2, 5, 20])
    found += dice.choices(
        [
            "",
            f"and MJD-OBS between inputFile.MJD-OBS - {days} and inputFile.MJD-OBS + {days}",
            f"and MJD-OBS > inputFile.MJD-OBS - {days} and MJD-OBS < inputFile.MJD-OBS + {days}",
            "and MJD-OBS <= inputFile.MJD-OBS",
            "and (OBS.ID == inputFile.OBS.ID or MJD-OBS > inputFile.MJD-OBS)",
            "and not INS.A == 2",
        ],
        weights=[4, 4, 1, 1, 1, 1],
    )
    # One window is a plan; of several, those inside it are stricter, those around it wider.
    for _ in range(dice.choice([0, 0, 1, 1, 1, 2, 3])):
        before, after = dice.choice([0.5, 1, 3]), dice.choice([0.5, 1, 3])
        found.append(f"and MJD-OBS tryBetween inputFile.MJD-OBS - {before} and inputFile.MJD-OBS + {after}")
        if dice.random() < 0.1:
            found.append("and INS.A tryBetween inputFile.INS.A and inputFile.INS.A + 1")
    return found


def archive(dice: random.Random) -> list[Frame]:
    """Templates at few times and of few set-ups, so that much ties, and masters with and without a time."""
    rows = []
    for number in range(22):
        start = 56000 + dice.randrange(60) * 0.25
        setup: dict[str, Value] = {"INS.A": dice.choice([1, 1.0, 2, 3]), "OBS.ID": dice.choice([7, 8, 9])}
        setup |= dice.choice([{"INS.B": "x"}, {"INS.B": "y"}, {}])
        kind, certified = dice.choice(RAW), dice.random() < 0.7
        for count in range(dice.choice([1, 2, 3])):
            header = {
                **setup,
                "INSTRUME": "X",
                "DPR.TYPE": kind if dice.random() < 0.9 else dice.choice(RAW),
                "TPL.START": f"template {number}",
                "TPL.EXPNO": count + 1,
                "MJD-OBS": start + count * 0.125,
                **dice.choice([{}, {"EXPTIME": 21600.0}, {"EXPTIME": 0}]),
            }
            name = f"X.{number:02}.{count}"
            header["ARCFILE"] = f"{name}.fits"
            rows.append(Frame(name, Header(header), certified=certified, hidden=dice.random() < 0.05))
    for number in range(14):
        header = {"INSTRUME": "X", "PRO.CATG": dice.choice(MASTERS), "INS.A": dice.choice([1, 2])}
        header |= dice.choice([{}, {"MJD-OBS": 56000 + dice.randrange(30) * 0.5}])
        header |= dice.choice([{}, {"INS.B": "x", "OBS.ID": 7}])
        name = f"M.X.{number:02}"
        rows.append(Frame(name, Header(header), certified=dice.random() < 0.7, hidden=dice.random() < 0.05))
    dice.shuffle(rows)
    return rows


def breakpoints(dice: random.Random) -> list[dict[str, object]]:
    names = {"instrument": "X", "dpInstrument": "X"}
    return [
        {
            "mjdObs": 56000.1 + dice.randrange(15),
            **names,
            **dice.choice(
                [
                    {"rawType": "ANY", "proCatg": "ANY", "doClass": "ANY"},
                    {"rawType": "FLAT", "proCatg": "MASTER_FLAT", "doClass": "FLAT"},
                    {"rawType": "BIAS", "proCatg": "MASTER_BIAS", "doClass": "BIAS"},
                ]
            ),
        }
        for _ in range(dice.choice([0, 1, 2]))
    ]


def compare(dice: random.Random, make_database: Callable[[], str]) -> None:
    engine = connect(make_database())
    with TemporaryDirectory() as parent:
        folder = Path(parent) / "x"
        folder.mkdir()
        (folder / "x.2000-01-01.oca").write_text(book(dice))
        (folder / "breakpoints.json").write_text(json.dumps(breakpoints(dice)))
        made = Opinions(folder, archive(dice), Index(engine))
        for mode in MODES:
            answered, different = made.compare(mode)
            assert not different, f"{len(different)} of {answered}: {''.join(different[:3])}"
    engine.dispose()


@given(dice=st.randoms(use_true_random=False))
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
def test_a_generated_book_gives_the_same_answers(dice: random.Random, make_database) -> None:
    """Hypothesis throws the dice, and makes what differs small."""
    compare(dice, make_database)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_many_books_of_dice_give_the_same_answers(seed: int, make_database) -> None:
    compare(random.Random(seed), make_database)
