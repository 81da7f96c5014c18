"""A tree becomes the workshop's plan: deepest calibrations first, shared ones once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from app.errors import PlanError
from app.tree import File, Node, Product, Slot, Tree, consumed
from processing.graph import Input, InputFile, InputProduct, Plan, Task
from processing.recipes import PACKAGING

_ORIGIN: Final = re.compile(r"(\S+) sha256:([0-9a-f]+) revision (\d+)")

# An action and the dp_ids of its frames: what one recipe run is of.
_Group: TypeAlias = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """The answer that a recipe run was planned from: rulebook, its checksum (SHA-256), archive revision."""

    rulebook: str
    checksum: str
    revision: int

    def __str__(self) -> str:
        return f"{self.rulebook} sha256:{self.checksum} revision {self.revision}"

    @staticmethod
    def read(text: str) -> Origin | None:
        """What `str` wrote; None for any other text."""
        match = _ORIGIN.fullmatch(text)
        return None if match is None else Origin(match[1], match[2], int(match[3]))


def make_plan(tree: Tree, *, packaged: bool = False) -> Plan:
    """The recipe runs that this tree needs, each after the ones whose products it uses.

    With `packaged` a task follows for each product of the science action that the rules give a PRODCATG:
    it makes the archive science product.

    Raises PlanError when frames or a required calibration are missing, when a file is known by its header
    only, or when the science action names no recipe.
    """
    if tree.root.step is None:
        raise PlanError(
            f"{tree.dp_id}: no recipe reduces {tree.root.category}"
            + (f" ({'; '.join(tree.root.messages)})" if tree.root.messages else "")
        )
    tasks: dict[_Group, Task] = {}
    _add(tree, tree.root, tasks)
    if not tree.root.complete:
        raise PlanError(f"{tree.dp_id}: incomplete: {'; '.join(tree.root.messages)}")
    science = tasks[_group(tree.root)]
    packaging = _packaging(tree.root, science) if packaged else ()
    return Plan((*tasks.values(), *packaging))


def _packaging(root: Node, science: Task) -> tuple[Task, ...]:
    """The packaging takes the product, what else its recipe made, and all that the recipe took."""
    return tuple(
        Task(
            id=f"{PACKAGING} {product.category} {root.files[0].dp_id}",
            recipe=PACKAGING,
            name=science.name,
            inputs=(
                InputProduct(product.prodcatg, science.id, product.category),
                InputProduct("ANCILLARY.", science.id, product.category, others=True),
                *dict.fromkeys((*(_file(file) for file in root.files), *science.inputs)),
            ),
            expects=(product.category,),
            origin=science.origin,
        )
        for product in root.products
        if product.prodcatg
    )


def _group(node: Node) -> _Group:
    return (node.action, *(file.dp_id for file in node.files))


def _file(file: File) -> InputFile:
    return _input(file.dp_id, file.category, file.path, file.sha256)


def _add(tree: Tree, node: Node, tasks: dict[_Group, Task]) -> str:
    """Add the tasks of a node and of what it needs; returns its task id."""
    group = _group(node)
    if group in tasks:
        return tasks[group].id
    name = task_id(node)
    if node.step is None:
        raise PlanError(f"{name}: its action names no recipe, so its products cannot be made")
    inputs: list[Input] = []
    if not consumed(node):
        inputs = [_file(file) for file in node.files]
    for slot in node.slots:
        if not slot.satisfied:
            raise PlanError(
                f"{tree.dp_id}: incomplete: {node.category} {node.files[0].dp_id} needs {slot.label} "
                f"({slot.minimum} needed, {len(slot.chosen)} found): {slot.why.needed}"
            )
        if not slot.auxiliary:
            inputs += _slot_inputs(tree, slot, tasks)
    # One action can group one first frame twice, alone and with its template.
    twins = sum(other[:2] == group[:2] for other in tasks)
    tasks[group] = Task(
        id=f"{name} #{twins + 1}" if twins else name,
        recipe=node.step.recipe,
        name=f"r.{node.files[0].dp_id}",
        inputs=tuple(dict.fromkeys(inputs)),
        expects=tuple(sorted({product.category for product in node.products})),
        parameters=node.step.options,
        origin=str(Origin(tree.rulebook, tree.checksum, tree.revision)),
    )
    return tasks[group].id


def _slot_inputs(tree: Tree, slot: Slot, tasks: dict[_Group, Task]) -> list[Input]:
    """What a slot puts into the SOF. An optional calibration that is itself incomplete is left out."""
    inputs: list[Input] = []
    for choice in slot.chosen:
        if choice.product is None:
            inputs.append(_file(choice.node.files[0]))
        elif choice.node.complete or slot.minimum:
            product: Product = choice.product
            task = _add(tree, choice.node, tasks)
            wanted = InputProduct(product.tag, task, product.category, optional=not slot.minimum)
            inputs.append(wanted)
    return inputs


def _input(dp_id: str, tag: str, path: str | None, sha256: str | None) -> InputFile:
    if path is None or sha256 is None:
        raise PlanError(
            f"{dp_id}: only its header is known, so no recipe can read it; ingest the FITS file itself"
        )
    return InputFile(tag, path, sha256)


def task_id(node: Node) -> str:
    """What a task is called: its action and the first file of its group."""
    return f"{node.action} {node.files[0].dp_id}"
