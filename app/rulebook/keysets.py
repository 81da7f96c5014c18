"""Match keys: what an index looks an association up by.

A key set is (literal tests, keyword names). A candidate for which the literals hold has one 64-bit
key per key set, made of its values; an association asks for the key made of its input's values.
Equal values always give equal keys (see `canonical`), so looking up by key never loses a candidate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Literal, TypeAlias

from app.header import UNDEFINED, Maybe, Undefined, Value
from app.oca.conditions import canonical

Side: TypeAlias = Literal["calib", "raw"]

# Part of every key: a change of `canonical` or of this file must not find keys of the old kind.
_VERSION = "1"


@dataclass(frozen=True, slots=True)
class KeySet:
    """`side` says which files are looked at: static and master files and virtual products, or raw ones."""

    side: Side
    literals: tuple[tuple[str, Value], ...]
    names: tuple[str, ...]

    def key_of(self, salt: str, keywords: Mapping[str, Maybe]) -> int | None:
        """A candidate's key; None when a literal differs or a keyword is undefined (`==` is then false)."""
        for name, wanted in self.literals:
            value = keywords.get(name, UNDEFINED)
            if isinstance(value, Undefined) or canonical(value) != canonical(wanted):
                return None
        return self.key_for(salt, [keywords.get(name, UNDEFINED) for name in self.names])

    def key_for(self, salt: str, values: Sequence[Maybe]) -> int | None:
        """The key of these values of `names`; None when one is undefined. `salt` is the book's checksum."""
        texts: list[str] = []
        for value in values:
            if isinstance(value, Undefined):
                return None
            texts.append(canonical(value))
        return hash64("\x1f".join((salt, _text(self), *texts)))


@lru_cache(maxsize=65536)
def _text(keyset: KeySet) -> str:
    literals = [(name, canonical(value)) for name, value in keyset.literals]
    return repr((_VERSION, keyset.side, literals, keyset.names))


def hash64(text: str) -> int:
    """A 64-bit signed hash of a text, as a bigint of PostgreSQL holds it."""
    return int.from_bytes(
        blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest(), signed=True
    )
