"""What of a plan other jobs have made or are making, and what is to be made again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from app.archive import wanting
from app.archive.finding import Connection
from app.archive.wanting import Known, WantedRun
from app.jobs.keys import made_without, there


def share(connection: Connection, wanted: list[WantedRun]) -> tuple[list[WantedRun], list[str]]:
    """The runs that are really needed, and those that exist but must be done again.

    What is done needs nothing before it any more, so its own calibrations are asked for only where their
    products are there as well.
    """
    whole, stale = standing(wanted, wanting.known(connection, [run.id for run in wanted]))
    by_id = {run.id: run for run in wanted}
    needed, asked = set[str](), [run.id for run in wanted if run.final]
    while asked:
        run = asked.pop()
        if run not in needed:
            needed.add(run)
            if run not in whole:
                asked += [*by_id[run].needs, *by_id[run].optional]
    return [run for run in wanted if run.id in needed or run.id in whole], sorted(stale & needed)


def standing(wanted: Sequence[WantedRun], known: Mapping[str, Known]) -> tuple[set[str], set[str]]:
    """Which of these runs are done, products and all, and which that exist are to be done again when needed.

    What was made without a calibration that can be had by now is done again, and what was made of it.
    """
    whole, stale = set[str](), set[str]()
    hopeful, renewed = set[str](), set[str]()  # may come out otherwise; done, and to be done better
    for run in wanted:  # each after those it needs
        found = known.get(run.id)
        if found is None or found.state in ("waiting", "ready", "running"):
            hopeful.add(run.id)
        elif found.state == "done" and there(found.products):
            better = renewed.intersection((*run.needs, *run.optional)) or _healed(run, known, hopeful)
            (renewed if better else whole).add(run.id)
        elif found.state == "blocked":
            stale.add(run.id)
            hopeful |= {run.id} if hopeful.intersection(run.needs) else set()
        elif found.state in ("done", "cancelled") or (found.state == "failed" and found.heals):
            stale.add(run.id)
            hopeful.add(run.id)
    return whole, stale | renewed


def _healed(run: WantedRun, known: Mapping[str, Known], hopeful: Collection[str]) -> bool:
    """Whether a run was made without something that has been made since, or may be made now."""
    now = known[run.id]
    if not made_without(now.reason) or now.started is None:
        return False
    for each in run.optional:
        other = known.get(each)
        late = other and other.state == "done" and other.ended and other.ended > now.started
        if late or (each in hopeful and not (other and other.state == "done")):
            return True
    return False
