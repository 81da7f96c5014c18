"""What is said of a dp_id that the archive does not have, beside others that it has.

One typing error among a hundred dp_ids must not cost the answer for the rest (ESO's clients ask for a
hundred at a time and give up the whole batch at an error), so each such dp_id has an answer of its own: a
tree without files, whose message says why. Inferred: what CalSelector does is not public; of a type it does
not know it says so in the same way, in an ordinary answer.
"""

from __future__ import annotations

from datetime import datetime

from app.errors import CalselError, UnknownFrameError
from app.tree import Mode, Node, Tree


class UnknownThenError(UnknownFrameError):
    """A dp_id that the archive has now, and did not have at the moment that is asked about."""

    def __init__(self, dp_id: str, as_of: datetime) -> None:
        CalselError.__init__(self, f"{_was_not(dp_id, as_of)}; ask with a later as_of")
        self.dp_id = dp_id


def absent(dp_id: str, mode: Mode, as_of: datetime | None = None) -> Tree:
    """The answer for one dp_id; every format shows its message."""
    what = _was_not(dp_id, as_of) if as_of else f"{dp_id} is not in this archive"
    message = f"No association could be established: {what}"
    return Tree(dp_id, mode, mode, Node("UNKNOWN", (), certified=False, complete=False, messages=(message,)))


def is_absent(tree: Tree) -> bool:
    """Whether this is such an answer."""
    return not tree.root.files


def _was_not(dp_id: str, as_of: datetime) -> str:
    return f"{dp_id} was not in this archive at {as_of.isoformat()}"
