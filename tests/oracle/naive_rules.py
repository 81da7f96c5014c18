"""A rule file as its parse tree, and what its statements say; nothing is compiled.

A second reading of the language's description, to hold against `app.oca`; it imports nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lark import Lark, Token, Tree
from naive_values import Keywords, Scene, Value, holds, value

_GRAMMAR = Path(__file__).with_name("oca.lark")


@dataclass(frozen=True, eq=False)
class Select:
    """A `select` statement with the limits before it; `groups` and `name` are an action's or a label."""

    name: str
    source: str
    condition: Tree[Token]
    line: int
    minimum: int
    maximum: int
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Action:
    name: str
    selects: tuple[Select, ...]
    products: tuple[tuple[Tree[Token], ...], ...]
    reduces: bool = False


@dataclass(frozen=True)
class Rules:
    """`classes` are the `if` statements; `organised` the `select execute` ones, in the order of the file."""

    classes: tuple[Tree[Token], ...]
    organised: tuple[Select, ...]
    actions: Mapping[str, Action]


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR.read_text(), parser="lalr", propagate_positions=True, maybe_placeholders=True)


def parse(text: str) -> Rules:
    """The rules of a file; lark's exception where it is wrong."""
    # Lines of the preprocessor are no part of the language.
    lines = ["" if line.lstrip().startswith("#") else line for line in text.split("\n")]
    tree = _parser().parse("\n".join(lines))
    actions = [_action(each) for each in tree.children if each.data == "action"]
    return Rules(
        tuple(each for each in tree.children if each.data == "class_rule"),
        tuple(_selects(tree.children, "org_rule")),
        {each.name: each for each in actions},
    )


def parse_expression(text: str) -> Tree[Token]:
    return parse(f"if {text} then {{}}").classes[0].children[0]


def classify(rules: Rules, header: Keywords) -> tuple[dict[str, Value], list[int]]:
    """What all rules in order derive, and the lines of those that were true; MISSING hides the header's."""
    known, derived, fired = dict(header), {}, []
    for rule in rules.classes:
        condition, *assigns = rule.children
        if holds(condition, Scene(known)):
            fired.append(rule.meta.line)
            for assign in assigns:
                key, right = assign.children
                derived[str(key)] = known[str(key)] = value(right, Scene(known))
    return derived, fired


def tag(keywords: Keywords) -> str:
    """The pipeline's category of a file."""
    for key in ("DO.CATG", "DO.CLASS", "REFLEX.CATG", "PRO.CATG"):
        if isinstance(found := keywords.get(key), str) and found:
            return found
    return "UNCLASSIFIED"


def raw_type(keywords: Keywords) -> str:
    found = keywords.get("RAW.TYPE")
    return found if isinstance(found, str) and found else tag(keywords)


def names(node: Tree[Token]) -> set[str]:
    """Every keyword that an expression mentions, with its prefix."""
    return {str(each.children[0]) for each in node.find_data("keyword")}


def terms(node: Tree[Token]) -> Iterator[Tree[Token]]:
    """The terms that `and` joins at the top of a condition."""
    if node.data == "and_":
        for part in node.children:
            yield from terms(part)
    else:
        yield node


def _action(node: Tree[Token]) -> Action:
    head, *members = node.children
    products = [tuple(each.children[1:]) for each in members if each.data == "product"]
    recipes = [each.children[0] for each in members if each.data == "recipe"]
    reduces = any(str(name.children[0]) != "none" for name in recipes)
    return Action(str(head.children[0]), tuple(_selects(members, "assoc")), tuple(products), reduces)


def _selects(statements: list[Tree[Token]], kind: str) -> Iterator[Select]:
    """The selects among statements, each with the limits since the one before; the last of a kind counts."""
    limits: dict[str, int] = {}
    for each in statements:
        if each.data == "setting":
            word, signed = each.children[:2]
            minus, number = signed.children
            limits[str(word)] = int(float(number)) * (-1 if minus else 1)
        elif each.data == kind:
            name, source, condition, *rest = each.children
            minimum = limits.get("minRet", 1)
            yield Select(
                str(name.children[0]),
                str(source.children[0]),
                condition,
                each.meta.line,
                minimum,
                limits.get("maxRet", max(1, minimum)),
                tuple(str(key) for key in rest[0].children) if rest and rest[0] else (),
            )
            limits = {}
        elif kind == "org_rule" and each.data != "nothing":
            limits = {}  # At the top level they must stand immediately before their select.
