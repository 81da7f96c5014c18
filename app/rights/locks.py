"""Release dates and programmes. A calibration is never locked, whosever programme it was taken for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from app.errors import ForbiddenError, LoginError

# ESO gives acquisition images, which show the target, the release date of their science frames
# (`release_date` in dbo.raw); calibrations are public when they are taken.
_PROPRIETARY: Final = ("SCIENCE", "ACQUISITION")
_ARCHIVE_PRODUCTS: Final = ("SCIENCE.", "ANCILLARY.")  # ESO-044286 §4
# A programme's runs: 080.C-0881(A), or 108.22L8.001 since period 105.
_RUN: Final = re.compile(r"\([A-Z]+\)|\.\d{3}")
EVERYTHING: Final = "*"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody, or nobody in particular (no name); `programmes` whose locked frames may be read.

    A programme covers its runs; `*` is all programmes. `roles` are what the issuer says of the user.
    """

    name: str = ""
    programmes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Lock:
    """What keeps a frame from the public: its release date, and the programme (OBS.PROG.ID) it belongs to."""

    until: datetime
    programme: str


def lock_of(release_date: str | None, header: Mapping[str, object]) -> Lock | None:
    """The lock of a frame with this release date; None for one that anybody may read at any time."""
    if release_date is None or not _proprietary(header):
        return None
    return Lock(_utc(release_date), str(header.get("OBS.PROG.ID") or ""))


def release_of(header: Mapping[str, object], days: int) -> str | None:
    """The release date of a frame that is locked for some days from its start (DATE-OBS, UTC).

    None for 0 days and for calibrations. A science frame whose DATE-OBS says nothing stays locked: what
    cannot be dated cannot be released. Times so far away that no calendar has them are no dates either.
    """
    if days == 0 or not _proprietary(header):
        return None
    try:
        return utc_text(_utc(str(header.get("DATE-OBS", ""))) + timedelta(days=days))
    except (ValueError, OverflowError):
        return utc_text(datetime.max.replace(tzinfo=UTC))


def utc_text(time: datetime | str) -> str:
    """A time as ESO's archive writes it: 2008-11-11T02:39:14.593Z. Raises ValueError for other texts."""
    when = _utc(time) if isinstance(time, str) else time
    return f"{when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def allowed(lock: Lock | None, user: User, now: datetime) -> bool:
    """Whether this user may read a frame with this lock."""
    if lock is None or lock.until <= now or EVERYTHING in user.programmes:
        return True
    return any(_covers(programme, lock.programme) for programme in user.programmes)


def demand(dp_id: str, lock: Lock | None, user: User, now: datetime) -> None:
    """Raise LoginError or ForbiddenError, both with the reason, where this user may not read this frame."""
    if lock is None or allowed(lock, user, now):
        return
    never = lock.until.year == datetime.max.year
    until = "it has no date to be released after" if never else f"it is released on {lock.until:%Y-%m-%d}"
    what = f"{dp_id} is proprietary, {until}"
    if not user.name:
        raise LoginError(f"{what}; log in and send the token as 'Authorization: Bearer <token>'")
    raise ForbiddenError(
        f"{what}, and belongs to programme {lock.programme!r}, which {user.name} may not read"
    )


def _proprietary(header: Mapping[str, object]) -> bool:
    """Science and acquisition frames, and what was made of science.

    CPL then sets PRO.SCIENCE; archive products, and the maps that go with them, have a PRODCATG.
    """
    if header.get("DPR.CATG") in _PROPRIETARY or header.get("PRO.SCIENCE") is True:
        return True
    return str(header.get("PRODCATG") or "").startswith(_ARCHIVE_PRODUCTS)


def _covers(programme: str, run: str) -> bool:
    if not programme or not run.startswith(programme):
        return False
    rest = run[len(programme) :]
    return not rest or _RUN.fullmatch(rest) is not None


def _utc(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def demand_role(user: User, role: str, what: str) -> None:
    """Raise LoginError or ForbiddenError where this user may not do `what`, which takes a role."""
    if not user.name:
        raise LoginError(
            f"to {what} takes the role {role!r}; log in and send the token as 'Authorization: Bearer <token>'"
        )
    if role not in user.roles:
        raise ForbiddenError(
            f"to {what} takes the role {role!r}, which the token of {user.name} does not name "
            "(claim 'roles'); ask who gives out the roles"
        )
