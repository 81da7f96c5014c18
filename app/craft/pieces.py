"""Two versions of a book rule by rule: which rule became which, and the lines that make the difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TypeAlias, TypeVar

from app.oca.syntax import Action, Association, ClassRule, OrgRule
from app.oca.terms import And, Expr
from app.rulebook import Rulebook, RuleRef

_Rule = TypeVar("_Rule")
# A part of a rule and its line; parts are compared by their text, however it is laid out.
_Piece: TypeAlias = tuple[str, int]
_LIMITS = "minRet maxRet"


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of the old and of the new version that make a difference; none where there is no rule."""

    old: tuple[RuleRef, ...]
    new: tuple[RuleRef, ...]

    def __bool__(self) -> bool:
        return bool(self.old or self.new)

    def __add__(self, other: Lines) -> Lines:
        return Lines(_once(self.old, other.old), _once(self.new, other.new))


NONE = Lines((), ())


class Versions:
    """An old and a new version of a book."""

    def __init__(self, old: Rulebook, new: Rulebook) -> None:
        self.old, self.new = old, new
        self.class_rules = tuple(_paired(old.rules.class_rules, new.rules.class_rules))
        self.org_rules = tuple(_paired(old.rules.org_rules, new.rules.org_rules))
        self._actions = _by_name(old), _by_name(new)
        self.association = lru_cache(None)(self._association)
        self.recipe = lru_cache(None)(self._recipe)
        self.products = lru_cache(None)(self._products)

    def classification(self, old_fired: Sequence[int], new_fired: Sequence[int]) -> Lines:
        """Of the classification rules that fired (by their lines) in a version, those that are others."""
        fired = set(old_fired), set(new_fired)
        found = NONE
        for one, other in self.class_rules:
            if (one and one.pos.line in fired[0]) or (other and other.pos.line in fired[1]):
                found += self._apart(one, other, _class_pieces)
        return found

    def organisation(self, old_rules: Sequence[int], new_rules: Sequence[int]) -> Lines:
        """Of the organisation rules with these numbers, those that are others."""
        numbers = {
            id(rule): n for book in (self.old, self.new) for n, rule in enumerate(book.rules.org_rules)
        }
        found = NONE
        for one, other in self.org_rules:
            if (one and numbers[id(one)] in old_rules) or (other and numbers[id(other)] in new_rules):
                found += self._apart(one, other, _org_pieces)
        return found

    def _association(self, old: tuple[str, int] | None, new: tuple[str, int] | None) -> Lines:
        """Of an association in either version (its action, its line)."""
        return self._apart(_find(self._actions[0], old), _find(self._actions[1], new), _association_pieces)

    def _recipe(self, old: str, new: str) -> Lines:
        """Of the recipes of an action."""
        return self._apart(self._actions[0].get(old), self._actions[1].get(new), _recipe_pieces)

    def _products(self, old: str, new: str) -> Lines:
        """Of what an action promises, and of whether it is there."""
        return self._apart(self._actions[0].get(old), self._actions[1].get(new), _product_pieces)

    def _apart(self, one: _Rule | None, other: _Rule | None, pieces: object) -> Lines:
        assert callable(pieces)
        olds: list[_Piece] = [] if one is None else list(pieces(one))
        news: list[_Piece] = [] if other is None else list(pieces(other))
        gone = Counter(text for text, _ in olds) - Counter(text for text, _ in news)
        come = Counter(text for text, _ in news) - Counter(text for text, _ in olds)
        if not gone and not come:
            return NONE
        # A rule that lost or got a part is told by its first line on the other side.
        return Lines(
            _refs(self.old, [piece for piece in olds if piece[0] in gone] or olds[:1]),
            _refs(self.new, [piece for piece in news if piece[0] in come] or news[:1]),
        )


def _refs(book: Rulebook, pieces: Sequence[_Piece]) -> tuple[RuleRef, ...]:
    lines = {_limits_line(book, line) if text.startswith(_LIMITS) else line for text, line in pieces}
    return tuple(RuleRef(book.name, line) for line in sorted(lines))


def _limits_line(book: Rulebook, line: int) -> int:
    """Where minRet and maxRet of the rule in this line stand: above it; its own line where it has none."""
    lines = book.text.splitlines()
    for number in range(line, 0, -1):
        code = lines[number - 1].partition("//")[0].strip()
        if "minRet" in code or "maxRet" in code:
            return number
        if code and number < line:
            break
    return line


def _once(one: tuple[RuleRef, ...], other: tuple[RuleRef, ...]) -> tuple[RuleRef, ...]:
    return tuple(sorted({*one, *other}, key=lambda ref: (ref.file, ref.line)))


def _paired(old: Sequence[_Rule], new: Sequence[_Rule]) -> Iterator[tuple[_Rule | None, _Rule | None]]:
    """Rules in their order: equal texts belong together, and in between the first with the first."""
    texts = [str(rule) for rule in old], [str(rule) for rule in new]
    for _, a, b, c, d in SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
        for n in range(max(b - a, d - c)):
            yield (old[a + n] if a + n < b else None), (new[c + n] if c + n < d else None)


def _by_name(book: Rulebook) -> Mapping[str, Action]:
    return {action.name: action for action in book.rules.actions}


def _find(actions: Mapping[str, Action], place: tuple[str, int] | None) -> Association | None:
    if place is None:
        return None
    action, line = place
    return next(each for each in actions[action].associations if each.pos.line == line)


def _class_pieces(rule: ClassRule) -> Iterator[_Piece]:
    yield from _terms(rule.condition)
    for assign in rule.assigns:
        yield str(assign), assign.pos.line


def _org_pieces(rule: OrgRule) -> Iterator[_Piece]:
    yield f"{_LIMITS} {rule.minimum} {rule.maximum}", rule.pos.line
    yield f"execute({rule.action}) from {rule.source} {rule.group_by} {rule.alias}", rule.pos.line
    yield from _terms(rule.condition)


def _association_pieces(rule: Association) -> Iterator[_Piece]:
    yield f"{_LIMITS} {rule.limits}", rule.pos.line
    yield f"{rule.label} from {rule.source}", rule.pos.line
    yield from _terms(rule.condition)


def _recipe_pieces(action: Action) -> Iterator[_Piece]:
    yield action.name, action.pos.line
    for recipe in action.recipes:
        yield str(recipe), recipe.pos.line


def _product_pieces(action: Action) -> Iterator[_Piece]:
    yield action.name, action.pos.line
    for product in action.products:
        yield "product", product.pos.line
        for assign in product.assigns:
            yield str(assign), assign.pos.line


def _terms(condition: Expr) -> Iterator[_Piece]:
    if isinstance(condition, And):
        for term in condition.terms:
            yield from _terms(term)
    else:
        yield str(condition), condition.pos.line
