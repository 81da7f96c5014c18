"""The ways a tree can be written: for each a pure function of the tree and of where links lead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from app.errors import RequestError
from app.formats import jsontree, manifest, script, sof, votable, xml
from app.formats.links import ESO, Links, links_of
from app.formats.names import filename
from app.formats.telling import tell
from app.tree import Tree

__all__ = ["ESO", "FORMATS", "Format", "Links", "filename", "links_of", "pick", "tell"]


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its short name, its Content-Type, the end of its file names, its writer."""

    name: str
    media_type: str
    suffix: str
    writer: Callable[[Tree, Links], bytes]

    def write(self, tree: Tree, links: Links = ESO) -> bytes:
        """The tree in this format; `links` is where its links lead, ESO's archive unless told."""
        return self.writer(tree, links)


def _without_links(write: Callable[[Tree], bytes]) -> Callable[[Tree, Links], bytes]:
    return lambda tree, _links: write(tree)


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        each.name: each
        for each in (
            # CalSelector's own Content-Type
            Format("xml", "application/xml; content=calselector", ".xml", _without_links(xml.write)),
            Format("json", "application/json", ".json", _without_links(jsontree.write)),
            Format("sof", "text/plain; charset=utf-8", ".sof", _without_links(sof.write)),
            Format("script", "text/x-shellscript", ".sh", script.write),
            # as the rows of ESO's DataLink announce it
            Format("votable", "application/x-votable+xml", ".vot", votable.write),
            Format("csv", "text/csv; charset=utf-8; header=present", ".csv", manifest.write),
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
