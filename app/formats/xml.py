"""The association tree as CalSelector's XML, in its exact byte layout, and back.

CalSelector prints with Apache Xerces' `XMLSerializer(OutputFormat(indenting, indent 4, width 72))`.
Its IndentPrinter decides at every blank between two attributes whether the word before it still
fits; the last attribute is followed by no blank and therefore never moves to a new line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal, TypeAlias
from xml.etree import ElementTree

from app.errors import TreeFormatError
from app.tree import NOT_APPLICABLE, Child, Choice, File, Mode, Node, RuleRef, Slot, Tree, children

_WIDTH: Final = 72
_INDENT: Final = 4
_DEPTH: Final = 2 * _INDENT  # an association lies two elements below its parent's
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'

# Xerces escapes these in attribute values; '>' and the apostrophe stay.
_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xa;", "\r": "&#xd;"}
)
_SPECIAL: Final = re.compile(r'[&<"\x00-\x1f\ud800-\udfff\ufffe\uffff]')
_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def write(tree: Tree) -> bytes:
    """The tree in UTF-8; every sub-cascade is repeated in full wherever it is needed.

    Raises TreeFormatError for a character that XML 1.0 cannot hold.
    """
    out = [_HEAD]
    _association(out, _Written(tree.root, tree.root.files, f'mode="{tree.mode}"', False), 0)
    return "".join(out).encode()


class _Written:
    """One `<association>` element: a node as its parent lists it."""

    __slots__ = ("auxiliary", "files", "label", "node")

    def __init__(self, node: Node, files: tuple[File, ...], label: str, auxiliary: bool) -> None:
        self.node = node
        self.files = files
        self.label = label
        self.auxiliary = auxiliary


def _listed(child: Child) -> Iterator[_Written]:
    """A child's elements: an auxiliary group has one for each of its files, without a match."""
    if child.auxiliary:
        for file in child.node.files:
            yield _Written(child.node, (file,), f'match="{NOT_APPLICABLE}"', True)
    else:
        yield _Written(child.node, child.node.files, f'match="{_escape(child.match)}"', False)


def _association(out: list[str], this: _Written, indent: int) -> None:
    """Append the element and all below it; `indent` is its column."""
    node = this.node
    # CalSelector calls every auxiliary association complete but not certified.
    certified, complete = (False, True) if this.auxiliary else (node.certified, node.complete)
    inner = _margin(indent + _INDENT)
    out.append(
        _tag(
            (
                "<association",
                f'category="{_escape(node.category)}"',
                f'certified="{"true" if certified else "false"}"',
                f'complete="{"true" if complete else "false"}"',
                this.label,
                f'type="{"auxiliary" if this.auxiliary else "main"}">\n',
            ),
            indent,
        )
    )
    _main_files(out, this.files, indent + _INDENT)
    if node.messages:
        start = _tag(("<message", 'text="'), indent + _DEPTH)
        out.append(f"{inner}<messages>\n")
        out.extend(f'{start}{_escape(text)}"/>\n' for text in node.messages)
        out.append(f"{inner}</messages>\n")
    else:
        out.append(f"{inner}<messages/>\n")
    below = [each for child in children(node) for each in _listed(child)]
    if below:
        out.append(f"{inner}<associatedFiles>\n")
        for each in below:
            _association(out, each, indent + _DEPTH)
        out.append(f"{inner}</associatedFiles>\n")
    else:
        out.append(f"{inner}<associatedFiles/>\n")
    out.append(f"{_margin(indent)}</association>\n")


def _main_files(out: list[str], files: tuple[File, ...], indent: int) -> None:
    margin = _margin(indent)
    if not files:
        out.append(f"{margin}<mainFiles/>\n")
        return
    out.append(f"{margin}<mainFiles>\n")
    category, start = None, ""
    for file in files:
        if file.category != category:
            category = file.category
            start = _tag(("<file", f'category="{_escape(category)}"', 'name="'), indent + _INDENT)
        out.append(f'{start}{_escape(file.dp_id)}"/>\n')
    out.append(f"{margin}</mainFiles>\n")


def _tag(words: tuple[str, ...], indent: int) -> str:
    """A start tag as Xerces' IndentPrinter lays it out.

    The width is counted with the full indentation although no more than half the width is printed.
    A first word that is already too wide moves too, which leaves an empty line.
    """
    *checked, last = words
    lines: list[str] = []
    line, column = "", indent
    for word in checked:
        if column + len(line) + bool(line) + len(word) > _WIDTH:
            lines.append(f"{_margin(column)}{line}\n" if line else "\n")
            if line:
                line, column = "", indent + _INDENT
        line = f"{line} {word}" if line else word
    lines.append(f"{_margin(column)}{line} {last}")
    return "".join(lines)


