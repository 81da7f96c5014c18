"""A chain as a picture (SVG): raw frames on the left, the product on the right, recipe runs between."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Literal, TypeAlias

from app.formats.links import Links
from app.formats.names import one_line
from app.layers import layered, parts
from app.provenance.chain import Chain, File, Run

_Look: TypeAlias = Literal["raw", "product", "elsewhere", "run", "asked"]
_Point: TypeAlias = tuple[float, float]

# Sizes in px.
_WIDTH: Final = 300
_HEIGHT: Final = 76
_GAP: Final = (70, 18)
_MARGIN: Final = 20
_LETTERS: Final = 44  # of the small type fit into a box
_FORBIDDEN: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STYLE: Final = """
text { font: 10px 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #222 }
text.head { font: bold 12px 'DejaVu Sans', Helvetica, Arial, sans-serif }
text.note { font-style: italic; fill: #a03000 }
rect { stroke: #555; fill: #fff }
.raw rect { fill: #e8f1fa } .product rect { fill: #fdf3d7 } .asked rect { fill: #ffd98a; stroke-width: 2 }
.run rect { fill: #e5f3e2; rx: 14px } .elsewhere rect { stroke-dasharray: 4 3 }
path.edge { fill: none; stroke: #888; stroke-width: 1.2; marker-end: url(#tip) }
"""


@dataclass(frozen=True, slots=True)
class _Box:
    """A box: how it looks, its head, up to four lines, and all that it stands for (its tooltip)."""

    look: _Look
    head: str
    lines: tuple[str, ...]
    whole: str
    note: str = ""


def write(chain: Chain, _links: Links) -> bytes:
    """The drawing. Files of one kind that the same runs took under the same tags share a box."""
    boxes, edges = _graph(chain)
    places, ways = _layout(len(boxes), edges)
    width = max(x for x, _ in places) + _WIDTH + _MARGIN
    height = max(y for _, y in places) + _HEIGHT + _MARGIN
    title = escape(_plain(f"Provenance of {chain.dp_id}"))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#888"/></marker></defs>',
        '<rect width="100%" height="100%" style="stroke: none"/>',
        *(f'<path class="edge" d="{_curve(way)}"/>' for way in ways),
        *(_drawn(box, place) for box, place in zip(boxes, places, strict=True)),
        "</svg>\n",
    ]
    return "\n".join(parts).encode()


def _graph(chain: Chain) -> tuple[list[_Box], list[tuple[int, int]]]:
    """The boxes, and the arrows between them by number; each arrow once."""
    boxes: list[_Box] = []
    number_of: dict[str, int] = {}
    for files in _alike(chain):
        number_of |= dict.fromkeys((file.id for file in files), len(boxes))
        boxes.append(_file_box(files, chain))
    edges: dict[tuple[int, int], None] = {}
    later = {output.file for run in chain.runs for output in run.outputs}
    for run in chain.runs:
        number = len(boxes)
        boxes.append(_run_box(run))
        makes = {output.file for output in run.outputs}
        for use in run.inputs:
            if use.file not in later:  # else headers contradict each other, as the run's box says
                edges[number_of[use.file], number] = None
        edges |= dict.fromkeys((number, number_of[file]) for file in sorted(makes))
        later -= makes
    return boxes, list(edges)


def _alike(chain: Chain) -> list[list[File]]:
    """Files that the same runs took under the same tags, products apart."""
    users: dict[str, list[tuple[str, str]]] = {name: [] for name in chain.files}
    made = {output.file for run in chain.runs for output in run.outputs}
    for run in chain.runs:
        for use in run.inputs:
            users[use.file].append((run.id, use.tag))
    found: dict[object, list[File]] = {}
    for name, file in chain.files.items():
        alone = name in made or name == chain.dp_id
        found.setdefault(name if alone else (file.kind, frozenset(users[name])), []).append(file)
    return list(found.values())


def _file_box(files: Sequence[File], chain: Chain) -> _Box:
    first = files[0]
    tags = dict.fromkeys(
        use.tag for run in chain.runs for use in run.inputs if use.file == first.id and use.tag
    )
    head = first.category or ", ".join(tags) or first.kind
    if len(files) > 1:
        lines = (f"{len(files)} files, {first.id}", f"to {files[-1].id}")
    else:
        lines = (first.id, f"SHA-256 {first.sha256[:16]}…" if first.sha256 else "")
    unknown = list(dict.fromkeys(what for file in files for what in file.unknown))
    whole = [f"{file.id}  {file.sha256}" if file.sha256 else file.id for file in files]
    look: _Look = "asked" if first.id == chain.dp_id else first.kind
    return _Box(look, head, lines, "\n".join([head, *whole, *unknown]), "; ".join(unknown))


def _run_box(run: Run) -> _Box:
    when = "" if run.begun is None else f"{run.begun:%Y-%m-%d %H:%M:%S}Z"
    took = "" if run.elapsed is None else f", {run.elapsed:.1f} s"
    where = f" on {run.host}" if run.host else ""
    parameters = " ".join(run.parameters)
    rules = f"rules {run.origin.rulebook} {run.origin.checksum[:8]}…" if run.origin else ""
    facts = (f"{run.pipeline}{where}", f"{when}{took}", parameters, rules)
    whole = [
        run.recipe,
        run.pipeline,
        *run.parameters,
        f"{when}{took}{where}",
        *([f"esorex {run.esorex}"] if run.esorex else []),
        *([str(run.origin)] if run.origin else []),
        *([f"key {run.key}"] if run.key else []),
        *run.unknown,
    ]
    return _Box("run", run.recipe, facts, "\n".join(filter(None, whole)), "; ".join(run.unknown))


def _layout(count: int, edges: Sequence[tuple[int, int]]) -> tuple[list[_Point], list[list[_Point]]]:
    """Where the boxes stand (their upper left corners), and the points that each arrow goes by.

    An arrow that crosses a layer has a place of its own there, so it meets no box. Layers go to the right;
    parts that do not hang together stand one below the other.
    """
    places: dict[int, _Point] = {}
    ways: list[list[_Point]] = []
    below = 0.0
    for part in parts(edges):
        layers, between = layered(part)
        tall = max(map(len, layers))
        here = {
            vertex: _corner(rank, below + (tall - len(layer)) / 2 + n)
            for rank, layer in enumerate(layers)
            for n, vertex in enumerate(layer)
        }
        places |= here
        ways += [
            _way([here[start], *(here[point] for point in points), here[end]])
            for (start, end), points in between.items()
        ]
        below += tall
    for number in range(count):
        if number not in places:
            places[number] = _corner(0, below)
            below += 1
    return [places[number] for number in range(count)], ways


def _corner(column: float, row: float) -> _Point:
    return _MARGIN + column * (_WIDTH + _GAP[0]), _MARGIN + row * (_HEIGHT + _GAP[1])


def _way(corners: Sequence[_Point]) -> list[_Point]:
    """From the right side of the first box to the left side of the last, straight through what is between."""
    middle = _HEIGHT / 2
    (x, y), *between, (last_x, last_y) = corners
    points = [(x + _WIDTH, y + middle)]
    for x, y in between:
        points += [(x, y + middle), (x + _WIDTH, y + middle)]
    return [*points, (last_x, last_y + middle)]


def _curve(points: Sequence[_Point]) -> str:
    """A line that leaves and arrives level."""
    drawn = [f"M{points[0][0]:g},{points[0][1]:g}"]
    for n, ((x0, y0), (x, y)) in enumerate(itertools.pairwise(points)):
        half = (x0 + x) / 2
        drawn.append(f"L{x:g},{y:g}" if n % 2 else f"C{half:g},{y0:g} {half:g},{y:g} {x:g},{y:g}")
    return " ".join(drawn)


def _drawn(box: _Box, place: _Point) -> str:
    x, y = place
    lines = [line for line in box.lines if line][: 3 if box.note else 4]
    texts = [
        f'<text class="head" x="{x + 10:g}" y="{y + 17:g}">{escape(_short(box.head, 38))}</text>',
        *(
            f'<text x="{x + 10:g}" y="{y + 31 + 12 * n:g}">{escape(_short(line, _LETTERS))}</text>'
            for n, line in enumerate(lines)
        ),
    ]
    if box.note:
        note = _plain(one_line(f"? {box.note}"))
        note = note if len(note) <= _LETTERS else f"{note[: _LETTERS - 1]}…"
        texts.append(
            f'<text class="note" x="{x + 10:g}" y="{y + 31 + 12 * len(lines):g}">{escape(note)}</text>'
        )
    rectangle = f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="3"/>'
    return f'<g class="{box.look}"><title>{escape(_plain(box.whole))}</title>{rectangle}{"".join(texts)}</g>'


def _short(text: str, length: int) -> str:
    """One line of at most so many letters; a longer one loses its middle, as dp_ids differ at the ends."""
    plain = _plain(one_line(text))
    if len(plain) <= length:
        return plain
    half = (length - 1) // 2
    return f"{plain[: length - 1 - half]}…{plain[-half:]}"


def _plain(text: str) -> str:
    """The text without what XML 1.0 cannot hold (2.2)."""
    return _FORBIDDEN.sub(" ", text)
