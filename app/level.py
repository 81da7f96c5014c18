"""How good a match is: a number, as EDPS counts it, and CalSelector's word for it.

| level | EDPS' meaning | what a rule says | `match` |
|---|---|---|---|
| below 0 | stricter than the plan | inside so many `tryBetween` that lie inside the plan's | `calib_plan` |
| 0 | calibration plan | inside the plan: the first `tryBetween` of MJD-OBS in days | `calib_plan` |
| 1 | good quality | outside the plan, inside every wider `tryBetween` | `extended` |
| 2 | probably acceptable | outside one `tryBetween` around the plan's, too | `extended` |
| 3 … | significant risk | outside two of them, and so on | `extended` |
| none | – | the rule has no `tryBetween` | `N/A` |

`between` is the limit of them all: what is outside is refused. `N/A` is no quality: CalSelector says it of
statics, of auxiliaries, and of rules without a plan, which nobody can be outside of. It is neither better nor
worse than a level. A `tryBetween` that is neither inside nor around the plan's (of another keyword, of dates,
or across its end) is part of the plan: whoever is outside is outside the plan. That is all of it: OCA needs
no new word, and of a rule with one window a level is 0 or 1, as CalSelector's two labels are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias

# CalSelector's label for a calibration inside the preferred validity, and for a rule without one.
CALIB_PLAN: Final = "calib_plan"
NOT_APPLICABLE: Final = "N/A"
# Outside the plan but inside the hard limit: ESO's word is not public (the real answers at hand show
# only the two above), so this word is ours, and this is the only place that says it.
EXTENDED: Final = "extended"

# What a request may ask for: EDPS' levels go from below 0 to 3, a book may have more windows.
LOWEST: Final = -9
HIGHEST: Final = 9
_WORD: Final = re.compile(r"[+-]?[0-9]", re.ASCII)

Window: TypeAlias = tuple[float, float]  # days from the asking exposure: first, last
Side: TypeAlias = Literal[-1, 0, 1]  # of the plan: inside it, (a part of) it, around it


def read_level(word: str) -> int:
    """The level that a request names; ValueError says what can be named."""
    if not _WORD.fullmatch(word):
        raise ValueError(f"is no level: a whole number from {LOWEST} to {HIGHEST}; 0 is the calibration plan")
    return int(word)


def label(level: int | None) -> str:
    """CalSelector's word for a level."""
    if level is None:
        return NOT_APPLICABLE
    return CALIB_PLAN if level <= 0 else EXTENDED


def told(match: str, level: int | None) -> str:
    """The word for people: with the number where the word alone does not say it."""
    plain = level is None or (match, level) in ((CALIB_PLAN, 0), (EXTENDED, 1))
    return match if plain else f"{match} (level {level})"


def sides(windows: Sequence[Window | None]) -> tuple[Side, ...]:
    """Where each soft window of a rule lies; None for one that is not in days from the asking exposure."""
    plan = next((window for window in windows if window is not None), None)
    return tuple(_side(window, plan) for window in windows)


def level_of(sides: Iterable[Side], inside: Iterable[bool]) -> int | None:
    """The level of a candidate that is inside these of the windows. It never grows with one more."""
    found = list(zip(sides, inside, strict=True))
    if not found:
        return None
    if all(held for side, held in found if side == 0):
        return -sum(held for side, held in found if side < 0)
    return 1 + sum(not held for side, held in found if side > 0)


def _side(window: Window | None, plan: Window | None) -> Side:
    if window is None or plan is None or window == plan:
        return 0
    if plan[0] <= window[0] and window[1] <= plan[1]:
        return -1
    return 1 if window[0] <= plan[0] and plan[1] <= window[1] else 0
