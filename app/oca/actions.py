"""The actions of OCA: what a group needs, what is run on it, what comes out."""

from __future__ import annotations

from typing import Final, TypeAlias

from app.oca.blocks import LIMITS, SEMICOLON, BlockReader
from app.oca.cursor import Unexpected
from app.oca.syntax import Action, Association, ProductBlock, Recipe
from app.oca.tokens import END, NAME, TEXT, Source

Member: TypeAlias = Association | Recipe | ProductBlock | int  # the int is a priority

# Where a scope of keywords has no file to read from (`inputFile` is the first file of a group that
# looks for its calibrations, `LF` the last file of a group that is being formed).
NO_INPUT: Final = frozenset({"inputFile"})
NO_GROUP: Final = frozenset({"LF", "SIG"})


class ActionReader(BlockReader):
    """Reads actions."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.actions: dict[str, int] = {}  # name -> line

    def action(self) -> Action | None:
        """`action = "action" NAME "{" { member } "}"`."""
        start = self.at
        pos = self.pos(start)
        self.drop_settings()
        self.at += 1
        try:
            name = self.name("the name of the action")
            self.expect("{", f"after 'action {name}'")
        except Unexpected as slip:
            self.error(slip.at, slip.message)
            self.skip(frozenset({"{", ";"}))
            self.at += self.kinds[self.at] in ("{", ";")
            self.members(None)
            return None
        members = self.members(self.at - 1)
        if (line := self.actions.setdefault(name, pos.line)) != pos.line:
            self.warn(start + 1, f"action {name} is defined twice, first in line {line}")
        priorities = [member for member in members if isinstance(member, int)]
        return Action(
            name,
            tuple(member for member in members if isinstance(member, Association)),
            tuple(member for member in members if isinstance(member, Recipe)),
            tuple(member for member in members if isinstance(member, ProductBlock)),
            priorities[-1] if priorities else None,
            pos,
        )

    def members(self, opened: int | None) -> list[Member]:
        """`{ setting | assoc | recipe | product | priority | ";" } "}"`."""
        found: list[Member | None] = []
        while (kind := self.kinds[self.at]) != "}":
            self.foreign = NO_GROUP
            after = self.kinds[self.at + 1] if kind != END else END
            if kind == ";":
                self.at += 1
            elif kind in LIMITS:
                self.setting()
            elif kind == "recipe":
                found.append(self.recipe())
            elif kind == "select" and after != "execute":
                found.append(self.association())
            elif kind == NAME and self.texts[self.at] == "product":
                found.append(self.product())
            elif kind == NAME and self.texts[self.at] == "priority":
                found.append(self.priority())
            elif kind in ("if", "action", "select", END):
                self.unclosed(opened)
                self.drop_settings()
                return [member for member in found if member is not None]
            elif not self.mend(self.at):
                wanted = "'select file', 'recipe', 'product', 'minRet', 'maxRet', 'priority' or '}'"
                self.error(self.at, f"expected {wanted}, found {self.described(self.at)}")
                self.at += 1
                self.skip(SEMICOLON)
        self.at += 1
        self.drop_settings()
        return [member for member in found if member is not None]

    def association(self) -> Association | None:
        """`assoc = "select" "file" "as" NAME "from" pool "where" expr ";"`."""
        start = self.at
        minimum, maximum = self.take_settings()
        self.at += 1
        try:
            if self.texts[self.at] != "file":
                found = self.described(self.at)
                raise Unexpected(self.at, f"expected 'file' after 'select', found {found}")
            self.at += 1
            self.expect("as", "after 'select file'")
            label = self.name("a label")
            pool = self.pool()
        except Unexpected as slip:
            self.give_up(slip)
            return None
        condition = self.condition(SEMICOLON, "after the condition")
        self.eat_semicolon()
        if condition is None:
            return None
        self.soft_at_top(condition)
        found_here = Association(label, pool, condition, minimum, maximum, self.pos(start))
        missing = [word for word, value in zip(LIMITS, (minimum, maximum), strict=True) if value is None]
        if missing:
            low, high = found_here.limits
            taken = f"minRet = {low}; maxRet = {high};"
            self.warn(start, f"no {' and '.join(missing)} before this select, so {taken} is taken")
        return found_here

    def recipe(self) -> Recipe | None:
        """`recipe = "recipe" NAME ( ";" | "{" { TEXT ";" } "}" )`."""
        pos = self.pos(self.at)
        self.at += 1
        options: list[tuple[str, int]] = []
        opened = False
        try:
            name = self.name("the name of a recipe")
            if self.kinds[self.at] != "{":
                self.end("after the name of the recipe")
                return Recipe(name, (), pos)
            self.at += 1
            opened = True
            while self.kinds[self.at] != "}":
                if self.kinds[self.at] != TEXT:
                    found = self.described(self.at)
                    raise Unexpected(self.at, f"expected an option between quotes or '}}', found {found}")
                options.append((self.texts[self.at][1:-1], self.at))
                self.at += 1
                self.end("after the option")
            self.at += 1
        except Unexpected as slip:
            self.error(slip.at, slip.message)
            self.skip(frozenset({"}"}))
            self.at += opened and self.kinds[self.at] == "}"
            return None
        self.repeated_options(options)
        return Recipe(name, tuple(option for option, _ in options), pos)

    def product(self) -> ProductBlock | None:
        """`product = "product" NAME "{" { assign } "}"`."""
        pos = self.pos(self.at)
        self.at += 1
        try:
            name = self.name("the name of a product")
            self.expect("{", f"after 'product {name}'")
        except Unexpected as slip:
            self.give_up(slip)
            return None
        return ProductBlock(name, self.assigns(self.at - 1), pos)

    def priority(self) -> int | None:
        """`priority = "priority" "=" [ "-" ] NUMBER ";"`."""
        self.at += 1
        try:
            self.expect("=", "after 'priority'")
            value = self.whole_number("priority")
        except Unexpected as slip:
            self.give_up(slip)
            return None
        self.end("after the priority")
        return value

    def repeated_options(self, options: list[tuple[str, int]]) -> None:
        """Warn of each option that a recipe gets twice, as `esorex` takes the last."""
        seen: set[str] = set()
        for text, at in options:
            for option in text.split():
                name = option.partition("=")[0]
                if name in seen:
                    self.warn(at, f"option {name} is given twice; the last one counts")
                seen.add(name)
