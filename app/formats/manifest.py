"""The files of one or more cascades as CSV (RFC 4180), each file once.

| column | what |
|---|---|
| `dp_id` | the file |
| `category` | the tag it has in a SOF (DO.CATG) |
| `role` | `science`: asked for; `sibling`: belongs to its dataset; `calibration`; `auxiliary`: for people; |
| | `unknown`: asked for, and not in the archive |
| `size_bytes`, `sha256` | empty where only the header is known |
| `access_url` | where the bytes are |
| `parent` | the first frame of the group that needs it, the first such group; empty for the science dataset |
| `match` | `calib_plan`, `extended` or `N/A` for that group, as in the XML |
| `certified` | `true` or `false` of a calibration; empty of science, its own steps, and auxiliary files |
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from app.formats.links import ESO, Links
from app.tree import Child, Node, Tree, children, walk

COLUMNS: Final = (
    "dp_id",
    "category",
    "role",
    "size_bytes",
    "sha256",
    "access_url",
    "parent",
    "match",
    "certified",
)


def write(tree: Tree, links: Links = ESO) -> bytes:
    """The manifest of one cascade, files in the order of the XML."""
    return b"".join(stream((tree,), (tree.dp_id,), links))


def stream(trees: Iterable[Tree], dp_ids: Collection[str], links: Links = ESO) -> Iterator[bytes]:
    """One manifest for the trees of these dp_ids, one chunk for each tree; what a file is said once."""
    asked, told = frozenset(dp_ids), set[str]()
    before: list[tuple[str, ...]] = [COLUMNS]
    for tree in trees:
        out = io.StringIO(newline="")
        csv.writer(out).writerows([*before, *_rows(tree, asked, told, links)])
        yield out.getvalue().encode()
        before = []


def _rows(tree: Tree, asked: frozenset[str], told: set[str], links: Links) -> Iterator[tuple[str, ...]]:
    parents: dict[int, tuple[Node, Child]] = {}
    main: set[int] = set()
    nodes = list(walk(tree.root))
    for node in nodes:
        for child in children(node):
            parents.setdefault(id(child.node), (node, child))
            if not child.auxiliary:
                main.add(id(child.node))
    flags = _certified(nodes)
    if not tree.root.files:
        yield (tree.dp_id, "", "unknown", *[""] * (len(COLUMNS) - 3))
    for node in nodes:
        parent, match, role = "", "", "sibling"
        if id(node) in parents:
            above, child = parents[id(node)]
            parent, match = above.files[0].dp_id, child.match
            role = "calibration" if id(node) in main else "auxiliary"
        for file in node.files:
            if file.dp_id not in told:
                told.add(file.dp_id)
                yield (
                    file.dp_id,
                    file.category,
                    "science" if file.dp_id in asked else role,
                    "" if file.size is None else str(file.size),
                    file.sha256 or "",
                    links.file(file.dp_id),
                    parent,
                    match,
                    "" if file.dp_id in asked else flags.get(file.dp_id, ""),
                )


def _certified(nodes: Iterable[Node]) -> dict[str, str]:
    """`true` or `false` of each file of a main calibration; of one in several groups false if any is so."""
    flags: dict[str, str] = {}
    for node in nodes:
        for slot in node.slots:
            for choice in () if slot.auxiliary or slot.own else slot.chosen:
                for file in choice.node.files:
                    if flags.get(file.dp_id) != "false":
                        flags[file.dp_id] = str(choice.node.certified).lower()
    return flags
