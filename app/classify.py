"""What a frame is, and which rules said so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.header import Header, Maybe


@dataclass(frozen=True, slots=True)
class Frame:
    """A file of the archive.

    `dp_id` has no extension. `size` in bytes, `sha256` of the file's bytes (hex) and `path` are None
    where only a header is known. `release_date` is ISO 8601 UTC.
    """

    dp_id: str
    header: Header
    size: int | None = None
    sha256: str | None = None
    path: str | None = None
    mtime_ns: int | None = None
    certified: bool = False
    hidden: bool = False
    release_date: str | None = None


@dataclass(frozen=True, slots=True)
class Classified:
    """A frame and what the rules derived: `keywords` is the header with the derived names laid over it."""

    frame: Frame
    derived: Mapping[str, Maybe]
    fired: tuple[int, ...]
    keywords: Mapping[str, Maybe]
