"""A product's history as a value: files, and the recipe runs that took and made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from app.plan import Origin

Kind: TypeAlias = Literal["raw", "product", "elsewhere"]


@dataclass(frozen=True, slots=True)
class File:
    """A file of a chain.

    `id` is its dp_id where the archive holds it; else (`elsewhere`) its name, with the begin of its SHA-256
    where that is known. `name` is what it is called on disk. `category` is a product's PRO.CATG, "" for
    others. `unknown` says what nobody here can tell of it.
    """

    id: str
    name: str
    kind: Kind
    category: str = ""
    size: int | None = None
    sha256: str | None = None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """A file that a run took, by the tag it had in the SOF."""

    tag: str
    file: str


@dataclass(frozen=True, slots=True)
class Output:
    """A product of a run: its PRO.CATG, and which of those of that category it is, from 1 in their order."""

    category: str
    number: int
    file: str


@dataclass(frozen=True, slots=True)
class Run:
    """A recipe run of which at least one product is in the chain.

    `pipeline` as in PRO.REC1.PIPE.ID (`uves/6.1.8`), `parameters` as esorex takes them (`--name=value`).
    `begun`, `elapsed` (s), `host`, `esorex`, `key` (its content key) and `origin` (the answer it was planned
    from) are None where they are not known; `unknown` says so in words.
    """

    id: str
    recipe: str
    pipeline: str
    parameters: tuple[str, ...]
    inputs: tuple[Use, ...] = ()
    outputs: tuple[Output, ...] = ()
    begun: datetime | None = None
    elapsed: float | None = None
    host: str | None = None
    esorex: str | None = None
    key: str | None = None
    origin: Origin | None = None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """The history of the file `dp_id`: each file once, each run once and after those that it needs.

    Only headers that contradict each other, where a product is its own ancestor, leave a run before one
    that it needs.
    """

    dp_id: str
    files: Mapping[str, File]
    runs: tuple[Run, ...]

    @property
    def file(self) -> File:
        """The file that was asked for."""
        return self.files[self.dp_id]

    def unknown(self) -> Iterator[str]:
        """Everything that is not known, with where."""
        for file in self.files.values():
            yield from (f"{file.id}: {what}" for what in file.unknown)
        for run in self.runs:
            yield from (f"{run.recipe} of {run.outputs[0].file}: {what}" for what in run.unknown)

    def leaves(self) -> list[File]:
        """The files that no run before its first use makes: what a reproduction starts from."""
        made: set[str] = set()
        found: dict[str, File] = {}
        for run in self.runs:
            found |= {use.file: self.files[use.file] for use in run.inputs if use.file not in made}
            made |= {output.file for output in run.outputs}
        return list(found.values()) or ([] if self.dp_id in made else [self.file])
