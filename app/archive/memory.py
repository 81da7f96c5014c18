"""What a rulebook makes of an instrument's frames, in memory: many answers without a query each.

The functions that fill the index fill this too (classification, groups, offers, match keys), and the
cascade asks it what it asks the index (`app.associate.Archive`): whatever is answered here, the index
answers as well.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from app.archive.finding import SLACK
from app.archive.indexing import Offer, file_offer, group_offers
from app.archive.stock import Held, Stock
from app.archive.tables import POOLS, STATES
from app.associate import Breakpoint, Candidate, Dataset, Question
from app.classify import TAG_KEYS, Classified, Frame, classified, raw_type, tag
from app.errors import UnknownFrameError
from app.header import Header, Maybe
from app.oca.terms import keys
from app.organise import State, form, middle_of, partition, takers, virtual_keywords
from app.rulebook import Rulebook
from app.tree import File

_OK: Final = STATES.index("ok")


class _Group(NamedTuple):
    """A group: the number of its rule, its frames by row number, the first one first."""

    rule: int
    frames: tuple[int, ...]
    raw_type: str
    state: State
    middle: float | None
    content: str


class Kind(NamedTuple):
    """What the rules say of every frame with the same values of what they read of one: see `_reads`."""

    derived: Mapping[str, Maybe]
    fired: tuple[int, ...]
    tag: str
    raw_type: str
    takers: tuple[int, ...]


class _Bucket(NamedTuple):
    """What has one match key: by mid exposure, certified or not, and what has no time."""

    certified: list[Offer]
    others: list[Offer]
    timeless: list[Offer]


class BookMemory:
    """The stock as one rulebook sees it; `asked` are the row numbers of the frames that may be asked for."""

    def __init__(
        self,
        book: Rulebook,
        stock: Stock,
        breakpoints: Sequence[Breakpoint],
        revision: int,
        asked: Collection[int],
    ) -> None:
        self.book = book
        self.stock = stock
        names = {book.instrument.upper(), *book.instrumes}
        self.breakpoints = [each for each in breakpoints if each.instrument in names]
        self.revision = revision
        self._asked = {stock.frames[number].dp_id: number for number in asked}
        self._read = _places(stock.names, _reads(book))
        self._kinds: dict[tuple[Any, ...], Kind] = {}
        self._groups: list[_Group] = []
        self._of_frame: dict[int, list[int]] = defaultdict(list)
        self._offers: dict[int, list[Offer]] = defaultdict(list)
        self._buckets: dict[int, _Bucket] = {}
        self._seen: dict[tuple[int | None, int, int | None], Candidate] = {}
        self._fill()

    def candidates(self, questions: Sequence[Question]) -> list[list[Candidate]]:
        """For each question the nearest candidates on both sides of its time."""
        return [[self._candidate(offer) for offer in self._nearest(question)] for question in questions]

    def datasets(self, refs: Collection[int]) -> dict[int, Dataset]:
        """The groups with these numbers."""
        return {ref: self._dataset(ref) for ref in refs}

    def files(self, refs: Collection[int]) -> dict[int, File]:
        """The single files with these numbers."""
        return {ref: self._file(self.stock.frames[ref]) for ref in refs}

    def datasets_of(self, dp_id: str) -> list[Dataset]:
        """Every group that holds this frame, in the order of the rules."""
        refs = sorted(self._of_frame.get(self._held(dp_id).id, ()), key=lambda ref: self._groups[ref].rule)
        return [self._dataset(ref) for ref in refs]

    def frame(self, dp_id: str) -> File:
        """The frame itself. Raises UnknownFrameError."""
        return self._file(self._held(dp_id))

    def header(self, dp_id: str) -> Mapping[str, Maybe]:
        """The frame's rule-relevant keywords, as its header has them."""
        return self.stock.header(self._held(dp_id))

    def classified(self, number: int) -> Classified:
        """What the book says of the frame of this row."""
        held = self.stock.frames[number]
        kind = self._kind(held)
        keywords: dict[str, Maybe] = {**self.stock.header(held), **kind.derived}
        return Classified(held.dp_id, kind.derived, kind.fired, keywords, held.hidden, held.certified)

    def offers(self, key: int) -> Sequence[Offer]:
        """All that is found by a match key, usable or not."""
        return self._offers.get(key, ())

    def kind(self, number: int) -> Kind:
        """What the rules say of the frame of this row."""
        return self._kind(self.stock.frames[number])

    def _held(self, dp_id: str) -> Held:
        if dp_id not in self._asked:
            raise UnknownFrameError(dp_id)
        return self.stock.frames[self._asked[dp_id]]

    def _kind(self, held: Held) -> Kind:
        values = tuple([held.values[place] for place in self._read])
        # 1 == 1.0 == True, but they are not of one type
        key = (values, held.raw, *map(type, values))
        kind = self._kinds.get(key)
        if kind is None:
            known = classified(self.book, Frame(held.dp_id, Header(self.stock.header(held))))
            rules = takers(self.book, known.keywords, held.raw)
            kind = Kind(known.derived, known.fired, tag(known.keywords), raw_type(known.keywords), rules)
            self._kinds[key] = kind
        return kind

    def _file(self, held: Held) -> File:
        return File(held.dp_id, self._kind(held).tag, held.mjd, certified=held.certified)

    def _fill(self) -> None:
        members: dict[tuple[int, str], list[int]] = defaultdict(list)
        place = self.stock.names.index("INSTRUME")
        for number, held in self.stock.frames.items():
            if held.values[place] not in self.book.instrumes:
                continue
            known = self.classified(number)
            for rule in self._kind(held).takers:
                members[rule, partition(self.book.org_rules[rule], known)].append(number)
            self._offer(*file_offer(self.book, number, known, held.raw))
        asked = set(self._asked.values())
        for (rule, _), numbers in members.items():
            known_here = {known.dp_id: number for number in numbers for known in (self.stock.frames[number],)}
            group = form(self.book.org_rules[rule], [self.classified(number) for number in numbers])
            if group is None:
                continue
            frames = tuple(known_here[frame.dp_id] for frame in group.frames)
            ref = len(self._groups)
            middle = middle_of(group.primary.keywords)
            self._groups.append(_Group(rule, frames, group.raw_type, group.state, middle, group.content))
            for number in asked.intersection(frames):
                self._of_frame[number].append(ref)
            for offer, found in group_offers(self.book, ref, group, frames[0]):
                self._offer(offer, found)

    def _offer(self, offer: Offer, found: Iterable[int]) -> None:
        for key in found:
            self._offers[key].append(offer)

    def _nearest(self, question: Question) -> Iterator[Offer]:
        """What the index's query would find: see `finding`."""
        bucket = self._bucket(question.key)
        pools = {POOLS.index(pool) for pool in question.pools}
        limit = question.limit if question.middle is not None else None

        def fits(offer: Offer) -> bool:
            return offer.pool in pools and (offer.state == _OK or not question.usable)

        for offers in (bucket.certified, bucket.others):
            here = len(offers)
            if question.middle is not None:
                here = bisect_left(offers, question.middle, key=_middle)
            for side, ahead in ((range(here, len(offers)), True), (range(here - 1, -1, -1), False)):
                found = 0
                for place in side:
                    offer = offers[place]
                    middle, mjd = _middle(offer), offer.mjd
                    if found == limit or (middle > question.high + SLACK if ahead else middle < question.low):
                        break
                    if mjd is not None and question.low <= mjd <= question.high and fits(offer):
                        found += 1
                        yield offer
        yield from filter(fits, bucket.timeless)

    def _bucket(self, key: int) -> _Bucket:
        found = self._buckets.get(key)
        if found is None:
            offers = self._offers.get(key, ())
            timed = sorted((offer for offer in offers if offer.middle is not None), key=_middle)
            found = _Bucket(
                [offer for offer in timed if offer.certified],
                [offer for offer in timed if not offer.certified],
                [offer for offer in offers if offer.middle is None],
            )
            self._buckets[key] = found
        return found

    def _candidate(self, offer: Offer) -> Candidate:
        known = self._seen.get((offer.group, offer.frame, offer.promise))
        if known is None:
            known = self._seen[offer.group, offer.frame, offer.promise] = self._new_candidate(offer)
        return known

    def _new_candidate(self, offer: Offer) -> Candidate:
        held = self.stock.frames[offer.frame]
        kind = self._kind(held)
        keywords: Mapping[str, Maybe] = self.classified(offer.frame).keywords
        content, rule = f"file {held.dp_id}", 0
        if offer.group is not None and offer.promise is not None:
            group = self._groups[offer.group]
            action = self.book.actions[self.book.org_rules[group.rule].action]
            keywords = virtual_keywords(action.promises[offer.promise], keywords)
            content, rule = group.content, group.rule
        return Candidate(
            pool=POOLS[offer.pool],
            ref=offer.frame if offer.group is None else offer.group,
            promise=offer.promise,
            name=held.dp_id,
            middle=offer.middle,
            certified=offer.certified,
            state=STATES[offer.state],
            keywords=keywords,
            raw_type=kind.raw_type,
            tag=kind.tag,
            content=content,
            rule=rule,
        )

    def _dataset(self, ref: int) -> Dataset:
        group = self._groups[ref]
        return Dataset(
            ref,
            group.rule,
            self.book.org_rules[group.rule].action,
            group.raw_type,
            group.state,
            group.middle,
            tuple(self._file(self.stock.frames[number]) for number in group.frames),
            self.classified(group.frames[0]).keywords,
            group.content,
        )


def _middle(offer: Offer) -> float:
    assert offer.middle is not None
    return offer.middle


def _reads(book: Rulebook) -> set[str]:
    """Every keyword of a header that classification and the conditions of groups look at."""
    names = {"RAW.TYPE", *TAG_KEYS}
    for org_rule in book.rules.org_rules:
        names.update(key.name for key in keys(org_rule.condition))
    for rule in book.rules.class_rules:
        names.update(key.name for key in keys(rule.condition))
        names.update(key.name for assign in rule.assigns for key in keys(assign.value))
    return names


def _places(names: Sequence[str], wanted: Collection[str]) -> tuple[int, ...]:
    return tuple(place for place, name in enumerate(names) if name in wanted)
