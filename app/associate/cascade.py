"""From a science frame down through the calibrations of its calibrations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.associate.choosing import COUNTED, SMALL, Asker, Ranked, accept, count, enough, needed, rival
from app.associate.ports import Archive, Candidate, Dataset, Pool, Question
from app.associate.wish import Wish
from app.header import UNDEFINED
from app.organise import product_name, virtual_keywords
from app.rulebook import ActionBook, Wanted
from app.tree import Choice, File, Mode, Node, Product, Slot, Why

# Candidates asked for at first, at least, on each side in time and of each certification; all when
# too few.
_NEAREST = 3


def active(action: ActionBook) -> list[Wanted]:
    """The associations that are not switched off (maxRet = 0)."""
    return [wanted for wanted in action.wanted if wanted.maximum > 0]


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a slot chose, before the chosen groups are loaded."""

    wanted: Wanted
    chosen: list[Ranked]
    why: Why


class Cascade:
    """One walk down; a group that several parents need is answered once."""

    def __init__(self, archive: Archive, mode: Mode, explain: bool, wish: Wish) -> None:
        self.archive = archive
        self.pools: tuple[Pool, ...] = ("static", "virtual") if mode == "Raw2Raw" else ("static", "master")
        if wish.prefer:
            self.pools = ("static", "master", "virtual")
        self.explain = explain
        self.wish = wish
        self.known: dict[str, Node] = {}
        self.datasets: dict[int, Dataset] = {}
        self.offers: dict[int, dict[int, tuple[Question, list[Candidate]]]] = {}
        self.leaves: dict[tuple[int, str], Node] = {}
        self.cycles = 0
        self.trusted: dict[int, tuple[Node, bool]] = {}

    def root(self, dataset: Dataset) -> Node:
        """The group that is asked for; it is not kept, as nobody asks for it as a calibration."""
        node = self.node(dataset, frozenset())
        self.known.pop(dataset.content, None)
        return node

    def all_certified(self, node: Node) -> bool:
        """Whether every main calibration below a node is certified."""
        below = [
            (slot.own, choice.node) for slot in node.slots if not slot.auxiliary for choice in slot.chosen
        ]
        return all((own or each.certified) and self._trusted(each) for own, each in below)

    def _trusted(self, node: Node) -> bool:
        """The same of a node that several may need."""
        if id(node) not in self.trusted:
            self.trusted[id(node)] = node, self.all_certified(node)
        return self.trusted[id(node)][1]

    def node(self, dataset: Dataset, path: frozenset[str]) -> Node:
        """The group with everything below it; `path` holds the contents of the groups above."""
        if dataset.content in self.known:
            return self.known[dataset.content]
        cycles = self.cycles
        action = self.archive.book.actions[dataset.action]
        rule = self.archive.book.org_rules[dataset.rule]
        asker = Asker(
            dataset.keywords,
            dataset.middle,
            path | {dataset.content},
            frozenset(file.dp_id for file in dataset.files),
            self.wish,
        )
        self._look_up([dataset])
        answered = self._ask(active(action), asker, self.offers[dataset.ref])
        slots = self._load(answered, asker.path)
        # Only a group that is asked for itself can be: as a calibration it would not be acceptable.
        small = dataset.state == "small"
        complete = (
            not small
            and all(slot.satisfied for slot in slots)
            and all(choice.node.complete for slot in slots if slot.minimum for choice in slot.chosen)
        )
        node = Node(
            category=dataset.raw_type,
            files=dataset.files,
            certified=all(file.certified for file in dataset.files),
            complete=complete,
            slots=slots,
            messages=(
                *((f"{SMALL}: {rule.minimum} needed, {len(dataset.files)} found",) if small else ()),
                *(
                    f"{slot.label}: {slot.minimum} needed, {len(slot.chosen)} found"
                    for slot in slots
                    if not slot.satisfied
                ),
            ),
            action=action.name,
            step=action.step,
            products=tuple(self._product(action, n, dataset) for n in range(len(action.promises))),
            rule=rule.ref,
        )
        # What was found with a cycle refused below holds only for this way down: it is not kept for others.
        if self.cycles == cycles:
            self.known[dataset.content] = node
            del self.offers[dataset.ref]
        return node

    def _look_up(self, datasets: Iterable[Dataset]) -> None:
        """What the archive offers these groups, in one query: the way there costs more than the rows."""
        asked: list[tuple[int, int, Question]] = []
        for dataset in datasets:
            if dataset.ref not in self.offers and dataset.content not in self.known:
                self.offers[dataset.ref] = {}
                for n, wanted in enumerate(active(self.archive.book.actions[dataset.action])):
                    question = self._question(wanted, dataset)
                    if question:
                        asked.append((dataset.ref, n, question))
        offers = self.archive.candidates([question for _, _, question in asked])
        for (ref, n, question), offer in zip(asked, offers, strict=True):
            self.offers[ref][n] = question, offer

    def _ask(
        self, wanted: list[Wanted], asker: Asker, offers: Mapping[int, tuple[Question, list[Candidate]]]
    ) -> list[_Answered]:
        ranked: dict[int, list[Ranked]] = {n: [] for n in range(len(wanted))}
        again: dict[int, Question] = {}
        for n, (question, offer) in offers.items():
            ranked[n] = self._accept(wanted[n], asker, offer)
            if question.limit and not enough(ranked[n], offer, wanted[n], asker, question.limit):
                again[n] = replace(question, limit=None)
        for n, more in zip(again, self.archive.candidates(list(again.values())), strict=True):
            ranked[n] = self._accept(wanted[n], asker, more)
        whys = self._whys(wanted, asker, ranked)
        return [_Answered(each, ranked[n][: each.maximum], whys[n]) for n, each in enumerate(wanted)]

    def _question(self, wanted: Wanted, asker: Dataset) -> Question | None:
        values = [asker.keywords.get(given, UNDEFINED) for _, given in wanted.condition.joins]
        key = wanted.tight.key_for(self.archive.book.checksum, values)
        if key is None:
            return None
        low, high = wanted.condition.window(asker.keywords)
        if self.wish.latest:  # the windows are for the day on which the best calibration is known
            low, high = -math.inf, math.inf
        # The preferred kind may be far behind the nearest of the other.
        nearest = max(_NEAREST, wanted.maximum + max(1, self.wish.alternatives))
        limit = None if self.wish.prefer else nearest
        return Question(key, self._pools(wanted), asker.middle, low, high, limit)

    def _pools(self, wanted: Wanted) -> tuple[Pool, ...]:
        if wanted.wide.side == "raw":
            return ("raw",)
        # A step of the reduction is carried out whatever the calibrations are: nobody certifies its product.
        if wanted.own and not self.wish.prefer:
            return "static", "virtual"
        # What no recipe reduces has no masters: its raw frames are what there is (inferred).
        book = self.archive.book
        as_raw = book.made(wanted.category) and not book.reduced(wanted.category)
        return (*self.pools, "virtual") if as_raw and "virtual" not in self.pools else self.pools

    def _accept(self, wanted: Wanted, asker: Asker, offers: Sequence[Candidate]) -> list[Ranked]:
        for candidate in offers:
            if candidate.pool == "virtual" and candidate.content in asker.path:
                self.cycles += 1
        return accept(wanted, asker, offers, self.archive.breakpoints)

    def _whys(self, wanted: list[Wanted], asker: Asker, ranked: dict[int, list[Ranked]]) -> list[Why]:
        counted = [Why() for _ in wanted]
        offers: Sequence[Sequence[Candidate]] = [()] * len(wanted)
        if self.explain:
            salt = self.archive.book.checksum
            questions = [
                Question(
                    each.wide.key_for(salt, ()) or 0,
                    self._pools(each),
                    asker.middle,
                    -math.inf,
                    math.inf,
                    COUNTED + 1,
                    usable=False,
                )
                for each in wanted
            ]
            offers = self.archive.candidates(questions)
            counted = [
                count(each, asker, offers[n], self.archive.breakpoints, ranked[n][: each.maximum])
                for n, each in enumerate(wanted)
            ]
        return [
            replace(
                counted[n],
                needed=(
                    needed(each, asker, self._makers(each), offers[n])
                    if len(ranked[n]) < max(1, each.minimum)
                    else ""
                ),
                rivals=tuple(map(rival, ranked[n][each.maximum :][: max(1, self.wish.alternatives)])),
            )
            for n, each in enumerate(wanted)
        ]

    def _makers(self, wanted: Wanted) -> list[str]:
        if wanted.wide.side == "raw":
            return []
        return list(self.archive.book.makers.get(wanted.category, ()))

    def _load(self, answered: list[_Answered], path: frozenset[str]) -> tuple[Slot, ...]:
        candidates = [ranked.candidate for each in answered for ranked in each.chosen]
        groups = self.datasets
        virtual = {candidate.ref for candidate in candidates if candidate.pool == "virtual"}
        groups |= self.archive.datasets(virtual - groups.keys())
        self._look_up(groups[ref] for ref in sorted(virtual))
        files = self.archive.files({c.ref for c in candidates if c.pool != "virtual"})
        slots = []
        for each in answered:
            choices = []
            for ranked in each.chosen:
                candidate = ranked.candidate
                if candidate.pool == "virtual":
                    dataset = groups[candidate.ref]
                    node = self.node(dataset, path)
                    product = node.products[candidate.promise or 0]
                else:
                    node = self._leaf(candidate, files[candidate.ref])
                    product = None
                choices.append(Choice(node, product, ranked.match, ranked.days, ranked.level))
            wanted = each.wanted
            slots.append(
                Slot(
                    wanted.label,
                    wanted.ref,
                    wanted.minimum,
                    wanted.maximum,
                    wanted.auxiliary,
                    tuple(choices),
                    each.why,
                    wanted.own,
                )
            )
        return tuple(slots)

    def _leaf(self, candidate: Candidate, file: File) -> Node:
        category = candidate.raw_type if candidate.pool == "raw" else file.category
        if candidate.pool != "raw":
            category = str(candidate.keywords.get("PRO.CATG", file.category))
        return self.leaves.setdefault(
            (candidate.ref, candidate.pool),
            Node(category, (file,), certified=file.certified, complete=True, kind="file"),
        )

    def _product(self, action: ActionBook, number: int, dataset: Dataset) -> Product:
        keywords = virtual_keywords(action.promises[number], dataset.keywords)
        category = str(keywords.get("PRO.CATG", action.promises[number].category))
        name = product_name(dataset.files[0].dp_id, keywords)
        return Product(category, str(keywords["DO.CATG"]), name, str(keywords.get("PRODCATG", "")))
