"""The webhook: whoever wants to know what has changed for science frames is told, once it has.

A POST of the JSON of `GET /calselector/v1/changes`, for each mode by itself. With a secret it bears
`X-CalSelector-Signature: sha256=<hex>`, the HMAC-SHA256 of the body (RFC 2104). What is not acknowledged
(2xx) is told again at the next look, so a receiver may hear the same twice, and never misses anything.
"""

from __future__ import annotations

import hmac
import logging
from datetime import datetime
from typing import Final

import httpx
import orjson

from app.archive.changelist import describe
from app.archive.changes import changes
from app.archive.finding import Connection
from app.archive.index import Index
from app.errors import CalselError

LOG: Final = logging.getLogger("calsel.notify")
# Session-wide, so that of several workers one looks; next to the index's own lock (app.archive.storing).
_LOCK: Final = 0x_CA15E2
_TIMEOUT_S: Final = 20.0


class WebhookError(CalselError):
    """Who is to be told does not take it; it is tried again at the next look."""


def notify(index: Index, url: str, secret: str | None = None) -> int | None:
    """Tell `url` what has changed since it was last told; returns how many answers.

    None when there was nothing to tell or another process is telling. The first look only remembers from
    when on. Raises WebhookError when the answer is not 2xx or there is none.
    """
    with index.connection() as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
        if not row or not row[0]:
            return None
        try:
            since = _told(connection, url)
            connection.commit()
            return _tell(index, connection, url, secret, since)
        finally:
            connection.rollback()
            connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _told(connection: Connection, url: str) -> datetime:
    """Until when this address knows; from now on, where it is new."""
    row = connection.execute(
        "INSERT INTO changes_told (url, until) VALUES (%s, now()) "
        "ON CONFLICT (url) DO UPDATE SET url = excluded.url RETURNING until",
        [url],
    ).fetchone()
    assert row is not None
    moment = row[0]
    assert isinstance(moment, datetime)
    return moment


def _tell(index: Index, connection: Connection, url: str, secret: str | None, since: datetime) -> int | None:
    count = 0
    until: datetime | None = None
    after: str | None = ""
    while after is not None:
        found = changes(index, since, after=after, most_undone=None)
        until = min(until or found.until, found.until)
        if found.changed:
            _post(url, orjson.dumps(describe(found)), secret)
            count += len(found.changed)
        after = found.next
    connection.execute("UPDATE changes_told SET until = %s WHERE url = %s", [until, url])
    connection.commit()
    if count:
        LOG.info("told the webhook of %d changed answers", count)
    return count or None


def _post(url: str, body: bytes, secret: str | None) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": "CalSelector"}
    if secret:
        headers["X-CalSelector-Signature"] = f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}"
    # The address may hold a password: no message shows more than its host.
    host = httpx.URL(url).host
    try:
        answer = httpx.post(url, content=body, headers=headers, timeout=_TIMEOUT_S, follow_redirects=False)
    except httpx.HTTPError as error:
        raise WebhookError(f"the webhook at {host} does not answer: {type(error).__name__}") from error
    if not answer.is_success:
        raise WebhookError(f"the webhook at {host} answers {answer.status_code}; it is told again later")
