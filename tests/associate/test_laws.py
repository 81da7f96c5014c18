"""The laws of association against a plain implementation that looks at every candidate there is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.archive.index import Index
from app.archive.quality import judge
from app.archive.storing import store
from app.associate import Wish
from app.classify import Classified, Frame, classified, is_raw
from app.header import UNDEFINED, Header, Maybe
from app.oca.evaluate import EMPTY
from app.organise import Group, form, middle_of, partitions, virtual_keywords
from app.rulebook import Library, Rulebook, Wanted, library, read_book
from app.tree import Mode, Node, Tree, walk, worst_level

Fill = Callable[[Library, Sequence[Sequence[Frame]]], Index]
POSTGRES = settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

# --- rule files -------------------------------------------------------------------------------

HEAD = """// INSTRUME: TOY
if KIND is string and PRO.CATG is undefined then
{ RAW.TYPE = KIND; DO.CATG = KIND; EXPOSE_TO_CALSELECTOR = T; }
if SIZE == 5 then { B = A; C = undefined; }
select execute(SCI) from rawFiles where RAW.TYPE == "SCI" group by TPL.START;
minRet = 2;
select execute(ONE) from rawFiles where RAW.TYPE == "ONE" group by TPL.START;
select execute(ONE) from rawFiles where RAW.TYPE == "ONE" group by TPL.START, A;
select execute(TWO) from rawFiles where SIG.TEMPLATE == 1 and LF.RAW.TYPE == "TWO" and RAW.TYPE like "%";
action ONE { %s product M1 { PRO.CATG = "M1"; } }
action TWO { %s recipe two; product M2 { PRO.CATG = "M2"; B = A; MJD-OBS = MJD-OBS + 1; }
product M3 { PRO.CATG = "M3"; } }
action SCI { %s product RED { PRO.CATG = "RED"; } }
"""
TESTS = st.sampled_from(
    [
        "inputFile.A == A",
        "A == inputFile.B",
        "inputFile.C == C",
        "A == 1",
        '"1" == A',
        "B == T",
        "A ?= inputFile.A",
        "(A == inputFile.A or B == inputFile.B)",
        "(A == 1 and inputFile.B == B)",
        'B like "x%"',
        "not A == 2",
        "A != inputFile.B",
        "C is undefined",
        "VIRTUAL is undefined",
        "MJD-OBS between inputFile.MJD-OBS - 2 and inputFile.MJD-OBS + 1",
        "inputFile.MJD-OBS between MJD-OBS - 1 and MJD-OBS + 2",
        "MJD-OBS < inputFile.MJD-OBS",
        "inputFile.MJD-OBS <= MJD-OBS",
        "MJD-OBS >= 55000",
        'MJD-OBS > "54999.5"',
        "MJD-OBS tryBetween inputFile.MJD-OBS - 1 and inputFile.MJD-OBS + 3",
        "MJD-OBS tryBetween inputFile.MJD-OBS - 0.25 and inputFile.MJD-OBS + 0.25",
        "MJD-OBS tryBetween inputFile.MJD-OBS - 3 and inputFile.MJD-OBS + 6",
        "inputFile.MJD-OBS tryBetween MJD-OBS - 1 and MJD-OBS + 1",
    ]
)


def _selects(categories: list[str], sources: list[str]) -> st.SearchStrategy[str]:
    select = st.builds(
        lambda low, more, source, category, terms: (
            f"minRet = {low}; maxRet = {low + more};\nselect file as L from {source} where "
            + " and ".join(['KIND like "%"' if source == "rawFiles" else category, *terms])
            + ";"
        ),
        st.integers(0, 2),
        st.integers(0, 2),
        st.sampled_from(sources),
        st.sampled_from(categories),
        st.lists(TESTS, max_size=3),
    )
    return st.lists(select, min_size=1, max_size=2).map("\n".join)


STATIC = ['PRO.CATG == "S1"']
ONE = ['PRO.CATG == "M1"', *STATIC]
TWO = ['PRO.CATG == "M2"', 'PRO.CATG == "M3"', 'PRO.CATG like "M%"', *ONE]
SOURCES = ["calibFiles", "calibFiles", "rawFiles"]
ACYCLIC = st.tuples(_selects(STATIC, SOURCES), _selects(ONE, SOURCES), _selects(TWO, SOURCES)).map(
    lambda selects: HEAD.replace("%s", "\0").replace("%", "%%").replace("\0", "%s") % selects
)
CYCLIC = st.tuples(_selects(TWO, ["calibFiles"]), _selects(TWO, ["calibFiles"]), _selects(TWO, SOURCES)).map(
    lambda selects: HEAD.replace("%s", "\0").replace("%", "%%").replace("\0", "%s") % selects
)

# --- frames -----------------------------------------------------------------------------------

ODD = st.sampled_from([1, 1.0, "1", "1.0", "01", True, "T", "t", "x", "xy", 2, False, "", -0.0, 1e300])
TIMES = st.sampled_from(
    [55000.0, 55000.25, 55000.5, 55001, 54999.5, 54999.0, 55002.0, 54998.0, 55006.5, 54990.0, "55000.5"]
)


@st.composite
def frames(draw: st.DrawFn, most: int = 16) -> list[Frame]:
    found = []
    for number in range(draw(st.integers(3, most))):
        keywords: dict[str, Any] = {"INSTRUME": "TOY"}
        for name in ("A", "B", "C"):
            if draw(st.integers(0, 3)):
                keywords[name] = draw(ODD if draw(st.booleans()) else st.just(1))
        timed = draw(st.integers(0, 7))
        if timed:
            keywords["MJD-OBS"] = draw(TIMES)
        if draw(st.booleans()):
            keywords["EXPTIME"] = draw(st.sampled_from([0.0, 600, 40000.0, 200000.0, "long"]))
        keywords["TPL.START"] = draw(st.sampled_from(["t1", "t2", "t3", "t4", "t5"]))
        keywords["SIZE"] = draw(st.integers(4, 5))
        keywords["KIND"] = draw(st.sampled_from(["SCI", "ONE", "ONE", "TWO", "TWO"]))
        if draw(st.integers(0, 3)) == 0:
            keywords["PRO.CATG"] = draw(st.sampled_from(["M1", "M2", "S1", "S1"]))
        found.append(
            Frame(
                f"F{number:02}",
                Header(keywords),
                certified=draw(st.booleans()),
                hidden=draw(st.integers(0, 7)) == 0,
            )
        )
    return found


# --- the plain implementation -----------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """Anything that a slot could choose."""

    pool: str
    name: str
    keywords: dict[str, Maybe]
    middle: float | None
    certified: bool
    group: Group | None = None
    promise: int = 0


@dataclass(frozen=True)
class Plain:
    book: Rulebook
    known: list[Classified]
    groups: list[Group]

    def entries(self, mode: Mode, auxiliary: bool, raw_only: bool) -> list[Entry]:
        found = []
        for each in self.known:
            raw = is_raw(each.keywords)
            category = each.keywords.get("PRO.CATG")
            pool = "raw" if raw else "master" if category in self.book.makers else "static"
            if each.hidden or auxiliary != raw:
                continue
            if pool == "master" and (mode == "Raw2Raw" or not each.certified):
                continue
            keywords = dict(each.keywords)
            found.append(Entry(pool, each.dp_id, keywords, middle_of(keywords), each.certified))
        if (mode == "Raw2Raw" or raw_only) and not auxiliary:
            for group in self.groups:
                for promise in self.book.actions[group.rule.action].promises:
                    keywords = virtual_keywords(promise, group.primary.keywords)
                    found.append(
                        Entry(
                            "virtual",
                            group.primary.dp_id,
                            keywords,
                            middle_of(keywords),
                            group.certified,
                            group,
                            promise.index,
                        )
                    )
        return found

    def slot(self, wanted: Wanted, group: Group, path: list[str], mode: Mode) -> list[tuple[Any, Entry]]:
        """The acceptable ones, best first, each with (match, days)."""
        mine = group.primary.keywords
        here = middle_of(mine)
        found: dict[Any, tuple[Any, Entry]] = {}
        # Of what no recipe reduces (action ONE has none) there are no masters.
        for entry in self.entries(mode, wanted.auxiliary, wanted.category == "M1"):
            if entry.group is None and entry.name in {frame.dp_id for frame in group.frames}:
                continue
            if entry.group is not None and entry.group.content in path:
                continue
            if not wanted.condition.test(entry.keywords, mine, EMPTY):
                continue
            level = wanted.condition.level(entry.keywords, mine)
            days = None if here is None or entry.middle is None else entry.middle - here
            match = "N/A" if level is None else "calib_plan" if level <= 0 else "extended"
            near = (math.inf, 0.0) if days is None else (abs(days), days)
            newest = entry.name if days is not None else tuple(-ord(c) for c in entry.name)
            rule = entry.group.rule.index if entry.group else 0
            order = (level or 0, not entry.certified, *near, newest, rule, entry.promise)
            content = entry.group.content if entry.group else entry.name
            found.setdefault((content, entry.promise), (order, (match, level), days, entry))
            found[content, entry.promise] = min(
                found[content, entry.promise], (order, (match, level), days, entry), key=lambda each: each[0]
            )
        ranked = sorted(found.values(), key=lambda each: each[0])
        return [((*match, days), entry) for _, match, days, entry in ranked]

    def node(self, group: Group, path: list[str], mode: Mode) -> Any:
        below = [*path, group.content]
        slots = []
        for wanted in self.book.actions[group.rule.action].wanted:
            if wanted.maximum == 0:
                continue
            ranked = self.slot(wanted, group, below, mode)
            slots.append(
                (
                    wanted.ref.line,
                    [
                        (
                            place,
                            entry.promise,
                            self.node(entry.group, below, mode) if entry.group else entry.name,
                        )
                        for place, entry in ranked[: wanted.maximum]
                    ],
                    [(entry.name, *place) for place, entry in ranked[wanted.maximum : wanted.maximum + 1]],
                )
            )
        return (group.rule.ref.line, [frame.dp_id for frame in group.frames], slots)

    def root(self, dp_id: str) -> Group | None:
        mine = [g for g in self.formed() if dp_id in {frame.dp_id for frame in g.frames}]
        return min(mine, key=lambda group: (-len(group.frames), group.rule.index), default=None)

    def formed(self) -> list[Group]:
        """Those an answer may start from: small ones too."""
        return _formed(self.book, self.known, {"ok", "small"})


def _formed(book: Rulebook, known: list[Classified], states: set[str]) -> list[Group]:
    parts: dict[tuple[int, str], list[Classified]] = {}
    for each in known:
        for place in partitions(book, each, is_raw(each.keywords)):
            parts.setdefault(place, []).append(each)
    made = [form(book.org_rules[rule], members) for (rule, _), members in parts.items()]
    return [group for group in made if group and group.state in states]


def plain(book: Rulebook, pool: list[Frame]) -> Plain:
    known = [classified(book, frame) for frame in pool]
    return Plain(book, known, _formed(book, known, {"ok"}))


def shape(node: Node) -> Any:
    """A tree as the plain implementation writes it."""
    slots = []
    for slot in node.slots:
        chosen = []
        for choice in slot.chosen:
            promise = choice.node.products.index(choice.product) if choice.product else 0
            below = shape(choice.node) if choice.product else choice.node.files[0].dp_id
            chosen.append(((choice.match, choice.level, choice.days), promise, below))
        second = slot.why.runner_up
        rivals = [(second.name, second.match, second.level, second.days)] if second else []
        slots.append((slot.rule.line, chosen, rivals))
    assert node.rule
    return (node.rule.line, [file.dp_id for file in node.files], slots)


# --- the laws ---------------------------------------------------------------------------------


@given(ACYCLIC, frames())
@POSTGRES
def test_the_sieve_loses_no_candidate_that_evaluate_accepts(fill: Fill, text: str, pool: list[Frame]) -> None:
    book = read_book(text, "toy.1990-01-01.oca")
    index = fill(library([book]), [pool])
    every = plain(book, pool)
    roots = {group.content: (frame, group) for frame in pool if (group := every.root(frame.dp_id))}
    for frame, group in roots.values():
        if isinstance(frame.header.get("MJD-OBS", ""), str):
            continue  # no night, no rulebook
        assert shape(index.associate(frame.dp_id).root) == every.node(group, [], "Raw2Raw")
        masters = index.associate(frame.dp_id, "Raw2Master")
        assert masters.mode == "Raw2Raw" or shape(masters.root) == every.node(group, [], "Raw2Master")


@given(ACYCLIC, frames(), st.integers(-2, 3), st.sampled_from(["Raw2Raw", "Raw2Master"]))
@POSTGRES
def test_with_a_least_level_no_choice_is_worse_and_where_nothing_is_refused_nothing_changes(
    fill: Fill, text: str, pool: list[Frame], least: int, mode: Mode
) -> None:
    index = fill(library([read_book(text, "toy.1990-01-01.oca")]), [pool])
    for frame in pool:
        free = index.associate(frame.dp_id, mode)
        tree = index.associate(frame.dp_id, mode, explain=True, wish=Wish(min_level=least))
        if tree.root.rule is None:
            continue
        slots = [slot for node in walk(tree.root) for slot in node.slots]
        levels = [each.level for slot in slots for each in (*slot.chosen, *slot.why.rivals)]
        assert all(level is None or level <= least for level in levels)
        worst = worst_level(tree.root)
        assert worst is None or worst <= least
        clauses = [refusal.clause for slot in slots for refusal in slot.why.refused]
        told = [clause for clause in clauses if clause.startswith("min_level ")]
        assert all(int(clause.rpartition(" ")[2]) > least for clause in told)
        if not told and free.mode == tree.mode:
            assert shape(tree.root) == shape(free.root)


@given(ACYCLIC, frames())
@POSTGRES
def test_every_candidate_that_was_seen_is_chosen_surplus_or_refused(
    fill: Fill, text: str, pool: list[Frame]
) -> None:
    book = read_book(text, "toy.1990-01-01.oca")
    index = fill(library([book]), [pool])
    for frame in pool:
        briefly, why = index.associate(frame.dp_id), index.associate(frame.dp_id, explain=True)
        assert why.root.rule is None or shape(why.root) == shape(briefly.root)
        for slot in (slot for node in walk(why.root) for slot in node.slots):
            refused = sum(refusal.count for refusal in slot.why.refused)
            assert slot.why.counted and slot.why.seen == len(slot.chosen) + slot.why.surplus + refused
            assert bool(slot.why.needed) == (len(slot.chosen) < max(1, slot.minimum))
            assert (slot.why.surplus > 0) == (slot.why.runner_up is not None)


@given(st.one_of(ACYCLIC, CYCLIC), frames(16), st.data())
@POSTGRES
def test_the_answer_does_not_depend_on_the_order_of_ingest(
    fill: Fill, text: str, pool: list[Frame], data: st.DataObject
) -> None:
    book = read_book(text, "toy.1990-01-01.oca")
    first = _answers(fill(library([book]), [pool]), pool)
    shuffled = data.draw(st.permutations(pool), label="order")
    cut = data.draw(st.integers(0, len(pool)), label="first batch")
    again = data.draw(st.lists(st.sampled_from(pool), max_size=4, unique_by=lambda f: f.dp_id), label="again")
    flipped = [frame for frame in again if not frame.hidden]
    # the same file under another header first: what it was must leave no trace
    other = {"KIND": "ONE", "A": 7, "MJD-OBS": 55000.0}
    older = [replace(frame, header=Header({**frame.header, **other})) for frame in again]
    index = fill(library([book]), [older, shuffled[:cut], shuffled[cut:], again])
    with index.writing() as (connection, books):
        for frame in again:  # a changed file loses its certification and keeps being hidden
            judge(connection, books, [frame.dp_id], "certified" if frame.certified else "rejected", "t")
        names = [frame.dp_id for frame in flipped]
        judge(connection, books, names, "hidden", "t")
        store(connection, books, again)
        judge(connection, books, names, "shown", "t")
    assert _answers(index, pool) == first


@given(CYCLIC, frames(14))
@POSTGRES
def test_no_group_is_below_itself(fill: Fill, text: str, pool: list[Frame]) -> None:
    book = read_book(text, "toy.1990-01-01.oca")
    index = fill(library([book]), [pool])
    for frame in pool:
        _no_repeat(index.associate(frame.dp_id).root, ())


def _no_repeat(node: Node, above: tuple[Any, ...]) -> None:
    me = (node.action, tuple(file.dp_id for file in node.files))
    assert node.kind == "file" or me not in above
    for slot in node.slots:
        for choice in slot.chosen:
            _no_repeat(choice.node, (*above, me))


def _answers(index: Index, pool: list[Frame]) -> list[Tree]:
    names = sorted(frame.dp_id for frame in pool)
    return [replace(index.associate(name, explain=True), revision=0) for name in names]


def test_undefined_is_not_a_value_in_the_tests_above() -> None:
    book = read_book(HEAD.replace("%s", ""), "toy.1990-01-01.oca")
    known = classified(book, Frame("X", Header({"INSTRUME": "TOY", "SIZE": 5, "C": 1})))
    assert known.keywords["C"] is UNDEFINED
