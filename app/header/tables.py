"""Headers from rows of archive tables: CSV or VOTable with the column names of ESO's `dbo.raw`.

`dbo.raw` and the `ist.*` tables of one instrument are served by ESO's TAP (archive.eso.org/tap_obs);
their columns are header keywords in lower case with underscores, save those listed here.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from gzip import GzipFile
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Final, NamedTuple

from app.errors import HeaderError
from app.header.value import Header, Value
from app.rights import utc_text

_CSV_SUFFIXES: Final = (".csv", ".csv.gz")
_VOTABLE_SUFFIXES: Final = tuple(f".{name}{gz}" for name in ("vot", "votable", "xml") for gz in ("", ".gz"))
TABLE_SUFFIXES: Final = _CSV_SUFFIXES + _VOTABLE_SUFFIXES

# Column -> keyword. A table has no types of its own that could be trusted (an OBJECT may be called
# "1685"), so the dictionary's are used: text here, numbers below.
_TEXT: Final = {
    "dp_cat": "DPR.CATG",
    "dp_type": "DPR.TYPE",
    "dp_tech": "DPR.TECH",
    "tpl_start": "TPL.START",
    "tpl_id": "TPL.ID",
    "tpl_name": "TPL.NAME",
    "ob_name": "OBS.NAME",
    "prog_id": "OBS.PROG.ID",
    "pi_coi": "PI-COI",
    "instrument": "INSTRUME",
    "telescope": "TELESCOP",
    "object": "OBJECT",
    "target": "OBS.TARG.NAME",
    "det_chip1id": "DET.CHIP1.ID",
    "nodpos": "SEQ.NODPOS",
    "origfile": "ORIGFILE",
    "date_obs": "DATE-OBS",
}
_NUMBERS: Final = {
    "tpl_expno": "TPL.EXPNO",
    "tpl_nexp": "TPL.NEXP",
    "tpl_seqno": "TPL.SEQNO",
    "ob_id": "OBS.ID",
    "det_expid": "DET.EXP.ID",
    "exposure": "EXPTIME",
    "ra": "RA",
    "dec": "DEC",
    "mjd_obs": "MJD-OBS",
}
# Any other column of these branches is the keyword itself: ins_slit1_wid -> INS.SLIT1.WID. Their names,
# identifiers and modes are text even where they look like numbers (ESO's Data Interface Control Document).
_BRANCH: Final = re.compile(r"(?:ins|det|tel|seq)\d*(?:_[a-z0-9]+)+")
_TEXT_ENDS: Final = (".NAME", ".ID", ".MODE", ".TYPE")

# INSTRUME where it is not the beginning of the dp_id.
_INSTRUMENT: Final = {
    "CRIRE": "CRIRES",
    "ESPRE": "ESPRESSO",
    "GIRAF": "GIRAFFE",
    "GRAVI": "GRAVITY",
    "MATIS": "MATISSE",
    "NACO": "NAOS+CONICA",
    "OMEGA": "OMEGACAM",
    "PIONI": "PIONIER",
    "SINFO": "SINFONI",
    "SPHER": "SPHERE",
    "VCAM": "VIRCAM",
    "XSHOO": "XSHOOTER",
}

_INTEGER: Final = re.compile(r"[+-]?\d+", re.ASCII)
_REAL: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]?\d+)?", re.ASCII)
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d):(\d\d):(\d\d(?:\.\d*)?)", re.ASCII)
_MJD_OF_DAY_ZERO: Final = date(1858, 11, 17).toordinal()


class Row(NamedTuple):
    """A row of a table; `release_date` is in UTC (ISO 8601), None where the table has none."""

    dp_id: str
    header: Header
    release_date: str | None


def read_table(path: Path) -> Iterator[Row]:
    """The rows of a table, chosen by the file's suffix (one of `TABLE_SUFFIXES`).

    A column that no keyword stands for is left out, and so is an empty cell. INSTRUME comes from the
    dp_id where there is no such column; ARCFILE is dp_id + ".fits". MJD-OBS (days, UTC) is computed from
    the start of the exposure (date_obs, else exp_start): the archive's own mjd_obs has single precision,
    which is 5 minutes, and is only used where no start is given.
    Raises HeaderError, at the first row that is wrong or before the first, naming file and row.
    """
    name = path.name.lower()
    if not name.endswith(TABLE_SUFFIXES):
        raise HeaderError(str(path), f"no table by its name; known are {', '.join(TABLE_SUFFIXES)}")
    with _file(path) as stream:
        rows = _csv_rows(path, stream) if name.endswith(_CSV_SUFFIXES) else _votable_rows(path, stream)
        for number, row in enumerate(rows, 1):
            dp_id = row.get("dp_id", "")
            if not dp_id:
                raise HeaderError(str(path), f"row {number} has no dp_id")
            try:
                yield Row(dp_id, _row_header(dp_id, row), _release_date(row.get("release_date", "")))
            except ValueError as error:
                raise HeaderError(str(path), f"row {number} ({dp_id}): {error}") from error


def _row_header(dp_id: str, row: dict[str, str]) -> Header:
    prefix = dp_id.partition(".")[0]
    values: dict[str, Value] = {"INSTRUME": _INSTRUMENT.get(prefix, prefix), "ARCFILE": f"{dp_id}.fits"}
    for column, cell in row.items():
        if cell == "":
            continue
        if keyword := _TEXT.get(column):
            values[keyword] = cell
        elif keyword := _NUMBERS.get(column):
            values[keyword] = _number(cell)
        elif _BRANCH.fullmatch(column):
            keyword = column.upper().replace("_", ".")
            values[keyword] = cell if keyword.endswith(_TEXT_ENDS) else _number(cell)
    # FITS has no Z behind a time; it is UTC anyway (FITS 4.0 §9.1.1).
    if start := (row.get("date_obs") or row.get("exp_start", "")).removesuffix("Z"):
        values["DATE-OBS"] = start
        values["MJD-OBS"] = _mjd(start)
    return Header(values)


def _release_date(cell: str) -> str | None:
    if cell == "":
        return None
    try:
        return utc_text(cell)
    except ValueError as error:
        raise ValueError(f"release_date {cell!r} is no time; wanted is 2008-11-11T02:38:36.827Z") from error


def _number(cell: str) -> Value:
    """The cell as a number, or as it is where it is none."""
    if _INTEGER.fullmatch(cell):
        return int(cell)
    return float(cell) if _REAL.fullmatch(cell) else cell


def _mjd(time: str) -> float:
    """Modified Julian Date of a UTC time in ISO 8601; a leap second belongs to the day that it ends."""
    match = _TIME.fullmatch(time)
    if match is None:
        raise ValueError(f"{time!r} is no time; wanted is 2007-11-11T02:38:36.827")
    day, hours, minutes, seconds = match.groups()
    days = date.fromisoformat(day).toordinal() - _MJD_OF_DAY_ZERO
    return days + (int(hours) * 3600 + int(minutes) * 60 + float(seconds)) / 86400


@contextmanager
def _file(path: Path) -> Iterator[BufferedReader | GzipFile]:
    """The open file, unpacked; whatever keeps it from being opened or read is a HeaderError."""
    try:
        with path.open("rb") as raw:
            yield GzipFile(fileobj=raw) if path.name.lower().endswith(".gz") else raw
    except (OSError, EOFError, zlib.error) as error:
        raise HeaderError.of(path, error) from error


def _csv_rows(path: Path, stream: BufferedReader | GzipFile) -> Iterator[dict[str, str]]:
    with TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        lines = csv.reader(text, strict=True)
        try:
            columns = _columns(path, next(lines, []))
            for number, cells in enumerate(lines, 1):
                if len(cells) not in (0, len(columns)):
                    seen = f"row {number} has {len(cells)} cells, but the first line {len(columns)} names"
                    raise HeaderError(str(path), seen)
                if cells:
                    yield {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
        except (csv.Error, UnicodeDecodeError) as error:
            raise HeaderError(str(path), f"no CSV in UTF-8: {error}") from error


def _votable_rows(path: Path, stream: BufferedReader | GzipFile) -> Iterator[dict[str, str]]:
    """Cells as the digits they were written with: a 32-bit 1.427049 is not 1.4270490407943726."""
    # Loaded here because it takes half a second, which programs without VOTables need not wait.
    from astropy.io.votable import parse
    from astropy.io.votable.exceptions import VOWarning
    from numpy.ma import masked

    try:
        table = parse(stream, verify="ignore").get_first_table()
    except (VOWarning, ValueError, IndexError) as error:
        raise HeaderError(str(path), f"no VOTable with a table in it: {error}") from error
    columns = _columns(path, [field.name for field in table.fields])
    for row in table.array:
        # A cell that does not equal itself is NaN, which is VOTable's other way to leave a cell empty.
        cells = ("" if cell is masked or cell != cell else str(cell).strip() for cell in row)
        yield dict(zip(columns, cells, strict=True))


def _columns(path: Path, names: list[str]) -> list[str]:
    columns = [name.strip().lower() for name in names]
    if "dp_id" not in columns:
        raise HeaderError(
            str(path),
            f"no column dp_id; the first are {', '.join(columns[:5]) or 'none at all'}. Name the columns as"
            " dbo.raw does: dp_id and, to be of use, date_obs or exp_start, dp_cat, dp_type, dp_tech",
        )
    return columns
