from __future__ import annotations

import csv
import io
from dataclasses import replace

from app.formats import links_of, manifest
from app.tree import File, Tree


def _rows(written: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written.decode(), newline="")))


def test_every_file_has_its_role(cascade: Tree):
    sibling = File("UVES.2012-03-04T03:00:00.000", "SCI_POINT_RED", 55991.125)
    root = replace(cascade.root, files=(*cascade.root.files, sibling))
    rows = _rows(manifest.write(replace(cascade, root=root)))
    roles = [(row["category"], row["role"]) for row in rows]
    assert roles[:5] == [
        ("SCI_POINT_RED", "science"),
        ("SCI_POINT_RED", "sibling"),
        ("LINE_REFER_TABLE", "calibration"),
        ("ACQ", "auxiliary"),
        ("FLAT_RED", "calibration"),
    ]


def test_the_parent_is_the_first_frame_of_the_first_group_that_needs_the_file(cascade: Tree):
    parents = {row["dp_id"]: row["parent"] for row in _rows(manifest.write(cascade))}
    assert parents.pop(cascade.dp_id) == ""
    assert set(parents.values()) == {cascade.dp_id}
    flat = cascade.root.slots[0]
    only = replace(cascade, root=replace(cascade.root, slots=(flat,)))
    parents = {row["category"]: row["parent"] for row in _rows(manifest.write(only))}
    assert parents["BIAS_RED"] == flat.chosen[0].node.files[0].dp_id


def test_two_cascades_are_one_manifest_with_each_file_once(cascade: Tree):
    other = replace(cascade, dp_id="B", root=replace(cascade.root, files=(File("B", "S"),)))
    links = links_of("http://here")
    rows = _rows(b"".join(manifest.stream((cascade, other), (cascade.dp_id, "B"), links)))
    alone = _rows(manifest.write(cascade, links))
    assert rows[:-1] == alone
    assert (rows[-1]["dp_id"], rows[-1]["role"]) == ("B", "science")
    assert rows[-1]["access_url"] == "http://here/dataPortal/file/B"


def test_a_frame_asked_for_is_science_also_where_it_is_met_as_a_sibling(cascade: Tree):
    sibling = File("UVES.2012-03-04T03:00:00.000", "SCI_POINT_RED", 55991.125)
    root = replace(cascade.root, files=(*cascade.root.files, sibling))
    both = (replace(cascade, root=root), replace(cascade, root=root, dp_id=sibling.dp_id))
    rows = _rows(b"".join(manifest.stream(both, [tree.dp_id for tree in both])))
    assert [row["role"] for row in rows[:2]] == ["science", "science"]
