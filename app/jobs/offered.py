"""What the active rulebooks offer to a job: what they do not is refused before anything is planned."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from app.archive.books import compiled
from app.archive.finding import Connection
from app.rulebook import Rulebook, covered
from processing.recipes import PACKAGING


def faults(
    connection: Connection,
    dp_ids: Sequence[str],
    instrument: str,
    until: str,
    recipes: Iterable[str],
    action: str = "",
) -> list[str]:
    """What of a request no active rulebook of its frames' instruments (or of its `instrument`) offers.

    Nothing is said of `until`, `recipes` and `action` where it is not known whose they are: that is a fault
    itself.
    """
    rows = connection.execute("SELECT text, name FROM book WHERE active ORDER BY name").fetchall()
    own = {name.partition(".")[0] for _, name in rows}
    wrong: list[str] = []
    if instrument and instrument not in own:
        wrong = [f"instrument: no active rulebook covers {instrument!r}; there are {_said(own)}"]
        instrument = ""
    wanted = sorted(recipes)
    if not (until or wanted or action):
        return wrong
    found = connection.execute("SELECT DISTINCT instrume FROM frame WHERE dp_id = ANY(%s)", [list(dp_ids)])
    instrumes = {str(instrume) for (instrume,) in found}
    books = [
        compiled(text, name)
        for text, name in rows
        if name.partition(".")[0] == instrument or not instrumes.isdisjoint(covered(text, name))
    ]
    whose = ", ".join(sorted(instrumes)) or instrument
    if not whose:
        return wrong
    checks = (_until(books, whose, until), _recipes(books, whose, wanted), _action(books, whose, action))
    return [*wrong, *itertools.chain(*checks)]


def _until(books: Sequence[Rulebook], whose: str, until: str) -> list[str]:
    actions = [action for book in books for action in book.actions.values()]
    if not until or any(action.may_make(until) for action in actions):
        return []
    made = {promise.category for action in actions for promise in action.promises if promise.category}
    return [f"until: no active rulebook of {whose} makes {until!r}; made are {_said(made)}"]


def _recipes(books: Sequence[Rulebook], whose: str, recipes: Sequence[str]) -> list[str]:
    steps = {action.step.recipe for book in books for action in book.actions.values() if action.step}
    return [
        f"{recipe}: no active rulebook of {whose} runs this recipe; run are {_said(steps)}"
        for recipe in recipes
        if recipe not in {*steps, PACKAGING}
    ]


def _action(books: Sequence[Rulebook], whose: str, action: str) -> list[str]:
    steps = {name for book in books for name, found in book.actions.items() if found.step}
    if not action or action in steps:
        return []
    return [f"action: no active rulebook of {whose} reduces a group by {action!r}; there are {_said(steps)}"]


def _said(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
