"""What has changed, as JSON and as rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from app.archive.changes import Changed, Changes
from app.archive.difference import Held

# Causes that are named; the rest is counted.
_CAUSES: Final = 20
COLUMNS: Final = (
    "dp_id",
    "asked",
    "path",
    "what",
    "before",
    "after",
    "complete_before",
    "complete_after",
    "certified_before",
    "certified_after",
    "because",
)


def rows(found: Changes) -> Iterator[tuple[object, ...]]:
    """A row for each slot that holds something else, its cells in the order of COLUMNS."""
    for each in found.changed:
        apart = each.difference
        because = "; ".join(f"{cause.what} {cause.subject}" for cause in each.causes[:_CAUSES])
        flags = (*apart.complete, *apart.certified, because)
        for slot in apart.slots:
            sides = [" ".join(held.dp_id for held in side) for side in (slot.before, slot.after)]
            yield each.dp_id, each.asked, slot.path, " ".join(slot.what), *sides, *flags
        if not apart.slots:
            yield each.dp_id, each.asked, "", "", "", "", *flags


def describe(found: Changes) -> dict[str, Any]:
    """The changes as JSON; pairs are [before, after], times in UTC."""
    return {
        "since": _utc(found.since),
        "until": _utc(found.until),
        "revisions": found.revisions,
        "modes": found.modes,
        "compared": found.compared,
        "truncated": found.next is not None,
        "next": found.next,
        "changes": [changed(each) for each in found.changed],
    }


def changed(each: Changed) -> dict[str, Any]:
    """One science frame as JSON; `asked` is the mode asked for, `mode` those that answered."""
    apart = each.difference
    return {
        "dp_id": each.dp_id,
        "asked": each.asked,
        "complete": apart.complete,
        "certified": apart.certified,
        "mode": apart.mode,
        "slots": [
            {
                "path": slot.path,
                "what": slot.what,
                "before": [_held(held) for held in slot.before],
                "after": [_held(held) for held in slot.after],
            }
            for slot in apart.slots
        ],
        "causes": [
            {"at": _utc(cause.at), "what": cause.what, "subject": cause.subject, "reason": cause.reason}
            for cause in each.causes[:_CAUSES]
        ],
        "moreCauses": max(0, len(each.causes) - _CAUSES),
    }


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _held(held: Held) -> dict[str, Any]:
    return {"dp_id": held.dp_id, "files": len(held.names), "certified": held.certified}
