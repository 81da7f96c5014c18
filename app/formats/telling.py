"""What an answer says beside its files: CalSelector's own message, or every reason."""

from __future__ import annotations

from dataclasses import replace

from app.associate import UNSUPPORTED
from app.level import told
from app.tree import Choice, Node, Slot, Tree, reasons


def tell(tree: Tree, *, explain: bool) -> Tree:
    """The tree with the messages that XML and VOTable show.

    CalSelector's are nearly always empty: it answers masters that are missing by raw files without a word.
    So without `explain` only its documented message is left, and the bytes are CalSelector's. With it every
    node has the engine's messages and one more for each of its slots.
    """
    return replace(tree, root=_told(tree.root, explain, {}))


def _told(node: Node, explain: bool, done: dict[int, Node]) -> Node:
    if id(node) not in done:
        slots = tuple(
            replace(
                slot,
                chosen=tuple(
                    replace(choice, node=_told(choice.node, explain, done)) for choice in slot.chosen
                ),
            )
            for slot in node.slots
        )
        if explain:
            messages = (*node.messages, *(_sentence(slot) for slot in node.slots))
        else:
            messages = tuple(text for text in node.messages if text == UNSUPPORTED)
        done[id(node)] = replace(node, slots=slots, messages=messages)
    return done[id(node)]


def _sentence(slot: Slot) -> str:
    wanted = f"{slot.minimum}" if slot.minimum == slot.maximum else f"{slot.minimum} to {slot.maximum}"
    said = "; ".join([", ".join(map(_found, slot.chosen)) or "none", *reasons(slot)])
    return f"{slot.label} (rule {slot.rule}, wants {wanted}): {said}"


def _found(choice: Choice) -> str:
    days = "" if choice.days is None else f" {choice.days:+.2f} d"
    return f"{choice.node.files[0].dp_id}{days} {told(choice.match, choice.level)}"
