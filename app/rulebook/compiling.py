"""A parsed rule file becomes a rulebook."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from hashlib import sha256
from typing import get_args

from app.errors import RuleError
from app.oca.conditions import canonical, take_apart
from app.oca.evaluate import Compiled, compile_test, compile_value
from app.oca.syntax import Action, Assign, Association, OrgRule, ProductBlock, RuleFile
from app.oca.terms import Text, keys
from app.rulebook.book import (
    BASE_KEYWORDS,
    ActionBook,
    ClassBook,
    OrgBook,
    Promise,
    Rulebook,
    RuleRef,
    Step,
    Wanted,
)
from app.rulebook.keysets import KeySet, Side
from app.rulebook.kinds import expected_kinds


def make_book(
    rules: RuleFile, text: str, name: str, instrument: str, instrumes: tuple[str, ...], start: int
) -> Rulebook:
    """Compile a parsed rule file. Raises RuleError for an action that is executed but not defined."""
    actions: dict[str, ActionBook] = {}
    for action in rules.actions:
        if action.name in actions:
            raise RuleError(f"{name}:{action.pos.line}: action {action.name} is defined twice; keep one")
        actions[action.name] = _action(action, name)
    for rule in rules.org_rules:
        if rule.action not in actions:
            raise RuleError(
                f"{name}:{rule.pos.line}: no action {rule.action} is defined; define it or correct the name"
            )
    keysets = _keysets(actions)
    makers: dict[str, list[str]] = defaultdict(list)
    for made in actions.values():
        for promise in made.promises:
            if promise.category and made.name not in makers[promise.category]:
                makers[promise.category].append(made.name)
    return Rulebook(
        name=name,
        instrument=instrument,
        instrumes=instrumes,
        start=start,
        text=text,
        checksum=sha256(text.encode()).hexdigest(),
        rules=rules,
        class_rules=tuple(
            ClassBook(compile_test(rule.condition), _assigns(rule.assigns), rule.pos.line)
            for rule in rules.class_rules
        ),
        org_rules=tuple(_org(index, rule, name) for index, rule in enumerate(rules.org_rules)),
        actions=actions,
        makers={category: tuple(names) for category, names in makers.items()},
        hot=_hot(rules),
        keysets=keysets,
        leading={
            side: tuple(sorted({name for of_side, name, _ in keysets if of_side == side}))
            for side in get_args(Side)
        },
        kinds=expected_kinds(rules),
    )


def _action(action: Action, file: str) -> ActionBook:
    recipes = [recipe for recipe in action.recipes if recipe.name != "none"]
    # Several recipes in one action occur in no real file; the last one stands, as with every setting.
    step = None
    if recipes:
        words = [word for option in recipes[-1].options for word in option.split()]
        step = Step(recipes[-1].name, tuple({word.partition("=")[0]: word for word in words}.values()))
    return ActionBook(
        name=action.name,
        wanted=tuple(_wanted(index, each, file) for index, each in enumerate(action.associations)),
        step=step,
        promises=tuple(_promise(index, each, file) for index, each in enumerate(action.products)),
        ref=RuleRef(file, action.pos.line),
    )


def _wanted(index: int, rule: Association, file: str) -> Wanted:
    condition = take_apart(rule.condition)
    side: Side = "calib" if rule.source == "calibFiles" else "raw"
    minimum, maximum = rule.limits
    return Wanted(
        index=index,
        label=rule.label,
        minimum=minimum,
        maximum=maximum,
        # Reflex feeds the recipe from inputFiles (hawki.oca: the darks of hawki_detector_noise).
        auxiliary=rule.source == "rawFiles",
        condition=condition,
        wide=KeySet(side, condition.literals, ()),
        tight=KeySet(side, condition.literals, tuple(mine for mine, _ in condition.joins)),
        ref=RuleRef(file, rule.pos.line),
    )


def _promise(index: int, block: ProductBlock, file: str) -> Promise:
    category = next((a.value for a in reversed(block.assigns) if a.key == "PRO.CATG"), None)
    return Promise(
        index=index,
        assigns=_assigns(block.assigns),
        category=category.value if isinstance(category, Text) else None,
        ref=RuleRef(file, block.pos.line),
    )


def _org(index: int, rule: OrgRule, file: str) -> OrgBook:
    named = keys(rule.condition)
    per_frame = any(key.scope == "SIG" and key.name == "FRAME" for key in named)
    per_template = any(key.scope == "SIG" and key.name == "TEMPLATE" for key in named)
    return OrgBook(
        index=index,
        action=rule.action,
        raw_only=rule.source == "rawFiles",
        test=compile_test(rule.condition),
        group_by=rule.group_by,
        per_frame=per_frame or not (per_template or rule.group_by),
        per_template=per_template,
        uses_last=any(key.scope == "LF" for key in named),
        minimum=max(1, rule.minimum or 1),
        maximum=rule.maximum,
        tag=rule.alias[1] if rule.alias else None,
        ref=RuleRef(file, rule.pos.line),
    )


def _assigns(assigns: tuple[Assign, ...]) -> tuple[tuple[str, Compiled], ...]:
    return tuple((assign.key, compile_value(assign.value)) for assign in assigns)


def _hot(rules: RuleFile) -> frozenset[str]:
    names: set[str] = set(BASE_KEYWORDS)
    for class_rule in rules.class_rules:
        names.update(key.name for key in keys(class_rule.condition))
        for assign in class_rule.assigns:
            names.update(key.name for key in keys(assign.value))
    for org_rule in rules.org_rules:
        names.update(key.name for key in keys(org_rule.condition))
        names.update(org_rule.group_by)
    for action in rules.actions:
        for association in action.associations:
            names.update(key.name for key in keys(association.condition))
        for product in action.products:
            names.update(key.name for assign in product.assigns for key in keys(assign.value))
    return frozenset(names)


def _keysets(actions: Mapping[str, ActionBook]) -> dict[tuple[Side, str, str], tuple[KeySet, ...]]:
    """Key sets by side and first literal, so that a candidate meets only those it can belong to."""
    found: dict[tuple[Side, str, str], dict[KeySet, None]] = defaultdict(dict)
    for action in actions.values():
        for wanted in action.wanted:
            if wanted.maximum == 0:
                continue
            for keyset in (wanted.wide, wanted.tight):
                name, value = _first_literal(keyset)
                found[keyset.side, name, value][keyset] = None
    return {place: tuple(keysets) for place, keysets in found.items()}


def _first_literal(keyset: KeySet) -> tuple[str, str]:
    if not keyset.literals:
        return "", ""
    name, value = keyset.literals[0]
    return name, canonical(value)