def _margin(indent: int) -> str:
    return " " * min(indent, _WIDTH // 2)


def _escape(text: str) -> str:
    if not _SPECIAL.search(text):
        return text
    if bad := _FORBIDDEN.search(text):
        raise TreeFormatError(
            f"{text!r} holds the character U+{ord(bad[0]):04X}, which XML cannot; "
            "rename the file or mend its header"
        )
    return text.translate(_ESCAPES)


# ---- reading

_UNKNOWN_RULE: Final = RuleRef("", 0)  # the XML does not say which rule chose a child
_MAX_DEPTH: Final = 100  # real cascades have 4 levels
_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d[:_]\d\d[:_]\d\d(?:\.\d{1,6})?")
_EPOCH: Final = datetime(1858, 11, 17)
_Kind: TypeAlias = Literal["group", "file"]
_Shared: TypeAlias = dict[object, Node]


def parse(data: bytes) -> Tree:
    """The tree of an XML answer; identical sub-cascades become one node.

    The XML names no rules, reasons or recipes, so those stay empty; each child has a slot of its own.
    It does not name the requested frame either: `dp_id` is the first main file. Times (MJD, days)
    are those in the dp_ids. Elements and attributes that CalSelector does not write are passed over.
    Raises TreeFormatError for anything that is not a complete association tree.
    """
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the last two: its encoding
        raise TreeFormatError(f"not XML: {error}; pass the answer as it was received") from error
    if root.tag != "association":
        raise TreeFormatError(
            f"the root element is <{root.tag}>, not <association>: this is no association tree; "
            "a multipart answer has to be split into its parts first"
        )
    mode = _mode(_attribute(root, "mode"))
    node = _node(root, "group", {}, 0)
    if not node.files:
        raise TreeFormatError("the root association has no <file> in its <mainFiles>: no science frame")
    return Tree(dp_id=node.files[0].dp_id, asked=mode, mode=mode, root=node)


def _node(element: ElementTree.Element, kind: _Kind, shared: _Shared, depth: int) -> Node:
    if depth > _MAX_DEPTH:
        raise TreeFormatError(f"associations nested more than {_MAX_DEPTH} deep: this is no cascade")
    category = _attribute(element, "category")
    certified, complete = _flag(element, "certified"), _flag(element, "complete")
    files = tuple(_file(each, certified) for each in _section(element, "mainFiles").iterfind("file"))
    messages = tuple(_attribute(each, "text") for each in _section(element, "messages").iterfind("message"))
    below = _section(element, "associatedFiles").findall("association")
    slots: list[Slot] = []
    seen: set[int] = set()
    for each, its_kind in zip(below, _kinds(below), strict=True):
        child = _node(each, its_kind, shared, depth + 1)
        if id(child) in seen:  # the same twice under one parent: two nodes, or `children` lists it once
            child = replace(child)
        seen.add(id(child))
        slots.append(_slot(each, child))
    # A node is what its text says; its children are already shared, so their identity stands for theirs.
    links = tuple((id(slot.chosen[0].node), slot.chosen[0].match, slot.auxiliary) for slot in slots)
    key = (category, certified, complete, files, messages, kind, links)
    return shared.setdefault(key, Node(category, files, certified, complete, tuple(slots), messages, kind))


def _slot(element: ElementTree.Element, child: Node) -> Slot:
    kind = _attribute(element, "type")
    if kind not in ("main", "auxiliary"):
        raise TreeFormatError(f'association {child.category!r}: type="{kind}" is neither main nor auxiliary')
    choice = Choice(child, None, _attribute(element, "match"), None)
    return Slot(child.category, _UNKNOWN_RULE, 1, 1, kind == "auxiliary", (choice,))


def _kinds(below: list[ElementTree.Element]) -> list[_Kind]:
    """What each child is, as far as the order tells.

    Untimed files come first and groups follow in ascending time: the groups are the longest
    ascending run at the end. So the order of any file survives, CalSelector's own or not.
    """
    kinds: list[_Kind] = ["file"] * len(below)
    later: tuple[float, str] | None = None
    for i in reversed(range(len(below))):
        first = below[i].find("mainFiles/file")
        name = "" if first is None else first.get("name", "")
        mjd = _mjd(name)
        if mjd is None or below[i].get("type") == "auxiliary" or (later and (mjd, name) > later):
            break
        kinds[i], later = "group", (mjd, name)
    return kinds


def _file(element: ElementTree.Element, certified: bool) -> File:
    name = _attribute(element, "name")
    return File(name, _attribute(element, "category"), _mjd(name), certified=certified)


def _mjd(dp_id: str) -> float | None:
    """MJD (days) of the time in a dp_id; masters and statics (`M.…`) carry their ingestion time."""
    stamp = _STAMP.search(dp_id)
    if stamp is None or dp_id.startswith("M."):
        return None
    try:
        time = datetime.fromisoformat(stamp[0].replace("_", ":"))
    except ValueError:  # digits in the form of a date, such as a 13th month: a name, not a time
        return None
    return (time - _EPOCH).total_seconds() / 86400


def _section(element: ElementTree.Element, tag: str) -> ElementTree.Element:
    found = element.find(tag)
    if found is None:
        raise TreeFormatError(f"association {element.get('category')!r} has no <{tag}>: the tree is torn")
    return found


def _attribute(element: ElementTree.Element, name: str) -> str:
    value = element.get(name)
    if value is None:
        raise TreeFormatError(f'<{element.tag}> has no attribute "{name}" (it has {sorted(element.keys())})')
    return value


def _flag(element: ElementTree.Element, name: str) -> bool:
    match _attribute(element, name):
        case "true":
            return True
        case "false":
            return False
        case other:
            raise TreeFormatError(f'<{element.tag}> {name}="{other}" is neither "true" nor "false"')


def _mode(text: str) -> Mode:
    match text:
        case "Raw2Raw" | "Raw2Master":
            return text
        case _:
            raise TreeFormatError(f'the root\'s mode="{text}" is neither Raw2Raw nor Raw2Master')
