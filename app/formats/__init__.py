"""The ways a tree can be written: for each a pure function `Tree -> bytes`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from app.errors import RequestError
from app.formats import jsontree, script, sof, xml
from app.formats.names import filename
from app.tree import Tree

__all__ = ["FORMATS", "Format", "filename", "pick"]


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its short name, its Content-Type, the end of its file names, and its writer."""

    name: str
    media_type: str
    suffix: str
    write: Callable[[Tree], bytes]


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        each.name: each
        for each in (
            # CalSelector's own Content-Type
            Format("xml", "application/xml; content=calselector", ".xml", xml.write),
            Format("json", "application/json", ".json", jsontree.write),
            Format("sof", "text/plain; charset=utf-8", ".sof", sof.write),
            Format("script", "text/x-shellscript", ".sh", script.write),
        )
    }
)


def pick(wanted: str) -> Format:
    """The format with this short name or media type, whatever its case and parameters.

    Raises RequestError, naming the formats there are.
    """
    word = _bare(wanted)
    for each in FORMATS.values():
        if word in (each.name, _bare(each.media_type)):
            return each
    raise RequestError(f"no format {wanted!r}; there are {', '.join(FORMATS)}, or their media types")


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()
