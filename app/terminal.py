"""Trees, plans, runs and progress as a terminal shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.tree import Tree as Drawing

from app.level import told
from app.tree import Choice, Node, Slot, Tree, reasons, worst_level
from processing.graph import Plan
from processing.runner import Event

Report = Callable[[str, int, int], None]


def make_console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; 120 columns where there is none, so that lines stay whole."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=120)


def draw(tree: Tree, *, explain: bool = False) -> Drawing:
    """The tree as a drawing: completeness, distances in days, what is missing; with reasons on request."""
    title = f"[bold]{escape(tree.dp_id)}[/]  {tree.mode}"
    if tree.asked != tree.mode:
        title += f" [yellow](asked for {tree.asked})[/]"
    if tree.rulebook:
        title += f"  [dim]{escape(tree.rulebook)} {tree.checksum[:8]}, archive revision {tree.revision}[/]"
    worst = worst_level(tree.root)
    if worst is not None:
        title += f"  [dim]worst level {worst}[/]"
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
    again = id(node) in shown and bool(node.slots)
    branch = drawing.add(lead + _headline(node) + (" [dim](as above)[/]" if again else ""))
    for message in node.messages:
        branch.add(f"[red]{escape(message)}[/]")
    if again:
        return
    shown.add(id(node))
    for slot in node.slots:
        if explain:
            _explained(branch, slot, shown)
        elif slot.chosen or slot.minimum:
            _slot(branch, slot, shown)


def _headline(node: Node) -> str:
    mark = "[green]✓[/]" if node.complete else "[red]✗[/]"
    names = node.files[0].dp_id
    if len(node.files) > 1:
        names += f" … {len(node.files)} files"
    recipe = f"  [cyan]{node.step.recipe}[/]" if node.step else ""
    doubt = "" if node.certified else " [yellow]not certified[/]"
    return f"{mark} [bold]{escape(node.category)}[/] {escape(names)}{recipe}{doubt}"


def _slot(branch: Drawing, slot: Slot, shown: set[int]) -> None:
    for choice in slot.chosen:
        lead = f"{escape(slot.label)} [magenta]{_distance(choice)}[/] "
        _node(branch, choice.node, lead, False, shown)
    if not slot.satisfied:
        leaf = branch.add(f"[red]{escape(slot.label)}: {slot.minimum} needed, {len(slot.chosen)} found[/]")
        leaf.add(f"[red]would have to exist: {escape(slot.why.needed)}[/]")


def _explained(branch: Drawing, slot: Slot, shown: set[int]) -> None:
    style = "bold" if slot.chosen else "dim" if slot.satisfied else "bold red"
    wanted = f"{slot.minimum}" if slot.minimum == slot.maximum else f"{slot.minimum} to {slot.maximum}"
    kind = ", auxiliary" if slot.auxiliary else ""
    leaf = branch.add(
        f"[{style}]{escape(slot.label)}[/] [dim]{slot.rule}, wants {wanted}{kind}, has {len(slot.chosen)}[/]"
    )
    for choice in slot.chosen:
        _node(leaf, choice.node, f"[magenta]{_distance(choice)}[/] ", True, shown)
    for line in reasons(slot):
        leaf.add(f"[{'dim' if slot.satisfied else 'red'}]{escape(line)}[/]")


def _distance(choice: Choice) -> str:
    match = told(choice.match, choice.level)
    return match if choice.days is None else f"{choice.days:+.2f} d {match}"


def print_plan(plan: Plan, console: Console) -> None:
    """The tasks in their order."""
    console.print(f"{len(plan.tasks)} task{'' if len(plan.tasks) == 1 else 's'}:", highlight=False)
    for task in plan.tasks:
        line = " ".join((task.recipe, *task.parameters, f"({task.id})"))
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)


def print_event(event: Event, console: Console) -> None:
    """A line for every task that ends, and for every one that starts on a terminal."""
    result = event.result
    if result is None:
        if console.is_terminal:
            console.print(f"  … {event.task.recipe} {event.task.id}", style="dim", markup=False)
        return
    style = {"done": "green", "reused": "cyan"}.get(result.state, "red")
    line = f"  {result.state:8}{event.task.recipe} {event.task.id}"
    if result.state == "done":
        line += f"  {result.elapsed:.1f} s"
    console.print(line, style=style, markup=False, highlight=False)
    if result.reason:
        console.print(f"      {result.reason}", style=style, markup=False, highlight=False)
