"""ADQL text -> syntax: recursive descent over the subset, one function for each rule of the grammar.

    query     := SELECT [DISTINCT | ALL] [TOP n] item {, item} FROM table {join} [WHERE condition]
                 [GROUP BY column {, column}] [ORDER BY key [ASC | DESC] {, …}]
    join      := [INNER | LEFT [OUTER]] JOIN table ON condition
    condition := and {OR and};  and := not {AND not};  not := [NOT] (predicate | '(' condition ')')
    predicate := value (op value | [NOT] LIKE text | [NOT] BETWEEN value AND value
                 | [NOT] IN (literals | query) | IS [NOT] NULL)
    value     := [+ | -] number | text | column | function '(' … ')'

What ADQL has beyond that is refused by name.
"""

from __future__ import annotations

from typing import Final

from app.vo.adql.cursor import RESERVED, Cursor
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
    Operator,
    Order,
    Query,
    Star,
    Table,
    Terms,
    Text,
)

AGGREGATES: Final = ("COUNT", "MIN", "MAX", "AVG", "SUM")
FUNCTIONS: Final = (*AGGREGATES, "UPPER", "LOWER", "POINT", "CIRCLE", "CONTAINS", "INTERSECTS", "DISTANCE")
_OPERATORS: Final[dict[str, Operator]] = {
    "=": "=", "<>": "<>", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="
}  # fmt: skip


def parse(query: str) -> Query:
    """The query as a value. Raises AdqlError, which names the construct and its place."""
    parser = _Parser(query)
    found = parser.query()
    parser.sign(";")
    if parser.token.kind != "end":
        parser.refuse_here("after the query")
    return found


