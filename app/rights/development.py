"""An issuer of our own, for development: users and their passwords in a file, tokens signed by a kept key.

{"ann": {"password": "…", "programmes": ["080.C-0881"], "roles": ["certifier"]}}
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.errors import ConfigError

VALID_S: Final = 28_800  # as ESO's tokens
_KID: Final = "development"


class Account(BaseModel):
    """A user of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    password: str = Field(min_length=1)
    programmes: list[str] = []
    roles: list[str] = []


@dataclass(frozen=True, slots=True)
class Issuer:
    """Makes tokens for the users of a file; `name` is the claim `iss`, `public` what checks them."""

    name: str
    public: jwt.PyJWK
    accounts: dict[str, Account] = field(repr=False)
    private: ec.EllipticCurvePrivateKey = field(repr=False)

    def token(self, username: str, password: str, now: datetime) -> str | None:
        """A token for this user, or None when there is no such user with this password."""
        account = self.accounts.get(username)
        known = account.password if account else ""
        if not compare_digest(known.encode(), password.encode("utf-8", "replace")) or account is None:
            return None
        claims = {
            "iss": self.name,
            "sub": username,
            "aud": "clientid",
            "iat": now,
            "nbf": now,
            "exp": now + timedelta(seconds=VALID_S),
            "programmes": account.programmes,
            "roles": account.roles,
        }
        return jwt.encode(claims, self.private, "ES256", headers={"kid": _KID})


def open_issuer(users: Path, home: Path, name: str) -> Issuer:
    """The issuer of the users in a file. Its key lies in `home`, so that all workers and restarts share it.

    Raises ConfigError when the file or the key cannot be used; no message shows a password.
    """
    try:
        accounts = TypeAdapter(dict[str, Account]).validate_json(users.read_bytes())
        private = _key(home / "issuer.pem")
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise ConfigError(
            f'CALSEL_DEV_USERS: {users} is not {{"name": {{"password": "…", "programmes": ["…"]}}}}: {faults}'
        ) from None
    except OSError as error:
        raise ConfigError(f"CALSEL_DEV_USERS: {error.filename}: {error.strerror}") from error
    public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return Issuer(name, jwt.PyJWK({**public, "alg": "ES256"}), accounts, private)


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key of a file, which is made where it is not there; of two that make it the first wins."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        handle, name = tempfile.mkstemp(dir=path.parent)  # for the owner's eyes only
        with os.fdopen(handle, "wb") as stream:
            stream.write(pem)
        with suppress(FileExistsError):
            os.link(name, path)
        Path(name).unlink()
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise ConfigError(f"{path} is no private key; delete it, and a new one is made") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{path} is no elliptic-curve key; delete it, and a new one is made")
    return key
