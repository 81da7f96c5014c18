"""Trees and progress as a terminal shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.tree import Tree as Drawing

from app.tree import Choice, Node, Slot, Tree

Report = Callable[[str, int, int], None]


def draw(tree: Tree, *, explain: bool = False) -> Drawing:
    """The tree as a drawing: completeness, distances in days, what is missing; with reasons on request."""
    title = f"[bold]{escape(tree.dp_id)}[/]  {tree.mode}"
    if tree.asked != tree.mode:
        title += f" [yellow](asked for {tree.asked})[/]"
    if tree.rulebook:
        title += f"  [dim]{escape(tree.rulebook)} {tree.checksum[:8]}, archive revision {tree.revision}[/]"
    drawing = Drawing(title)
    _node(drawing, tree.root, "", explain, set())
    return drawing


def print_tree(tree: Tree, console: Console, *, explain: bool = False) -> None:
    """Draw a tree on a console."""
    console.print(draw(tree, explain=explain))


@contextmanager
def progress(console: Console) -> Iterator[Report]:
    """A bar per label; a plain line at the end of each where the output is not a terminal."""
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, int] = {}

        def report(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(escape(label), total=total)
            bars.update(bars.task_ids[tasks[label]], completed=done, total=total)

        yield report


def _lines(console: Console) -> Report:
    def report(label: str, done: int, total: int) -> None:
        if done == total:
            console.print(f"{label}: {total}", highlight=False)

    return report


def _node(drawing: Drawing, node: Node, lead: str, explain: bool, shown: set[int]) -> None:
    branch = drawing.add(lead + _headline(node))
    for message in node.messages:
        branch.add(f"[red]{escape(message)}[/]")
    if id(node) in shown and node.slots:
        branch.add("[dim]as above[/]")
        return
    shown.add(id(node))
    for slot in node.slots:
        if slot.chosen or slot.minimum or explain:
            _slot(branch, slot, explain, shown)


def _headline(node: Node) -> str:
    mark = "[green]✓[/]" if node.complete else "[red]✗[/]"
    names = node.files[0].dp_id
    if len(node.files) > 1:
        names += f" … {len(node.files)} files"
    recipe = f"  [cyan]{node.step.recipe}[/]" if node.step else ""
    doubt = "" if node.certified else " [yellow]not certified[/]"
    return f"{mark} [bold]{escape(node.category)}[/] {escape(names)}{recipe}{doubt}"


def _slot(branch: Drawing, slot: Slot, explain: bool, shown: set[int]) -> None:
    if not slot.chosen:
        style = "red" if slot.minimum else "dim"
        absent = "MISSING" if slot.minimum else "none (optional)"
        leaf = branch.add(f"[{style}]{escape(slot.label)}: {absent}[/]")
        if explain or slot.minimum:
            leaf.add(f"[{style}]needed: {escape(slot.why.needed)}[/]")
    else:
        leaf = branch
    for choice in slot.chosen:
        _node(leaf, choice.node, f"{escape(slot.label)} [magenta]{_distance(choice)}[/] ", explain, shown)
    if explain:
        for line in reasons(slot):
            leaf.add(f"[dim]{escape(line)}[/]")


def reasons(slot: Slot) -> list[str]:
    """Why a slot holds what it holds, a sentence a line."""
    why = slot.why
    lines = [f"{slot.label}: rule {slot.rule}, wants {slot.minimum} to {slot.maximum}"]
    if why.counted:
        near = "the nearest " if why.limited else ""
        lines[0] += f"; {near}{why.seen} candidates: {len(slot.chosen)} chosen, {why.surplus} surplus"
        lines += [f"{refusal.count} refused by {refusal.clause}" for refusal in why.refused]
    if why.runner_up:
        days = "" if why.runner_up.days is None else f" {why.runner_up.days:+.2f} d"
        doubt = "" if why.runner_up.certified else ", not certified"
        lines.append(f"runner-up: {why.runner_up.name}{days} {why.runner_up.match}{doubt}")
    return lines


def _distance(choice: Choice) -> str:
    return choice.match if choice.days is None else f"{choice.days:+.2f} d {choice.match}"
