"""Who asks, and what they may read; and logs that do not tell their secrets."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import unquote, unquote_plus

from fastapi import Depends, Request

from app.archive.files import demand_readable
from app.archive.index import Index
from app.rights import User
from app.rights.tokens import Gate

_SECRET: Final = frozenset(
    "password client_secret access_token id_token refresh_token token jwt bearer authorization".split()
)
# A JSON web token, wherever it stands: its first part is JSON in base64, so begins so.
_TOKEN: Final = re.compile(r"eyJ[\w-]{8,}\.")


def user_of(request: Request) -> User:
    """The user that the request's token names. Raises LoginError for a token that is not good."""
    gate: Gate = request.app.state.gate
    return gate.user(request.headers.get("authorization"))


# In the thread of the answer, not in the event loop: the issuer's keys may have to be fetched.
Asker: TypeAlias = Annotated[User, Depends(user_of)]
# What routes that serve files of a product declare beside their own answers.
LOCKED: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "The product is proprietary, and no token or a bad one was sent."},
    403: {"description": "The product is proprietary, and belongs to a programme of others."},
}


def check(index: Index, dp_ids: Iterable[str], user: User) -> None:
    """Raise LoginError or ForbiddenError at the first of these frames whose header the user may not read."""
    with index.connection() as connection:
        demand_readable(connection, dp_ids, user)


class _Discreet(logging.Filter):
    """Takes secrets out of the addresses that uvicorn logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        # uvicorn's record: client, method, address, version, status.
        match record.args:
            case (client, method, str(address), *rest):
                record.args = (client, method, discreet(address), *rest)
            case _:
                pass
        return True


_DISCREET: Final = _Discreet()


def keep_secrets() -> None:
    """Keep passwords and tokens of addresses out of uvicorn's access log; once is enough for a process."""
    logging.getLogger("uvicorn.access").addFilter(_DISCREET)


def discreet(address: str) -> str:
    """The address with `…` for the values of parameters that nobody shall read, and for tokens anywhere."""
    path, mark, query = address.partition("?")
    known = "/".join("…" if _has_token(part) else part for part in path.split("/"))
    return f"{known}{mark}{'&'.join(map(_without_secret, query.split('&')))}"


def _without_secret(parameter: str) -> str:
    name, separator, value = parameter.partition("=")
    if _has_token(name):
        return "…"
    # The server undoes the escapes of a name, too.
    secret = unquote_plus(name).strip().lower() in _SECRET or _has_token(value)
    return f"{name}{separator}…" if secret else parameter


def _has_token(text: str) -> bool:
    return _TOKEN.search(unquote(text)) is not None
