"""Several XML trees in one reply, as CalSelector sends them for several dp_ids.

The lines end in CR LF, as RFC 2046 §5.1.1 and the Apache HttpClient that ESO uses have them.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256

from app.formats import xml
from app.formats.names import filename
from app.tree import Tree


def make_boundary(*question: str) -> str:
    """A boundary for the answer to this question, known before any of its trees.

    It cannot occur in a tree by chance or by intent: no line of a tree begins with a hyphen.
    """
    digest = sha256("\n".join(question).encode()).digest()
    # HttpClient's boundaries have 30 to 40 of these characters; ESO's 36 are 27 bytes in base64.
    return urlsafe_b64encode(digest[:27]).decode()


def stream(trees: Iterable[Tree], boundary: str) -> Iterator[bytes]:
    """The body of the reply, one chunk for each tree, so that not all are in memory at a time."""
    for tree in trees:
        yield _part(filename(tree, ".xml"), xml.write(tree), boundary)
    yield _end(boundary)


def media_type(boundary: str) -> str:
    """The Content-Type of the whole reply, in CalSelector's words."""
    return f"multipart/form-data; boundary={boundary};charset=UTF-8"


def _part(name: str, body: bytes, boundary: str) -> bytes:
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: attachment; filename="{name}"\r\n'
        "Content-Type: application/xml;content=calselector\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return b"".join((head.encode(), body, b"\r\n"))


def _end(boundary: str) -> bytes:
    return f"--{boundary}--\r\n".encode()
