"""The pages that rulebooks write themselves: what is covered, from where, and how far it is proven."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.classify import classified
from app.craft.cascade import Column, cascade
from app.craft.places import comment
from app.craft.tables import read_expected, read_pool
from app.craft.trials import EXPECTED, POOL
from app.errors import RuleError
from app.organise import time_of
from app.rulebook import Library, Rulebook, load_library, night_of

RECIPES: Final = "recipes.txt"
_BEGIN: Final = "<!-- made by `calsel rules pages` from here -->"
_END: Final = "<!-- to here -->"
_SOURCE: Final = re.compile(r"^//   (\S+(?: \S+)*?)  +\S")


@dataclass(frozen=True, slots=True)
class Proof:
    """A simulated chain: the frame that is asked for, its mode, the recipes that ran."""

    name: str
    science: str
    raw_type: str
    recipes: frozenset[str]


def write_pages(readme: str, rules: Path, proofs: Sequence[Proof]) -> str:
    """The README of a rules folder with its coverage made anew. Raises RuleError where its marks are not."""
    before, begin, rest = readme.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise RuleError(f"{rules / 'README.md'}: there must be a line {_BEGIN} and a line {_END}")
    library = load_library(rules)
    tables = "\n".join([*_matrix(library, rules, proofs), "", *_sources(library)])
    return f"{before}{_BEGIN}\n\n{tables}\n\n{_END}{after}"


def _matrix(library: Library, rules: Path, proofs: Sequence[Proof]) -> Iterator[str]:
    packaged = read_recipes(rules / RECIPES)
    rows = _rows(library, rules)
    yield "| version | mode | Raw2Raw | Raw2Master | recipes packaged | chain proven |"
    yield "|---|---|---|---|---|---|"
    for book in library.books:
        columns = cascade(book).columns
        offered = [column for column in columns if column.offered]
        times = Counter(column.raw_type for column in offered)
        for column in offered:
            mode = column.raw_type if times[column.raw_type] == 1 else f"{column.raw_type} ({column.action})"
            counts = [rows[book.name, column.raw_type, kind] for kind in ("Raw2Raw", "Raw2Master")]
            needed = _recipes(book, column)
            missing = sorted(needed - packaged)
            told = "all" if not missing else f"{len(needed) - len(missing)} of {len(needed)}"
            proven = ", ".join(p.name for p in proofs if _proves(p, library, book, column))
            cells = (
                book.name,
                mode,
                *(f"{n} rows" if n else "–" for n in counts),
                told,
                proven or "–",
            )
            yield f"| {' | '.join(cells)} |"


def _rows(library: Library, rules: Path) -> Counter[tuple[str, str, str]]:
    """How many rows of the tables ask for what: (version, RAW.TYPE, mode)."""
    found: Counter[tuple[str, str, str]] = Counter()
    for table in sorted(rules.glob(f"*/{EXPECTED}")):
        frames = {frame.dp_id: frame for frame in read_pool(table.parent / POOL)}
        for case in read_expected(table):
            frame = frames.get(case.dp_id)
            mjd = None if frame is None else time_of(frame.header.to_dict())
            if frame is None or mjd is None:
                raise RuleError(f"{case.where}: {case.dp_id} is not in the pool, or has no time")
            versions = [
                book for book in library.of(str(frame.header.get("INSTRUME"))) if book.start <= night_of(mjd)
            ]
            if versions:
                found[versions[-1].name, classified(versions[-1], frame).raw_type, case.mode] += 1
    return found


def _recipes(book: Rulebook, column: Column) -> frozenset[str]:
    """The recipes of a mode's cascade: its own, and those of whatever makes what it asks for."""
    actions = [column.action]
    for name in actions:
        needed = [wanted.category for wanted in book.actions[name].wanted if wanted.maximum]
        actions += [m for each in needed for m in book.makers.get(each, ()) if m not in actions]
    steps = (book.actions[name].step for name in actions)
    return frozenset(step.recipe for step in steps if step)


def _proves(proof: Proof, library: Library, book: Rulebook, column: Column) -> bool:
    """The chain's frame is of this version's nights, is of this mode, and its action's recipe ran."""
    prefix, _, day = proof.science.partition(".")
    same = [each for each in library.books if each.instrument == book.instrument]
    last = max((each for each in same if _date(each) <= day[:10]), key=_date, default=None)
    # dp_ids begin with the instrument's own name, whatever INSTRUME says (NACO.…, NAOS+CONICA).
    return (
        prefix.lower() == book.instrument[: len(prefix)]
        and last is book
        and proof.raw_type == column.raw_type
        and column.recipe in proof.recipes
    )


def _date(book: Rulebook) -> str:
    return book.name.split(".")[1]


def _sources(library: Library) -> Iterator[str]:
    yield "| version | sources | associations | documented | in part | inferred | not said |"
    yield "|---|---|---|---|---|---|---|"
    for book in library.books:
        lines = book.text.splitlines()
        wanted = [each for action in book.actions.values() for each in action.wanted if each.maximum]
        said = Counter(_standing(comment(lines, each.ref.line)) for each in wanted)
        shares = (
            _share(said[word], len(wanted)) for word in ("documented", "in part", "inferred", "not said")
        )
        cells = (book.name, str(len(sources(lines))), str(len(wanted)), *shares)
        yield f"| {' | '.join(cells)} |"


def sources(lines: Iterable[str]) -> list[str]:
    """The sources that a book's head names, in the form `//   name  what it is`."""
    found: list[str] = []
    inside = False
    for line in lines:
        if not line.startswith("//"):
            break
        if inside and (match := _SOURCE.match(line)):
            found.append(match[1])
        elif inside and not line.startswith("//   "):
            inside = False
        inside = inside or line.startswith("// Sources")
    return found


def _standing(text: str) -> str:
    """What the comment of an association says of itself."""
    documented, inferred = (re.search(word, text, re.IGNORECASE) for word in ("documented", "inferred"))
    if documented and inferred:
        return "in part"
    return "documented" if documented else "inferred" if inferred else "not said"


def _share(count: int, of: int) -> str:
    return f"{100 * count / of:.0f} %" if of else "–"


def read_recipes(path: Path) -> frozenset[str]:
    """The recipes of a list `pipeline-version: recipe recipe …`; lines that begin with # do not count."""
    found = recipe_list(path.read_text(encoding="utf-8"))
    return frozenset(name for names in found.values() for name in names)


def recipe_list(text: str) -> Mapping[str, tuple[str, ...]]:
    """Pipelines and their recipes. Raises RuleError for a line without a colon."""
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            pipeline, colon, names = line.partition(":")
            if not colon:
                raise RuleError(f"{RECIPES}:{number}: want 'pipeline-version: recipe recipe …'")
            found[pipeline.strip()] = tuple(names.split())
    return found
