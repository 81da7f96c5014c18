"""Generated queries, answered by PostgreSQL and by a few lines of Python over the same rows."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL

from app.archive.index import Index
from app.vo.adql.parser import parse
from app.vo.adql.statement import translate
from app.vo.adql.syntax import (
    Between,
    Call,
    Column,
    Compare,
    Condition,
    Expr,
    In,
    IsNull,
    Item,
    Join,
    Like,
    Not,
    Number,
    Order,
    Query,
    Star,
    Table,
    Terms,
    Text,
)
from app.vo.adql.tokens import AdqlError
from app.vo.reading import humble, reading, rows
from app.vo.schema.catalogue import catalogue

Row = dict[str, Any]
MARK = "Zq;'--"
ADDRESSES = {"files": "https://f/", "links": "https://l/"}
TEXT_COLUMNS = ("dp_id", "target", "instrument", "prog_id", "exp_start", "object", "dp_type", "s_region")
NUMBER_COLUMNS = (
    "ra",
    "dec",
    "exposure",
    "tpl_expno",
    "mjd_obs",
    "det_ndit",
    "tel_airm_start",
    "ob_id",
    "period",
)
TEXTS = (
    "SGR A",
    "HD 1",
    "UVES",
    "NACO",
    "uves",
    "Naco",
    "UVES.2012-03-12T00:42:00.123",
    "088.D-0512(A)",
    "2012-03-12T03",
    "",
    "BIAS",
    MARK,
)
PATTERNS = ("UVES%", "%A", "%\\%", "H_ 1", "%_ <&>%", "", "%", "naco%", MARK + "%")
NUMBERS = ("0", "3", "-29", "10", "20.0", "266.4", "1.5", "55998.2", "88", "200000002")

SIGNS = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}

texts = st.builds(Column, st.sampled_from(TEXT_COLUMNS).map(lambda name: (name,)))
numbers = st.builds(Column, st.sampled_from(NUMBER_COLUMNS).map(lambda name: (name,)))
literals = st.sampled_from(TEXTS).map(Text)
figures = st.sampled_from(NUMBERS).map(Number)
operators = st.sampled_from(["=", "<>", "<", ">", "<=", ">="])
circles = st.builds(
    lambda ra, dec, radius: Call("CIRCLE", (Text("ICRS"), Number(ra), Number(dec), Number(radius))),
    st.sampled_from(["266.4", "0", "359.9", "180.0"]),
    st.sampled_from(["-29", "0.0", "90", "-90"]),
    st.sampled_from(["0", "0.05", "0.11", "1", "60", "180"]),
)
shapes = st.one_of(
    st.builds(lambda circle: Call("INTERSECTS", (Column(("s_region",)), circle)), circles),
    st.builds(lambda circle: Call("INTERSECTS", (circle, Column(("s_region",)))), circles),
    st.builds(lambda circle: Call("CONTAINS", (Column(("s_region",)), circle)), circles),
    st.builds(
        lambda circle: Call(
            "CONTAINS", (Call("POINT", (Text("ICRS"), Column(("ra",)), Column(("dec",)))), circle)
        ),
        circles,
    ),
)
predicates = st.one_of(
    st.builds(Compare, operators, texts, literals | texts),
    st.builds(Compare, operators, literals, texts),
    st.builds(Compare, operators, numbers, figures | numbers),
    st.builds(Compare, st.sampled_from(["=", "<>"]), shapes, st.sampled_from([Number("1"), Number("0")])),
    st.builds(Between, texts, literals, literals, st.booleans()),
    st.builds(Between, numbers, figures, figures, st.booleans()),
    st.builds(In, texts, st.lists(literals, min_size=1, max_size=4).map(tuple), st.booleans()),
    st.builds(In, numbers, st.lists(figures, min_size=1, max_size=4).map(tuple), st.booleans()),
    st.builds(Like, texts, st.sampled_from(PATTERNS), st.just(False), st.booleans()),
    st.builds(IsNull, texts | numbers, st.booleans()),
)
conditions = st.recursive(
    predicates,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Terms, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


class Archive:
    """The index, its tables, and all rows of dbo.raw; told in a word where hypothesis shows a case."""

    def __init__(self, index: Index) -> None:
        self.index = index
        with reading(index) as connection:
            self.tables = catalogue(connection, index.rules(connection).books.values())
        self.rows = self.ask("SELECT * FROM dbo.raw")

    def ask(self, query: str) -> list[Row]:
        statement = translate(query, self.tables)
        written = statement.sql.as_string()
        assert not any(mark in written for mark in (MARK, "Zq", ";", "--"))
        bound = replace(statement, values={**statement.values, **ADDRESSES})
        names = [column.name for column in statement.columns]
        with reading(self.index) as connection:
            assert humble(connection)
            # EXPLAIN takes one statement, and with bound values PostgreSQL takes no second one.
            connection.execute(SQL("EXPLAIN {}").format(bound.sql), bound.values, prepare=False)
            return [dict(zip(names, row, strict=True)) for row in rows(connection, bound)]


@pytest.fixture(scope="module")
def archive(index: Index) -> Archive:
    return Archive(index)


@settings(max_examples=100)
@given(conditions)
@example(Compare("=", Column(("target",)), Text(MARK)))
def test_a_condition_picks_the_rows_that_meet_it(archive: Archive, condition: Condition) -> None:
    query = Query((Star(),), Table("dbo.raw"), where=condition)
    assert parse(str(query)) == query
    wanted = [row["dp_id"] for row in archive.rows if true(condition, row)]
    assert sorted(row["dp_id"] for row in archive.ask(str(query))) == sorted(wanted)


@settings(max_examples=40)
@given(
    st.none() | conditions,
    st.sampled_from(TEXT_COLUMNS + NUMBER_COLUMNS),
    st.booleans(),
    st.integers(0, 40),
    st.booleans(),
)
def test_order_and_top_are_those_of_sorted_rows(
    archive: Archive,
    where: Any,
    key: str,
    down: bool,
    top: int,
    cold: bool,
) -> None:
    told = "dp_id, tel_airm_start, target" if cold else "dp_id"
    asked = f"SELECT TOP {top} {told} FROM dbo.raw" + (f" WHERE {where}" if where else "")
    found = archive.ask(f"{asked} ORDER BY {key} {'DESC' if down else 'ASC'}, dp_id")
    picked = sorted(
        (row for row in archive.rows if not where or true(where, row)), key=lambda row: str(row["dp_id"])
    )
    # Null is larger than everything: last when ascending, first when descending.
    some = sorted((row for row in picked if row[key] is not None), key=lambda row: row[key], reverse=down)
    if down:
        some = [row for value in dict.fromkeys(r[key] for r in some) for row in picked if row[key] == value]
    none = [row for row in picked if row[key] is None]
    wanted = (none + some if down else some + none)[:top]
    assert [row["dp_id"] for row in found] == [row["dp_id"] for row in wanted]
    if cold:
        assert [row["tel_airm_start"] for row in found] == [row["tel_airm_start"] for row in wanted]


@settings(max_examples=25)
@given(st.none() | conditions, st.sampled_from(["instrument", "prog_id", "tpl_expno", "target"]))
def test_groups_and_distinct_values_are_those_of_the_rows(archive: Archive, where: Any, key: str) -> None:
    tail = f" WHERE {where}" if where else ""
    picked = [row for row in archive.rows if not where or true(where, row)]
    told = f"{key}, COUNT(*) AS n, MIN(ra) AS low, COUNT(DISTINCT target) AS t"
    grouped = archive.ask(f"SELECT {told} FROM dbo.raw{tail} GROUP BY {key}")
    found = {row[key]: (row["n"], row["low"], row["t"]) for row in grouped}
    wanted = {}
    for value in {row[key] for row in picked}:
        same = [row for row in picked if row[key] == value]
        low = min((row["ra"] for row in same if row["ra"] is not None), default=None)
        wanted[value] = (len(same), low, len({row["target"] for row in same} - {None}))
    assert found == wanted
    distinct = archive.ask(f"SELECT DISTINCT {key} FROM dbo.raw{tail} ORDER BY {key}")
    assert [row[key] for row in distinct if row[key] is not None] == sorted(set(found) - {None})
    (counted,) = archive.ask(f"SELECT COUNT(*) FROM dbo.raw{tail}")
    assert counted == {"count": len(picked)}


def _names(*qualifiers: str) -> Any:
    parts = [
        st.sampled_from(TEXT_COLUMNS + NUMBER_COLUMNS).map(lambda name, q=q: (q, name)) for q in qualifiers
    ]
    return st.builds(Column, st.one_of(*parts))


names = _names("a", "b")
degrees = st.builds(Column, st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["ra", "dec"])))
points = st.one_of(
    st.just(Column(("a", "s_region"))),
    st.builds(lambda ra, dec: Call("POINT", (ra, dec)), degrees | figures, degrees | st.just(Number("-29"))),
)
plain = st.one_of(
    names,
    names,
    literals,
    figures,
    st.builds(lambda inner: Call("UPPER", (inner,)), names | literals),
    st.builds(lambda one, other: Call("DISTANCE", (one, other)), points, points),
)
expressions = st.one_of(
    plain,
    plain,
    st.just(Call("COUNT", ())),
    st.builds(
        lambda name, inner, distinct: Call(name, (inner,), distinct),
        st.sampled_from(["COUNT", "MIN", "MAX", "AVG", "SUM"]),
        names | figures | st.builds(lambda inner: Call("LOWER", (inner,)), names),
        st.booleans(),
    ),
)
mixed = st.one_of(
    st.builds(Compare, operators, plain, plain),
    st.builds(Between, names, plain, plain, st.booleans()),
    st.builds(In, names, st.lists(literals | figures, min_size=1, max_size=2).map(tuple), st.booleans()),
    st.builds(
        lambda shape, point, circle: Compare("=", Call(shape, (point, circle)), Number("1")),
        st.sampled_from(["CONTAINS", "INTERSECTS"]),
        points,
        circles,
    ),
    st.builds(
        lambda negated: In(
            Column(("a", "dp_id")), Query((Item(Column(("obs_id",))),), Table("ivoa.ObsCore")), negated
        ),
        st.booleans(),
    ),
)
items = st.builds(Item, expressions, st.none() | st.sampled_from(["x", "ra"])) | st.just(Star(("a",)))
queries = st.builds(
    Query,
    st.lists(items, min_size=1, max_size=3).map(tuple),
    st.just(Table("dbo.raw", "a")),
    st.builds(
        lambda word, table, on: (Join(word, Table(table, "b"), on),),
        st.sampled_from(["INNER", "LEFT"]),
        st.sampled_from(["dbo.raw", "ist.uves"]),
        mixed,
    ),
    st.none() | mixed,
    st.lists(names, max_size=2).map(tuple),
    st.lists(st.builds(Order, expressions, st.booleans()), max_size=2).map(tuple),
    st.none() | st.integers(0, 10),
    st.booleans(),
)


@settings(max_examples=300)
@given(queries)
def test_what_is_translated_is_taken_by_postgresql(archive: Archive, query: Query) -> None:
    try:
        statement = translate(str(query), archive.tables, 100)
    except AdqlError as error:
        assert str(error).startswith("line 1, column ")
        return
    with reading(archive.index) as connection:
        assert humble(connection)
        values = {**statement.values, **ADDRESSES}
        connection.execute(SQL("EXPLAIN {}").format(statement.sql), values, prepare=False)


def true(condition: Condition, row: Row) -> bool:
    return holds(condition, row) is True


def holds(condition: Condition, row: Row) -> bool | None:
    """Three-valued logic: None is unknown."""
    match condition:
        case Compare(sign, Call() as shape, Number(written)):
            inside = within(shape, row)
            return None if inside is None else inside == ((written == "1") == (sign == "="))
        case Compare("=" | "<>" as sign, Column(parts=("instrument",)) as name, Text() as text):
            return holds(In(name, (text,), sign == "<>"), row)
        case Compare("=" | "<>" as sign, Text() as text, Column(parts=("instrument",)) as name):
            return holds(In(name, (text,), sign == "<>"), row)
        case Compare(sign, left, right):
            a, b = value(left, row), value(right, row)
            signs = {
                "=": operator.eq,
                "<>": operator.ne,
                "<": operator.lt,
                ">": operator.gt,
                "<=": operator.le,
                ">=": operator.ge,
            }
            return None if a is None or b is None else bool(signs[sign](a, b))
        case Between(of, low, high, negated):
            a, b, c = value(of, row), value(low, row), value(high, row)
            return None if a is None else (b <= a <= c) is not negated
        case In(of, choices, negated):
            a = value(of, row)
            assert not isinstance(choices, Query)
            wanted = [value(each, row) for each in choices]
            if of == Column(("instrument",)):  # capitals, asked for in any case
                wanted += [each.upper() for each in wanted]
            return None if a is None else (a in wanted) is not negated
        case Like(of, pattern, _, negated):
            a = value(of, row)
            wild = "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in pattern)
            return None if a is None else (re.fullmatch(wild, a, re.DOTALL) is not None) is not negated
        case IsNull(of, negated):
            return (value(of, row) is None) is not negated
        case Not(term):
            inner = holds(term, row)
            return None if inner is None else not inner
        case Terms(word, terms):
            return joined(word == "AND", [holds(term, row) for term in terms])


def joined(every: bool, results: Iterable[bool | None]) -> bool | None:
    known = list(results)
    if (not every) in known:
        return not every
    return None if None in known else every


def value(expr: Expr, row: Row) -> Any:
    match expr:
        case Column(parts=(name,)):
            return row[name]
        case Text(text):
            return text
        case Number(written):
            return float(written)
        case _:
            raise AssertionError(expr)


def within(shape: Call, row: Row) -> bool | None:
    (circle,) = [each for each in shape.arguments if isinstance(each, Call) and each.name == "CIRCLE"]
    ra, dec, radius = (value(each, row) for each in circle.arguments[1:])
    if row["ra"] is None or row["dec"] is None:
        return None
    one, other = _unit(ra, dec), _unit(row["ra"], row["dec"])
    chord = math.sqrt(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)))
    return math.degrees(2 * math.asin(min(1.0, chord / 2))) <= radius


def _unit(ra: float, dec: float) -> tuple[float, float, float]:
    a, d = math.radians(ra), math.radians(dec)
    return math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)
