"""ETag and If-None-Match (RFC 9110 §8.8.3, §13.1.2): an answer that has not changed is not computed again."""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import Final

from app.archive.index import Index
from app.web.asked import Asked

_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


def entity_tag(index: Index, asked: Asked, public_url: str) -> tuple[str, int]:
    """The tag of the answer, and the archive's revision that it is for.

    It is a hash of the archive's revision, the rulebooks in force, this program, and the question.
    """
    revision, checksums = index.edition()
    parts = (
        _program(),
        public_url,
        str(revision),
        *checksums,
        asked.format.name,
        asked.mode,
        *(f"{name}={value}" for name, value in asked.further),
        *asked.dp_ids,
    )
    return f'"{sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"', revision


def is_known(tag: str, if_none_match: str) -> bool:
    """Whether the client already has the answer with this tag; weak and strong tags count alike."""
    return tag in _TAG.findall(if_none_match)


@cache
def _program() -> str:
    """Another version may write other bytes."""
    return version("calselector")
