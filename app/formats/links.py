"""Where the links of an answer lead: its files, their DataLink, and the question itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from app.formats.names import url_name
from app.tree import Mode

ASSOCIATIONS: Final = "/calselector/v1/associations"
DATALINK: Final = "/datalink/links"
FILES: Final = "/dataPortal/file/"
PREVIEWS: Final = "/previews/v1/files/"
PROVENANCE: Final = "/provenance/"


@dataclass(frozen=True, slots=True)
class Links:
    """The addresses of a service, without a slash at the end, and of its files, with one.

    `further` are parameters of the question beyond CalSelector's; links back to the question keep them.
    """

    service: str = "https://archive.eso.org"
    files: str = f"https://dataportal.eso.org{FILES}"
    further: tuple[tuple[str, str], ...] = ()

    def file(self, dp_id: str) -> str:
        """Where the bytes of a file are."""
        return f"{self.files}{url_name(dp_id)}"

    def datalink(self, dp_id: str) -> str:
        """What there is about a file."""
        return f"{self.service}{DATALINK}?ID=ivo://eso.org/ID?{_value(dp_id)}"

    def preview(self, dp_id: str) -> str:
        """A small picture of a product."""
        return f"{self.service}{PREVIEWS}{url_name(dp_id)}/preview"

    def provenance(self, dp_id: str) -> str:
        """How a product was made."""
        return f"{self.service}{PROVENANCE}{url_name(dp_id)}"

    def report(self, dp_id: str) -> str:
        """What the packaging of an archive science product had to say."""
        return f"{self.provenance(dp_id)}/report"

    def associations(self, dp_ids: Iterable[str], mode: Mode, responseformat: str = "") -> str:
        """The question about these dp_ids as an address."""
        wanted = (("responseformat", responseformat),) if responseformat else ()
        pairs = [*(("dp_id", each) for each in dp_ids), ("mode", mode), *self.further, *wanted]
        return f"{self.service}{ASSOCIATIONS}?{'&'.join(f'{name}={_value(value)}' for name, value in pairs)}"


ESO: Final = Links()


def links_of(public_url: str, further: tuple[tuple[str, str], ...] = ()) -> Links:
    """The links of a service that clients reach at this address."""
    return Links(public_url, f"{public_url}{FILES}", further)


def _value(text: str) -> str:
    return quote(text, safe=":,@")  # a '+' would be read as a blank
