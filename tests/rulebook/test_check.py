"""What a parser cannot see: each finding with a small text, and those in the rule files installed here."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.oca.parser import parse
from app.oca.tokens import Diagnostic
from app.rulebook.check import check
from processing.esorex import Esorex, EsorexError

PLUGINS = Path("/usr/share/cpl-plugins")
SOUND = """if DPR.TYPE == "BIAS" then { RAW.TYPE = "BIAS"; }
if DPR.TYPE == "OBJECT" then { RAW.TYPE = "SCI"; DO.CATG = "SCI_RAW"; EXPOSE_TO_CALSELECTOR = "T"; }
if PRO.CATG is string then { DO.CATG = PRO.CATG; }
select execute(BIAS) from inputFiles where RAW.TYPE == "BIAS" group by TPL.START;
select execute(SCI) from inputFiles where SIG.FRAME == 1 and RAW.TYPE == "SCI";
action BIAS {
  recipe uves_cal_mbias;
  product MASTER_BIAS { RAW.TYPE = "BIAS"; PRO.CATG = "MASTER_BIAS"; }
}
action SCI {
  select file as MASTER_BIAS from calibFiles where PRO.CATG == "MASTER_BIAS" and RAW.TYPE == "BIAS";
  recipe uves_obs_scired;
  product SPECTRUM { PRO.CATG = "SPECTRUM"; }
}
"""
# The same where no rule copies PRO.CATG, as that may give DO.CATG any value.
CLOSED = SOUND.replace("if PRO.CATG is string then { DO.CATG = PRO.CATG; }\n", "\n")
INSTALLED = frozenset({"uves_cal_mbias", "uves_obs_scired"})


def findings(
    text: str, tmp_path: Path, installed: frozenset[str] | None = INSTALLED, name: str = "toy.oca"
) -> list[Diagnostic]:
    file = tmp_path / name
    file.write_text(text)
    parsed = parse(text, file.name)
    assert not parsed.errors
    return check(parsed.rules, file, installed)


def changed(old: str, new: str, text: str = CLOSED) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


@pytest.mark.parametrize("text", [SOUND, CLOSED])
def test_a_sound_text_has_no_findings(tmp_path: Path, text: str) -> None:
    assert findings(text, tmp_path) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            changed("execute(BIAS)", "execute(BAIS)"),
            [
                "4:1 error unknown action BAIS: define it or correct the name",
                "6:1 warning action BIAS is never executed",
            ],
        ),
        (
            SOUND + "action BIAS { recipe none; }\n",
            ["15:1 error action BIAS is defined twice, first in line 6"],
        ),
        (SOUND + "action NEVER { recipe none; }\n", ["15:1 warning action NEVER is never executed"]),
        (
            changed('where RAW.TYPE == "BIAS" group', 'where RAW.TYPE == "BAIS" group'),
            ['4:1 warning dead rule: nothing assigns RAW.TYPE = "BAIS"'],
        ),
        (
            changed('where RAW.TYPE == "BIAS" group', 'where LF.DO.CATG == "BIAS" group'),
            ['4:1 warning dead rule: nothing assigns DO.CATG = "BIAS"'],
        ),
        (
            changed('where RAW.TYPE == "BIAS" group', 'where "BAIS" == RAW.TYPE group'),
            ['4:1 warning dead rule: nothing assigns RAW.TYPE = "BAIS"'],
        ),
        (
            changed('where RAW.TYPE == "BIAS" group', 'where RAW.TYPE like "BAIS" group'),
            ['4:1 warning dead rule: nothing assigns RAW.TYPE = "BAIS"'],
        ),
        (
            changed(" group by TPL.START", ""),
            ["4:1 warning neither SIG trigger nor 'group by': every file is a group of its own"],
        ),
        (
            changed('and RAW.TYPE == "BIAS";', 'and RAW.TYPE == "BAIS";'),
            [
                '11:3 warning dead association: nothing makes RAW.TYPE = "BAIS"',
                "11:3 warning no action can satisfy MASTER_BIAS: BIAS: its product has RAW.TYPE = BIAS",
            ],
        ),
        (
            changed(
                'calibFiles where PRO.CATG == "MASTER_BIAS"', 'calibFiles where DO.CATG == "MASTER_BAIS"'
            ),
            ['11:3 warning dead association: nothing makes DO.CATG = "MASTER_BAIS"'],
        ),
        (
            changed(
                'calibFiles where PRO.CATG == "MASTER_BIAS"', 'inputFiles where DO.CATG == "MASTER_BIAS"'
            ),
            ['11:3 warning dead association: nothing makes DO.CATG = "MASTER_BIAS"'],
        ),
        (
            changed("recipe uves_cal_mbias", "recipe uves_cal_mbais"),
            ["7:3 warning recipe uves_cal_mbais is not installed"],
        ),
        (
            changed('  product SPECTRUM { PRO.CATG = "SPECTRUM"; }\n', ""),
            ["10:1 warning SCI is offered, but its action has no product"],
        ),
        (
            changed('RAW.TYPE == "BIAS";\n  rec', 'MJD-OBS < inputFile.MJD-OBS - "1";\n  rec'),
            ['11:92 warning inputFile.MJD-OBS - "1" is never defined: arithmetic is for numbers'],
        ),
        (
            changed('if DPR.TYPE == "BIAS"', 'if DPR.TPYE == "BIAS"'),
            ["1:4 warning no header has DPR.TPYE: there are DPR.CATG, DPR.TYPE, DPR.TECH"],
        ),
        (
            changed(
                'RAW.TYPE == "BIAS";\n  rec',
                "MJD-OBS between inputFile.MJD-OBS + 3 and inputFile.MJD-OBS - 3;\n  rec",
            ),
            ["11:3 warning a window of MASTER_BIAS is empty: it begins behind its end"],
        ),
        (
            changed('SIG.FRAME == 1 and RAW.TYPE == "SCI"', 'SIG.FRAME == 1 and DO.CATG == "SCI_RAW"'),
            ["2:1 warning SCI is offered, but no rule organises it"],
        ),
    ],
)
def test_a_finding_has_its_line_its_severity_and_one_sentence(
    tmp_path: Path, text: str, found: list[str]
) -> None:
    told = [f"{d.line}:{d.column} {d.severity} {d.message}" for d in findings(text, tmp_path)]
    assert told == found


@pytest.mark.parametrize(
    "condition",
    [
        'RAW.TYPE == "BIAS" and INS.MODE == "ECHELLE"',  # a header keyword may have any value
        'RAW.TYPE like "BI%"',
        'RAW.TYPE != "BAIS"',
        'PRO.CATG == "ANYTHING"',
    ],
)
def test_what_a_header_may_hold_is_no_dead_rule(tmp_path: Path, condition: str) -> None:
    assert findings(changed('RAW.TYPE == "BIAS" group', f"{condition} group"), tmp_path) == []


def test_a_copied_keyword_may_have_any_value(tmp_path: Path) -> None:
    text = changed('where RAW.TYPE == "BIAS" group', 'where DO.CATG == "MASTER_BAIS" group', SOUND)
    assert findings(text, tmp_path) == []


def test_a_product_of_an_action_is_made_under_its_pro_catg_or_do_catg(tmp_path: Path) -> None:
    wanted = changed('where PRO.CATG == "MASTER_BIAS"', 'where DO.CATG == "MASTER_BIAS"')
    assert findings(wanted, tmp_path) == []
    renamed = changed('PRO.CATG = "MASTER_BIAS"; }', 'PRO.CATG = "X"; DO.CATG = "MASTER_BIAS"; }', wanted)
    assert findings(renamed, tmp_path) == []


def test_recipes_are_not_checked_where_esorex_is_not_installed(tmp_path: Path) -> None:
    text = changed("recipe uves_cal_mbias", "recipe uves_cal_mbais")
    assert findings(text, tmp_path, installed=None) == []


def test_recipe_none_needs_no_recipe(tmp_path: Path) -> None:
    assert findings(changed("recipe uves_cal_mbias", "recipe none"), tmp_path) == []


def test_a_finding_shows_its_source_line_with_a_caret_and_findings_come_in_the_order_of_lines(
    tmp_path: Path,
) -> None:
    text = changed("recipe uves_cal_mbias", "recipe lost") + "action NEVER { recipe lost; }\n"
    told = findings(text, tmp_path)
    assert [each.line for each in told] == [7, 15, 15]
    assert str(told[0]) == ("toy.oca:7:3: warning: recipe lost is not installed\n      recipe lost;\n      ^")


# As ESO delivers them; lines of the versions in Debian 12. Every finding but recipes that are not packaged.
ESO = {
    "amber-4.4.3": {},
    "giraf-2.16.10": {},
    "hawki-2.4.11": {
        396: 'dead association: nothing makes DO.CATG = "REFERENCE_DARK"',
        410: 'dead association: nothing makes DO.CATG = "REFERENCE_TWILIGHT_FLAT"',
    },
    "muse-2.8.7": {
        601: "action muse_lingain is never executed",
        724: "action muse_lsf is never executed",
        774: "action muse_geometry is never executed",
        947: 'dead association: nothing makes DO.CATG = "TELLURIC_REGIONS"',
        960: "action muse_create_sky is never executed",
    },
    "naco-4.4.11": {},
    "uves-6.1.8": {
        1662: 'dead rule: nothing assigns DO.CATG = "SCREEN_FLAT_DETCHAR_BLUE"',
        1663: 'dead rule: nothing assigns DO.CATG = "SCREEN_FLAT_DETCHAR_RED"',
        1669: 'dead rule: nothing assigns DO.CATG = "FIB_FF_ANY_RED"',
        2308: 'dead association: nothing makes RAW.TYPE = "ACQ_ECH"',
        2354: 'dead association: nothing makes RAW.TYPE = "ACQ_ECH"',
        2451: "action FLAMES_OBS_SCIRED_R is never executed",
    },
    "vimos-4.1.7": {
        600: "action vmSpFlat is never executed",
        620: "action vmMosObsJitter is never executed",
    },
    "visir-4.4.2": {},
}
# `detmon` and what later versions renamed: named by the rules, and by no plug-in library of Debian 12.
MISSING = {
    "amber-4.4.3": [],
    "giraf-2.16.10": ["detmon_opt_lg"],
    "hawki-2.4.11": ["detmon_ir_lg", "hawki_cal_illum"],
    "muse-2.8.7": ["detmon_opt_lg_mr"],
    "naco-4.4.11": ["detmon_ir_lg"],
    "uves-6.1.8": ["detmon_opt_lg", "uves_cal_lingain"],
    "vimos-4.1.7": [
        *("detmon_opt_lg", "vmimflatscreen", "vmimflatsky", "vmimobsjitter", "vmimobsstare"),
        *("vmimpreimaging", "vmimstandard", "vmmasktoccd", "vmmosobsjitter", "vmskyccd", "vmspflat"),
    ],
    "visir-4.4.2": [],
}  # fmt: skip


def eso_file(pipeline: str) -> Path:
    instrument = pipeline.partition("-")[0]
    file = PLUGINS / pipeline / "gasgano" / "config" / f"{instrument}.oca"
    if not file.exists():
        pytest.skip(f"{file} is not here: apt-get install cpl-plugin-{instrument} of Debian 12")
    return file


@pytest.mark.parametrize("pipeline", ESO)
def test_the_findings_in_an_installed_rule_file_are_these_and_no_others(pipeline: str) -> None:
    file = eso_file(pipeline)
    parsed = parse(file.read_text(encoding="latin-1"), file.name)
    told = check(parsed.rules, file)
    assert {each.line: each.message for each in told} == ESO[pipeline]
    assert len(told) == len(ESO[pipeline])
    assert {each.severity for each in told} <= {"warning"}


@pytest.mark.parametrize("pipeline", MISSING)
def test_the_recipes_that_an_installed_rule_file_names_in_vain_are_these(pipeline: str) -> None:
    file = eso_file(pipeline)
    try:
        installed = Esorex.find().recipes()
    except EsorexError as error:
        pytest.skip(str(error))
    parsed = parse(file.read_text(encoding="latin-1"), file.name)
    told = [each.message for each in check(parsed.rules, file, installed) if "recipe " in each.message]
    named = {message.split()[1] for message in told if message.endswith(" is not installed")}
    assert sorted(named) == MISSING[pipeline]


@pytest.mark.parametrize("said", ["F", '"F"'])
def test_what_is_said_not_to_be_offered_needs_no_product(tmp_path: Path, said: str) -> None:
    text = changed('EXPOSE_TO_CALSELECTOR = "T"', f"EXPOSE_TO_CALSELECTOR = {said}")
    assert findings(text.replace('  product SPECTRUM { PRO.CATG = "SPECTRUM"; }\n', ""), tmp_path) == []


def test_a_book_that_does_not_say_whose_files_it_is_for_is_for_those_of_its_name(tmp_path: Path) -> None:
    (told,) = findings(CLOSED, tmp_path, name="toy.2000-01-01.oca")
    assert (told.line, told.severity) == (1, "warning")
    assert told.message == "no '// INSTRUME: …' in the first ten lines: the book is for TOY"
    assert findings(f"// INSTRUME: TOY TOYS\n{CLOSED}", tmp_path, name="toy.2000-01-01.oca") == []


def test_a_text_without_a_classification_rule_is_an_error(tmp_path: Path) -> None:
    (found,) = findings("", tmp_path)
    assert (found.severity, found.line) == ("error", 1)
    assert found.message.startswith("no classification rule is in it")
