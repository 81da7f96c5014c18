from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.vo.adql.parser import parse
from app.vo.adql.syntax import (
    Between,
    Call,
    Column,
    Compare,
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
from app.vo.adql.tokens import LONGEST, AdqlError

NAMES = st.one_of(
    st.sampled_from(["dp_id", "ra", "select", "Order", "x y", 'a"b']), st.text("abZ9_ \"'%;-", min_size=1)
)
TEXTS = st.builds(Text, st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
NUMBERS = st.builds(Number, st.sampled_from(["0", "1", "-1", "2.5", "-1.", ".5", "1e3", "1.5E-7"]))
COLUMNS = st.builds(Column, st.lists(NAMES, min_size=1, max_size=3).map(tuple))
EXPRESSIONS = st.recursive(
    TEXTS | NUMBERS | COLUMNS,
    lambda inner: st.one_of(
        st.just(Call("COUNT", ())),
        st.builds(Call, st.sampled_from(["MIN", "SUM"]), st.tuples(inner), st.booleans()),
        st.builds(
            Call, st.sampled_from(["POINT", "INTERSECTS"]), st.lists(inner, min_size=1, max_size=4).map(tuple)
        ),
    ),
    max_leaves=6,
)
LITERALS = st.lists(TEXTS | NUMBERS, min_size=1, max_size=4).map(tuple)


def _conditions(expressions: Any) -> Any:
    simple = st.one_of(
        st.builds(Compare, st.sampled_from(["=", "<>", "<", ">=", ">", "<="]), expressions, expressions),
        st.builds(Like, expressions, TEXTS.map(lambda text: text.value), st.booleans(), st.booleans()),
        st.builds(Between, expressions, expressions, expressions, st.booleans()),
        st.builds(In, expressions, LITERALS, st.booleans()),
        st.builds(IsNull, expressions, st.booleans()),
    )
    return st.recursive(
        simple,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.builds(
                Terms, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3).map(tuple)
            ),
        ),
        max_leaves=8,
    )


CONDITIONS = _conditions(EXPRESSIONS)
ALIASES = st.none() | NAMES
TABLES = st.builds(Table, st.sampled_from(["dbo.raw", "TAP_SCHEMA.tables", "x"]), ALIASES)
ITEMS = st.builds(Item, EXPRESSIONS, ALIASES) | st.just(Star()) | st.just(Star(("t1",)))
QUERIES = st.builds(
    Query,
    st.lists(ITEMS, min_size=1, max_size=3).map(tuple),
    TABLES,
    st.lists(st.builds(Join, st.sampled_from(["INNER", "LEFT"]), TABLES, CONDITIONS), max_size=1).map(tuple),
    st.none() | CONDITIONS,
    st.lists(COLUMNS, max_size=2).map(tuple),
    st.lists(st.builds(Order, EXPRESSIONS, st.booleans()), max_size=2).map(tuple),
    st.none() | st.integers(0, 10**9),
    st.booleans(),
)  # fmt: skip


WORDS = "select * from dbo.raw where ( ) ' \" , 1 a = in like between and not group by is null ;".split()


@given(QUERIES)
def test_what_is_printed_is_read_back(query: Query) -> None:
    assert parse(str(query)) == query


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    try:
        parse(text)
    except AdqlError as error:
        assert str(error).startswith("line ")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "only SELECT is possible, not 'an empty query'"),
        ("drop table frame", "line 1, column 1: only SELECT is possible, not 'drop'"),
        ("select 1", "expected FROM after what is selected, found the end of the query"),
        ("select * from t; drop table t", "line 1, column 18: a second statement is not possible"),
        ("select * from t;;", "a second statement is not possible"),
        ("select * from t\nwhere a = pg_sleep(9)", "line 2, column 11: the function pg_sleep is not"),
        ("select * from t union select * from u", "UNION is not supported"),
        ("select * from t except select 1", "EXCEPT is not supported"),
        ("select a*2 from t", "arithmetic and concatenation (*) are not supported"),
        ("select a||'x' from t", "arithmetic and concatenation (||) are not supported"),
        ("select a from t where a + 1 > 2", "arithmetic and concatenation (+) are not supported"),
        ("select a from t group by a having count(*) > 1", "HAVING is not supported"),
        ("select a from t offset 3", "OFFSET is not supported"),
        ("select a from t limit 3", "LIMIT is no ADQL: write SELECT TOP n"),
        ("select a from (select * from t) x", "a subquery after FROM is not supported"),
        ("select a from t where a = (select 1 from t)", "a subquery is only supported after IN"),
        ("select a from t where exists (select 1 from t)", "EXISTS is not supported"),
        ("select a from t natural join u", "NATURAL is not supported"),
        ("select a from t full join u on a = b", "FULL is not supported"),
        ("select a from t cross join u", "CROSS is not supported"),
        ("select a from t join u using (a)", "USING is not supported"),
        ("select a from t, u", "a list of tables is not supported: use JOIN … ON"),
        ("select a from generate_series(1,2)", "generate_series(…): table functions are not supported"),
        ("select case when a then 1 end from t", "CASE is not supported"),
        ("select cast(a as int) from t", "CAST is not supported"),
        ("with x as (select 1) select * from x", "only SELECT is possible, not 'with'"),
        ("select a from t where a like b", "where the pattern of LIKE is expected, a text"),
        ("select a from t where a in (b)", "where a text or a number is expected"),
        ("select a from t where a", "the query ends where a comparison is expected"),
        ("select top a b from t", "TOP takes the number of rows, not 'a'"),
        ("select top -1 b from t", "TOP takes the number of rows, not '-'"),
        ("select 'a from t", "this text is not closed: a ' is missing"),
        ('select "a from t', 'this name is not closed: a " is missing'),
        ("select a from t where b = 'x\0'", "holds a character that no header can"),
        ("select a from t where b = '\ud800'", "holds a character that no header can"),
        ("select a from t where b = #1", "unexpected character '#'"),
        ("select a from t where BOX('ICRS', 1, 2, 3, 4) = 1", "the function BOX is not supported"),
        ("select a /* b */ from t", "arithmetic and concatenation (/) are not supported"),
        (f"select a from t where {'(' * 5000}", "more than 50 parentheses within each other"),
        (f"select a from t where {' or '.join(['a = 1'] * 1001)}", "more than 1000 conditions"),
        (f"select {'lower(' * 60}a{')' * 60} from t", "more than 50 parentheses within each other"),
        (f"select a from t where b = '{'x' * LONGEST}'", "characters; the most is 1048576"),
    ],
)  # fmt: skip
def test_what_is_outside_the_subset_is_refused_by_name(query: str, message: str) -> None:
    with pytest.raises(AdqlError) as caught:
        parse(query)
    assert message in str(caught.value)


def test_a_comment_is_a_blank_and_one_semicolon_may_end_the_query() -> None:
    assert parse("select a -- b; drop\nfrom t;") == parse("SELECT a FROM t")
