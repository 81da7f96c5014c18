"""Windows of associations in days from the exposure that asks."""

from __future__ import annotations

import math
from typing import Final, TypeAlias

from app.oca.conditions import Bound, Condition
from app.oca.evaluate import EMPTY, Compiled, Keywords

Span: TypeAlias = tuple[float, float]
ANY: Final[Span] = (-math.inf, math.inf)

# Two exposures: what is as far from both is a distance, all else a date (`MJD-OBS >= 55335`).
_MOMENTS: Final = (50000.0, 60000.0)


def spans(condition: Condition) -> tuple[Span, Span]:
    """The windows of the plan and of the extended validity; infinite where there is no limit.

    Limits that are dates do not count.
    """
    return _span(condition.soft_bounds), _span(condition.bounds)


def _span(bounds: tuple[Bound, ...]) -> Span:
    lows = [day for bound in bounds if bound.low for day in [_days(bound.low)] if day is not None]
    highs = [day for bound in bounds if bound.high for day in [_days(bound.high)] if day is not None]
    return max(lows, default=-math.inf), min(highs, default=math.inf)


def _days(limit: Compiled) -> float | None:
    days = set()
    for moment in _MOMENTS:
        given: Keywords = {"MJD-OBS": moment}
        value = limit(EMPTY, given, EMPTY)
        if not isinstance(value, (int, float)):
            return None
        days.add(round(value - moment, 6))
    return days.pop() if len(days) == 1 else None
