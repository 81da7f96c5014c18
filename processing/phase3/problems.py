"""What a checked product can be told: one problem is one sentence, with its place and the rule's source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning"]

FITS = "FITS standard 4.0"
VALIDATOR = "Phase 3 validator, 2025-03-27"


def sdp(section: str) -> str:
    """The source of a rule: a section of the Science Data Products Standard."""
    return f"ESO-044286 v8, {section}"


TABLE_8 = sdp("table 8")


@dataclass(frozen=True, slots=True)
class Problem:
    """What breaks a rule: how bad, in which HDU (None: the file), at which keyword ("" if at none).

    `sentence` says what is there, what should be, and how to mend it; `source` who says so.
    """

    severity: Severity
    hdu: int | None
    keyword: str
    sentence: str
    source: str

    def __str__(self) -> str:
        place = "file" if self.hdu is None else f"HDU {self.hdu}"
        where = f"{place}, {self.keyword}" if self.keyword else place
        return f"{self.severity}: {where}: {self.sentence} [{self.source}]"


def error(hdu: int | None, keyword: str, sentence: str, source: str) -> Problem:
    """What keeps the product out of an archive."""
    return Problem("error", hdu, keyword, sentence, source)


def warning(hdu: int | None, keyword: str, sentence: str, source: str) -> Problem:
    """What the product could do better."""
    return Problem("warning", hdu, keyword, sentence, source)
