"""The doors to the service over HTTP; `app.main` opens the index that they ask and adds their routes."""

from app.web import (
    breakpoints,
    calselector,
    certifications,
    changes,
    files,
    hdr,
    health,
    home,
    oidc,
    previews,
    provenance,
    qc,
)
from app.web.errors import add_handlers

__all__ = [
    "add_handlers",
    "breakpoints",
    "calselector",
    "certifications",
    "changes",
    "files",
    "hdr",
    "health",
    "home",
    "oidc",
    "previews",
    "provenance",
    "qc",
]
