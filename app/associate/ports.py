"""What the cascade asks of an archive, and what it is told: plain values, no SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from app.header import Maybe
from app.organise import State
from app.rulebook import Rulebook
from app.tree import File

# static: a PRO.CATG that no action makes; master: a real one that some action makes;
# virtual: what a group of raw frames promises; raw: a raw frame itself.
Pool: TypeAlias = Literal["static", "master", "virtual", "raw"]


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """An intervention (ESO: breakpoint) that no association may cross; `ANY` stands for every value."""

    mjd: float
    instrument: str
    raw_type: str
    pro_catg: str
    do_class: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a slot asks the index for.

    `key` is a match key; `middle` the asking group's mid exposure (MJD days); `low` and `high` limit
    MJD-OBS. `limit` is how many of the nearest are wanted on each side and certification, None for all.
    `usable` leaves out hidden files and groups that are too small.
    """

    key: int
    pools: tuple[Pool, ...]
    middle: float | None
    low: float
    high: float
    limit: int | None
    usable: bool = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file or a group's virtual product that an index offers.

    `ref` is the index's own number of the group (virtual) or frame (others); `name` the dp_id of the
    file or of the group's primary; `keywords` what conditions see; `promise` the product block's index.
    `content` is equal for two groups of one action and the same frames; `rule`, the organisation rule's
    index, says which of them stands for both.
    """

    pool: Pool
    ref: int
    promise: int | None
    name: str
    middle: float | None
    certified: bool
    state: State
    keywords: Mapping[str, Maybe]
    raw_type: str
    tag: str
    content: str
    rule: int = 0


@dataclass(frozen=True, slots=True)
class Dataset:
    """A group of raw frames (or a lone file) with its files in time order, the primary first."""

    ref: int
    rule: int
    action: str
    raw_type: str
    state: State
    middle: float | None
    files: tuple[File, ...]
    keywords: Mapping[str, Maybe]
    content: str


class Archive(Protocol):
    """The index, as one rulebook sees it."""

    @property
    def book(self) -> Rulebook:
        """The rulebook in force."""

    @property
    def revision(self) -> int:
        """Grows with every change of the archive."""

    @property
    def breakpoints(self) -> Sequence[Breakpoint]:
        """The interventions of this instrument."""

    def candidates(self, questions: Sequence[Question]) -> list[list[Candidate]]:
        """For each question the nearest candidates on both sides, in no particular order."""

    def datasets(self, refs: Collection[int]) -> dict[int, Dataset]:
        """The groups with these numbers."""

    def files(self, refs: Collection[int]) -> dict[int, File]:
        """The single files with these numbers."""

    def datasets_of(self, dp_id: str) -> list[Dataset]:
        """Every group that holds this frame."""

    def frame(self, dp_id: str) -> File:
        """The frame itself. Raises UnknownFrameError."""

    def header(self, dp_id: str) -> Mapping[str, Maybe]:
        """The rule-relevant keywords of the frame as its header has them."""
