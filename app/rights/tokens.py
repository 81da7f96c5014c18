"""Bearer tokens (RFC 6750): JSON web tokens of an OIDC issuer, checked against its keys.

A token is never repeated in a message or a log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import jwt
import orjson

from app.config import Settings
from app.errors import ConfigError, IssuerError, LoginError
from app.rights.development import Issuer, open_issuer
from app.rights.locks import User

# Only with a public key of the issuer: whoever can check a token must not be able to make one, and "none"
# is no signature (RFC 8725 §3.1).
_ALGORITHMS: Final = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA".split()
_LEEWAY_S: Final = 30  # between the issuer's clock and ours

# The key with this name (kid), where a token names one.
FindKey: TypeAlias = Callable[[str | None], jwt.PyJWK]


@dataclass(frozen=True, slots=True)
class Gate:
    """Tells who sent a request. Without an issuer everybody is nobody in particular."""

    issuer: str | None = None
    audience: str | None = None
    find_key: FindKey | None = None

    def user(self, authorization: str | None) -> User:
        """The user of an Authorization header.

        The token's claim `programmes` (a list of texts) says whose locked frames may be read, `roles` what
        else its user may do. Raises LoginError saying what is wrong with the token, IssuerError when the
        issuer's keys cannot be had.
        """
        if authorization is None or self.issuer is None or self.find_key is None:
            return User()
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            # ESO's older wget scripts send HTTP Basic for public files too: whoever does is nobody in
            # particular, and learns at a locked frame that a token is needed.
            return User()
        claims = self._claims(token.strip(), self.find_key)
        return User(str(claims["sub"]), _texts(claims, "programmes"), _texts(claims, "roles"))

    def _claims(self, token: str, find_key: FindKey) -> dict[str, Any]:
        try:
            key = find_key(jwt.get_unverified_header(token).get("kid"))
            return jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                issuer=self.issuer,
                audience=self.audience,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "sub"], "verify_aud": self.audience is not None},
            )
        except (jwt.PyJWTError, ValueError) as error:
            # What the library says may repeat a part of the token; this does not, nor does the cause.
            raise LoginError(f"the token {_fault(error)}; log in again", refused=True) from None


def _texts(claims: dict[str, Any], name: str) -> frozenset[str]:
    given = claims.get(name, [])
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise LoginError(f"the token's claim {name!r} is no list of texts", refused=True)
    return frozenset(given)


def open_gate(settings: Settings) -> tuple[Gate, Issuer | None]:
    """The gate that the settings describe, and the development issuer where there is one.

    Raises ConfigError for settings that contradict each other and for files that cannot be used.
    """
    if settings.dev_users is not None:
        if settings.oidc_issuer or settings.oidc_keys:
            raise ConfigError(
                "CALSEL_DEV_USERS makes this service its own issuer, so CALSEL_OIDC_ISSUER and "
                "CALSEL_OIDC_KEYS must not be set; unset one or the other"
            )
        issuer = open_issuer(settings.dev_users, settings.home, f"{settings.public_url}/sso/oidc")
        return Gate(issuer.name, None, lambda _: issuer.public), issuer
    if settings.oidc_issuer is None and settings.oidc_keys is None:
        return Gate(), None
    if settings.oidc_issuer is None or settings.oidc_keys is None:
        raise ConfigError("CALSEL_OIDC_ISSUER and CALSEL_OIDC_KEYS need each other: set both, or none")
    return Gate(settings.oidc_issuer, settings.oidc_audience, _keys(settings.oidc_keys)), None


def _keys(place: str) -> FindKey:
    if place.startswith(("http://", "https://")):
        return _keys_of_url(place)
    try:
        keys = jwt.PyJWKSet.from_dict(orjson.loads(Path(place).expanduser().read_bytes())).keys
    except (OSError, ValueError, AttributeError, jwt.PyJWTError) as error:
        raise ConfigError(f"CALSEL_OIDC_KEYS: {place} is no JSON web key set: {error}") from error

    def find(kid: str | None) -> jwt.PyJWK:
        if kid is None and len(keys) == 1:
            return keys[0]
        return next((key for key in keys if key.key_id == kid), None) or _no_key()

    return find


def _keys_of_url(url: str) -> FindKey:
    # Keeps the keys for five minutes; unknown names make it ask again at most every half minute.
    client = jwt.PyJWKClient(url, timeout=5)

    def find(kid: str | None) -> jwt.PyJWK:
        try:
            client.get_signing_keys()
        except (jwt.PyJWKClientError, jwt.PyJWKSetError, ValueError) as error:
            raise IssuerError(f"the keys of the token's issuer cannot be had at present: {error}") from error
        return client.get_signing_key(kid) if kid else _no_key()

    return find


def _no_key() -> jwt.PyJWK:
    raise jwt.InvalidKeyError


def _fault(error: Exception) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "has expired"
        case jwt.ImmatureSignatureError():
            return "is not valid yet"
        case jwt.InvalidIssuerError() | jwt.InvalidAudienceError():
            return "was not made by the issuer of this service, or not for it"
        case jwt.MissingRequiredClaimError():
            return f"lacks the claim {error.claim!r}"
        case jwt.InvalidSignatureError() | jwt.InvalidAlgorithmError():
            return "is not signed by the issuer of this service"
        case jwt.InvalidKeyError() | jwt.PyJWKClientError():
            return "is signed with a key that the issuer of this service does not have"
        case _:
            return "is no JSON web token, or damaged"
