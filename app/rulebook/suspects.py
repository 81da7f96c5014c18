"""Findings in what associations ask for: what nothing can satisfy, windows and keys that contradict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.header import UNDEFINED, Maybe, Undefined
from app.oca.conditions import Condition, canonical, take_apart
from app.oca.syntax import Action, Association, ProductBlock, RuleFile
from app.oca.terms import Number, Pos, Text, Truth, keys
from app.rulebook.book import NOT_INHERITED
from app.rulebook.dictionary import Dictionary
from app.rulebook.spans import spans, wider

Finding = tuple[Pos, str]


@dataclass(frozen=True, slots=True)
class _Made:
    """A product of an action: what its header surely holds, and the sets of keywords its groups share."""

    action: str
    keywords: Mapping[str, Maybe | None]
    grouped: tuple[frozenset[str], ...]

    def value(self, name: str) -> Maybe | None:
        """What it surely has; UNDEFINED where it surely has none, None where anything may be there."""
        lost = name in NOT_INHERITED or name.startswith("DPR.")
        return self.keywords.get(name, UNDEFINED if lost else None)


def suspects(rules: RuleFile, dictionary: Dictionary | None = None) -> Iterator[Finding]:
    """What is wrong with associations and products; `dictionary` None: keywords are not looked up."""
    made = _made(rules)
    joined: dict[str, set[str]] = defaultdict(set)
    for action in rules.actions:
        for rule in action.associations:
            condition = take_apart(rule.condition)
            yield from _limits(rule, condition)
            category = _category(condition) if rule.source == "calibFiles" else None
            if category:
                joined[category] |= {mine for mine, _ in condition.joins}
                yield from _unsatisfied(rule, condition, category, made.get(category, []))
    yield from _keys(rules, made, joined)
    if dictionary is not None:
        yield from _unknown(rules, dictionary)


def _limits(rule: Association, condition: Condition) -> Iterator[Finding]:
    least, most = rule.limits
    if least > most > 0:
        yield rule.pos, f"{rule.label} wants at least {least} files and at most {most}"
    plan, extended = spans(condition)
    if any(low > high for low, high in (plan, extended)):
        yield rule.pos, f"a window of {rule.label} is empty: it begins behind its end"
        return
    windows = [("the plan", plan)] if condition.soft else []
    for what, window in [*windows, *(("a level", each) for each in wider(condition))]:
        if window[0] < extended[0] or window[1] > extended[1]:
            inner, outer = (f"{low:+g} to {high:+g} d" for low, high in (window, extended))
            yield rule.pos, f"{what} of {rule.label} ({inner}) is wider than its extended validity ({outer})"


def _category(condition: Condition) -> str | None:
    literals = dict(condition.literals)
    found = literals.get("PRO.CATG", literals.get("DO.CATG"))
    return found if isinstance(found, str) else None


def _unsatisfied(
    rule: Association, condition: Condition, category: str, makers: list[_Made]
) -> Iterator[Finding]:
    """Of a category that actions make, none of the products fulfils what is asked; or nothing makes it."""
    if not makers:
        # A static file has no calibration plan: it is good until a newer one is there.
        if condition.soft:
            yield rule.pos, f"{rule.label} has a calibration plan, but no action makes {category}"
        return
    reasons = [_conflict(condition, made) for made in makers]
    if all(reasons):
        told = "; ".join(dict.fromkeys(f"{m.action}: {r}" for m, r in zip(makers, reasons, strict=True)))
        yield rule.pos, f"no action can satisfy {rule.label}: {told}"


def _conflict(condition: Condition, made: _Made) -> str:
    """The first clause that the product surely fails; "" when none."""
    for name, wanted in condition.literals:
        value = made.value(name)
        if isinstance(value, Undefined):
            return f"its product has no {name}"
        if value is not None and canonical(value) != canonical(wanted):
            return f"its product has {name} = {value}"
    lost = [mine for mine, _ in condition.joins if isinstance(made.value(mine), Undefined)]
    return f"its product has no {lost[0]}" if lost else ""


def _made(rules: RuleFile) -> dict[str, list[_Made]]:
    """The products of executed actions by PRO.CATG, and by DO.CATG where that differs."""
    found: dict[str, list[_Made]] = defaultdict(list)
    executed: dict[str, list[tuple[Condition, frozenset[str], bool]]] = defaultdict(list)
    for rule in rules.org_rules:
        alone = any(key.scope == "SIG" and key.name == "FRAME" for key in keys(rule.condition))
        executed[rule.action].append((take_apart(rule.condition), frozenset(rule.group_by), alone))
    for action in rules.actions:
        for condition, group_by, alone in executed[action.name]:
            for product in action.products:
                keywords = _keywords(condition, product)
                made = _Made(action.name, keywords, () if alone else (group_by,))
                names = {keywords.get("PRO.CATG"), keywords.get("DO.CATG")}
                for name in names:
                    if isinstance(name, str):
                        found[name].append(made)
    return found


def _keywords(condition: Condition, product: ProductBlock) -> dict[str, Maybe | None]:
    """What the product surely holds: its block's, and the literals of its raw frames; None for anything."""
    found: dict[str, Maybe | None] = {
        name: value
        for name, value in condition.literals
        if name not in NOT_INHERITED and not name.startswith("DPR.")
    }
    for assign in product.assigns:
        value = assign.value
        found[assign.key] = value.value if isinstance(value, Text | Number | Truth) else None
    found.setdefault("DO.CATG", found.get("PRO.CATG"))
    return found


def _keys(
    rules: RuleFile, made: Mapping[str, list[_Made]], joined: Mapping[str, set[str]]
) -> Iterator[Finding]:
    """A category that is asked for by a key which one maker groups by, and another does not."""
    actions: dict[str, Action] = {action.name: action for action in rules.actions}
    for category, makers in made.items():
        grouped = [(each.action, names) for each in makers for names in each.grouped]
        if len({name for name, _ in grouped}) < 2:
            continue
        for key in sorted(joined[category]):
            with_key = {action for action, names in grouped if key in names}
            without = [action for action, names in grouped if key not in names]
            for action in dict.fromkeys(without):
                if with_key - {action}:
                    other = ", ".join(sorted(with_key - {action}))
                    said = f"{category} is asked for by {key}: {other} groups by it, {action} does not"
                    yield actions[action].pos, said


def _unknown(rules: RuleFile, dictionary: Dictionary) -> Iterator[Finding]:
    """Keywords of the instrument that its dictionaries do not have, each where it is first named."""
    conditions = [
        *(rule.condition for rule in rules.class_rules),
        *(rule.condition for rule in rules.org_rules),
        *(rule.condition for action in rules.actions for rule in action.associations),
    ]
    first: dict[str, Pos] = {}
    for condition in conditions:
        for key in keys(condition):
            first.setdefault(key.name, key.pos)
    for rule in rules.org_rules:
        for name in rule.group_by:
            first.setdefault(name, rule.pos)
    for name, pos in first.items():
        if not dictionary.knows(name):
            yield pos, f"no dictionary of the instrument has {name}"
