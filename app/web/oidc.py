"""The token endpoint of the development issuer, with the parameters of https://www.eso.org/sso/oidc/token.

ESO's clients log in with the password grant (RFC 6749 §4.3) and send the id_token with every request.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from app import forms
from app.errors import LoginError, RequestError
from app.rights.development import VALID_S, Issuer

PATH: Final = "/sso/oidc/token"
_SECRET_HEADERS: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # RFC 6749 §5.1

_EXAMPLE: Final = {
    "access_token": "eyJ…",
    "id_token": "eyJ…",
    "token_type": "bearer",
    "expires_in": VALID_S,
    "scope": "",
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A token; send it as `Authorization: Bearer <id_token>`.",
        "content": {"application/json": {"example": _EXAMPLE}},
    },
    400: {"description": "Not the password grant, or no user name."},
    401: {"description": "No such user, or another password."},
}
_PARAMETERS: Final = [
    {"name": name, "in": "query", "required": required, "schema": {"type": "string"}, "example": example}
    for name, required, example in (
        ("grant_type", True, "password"),
        ("username", True, "ann"),
        ("password", True, "secret"),
        ("response_type", False, "id_token token"),
        ("client_id", False, "clientid"),
        ("client_secret", False, "clientSecret"),
    )
]


def router() -> APIRouter:
    """The route /sso/oidc/token; it needs the issuer that `app.main` opens."""
    routes = APIRouter(tags=["Rights"], default_response_class=Response)

    @routes.get(
        PATH,
        summary="Log in (development only)",
        responses=_RESPONSES,
        openapi_extra={"parameters": _PARAMETERS},
    )
    @routes.post(PATH, include_in_schema=False)
    async def token(request: Request) -> Response:
        """A token for a user of the file CALSEL_DEV_USERS, as ESO's clients ask for it."""
        given = forms.single(await forms.read(request))
        if given.get("grant_type") != "password" or "username" not in given:
            raise RequestError(
                "send grant_type=password, username and password; no other grant is known here"
            )
        issuer: Issuer = request.app.state.issuer
        made = await run_in_threadpool(
            issuer.token, given["username"], given.get("password", ""), datetime.now(UTC)
        )
        if made is None:
            raise LoginError("no user has this name and this password")
        body = orjson.dumps(_EXAMPLE | {"access_token": made, "id_token": made})
        return Response(body, 200, _SECRET_HEADERS, "application/json")

    return routes
