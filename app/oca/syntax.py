"""The rules of OCA as frozen values, made of expressions, that print themselves and know their line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from app.oca.terms import NOWHERE, Expr, Pos

Source: TypeAlias = Literal["inputFiles", "calibFiles", "rawFiles"]


@dataclass(frozen=True, slots=True)
class Assign:
    """`KEYWORD = value;`."""

    key: str
    value: Expr
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.key} = {self.value};"


@dataclass(frozen=True, slots=True)
class ClassRule:
    """`if condition then { assignments }`."""

    condition: Expr
    assigns: tuple[Assign, ...]
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"if {self.condition} then\n{_block(self.assigns)}"


@dataclass(frozen=True, slots=True)
class OrgRule:
    """`select execute(ACTION) from SOURCE where … group by … as (NAME, tag);` and its group size limits."""

    action: str
    source: Source
    condition: Expr
    group_by: tuple[str, ...] = ()
    alias: tuple[str, str] | None = None
    minimum: int | None = None
    maximum: int | None = None
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        text = f"{_limits(self.minimum, self.maximum)}select execute({self.action}) from {self.source}"
        text += f" where {self.condition}"
        if self.group_by:
            text += f" group by {', '.join(self.group_by)}"
        if self.alias:
            text += f" as ({self.alias[0]}, {self.alias[1]})"
        return text + ";"


@dataclass(frozen=True, slots=True)
class Association:
    """`select file as LABEL from SOURCE where …;` and how many files it wants."""

    label: str
    source: Source
    condition: Expr
    minimum: int | None = None
    maximum: int | None = None
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest number of files: 1 and 1 where unsaid, as python-cpl has it."""
        low = 1 if self.minimum is None else self.minimum
        high = max(1, low) if self.maximum is None else self.maximum
        return low, high

    def __str__(self) -> str:
        limits = _limits(self.minimum, self.maximum)
        return f"{limits}select file as {self.label} from {self.source} where {self.condition};"


@dataclass(frozen=True, slots=True)
class Recipe:
    """`recipe NAME { "--option=value"; }`; the name `none` means no recipe."""

    name: str
    options: tuple[str, ...] = ()
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        if not self.options:
            return f"recipe {self.name};"
        options = " ".join(f'"{option}";' for option in self.options)
        return f"recipe {self.name} {{ {options} }}"


@dataclass(frozen=True, slots=True)
class ProductBlock:
    """`product NAME { PRO.CATG = "…"; }`: a virtual product; the name is only a label."""

    name: str
    assigns: tuple[Assign, ...]
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"product {self.name}\n{_block(self.assigns)}"


@dataclass(frozen=True, slots=True)
class Action:
    """`action NAME { … }`: what a group needs, what is run on it, what comes out."""

    name: str
    associations: tuple[Association, ...] = ()
    recipes: tuple[Recipe, ...] = ()
    products: tuple[ProductBlock, ...] = ()
    priority: int | None = None
    pos: Pos = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        members: list[str] = [] if self.priority is None else [f"priority = {self.priority};"]
        members += [str(member) for member in (*self.associations, *self.recipes, *self.products)]
        body = "".join(f"{member}\n" for member in members)
        return f"action {self.name}\n{{\n{body}}}"


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A whole rule file; only the order within each of the three lists has a meaning."""

    class_rules: tuple[ClassRule, ...] = ()
    org_rules: tuple[OrgRule, ...] = ()
    actions: tuple[Action, ...] = ()

    @property
    def conditions(self) -> tuple[Expr, ...]:
        """Those of classification, organisation and associations."""
        return (
            *(rule.condition for rule in self.class_rules),
            *(rule.condition for rule in self.org_rules),
            *(rule.condition for action in self.actions for rule in action.associations),
        )

    @property
    def assigns(self) -> tuple[Assign, ...]:
        """Those of classification and of products."""
        products = [product for action in self.actions for product in action.products]
        return (
            *(assign for rule in self.class_rules for assign in rule.assigns),
            *(assign for product in products for assign in product.assigns),
        )

    def __str__(self) -> str:
        statements = (*self.class_rules, *self.org_rules, *self.actions)
        return "".join(f"{statement}\n\n" for statement in statements)


def _block(assigns: tuple[Assign, ...]) -> str:
    return "{\n" + "".join(f"  {assign}\n" for assign in assigns) + "}"


def _limits(minimum: int | None, maximum: int | None) -> str:
    text = "" if minimum is None else f"minRet = {minimum}; "
    return text if maximum is None else f"{text}maxRet = {maximum}; "
