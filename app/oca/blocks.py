"""What the statements and actions of OCA share: assignments, the limits before a select, pools, names."""

from __future__ import annotations

from typing import Final

from app.oca.cursor import ANEW, SEMICOLON, Cursor, Unexpected
from app.oca.expressions import read_condition, read_number
from app.oca.syntax import Assign
from app.oca.syntax import Source as Pool
from app.oca.terms import And, Between, Expr, children
from app.oca.tokens import NAME, NUMBER

_POOLS: Final[dict[str, Pool]] = {
    "inputFiles": "inputFiles",
    "calibFiles": "calibFiles",
    "rawFiles": "rawFiles",
}
LIMITS: Final = ("minRet", "maxRet")


def read_assigns(here: Cursor, opened: int | None) -> tuple[Assign, ...]:
    """`{ assign } "}"`, where `opened` is the token of the '{'."""
    found: list[Assign] = []
    while (kind := here.kinds[here.at]) != "}":
        if kind == ";":
            here.at += 1
        elif kind in ANEW or (here.texts[here.at] == "product" and here.kinds[here.at + 1] == NAME):
            here.unclosed(opened)
            return tuple(found)
        elif (assign := read_assign(here)) is not None:
            found.append(assign)
    here.at += 1
    return tuple(found)


def read_assign(here: Cursor) -> Assign | None:
    """`assign = KEYWORD "=" expr ";"`."""
    pos = here.pos(here.at)
    try:
        key = read_name(here, "a keyword to assign to")
        if here.kinds[here.at] == "==":
            here.error(here.at, "'==' compares; to assign write '='")
            here.at += 1
        else:
            here.expect("=", f"after '{key}'")
    except Unexpected as slip:
        here.give_up(slip)
        return None
    value = read_condition(here, SEMICOLON, "after the assignment")
    here.eat_semicolon()
    if value is None:
        return None
    warn_of_soft(here, value)
    return Assign(key, value, pos)


def read_pool(here: Cursor) -> Pool:
    """`"from" ( "inputFiles" | "calibFiles" | "rawFiles" ) "where"`."""
    here.expect("from", "after what is selected")
    pool = _POOLS.get(here.kinds[here.at]) or (here.mend(here.at) and _POOLS.get(here.kinds[here.at]))
    if not pool:
        found = here.described(here.at)
        raise Unexpected(
            here.at,
            f"expected 'inputFiles', 'calibFiles' or 'rawFiles', found {found}{here.guess(here.at)}",
        )
    here.at += 1
    here.expect("where", f"after '{pool}'")
    return pool


def read_setting(here: Cursor) -> None:
    """`setting = ( "minRet" | "maxRet" ) "=" [ "-" ] NUMBER [ ";" ]`; for the next select only."""
    at, word = here.at, here.texts[here.at]
    here.at += 1
    try:
        here.expect("=", f"after '{word}'")
        value = read_whole_number(here, word)
    except Unexpected as slip:
        here.give_up(slip)
        return
    if word in here.settings:
        here.warn(at, f"{word} is set again before one select; this one counts")
    if value < 0:
        here.warn(at, f"{word} is negative")
    here.settings[word] = value, at
    if here.kinds[here.at] == ";":
        here.at += 1
    else:
        here.warn(here.at - 1, f"no ';' after {word}")


def take_settings(here: Cursor) -> tuple[int | None, int | None]:
    """The limits for the select at the cursor; the next select has its own."""
    low, high = (here.settings.get(word) for word in LIMITS)
    here.settings = {}
    if low and high and high[0] < low[0]:
        here.warn(high[1], f"maxRet is less than minRet, which is {low[0]}")
    return low and low[0], high and high[0]


def drop_settings(here: Cursor) -> None:
    """Forget the limits that no select followed."""
    for word, (_, at) in here.settings.items():
        here.warn(at, f"no select follows this {word}; it has no effect")
    here.settings = {}


def read_whole_number(here: Cursor, what: str) -> int:
    """`[ "-" ] NUMBER`, without a fraction."""
    at = here.at
    here.at += here.kinds[at] == "-"
    if here.kinds[here.at] != NUMBER:
        raise Unexpected(here.at, f"{what} wants a number, found {here.described(here.at)}")
    value = read_number(here, here.at).value
    if value != int(value):
        raise Unexpected(here.at, f"{what} wants a whole number, found {here.described(here.at)}")
    here.at += 1
    return -int(value) if here.kinds[at] == "-" else int(value)


def read_name(here: Cursor, what: str) -> str:
    """A name of anything; reserved words are none."""
    if here.kinds[here.at] != NAME:
        raise Unexpected(here.at, f"expected {what}, found {here.described(here.at)}")
    here.at += 1
    return here.texts[here.at - 1]


def warn_of_soft(here: Cursor, expr: Expr) -> None:
    """Warn of each soft window in `expr`: only an association can prefer."""
    if not here.soft:
        return
    if isinstance(expr, Between) and expr.soft:
        text = "'tryBetween' counts only as an 'and' term of an association's condition; here it is true"
        here.source.report("warning", here.source.offset(expr.pos), 1, text)
    for child in children(expr):
        warn_of_soft(here, child)


def warn_of_hidden_soft(here: Cursor, condition: Expr) -> None:
    """Warn of the soft windows of an association that are not terms of its topmost `and`."""
    match condition:
        case And(terms):
            for term in terms:
                warn_of_hidden_soft(here, term)
        case Between(value, low, high):
            for operand in (value, low, high):
                warn_of_soft(here, operand)
        case _:
            warn_of_soft(here, condition)
