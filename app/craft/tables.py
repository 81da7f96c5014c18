"""Readers of the small text tables beside a rule book: header pools and expected associations.

Both are tables of cells separated by `|`; empty lines and lines that begin with `#` do not count.
rules/README.md describes the columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from app.classify import Frame
from app.errors import RuleError
from app.header import Header, Value
from app.level import label
from app.tree import Mode

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# A label of `match` with its level: `extended 2`.
_LEVEL = re.compile(r"(\S+) ([+-]?[0-9]+)", re.ASCII)
_MJD_ZERO = datetime(1858, 11, 17)
_SPACING = timedelta(seconds=60)
_NOT_KEYWORDS = frozenset({"id", "like", "dp_id", "n", "certified", "hidden"})
# What belongs to one exposure or template, so that no row inherits it.
_OWN = frozenset({"MJD-OBS", "DATE-OBS", "ARCFILE", "TPL.START", "TPL.EXPNO", "TPL.NEXP"})
_MODES: Mapping[str, Mode] = {"Raw2Raw": "Raw2Raw", "Raw2Master": "Raw2Master"}


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one slot must hold.

    `path` names the slots from the asked frame down; () is the data set of the asked frame itself.
    `chosen` holds the first dp_id of each chosen group, in no order; () where nothing may be found.
    `match` is None where nothing is chosen. Of the data set itself it is `complete`, or the messages of an
    incomplete one joined by "; " (`incomplete` without any: what lacks is further down), or None where
    neither is looked at. `level` is the number behind the label (`app.level`), None where the row does not
    say it. `where` is the file and line.
    """

    dp_id: str
    mode: Mode
    path: tuple[str, ...]
    chosen: tuple[str, ...]
    match: str | None
    where: str = ""
    level: int | None = None


def read_pool(path: Path) -> list[Frame]:
    """Every file of a pool, in the order of the table; RuleError names the line that cannot be read."""
    rows: list[Frame] = []
    known: dict[str, dict[str, Value]] = {}
    taken: set[str] = set()
    columns: list[str] = []
    for where, cells in _lines(path):
        if cells[0] == "id":
            columns = cells
            continue
        if len(cells) != len(columns):
            raise RuleError(f"{where}: {len(cells)} cells under {len(columns)} column names")
        row = {name: cell for name, cell in zip(columns, cells, strict=True) if cell}
        keywords = _keywords(row, known, where)
        for name in filter(None, (row.get("id"), row.get("dp_id"))):
            if name in known:
                raise RuleError(f"{where}: {name!r} is there twice")
            known[name] = keywords
        for exposure in _exposures(row, keywords, where) if "dp_id" in row else ():
            if exposure.dp_id in taken:
                raise RuleError(f"{where}: {exposure.dp_id} is a file of an earlier row")
            taken.add(exposure.dp_id)
            rows.append(exposure)
    return rows


def read_expected(path: Path) -> list[Expectation]:
    """Every expected association of a table; RuleError names the line that cannot be read."""
    found = []
    for where, cells in _lines(path):
        if cells[0] == "dp_id":
            continue
        if len(cells) != 5 or cells[1] not in _MODES:
            raise RuleError(f"{where}: want 'dp_id | Raw2Raw or Raw2Master | path | chosen | match'")
        dp_id, mode, labels, chosen, match = cells
        level = None
        if labels != "." and (stated := _LEVEL.fullmatch(match)):
            match, level = stated[1], int(stated[2])
            if label(level) != match:
                raise RuleError(f"{where}: level {level} is {label(level)}, not {match}")
        found.append(
            Expectation(
                dp_id,
                _MODES[mode],
                () if labels == "." else tuple(label.strip() for label in labels.split("/")),
                () if chosen == "-" else tuple(chosen.split()),
                None if match == "-" else match,
                where,
                level,
            )
        )
    return found


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield f"{path.parent.name}/{path.name}:{number}", [cell.strip() for cell in line.split("|")]


def _keywords(row: Mapping[str, str], known: Mapping[str, dict[str, Value]], where: str) -> dict[str, Value]:
    """The keywords of a row: those of the row it is like, without that one's own times, and its cells."""
    like = row.get("like")
    if like is not None and like not in known:
        raise RuleError(f"{where}: like {like!r}, which no earlier row is called")
    base = known[like] if like is not None else {}
    keywords = {name: value for name, value in base.items() if name not in _OWN}
    for name, cell in row.items():
        if name in _NOT_KEYWORDS:
            continue
        if cell == "-":
            keywords.pop(name, None)
        else:
            keywords[name] = _value(cell)
    return keywords


def _exposures(row: Mapping[str, str], keywords: Mapping[str, Value], where: str) -> Iterator[Frame]:
    """The files of a row: `n` exposures of one template, one minute apart."""
    dp_id, count = row["dp_id"], int(row.get("n", "1"))
    certified, hidden = row.get("certified", "T") == "T", row.get("hidden", "F") == "T"
    if dp_id.startswith("M."):
        # The time in the name of a master or static file is that of its archiving.
        if count != 1:
            raise RuleError(f"{where}: {dp_id} is one file, n must be 1")
        yield Frame(dp_id, Header(keywords), certified=certified, hidden=hidden)
        return
    prefix, stamp = dp_id.split(".", 1)
    first = datetime.fromisoformat(stamp)
    for number in range(count):
        time = first + number * _SPACING
        text = time.isoformat(timespec="milliseconds")
        derived: dict[str, Value] = {
            "MJD-OBS": (time - _MJD_ZERO) / timedelta(days=1),
            "DATE-OBS": text,
            "ARCFILE": f"{prefix}.{text}.fits",
            "TPL.START": first.isoformat(timespec="seconds"),
            "TPL.EXPNO": number + 1,
            "TPL.NEXP": count,
        }
        yield Frame(f"{prefix}.{text}", Header({**derived, **keywords}), certified=certified, hidden=hidden)


def _value(cell: str) -> Value:
    """A bare number is a number, T and F are booleans, all else is text; quotes force text."""
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        return cell[1:-1]
    if cell in ("T", "F"):
        return cell == "T"
    if _NUMBER.fullmatch(cell):
        return int(cell) if cell.lstrip("+-").isdigit() else float(cell)
    return cell
