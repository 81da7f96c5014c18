"""ESO's public list of breakpoints against the books: it names the types, products, tags of its rules."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from app.oca.parser import parse_file
from app.oca.syntax import RuleFile

RULES = Path(__file__).parents[2] / "rules"
LIST = RULES.parents[1] / "shared/samples/breakpoints.json"
ROWS = json.loads(LIST.read_bytes()) if LIST.is_file() else []
FOLDERS = sorted(path.parent for path in RULES.glob("*/breakpoints.json"))
# What a book's head says of the list: names, with … for any letters, up to the end of the paragraph.
LEFT_OUT = re.compile(r"^// Of ESO's list of breakpoints .*?deliberately(.*?)^//$", re.MULTILINE | re.DOTALL)
# Rows that are not ESO's; the README of the rules says why.
INFERRED = {"EFOSC2": {54557.0}, "VISIR": {56100.0}}

pytestmark = pytest.mark.skipif(
    not ROWS, reason="the public list of breakpoints (../shared/samples) is absent"
)


def of(folder: Path) -> list[dict[str, str]]:
    return [row for row in ROWS if row["instrument"] == folder.name.upper()]


def books(folder: Path) -> list[RuleFile]:
    return [parse_file(book).rules for book in sorted(folder.glob("*.oca"))]


def known(rules: RuleFile) -> Iterator[tuple[str, str, str]]:
    """Each raw type with each tag that its rules give and each product of the actions that it starts.

    A rule that gives a tag alone may give it to every type, and one that gives a type alone keeps every tag.
    """
    given = [
        {assign.key: str(assign.value).strip('"') for assign in rule.assigns} for rule in rules.class_rules
    ]
    tags: dict[str, set[str]] = defaultdict(set)
    for each in given:
        if "DO.CATG" in each:
            tags[each.get("RAW.TYPE", "")].add(each["DO.CATG"])
    products = {
        action.name: [
            str(assign.value).strip('"')
            for product in action.products
            for assign in product.assigns
            if assign.key == "PRO.CATG"
        ]
        for action in rules.actions
    }
    for each in given:
        if "RAW.TYPE" in each and "DO.CATG" not in each:
            tags[each["RAW.TYPE"]] |= {one["DO.CATG"] for one in given if "DO.CATG" in one}
    for raw in {each["RAW.TYPE"] for each in given if "RAW.TYPE" in each}:
        for rule in rules.org_rules:
            if f'"{raw}"' in str(rule.condition):
                for product in products[rule.action]:
                    yield from ((raw, product, tag) for tag in tags[raw] | tags[""])


def left_out(folder: Path) -> set[str]:
    texts = [book.read_text() for book in sorted(folder.glob("*.oca"))]
    found = [match[1] for text in texts for match in LEFT_OUT.finditer(text)]
    return {name.replace("…", "*") for each in found for name in re.findall(r"[A-Z0-9…]*_[A-Z0-9_…]*", each)}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_book_knows_every_triple_of_the_list_or_says_that_it_does_not(folder: Path) -> None:
    mine = {triple for rules in books(folder) for triple in known(rules)}
    triples = {(row["rawType"], row["proCatg"], row["doClass"]) for row in of(folder)} - {("ANY",) * 3}
    unknown = triples - mine
    excused = left_out(folder)
    told = {triple for triple in unknown for name in triple for glob in excused if fnmatchcase(name, glob)}
    assert sorted(unknown - told) == []
    stale = {glob for glob in excused if not any(fnmatchcase(n, glob) for triple in unknown for n in triple)}
    assert sorted(stale) == [], "left out, but known or not in the list"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_our_breakpoints_are_those_of_the_list_that_the_books_know(folder: Path) -> None:
    """To 0.1 day. Ours may name more raw types and products at a time of the list, and no other times."""
    names = "rawType", "proCatg", "doClass"
    ours = json.loads((folder / "breakpoints.json").read_bytes())
    theirs = {(round(float(row["mjdObs"]), 1), *(row[name] for name in names)) for row in of(folder)}
    mine = {(round(float(row["mjdObs"]), 1), *(row[name] for name in names)) for row in ours}
    needed = {triple for rules in books(folder) for triple in known(rules)} | {("ANY",) * 3}
    assert sorted(row for row in theirs - mine if row[1:] in needed) == []
    times = {row[0] for row in theirs} | INFERRED.get(folder.name.upper(), set())
    assert {row[0] for row in mine} <= times
