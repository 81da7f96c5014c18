"""What demos stand on: a folder and an index of their own, claims that are counted, numbers in a table."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import text

from app.archive.database import check_schema, connect, upgrade
from app.archive.index import Index
from app.embedded import lease
from app.errors import CalselError
from app.tree import Tree, files
from processing.runner import RunReport
from processing.simulate.measurement import Measurement

_MARK = ".calsel-demo"


class DemoError(CalselError):
    """The demo cannot be carried out here."""


@dataclass(slots=True)
class Findings:
    """What was claimed and whether it held; the demo fails when one did not."""

    console: Console
    broken: list[str] = field(default_factory=list)

    def claim(self, sentence: str, holds: bool) -> None:
        """Print a sentence with its outcome."""
        mark = "[green]✓[/]" if holds else "[red]✗[/]"
        self.console.print(f"  {mark} {escape(sentence)}", highlight=False)
        if not holds:
            self.broken.append(sentence)

    def without(self, tree: Tree, decoys: Mapping[str, str]) -> None:
        """Claim that none of these frames, dp_id -> why not, is anywhere in a tree; name those that are."""
        within = {file.dp_id for file in files(tree.root)}
        caught = [dp_id for dp_id in decoys if dp_id in within]
        self.claim(f"none of {len(decoys)} decoys is in it", not caught)
        for dp_id in caught:
            self.claim(f"{dp_id} is not chosen: {decoys[dp_id]}", False)

    def measured(self, numbers: Sequence[Measurement]) -> None:
        """Print the numbers beside the simulation's truth; claim that all are within their limits."""
        table = Table("", "truth", "measured", "limit of the difference", "unit", "")
        for each in numbers:
            cells = (f"{value:.6g}" for value in (each.truth, each.measured, each.limit))
            table.add_row(each.name, *cells, each.unit, "[green]✓[/]" if each.ok else "[red]✗[/]")
        self.console.print(table)
        self.claim(
            f"all {len(numbers)} are within their limits", bool(numbers) and all(m.ok for m in numbers)
        )

    def finish(self, folder: Path, dp_id: str) -> list[str]:
        """Print what did not hold, and where to look around; returns the claims that did not hold."""
        self.console.rule()
        for sentence in self.broken:
            self.console.print(f"[red]did not hold:[/] {escape(sentence)}", highlight=False)
        self.console.print(f"Everything is in {folder}/", highlight=False)
        self.console.print(
            f"Look around: source {folder}/env; calsel associate {dp_id} --explain",
            highlight=False,
            soft_wrap=True,
        )
        return self.broken


def prepare(folder: Path, home: Path) -> None:
    """An empty folder with the settings to look around; a former demo's is emptied, any other refused."""
    if folder.exists() and not folder.is_dir():
        raise DemoError(f"{folder} is no folder; name another with --folder")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARK).exists():
            raise DemoError(f"{folder} is not empty and no demo made it; name another with --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()
    settings = {"HOME": home, "ARCHIVE": folder / "archive", "PRODUCTS": folder / "products"}
    lines = [f"export CALSEL_{name}={shlex.quote(str(value))}" for name, value in settings.items()]
    lines += [
        "unset CALSEL_DATABASE_URL",
        f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH",
    ]
    (folder / "env").write_text("".join(f"{line}\n" for line in lines))


@contextmanager
def fresh_index(home: Path) -> Iterator[Index]:
    """An index of the demo's own, empty."""
    with lease(home) as database:
        engine = connect(database.url)
        try:
            with engine.begin() as connection:
                connection.execute(text("DROP SCHEMA public CASCADE"))
                connection.execute(text("CREATE SCHEMA public"))
            upgrade(database.url)
            check_schema(engine)
            yield Index(engine)
        finally:
            engine.dispose()


def keep_logs(folder: Path, reports: Mapping[str, RunReport]) -> None:
    """The recipes' logs under names that sort in the order of the runs."""
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    for name, report in reports.items():
        for number, result in enumerate(report.results, start=1):
            if result.log is not None and result.log.exists():
                shutil.copyfile(result.log, logs / f"{name}_{number:02}_{result.recipe}.log")
