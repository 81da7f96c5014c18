"""The ways a chain can be written: for each a pure function of the chain and of where links lead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from app.errors import RequestError
from app.formats.links import Links
from app.provenance import drawing, script, w3c
from app.provenance.chain import Chain


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its short name, its Content-Type, the end of its file names, its writer."""

    name: str
    media_type: str
    suffix: str
    write: Callable[[Chain, Links], bytes]


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        each.name: each
        for each in (
            Format("json", "application/json", ".json", w3c.write_json),
            Format("svg", "image/svg+xml", ".svg", drawing.write),
            Format("script", "text/x-shellscript", ".sh", script.write),
            # as IANA has it for PROV-N
            Format("provn", "text/provenance-notation; charset=utf-8", ".provn", w3c.write_notation),
        )
    }
)


def pick(wanted: str) -> Format:
    """The format of this name. Raises RequestError, naming those there are."""
    try:
        return FORMATS[wanted.strip().lower()]
    except KeyError:
        raise RequestError(f"no format {wanted:.50}; there are {', '.join(FORMATS)}") from None
