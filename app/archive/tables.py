"""The tables of the index. Migrations make them; a test proves that both agree.

Times are MJD days (UTC). `state` of a group: 0 ok, 1 hidden, 2 smaller than its rule's minRet.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB
from sqlmodel import Field, SQLModel

from app.associate.ports import Pool
from app.organise import State

# What the small integers of the columns `state` and `pool` mean.
STATES: Final[tuple[State, ...]] = ("ok", "hidden", "small")
POOLS: Final[tuple[Pool, ...]] = ("static", "master", "virtual", "raw")


def _now() -> Column[datetime]:
    """A moment that the database fills in."""
    return Column(DateTime(timezone=True), nullable=False, server_default=func.now())


class FrameRow(SQLModel, table=True):
    """A file: what every rule needs at once (hot); `keywords` are the ones that the rules name."""

    __tablename__ = "frame"
    __table_args__ = (
        Index("frame_sha256", "sha256", postgresql_where="sha256 IS NOT NULL"),
        Index("frame_mjd", "mjd"),
        Index("frame_ingested", "ingested_at"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    dp_id: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    instrume: str = Field(sa_column=Column(Text, nullable=False, index=True))
    raw: bool
    mjd: float | None
    keywords: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    size: int | None = Field(default=None, sa_column=Column(BigInteger))
    sha256: str | None = Field(default=None, sa_column=Column(Text))
    path: str | None = Field(default=None, sa_column=Column(Text, index=True))
    mtime_ns: int | None = Field(default=None, sa_column=Column(BigInteger))
    certified: bool = False
    hidden: bool = False
    release_date: str | None = Field(default=None, sa_column=Column(Text))
    ingested_at: datetime | None = Field(default=None, sa_column=_now())


class HeaderRow(SQLModel, table=True):
    """The whole header, in the file's order (cold)."""

    __tablename__ = "frame_header"

    frame_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("frame.id", ondelete="CASCADE"), primary_key=True)
    )
    header: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class VersionRow(SQLModel, table=True):
    """A frame as it was until `replaced_at`, when its file had changed; append only."""

    __tablename__ = "frame_version"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    frame_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("frame.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    header: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    size: int | None = Field(default=None, sa_column=Column(BigInteger))
    sha256: str | None = Field(default=None, sa_column=Column(Text))
    path: str | None = Field(default=None, sa_column=Column(Text))
    mtime_ns: int | None = Field(default=None, sa_column=Column(BigInteger))
    release_date: str | None = Field(default=None, sa_column=Column(Text))
    replaced_at: datetime | None = Field(default=None, sa_column=_now())


class BookRow(SQLModel, table=True):
    """A version of a rulebook, kept for ever; the newest active row of a name is in force."""

    __tablename__ = "book"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(sa_column=Column(Text, nullable=False))
    checksum: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    text: str = Field(sa_column=Column(Text, nullable=False))
    active: bool = False


class BookEvent(SQLModel, table=True):
    """Activation history: which version of a book answered from when on; append only."""

    __tablename__ = "book_event"

    id: int | None = Field(default=None, primary_key=True)
    book_id: int = Field(foreign_key="book.id")
    active: bool
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class ClassifiedRow(SQLModel, table=True):
    """What a book says of a frame: derived keywords, the lines of the rules that fired."""

    __tablename__ = "classified"
    __table_args__ = (Index("classified_frame", "frame_id"),)

    book_id: int = Field(sa_column=Column(Integer, ForeignKey("book.id"), primary_key=True))
    frame_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("frame.id", ondelete="CASCADE"), primary_key=True)
    )
    tag: str = Field(sa_column=Column(Text, nullable=False))
    raw_type: str = Field(sa_column=Column(Text, nullable=False))
    derived: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    fired: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False))


class PartitionRow(SQLModel, table=True):
    """Which frames an organisation rule may put together; `part` is a 64-bit hash of the grouping values."""

    __tablename__ = "partition_member"
    __table_args__ = (Index("partition_member_frame", "frame_id"),)

    book_id: int = Field(sa_column=Column(Integer, ForeignKey("book.id"), primary_key=True))
    rule: int = Field(sa_column=Column(SmallInteger, primary_key=True))
    part: int = Field(sa_column=Column(BigInteger, primary_key=True))
    frame_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("frame.id", ondelete="CASCADE"), primary_key=True)
    )


