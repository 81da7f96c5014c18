"""What products measured of themselves: recorded when they come in, listed and scored when asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from app.archive.finding import Connection
from app.archive.indexing import copy
from app.classify import Frame
from app.errors import UnknownFrameError
from app.rulebook.thresholds import Grade, Score, Standards, Threshold, score, worst

# ESO's data interface control document: QC.* are the parameters of quality control, PRO.DATA* (DATANCOM,
# DATAAVG, DATARMS …) say what a product's pixels are like. Migration 0005 has the same in SQL.
_RECORDED: Final = re.compile(r"QC\.|PRO\.DATA")


def is_recorded(keyword: str) -> bool:
    """Whether a keyword of a product is a number of quality control, if it is a number."""
    return _RECORDED.match(keyword) is not None


def record(connection: Connection, products: Mapping[int, Frame]) -> None:
    """Write down the numbers of these products, by row number; what was known of them is replaced.

    A detector of several chips has most of them in the extensions, so in `Frame.measured`.
    """
    rows = []
    for frame_id, frame in products.items():
        category = frame.header.get("PRO.CATG")
        if not isinstance(category, str):
            continue
        mjd = frame.header.get("MJD-OBS")
        time = float(mjd) if isinstance(mjd, (int, float)) and math.isfinite(mjd) else None
        rows += [
            (frame_id, name, str(frame.header.get("INSTRUME", "")), category, float(value), time)
            for name, value in (*frame.header.items(), *frame.measured.items())
            if is_recorded(name) and isinstance(value, (int, float))
        ]
    connection.execute("DELETE FROM qc_value WHERE frame_id = ANY(%s)", [list(products)])
    if rows:
        copy(connection, "qc_value", "frame_id parameter instrume category value mjd", rows)


@dataclass(frozen=True, slots=True)
class Measured:
    """A number of a product with its score; `value` is None where a threshold wants it and it is not there.

    `mjd` is the product's MJD-OBS in days, None without a time; `threshold` None where nobody set one.
    """

    dp_id: str
    instrume: str
    category: str
    parameter: str
    value: float | None
    mjd: float | None
    recorded: datetime | None
    certified: bool
    hidden: bool
    threshold: Threshold | None
    score: Score

    @property
    def unit(self) -> str:
        """The unit, "" where nobody said it."""
        return self.threshold.unit if self.threshold else ""


_VALUES: Final = """
SELECT v.frame_id, f.dp_id, v.instrume, v.category, v.parameter, v.value, v.mjd, v.recorded_at,
       f.certified, f.hidden
FROM qc_value v JOIN frame f ON f.id = v.frame_id
WHERE {where} ORDER BY v.mjd DESC NULLS LAST, f.dp_id DESC, v.parameter DESC LIMIT %s
"""


def measured(
    connection: Connection,
    standards: Standards,
    *,
    dp_ids: Collection[str] | None = None,
    instrumes: Collection[str] | None = None,
    category: str | None = None,
    parameter: str | None = None,
    since: float | None = None,
    until: float | None = None,
    limit: int | None = None,
) -> list[Measured]:
    """The newest numbers that were recorded of these products, in time order, each with its score.

    `since` (inclusive) and `until` limit the products' MJD-OBS; every other condition is an equality.
    """
    where, given = _where(
        {
            "f.dp_id = ANY(%s)": dp_ids,
            "v.instrume = ANY(%s)": instrumes,
            "v.category = %s": category,
            "v.parameter = %s": None if parameter is None else full_name(parameter),
            "v.mjd >= %s": since,
            "v.mjd < %s": until,
        }
    )
    rows = connection.execute(_VALUES.format(where=where), [*given, limit]).fetchall()[::-1]
    thresholds = []
    for _, _, instrume, category_, name, *_ in rows:
        standard = standards.get((instrume, category_))
        thresholds.append((standard.of(name) if standard else None, standard.setup if standard else ()))
    pasts = _pasts(connection, rows, thresholds)
    found = []
    for n, (row, (threshold, _)) in enumerate(zip(rows, thresholds, strict=True)):
        facts = (*row[1:], threshold, score(threshold, row[5], pasts.get(n, ())))
        found.append(Measured(*facts))
    return found


def _where(conditions: Mapping[str, Collection[str] | str | float | None]) -> tuple[str, list[Any]]:
    """The conditions that are asked for. One that is always true would keep the planner from an index."""
    asked = {text: value for text, value in conditions.items() if value is not None}
    values = [
        list(value) if isinstance(value, Collection) and not isinstance(value, str) else value
        for value in asked.values()
    ]
    return " AND ".join(asked) or "true", values


def full_name(parameter: str) -> str:
    """A parameter as it stands in headers; `QC.` may be left out."""
    return parameter if _RECORDED.match(parameter) else f"QC.{parameter}"


_PAST: Final = """
SELECT q.n - 1, array_agg(past.value)
FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::text[]) WITH ORDINALITY
     AS q(frame_id, parameter, last, setup, n)
