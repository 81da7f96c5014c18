"""Text of a rule file -> tokens; and the diagnostics that point into it.

Spaces, `// …`, `/* … */` and lines that begin with `#` (what a C preprocessor leaves behind)
only separate tokens. A text has no escapes and ends on its line. A '-' belongs to a keyword only
if a letter follows at once, so `MJD-OBS` is one keyword and `MJD-OBS -3` a difference.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from app.oca.terms import Pos

Severity: TypeAlias = Literal["error", "warning"]

# What a token is: one of these four, or its own text (reserved words and operators).
NAME: Final = "keyword"
TEXT: Final = "text"
NUMBER: Final = "number"
END: Final = "end"

# `string`, `file`, `product` and `priority` are words only where the grammar asks for them:
# a header may have a keyword of that name.
RESERVED: Final = {
    word: word
    for word in (
        "if then select execute from where group by as action recipe minRet maxRet and or not is like "
        "regexp between tryBetween undefined inputFiles calibFiles rawFiles"
    ).split()
}

# The first group is greedy, not possessive like the rest: Python before 3.11.5 loses its way in a possessive
# group that holds a lazy `.*?` (gh-106052). What follows it always matches, so nothing is tried twice.
_TOKEN: Final = re.compile(
    r"""
    (?: [ \t\r\f]++
      | \n (?: [ \t\r\f]*+ \#[^\n]*+ )?+
      | \A \#[^\n]*+
      | //[^\n]*+
      | /\*(?s:.*?)\*/
    )*
    (?: ( [A-Za-z_]\w*+ (?: \.\w++ | -[A-Za-z]\w*+ )*+ )                     # 1 a name
      | ( "[^"\n]*+" )                                                        # 2 a text
      | ( ==|!=|\?=|<=|>=|/(?!\*)|<(?!>)|[-+*%>=(){};,] )                           # 3 an operator
      | ( \d++ (?:\.\d*+)?+ (?:[eE][+-]?\d++)?+ | \.\d++ (?:[eE][+-]?\d++)?+ )  # 4 a number
      | ( /\*(?s:.*) | '[^'\n]*' | && | \|\| | <>                             # 5 a slip
        | "[^\n]*? (?= [ ]*+ (?:then\b)?+ [ ;{})]*+ [ \t\r]*+ (?:\n|\Z) )     #   (unclosed text: up to the
        | (?s:.) )                                                            #   end of a head or statement)
      | \Z )
    """,
    re.VERBOSE | re.ASCII,
)
_MEANT: Final = {"&&": "and", "||": "or", "!": "not"}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One fault of a rule file; line and column count from 1, `length` is in characters."""

    severity: Severity
    file: str
    line: int
    column: int
    message: str
    source: str
    length: int = 1

    def render(self) -> str:
        """Render as a compiler does: place and message, the source line, and a caret below the fault."""
        before = re.sub(r"[^\t]", " ", self.source[: self.column - 1])
        caret = "^" + "~" * (self.length - 1)
        head = f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}"
        return f"{head}\n    {self.source}\n    {before}{caret}"

    __str__ = render


class Source:
    """The text of one file, its lines, and what is wrong with it so far."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._found: dict[tuple[int, int, str], Diagnostic] = {}
        self._torn: set[int] = set()

    def pos(self, offset: int) -> Pos:
        """Line and column of a character."""
        line = bisect_right(self._lines, offset)
        return Pos(line, offset - self._lines[line - 1] + 1)

    def offset(self, pos: Pos) -> int:
        """The character at a line and column; the inverse of `pos`."""
        return self._lines[pos.line - 1] + pos.column - 1

    def report(self, severity: Severity, offset: int, length: int, message: str) -> None:
        """Keep a diagnostic, once; what follows on a line with an unclosed text is only its echo."""
        line, column = self.pos(offset)
        if line in self._torn:
            return
        end = self._lines[line] - 1 if line < len(self._lines) else len(self.text)
        source = self.text[self._lines[line - 1] : end].rstrip("\r")
        length = max(1, min(length, len(source) - column + 1))
        diagnostic = Diagnostic(severity, self.file, line, column, message, source, length)
        # a second error at one place is the echo of the first
        self._found.setdefault((line, column, "" if severity == "error" else message), diagnostic)

    def tear(self, offset: int, length: int) -> None:
        """Report a text that its line does not close."""
        self.report("error", offset, length, "this text is not closed: a '\"' is missing on this line")
        self._torn.add(self.pos(offset).line)

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Everything found, in text order."""
        return tuple(self._found[key] for key in sorted(self._found))


@dataclass(frozen=True, slots=True)
class Tokens:
    """Three columns: what each token is, its text, and the offset where it begins; the last is END."""

    kinds: list[str]
    texts: list[str]
    starts: list[int]


def tokenize(source: Source) -> Tokens:
    """Split a text; what is no token is reported and, where the meaning is plain, mended."""
    kinds: list[str] = []
    texts: list[str] = []
    starts: list[int] = []
    reserved = RESERVED.get
    for match in _TOKEN.finditer(source.text):
        group = match.lastindex
        if group is None:
            break
        text = match[group]
        if group == 1:
            kind = reserved(text, NAME)
        elif group == 2:
            kind = TEXT
        elif group == 3:
            kind = text
        elif group == 4:
            kind = NUMBER
        else:
            mended = _slip(source, match.start(group), text)
            if mended is None:
                continue
            kind, text = mended
        kinds.append(kind)
        texts.append(text)
        starts.append(match.start(group))
    kinds.append(END)
    texts.append("")
    starts.append(len(source.text.rstrip()))
    return Tokens(kinds, texts, starts)


def _slip(source: Source, offset: int, text: str) -> tuple[str, str] | None:
    """Report what is no token; the token that was meant, or None to leave it out."""
    match text[:2]:
        case "/*":
            source.report("error", offset, 2, "this comment is not closed: '*/' is missing")
            return None
        case "&&" | "||" | "!" as sign:
            word = _MEANT[sign]
            source.report("error", offset, len(text), f"'{text}' is not OCA: write '{word}'")
            return word, word
        case "<>":
            source.report("error", offset, 2, "'<>' is not OCA: write '!='")
            return "!=", "!="
        case _:
            pass
    if text.startswith('"'):
        source.tear(offset, len(text))
        return TEXT, text + '"'
    if text.startswith("'") and len(text) > 1:
        source.report("error", offset, len(text), "a text stands between double quotes")
        return TEXT, f'"{text[1:-1]}"'
    source.report("error", offset, 1, f"unexpected character {text!r}")
    return None
