"""Rulebooks: one instrument's OCA file, compiled, with an identity and a first night."""

from app.rulebook.book import (
    NOT_INHERITED,
    ActionBook,
    ClassBook,
    OrgBook,
    Promise,
    Rulebook,
    RuleRef,
    Step,
    Wanted,
)
from app.rulebook.compiling import make_book
from app.rulebook.keysets import KeySet, hash64
from app.rulebook.kinds import OWN_KINDS, mistyped, unlike
from app.rulebook.library import (
    Library,
    covered,
    library,
    load_book,
    load_library,
    night_date,
    night_number,
    night_of,
    read_book,
)

__all__ = [
    "NOT_INHERITED",
    "OWN_KINDS",
    "ActionBook",
    "ClassBook",
    "KeySet",
    "Library",
    "OrgBook",
    "Promise",
    "RuleRef",
    "Rulebook",
    "Step",
    "Wanted",
    "covered",
    "hash64",
    "library",
    "load_book",
    "load_library",
    "make_book",
    "mistyped",
    "night_date",
    "night_number",
    "night_of",
    "read_book",
    "unlike",
]