JOIN qc_value v ON v.frame_id = q.frame_id AND v.parameter = q.parameter
JOIN frame f ON f.id = v.frame_id
CROSS JOIN LATERAL (
  SELECT w.value FROM qc_value w JOIN frame g ON g.id = w.frame_id
  WHERE w.instrume = v.instrume AND w.category = v.category AND w.parameter = v.parameter
    AND w.mjd < v.mjd AND g.certified AND NOT g.hidden
    AND NOT EXISTS (SELECT FROM jsonb_array_elements_text(q.setup::jsonb) AS k(name)
                    WHERE g.keywords -> k.name IS DISTINCT FROM f.keywords -> k.name)
  ORDER BY w.mjd DESC LIMIT q.last
) past
GROUP BY q.n
"""


def _pasts(
    connection: Connection,
    rows: Sequence[Sequence[Any]],
    thresholds: Sequence[tuple[Threshold | None, tuple[str, ...]]],
) -> dict[int, list[float]]:
    """For each row that has a trend, the values of the certified products of its set-up before it."""
    asked = [
        (n, row[0], row[4], threshold.trend.last, orjson.dumps(setup).decode())
        for n, (row, (threshold, setup)) in enumerate(zip(rows, thresholds, strict=True))
        if threshold and threshold.trend
    ]
    if not asked:
        return {}
    places, *columns = (list(column) for column in zip(*asked, strict=True))
    found = connection.execute(_PAST, columns)
    return {places[n]: past for n, past in found}


def scores(connection: Connection, standards: Standards, dp_id: str) -> list[Measured]:
    """Every number of a product, and those that a threshold wants and that are not there.

    Raises UnknownFrameError.
    """
    row = connection.execute(
        "SELECT f.instrume, h.header ->> 'PRO.CATG', f.mjd, f.certified, f.hidden "
        "FROM frame f JOIN frame_header h ON h.frame_id = f.id WHERE f.dp_id = %s",
        [dp_id],
    ).fetchone()
    if row is None:
        raise UnknownFrameError(dp_id)
    instrume, category, mjd, certified, hidden = row
    found = measured(connection, standards, dp_ids=[dp_id])
    standard = standards.get((instrume, category or ""))
    met = {each.threshold for each in found}
    absent = [
        Measured(
            dp_id,
            instrume,
            category,
            threshold.parameter,
            None,
            mjd,
            None,
            certified,
            hidden,
            threshold,
            score(threshold, None),
        )
        for threshold in (standard.thresholds if standard else ())
        if threshold not in met
    ]
    return found + absent


def grade(numbers: Sequence[Measured]) -> Grade:
    """What a product is worth: its worst score. Numbers without a threshold do not count."""
    return worst([each.score.grade for each in numbers if each.threshold])


# A product that a person rejected is never certified by its scores; one that lost its certification with
# its content (`ingest` writes that down) may be.
_UNJUDGED: Final = """
SELECT f.dp_id FROM frame f JOIN frame_header h ON h.frame_id = f.id
WHERE NOT f.raw AND NOT f.certified AND NOT f.hidden AND {where}
  AND NOT EXISTS (SELECT FROM quality_event e
                  WHERE e.frame_id = f.id AND e.verdict = 'rejected' AND e.who <> 'ingest')
ORDER BY f.mjd NULLS LAST, f.dp_id
"""


def unjudged(
    connection: Connection,
    *,
    dp_ids: Collection[str] | None = None,
    instrumes: Collection[str] | None = None,
    category: str | None = None,
) -> list[str]:
    """The products that nobody has certified, rejected or hidden, in time order."""
    where, given = _where(
        {
            "f.dp_id = ANY(%s)": dp_ids,
            "f.instrume = ANY(%s)": instrumes,
            "h.header ->> 'PRO.CATG' = %s": category,
        }
    )
    return [dp_id for (dp_id,) in connection.execute(_UNJUDGED.format(where=where), given)]
