"""Rule files in OCA (Organisation, Classification, Association): text -> syntax.

One function per rule of the grammar, which stands in its docstring. The parser never raises on bad
text: it reports every fault with line, column and a caret, recovers and goes on. A file with errors
may be looked at but must not be used; `load` refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.errors import RuleError
from app.oca.actions import NO_GROUP, NO_INPUT, ActionReader
from app.oca.blocks import SEMICOLON
from app.oca.cursor import Unexpected
from app.oca.syntax import Action, ClassRule, OrgRule, RuleFile
from app.oca.tokens import END, NAME, Diagnostic, Source

__all__ = ["Diagnostic", "Parsed", "load", "parse", "parse_file"]

_THEN: Final = frozenset({"then"})
_BLOCK: Final = frozenset({"{", ";"})
_ORG_END: Final = frozenset({";", "group", "as"})


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text says, and what is wrong with it, in text order."""

    rules: RuleFile
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that forbid the use of the file."""
        return tuple(found for found in self.diagnostics if found.severity == "error")


def parse(text: str, file: str = "<text>") -> Parsed:
    """Read a rule file; never raises, whatever the text."""
    source = Source(text, file)
    rules = _FileReader(source).rulefile()
    return Parsed(rules, source.diagnostics())


def parse_file(path: Path) -> Parsed:
    """Read a rule file in UTF-8, or else in Latin-1; raises OSError if there is none."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return parse(text, path.name)


def load(path: Path) -> RuleFile:
    """Read a rule file that is to be used; raises RuleError with all its errors, OSError if there is none."""
    parsed = parse_file(path)
    if parsed.errors:
        raise RuleError("\n".join(error.render() for error in parsed.errors))
    return parsed.rules


class _FileReader(ActionReader):
    """Reads statements."""

    def rulefile(self) -> RuleFile:
        """`rulefile = { class_rule | org_rule | action | setting | ";" }`."""
        found: list[ClassRule | OrgRule | Action | None] = []
        while (kind := self.kinds[self.at]) != END:
            match kind:
                case ";":
                    self.at += 1
                case "if":
                    found.append(self.class_rule())
                case "select" if self.texts[self.at + 1] != "file":
                    found.append(self.org_rule())
                case "action":
                    found.append(self.action())
                case "minRet" | "maxRet":
                    self.setting()
                case _:
                    self.stray()
        self.drop_settings()
        return RuleFile(
            tuple(rule for rule in found if isinstance(rule, ClassRule)),
            tuple(rule for rule in found if isinstance(rule, OrgRule)),
            tuple(rule for rule in found if isinstance(rule, Action)),
        )

    def stray(self) -> None:
        """Report what is no statement, once, and step over all of it."""
        at, word, after = self.at, self.texts[self.at], self.kinds[self.at + 1 : self.at + 2]
        if self.kinds[at] == "}":
            if self.owed:  # the one that was missed, after what stood in its place
                self.owed -= 1
            else:
                self.error(at, "this '}' closes nothing")
            self.at += 1
        elif self.kinds[at] in ("select", "recipe") or (word, after) in (
            ("product", [NAME]),
            ("priority", ["="]),
        ):
            word = "select file" if word == "select" else word
            self.error(at, f"'{word}' stands outside an action; is there a '}}' too many above?")
            self.members(None)
        elif after == ["="]:
            self.error(at, "an assignment stands outside 'if … then { … }'; is a '{' missing above?")
            self.assigns(None)
        elif not self.mend(at):
            found = self.described(at)
            self.error(at, f"expected 'if', 'select', 'action', 'minRet' or 'maxRet', found {found}")
            self.at += 1
            self.skip(SEMICOLON)

    def class_rule(self) -> ClassRule | None:
        """`class_rule = "if" expr "then" ( "{" { assign } "}" | assign )`."""
        pos = self.pos(self.at)
        self.drop_settings()
        self.foreign = NO_INPUT | NO_GROUP
        self.at += 1
        condition = self.condition(_THEN, "after the condition", _BLOCK)
        if condition is not None:
            self.hard_only(condition)
        if self.kinds[self.at] == "then":
            self.at += 1
        elif self.kinds[self.at] != "{":
            return None
        if self.kinds[self.at] == "{":
            self.at += 1
            assigns = self.assigns(self.at - 1)
        else:
            assign = self.assign()
            assigns = () if assign is None else (assign,)
        return None if condition is None else ClassRule(condition, assigns, pos)

    def org_rule(self) -> OrgRule | None:
        """`"select" "execute" "(" NAME ")" "from" pool "where" expr [ group ] [ alias ] ";"`.

        `group = "group" "by" KEYWORD { "," KEYWORD }`; `alias = "as" "(" NAME "," NAME ")"`.
        """
        start = self.at
        minimum, maximum = self.take_settings()
        self.foreign = NO_INPUT
        self.at += 1
        try:
            self.expect("execute", "after 'select'")
            self.expect("(", "before the name of the action")
            action = self.name("the name of an action")
            self.expect(")", "after the name of the action")
            pool = self.pool()
            condition = self.condition(_ORG_END, "after the condition")
            group_by = self.group_by()
            alias = self.alias()
        except Unexpected as slip:
            self.give_up(slip)
            return None
        self.end("after the rule")
        if condition is None:
            return None
        self.hard_only(condition)
        return OrgRule(action, pool, condition, group_by, alias, minimum, maximum, self.pos(start))

    def group_by(self) -> tuple[str, ...]:
        """`[ "group" "by" KEYWORD { "," KEYWORD } ]`."""
        if self.kinds[self.at] != "group":
            return ()
        self.at += 1
        self.expect("by", "after 'group'")
        keys = [self.name("a keyword to group by")]
        while self.kinds[self.at] == ",":
            self.at += 1
            keys.append(self.name("a keyword to group by"))
        return tuple(keys)

    def alias(self) -> tuple[str, str] | None:
        """`[ "as" "(" NAME "," NAME ")" ]`."""
        if self.kinds[self.at] != "as":
            return None
        self.at += 1
        self.expect("(", "after 'as'")
        name = self.name("the name of the grouping")
        self.expect(",", "between name and tag of the grouping")
        tag = self.name("the tag of the grouping")
        self.expect(")", "after the tag of the grouping")
        return name, tag
