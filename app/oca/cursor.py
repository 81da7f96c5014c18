"""A cursor over the tokens of a rule file: what it expects, how it words an error, how it recovers."""

from __future__ import annotations

import difflib
from typing import Final

from app.oca.terms import Pos
from app.oca.tokens import END, NAME, NUMBER, RESERVED, TEXT, Source, tokenize

_OPERAND: Final = frozenset({NAME, TEXT, NUMBER, "(", "not", "undefined"})
_LOWER: Final = {word.lower(): word for word in RESERVED}

# The words that begin a statement or a member of an action, and what closes a block.
ANEW: Final = frozenset({"if", "select", "action", "recipe", "minRet", "maxRet", "}", END})

SEMICOLON: Final = frozenset({";"})


class Unexpected(Exception):  # noqa: N818 - it steers the recovery and never leaves the parser
    """What the grammar does not allow at the token `at`."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


class Cursor:
    """The tokens of a file and a place among them."""

    def __init__(self, source: Source) -> None:
        tokens = tokenize(source)
        self.source = source
        self.kinds = tokens.kinds
        self.texts = tokens.texts
        self.starts = tokens.starts
        self.at = 0
        # What the reading of one expression leaves behind
        self.foreign: frozenset[str] = frozenset()  # the scopes that mean nothing in this statement
        self.joined = False  # did the last chain of `and` join several terms?
        self.soft = False  # does this expression hold a `tryBetween`?
        self.depth = 0
        self.arithmetic = 0
        # What the reading of the statements leaves behind
        self.settings: dict[str, tuple[int, int]] = {}  # minRet, maxRet -> (value, its token)
        self.actions: dict[str, Pos] = {}  # name -> where it was first defined
        self.owed = 0  # how many '}' are known to be missing

    def pos(self, at: int) -> Pos:
        """Where token `at` begins."""
        return self.source.pos(self.starts[at])

    def error(self, at: int, message: str) -> None:
        """Report an error at a token."""
        self.source.report("error", self.starts[at], len(self.texts[at]), message)

    def warn(self, at: int, message: str) -> None:
        """Report a warning at a token."""
        self.source.report("warning", self.starts[at], len(self.texts[at]), message)

    def expect(self, kind: str, where: str) -> None:
        """Step over a token of this kind, or raise."""
        if self.kinds[self.at] != kind and not (self.mend(self.at) and self.kinds[self.at] == kind):
            found = f"{self.described(self.at)}{self.guess(self.at)}"
            raise Unexpected(self.at, f"expected '{kind}' {where}, found {found}")
        self.at += 1

    def described(self, at: int) -> str:
        """Name a token as an error message does."""
        kind, text = self.kinds[at], self.texts[at]
        if kind == END:
            return "the end of the file"
        if kind == TEXT:
            return text
        return f"the reserved word '{text}'" if kind in RESERVED else f"'{text}'"

    def guess(self, at: int) -> str:
        """Guess which reserved word a keyword was meant to be: ` (did you mean 'like'?)`, or nothing."""
        if self.kinds[at] != NAME:
            return ""
        near = difflib.get_close_matches(self.texts[at].lower(), _LOWER, n=1, cutoff=0.75)
        return f" (did you mean '{_LOWER[near[0]]}'?)" if near else ""

    def mend(self, at: int) -> bool:
        """Report and mend a slip that can mean only one thing: True if the tokens were changed."""
        kind, text = self.kinds[at], self.texts[at]
        before = self.texts[at - 1] if at and self.kinds[at - 1] == NAME else ""
        if kind == NAME and (word := _LOWER.get(text.lower())) is not None:
            self.error(at, f"reserved words are written exactly so: '{word}', not '{text}'")
            self.kinds[at] = self.texts[at] = word
            return True
        if kind in _OPERAND and before.endswith(("and", "or")):
            word = "and" if before.endswith("and") else "or"
            self.error(at - 1, f"a blank is missing before '{word}' in '{before}'")
            self.texts[at - 1] = before.removesuffix(word)
            self.kinds.insert(at, word)
            self.texts.insert(at, word)
            self.starts.insert(at, self.starts[at - 1] + len(self.texts[at - 1]))
            return True
        if kind == "=":
            self.error(at, "'=' assigns; to compare write '=='")
            self.kinds[at] = self.texts[at] = "=="
            return True
        return False

    def begins_anew(self) -> bool:
        """Whether the cursor stands where a statement, a member or an assignment begins or a block ends."""
        kind, text, after = self.kinds[self.at], self.texts[self.at], self.kinds[self.at + 1 : self.at + 2]
        if kind != NAME:
            return kind in ANEW
        if after == ["="]:
            lines = self.source.pos(self.starts[self.at - 1]).line, self.source.pos(self.starts[self.at]).line
            return text == "priority" or lines[0] < lines[1]
        return text == "product" and after == [NAME]

    def lacking(self, after: str) -> None:
        """Report the ';' that is missing behind the last token."""
        offset = self.starts[self.at - 1] + len(self.texts[self.at - 1])
        self.source.report("error", offset, 1, f"expected ';' {after}, found {self.described(self.at)}")

    def skip(self, follow: frozenset[str]) -> None:
        """Go to a token of `follow`, over whole blocks, or stop where something begins anew."""
        depth = 0
        while (kind := self.kinds[self.at]) != END:
            if depth == 0 and (kind in follow or self.begins_anew()):
                return
            depth += (kind == "{") - (kind == "}")
            self.at += 1

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
        if opened is not None:
            self.owed += 1
            line = self.pos(opened).line
            self.error(self.at, f"expected '}}' for the '{{' of line {line}, found {self.described(self.at)}")
