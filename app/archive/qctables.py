"""What products measured of themselves, over time; and whom the webhook has told what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Text, func
from sqlmodel import Field, SQLModel


class QcRow(SQLModel, table=True):
    """A number of a product's header (`QC.…`, `PRO.DATA…`); `mjd` is the product's MJD-OBS."""

    __tablename__ = "qc_value"
    __table_args__ = (Index("qc_value_trend", "instrume", "category", "parameter", "mjd"),)

    frame_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("frame.id", ondelete="CASCADE"), primary_key=True)
    )
    parameter: str = Field(sa_column=Column(Text, primary_key=True))
    instrume: str = Field(sa_column=Column(Text, nullable=False))
    category: str = Field(sa_column=Column(Text, nullable=False))
    value: float
    mjd: float | None
    recorded_at: datetime | None = Field(
        default=None,
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()),
    )


class ToldRow(SQLModel, table=True):
    """Up to which moment an address has been told what has changed."""

    __tablename__ = "changes_told"

    url: str = Field(sa_column=Column(Text, primary_key=True))
    until: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
