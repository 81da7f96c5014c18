"""The answer for a frame: its group, the mode that can be fulfilled, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from app.associate.cascade import Cascade, active
from app.associate.ports import Archive, Dataset
from app.associate.wish import NOTHING, Wish
from app.classify import UNCLASSIFIED, unsupported_category
from app.header import Maybe
from app.organise import exposed
from app.rulebook import mistyped
from app.tree import File, Mode, Node, Tree

UNSUPPORTED = "No association could be established: this file type is not supported"


def associate(
    archive: Archive, dp_id: str, mode: Mode = "Raw2Raw", *, explain: bool = False, wish: Wish = NOTHING
) -> Tree:
    """The calibrations of the dataset that `dp_id` belongs to.

    With `explain` every slot also counts what each clause refused. Raises UnknownFrameError. Asked for
    masters where one is missing, the raw cascade answers and the tree says so; a `wish` that prefers one
    kind is answered slot by slot instead. `wish.exclude` and `wish.as_of` are the archive's to fulfil.
    """
    return Associator(archive, mode, explain=explain, wish=wish)(dp_id)


class Associator:
    """Answers for one frame after another, as `associate` does, from an archive that stays as it is.

    A calibration group is worked out once, whoever asks for it: what depends on the way down to it is not
    kept (see `Cascade.node`). Frames of one group in a row have one answer.
    """

    def __init__(
        self, archive: Archive, mode: Mode = "Raw2Raw", *, explain: bool = False, wish: Wish = NOTHING
    ) -> None:
        self.archive, self.mode, self.wish = archive, mode, wish
        self._cascades = {each: Cascade(archive, each, explain, wish) for each in get_args(Mode)}
        self._last: tuple[str, Tree] | None = None

    def __call__(self, dp_id: str) -> Tree:
        """The answer for a frame. Raises UnknownFrameError."""
        dataset = self.dataset(dp_id)
        if dataset is None:
            file, header = self.archive.frame(dp_id), self.archive.header(dp_id)
            wrong = mistyped(self.archive.book.kinds, header, self.archive.book.name)
            return unsupported(file, header, self.mode, self.archive.revision, *wrong)
        return self.answer(dp_id, dataset)

    def dataset(self, dp_id: str) -> Dataset | None:
        """The group of the frame that is answered with; None where none is offered."""
        return _science(self.archive, dp_id, self.wish.action)

    def answer(self, dp_id: str, dataset: Dataset) -> Tree:
        """The answer for the frame's group."""
        archive, mode, wish = self.archive, self.mode, self.wish
        if self._last and self._last[0] == dataset.content:
            return replace(self._last[1], dp_id=dp_id)
        notes = [f"asked with {wish}"] if str(wish) else []
        notes += mistyped(archive.book.kinds, dataset.keywords, archive.book.name)
        root = self._cascades[mode].root(dataset)
        falls_back = mode == "Raw2Master" and not wish.prefer and not wish.latest
        missing = _missing_masters(archive, root) if falls_back else []
        executed = mode
        if missing:
            executed = "Raw2Raw"
            notes.append(f"Raw2Master was asked for, but {' and '.join(missing)}: Raw2Raw answers instead")
            root = self._cascades[executed].root(dataset)
        # The root is certified when every main calibration below it is (the value that counts, ESO's FAQ).
        certified = self._cascades[executed].all_certified(root)
        root = replace(root, certified=certified, messages=(*notes, *root.messages))
        tree = Tree(dp_id, mode, executed, root, archive.book.name, archive.book.checksum, archive.revision)
        self._last = dataset.content, tree
        return tree


def _science(archive: Archive, dp_id: str, action: str) -> Dataset | None:
    """The group to answer with: exposed (or of an action), the largest, then the first in the rule file."""
    offered = [
        dataset
        for dataset in archive.datasets_of(dp_id)
        if dataset.state != "hidden"
        and (dataset.action == action or (not action and _offered(archive, dataset)))
    ]
    return min(offered, key=lambda d: (-len(d.files), d.rule), default=None)


def _offered(archive: Archive, dataset: Dataset) -> bool:
    return exposed(archive.book.actions[dataset.action], dataset.keywords)


def unsupported(file: File, header: Mapping[str, Maybe], mode: Mode, revision: int, *reasons: str) -> Tree:
    """CalSelector's answer for a frame that no rule offers, with further reasons where there are some."""
    category = unsupported_category(header)
    if file.category == UNCLASSIFIED:
        file = replace(file, category=category)
    messages = (UNSUPPORTED, *reasons)
    node = Node(category, (file,), certified=False, complete=False, messages=messages)
    return Tree(file.dp_id, mode, mode, node, revision=revision)


def _missing_masters(archive: Archive, node: Node) -> list[str]:
    missing: list[str] = []
    for slot, wanted in zip(node.slots, active(archive.book.actions[node.action or ""]), strict=True):
        if not slot.satisfied and archive.book.reduced(wanted.category):
            missing.append(
                f"{slot.label} has no certified master ({slot.minimum} needed, {len(slot.chosen)} found)"
            )
        for choice in slot.chosen if slot.own or slot.minimum else ():
            if choice.node.kind == "group":  # raw frames: a step of the reduction, or what no recipe reduces
                missing += _missing_masters(archive, choice.node)
    return missing
