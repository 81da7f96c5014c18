"""A book's cascade as ESO's own maps show it: raw types across, calibrations down."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Final, Literal, TypeAlias

from app.oca.conditions import Clause
from app.oca.evaluate import EMPTY, Keywords
from app.oca.terms import And, Compare, Expr, Key, Like, Or, Text
from app.rulebook import Rulebook, Wanted, night_date
from app.rulebook.check import exposes
from app.rulebook.spans import ANY, Span, spans

Kind: TypeAlias = Literal["made", "static", "raw"]

_NAMES: Final = ("RAW.TYPE", "DO.CATG", "DO.CLASS", "REFLEX.CATG")
_STYLE: Final = (
    "body{font:14px sans-serif}table{border-collapse:collapse}th,td{border:1px solid #999;padding:.3em .5em;"
    "vertical-align:top}td{white-space:nowrap}thead th{background:#e8f1fa}.static{background:#eee}"
    ".raw{background:#fdf3d7}small{color:#555;font-weight:normal}"
)


@dataclass(frozen=True, slots=True)
class Column:
    """A raw type, and what is done with its groups; `offered` says that a request may ask for it."""

    raw_type: str
    action: str
    recipe: str
    products: tuple[str, ...]
    offered: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """An association: how many files, the windows of the plan and of the extended validity, days.

    A window that is not there is (-inf, inf).
    """

    minimum: int
    maximum: int
    plan: Span
    extended: Span
    own: bool
    line: int

    def __str__(self) -> str:
        words = [f"{self.minimum},{self.maximum}"]
        if self.own:
            return f"{words[0]} same frames"
        if self.plan != ANY:
            words.append(span(self.plan))
        if self.extended != ANY:
            words.append(f"({span(self.extended)})")
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Row:
    """A category of calibrations, who makes it, and its cell under each raw type that asks for it."""

    category: str
    kind: Kind
    makers: tuple[str, ...]
    cells: dict[Column, tuple[Cell, ...]]


@dataclass(frozen=True, slots=True)
class Cascade:
    """One version's map."""

    book: Rulebook
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """The version and its nights."""
        return f"{self.book.name}, from the night of {night_date(self.book.start)}"


LEGEND: Final = "min,max  plan in days (extended validity); 'before': not after the frames"


def cascade(book: Rulebook) -> Cascade:
    """The map of a book: raw types in the order of their rules; made calibrations, static files, raw ones."""
    columns = tuple(dict.fromkeys(_columns(book)))
    rows: dict[tuple[str, Kind], dict[Column, tuple[Cell, ...]]] = {}
    for column in columns:
        for wanted in book.actions[column.action].wanted:
            if wanted.maximum:
                kind: Kind = "raw" if wanted.wide.side == "raw" else "static"
                kind = "made" if kind == "static" and book.made(wanted.category) else kind
                cells = rows.setdefault((wanted.category, kind), {})
                cells[column] = (*cells.get(column, ()), _cell(wanted))
    order = ("made", "static", "raw")
    ordered = sorted(rows, key=lambda row: order.index(row[1]))
    return Cascade(
        book,
        columns,
        tuple(Row(name, kind, book.makers.get(name, ()), rows[name, kind]) for name, kind in ordered),
    )


def _columns(book: Rulebook) -> Iterator[Column]:
    for rule, org in zip(book.rules.org_rules, book.org_rules, strict=True):
        action = book.actions[org.action]
        demands = list(_demands(rule.condition))
        named = [value for name in _NAMES for key, value in demands if key == name]
        raw_type = named[0] if named else org.action
        yield Column(
            raw_type,
            action.name,
            action.step.recipe if action.step else "",
            tuple(dict.fromkeys(each.category or "?" for each in action.promises)),
            bool(action.promises) and raw_type in _offered(book),
        )


def _offered(book: Rulebook) -> set[str]:
    """The categories that say EXPOSE_TO_CALSELECTOR = T, and those that later rules make of them."""
    found: set[str] = set()
    for rule in book.rules.class_rules:
        texts = {assign.value.value for assign in rule.assigns if isinstance(assign.value, Text)}
        told = exposes(rule)
        if told is None:
            told = any(key in _NAMES and value in found for key, value in _demands(rule.condition))
        if told:
            found |= texts
    return found


