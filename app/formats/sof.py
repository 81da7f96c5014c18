"""Sets of frames (SOF): for each recipe of the cascade the files it reads, with their tags.

A SOF has one line `file TAG` for each file; esorex skips lines that begin with '#'. Files of the
archive are named `<dp_id>.fits`, as the download script saves them; what an earlier recipe of the
cascade makes has the name of that product. Auxiliary files are for people, not for the recipe.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from app.errors import TreeFormatError
from app.formats.names import fits_name, one_line, url_name
from app.tree import Choice, Node, Step, Tree, children, consumed


@dataclass(frozen=True, slots=True)
class SofStep:
    """One run of a recipe: `name` is the SOF's file name, `lines` are `file TAG`, `notes` are comments."""

    name: str
    recipe: str
    options: tuple[str, ...]
    lines: tuple[str, ...]
    notes: tuple[str, ...]


def steps(tree: Tree) -> tuple[SofStep, ...]:
    """The runs in an order that works: what needs nothing first, the science frame last, each once.

    A group without a recipe has none. Raises TreeFormatError for a name with a blank (see `_line`).
    """
    runs = [(node, node.step) for node in _deepest_first(tree.root) if node.step is not None]
    digits = max(2, len(str(len(runs))))
    return tuple(_sof(node, step, f"{i:0{digits}}") for i, (node, step) in enumerate(runs, start=1))


def write(tree: Tree) -> bytes:
    """All SOFs in one text; comment lines before each give its file name and the command.

    Of a frame that is not in the archive, its messages.
    """
    if not tree.root.files:
        return "".join(f"# {one_line(text)}\n" for text in tree.root.messages).encode()
    made = split(tree)
    if not made:
        return f"# {one_line(tree.dp_id)}: no recipe is known for any group of this cascade\n".encode()
    return b"\n".join(made.values())


def split(tree: Tree) -> dict[str, bytes]:
    """Each SOF by its file name, to be written into one folder and run in this order."""
    return {step.name: _text(step) for step in steps(tree)}


def _text(step: SofStep) -> bytes:
    command = shlex.join(("esorex", step.recipe, *step.options, step.name))
    comments = (step.name, command, *step.notes)
    return "".join(f"{line}\n" for line in (*(f"# {one_line(c)}" for c in comments), *step.lines)).encode()


def _deepest_first(root: Node) -> list[Node]:
    """Every node that a recipe may need, once, by the levels below it: all biases before all flats."""
    levels: dict[int, int] = {}
    found: list[Node] = []

    def visit(node: Node) -> int:
        if id(node) not in levels:
            below = [visit(child.node) for child in children(node) if not child.auxiliary]
            levels[id(node)] = 1 + max(below, default=-1)
            found.append(node)
        return levels[id(node)]

    visit(root)
    return sorted(found, key=lambda node: levels[id(node)])


def _sof(node: Node, step: Step, number: str) -> SofStep:
    lines = []
    if not consumed(node):
        lines += [_line(fits_name(file.dp_id), file.category) for file in node.files]
    for slot in node.slots:
        if not slot.auxiliary:
            lines += (line for choice in slot.chosen for line in _chosen(choice))
    name = f"{number}_{url_name(step.recipe)}_{url_name(node.files[0].dp_id)}.sof"
    # Several slots may want the same product; the recipe reads it once.
    return SofStep(name, step.recipe, step.options, tuple(dict.fromkeys(lines)), tuple(_notes(node)))


def _chosen(choice: Choice) -> Iterator[str]:
    """The virtual product that was chosen, or else the files themselves: masters, statics, raw files."""
    if choice.product is not None and choice.node.kind == "group":
        if choice.node.step is not None:
            yield _line(choice.product.name, choice.product.tag)
    else:
        for file in choice.node.files:
            yield _line(fits_name(file.dp_id), file.category)


def _notes(node: Node) -> Iterator[str]:
    # esorex has its own names for what it makes.
    for product in node.products:
        yield f"save its product {product.category} as {product.name}"
    for slot in node.slots:
        if not slot.satisfied:
            needed = f" ({slot.why.needed})" if slot.why.needed else ""
            yield f"MISSING: {slot.label}: needed {slot.minimum}, found {len(slot.chosen)}{needed}"
        for choice in slot.chosen:
            if not (slot.auxiliary or slot.own or choice.node.certified):
                yield f"not certified: {slot.label} {choice.node.files[0].dp_id}"
            if slot.auxiliary:
                for file in choice.node.files:
                    yield f"auxiliary, not in this SOF: {slot.label} {fits_name(file.dp_id)}"
            elif choice.product is not None and choice.node.kind == "group" and choice.node.step is None:
                yield (
                    f"MISSING: {slot.label}: no recipe is known that makes {choice.product.name} "
                    f"from {choice.node.category}"
                )


def _line(file: str, tag: str) -> str:
    """A line of a SOF; esorex ends with exit code 9 where a path holds a blank."""
    for word in (file, tag):
        if word.split() != [word]:
            raise TreeFormatError(
                f"a SOF cannot hold the name {word!r}: it is empty or has a blank; rename it"
            )
    return f"{file} {tag}"
