"""A book's cascade as a picture (SVG): raw types with their recipes, arrows to what needs their products."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final, TypeAlias

from app.craft.cascade import Cascade, Column
from app.layers import Edge, layered, parts

_Point: TypeAlias = tuple[float, float]

# Sizes in px.
_WIDTH: Final = 230
_LINE: Final = 13
_GAP: Final = (90, 24)
_LANE: Final = 9
_MARGIN: Final = 20
_TOP: Final = 60
_LEGEND: Final = "→ makes, ← needs besides; dashed: optional; yellow: a request may ask for it"
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
    heights = [_height(lines) for lines in texts]
    places, ways = _places(heights, list(arrows))
    width = max((x for x, _ in places), default=0) + _WIDTH + _MARGIN
    bottoms = [y + tall for (_, y), tall in zip(places, heights, strict=True)]
    height = max([_TOP, *bottoms, *(y for way in ways.values() for _, y in way)]) + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'width="{width:g}" height="{height:g}" role="img">',
            f"<title>{escape(cascade.title)}</title><style>{_STYLE}</style>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><polygon points="0,0 8,4 0,8" fill="#888"/></marker></defs>',
            f'<text class="head" x="{_MARGIN}" y="{_MARGIN}">{escape(cascade.title)}</text>',
            f'<text x="{_MARGIN}" y="{_MARGIN + _LINE}">{_LEGEND}</text>',
            *(_arrow(places[a], places[b], ways.get((a, b), ()), told) for (a, b), told in arrows.items()),
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


def _height(lines: Sequence[str]) -> int:
    return (len(lines) + 1) * _LINE + 10


def _places(heights: Sequence[float], edges: Sequence[Edge]) -> tuple[list[_Point], dict[Edge, list[_Point]]]:
    """The upper left corners of the boxes, and for arrows that pass by others the points where they do.

    What is made first is on the left. Each layer is packed and stands in the middle of what hangs together.
    """
    spots: dict[int, _Point] = {}
    ways: dict[Edge, list[_Point]] = {}
    top: float = _TOP
    for part in parts(edges):
        layers, points = layered(part)
        here: dict[int, _Point] = {}
        tall = max(sum(_room(n, heights) for n in layer) for layer in layers)
        for rank, layer in enumerate(layers):
            y = top + (tall - sum(_room(n, heights) for n in layer)) / 2
            for n in layer:
                here[n] = _MARGIN + rank * (_WIDTH + _GAP[0]), y
                y += _room(n, heights)
        ways |= {edge: [here[n] for n in way] for edge, way in points.items()}
        spots |= here
        top += tall
    for number, height in enumerate(heights):
        if number not in spots:  # what neither needs nor serves another stands below
            spots[number] = _MARGIN, top
            top += height + _GAP[1]
    return [spots[number] for number in range(len(heights))], ways


def _room(number: int, heights: Sequence[float]) -> float:
    return _LANE if number < 0 else heights[number] + _GAP[1]


def _arrow(start: _Point, end: _Point, way: Sequence[_Point], told: Sequence[tuple[str, bool]]) -> str:
    x, y = start[0] + _WIDTH, start[1] + 20
    curve = f"M{x:g},{y:g}"
    for left, level in (*way, (end[0], end[1] + 20)):
        half = (x + left) / 2
        curve += f" C{half:g},{y:g} {half:g},{level:g} {left:g},{level:g}"
        x, y = left + _WIDTH, level
        curve += f" H{x:g}" if (left, level) in way else ""
    look = "" if any(needed for _, needed in told) else ' class="maybe"'
    title = escape("\n".join(text for text, _ in told))
    return f'<path{look} d="{curve}"><title>{title}</title></path>'


def _box(column: Column, lines: Sequence[str], place: _Point) -> str:
    x, y = place
    texts = "".join(
        f'<text x="{x + 8:g}" y="{y + 16 + _LINE * n:g}">{escape(_short(line))}</text>'
        for n, line in enumerate(lines, 1)
    )
    title = escape("\n".join([column.raw_type, column.action, *lines]))
    return (
        f'<g class="{"offered" if column.offered else "needed"}"><title>{title}</title>'
        f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_height(lines)}"/>'
        f'<text class="head" x="{x + 8:g}" y="{y + 16:g}"{_squeezed(column.raw_type)}>'
        f"{escape(column.raw_type)}</text>{texts}</g>"
    )


def _squeezed(name: str) -> str:
    """Long names are made to fit their box; how wide a letter is depends on the font that is there."""
    return f' textLength="{_WIDTH - 16}" lengthAdjust="spacingAndGlyphs"' if len(name) > 22 else ""


def _short(line: str) -> str:
    return line if len(line) <= 35 else f"{line[:34]}…"
