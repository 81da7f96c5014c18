"""What a request may ask beyond CalSelector: no one else answers these."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

Preference: TypeAlias = Literal["raw", "master"]


@dataclass(frozen=True, slots=True)
class Wish:
    """Without any, the answer is CalSelector's.

    `alternatives` next best candidates are told for each slot. `max_age` in days refuses what was taken
    longer before or after (files without a time are not concerned). `exclude`d frames count as hidden.
    `prefer` takes, slot by slot, masters or raw groups first and the others where there is none, instead
    of one kind for the whole dataset. `as_of` (with a time zone) answers as this service would have
    answered then. `latest` is a quick look's: masters only, the last certified one before, however old, and
    nothing falls back to raw. `action` answers for the group of that action, offered or not: calibrations.
    `min_level` is the least quality that will do: a match of a greater level is refused (`app.level`; what
    has none is not concerned).
    """

    alternatives: int = 0
    max_age: float | None = None
    exclude: frozenset[str] = frozenset()
    prefer: Preference | None = None
    as_of: datetime | None = None
    latest: bool = False
    action: str = ""
    min_level: int | None = None

    @property
    def rewrites(self) -> bool:
        """Asks about an archive that is not the present one."""
        return bool(self.exclude) or self.as_of is not None

    def __str__(self) -> str:
        parts = [f"alternatives={self.alternatives}"] if self.alternatives else []
        if self.max_age is not None:
            parts.append(f"max_age={self.max_age:g} d")
        if self.min_level is not None:
            parts.append(f"min_level={self.min_level}")
        parts += [f"exclude={dp_id}" for dp_id in sorted(self.exclude)]
        if self.prefer:
            parts.append(f"prefer={self.prefer}")
        if self.as_of:
            parts.append(f"as_of={self.as_of.isoformat()}")
        if self.latest:
            parts.append("the last certified masters only")
        return ", ".join(parts)


NOTHING = Wish()
