"""Choosing for one slot: which candidates are acceptable, which are best, and why the others are not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.associate.ports import Breakpoint, Candidate
from app.associate.wish import NOTHING, Wish
from app.header import Maybe
from app.level import label
from app.oca.evaluate import EMPTY
from app.organise import time_of
from app.rulebook import Wanted, night_date, unlike
from app.tree import Refusal, Rival, Why

# The engine's own reasons to refuse, beside the rule's clauses.
HIDDEN = "hidden (bad quality)"
SMALL = "group smaller than its rule's minRet"
SELF = "one of its own files"
CYCLE = "needs the product it would calibrate (cycle)"
UNCERTIFIED = "master is not certified"
BREAKPOINT = "breakpoint between the two times"
EXCLUDED = "excluded by the request"
LATER = "taken later: a quick look takes the last one before"

# Nearest candidates of a category that are counted for the reasons; more are told as "nearest n".
COUNTED = 200


@dataclass(frozen=True, slots=True)
class Asker:
    """The group that needs a calibration: its primary's keywords, its time, its files, the way down to it.

    `path` holds the contents of the groups above it and its own, `own` the dp_ids of its files.
    `wish` is what the request asks beyond the rules.
    """

    keywords: Mapping[str, Maybe]
    middle: float | None
    path: frozenset[str]
    own: frozenset[str]
    wish: Wish = NOTHING


@dataclass(frozen=True, slots=True)
class Ranked:
    """An acceptable candidate and its place: level, preferred, certified, near, earlier, name, rule."""

    candidate: Candidate
    level: int | None
    days: float | None
    order: tuple[int, bool, bool, float, float, str, int, int]

    @property
    def match(self) -> str:
        """CalSelector's word for its level."""
        return label(self.level)


def accept(
    wanted: Wanted, asker: Asker, candidates: Sequence[Candidate], breakpoints: Sequence[Breakpoint]
) -> list[Ranked]:
    """The acceptable candidates, best first; groups of the same action and frames count once."""
    best: dict[tuple[str, int | None], Ranked] = {}
    for candidate in candidates:
        if refusal(wanted, asker, candidate, breakpoints) is None:
            ranked = rank(wanted, asker, candidate)
            place = (candidate.content, candidate.promise)
            if place not in best or ranked.order < best[place].order:
                best[place] = ranked
    return sorted(best.values(), key=lambda ranked: ranked.order)


def refusal(
    wanted: Wanted, asker: Asker, candidate: Candidate, breakpoints: Sequence[Breakpoint]
) -> Refusal | None:
    """The first reason to refuse a candidate; None when it is acceptable."""
    if candidate.state == "hidden":
        return Refusal(EXCLUDED if candidate.name in asker.wish.exclude else HIDDEN, 1)
    quick = asker.wish.latest and candidate.pool == "master"
    for clause in wanted.condition.clauses:
        if not (quick and clause.timing) and not clause.test(candidate.keywords, asker.keywords, EMPTY):
            return Refusal(clause.text, 1, clause.line)
    if candidate.state == "small":
        return Refusal(SMALL, 1)
    if candidate.pool != "virtual" and candidate.name in asker.own:
        return Refusal(SELF, 1)
    if candidate.pool == "virtual" and candidate.content in asker.path:
        return Refusal(CYCLE, 1)
    if candidate.pool == "master" and not candidate.certified:
        return Refusal(UNCERTIFIED, 1)
    if crosses(candidate, asker, breakpoints):
        return Refusal(BREAKPOINT, 1)
    days, oldest = _days(candidate, asker), asker.wish.max_age
    if quick and days is not None and days > 0:
        return Refusal(LATER, 1)
    if days is not None and oldest is not None and abs(days) > oldest:
        return Refusal(f"farther than max_age = {oldest:g} d", 1)
    least = asker.wish.min_level
    level = None if least is None else wanted.condition.level(candidate.keywords, asker.keywords)
    if level is not None and least is not None and level > least:
        return Refusal(f"min_level {least}: level {level}", 1)
    return None


def rank(wanted: Wanted, asker: Asker, candidate: Candidate) -> Ranked:
    """Where a candidate stands.

    The lowest level first (the plan before what is outside), then the kind that the request prefers, then
    certified, then the smallest distance of the mid exposures, then the earlier one, then the name; of
    groups with one primary, the first rule's. Files without a time come after those with one, the newest
    name first (M.<INSTR>.<ingestion time>: the later static is the better one).
    """
    level = wanted.condition.level(candidate.keywords, asker.keywords)
    days = _days(candidate, asker)
    distance, earlier = (math.inf, 0.0) if days is None else (abs(days), days)
    name = candidate.name if days is not None else _newest_first(candidate.name)
    preferred = "virtual" if asker.wish.prefer == "raw" else "master"
    order = (
        level or 0,
        asker.wish.prefer is not None and candidate.pool != preferred,
        not candidate.certified,
        distance,
        earlier,
        name,
        candidate.rule,
        candidate.promise or 0,
    )
    return Ranked(candidate, level, days, order)


