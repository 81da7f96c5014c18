"""The actions of OCA: what a group needs, what is run on it, what comes out."""

from __future__ import annotations

from typing import Final, TypeAlias

from app.oca.blocks import (
    LIMITS,
    drop_settings,
    read_assigns,
    read_name,
    read_pool,
    read_setting,
    read_whole_number,
    take_settings,
    warn_of_hidden_soft,
)
from app.oca.cursor import SEMICOLON, Cursor, Unexpected
from app.oca.expressions import read_condition
from app.oca.syntax import Action, Association, ProductBlock, Recipe
from app.oca.tokens import END, NAME, TEXT

Member: TypeAlias = Association | Recipe | ProductBlock | int  # the int is a priority

# Where a scope of keywords has no file to read from (`inputFile` is the first file of a group that
# looks for its calibrations, `LF` the last file of a group that is being formed).
NO_INPUT: Final = frozenset({"inputFile"})
NO_GROUP: Final = frozenset({"LF", "SIG"})


def read_action(here: Cursor) -> Action | None:
    """`action = "action" NAME "{" { member } "}"`."""
    pos = here.pos(here.at)
    drop_settings(here)
    here.at += 1
    try:
        name = read_name(here, "the name of the action")
        here.expect("{", f"after 'action {name}'")
    except Unexpected as slip:
        here.error(slip.at, slip.message)
        here.skip(frozenset({"{", ";"}))
        here.at += here.kinds[here.at] in ("{", ";")
        read_members(here, None)
        return None
    members = read_members(here, here.at - 1)
    if (first := here.actions.setdefault(name, pos)) != pos:
        here.source.report(
            "warning",
            here.source.offset(pos),
            6,
            f"action {name} is defined twice, first in line {first.line}",
        )
    priorities = [member for member in members if isinstance(member, int)]
    return Action(
        name,
        tuple(member for member in members if isinstance(member, Association)),
        tuple(member for member in members if isinstance(member, Recipe)),
        tuple(member for member in members if isinstance(member, ProductBlock)),
        priorities[-1] if priorities else None,
        pos,
    )


def read_members(here: Cursor, opened: int | None) -> list[Member]:
    """`{ setting | assoc | recipe | product | priority | ";" } "}"`."""
    found: list[Member | None] = []
    while (kind := here.kinds[here.at]) != "}":
        here.foreign = NO_GROUP
        after = here.kinds[here.at + 1] if kind != END else END
        if kind == ";":
            here.at += 1
        elif kind in LIMITS:
            read_setting(here)
        elif kind == "recipe":
            found.append(read_recipe(here))
        elif kind == "select" and after != "execute":
            found.append(read_association(here))
        elif kind == NAME and here.texts[here.at] == "product":
            found.append(read_product(here))
        elif kind == NAME and here.texts[here.at] == "priority":
            found.append(read_priority(here))
        elif kind == TEXT:
            here.error(here.at, "an option stands outside 'recipe … { … }'; is a '}' too many above?")
            while here.kinds[here.at] in (TEXT, ";"):
                here.at += 1
            here.at += here.kinds[here.at] == "}"
        elif kind in ("if", "action", "select", END):
            here.unclosed(opened)
            drop_settings(here)
            return [member for member in found if member is not None]
        elif not here.mend(here.at):
            wanted = "'select file', 'recipe', 'product', 'minRet', 'maxRet', 'priority' or '}'"
            found_now = f"{here.described(here.at)}{here.guess(here.at)}"
            here.error(here.at, f"expected {wanted}, found {found_now}")
            here.at += 1
            here.skip(SEMICOLON)
    here.at += 1
    drop_settings(here)
    return [member for member in found if member is not None]


def read_association(here: Cursor) -> Association | None:
    """`assoc = "select" "file" "as" NAME "from" pool "where" expr ";"`."""
    start = here.at
    minimum, maximum = take_settings(here)
    here.at += 1
    try:
        if here.texts[here.at] != "file":
            found = here.described(here.at)
            raise Unexpected(here.at, f"expected 'file' after 'select', found {found}")
        here.at += 1
        here.expect("as", "after 'select file'")
        label = read_name(here, "a label")
        pool = read_pool(here)
    except Unexpected as slip:
        here.give_up(slip)
        return None
    condition = read_condition(here, SEMICOLON, "after the condition")
    here.eat_semicolon()
    if condition is None:
        return None
    warn_of_hidden_soft(here, condition)
    found_here = Association(label, pool, condition, minimum, maximum, here.pos(start))
    missing = [word for word, value in zip(LIMITS, (minimum, maximum), strict=True) if value is None]
    if missing:
        low, high = found_here.limits
        taken = f"minRet = {low}; maxRet = {high};"
        here.warn(start, f"no {' and '.join(missing)} before this select, so {taken} is taken")
    return found_here


def read_recipe(here: Cursor) -> Recipe | None:
    """`recipe = "recipe" NAME ( ";" | "{" { TEXT ";" } "}" )`."""
    pos = here.pos(here.at)
    here.at += 1
    options: list[tuple[str, int]] = []
    opened = False
    try:
        name = read_name(here, "the name of a recipe")
        if here.kinds[here.at] == TEXT:
            here.error(here.at, f"expected '{{' before the options, found {here.described(here.at)}")
        elif here.kinds[here.at] != "{":
            here.end("after the name of the recipe")
            return Recipe(name, (), pos)
        else:
            here.at += 1
        opened = True
        while here.kinds[here.at] != "}":
            if here.kinds[here.at] != TEXT:
                found = here.described(here.at)
                raise Unexpected(here.at, f"expected an option between quotes or '}}', found {found}")
            options.append((here.texts[here.at][1:-1], here.at))
            here.at += 1
            here.end("after the option")
        here.at += 1
    except Unexpected as slip:
        here.error(slip.at, slip.message)
        here.skip(frozenset({"}"}))
        here.at += opened and here.kinds[here.at] == "}"
        return None
    warn_of_repeated(here, options)
    return Recipe(name, tuple(option for option, _ in options), pos)


def read_product(here: Cursor) -> ProductBlock | None:
    """`product = "product" NAME "{" { assign } "}"`."""
    pos = here.pos(here.at)
    here.at += 1
    try:
        name = read_name(here, "the name of a product")
        here.expect("{", f"after 'product {name}'")
    except Unexpected as slip:
        here.give_up(slip)
        return None
    return ProductBlock(name, read_assigns(here, here.at - 1), pos)


def read_priority(here: Cursor) -> int | None:
    """`priority = "priority" "=" [ "-" ] NUMBER ";"`."""
    here.at += 1
    try:
        here.expect("=", "after 'priority'")
        value = read_whole_number(here, "priority")
    except Unexpected as slip:
        here.give_up(slip)
        return None
    here.end("after the priority")
    return value


def warn_of_repeated(here: Cursor, options: list[tuple[str, int]]) -> None:
    """Warn of each option that a recipe gets twice, as `esorex` takes the last."""
    seen: set[str] = set()
    for text, at in options:
        for option in text.split():
            name = option.partition("=")[0]
            if name in seen:
                here.warn(at, f"option {name} is given twice; the last one counts")
            seen.add(name)
