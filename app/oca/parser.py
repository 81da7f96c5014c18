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
from app.oca.actions import NO_GROUP, NO_INPUT, read_action, read_members
from app.oca.blocks import (
    drop_settings,
    read_assign,
    read_assigns,
    read_name,
    read_pool,
    read_setting,
    take_settings,
    warn_of_soft,
)
from app.oca.cursor import SEMICOLON, Cursor, Unexpected
from app.oca.expressions import read_condition
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
    rules = read_rulefile(Cursor(source))
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


def read_rulefile(here: Cursor) -> RuleFile:
    """`rulefile = { class_rule | org_rule | action | setting | ";" }`."""
    found: list[ClassRule | OrgRule | Action | None] = []
    while (kind := here.kinds[here.at]) != END:
        match kind:
            case ";":
                here.at += 1
            case "if":
                found.append(read_class_rule(here))
            case "select" if here.texts[here.at + 1] != "file":
                found.append(read_org_rule(here))
            case "action":
                found.append(read_action(here))
            case "minRet" | "maxRet":
                read_setting(here)
            case _:
                step_over_stray(here)
    drop_settings(here)
    return RuleFile(
        tuple(rule for rule in found if isinstance(rule, ClassRule)),
        tuple(rule for rule in found if isinstance(rule, OrgRule)),
        tuple(rule for rule in found if isinstance(rule, Action)),
    )


def step_over_stray(here: Cursor) -> None:
    """Report what is no statement, once, and step over all of it."""
    at, word, after = here.at, here.texts[here.at], here.kinds[here.at + 1 : here.at + 2]
    if here.kinds[at] == "}":
        if here.owed:  # the one that was missed, after what stood in its place
            here.owed -= 1
        else:
            here.error(at, "this '}' closes nothing")
        here.at += 1
    elif here.kinds[at] in ("select", "recipe") or (word, after) in (
        ("product", [NAME]),
        ("priority", ["="]),
    ):
        word = "select file" if word == "select" else word
        here.error(at, f"'{word}' stands outside an action; is there a '}}' too many above?")
        read_members(here, None)
    elif after == ["="]:
        here.error(at, "an assignment stands outside 'if … then { … }'; is a '{' missing above?")
        read_assigns(here, None)
    elif not here.mend(at):
        found = f"{here.described(at)}{here.guess(at)}"
        here.error(at, f"expected 'if', 'select', 'action', 'minRet' or 'maxRet', found {found}")
        here.at += 1
        here.skip(SEMICOLON)


def read_class_rule(here: Cursor) -> ClassRule | None:
    """`class_rule = "if" expr "then" ( "{" { assign } "}" | assign )`."""
    pos = here.pos(here.at)
    drop_settings(here)
    here.foreign = NO_INPUT | NO_GROUP
    here.at += 1
    condition = read_condition(here, _THEN, "after the condition", _BLOCK)
    if condition is not None:
        warn_of_soft(here, condition)
    if here.kinds[here.at] == "then":
        here.at += 1
    elif here.kinds[here.at] != "{":
        return None
    if here.kinds[here.at] == "{":
        here.at += 1
        assigns = read_assigns(here, here.at - 1)
    else:
        assign = read_assign(here)
        assigns = () if assign is None else (assign,)
    return None if condition is None else ClassRule(condition, assigns, pos)


def read_org_rule(here: Cursor) -> OrgRule | None:
    """`"select" "execute" "(" NAME ")" "from" pool "where" expr [ group ] [ alias ] ";"`.

    `group = "group" "by" KEYWORD { "," KEYWORD }`; `alias = "as" "(" NAME "," NAME ")"`.
    """
    start = here.at
    minimum, maximum = take_settings(here)
    here.foreign = NO_INPUT
    here.at += 1
    try:
        here.expect("execute", "after 'select'")
        here.expect("(", "before the name of the action")
        action = read_name(here, "the name of an action")
        here.expect(")", "after the name of the action")
        pool = read_pool(here)
        condition = read_condition(here, _ORG_END, "after the condition")
        group_by = read_group_by(here)
        alias = read_alias(here)
    except Unexpected as slip:
        here.give_up(slip)
        return None
    here.end("after the rule")
    if condition is None:
        return None
    warn_of_soft(here, condition)
    return OrgRule(action, pool, condition, group_by, alias, minimum, maximum, here.pos(start))


def read_group_by(here: Cursor) -> tuple[str, ...]:
    """`[ "group" "by" KEYWORD { "," KEYWORD } ]`."""
    if here.kinds[here.at] != "group":
        return ()
    here.at += 1
    here.expect("by", "after 'group'")
    keys = [read_name(here, "a keyword to group by")]
    while here.kinds[here.at] == ",":
        here.at += 1
        keys.append(read_name(here, "a keyword to group by"))
    return tuple(keys)


def read_alias(here: Cursor) -> tuple[str, str] | None:
    """`[ "as" "(" NAME "," NAME ")" ]`."""
    if here.kinds[here.at] != "as":
        return None
    here.at += 1
    here.expect("(", "after 'as'")
    name = read_name(here, "the name of the grouping")
    here.expect(",", "between name and tag of the grouping")
    tag = read_name(here, "the tag of the grouping")
    here.expect(")", "after the tag of the grouping")
    return name, tag
