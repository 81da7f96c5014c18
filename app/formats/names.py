"""File names that a tree suggests, safe in a header line, a SOF, a shell and a folder."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from app.errors import TreeFormatError
from app.tree import Tree

# What dp_ids are made of; anything else is percent-encoded, so that two dp_ids never share a name.
_SAFE: Final = ":+=,@"
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def url_name(dp_id: str) -> str:
    """A dp_id as one segment of a URL's path; ESO's dp_ids stay as they are."""
    if not dp_id:
        raise TreeFormatError("a file without a dp_id cannot be named; give every File its dp_id")
    return quote(dp_id, safe=_SAFE)


def fits_name(dp_id: str) -> str:
    """The local name of a file: where the download script puts it and where a SOF looks for it."""
    return f"{url_name(dp_id)}.fits"


def filename(tree: Tree, suffix: str) -> str:
    """`<dp_id>_raw2raw.xml` or `<dp_id>_raw2master.xml`: named by the mode that was executed.

    CalSelector names its trees so, with the ':' of the dp_id. `suffix` has its dot.
    """
    return f"{url_name(tree.dp_id)}_{tree.mode.lower()}{suffix}"


def one_line(text: str) -> str:
    """Text for a comment line: a line break in it would end the comment."""
    return _UNPRINTABLE.sub(" ", text)