class _Parser(Cursor):
    def query(self) -> Query:
        if not self.word("SELECT"):
            self.fail(f"only SELECT is possible, not {self.token.text[:60] or 'an empty query'!r}")
        distinct = self.word("DISTINCT")
        if not distinct:
            self.word("ALL")
        top = self.count() if self.word("TOP") else None
        items = [self.item()]
        while self.sign(","):
            items.append(self.item())
        self.expect("FROM", "after what is selected")
        table, joins = self.table(), []
        while join := self.join():
            joins.append(join)
        where = self.condition() if self.word("WHERE") else None
        group = self.columns() if self.word("GROUP", "BY") else ()
        order = self.order() if self.word("ORDER", "BY") else ()
        return Query(tuple(items), table, tuple(joins), where, group, order, top, distinct)

    def count(self) -> int:
        token = self.token
        if token.kind != "number" or not token.text.isdecimal() or len(token.text) > 12:
            self.fail(f"TOP takes the number of rows, not {token.text[:60]!r}")
        self.at += 1
        return int(token.text)

    def item(self) -> Item | Star:
        at = self.token.offset
        if self.sign("*"):
            return Star((), at)
        if self.token.kind in ("name", "delimited"):
            start, parts = self.at, [self.name()]
            while self.sign("."):
                if self.sign("*"):
                    return Star(tuple(parts), at)
                parts.append(self.name())
            self.at = start
        value = self.value()
        if self.word("AS"):
            return Item(value, self.name())
        return Item(value, self.optional_alias())

    def table(self) -> Table:
        at = self.token.offset
        if self.token.text == "(":
            self.fail("a subquery after FROM is not supported")
        parts = [self.name()]
        while self.sign("."):
            parts.append(self.name())
        if self.token.text == "(":
            self.fail(f"{'.'.join(parts)}(…): table functions are not supported")
        alias = self.name() if self.word("AS") else self.optional_alias()
        if self.token.text == ",":
            self.fail("a list of tables is not supported: use JOIN … ON")
        return Table(".".join(parts), alias, at)

    def join(self) -> Join | None:
        if self.word("LEFT"):
            self.word("OUTER")
            self.expect("JOIN", "after LEFT")
            left = True
        elif self.word("INNER", "JOIN") or self.word("JOIN"):
            left = False
        else:
            return None
        table = self.table()
        if self.token.word == "USING":
            self.fail("USING is not supported: write ON a.x = b.x")
        self.expect("ON", "after the joined table")
        return Join("LEFT" if left else "INNER", table, self.condition())

    def columns(self) -> tuple[Column, ...]:
        found = [self.column()]
        while self.sign(","):
            found.append(self.column())
        return tuple(found)

    def order(self) -> tuple[Order, ...]:
        found = []
        while True:
            key = self.value()
            descending = self.word("DESC")
            if not descending:
                self.word("ASC")
            found.append(Order(key, descending))
            if not self.sign(","):
                return tuple(found)

    def column(self) -> Column:
        at = self.token.offset
        parts = [self.name()]
        while self.sign("."):
            parts.append(self.name())
        return Column(tuple(parts), at)

    def condition(self) -> Condition:
        """Read conditions joined by OR."""
        self.deeper()
        terms = [self.conjunction()]
        while self.word("OR"):
            terms.append(self.conjunction())
        self.depth -= 1
        return terms[0] if len(terms) == 1 else Terms("OR", tuple(terms))

    def conjunction(self) -> Condition:
        terms = [self.negation()]
        while self.word("AND"):
            terms.append(self.negation())
        return terms[0] if len(terms) == 1 else Terms("AND", tuple(terms))

    def negation(self) -> Condition:
        negated = False
        while self.word("NOT"):
            negated = not negated
        if self.token.word == "EXISTS":
            self.refuse_here("as a condition")
        if self.sign("("):
            inside = self.condition()
            self.expect(")", "after the condition")
        else:
            inside = self.predicate()
        return Not(inside) if negated else inside

    def predicate(self) -> Condition:
        self.one_more()
        at = self.token.offset
        value = self.value()
        if operator := _OPERATORS.get(self.token.text if self.token.kind == "sign" else ""):
            self.at += 1
            return Compare(operator, value, self.value(), at)
        if self.word("IS"):
            negated = self.word("NOT")
            self.expect("NULL", "after IS")
            return IsNull(value, negated, at)
        negated = self.word("NOT")
        if self.token.word in ("LIKE", "ILIKE"):
            ignore_case = self.token.word == "ILIKE"
            self.at += 1
            if self.token.kind != "text":
                self.refuse_here("where the pattern of LIKE is expected, a text")
            pattern = self.token.value
            self.at += 1
            return Like(value, pattern, ignore_case, negated, at)
        if self.word("BETWEEN"):
            low = self.value()
            self.expect("AND", "between the limits of BETWEEN")
            return Between(value, low, self.value(), negated, at)
        if not self.word("IN"):
            self.refuse_here("where a comparison is expected (= <> < > <= >= LIKE IN BETWEEN IS)")
        return self.membership(value, negated, at)

    def membership(self, value: Expr, negated: bool, at: int) -> In:
        self.expect("(", "after IN")
        self.deeper()
        if self.token.word == "SELECT":
            inside: tuple[Text | Number, ...] | Query = self.query()
        else:
            choices = [self.literal()]
            while self.sign(","):
                choices.append(self.literal())
            inside = tuple(choices)
        self.depth -= 1
        self.expect(")", "after the list of IN")
        return In(value, inside, negated, at)

    def literal(self) -> Text | Number:
        token = self.token
        if token.kind == "text":
            self.at += 1
            return Text(token.value, token.offset)
        sign = "-" if self.sign("-") else ""
        if not sign:
            self.sign("+")
        if self.token.kind != "number":
            self.refuse_here("where a text or a number is expected")
        written = sign + self.token.text
        self.at += 1
        return Number(written, token.offset)

    def value(self) -> Expr:
        token = self.token
        if token.kind in ("text", "number") or (token.text in ("+", "-") and token.kind == "sign"):
            found: Expr = self.literal()
        elif token.kind == "name" and self.tokens[self.at + 1].text == "(" and token.word not in RESERVED:
            found = self.call()
        elif token.kind == "sign" and token.text == "(":
            found = self.in_parentheses()
        else:
            found = self.column()
        if self.token.kind == "sign" and self.token.text in ("+", "-", "*", "/", "||"):
            self.refuse_here("in an expression")
        return found

    def in_parentheses(self) -> Expr:
        if self.tokens[self.at + 1].word == "SELECT":
            self.fail("a subquery is only supported after IN")
        self.deeper()
        self.at += 1
        found = self.value()
        self.expect(")", "after the expression")
        self.depth -= 1
        return found

    def call(self) -> Call:
        token = self.token
        name = token.word
        if name not in FUNCTIONS:
            self.fail(f"the function {token.text[:60]} is not supported; there are {', '.join(FUNCTIONS)}")
        self.at += 2
        self.deeper()
        distinct = name in AGGREGATES and self.word("DISTINCT")
        arguments: list[Expr] = []
        if not (name == "COUNT" and not distinct and self.sign("*")):
            arguments.append(self.value())
            while self.sign(","):
                arguments.append(self.value())
        self.expect(")", f"after the arguments of {name}")
        self.depth -= 1
        return Call(name, tuple(arguments), distinct, token.offset)