def enough(
    ranked: list[Ranked], offers: Sequence[Candidate], wanted: Wanted, asker: Asker, limit: int
) -> bool:
    """Nothing beyond the nearest `limit` can matter for the chosen ones or the runner-up.

    A side that gave fewer than asked for is exhausted. On the others everything unseen is farther than
    the farthest seen, so it cannot outrank an acceptable one that is nearer, certified and of the best level.
    """
    if asker.middle is None:
        return True  # nothing is nearer than anything else: all were offered
    sides: dict[tuple[bool, bool], list[float]] = {}
    for candidate in offers:
        if candidate.middle is None:
            continue
        side = (candidate.certified, candidate.middle < asker.middle)
        sides.setdefault(side, []).append(abs(candidate.middle - asker.middle))
    full = {side: max(far) for side, far in sides.items() if len(far) >= limit}
    if not full:
        return True
    kept = wanted.maximum + max(1, asker.wish.alternatives)
    if len(ranked) < kept:
        return False
    level, _, uncertified, distance = ranked[kept - 1].order[:4]
    here = time_of(asker.keywords)
    for (certified, before), far in full.items():
        # a day of slack: the windows limit MJD-OBS, the distance is of mid exposures
        first = -math.inf if here is None or before else here + far - 1
        last = math.inf if here is None or not before else here - far + 1
        best = wanted.condition.best_level(asker.keywords, first, last)
        # "<=": one as far as the runner-up may have the smaller name
        if (best, not certified, far) <= (level, uncertified, distance):
            return False
    return True


def crosses(candidate: Candidate, asker: Asker, breakpoints: Sequence[Breakpoint]) -> bool:
    """A breakpoint of this kind of calibration lies strictly between the two MJD-OBS.

    A raw file is named by RAW.TYPE and DO.CATG, a virtual product by these and PRO.CATG, a master by its
    PRO.CATG alone: an entry that says more than `ANY` of the raw files only is not for masters.
    """
    here, there = time_of(asker.keywords), time_of(candidate.keywords)
    if here is None or there is None or candidate.pool == "static":
        return False
    low, high = sorted((here, there))
    for each in breakpoints:
        if not low < each.mjd < high:
            continue
        made = (each.pro_catg, str(candidate.keywords.get("PRO.CATG", "")))
        raws = [(each.raw_type, candidate.raw_type), (each.do_class, candidate.tag)]
        if candidate.pool == "master":
            names = [made] if each.pro_catg != "ANY" else [(each.raw_type, ""), (each.do_class, "")]
        else:
            names = raws if candidate.pool == "raw" else [made, *raws]
        if all(wanted in ("ANY", name) for wanted, name in names):
            return True
    return False


def count(
    wanted: Wanted,
    asker: Asker,
    candidates: Sequence[Candidate],
    breakpoints: Sequence[Breakpoint],
    chosen: Sequence[Ranked],
) -> Why:
    """How many of the nearest candidates of the category each clause refused first; the chosen count too."""
    nearest = sorted(
        candidates, key=lambda c: (rank(wanted, asker, c).order[2:5], c.state != "ok", c.promise or 0, c.rule)
    )
    seen: dict[tuple[str, int | None], Candidate] = {}
    for candidate in (*(ranked.candidate for ranked in chosen), *nearest):
        seen.setdefault((candidate.content, candidate.promise), candidate)
    counted = list(seen.values())[:COUNTED]
    refused: Counter[tuple[str, int]] = Counter()
    acceptable = 0
    for candidate in counted:
        reason = refusal(wanted, asker, candidate, breakpoints)
        if reason is None:
            acceptable += 1
        else:
            refused[reason.clause, reason.line] += 1
    order = {clause.text: n for n, clause in enumerate(wanted.condition.clauses)}
    reasons = sorted(refused.items(), key=lambda item: (order.get(item[0][0], len(order)), item[0]))
    return Why(
        seen=len(counted),
        surplus=acceptable - len(chosen),
        refused=tuple(Refusal(text, n, line) for (text, line), n in reasons),
        counted=True,
        limited=len(seen) > COUNTED,
    )


def rival(ranked: Ranked) -> Rival:
    """The runner-up, for the reasons."""
    return Rival(ranked.candidate.name, ranked.days, ranked.match, ranked.candidate.certified, ranked.level)


def needed(wanted: Wanted, asker: Asker, makers: Sequence[str], seen: Sequence[Candidate] = ()) -> str:
    """What would have to exist for this slot: category, set-up, time, other clauses, and what makes it.

    And which keywords are of another type than in all candidates that were `seen`, so that none matches.
    """
    condition = wanted.condition
    parts = [f"{name} = {value}" for name, value in condition.literals]
    for mine, given in condition.joins:
        parts.append(f"{mine} = {asker.keywords.get(given, 'undefined: no file can match')}")
    low, high = condition.window(asker.keywords)
    if asker.wish.latest and makers:  # a quick look takes the last master before, however old
        low, high = -math.inf, math.inf if asker.middle is None else asker.middle
    if math.isfinite(low) or math.isfinite(high):
        parts.append(f"MJD-OBS {_moment(low, 'from')}{_moment(high, 'to')}".rstrip())
    parts += [clause.text for clause in condition.clauses if clause.residual]
    if condition.soft and asker.wish.min_level is not None:
        parts.append(f"level {asker.wish.min_level} or better")
    text = ", ".join(parts) or "any file"
    made = [f"made by {' or '.join(makers)}"] if makers else []
    wrong = unlike(condition.joins, asker.keywords, [candidate.keywords for candidate in seen])
    return "; ".join((text, *made, *wrong))


def _days(candidate: Candidate, asker: Asker) -> float | None:
    """Signed distance of the mid exposures."""
    if candidate.middle is None or asker.middle is None:
        return None
    return candidate.middle - asker.middle


def _moment(mjd: float, word: str) -> str:
    return f"{word} {mjd:.3f} ({night_date(math.floor(mjd))}) " if math.isfinite(mjd) else ""


def _newest_first(name: str) -> str:
    return "".join(chr(0x10FFFF - ord(character)) for character in name) + chr(0x10FFFF)
