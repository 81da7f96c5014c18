from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ForbiddenError, LoginError
from app.rights import Lock, User, allowed, demand, lock_of, release_of, utc_text

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SCIENCE = {"DPR.CATG": "SCIENCE", "OBS.PROG.ID": "088.D-0512(A)", "DATE-OBS": "2026-02-01T01:02:03.4567"}


@pytest.mark.parametrize(
    ("programme", "run", "covered"),
    [
        ("088.D-0512(A)", "088.D-0512(A)", True),
        ("088.D-0512", "088.D-0512(A)", True),
        ("088.D-0512", "088.D-0512", True),
        ("108.22L8", "108.22L8.001", True),
        ("088.D-0512(A)", "088.D-0512(B)", False),
        ("088.D-051", "088.D-0512(A)", False),
        ("088", "088.D-0512(A)", False),
        ("108.22L8.0", "108.22L8.001", False),
        ("", "(A)", False),
        ("", "", False),
        ("088.D-0512(A)", "088.D-0512", False),
        ("*", "088.D-0512(A)", True),
    ],
)
def test_a_programme_covers_its_runs_and_no_others(programme: str, run: str, covered: bool):
    lock = Lock(NOW + timedelta(days=1), run)
    assert allowed(lock, User("ann", frozenset({programme})), NOW) is covered


def test_a_lock_opens_at_its_release_date_and_not_before():
    lock = lock_of("2026-03-01T00:00:00.000Z", SCIENCE)
    assert allowed(lock, User(), NOW)
    assert not allowed(lock, User(), NOW - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("header", "locked"),
    [
        ({"DPR.CATG": "SCIENCE"}, True),
        ({"DPR.CATG": "ACQUISITION"}, True),
        ({"PRO.CATG": "COADDED_IMG", "PRO.SCIENCE": True}, True),
        ({"PRO.CATG": "COADDED_IMG", "PRODCATG": "SCIENCE.IMAGE"}, True),
        ({"PRODCATG": "ANCILLARY.WEIGHTMAP"}, True),
        ({"DPR.CATG": "CALIB", "OBS.PROG.ID": "088.D-0512(A)"}, False),
        ({"DPR.CATG": "TEST"}, False),
        ({"PRO.CATG": "MASTER_BIAS", "PRO.SCIENCE": False}, False),
        ({}, False),
    ],
)
def test_only_science_can_be_locked(header: dict[str, object], locked: bool):
    assert (lock_of("2112-01-01", header) is not None) is locked
    assert (release_of({**header, "DATE-OBS": "2026-02-01"}, 10) is not None) is locked


def test_a_science_file_is_released_some_days_after_its_start():
    assert release_of(SCIENCE, 365) == "2027-02-01T01:02:03.456Z"
    assert release_of(SCIENCE, 0) is None


@pytest.mark.parametrize("start", [None, "yesterday", "9999-12-31T00:00:00", "2026-02-30"])
def test_science_that_cannot_be_dated_stays_locked(start: str | None):
    header = {name: value for name, value in {**SCIENCE, "DATE-OBS": start}.items() if value is not None}
    lock = lock_of(release_of(header, 365), header)
    assert not allowed(lock, User(), datetime(2500, 1, 1, tzinfo=UTC))
    with pytest.raises(LoginError, match="no date to be released after"):
        demand("X", lock, User(), NOW)


def test_who_may_not_read_is_told_why():
    lock = lock_of("2112-01-01", SCIENCE)
    with pytest.raises(LoginError, match="X is proprietary, it is released on 2112-01-01; log in"):
        demand("X", lock, User(), NOW)
    with pytest.raises(ForbiddenError, match=r"programme '088.D-0512\(A\)', which bob may not read"):
        demand("X", lock, User("bob", frozenset({"090.A-0001"})), NOW)
    demand("X", lock, User("ann", frozenset({"088.D-0512"})), NOW)
    demand("X", None, User(), NOW)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2008-11-11T02:39:14.593Z", "2008-11-11T02:39:14.593Z"),
        ("2008-11-11", "2008-11-11T00:00:00.000Z"),
        ("2008-11-11T02:39:14+02:00", "2008-11-11T00:39:14.000Z"),
    ],
)
def test_times_are_written_in_utc(text: str, written: str):
    assert utc_text(text) == written


@given(st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1)), st.integers(1, 100_000))
def test_no_science_frame_is_released_before_its_days_are_over(start: datetime, days: int):
    header = {"DPR.CATG": "SCIENCE", "DATE-OBS": start.isoformat(timespec="milliseconds")}
    lock = lock_of(release_of(header, days), header)
    begun = datetime.fromisoformat(str(header["DATE-OBS"])).replace(tzinfo=UTC)
    assert not allowed(lock, User(), begun + timedelta(days=days) - timedelta(seconds=1))
    assert allowed(lock, User("eve", frozenset({"*"})), begun)
