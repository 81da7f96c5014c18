"""The tables of jobs and of the recipe runs that they share. Migrations make them; a test proves both agree.

A job wants runs; a run is one recipe call, known by its plan key, and may be wanted by many jobs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

# UWS 1.1, 3.2: those of a job here. HELD, SUSPENDED, UNKNOWN and ARCHIVED never occur.
PHASES = ("PENDING", "QUEUED", "EXECUTING", "COMPLETED", "ERROR", "ABORTED")
# `waiting` for another run; `ready` for a worker; `blocked` by a failure before it.
RUN_STATES = ("waiting", "ready", "running", "done", "failed", "blocked", "cancelled")


def _moment(*, nullable: bool = True, now: bool = False) -> Column[datetime]:
    default = func.now() if now else None
    return Column(DateTime(timezone=True), nullable=nullable, server_default=default)


def _words(column: str, words: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


class JobRow(SQLModel, table=True):
    """A job as UWS knows it. `parameters` as they were asked, `answers` say which rules and revision decided.

    `execution_duration` in seconds, 0 without limit. A job of a period has children, one for each group.
    """

    __tablename__ = "job"
    __table_args__ = (
        _words("phase", PHASES),
        Index("job_open", "phase", postgresql_where="phase IN ('QUEUED', 'EXECUTING')"),
        Index("job_listing", "created", "id"),
    )

    id: str = Field(sa_column=Column(Text, primary_key=True))
    parent: str | None = Field(
        sa_column=Column(Text, ForeignKey("job.id", ondelete="CASCADE"), index=True, nullable=True)
    )
    run_id: str | None = Field(sa_column=Column(Text))
    owner: str | None = Field(sa_column=Column(Text))
    phase: str = Field(sa_column=Column(Text, nullable=False))
    priority: int = Field(sa_column=Column(Integer, nullable=False))
    parameters: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    answers: list[Any] = Field(sa_column=Column(JSONB, nullable=False, server_default=text("'[]'")))
    messages: list[Any] = Field(sa_column=Column(JSONB, nullable=False, server_default=text("'[]'")))
    error: str | None = Field(sa_column=Column(Text))
    execution_duration: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    created: datetime = Field(sa_column=_moment(nullable=False, now=True))
    queued: datetime | None = Field(sa_column=_moment())
    started: datetime | None = Field(sa_column=_moment())
    ended: datetime | None = Field(sa_column=_moment())
    destruction: datetime = Field(sa_column=_moment(nullable=False))


class RunRow(SQLModel, table=True):
    """One recipe run. `id` is its plan key, `key` the content key of what it made.

    `fence` rises whenever the run is given to another worker or taken away: only who holds the newest may
    settle it. `task` is the recipe, its parameters and inputs. Times in seconds, memory in MB.
    """

    __tablename__ = "run"
    __table_args__ = (
        _words("state", RUN_STATES),
        Index("run_open", "state", postgresql_where="state IN ('ready', 'running')"),
        Index("run_recipe", "recipe"),
    )

    id: str = Field(sa_column=Column(Text, primary_key=True))
    recipe: str = Field(sa_column=Column(Text, nullable=False))
    pipeline: str = Field(sa_column=Column(Text, nullable=False))
    task: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    priority: int = Field(sa_column=Column(Integer, nullable=False))
    fence: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    attempts: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    worker: str | None = Field(sa_column=Column(Text))
    heartbeat: datetime | None = Field(sa_column=_moment())
    ready: datetime | None = Field(sa_column=_moment())
    started: datetime | None = Field(sa_column=_moment())
    ended: datetime | None = Field(sa_column=_moment())
    elapsed: float | None = Field(sa_column=Column(Float))
    peak_mb: float | None = Field(sa_column=Column(Float))
    reused: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    key: str | None = Field(sa_column=Column(Text))
    products: list[Any] = Field(sa_column=Column(JSONB, nullable=False, server_default=text("'[]'")))
    log: str | None = Field(sa_column=Column(Text))
    reason: str = Field(sa_column=Column(Text, nullable=False, server_default=""))
    heals: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=text("false")))


class NeedRow(SQLModel, table=True):
    """A run takes products of another; an `optional` one it does without when that fails."""

    __tablename__ = "run_need"
    __table_args__ = (Index("run_need_back", "needs"),)

    run: str = Field(sa_column=Column(Text, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True))
    needs: str = Field(sa_column=Column(Text, ForeignKey("run.id"), primary_key=True))
    optional: bool


class WantRow(SQLModel, table=True):
    """A job wants a run; `final` ones are what it was asked for, `position` is the plan's order."""

    __tablename__ = "job_run"
    __table_args__ = (Index("job_run_back", "run"),)

    job: str = Field(sa_column=Column(Text, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True))
    run: str = Field(sa_column=Column(Text, ForeignKey("run.id"), primary_key=True))
    position: int = Field(sa_column=Column(Integer, nullable=False))
    final: bool


class RunEvent(SQLModel, table=True):
    """What happened to a run, in order; append only."""

    __tablename__ = "run_event"
    __table_args__ = (Index("run_event_run", "run", "id"),)

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    run: str = Field(sa_column=Column(Text, ForeignKey("run.id", ondelete="CASCADE"), nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    worker: str | None = Field(sa_column=Column(Text))
    detail: str = Field(sa_column=Column(Text, nullable=False, server_default=""))
    at: datetime = Field(sa_column=_moment(nullable=False, now=True))


class RecipeRow(SQLModel, table=True):
    """A recipe that some worker has, and what it declares of its parameters."""

    __tablename__ = "recipe"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    pipeline: str = Field(sa_column=Column(Text, primary_key=True))
    parameters: list[Any] = Field(sa_column=Column(JSONB, nullable=False))


class WorkerRow(SQLModel, table=True):
    """A worker that lives, or did until `seen`. Memory in MB; `seconds` are what one recipe may take."""

    __tablename__ = "worker"

    id: str = Field(sa_column=Column(Text, primary_key=True))
    host: str = Field(sa_column=Column(Text, nullable=False))
    pid: int
    queues: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    slots: int
    memory_mb: int
    seconds: float = Field(sa_column=Column(Float, nullable=False, server_default=text("3600")))
    started: datetime = Field(sa_column=_moment(nullable=False, now=True))
    seen: datetime = Field(sa_column=_moment(nullable=False, now=True))
