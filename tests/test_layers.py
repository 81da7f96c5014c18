"""Graphs in layers: what a drawing may rely on, for any graph."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.layers import Edge, layered, parts

ends = st.integers(0, 9)
graphs = st.lists(st.tuples(ends, ends).filter(lambda edge: edge[0] != edge[1]), min_size=1, unique=True)


@given(graphs)
def test_each_part_hangs_together_and_shares_nothing_with_another(edges: list[Edge]) -> None:
    found = parts(edges)
    assert sorted(edge for part in found for edge in part) == sorted(edges)
    vertices = [{end for edge in part for end in edge} for part in found]
    assert sum(map(len, vertices)) == len(set().union(*vertices))
    for part, all_of_it in zip(found, vertices, strict=True):
        reached = {part[0][0]}
        for _ in part:
            reached |= {end for edge in part if reached & set(edge) for end in edge}
        assert reached == all_of_it


@given(graphs)
def test_an_edge_leads_to_the_right_with_a_point_in_each_layer_between(edges: list[Edge]) -> None:
    for part in parts(edges):
        layers, ways = layered(part)
        rank = {vertex: number for number, layer in enumerate(layers) for vertex in layer}
        assert len(rank) == sum(map(len, layers)), "nothing stands twice"
        assert {end for edge in part for end in edge} == {vertex for vertex in rank if vertex >= 0}
        assert all(layers)
        for (start, end), way in ways.items():
            assert all(rank[b] == rank[a] + 1 for a, b in pairwise([start, *way, end]))
        assert {point for way in ways.values() for point in way} == {point for point in rank if point < 0}


@given(graphs)
def test_only_an_edge_that_closes_a_circle_has_no_way(edges: list[Edge]) -> None:
    for part in parts(edges):
        _, ways = layered(part)
        for start, end in set(part) - set(ways):
            reached = {end}
            for _ in part:
                reached |= {b for a, b in part if a in reached}
            assert start in reached


def test_arrows_that_need_not_cross_do_not() -> None:
    assert layered([(0, 3), (1, 2), (0, 5), (1, 4)])[0] == [[0, 1], [3, 5, 2, 4]]
