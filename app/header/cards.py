"""Card images to values: our own regular expression for what files usually hold, astropy for the rest.

FITS 4.0 §4.1-4.2 and the HIERARCH convention (ESO; FITS registry of conventions). astropy reads about
170 headers of 400 cards in a second, this about 2,500; both must agree, which the tests prove.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from app.header.value import Header, Value

CARD: Final = 80

# A keyword, then a string, an integer, a real or a logical with nothing but a comment behind it. Whatever
# else a card says is for astropy. Possessive (`*+`): nothing here can match on a second try.
_CARD: Final = re.compile(
    r"(?:HIERARCH ([^=]++)=|([^=]{8})= ) *+"
    r"(?:'([^']*+(?:''[^']*+)*+)'|([+-]?\d++)(?![.EeDd])"
    r"|([+-]?(?:\d++\.?\d*+|\.\d++)(?:[EeDd][+-]?\d++)?)|([TF])) *+(?:/|$)",
    re.ASCII,
)
_STRING, _INTEGER, _REAL = 3, 4, 5
_WORDS: Final = re.compile(r"[A-Z0-9_-]+(?: +[A-Z0-9_-]+)*")
_NO_VALUE: Final = ("", "COMMENT", "HISTORY", "CONTINUE", "END")


def parse_header(block: bytes) -> Header:
    """The header in a block of 80-byte card images, up to its END card or the end of the block.

    Comments and blank cards are skipped; of a repeated keyword the first card counts. Absent are
    keywords without a value (FITS 4.0 §4.1.2.3), with a complex one (no rule compares those) and with
    one that is no FITS value (`NAN`, an unquoted date). Trailing blanks of strings are not significant
    (§4.2.1.1). FITS allows ASCII only, but real files hold accents: every byte is taken as Latin-1.
    """
    text = block.decode("latin-1")
    cards = [text[start : start + CARD] for start in range(0, len(text), CARD)]
    return _header(_joined(cards) if "CONTINUE" in text else cards)


def parse_text(text: str) -> Header:
    """The header in lines of text, one card a line; lines may be cut at the last letter or overlong.

    ESO's archive gives headers like this; some of SPHERE's strings end in column 81.
    """
    cards = [line.ljust(CARD) for line in text.split("\n")]
    return _header(_joined(cards) if "CONTINUE" in text else cards)


def _header(cards: Iterable[str]) -> Header:
    values: dict[str, Value | None] = {}
    matched = _CARD.match
    for card in cards:
        match = matched(card) if len(card) <= CARD or card[CARD : CARD + 8] != "CONTINUE" else None
        if match is None:
            if card[:8] == "END     ":
                break
            name, value = _odd(card)
        else:
            kind = match.lastindex or 0
            long, short, text = match.group(1, 2, kind)
            name = _dotted(long) if short is None else _plain(short)
            if not name:
                name, value = _odd(card)
            elif kind == _STRING:
                value = text.rstrip(" ").replace("''", "'")
            elif kind == _INTEGER:
                value = int(text)
            elif kind == _REAL:
                value = float(text.replace("D", "E").replace("d", "e"))
            else:
                value = text == "T"
        if name and name not in values:
            values[name] = value
    return Header({name: value for name, value in values.items() if value is not None})


@lru_cache(maxsize=4096)
def _plain(field: str) -> str:
    """A keyword of columns 1-8, or "" where astropy should look at it."""
    name = field.rstrip(" ")
    return name if _WORDS.fullmatch(name) and " " not in name and name not in _NO_VALUE else ""


# An instrument has some thousand names and repeats them in every file.
@lru_cache(maxsize=65536)
def _dotted(field: str) -> str:
    """`ESO INS FILT1 NAME` -> `INS.FILT1.NAME`; "" where astropy should look at it."""
    words = field.split()
    if words[:1] == ["ESO"]:
        del words[0]
    return ".".join(words) if _WORDS.fullmatch(field.strip(" ")) else ""


def _joined(cards: list[str]) -> Iterator[str]:
    """The cards, with those of a long string (CONTINUE, FITS 4.0 §4.2.1.2) as one image."""
    image = ""
    for card in cards:
        if card[:8] == "CONTINUE" and image:
            image = image[: len(image) // CARD * CARD] + card[:CARD]
        else:
            if image:
                yield image
            image = card
    if image:
        yield image


def _odd(image: str) -> tuple[str, Value | None]:
    """What astropy makes of a card: its keyword ("" if it has none) and its value (None if absent)."""
    first = image[:8].rstrip(" ").upper()
    if first in _NO_VALUE:
        return "", None
    # Without a value indicator a card is a comment (FITS 4.0 §4.1.2.2); astropy takes one that is too far
    # to the left, as its writers of old did.
    if not (0 < image.find("= ") <= 8 or (first == "HIERARCH" and "=" in image)):
        return "", None
    # Loaded here because it takes a quarter of a second, which programs without odd cards need not wait.
    from astropy.io.fits import Card, VerifyError

    card = Card.fromstring(image if len(image) % CARD == 0 else image[: len(image) // CARD * CARD])
    # The raw ones: astropy would split NAME = 'AXIS: 2' into the keyword NAME.AXIS and the number 2.
    name = ".".join(card.rawkeyword.upper().removeprefix("ESO ").split())
    try:
        value = card.rawvalue
    except VerifyError:
        return name, None
    match value:
        case str() | bool() | int() | float():
            return name, value
        case _:
            return name, None
