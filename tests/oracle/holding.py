"""The service's answer and the oracle's as plain lines that can be held against each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import naive_cascade as naive

from app import tree


def service_lines(node: tree.Node) -> list[str]:
    """Every group with its slots once, parents first: what each says of itself and what it chose."""
    return list(_lines(node, set(), _service_slots))


def oracle_lines(node: naive.Node) -> list[str]:
    return list(_lines(node, set(), _oracle_slots))


def _lines(node: Any, told: set[str], slots_of: Any) -> Iterator[str]:
    head = (
        f"{node.kind} {node.action} {node.category}: {' '.join(_names(node))}"
        f" certified={node.certified} complete={node.complete}"
    )
    if head in told:
        return
    told.add(head)
    yield head
    below = []
    for label, limits, chosen in slots_of(node):
        yield f"  {node.action} {_names(node)[0]} / {label} {limits}"
        for each, category, match, days in chosen:
            when = "" if days is None else f" {days:+.6f} d"
            yield f"    {each.action} {_names(each)[0]} {category} {match}{when}"
            below.append(each)
    for each in below:
        yield from _lines(each, told, slots_of)


def _names(node: Any) -> list[str]:
    return [each if isinstance(each, str) else each.dp_id for each in node.files]


def _service_slots(node: tree.Node) -> Iterator[tuple[str, str, list[tuple[Any, ...]]]]:
    for slot in node.slots:
        yield (
            slot.label,
            f"{slot.minimum}..{slot.maximum} auxiliary={slot.auxiliary} own={slot.own}",
            [
                (
                    each.node,
                    each.product.category if each.product else "",
                    f"{each.match} {each.level}",
                    each.days,
                )
                for each in slot.chosen
            ],
        )


def _oracle_slots(node: naive.Node) -> Iterator[tuple[str, str, list[tuple[Any, ...]]]]:
    for slot in node.slots:
        yield (
            slot.label,
            f"{slot.minimum}..{slot.maximum} auxiliary={slot.auxiliary} own={slot.own}",
            list(slot.chosen),
        )
