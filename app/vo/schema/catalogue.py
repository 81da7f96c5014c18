"""Which tables there are at a revision of the archive."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from app.archive.finding import Connection
from app.rulebook import Rulebook
from app.vo.schema.column import Column
from app.vo.schema.describing import SCHEMAS, describe
from app.vo.schema.obscore import OBSCORE
from app.vo.schema.raw import RAW
from app.vo.schema.table import FrameTable, Table

# INSTRUME where the archive has another name for the instrument (as `raw.INSTRUMENT` has it in SQL).
_ARCHIVE_NAME: Final = MappingProxyType({"NAOS+CONICA": "NACO"})
_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)
# Keywords of the instrument, its detector and the telescope; as columns they have '_' instead of '.'.
_BRANCH: Final = re.compile(r"(?:INS|DET|SEQ|TEL|AOS)\d*(?:\.[A-Z0-9]+)+", re.ASCII)
_SAMPLE: Final = 200  # frames of an instrument that tell whether a keyword is a number

# Every value of an index, each found by one step down it (PostgreSQL's wiki: "loose indexscan").
_INSTRUMES: Final = """
WITH RECURSIVE each AS (
  SELECT min(instrume) AS name FROM frame
  UNION ALL
  SELECT (SELECT min(instrume) FROM frame WHERE instrume > each.name) FROM each WHERE name IS NOT NULL
) SELECT name FROM each WHERE name IS NOT NULL
"""
_TYPES: Final = f"""
SELECT i.name, k.key, bool_and(jsonb_typeof(k.value) = 'number')
FROM unnest(%s::text[]) i(name)
CROSS JOIN LATERAL (SELECT keywords FROM frame WHERE instrume = i.name AND raw LIMIT {_SAMPLE}) s
CROSS JOIN LATERAL jsonb_each(s.keywords) k
WHERE k.key = ANY(%s::text[]) GROUP BY i.name, k.key
"""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The tables by their names in lower case, in the order in which they are listed."""

    tables: Mapping[str, Table]

    def find(self, name: str) -> Table | None:
        """The table of this name; case does not matter."""
        return self.tables.get(name.lower())


def catalogue(connection: Connection, books: Collection[Rulebook]) -> Catalogue:
    """The tables that can be asked for: ist.<instrument> where there are frames, or rules, of it."""
    seen = {name for (name,) in connection.execute(_INSTRUMES)}
    # Of a rulebook's names of its instrument the first is the usual one; the others are for old frames.
    instrumes = sorted(seen.union(book.instrumes[0] for book in books))
    hot = {
        instrume: sorted({key for book in books if instrume in book.instrumes for key in book.hot})
        for instrume in instrumes
    }
    rows = connection.execute(_TYPES, [instrumes, sorted({key for keys in hot.values() for key in keys})])
    numbers = {(instrume, key): number for instrume, key, number in rows}
    ist = {}
    for instrume, keys in hot.items():
        name = _ARCHIVE_NAME.get(instrume, instrume)
        if _NAME.fullmatch(name):
            own = [key for key in keys if _BRANCH.fullmatch(key)]
            ist[name] = _instrument(name, ((key, numbers.get((instrume, key), False)) for key in own))
    tables: list[Table] = [_RAW, *(ist[name] for name in sorted(ist)), _OBSCORE]
    tables += describe(tables)
    return Catalogue({table.name.lower(): table for table in tables})


def _instrument(name: str, keywords: Iterable[tuple[str, bool]]) -> FrameTable:
    known = {column.name for column in RAW}
    own = [
        Column(
            key.lower().replace(".", "_"),
            "double" if number else "char",
            "",
            "",
            key,
            f"{key} of the header, which the rules of {name} name",
            hot=True,
        )
        for key, number in keywords
    ]
    columns = (*RAW, *(column for column in own if column.name not in known))
    return FrameTable(
        f"ist.{name.lower()}",
        f"Raw frames of {name}: the columns of dbo.raw, and keywords of its set-up",
        columns,
        _RAW.where,
        instrument=name,
    )


_RAW: Final = FrameTable(
    "dbo.raw",
    "Raw frames of all instruments, without those that are hidden for their quality",
    RAW,
    where="f.raw AND NOT f.hidden",
)
_OBSCORE: Final = FrameTable(
    "ivoa.ObsCore",
    "Science products: what recipes made of science frames",
    OBSCORE,
    # Weight maps and the like go with a product, and are none (ESO-044286 §4.3).
    where="NOT f.raw AND NOT f.hidden"
    " AND NOT starts_with(coalesce(f.keywords ->> 'PRODCATG', ''), 'ANCILLARY.')",
    # Archive products have no ARCFILE; they name raw frames with .fits or without (ESO-044286 §5.2.1).
    joined=" JOIN frame r ON r.dp_id = regexp_replace("
    "coalesce(f.keywords ->> 'ARCFILE', f.keywords ->> 'PROV1'), '[.]fits$', '')"
    " AND r.raw AND r.keywords ->> 'DPR.CATG' = 'SCIENCE'",
    position=("s_ra", "s_dec"),
)

__all__ = ["SCHEMAS", "Catalogue", "catalogue"]
