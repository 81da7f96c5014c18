"""Windows of associations in days from the exposure that asks."""

from __future__ import annotations

import math
from typing import Final, TypeAlias

from app.oca.conditions import Bound, Condition, days_of

Span: TypeAlias = tuple[float, float]
ANY: Final[Span] = (-math.inf, math.inf)


def spans(condition: Condition) -> tuple[Span, Span]:
    """The windows of the plan and of the extended validity; infinite where there is no limit.

    Limits that are dates do not count, and for the plan neither do windows inside or around it.
    """
    plan = tuple(each.bound for each in condition.soft if each.side == 0 and each.bound)
    return _span(plan), _span(condition.bounds)


def wider(condition: Condition) -> list[Span]:
    """The soft windows around the plan's."""
    return [_span((each.bound,)) for each in condition.soft if each.side > 0 and each.bound]


def _span(bounds: tuple[Bound, ...]) -> Span:
    lows = [day for bound in bounds if bound.low for day in [days_of(bound.low)] if day is not None]
    highs = [day for bound in bounds if bound.high for day in [days_of(bound.high)] if day is not None]
    return max(lows, default=-math.inf), min(highs, default=math.inf)
