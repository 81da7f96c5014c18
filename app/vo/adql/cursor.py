"""A cursor over the tokens of a query: what stands here, what was expected, what is refused by name."""

from __future__ import annotations

from typing import Final, NoReturn

from app.vo.adql.tokens import Token, error_at, tokenize

_DEEPEST: Final = 50  # parentheses within each other; Python's stack is the limit behind it
_MOST: Final = 1000  # predicates; a longer list belongs into IN (…)
# Words that end a name's place, so that none is taken for an alias.
RESERVED: Final = frozenset(
    "SELECT DISTINCT ALL TOP FROM WHERE GROUP BY ORDER ASC DESC AND OR NOT IN LIKE ILIKE BETWEEN IS NULL AS "
    "ON JOIN INNER LEFT RIGHT FULL OUTER CROSS NATURAL USING HAVING OFFSET UNION INTERSECT EXCEPT WITH "
    "EXISTS CASE CAST LIMIT".split()
)


class Cursor:
    """The tokens of a query and a place among them; every step tells what it found instead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.at = 0
        self.depth = 0
        self.predicates = 0

    @property
    def token(self) -> Token:
        """The token at hand."""
        return self.tokens[self.at]

    def fail(self, message: str, token: Token | None = None) -> NoReturn:
        """Raise an AdqlError at a token, without one at the token at hand."""
        raise error_at(self.text, (token or self.token).offset, message)

    def refuse_here(self, where: str) -> NoReturn:
        """Say that the token at hand cannot stand here; name it where ADQL knows it and we do not."""
        token = self.token
        if token.kind == "end":
            self.fail(f"the query ends {where}")
        if token.text == ";" or (self.at and self.tokens[self.at - 1].text == ";"):
            self.fail("a second statement is not possible: a request holds one query")
        if token.text in ("+", "-", "*", "/", "||"):
            self.fail(f"arithmetic and concatenation ({token.text}) are not supported")
        if token.word == "LIMIT":
            self.fail("LIMIT is no ADQL: write SELECT TOP n")
        if token.word in RESERVED:
            self.fail(f"{token.word} is not supported {where}")
        self.fail(f"unexpected {token.text[:60]!r} {where}")

    def word(self, *words: str) -> bool:
        """Step over these words if they stand here."""
        if all(self.tokens[min(self.at + n, len(self.tokens) - 1)].word == w for n, w in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def sign(self, sign: str) -> bool:
        """Step over this sign if it stands here."""
        if self.token.kind == "sign" and self.token.text == sign:
            self.at += 1
            return True
        return False

    def expect(self, what: str, where: str) -> None:
        """Step over this sign or word, or raise."""
        if not (self.sign(what) or self.word(what)):
            if self.token.kind == "end" or self.token.word in RESERVED or self.token.kind == "sign":
                found = self.token.text or "the end of the query"
                self.fail(f"expected {what} {where}, found {found}")
            self.refuse_here(f"where {what} is expected ({where})")

    def deeper(self) -> None:
        """Count a parenthesis that opens."""
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail(f"more than {_DEEPEST} parentheses within each other")

    def one_more(self) -> None:
        """Count a predicate."""
        self.predicates += 1
        if self.predicates > _MOST:
            self.fail(f"more than {_MOST} conditions; put long lists into IN (…)")

    def name(self) -> str:
        """A name, without its quotes."""
        token = self.token
        if token.kind != "delimited" and (token.kind != "name" or token.word in RESERVED):
            self.refuse_here("where a name is expected")
        self.at += 1
        return token.value

    def optional_alias(self) -> str | None:
        """A name if one stands here."""
        token = self.token
        return self.name() if token.kind in ("name", "delimited") and token.word not in RESERVED else None
