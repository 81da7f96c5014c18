from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.archive.database import connect
from app.archive.index import Index

BOOK = """// A toy. INSTRUME below.
// INSTRUME: TOY
if DPR.TYPE == "BIAS" then { RAW.TYPE = "BIAS"; DO.CATG = "BIAS"; }
if DPR.TYPE == "OBJECT" then { RAW.TYPE = "SCI"; DO.CATG = "SCI"; EXPOSE_TO_CALSELECTOR = T; }
if RAW.TYPE == "SCI" and INS.MODE == "RED" then { RAW.TYPE = "SCI_RED"; }
if PRO.CATG is string then { DO.CATG = PRO.CATG; }

minRet = 2;
select execute(ACTION_BIAS) from rawFiles where RAW.TYPE == "BIAS" group by TPL.START;
select execute(ACTION_SCI) from rawFiles where RAW.TYPE == "SCI" group by TPL.START;
select execute(ACTION_SCI) from rawFiles where RAW.TYPE == "SCI_RED" group by TPL.START;

action ACTION_BIAS {
  recipe toy_bias;
  product P { PRO.CATG = "MASTER_BIAS"; }
}
action ACTION_SCI {
  minRet = 1; maxRet = 1;
  select file as MASTER_BIAS from calibFiles where PRO.CATG == "MASTER_BIAS"
    and inputFile.DET.BINX == DET.BINX
    and MJD-OBS between inputFile.MJD-OBS - 7 and inputFile.MJD-OBS + 7
    and MJD-OBS tryBetween inputFile.MJD-OBS - 1 and inputFile.MJD-OBS + 1;
  minRet = 1; maxRet = 2;
  select file as LINES from calibFiles where PRO.CATG == "LINES"
    and inputFile.INSTRUME == INSTRUME and (MJD-OBS < inputFile.MJD-OBS or MJD-OBS is undefined);
  // Not documented. not tried: no observing block of the toy has one
  minRet = 0; maxRet = 1;
  select file as ACQ from rawFiles where RAW.TYPE == "BIAS" and inputFile.OBS.ID == OBS.ID;
  recipe toy_science;
  product P { PRO.CATG = "SPECTRUM"; }
}
"""
POOL = """id    | INSTRUME | DET.BINX
base  | TOY      | 1
id    | like | dp_id                       | n | DPR.TYPE | DET.BINX
sci   | base | TOY.2010-01-10T03:00:00.000 | 1 | OBJECT   |
late  | base | TOY.2010-01-15T03:00:00.000 | 1 | OBJECT   |
bias  | base | TOY.2010-01-10T12:00:00.000 | 2 | BIAS     |
wrong | base | TOY.2010-01-10T11:00:00.000 | 2 | BIAS     | 2
few   | base | TOY.2010-01-10T10:00:00.000 | 1 | BIAS     |
id    | dp_id                         | INSTRUME | PRO.CATG
lines | M.TOY.2009-01-01T00:00:00.000 | TOY      | LINES
"""
EXPECTED = """dp_id | mode | path | chosen | match
TOY.2010-01-10T03:00:00.000 | Raw2Raw | .           | TOY.2010-01-10T03:00:00.000   | -
TOY.2010-01-10T03:00:00.000 | Raw2Raw | MASTER_BIAS | TOY.2010-01-10T12:00:00.000   | calib_plan
TOY.2010-01-10T03:00:00.000 | Raw2Raw | LINES       | M.TOY.2009-01-01T00:00:00.000 | N/A
TOY.2010-01-15T03:00:00.000 | Raw2Raw | MASTER_BIAS | TOY.2010-01-10T12:00:00.000   | extended
TOY.2010-01-10T12:00:00.000 | Raw2Raw | .           | -                             | -
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an instrument that has one book, a pool and a table."""
    place = tmp_path / "rules" / "toy"
    place.mkdir(parents=True)
    (place / "toy.2000-01-01.oca").write_text(BOOK)
    (place / "pool.txt").write_text(POOL)
    (place / "expected.txt").write_text(EXPECTED)
    return place


@pytest.fixture
def empty(database_url: str) -> Iterator[Index]:
    """An index that holds nothing."""
    engine = connect(database_url)
    yield Index(engine)
    engine.dispose()