def _demands(condition: Expr) -> Iterator[tuple[str, str]]:
    """(keyword, text) of the equalities that a condition demands."""
    match condition:
        case Compare("==", Key(name), Text(value)) | Compare("==", Text(value), Key(name)):
            yield name, value
        case Like(Key(name), Text(value)):
            yield name, value
        case And(terms) | Or(terms):
            for term in terms:
                yield from _demands(term)
        case _:
            pass


def _cell(wanted: Wanted) -> Cell:
    plan, extended = spans(wanted.condition)
    if extended == ANY and any(map(_only_before, wanted.condition.clauses)):
        extended = (-math.inf, 0.0)
    return Cell(
        wanted.minimum,
        wanted.maximum,
        plan,
        extended,
        wanted.own,
        wanted.ref.line,
    )


def _only_before(clause: Clause) -> bool:
    """`MJD-OBS < inputFile.MJD-OBS or MJD-OBS is undefined`, as static files have it."""
    if "MJD-OBS" not in clause.text:
        return False
    here: Keywords = {"MJD-OBS": 0.0}
    earlier, later = (clause.test({"MJD-OBS": day}, here, EMPTY) for day in (-1.0, 1.0))
    return earlier and not later


def span(days: Span) -> str:
    """`±7`, `-3..+1`, `before`."""
    low, high = days
    if low == -math.inf and high == 0:
        return "before"
    if low == -high:
        return f"±{high:g}"
    ends = ("" if math.isinf(end) else f"{end:+g}" for end in days)
    return "..".join(ends)


def as_text(found: Cascade, width: int) -> str:
    """The map in plain letters, in blocks of raw types that are no wider than `width`."""
    first = max((len(row.category) for row in found.rows), default=0)
    blocks: list[list[Column]] = []
    room = 0
    for column in found.columns:
        wide = _width(found, column) + 2
        if not blocks or room < wide:
            blocks.append([])
            room = width - first
        blocks[-1].append(column)
        room -= wide
    lines = [found.title, LEGEND]
    for block in blocks:
        rows = [row for row in found.rows if any(column in row.cells for column in block)]
        table = [
            ["", *(f"{'* ' if column.offered else ''}{column.raw_type}" for column in block)],
            ["recipe", *(column.recipe or "-" for column in block)],
            *([row.category, *(_told(row, column) for column in block)] for row in rows),
        ]
        widths = [max(first, 6), *(_width(found, column) for column in block)]
        lines.append("")
        lines += ["  ".join(map(str.ljust, cells, widths)).rstrip() for cells in table]
    return "\n".join([*lines, "", "* is offered to requests; rows: made, static, raw", ""])


def _width(found: Cascade, column: Column) -> int:
    cells = (len(_told(row, column)) for row in found.rows)
    return max(len(column.raw_type) + 2, len(column.recipe), *cells, 0)


def _told(row: Row, column: Column) -> str:
    return " | ".join(map(str, row.cells.get(column, ())))


def as_html(found: Cascade) -> str:
    """The map as a page; the tooltip of a cell names its line."""
    heads = "".join(
        f'<th title="{escape(column.action)}">{escape(column.raw_type)}{" *" if column.offered else ""}<br>'
        f"<small>{escape(column.recipe or 'no recipe')}<br>"
        f"{escape(', '.join(column.products) or 'no product')}</small></th>"
        for column in found.columns
    )
    rows = "".join(
        f'<tr class="{row.kind}"><th title="{escape(", ".join(row.makers) or row.kind)}">'
        f"{escape(row.category)}</th>"
        + "".join(_html_cell(found.book.name, row.cells.get(column, ())) for column in found.columns)
        + "</tr>\n"
        for row in found.rows
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(found.title)}</title>\n'
        f"<style>{_STYLE}</style></head><body><h1>{escape(found.title)}</h1>\n<p>{escape(LEGEND)}; "
        f"* is offered to requests.</p>\n<table><thead><tr><th></th>{heads}</tr></thead><tbody>\n"
        f"{rows}</tbody></table></body></html>\n"
    )


def _html_cell(book: str, cells: tuple[Cell, ...]) -> str:
    lines = ", ".join(f"{book}:{cell.line}" for cell in cells)
    return f'<td title="{escape(lines)}">{"<br>".join(escape(str(cell)) for cell in cells)}</td>'
