"""What can go wrong, in the field's words and free of HTTP.

Each message names what is wrong, where, and how to mend it. One table at the door
(`app/web/errors.py`) turns these into a status and a body.
"""

from __future__ import annotations


class CalselError(Exception):
    """Base of everything this project raises on purpose."""


class ConfigError(CalselError):
    """A setting that makes no sense; the message names the environment variable."""


class HeaderError(CalselError):
    """A file whose FITS header cannot be read: torn, empty, not FITS."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    @classmethod
    def of(cls, path: object, error: Exception) -> HeaderError:
        """What keeps a file from being read, in the words of the system."""
        return cls(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}")


class RuleError(CalselError):
    """A rule file that must not be used; the message holds every diagnostic."""


class NoRulebookError(CalselError):
    """No rulebook covers this instrument or this night."""


class UnknownFrameError(CalselError):
    """A dp_id, or several, that the index does not hold."""

    def __init__(self, dp_id: str, *others: str) -> None:
        named = ", ".join(map(repr, (dp_id, *others[:9])))
        what = f"dp_id {named} is" if not others else f"{len(others) + 1} dp_ids are"
        which = f": {named}{' and more' if len(others) > 9 else ''}" if others else ""
        super().__init__(
            f"{what} not in this archive{which}; check the spelling (no '.fits' at the end), "
            "or ingest the file with 'calsel ingest'"
        )
        self.dp_id = dp_id


class NoFileError(CalselError):
    """A frame that the index knows without its file: only the header, or it is another file by now."""


class SchemaError(CalselError):
    """The database has another schema than this program; the message says which command mends it."""


class DatabaseError(CalselError):
    """No database can be reached or started; the message says which settings matter."""


class RequestError(CalselError):
    """A request that cannot be answered as it is: wrong mode, no dp_id, too many."""


class LoginError(CalselError):
    """Only a user may have this; with `refused`, a token was sent and is not good."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class ForbiddenError(CalselError):
    """The user is known and may not have what was asked for."""


class IssuerError(CalselError):
    """The keys that tokens are checked with cannot be had."""


class PlanError(CalselError):
    """A tree that cannot be turned into recipe runs, and why."""


class TreeFormatError(CalselError):
    """A text that is no association tree, or a tree that a format cannot express."""
