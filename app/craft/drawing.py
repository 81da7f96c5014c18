"""A book's cascade as a picture (SVG): raw types with their recipes, arrows to what needs their products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final, TypeAlias

from fast_sugiyama import from_edges

from app.craft.cascade import Cascade, Column

_Point: TypeAlias = tuple[float, float]

# Sizes in px.
_WIDTH: Final = 230
_LINE: Final = 13
_GAP: Final = (90, 24)
_MARGIN: Final = 20
_STYLE: Final = """
text { font: 10px 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #222 }
text.head { font: bold 12px 'DejaVu Sans', Helvetica, Arial, sans-serif }
rect { stroke: #555; fill: #e8f1fa; rx: 3px } .offered rect { fill: #ffd98a; stroke-width: 2 }
path { fill: none; stroke: #888; stroke-width: 1.2; marker-end: url(#tip) }
path.maybe { stroke-dasharray: 5 4 }
"""


def as_svg(cascade: Cascade) -> str:
    """The graph of the raw types; a dashed arrow is optional. Static files stand in their users' boxes."""
    columns = cascade.columns
    arrows = _arrows(cascade)
    texts = [_lines(cascade, column) for column in columns]
    tall = max((len(lines) for lines in texts), default=1) * _LINE + 14
    places = _places(len(columns), list(arrows), tall)
    width = max((x for x, _ in places), default=0) + _WIDTH + _MARGIN
    height = max((y for _, y in places), default=0) + tall + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'width="{width:g}" height="{height:g}" role="img">',
            f"<title>{escape(cascade.title)}</title><style>{_STYLE}</style>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0,0 L8,4 L0,8 z" style="fill: #888; stroke: none"/></marker></defs>',
            *(_arrow(places[a], places[b], told) for (a, b), told in arrows.items()),
            *(_box(*each) for each in zip(columns, texts, places, strict=True)),
            "</svg>\n",
        ]
    )


def _arrows(cascade: Cascade) -> dict[tuple[int, int], list[tuple[str, bool]]]:
    """From maker to user by number: what is asked for, and whether it must be there."""
    found: dict[tuple[int, int], list[tuple[str, bool]]] = {}
    for row in cascade.rows:
        for maker, column in enumerate(cascade.columns):
            for user, asking in enumerate(cascade.columns):
                if column.action in row.makers and asking in row.cells and maker != user:
                    cells = row.cells[asking]
                    told = f"{row.category} {' | '.join(map(str, cells))}"
                    found.setdefault((maker, user), []).append((told, any(cell.minimum for cell in cells)))
    return found


def _lines(cascade: Cascade, column: Column) -> list[str]:
    others = [row.category for row in cascade.rows if row.kind != "made" and column in row.cells]
    made = [f"→ {name}" for name in column.products]
    return [column.recipe or "no recipe", *made, *(f"← {name}" for name in others)]


def _places(count: int, edges: Sequence[tuple[int, int]], tall: int) -> list[_Point]:
    """The upper left corners of the boxes: layers by Sugiyama's method, what is made first on the left."""
    spots: dict[int, _Point] = {}
    offset = 0.0
    for positions, breadth, _height, _segments in from_edges(edges, vertex_spacing=1) if edges else ():
        deepest = max(y for _, (_, y) in positions)
        spots |= {int(n): (deepest - y, offset + x) for n, (x, y) in positions}
        offset += breadth + 1
    columns = sorted({x for x, _ in spots.values()})
    for number in range(count):
        if number not in spots:  # what neither needs nor serves another stands below
            spots[number] = (0.0, offset)
            offset += 1
    rank: Mapping[float, int] = {x: n for n, x in enumerate(columns or [0.0])}
    return [
        (
            _MARGIN + rank.get(spots[number][0], 0) * (_WIDTH + _GAP[0]),
            _MARGIN + spots[number][1] * (tall + _GAP[1]),
        )
        for number in range(count)
    ]


def _arrow(start: _Point, end: _Point, told: Sequence[tuple[str, bool]]) -> str:
    x0, y0, x, y = start[0] + _WIDTH, start[1] + 20, end[0], end[1] + 20
    half = (x0 + x) / 2
    look = "" if any(needed for _, needed in told) else ' class="maybe"'
    title = escape("\n".join(text for text, _ in told))
    curve = f"M{x0:g},{y0:g} C{half:g},{y0:g} {half:g},{y:g} {x:g},{y:g}"
    return f'<path{look} d="{curve}"><title>{title}</title></path>'


def _box(column: Column, lines: Sequence[str], place: _Point) -> str:
    x, y = place
    texts = "".join(
        f'<text x="{x + 8:g}" y="{y + 16 + _LINE * n:g}">{escape(_short(line))}</text>'
        for n, line in enumerate(lines, 1)
    )
    height = (len(lines) + 1) * _LINE + 10
    title = escape("\n".join([column.raw_type, column.action, *lines]))
    return (
        f'<g class="{"offered" if column.offered else "needed"}"><title>{title}</title>'
        f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{height:g}"/>'
        f'<text class="head" x="{x + 8:g}" y="{y + 16:g}">{escape(_short(column.raw_type))}</text>{texts}</g>'
    )


def _short(line: str) -> str:
    return line if len(line) <= 35 else f"{line[:34]}…"
