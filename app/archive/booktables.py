"""The table of what was looked at before rulebooks were activated."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Column, DateTime, Text, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel


class BookDiff(SQLModel, table=True):
    """A diff that somebody was shown: an instrument's versions (name, checksum) before and after, sorted.

    It covered these nights and this mode: `changed` of the `compared` science frames have another answer.
    """

    __tablename__ = "book_diff"

    id: int | None = Field(default=None, primary_key=True)
    instrument: str = Field(sa_column=Column(Text, nullable=False))
    old: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    new: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    first_night: date
    last_night: date
    mode: str = Field(sa_column=Column(Text, nullable=False))
    compared: int
    changed: int
    at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )
