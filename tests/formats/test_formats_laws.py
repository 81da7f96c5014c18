from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import TreeFormatError
from app.formats import jsontree, manifest, script, sof, votable, xml
from app.formats.names import fits_name, one_line
from app.tree import (
    Choice,
    File,
    Node,
    Product,
    RuleRef,
    Slot,
    Step,
    Tree,
    children,
    files,
    uncertified,
    walk,
)

NAMES = st.one_of(
    st.dates().map(lambda day: f"UVES.{day:%Y-%m-%d}T01:02:03.456"),
    st.dates().map(lambda day: f"M.UVES.{day:%Y-%m-%d}T01:02:03.456"),
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=1),
    st.sampled_from(["\"&<>'", "a\tb\r\nc", "$(touch x)", "a/../b", "-C", "%41"]),
)
TAGS = st.from_regex(r"[A-Z_]{1,40}", fullmatch=True)
MATCHES = st.sampled_from(["calib_plan", "N/A", "extended"])
RULE = RuleRef("generated.oca", 1)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Cascades whose nodes choose among the nodes before them, so that sub-cascades are shared.

    Every group has a recipe and is used through its product; files and auxiliaries have no children.
    """
    numbers = count()
    nodes: list[Node] = []
    for is_group in [*draw(st.lists(st.booleans(), max_size=7)), True]:
        stock = st.sampled_from(nodes) if is_group and nodes else st.nothing()
        slots = draw(st.lists(stock.flatmap(_slots), max_size=4)) if is_group and nodes else []
        made = draw(st.lists(st.builds(File, NAMES, TAGS), min_size=1, max_size=3))
        mjd = draw(st.none() | st.floats(50000, 60000))
        nodes.append(
            Node(
                draw(TAGS),
                (File(made[0].dp_id, made[0].category, mjd), *made[1:]),
                draw(st.booleans()),
                draw(st.booleans()),
                tuple(slots),
                tuple(draw(st.lists(NAMES, max_size=2))),
                "group" if is_group else "file",
                step=Step("recipe") if is_group else None,
                products=(Product("P", "P", f"%%{next(numbers)}.fits"),) if is_group else (),
            )
        )
    root = nodes[-1]
    mode = draw(st.sampled_from(["Raw2Raw", "Raw2Master"]))
    return Tree(root.files[0].dp_id, "Raw2Raw", mode, root)  # type: ignore[arg-type]


def _slots(node: Node) -> st.SearchStrategy[Slot]:
    product = node.products[0] if node.products else None
    auxiliary = st.booleans() if node.kind == "file" else st.just(False)
    return st.builds(
        lambda match, aux: Slot("LABEL", RULE, 1, 1, aux, (Choice(node, product, match, None),)),
        MATCHES,
        auxiliary,
    )


def _shape(node: Node, match: str = "", auxiliary: bool = False) -> list[Any]:
    """What CalSelector shows of a node; an auxiliary one is shown once for each of its files."""
    below = [each for child in children(node) for each in _shape(child.node, child.match, child.auxiliary)]
    if auxiliary:
        return [
            (node.category, [(f.category, f.dp_id)], False, True, node.messages, "N/A", True, below)
            for f in node.files
        ]
    named = [(f.category, f.dp_id) for f in node.files]
    return [(node.category, named, node.certified, node.complete, node.messages, match, False, below)]


class _IndentPrinter:
    """Xerces' printer step by step: words collect in a line, and each blank asks whether to wrap."""

    def __init__(self) -> None:
        self.out, self.line, self.word = "", "", ""
        self.now = self.next = 0

    def _flush(self) -> None:
        if self.line:
            self.out += " " * min(self.now, 36) + self.line
            self.now, self.line = self.next, ""
        self.out += "\n"

    def _join(self) -> None:
        self.line, self.word = (f"{self.line} {self.word}" if self.line else self.word), ""

    def blank(self) -> None:
        if self.now + len(self.line) + (1 if self.line else 0) + len(self.word) > 72:
            self._flush()
        self._join()

    def end_line(self) -> None:
        if self.word:
            self._join()
        self._flush()

    def element(self, element: ElementTree.Element) -> None:
        self.word += f"<{element.tag}"
        self.next += 4
        for name, value in sorted(element.items()):
            self.blank()
            for char, escaped in (("&", "&amp;"), ("<", "&lt;"), ('"', "&quot;")):
                value = value.replace(char, escaped)
            for char in "\t\n\r":
                value = value.replace(char, f"&#x{ord(char):x};")
            self.word += f'{name}="{value}"'
        if len(element) == 0:
            self.next -= 4
            self.word += "/>"
            return
        self.word += ">"
        for child in element:
            self.end_line()
            self.element(child)
        self.next -= 4
        self.end_line()
        self.word += f"</{element.tag}>"


@given(trees())
def test_parse_gives_back_all_that_write_showed(tree: Tree):
    parsed = xml.parse(xml.write(tree))
    assert parsed.mode == tree.mode
    assert _shape(parsed.root) == _shape(tree.root)


@given(trees())
def test_written_parsed_and_written_again_is_the_same_text(tree: Tree):
    assert xml.write(xml.parse(xml.write(tree))) == xml.write(tree)


@given(trees())
def test_the_layout_is_that_of_xerces_indent_printer(tree: Tree):
    written = xml.write(tree).decode()
    printer = _IndentPrinter()
    printer.element(ElementTree.fromstring(written))
    printer.end_line()
    assert written == '<?xml version="1.0" encoding="UTF-8"?>\n' + printer.out


def test_the_layout_is_that_of_xerces_also_where_the_cascade_is_very_deep():
    node = Node("BIAS", (File("A", "BIAS"),), True, True, messages=("deep",))
    for depth in range(12):
        slot = Slot("X", RULE, 1, 1, False, (Choice(node, None, "calib_plan", None),))
        node = Node(f"LEVEL_{depth}", (File(f"F{depth}", "TAG"),), True, True, (slot,))
    written = xml.write(Tree("F11", "Raw2Raw", "Raw2Raw", node)).decode()
    printer = _IndentPrinter()
    printer.element(ElementTree.fromstring(written))
    printer.end_line()
    assert written.partition("\n")[2] == printer.out
    assert max(len(line) - len(line.lstrip()) for line in written.splitlines()) == 36


@given(trees())
def test_all_formats_agree_on_the_set_of_files(tree: Tree):
    wanted = {file.dp_id for file in files(tree.root)}
    assert {file.dp_id for file in files(xml.parse(xml.write(tree)).root)} == wanted
    assert set(_json_names(json.loads(jsontree.write(tree))["tree"])) == wanted
    downloads = [unquote(words[1]) for words in _calls(script.write(tree))]
    assert len(downloads) == len(set(downloads)), "each file is downloaded once"
    assert set(downloads) == wanted
    rows = csv.DictReader(io.StringIO(manifest.write(tree).decode(), newline=""))
    assert sorted(row["dp_id"] for row in rows) == sorted(wanted)
    cells = list(ElementTree.fromstring(votable.write(tree)).iter("{http://www.ivoa.net/xml/VOTable/v1.3}TR"))
    assert sorted(unquote(cell[1].text.rpartition("/")[2]) for cell in cells[:-1]) == sorted(wanted)
    products = {product.name for node in walk(tree.root) for product in node.products}
    assert set(_sof_names(tree)) - products == {fits_name(name) for name in wanted}


@given(trees())
def test_csv_script_and_sof_name_the_calibrations_that_are_not_certified(tree: Tree):
    wanted = set(uncertified(tree.root))
    rows = csv.DictReader(io.StringIO(manifest.write(tree).decode(), newline=""))
    flags = {row["dp_id"]: row["certified"] for row in rows}
    assert {name for name in wanted if flags[name] != "false"} <= {tree.dp_id}
    lines = script.write(tree).decode().split("\n")
    assert [line for line in lines if line.startswith("# not certified: ")] == [
        f"# {one_line(f'not certified: {dp_id}')}" for dp_id in uncertified(tree.root)
    ]
    told = {note for step in sof.steps(tree) for note in step.notes if note.startswith("not certified: ")}
    reduced = {
        (slot.label, choice.node.files[0].dp_id)
        for node in walk(tree.root)
        if node.step is not None
        for slot in node.slots
        if not (slot.auxiliary or slot.own)
        for choice in slot.chosen
        if not choice.node.certified
    }
    assert told == {f"not certified: {label} {dp_id}" for label, dp_id in reduced}
    assert {dp_id for _, dp_id in reduced} <= wanted


def _json_names(node: dict[str, Any]) -> Iterator[str]:
    yield from (file["dp_id"] for file in node["files"])
    for child in node["children"]:
        yield from _json_names(child)


def _calls(written: bytes) -> list[list[str]]:
    lines = written.decode().split("\n")
    return [shlex.split(line) for line in lines if line.startswith("get ")]


def _sof_names(tree: Tree) -> Iterator[str]:
    for step in sof.steps(tree):
        yield from (line.split()[0] for line in step.lines)
        yield from (note.split()[-1] for note in step.notes if note.startswith("auxiliary"))


@given(trees())
def test_every_step_comes_once_and_after_those_that_make_its_input(tree: Tree):
    made: set[str] = set()
    steps = sof.steps(tree)
    for step in steps:
        assert {line.split()[0] for line in step.lines if line.startswith("%%")} <= made
        new = {note.split()[-1] for note in step.notes if note.startswith("save")}
        assert not new & made
        made |= new
    assert len({step.name for step in steps}) == len(steps)


@given(trees())
def test_each_choice_in_json_points_at_its_child(tree: Tree):
    stack = [json.loads(jsontree.write(tree))["tree"]]
    while stack:
        node = stack.pop()
        stack += node["children"]
        chosen = [choice for slot in node["slots"] for choice in slot["chosen"]]
        assert {choice["child"] for choice in chosen} == set(range(len(node["children"])))
        for choice in chosen:
            assert node["children"][choice["child"]]["files"][0]["dp_id"] == choice["name"]


@pytest.mark.parametrize("char", ["\x00", "\x1b", "\ufffe", "\ud800"])
def test_a_name_that_xml_cannot_hold_is_refused_with_its_character(char: str):
    node = Node("BIAS", (File(f"A{char}", "BIAS"),), True, True)
    with pytest.raises(TreeFormatError, match=f"U\\+{ord(char):04X}"):
        xml.write(Tree("A", "Raw2Raw", "Raw2Raw", node))
