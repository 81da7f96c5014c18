"""Text of a query -> tokens, each with its place; and the error that names what is not understood.

ADQL 2.1 §2.1: words ignore case, `"x"` is a delimited name, `'it''s'` a text, `--` begins a comment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from app.errors import RequestError

Kind: TypeAlias = Literal["name", "delimited", "text", "number", "sign", "end"]

LONGEST: Final = 1_048_576  # characters: 10,000 dp_ids in one IN list are some 400,000

_TOKEN: Final = re.compile(
    r"""
    (?: [ \t\r\n\f]++ | --[^\n]*+ )*+
    (?: (?P<name> [A-Za-z]\w*+ )
      | (?P<delimited> "(?:[^"]|"")+" )
      | (?P<text> '(?:[^']|'')*' )
      | (?P<number> (?: \d++ (?:\.\d*+)?+ | \.\d++ ) (?:[eE][+-]?\d++)?+ )
      | (?P<sign> <> | != | <= | >= | \|\| | [-+*/=<>(),.;] )
      | (?P<slip> (?s:.) )
      | \Z )
    """,
    re.VERBOSE | re.ASCII,
)


class AdqlError(RequestError):
    """A query outside the subset, or one that makes no sense; the message says where and what."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {message}")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the query; `value` is what it means: names without quotes, texts without doubled ones."""

    kind: Kind
    text: str
    value: str
    offset: int

    @property
    def word(self) -> str:
        """The word in capitals where it may be a reserved one, else nothing."""
        return self.text.upper() if self.kind == "name" else ""


def error_at(query: str, offset: int, message: str) -> AdqlError:
    """The error at a character of the query; line and column count from 1."""
    before = query[:offset]
    return AdqlError(message, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


def tokenize(query: str) -> list[Token]:
    """The tokens; the last is the end. Raises AdqlError for what is no token."""
    if len(query) > LONGEST:
        raise AdqlError(f"the query has {len(query)} characters; the most is {LONGEST}", 1, 1)
    tokens: list[Token] = []
    for match in _TOKEN.finditer(query):
        kind = match.lastgroup
        if kind is None:
            break
        text, offset = match[kind], match.start(kind)
        match kind:
            case "delimited":
                tokens.append(Token("delimited", text, text[1:-1].replace('""', '"'), offset))
            case "text":
                tokens.append(Token("text", text, _storable(query, offset, text[1:-1]), offset))
            case "name" | "number" | "sign":
                tokens.append(Token(kind, text, text, offset))
            case _:
                raise error_at(query, offset, _slip(text))
    tokens.append(Token("end", "", "", len(query.rstrip())))
    return tokens


def _storable(query: str, offset: int, text: str) -> str:
    """The text; PostgreSQL's cannot hold NUL, nor half a surrogate pair."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise error_at(query, offset, "this text holds a character that no header can: NUL or half a pair")
    return text.replace("''", "'")


def _slip(text: str) -> str:
    if text in "'\"":
        return f"this {'text' if text == chr(39) else 'name'} is not closed: a {text} is missing"
    return f"unexpected character {text!r}"
