"""A graph in layers for a drawing (Sugiyama, Tagawa and Toda 1981): the same graph always looks the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

Edge: TypeAlias = tuple[int, int]

_SWEEPS: Final = 12


def parts(edges: Sequence[Edge]) -> list[list[Edge]]:
    """The edges of each part that hangs together, the part of the lowest vertex first."""
    found: list[tuple[set[int], list[Edge]]] = []
    for edge in edges:
        touched = [part for part in found if not part[0].isdisjoint(edge)]
        found = [part for part in found if part not in touched]
        joined = [each for _, some in touched for each in some]
        found.append((set(edge).union(*(ends for ends, _ in touched)), [*joined, edge]))
    return [some for _, some in sorted(found, key=lambda part: min(part[0]))]


def layered(edges: Sequence[Edge]) -> tuple[list[list[int]], dict[Edge, list[int]]]:
    """The layers of one part, each in order, and of each edge over several layers its points in between.

    Vertices are numbers from 0; points have numbers below 0. An edge that closes a circle has no points.
    """
    forward, order = _forward(edges)
    rank = _ranks(forward, order)
    layers: list[list[int]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for vertex in sorted(rank):
        layers[rank[vertex]].append(vertex)
    ways: dict[Edge, list[int]] = {}
    pairs: list[list[Edge]] = [[] for _ in layers]  # between a layer and the next
    points = 0
    for start, end in forward:
        between = range(rank[start] + 1, rank[end])
        ways[start, end] = [~number for number in range(points, points + len(between))]
        points += len(between)
        for layer, point in zip(between, ways[start, end], strict=True):
            layers[layer].append(point)
        chain = [start, *ways[start, end], end]
        for step, pair in enumerate(pairwise(chain)):
            pairs[rank[start] + step].append(pair)
    return _untangled(layers, pairs), ways


def _forward(edges: Sequence[Edge]) -> tuple[list[Edge], list[int]]:
    """The edges without those that close a circle; the vertices, each after all that it leads to."""
    after: dict[int, list[int]] = {}
    for start, end in edges:
        after.setdefault(start, []).append(end)
        after.setdefault(end, [])
    left: dict[int, bool] = {}
    order: list[int] = []
    forward: list[Edge] = []

    def visit(vertex: int) -> None:
        left[vertex] = False
        for end in after[vertex]:
            if end not in left:
                visit(end)
            if left[end]:
                forward.append((vertex, end))
        left[vertex] = True
        order.append(vertex)

    for vertex in sorted(after):
        if vertex not in left:
            visit(vertex)
    return sorted(forward), order


def _ranks(forward: Sequence[Edge], order: Sequence[int]) -> dict[int, int]:
    """As far left as can be, but what needs nothing stands right before the first that needs it."""
    rank = dict.fromkeys(order, 0)
    for vertex in reversed(order):
        for start, end in forward:
            if start == vertex:
                rank[end] = max(rank[end], rank[start] + 1)
    for vertex in {start for start, _ in forward} - {end for _, end in forward}:
        rank[vertex] = min(rank[end] for start, end in forward if start == vertex) - 1
    return rank


def _untangled(layers: list[list[int]], pairs: Sequence[Sequence[Edge]]) -> list[list[int]]:
    """Each vertex at the mean of its neighbours in the layer before, then after; the best of all sweeps."""
    best, least = [list(layer) for layer in layers], _crossings(layers, pairs)
    for sweep in range(_SWEEPS):
        numbers = range(1, len(layers)) if sweep % 2 == 0 else range(len(layers) - 2, -1, -1)
        for number in numbers:
            back = sweep % 2 == 0
            fixed = layers[number - 1] if back else layers[number + 1]
            joins = [(b, a) for a, b in pairs[number - 1]] if back else pairs[number]
            layers[number] = _by_neighbours(layers[number], fixed, joins)
        if (found := _crossings(layers, pairs)) < least:
            best, least = [list(layer) for layer in layers], found
    return best


def _by_neighbours(layer: Sequence[int], fixed: Sequence[int], joins: Sequence[Edge]) -> list[int]:
    place = {vertex: n / max(1, len(fixed) - 1) for n, vertex in enumerate(fixed)}
    wish: Mapping[int, list[float]] = {vertex: [] for vertex in layer}
    for vertex, other in joins:
        wish[vertex].append(place[other])
    now = {vertex: n / max(1, len(layer) - 1) for n, vertex in enumerate(layer)}
    means = {vertex: sum(own) / len(own) if own else now[vertex] for vertex, own in wish.items()}
    return sorted(layer, key=means.__getitem__)


def _crossings(layers: Sequence[Sequence[int]], pairs: Sequence[Sequence[Edge]]) -> int:
    place = {vertex: n for layer in layers for n, vertex in enumerate(layer)}
    count = 0
    for some in pairs:
        ends = sorted((place[a], place[b]) for a, b in some)
        count += sum(b > d for n, (_, b) in enumerate(ends) for _, d in ends[n + 1 :])
    return count
