"""Several XML trees in one reply, as CalSelector sends them for several dp_ids.

The lines end in CR LF, as RFC 2046 §5.1.1 and the Apache HttpClient that ESO uses have them.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import sha256

from app.formats import xml
from app.formats.names import filename
from app.tree import Tree


def write_many(trees: Iterable[Tree]) -> tuple[bytes, str]:
    """The body of the reply and its boundary: one part for each tree, in the order given.

    The boundary is the hash of the trees, so that the same answer has the same bytes.
    """
    parts = [(filename(tree, ".xml"), xml.write(tree)) for tree in trees]
    digest = sha256()
    for name, body in parts:
        digest.update(name.encode())
        digest.update(body)
    # HttpClient's boundaries have 30 to 40 of these characters; ESO's 36 are 27 bytes in base64.
    boundary = urlsafe_b64encode(digest.digest()[:27]).decode()
    out: list[bytes] = []
    for name, body in parts:
        out += (
            f"--{boundary}\r\n"
            f'Content-Disposition: attachment; filename="{name}"\r\n'
            "Content-Type: application/xml;content=calselector\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode(),
            body,
            b"\r\n",
        )
    out.append(f"--{boundary}--\r\n".encode())
    return b"".join(out), boundary


def media_type(boundary: str) -> str:
    """The Content-Type of the whole reply, in CalSelector's words."""
    return f"multipart/form-data; boundary={boundary};charset=UTF-8"
