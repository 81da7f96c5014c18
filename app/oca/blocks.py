"""What the statements and actions of OCA share: assignments, the limits before a select, pools, names."""

from __future__ import annotations

from typing import Final

from app.oca.cursor import ANEW, Unexpected
from app.oca.expressions import ExpressionReader
from app.oca.syntax import And, Assign, Between, Expr, children
from app.oca.syntax import Source as Pool
from app.oca.tokens import NAME, NUMBER, Source

_POOLS: Final[dict[str, Pool]] = {
    "inputFiles": "inputFiles",
    "calibFiles": "calibFiles",
    "rawFiles": "rawFiles",
}
SEMICOLON: Final = frozenset({";"})
LIMITS: Final = ("minRet", "maxRet")


class BlockReader(ExpressionReader):
    """Reads assignments and settings; `settings` are the limits that wait for the next select."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.settings: dict[str, tuple[int, int]] = {}  # word -> (value, its token)
        self.owed = 0  # how many '}' are known to be missing

    def assigns(self, opened: int | None) -> tuple[Assign, ...]:
        """`{ assign } "}"`, where `opened` is the token of the '{'."""
        found: list[Assign] = []
        while (kind := self.kinds[self.at]) != "}":
            if kind == ";":
                self.at += 1
            elif kind in ANEW or (self.texts[self.at] == "product" and self.kinds[self.at + 1] == NAME):
                self.unclosed(opened)
                return tuple(found)
            elif (assign := self.assign()) is not None:
                found.append(assign)
        self.at += 1
        return tuple(found)

    def assign(self) -> Assign | None:
        """`assign = KEYWORD "=" expr ";"`."""
        pos = self.pos(self.at)
        try:
            key = self.name("a keyword to assign to")
            if self.kinds[self.at] == "==":
                self.error(self.at, "'==' compares; to assign write '='")
                self.at += 1
            else:
                self.expect("=", f"after '{key}'")
        except Unexpected as slip:
            self.give_up(slip)
            return None
        value = self.condition(SEMICOLON, "after the assignment")
        self.eat_semicolon()
        if value is None:
            return None
        self.hard_only(value)
        return Assign(key, value, pos)

    def pool(self) -> Pool:
        """`"from" ( "inputFiles" | "calibFiles" | "rawFiles" ) "where"`."""
        self.expect("from", "after what is selected")
        pool = _POOLS.get(self.kinds[self.at]) or (self.mend(self.at) and _POOLS.get(self.kinds[self.at]))
        if not pool:
            found = self.described(self.at)
            raise Unexpected(
                self.at,
                f"expected 'inputFiles', 'calibFiles' or 'rawFiles', found {found}{self.guess(self.at)}",
            )
        self.at += 1
        self.expect("where", f"after '{pool}'")
        return pool

    def setting(self) -> None:
        """`setting = ( "minRet" | "maxRet" ) "=" [ "-" ] NUMBER [ ";" ]`; for the next select only."""
        at, word = self.at, self.texts[self.at]
        self.at += 1
        try:
            self.expect("=", f"after '{word}'")
            value = self.whole_number(word)
        except Unexpected as slip:
            self.give_up(slip)
            return
        if word in self.settings:
            self.warn(at, f"{word} is set again before one select; this one counts")
        if value < 0:
            self.warn(at, f"{word} is negative")
        self.settings[word] = value, at
        if self.kinds[self.at] == ";":
            self.at += 1
        else:
            self.warn(self.at - 1, f"no ';' after {word}")

    def take_settings(self) -> tuple[int | None, int | None]:
        """The limits for the select at the cursor; the next select has its own."""
        low, high = (self.settings.get(word) for word in LIMITS)
        self.settings = {}
        if low and high and high[0] < low[0]:
            self.warn(high[1], f"maxRet is less than minRet, which is {low[0]}")
        return low and low[0], high and high[0]

    def drop_settings(self) -> None:
        """Forget the limits that no select followed."""
        for word, (_, at) in self.settings.items():
            self.warn(at, f"no select follows this {word}; it has no effect")
        self.settings = {}

    def whole_number(self, what: str) -> int:
        """`[ "-" ] NUMBER`, without a fraction."""
        at = self.at
        self.at += self.kinds[at] == "-"
        if self.kinds[self.at] != NUMBER:
            raise Unexpected(self.at, f"{what} wants a number, found {self.described(self.at)}")
        value = self.number(self.at).value
        if value != int(value):
            raise Unexpected(self.at, f"{what} wants a whole number, found {self.described(self.at)}")
        self.at += 1
        return -int(value) if self.kinds[at] == "-" else int(value)

    def name(self, what: str) -> str:
        """A name of anything; reserved words are none."""
        if self.kinds[self.at] != NAME:
            raise Unexpected(self.at, f"expected {what}, found {self.described(self.at)}")
        self.at += 1
        return self.texts[self.at - 1]

    def end(self, after: str) -> None:
        """Step over the ';' that ends something; if it is missing say so and go to where it should be."""
        if self.kinds[self.at] != ";":
            if self.begins_anew():
                return self.lacking(after)
            self.error(self.at, f"expected ';' {after}, found {self.described(self.at)}")
            self.skip(SEMICOLON)
        return self.eat_semicolon()

    def eat_semicolon(self) -> None:
        """Step over a ';' if there is one; whoever skipped to it has already complained."""
        self.at += self.kinds[self.at] == ";"

    def give_up(self, slip: Unexpected) -> None:
        """Report an error and go on behind the next ';'."""
        self.error(slip.at, slip.message)
        self.skip(SEMICOLON)
        self.eat_semicolon()

    def unclosed(self, opened: int | None) -> None:
        """Report a block that something else interrupts."""
        self.owed += 1
        if opened is not None:
            line = self.pos(opened).line
            self.error(self.at, f"expected '}}' for the '{{' of line {line}, found {self.described(self.at)}")

    def hard_only(self, expr: Expr) -> None:
        """Warn of each soft window in `expr`: only an association can prefer."""
        if not self.soft:
            return
        if isinstance(expr, Between) and expr.soft:
            text = "'tryBetween' counts only as an 'and' term of an association's condition; here it is true"
            self.source.report("warning", self.source.offset(expr.pos), 1, text)
        for child in children(expr):
            self.hard_only(child)

    def soft_at_top(self, condition: Expr) -> None:
        """Warn of the soft windows of an association that are not terms of its topmost `and`."""
        match condition:
            case And(terms):
                for term in terms:
                    self.soft_at_top(term)
            case Between(value, low, high):
                for operand in (value, low, high):
                    self.hard_only(operand)
            case _:
                self.hard_only(condition)
