"""A job as a terminal shows it: a line for each task while it goes on; a line for each event elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from app.archive import jobs
from app.cli.desk import Described, Step

_MARKS: Final = {
    "waiting": ("·", "dim"),
    "ready": ("○", "dim"),
    "running": ("▶", "yellow"),
    "done": ("✓", "green"),
    "reused": ("✓", "cyan"),
    "failed": ("✗", "bold red"),
    "blocked": ("✗", "red"),
    "cancelled": ("✗", "dim"),
    "PENDING": ("·", "dim"),
    "QUEUED": ("○", "dim"),
    "EXECUTING": ("▶", "yellow"),
    "COMPLETED": ("✓", "green"),
    "ERROR": ("✗", "bold red"),
    "ABORTED": ("✗", "dim"),
}
# What is shown first where there is not room for all tasks.
_URGENT: Final = ("running", "failed", "EXECUTING", "ERROR")
_STYLES: Final = {phase: style for phase, (_, style) in _MARKS.items()}


def watch(steps: Iterator[Step], console: Console) -> bool:
    """Show a job until it has ended; whether it ended well. Raises UnknownJobError."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=8) as live:
            for seen, _ in steps:
                live.update(draw(seen, room=max(3, console.height - 6)))
    else:
        seen = _tell(steps, console)
    return bool(seen["phase"] == "COMPLETED")


def draw(seen: Described, *, room: int | None = None) -> RenderableType:
    """A job's phase, progress, tasks (at most `room` of them), and what keeps or ended it."""
    tasks = [*map(_task, seen["tasks"]), *map(_child, seen["jobs"])]
    shown = tasks if room is None else _most_urgent(tasks, room)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="cyan")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, overflow="ellipsis", style="dim")
    for state, words in shown:
        mark, style = _MARKS[state]
        table.add_row(Text(mark, style), *(Text(word) for word in words))
    parts: list[RenderableType] = [_headline(seen), table]
    if len(shown) < len(tasks):
        parts.append(Text(f"… and {len(tasks) - len(shown)} more", "dim"))
    parts += [Text(text, "yellow") for text in _waits(seen)]
    if seen["phase"] in jobs.ENDED:
        parts += [Text(line, "yellow") for line in seen["messages"]]
        parts += [Text(line, "red") for line in seen["errors"]]
    return Group(*parts)


def _headline(seen: Described) -> RenderableType:
    line = Table.grid(padding=(0, 2))
    done, total = seen["done"], seen["total"]
    ready = f"ready about {_clock(seen['quote'])} UTC" if seen["quote"] else ""
    line.add_row(
        Text(seen["id"], "bold"),
        Text(seen["phase"], _STYLES[seen["phase"]]),
        ProgressBar(total or 1, done, width=24),
        Text(f"{done} of {total}"),
        Text(ready, "dim"),
    )
    return line


def _task(task: Described) -> tuple[str, tuple[str, ...]]:
    state = "reused" if task["reused"] and task["state"] == "done" else task["state"]
    elapsed = "" if task["elapsed"] is None or state == "reused" else f"{task['elapsed']:.1f} s"
    memory = f"{task['peakMemory']:.0f} MB" if task["peakMemory"] else ""
    last = task["reason"] or (task["log"][-1] if task["log"] else "")
    return state, (task["recipe"], task["task"], elapsed, memory, " ".join(last.split()))


def _child(child: Described) -> tuple[str, tuple[str, ...]]:
    subject = " ".join((child["action"] or "", *child["dp_id"][:1])).strip()
    error = (child["error"] or "").partition("\n")[0]
    return child["phase"], (f"job {child['id']}", subject, "", "", error)


def _most_urgent(tasks: list[tuple[str, tuple[str, ...]]], room: int) -> list[tuple[str, tuple[str, ...]]]:
    ranked = sorted(range(len(tasks)), key=lambda number: (tasks[number][0] not in _URGENT, number))
    return [tasks[number] for number in sorted(ranked[:room])]


def _waits(seen: Described) -> Iterator[str]:
    if seen["phase"] == "PENDING":
        yield f"nobody has asked to run it: calsel jobs run {seen['id']}"
    if seen["waitsForWorkersOf"]:
        yield f"no worker is there for {', '.join(seen['waitsForWorkersOf'])}: calsel worker"


def _tell(steps: Iterator[Step], console: Console) -> Described:
    """Print a line for every event and every change of the phase; returns the job as it ended."""
    said = ""
    for seen, events in steps:
        for event in events:
            words = (f"{event['kind']:10}", event["recipe"], event["task"], event["detail"])
            _say(console, event["at"], "  ".join(word for word in words if word))
        now = "\n".join((seen["phase"], *_waits(seen)))
        if now != said:
            said = now
            _say(console, datetime.now(UTC), now)
    for line in (*seen["messages"], *seen["errors"]):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return seen


def _say(console: Console, at: datetime, text: str) -> None:
    console.print(f"{_clock(at)}  {text}", highlight=False, markup=False, soft_wrap=True)


def _clock(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%H:%M:%S")
