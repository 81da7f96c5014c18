"""Settings from the environment: read once by whoever starts the program, passed on as values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import ConfigError

PREFIX = "CALSEL_"
ROOT = Path(__file__).resolve().parents[1]


def _default_home() -> Path:
    """Root's /var/lib (FHS 5.8, state of programs), else the user's data folder (XDG Base Directory)."""
    if os.geteuid() == 0:
        return Path("/var/lib/calselector")
    # XDG: "If an implementation encounters a relative path ... it should consider the path invalid."
    given = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".local/share") / "calselector"


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _database_url(url: str | None) -> str | None:
    """Bare `postgresql://` means whichever driver SQLAlchemy likes best today; ours is psycopg 3."""
    if url is None:
        return None
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgresql+psycopg", "postgresql", "postgres"):
        raise ValueError(
            "must be the URL of a PostgreSQL server: postgresql+psycopg://user:password@host/name"
        )
    return f"postgresql+psycopg://{rest}"


def _public_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return url.rstrip("/")


def _webhook(url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return url


Folder = Annotated[Path, AfterValidator(_absolute)]


class Settings(BaseSettings):
    """Every setting; the variable is the field's name in capitals after CALSEL_."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    home: Folder = Field(
        default_factory=_default_home,
        description="where the embedded database and, unless set apart, all files live",
    )
    database_url: Annotated[str | None, AfterValidator(_database_url)] = Field(
        default=None,
        repr=False,  # holds a password
        description="a PostgreSQL server, postgresql+psycopg://...; without it, an embedded one is started",
    )
    rules: Folder = Field(default=ROOT / "rules", description="the rulebooks, one folder per instrument")
    archive: Folder = Field(
        default_factory=lambda known: known["home"] / "archive", description="raw files, and what arrives"
    )
    products: Folder = Field(
        default_factory=lambda known: known["home"] / "products", description="what recipes made"
    )
    jobs: PositiveInt = Field(
        default_factory=lambda: len(os.sched_getaffinity(0)), description="recipes that run at the same time"
    )
    proprietary_days: NonNegativeInt = Field(
        default=0, description="how long an ingested science file is locked after its DATE-OBS"
    )
    oidc_issuer: str | None = Field(default=None, description="whose tokens are taken: their claim `iss`")
    oidc_keys: str | None = Field(
        default=None, description="the issuer's JSON web key set, which checks the tokens: URL or file"
    )
    oidc_audience: str | None = Field(default=None, description="the claim `aud` that tokens must have")
    dev_users: Annotated[Path, AfterValidator(_absolute)] | None = Field(
        default=None, description="a file of users, which makes this service an issuer for development"
    )
    certifier_role: str = Field(
        default="certifier", min_length=1, description="the claim `roles` of tokens that may certify"
    )
    webhook: Annotated[str | None, AfterValidator(_webhook)] = Field(
        default=None,
        repr=False,  # may hold a password
        description="where workers post what has changed for science frames",
    )
    webhook_secret: str | None = Field(
        default=None, repr=False, description="what those posts are signed with (HMAC-SHA256)"
    )
    public_url: Annotated[str, AfterValidator(_public_url)] = Field(
        default="http://localhost:8000", description="how clients reach this service; the start of every link"
    )


def read() -> Settings:
    """The settings of this process.

    Raises:
        ConfigError: a variable has a value that makes no sense; the message names the variable, and not
            the value, which may hold a password.
    """
    try:
        return Settings()
    except ValidationError as error:
        # The other type only says that a folder's default waits for the settings before it.
        faults = [fault for fault in error.errors() if fault["type"] != "default_factory_not_called"]
        raise ConfigError("\n".join(_line(fault) for fault in faults)) from None


def _line(fault: ErrorDetails) -> str:
    return f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg'].removeprefix('Value error, ')}"
