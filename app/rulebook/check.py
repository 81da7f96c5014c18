"""Findings in a rule file that parses: what can never work, and what nobody will miss until it matters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from app.oca.syntax import Action, Assign, ClassRule, RuleFile
from app.oca.terms import Arith, Compare, Expr, Key, Like, Pos, Text, Truth, children, parts
from app.oca.tokens import Diagnostic, Severity
from app.rulebook.dictionary import Dictionary
from app.rulebook.library import BOOK_NAME, EMPTY, covered, stated
from app.rulebook.suspects import suspects

# Keywords whose values rules make up; a value of one that nothing assigns can never be met.
_DPR = ("DPR.CATG", "DPR.TYPE", "DPR.TECH")
_CATEGORIES = ("RAW.TYPE", "DO.CATG", "DO.CLASS", "REFLEX.CATG", "PACK.DIR")


def check(
    rules: RuleFile,
    file: Path,
    installed: frozenset[str] | None = None,
    dictionary: Dictionary | None = None,
) -> list[Diagnostic]:
    """What a parser cannot see, in the order of the lines.

    Errors: no classification rule, an action that is executed but not defined, or defined twice.
    Warnings: a book that does not say whose files it is for, arithmetic on text, a DPR keyword that is
    none, actions that are never executed, organisation and association rules on a category that nothing
    assigns or makes, recipes that are not among `installed` (None: not checked), science without a product,
    groups that are no groups, actions that need their own product, associations that no product can satisfy,
    windows that are empty, plans wider than the extended validity, makers of one category with different
    keys, keywords of the instrument that are not in its `dictionary` (None: not checked).
    """
    lines = file.read_bytes().decode("utf-8", "replace").splitlines()
    name = file.name
    found: list[Diagnostic] = []

    def tell(severity: Severity, pos: Pos, message: str) -> None:
        source = lines[pos.line - 1] if 0 < pos.line <= len(lines) else ""
        found.append(Diagnostic(severity, name, pos.line, pos.column, message, source))

    for severity, pos, message in (
        *_empty(rules),
        *_whose(lines, name),
        *_expressions(rules),
        *_actions(rules),
        *_organisation(rules),
        *_associations(rules),
        *_cycles(rules),
        *_recipes(rules, installed),
        *_science(rules),
        *(("warning", pos, message) for pos, message in suspects(rules, dictionary)),
    ):
        tell(severity, pos, message)
    return sorted(found, key=lambda each: (each.line, each.column, each.message))


_Finding = tuple[Severity, Pos, str]


def _empty(rules: RuleFile) -> Iterator[_Finding]:
    if not rules.class_rules:
        yield "error", Pos(1, 1), EMPTY


def _whose(lines: list[str], name: str) -> Iterator[_Finding]:
    """Only of a file that is a book by its name: others are for reading."""
    if BOOK_NAME.fullmatch(name) and stated(lines) is None:
        (own,) = covered("", name)
        yield "warning", Pos(1, 1), f"no '// INSTRUME: …' in the first ten lines: the book is for {own}"


def _expressions(rules: RuleFile) -> Iterator[_Finding]:
    """A sum with a text is never defined, and there are three keywords DPR (DICD): no comparison is true."""
    for top in (*rules.conditions, *(assign.value for assign in rules.assigns)):
        for expr in parts(top):
            if isinstance(expr, Arith) and {type(expr.left), type(expr.right)} & {Text, Truth}:
                yield "warning", expr.pos, f"{expr} is never defined: arithmetic is for numbers"
            if isinstance(expr, Key) and expr.name.startswith("DPR.") and expr.name not in _DPR:
                yield "warning", expr.pos, f"no header has {expr.name}: there are {', '.join(_DPR)}"


def _actions(rules: RuleFile) -> Iterator[_Finding]:
    defined: dict[str, Action] = {}
    for action in rules.actions:
        if action.name in defined:
            first = defined[action.name].pos.line
            yield "error", action.pos, f"action {action.name} is defined twice, first in line {first}"
        defined.setdefault(action.name, action)
    executed = {rule.action for rule in rules.org_rules}
    for rule in rules.org_rules:
        if rule.action not in defined:
            yield "error", rule.pos, f"unknown action {rule.action}: define it or correct the name"
    for action in defined.values():
        if action.name not in executed:
            yield "warning", action.pos, f"action {action.name} is never executed"


def _organisation(rules: RuleFile) -> Iterator[_Finding]:
    assigned = _assigned(rules)
    for rule in rules.org_rules:
        for key, value in _demands(rule.condition):
            if key in _CATEGORIES and not _can_be(assigned, key, value):
                yield "warning", rule.pos, f'dead rule: nothing assigns {key} = "{value}"'
        if not rule.group_by and "SIG." not in str(rule.condition):
            yield "warning", rule.pos, "neither SIG trigger nor 'group by': every file is a group of its own"


def _associations(rules: RuleFile) -> Iterator[_Finding]:
    assigned = _assigned(rules)
    made = {
        (assign.key, assign.value.value)
        for action in rules.actions
        for product in action.products
        for assign in product.assigns
        if isinstance(assign.value, Text)
    }
    for action in rules.actions:
        for rule in action.associations:
            for key, value in _demands(rule.condition):
                if key not in _CATEGORIES or _can_be(assigned, key, value):
                    continue
                # a product without DO.CATG has its PRO.CATG there
                if rule.source == "calibFiles" and {(key, value), ("PRO.CATG", value)} & made:
                    continue
                yield "warning", rule.pos, f'dead association: nothing makes {key} = "{value}"'


def _cycles(rules: RuleFile) -> Iterator[_Finding]:
    """Actions that need, at whatever depth, what only they make: their groups are never complete."""
    needs: dict[str, set[str]] = {}
    makes: dict[str, set[str]] = {}
    for action in rules.actions:
        wanted = [rule for rule in action.associations if rule.limits[0] and rule.source == "calibFiles"]
        needs[action.name] = {
            value for rule in wanted for key, value in _demands(rule.condition) if key == "PRO.CATG"
        }
        makes[action.name] = {
            value.value for product in action.products for value in _values(product.assigns, "PRO.CATG")
        }
    for action in rules.actions:
        below = _below(action.name, needs, makes)
        if action.name in below:
            yield "warning", action.pos, f"cycle: {action.name} needs its own product; it is never complete"


def _below(name: str, needs: dict[str, set[str]], makes: dict[str, set[str]]) -> set[str]:
    """The actions that must have run before this one, where each category has a single maker."""
    found: set[str] = set()
    rest = [name]
    while rest:
        for category in needs[rest.pop()]:
            makers = [maker for maker, made in makes.items() if category in made]
            if len(makers) == 1 and makers[0] not in found:
                found.add(makers[0])
                rest.append(makers[0])
    return found


def _recipes(rules: RuleFile, installed: frozenset[str] | None) -> Iterator[_Finding]:
    if installed is None:
        return
    for action in rules.actions:
        for recipe in action.recipes:
            if recipe.name != "none" and recipe.name not in installed:
                yield "warning", recipe.pos, f"recipe {recipe.name} is not installed"


def _science(rules: RuleFile) -> Iterator[_Finding]:
    """Every science RAW.TYPE needs a product to define its dataset (documented for CalSelector)."""
    offered = {
        value.value
        for class_rule in rules.class_rules
        if exposes(class_rule)
        for value in _values(class_rule.assigns, "RAW.TYPE")
    }
    actions = {action.name: action for action in rules.actions}
    organised = set()
    for rule in rules.org_rules:
        for key, value in _demands(rule.condition):
            if key == "RAW.TYPE" and value in offered:
                organised.add(value)
                action = actions.get(rule.action)
                if action and not action.products:
                    yield "warning", action.pos, f"{value} is offered, but its action has no product"
    for class_rule in rules.class_rules:
        for each in _values(class_rule.assigns, "RAW.TYPE"):
            if each.value in offered - organised:
                yield "warning", class_rule.pos, f"{each.value} is offered, but no rule organises it"


def exposes(rule: ClassRule) -> bool | None:
    """Whether a rule offers what it classifies (EXPOSE_TO_CALSELECTOR); None where it says nothing of it."""
    said = None
    for assign in rule.assigns:
        if assign.key == "EXPOSE_TO_CALSELECTOR":
            said = isinstance(assign.value, Text | Truth) and assign.value.value in (True, "T")
    return said


def _values(assigns: Iterable[Assign], key: str) -> Iterator[Text]:
    for assign in assigns:
        if assign.key == key and isinstance(assign.value, Text):
            yield assign.value


def _assigned(rules: RuleFile) -> dict[str, set[str] | None]:
    """What classification may assign to each keyword; None for anything (a copy of another keyword)."""
    values: dict[str, set[str] | None] = {}
    for rule in rules.class_rules:
        for assign in rule.assigns:
            if not isinstance(assign.value, Text):
                values[assign.key] = None
            else:
                known = values.setdefault(assign.key, set())
                if known is not None:
                    known.add(assign.value.value)
    return values


def _can_be(assigned: dict[str, set[str] | None], key: str, value: str) -> bool:
    if key not in assigned:
        return False
    known = assigned[key]
    return known is None or value in known


def _demands(condition: Expr) -> Iterator[tuple[str, str]]:
    """(keyword, text) of every equality with a text, of the file itself or the last of its group.

    `like` without a `%` is an equality too.
    """
    match condition:
        case Compare("==", Key(name, "" | "LF"), Text(value)) | Compare(
            "==", Text(value), Key(name, "" | "LF")
        ):
            yield name, value
        case Like(Key(name, "" | "LF"), Text(value)) if "%" not in value:
            yield name, value
        case _:
            for child in children(condition):
                yield from _demands(child)