class GroupRow(SQLModel, table=True):
    """A group of frames; one per (book, rule, partition). `content` is equal for equal action and frames."""

    __tablename__ = "frame_group"
    __table_args__ = (
        Index("frame_group_place", "book_id", "rule", "part", unique=True),
        Index("frame_group_time", "book_id", "action", "middle"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    book_id: int = Field(foreign_key="book.id")
    rule: int = Field(sa_column=Column(SmallInteger, nullable=False))
    part: int = Field(sa_column=Column(BigInteger, nullable=False))
    action: str = Field(sa_column=Column(Text, nullable=False))
    raw_type: str = Field(sa_column=Column(Text, nullable=False))
    middle: float | None
    state: int = Field(sa_column=Column(SmallInteger, nullable=False))
    content: str = Field(sa_column=Column(Text, nullable=False))


class MemberRow(SQLModel, table=True):
    """A frame of a group; position 0 is the primary."""

    __tablename__ = "group_member"
    __table_args__ = (Index("group_member_frame", "frame_id"),)

    group_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("frame_group.id", ondelete="CASCADE"), primary_key=True)
    )
    position: int = Field(sa_column=Column(Integer, primary_key=True))
    frame_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("frame.id", ondelete="CASCADE"), nullable=False)
    )


class MatchRow(SQLModel, table=True):
    """A match key of a file, or of a virtual product of a group (then `frame_id` is the group's primary)."""

    __tablename__ = "match_key"
    __table_args__ = (
        Index("match_key_near", "key", "certified", "middle"),
        Index("match_key_group", "group_id", postgresql_where="group_id IS NOT NULL"),
        Index("match_key_frame", "frame_id"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    key: int = Field(sa_column=Column(BigInteger, nullable=False))
    middle: float | None
    mjd: float | None
    certified: bool
    state: int = Field(sa_column=Column(SmallInteger, nullable=False))
    pool: int = Field(sa_column=Column(SmallInteger, nullable=False))
    book_id: int = Field(sa_column=Column(Integer, nullable=False))
    frame_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("frame.id", ondelete="CASCADE"), nullable=False)
    )
    group_id: int | None = Field(
        sa_column=Column(BigInteger, ForeignKey("frame_group.id", ondelete="CASCADE"))
    )
    promise: int | None = Field(sa_column=Column(SmallInteger))


class BreakpointRow(SQLModel, table=True):
    """An intervention; the columns are the names of CalSelector's breakpoint list. In force until removed."""

    __tablename__ = "breakpoint"
    __table_args__ = (
        Index(
            "breakpoint_once",
            *("instrument", "mjd_obs", "raw_type", "pro_catg", "do_class"),
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    mjd_obs: float
    instrument: str = Field(sa_column=Column(Text, nullable=False))
    dp_instrument: str = Field(sa_column=Column(Text, nullable=False))
    raw_type: str = Field(sa_column=Column(Text, nullable=False))
    pro_catg: str = Field(sa_column=Column(Text, nullable=False))
    do_class: str = Field(sa_column=Column(Text, nullable=False))
    added_at: datetime | None = Field(default=None, sa_column=_now())
    removed_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class QualityEvent(SQLModel, table=True):
    """Certification history: certified, rejected, hidden or shown; append only, with who, why and when.

    `was` is the flag before: certified for the first two verdicts, hidden for the others.
    """

    __tablename__ = "quality_event"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    frame_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("frame.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    verdict: str = Field(sa_column=Column(Text, nullable=False))
    who: str = Field(sa_column=Column(Text, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    was: bool
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class ProvenanceRow(SQLModel, table=True):
    """What a product was made from: the dp_ids of its sources, in the recipe's order."""

    __tablename__ = "provenance"
    __table_args__ = (Index("provenance_source", "dp_id"),)

    frame_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("frame.id", ondelete="CASCADE"), primary_key=True)
    )
    position: int = Field(sa_column=Column(Integer, primary_key=True))
    dp_id: str = Field(sa_column=Column(Text, nullable=False))


class MadeRow(SQLModel, table=True):
    """How a product came to be: the task.json that lay beside it when it was ingested."""

    __tablename__ = "made"

    frame_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("frame.id", ondelete="CASCADE"), primary_key=True)
    )
    facts: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class NightLogRow(SQLModel, table=True):
    """What the observatory wrote of a frame's night; it may come before the frame does."""

    __tablename__ = "night_log"

    dp_id: str = Field(sa_column=Column(Text, primary_key=True))
    text: str = Field(sa_column=Column(Text, nullable=False))


class RevisionRow(SQLModel, table=True):
    """The archive's revisions: a row for every change; append only."""

    __tablename__ = "revision"

    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: datetime | None = Field(default=None, sa_column=_now())
