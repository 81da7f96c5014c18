"""ESO's data interface dictionaries: which keywords an instrument writes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"^Parameter Name:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
# Debian puts the dictionaries of a pipeline there, with its rule files.
_DEBIAN: Final = Path("/usr/share/cpl-plugins")


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Patterns of the keywords of the category INS that an instrument's dictionaries define.

    Those of detectors, telescope, templates and observation blocks have dictionaries of their own, which no
    pipeline brings.
    """

    patterns: tuple[re.Pattern[str], ...]

    def knows(self, keyword: str) -> bool:
        """False for a keyword of the instrument that is in none of its dictionaries."""
        if not re.match(r"INS\d*\.", keyword):
            return True
        return any(pattern.fullmatch(keyword) for pattern in self.patterns)


def read_dictionaries(pipelines: Iterable[str], place: Path = _DEBIAN) -> Dictionary | None:
    """The dictionaries that these pipelines (`uves-6.1.8`) brought; None where there are none."""
    names: dict[str, None] = {}
    for pipeline in pipelines:
        # ESO-VLT-DIC of the instrument; AMBER's gratings are in its ESO-DFS-DIC
        for file in sorted((place / pipeline / "dic").glob("ESO-*-DIC.*")):
            names |= dict.fromkeys(_NAME.findall(file.read_text(encoding="latin-1")))
    patterns = tuple(_pattern(name) for name in names if name.startswith("INS"))
    return Dictionary(patterns) if patterns else None


def _pattern(name: str) -> re.Pattern[str]:
    """`INS FILTi NAME` as the keywords it stands for: i is a number, or nothing (GEN-SPE-ESO-19400-794)."""
    return re.compile(r"\.".join(re.escape(word).replace("i", r"\d*") for word in name.split()))
