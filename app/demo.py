"""`calsel demo`: the whole river once, on a simulated archive, measured against the simulation's truth."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import text

from app import formats
from app.archive.database import check_schema, connect, upgrade
from app.archive.index import Index
from app.archive.quality import add_breakpoints, judge
from app.embedded import lease
from app.errors import CalselError
from app.formats import sof
from app.ingest import ingest, use_rules
from app.rulebook import load_library
from app.terminal import make_console, print_event, print_plan, print_tree, progress
from app.tree import Mode, Node, Tree, files
from app.worker import Reduction, reduce
from processing.bench import TaskResult
from processing.esorex import Esorex
from processing.simulate import archive, pictures
from processing.simulate.measurement import Measurement
from processing.simulate.truth import Truth, check

_MARK = ".calsel-demo"

# Where `calsel serve` answers unless told otherwise.
_LINKS = formats.links_of("http://localhost:8000")


class DemoError(CalselError):
    """The demo cannot be carried out here."""


@dataclass(slots=True)
class _Findings:
    """What was claimed and whether it held; the demo fails when one did not."""

    console: Console
    broken: list[str] = field(default_factory=list)

    def claim(self, sentence: str, holds: bool) -> None:
        """Print a sentence with its outcome."""
        mark = "[green]✓[/]" if holds else "[red]✗[/]"
        self.console.print(f"  {mark} {escape(sentence)}", highlight=False)
        if not holds:
            self.broken.append(sentence)


def demo(folder: Path, rules: Path, home: Path, *, jobs: int = 2, seed: int = 1) -> list[str]:
    """Run the demo and leave everything in `folder`; returns the claims that did not hold.

    `home` is where the embedded PostgreSQL of the demo lives, `rules` the rulebooks' folder. Raises
    DemoError when `folder` holds something that no demo made, EsorexError when a pipeline is missing.
    """
    esorex = Esorex.find()
    for instrument in ("uves", "naco"):  # before a former demo is emptied
        esorex.pipeline(instrument)
    console = make_console()
    findings = _Findings(console)
    _prepare(folder, home)
    console.rule("A simulated archive: UVES blue and NACO imaging")
    with progress(console) as report:
        truth = archive.build(folder / "archive", seed, lambda _, done, n: report("templates", done, n))
    with _fresh_index(home) as index:
        _fill(index, folder, rules, truth, console)
        sciences = {"uves": truth.uves_science, "naco": truth.naco_science}
        for name, dp_id in sciences.items():
            console.rule(f"Which raw calibrations belong to {dp_id}?")
            tree = _answer(index, dp_id, "Raw2Raw", folder / f"{name}_raw2raw", console)
            _compare(tree, truth, findings)
        console.rule("A science frame that lacks something")
        _incomplete(index, folder, truth, console, findings)
        runs: dict[str, Reduction] = {}
        for name, dp_id in sciences.items():
            console.rule(f"The recipe chain of {dp_id}")
            runs[name] = _reduce(index, dp_id, "Raw2Raw", folder, jobs, console)
            findings.claim("every recipe ran and made what it had to", runs[name].report.ok)
            fresh = all(result.state == "done" for result in runs[name].report.results)
            findings.claim("every recipe ran for real", fresh)
        made = _products(runs)
        if not findings.broken:
            _measure(folder, truth, made, console, findings)
            _masters(index, folder, runs, sciences, jobs, console, findings)
        _keep_logs(folder, runs)
    console.rule()
    for sentence in findings.broken:
        console.print(f"[red]did not hold:[/] {escape(sentence)}", highlight=False)
    console.print(f"Everything is in {folder}/", highlight=False)
    console.print(
        f"Look around: source {folder}/env; calsel associate {truth.uves_science} --explain",
        highlight=False,
        soft_wrap=True,
    )
    return findings.broken


def _prepare(folder: Path, home: Path) -> None:
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
def _fresh_index(home: Path) -> Iterator[Index]:
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


def _fill(index: Index, folder: Path, rules: Path, truth: Truth, console: Console) -> None:
    console.rule("The index")
    use_rules(index, load_library(rules), rules)
    with progress(console) as report:
        outcome = ingest(index, [folder / "archive"], certified=True, report=report)
    stored = outcome.stored
    console.print(f"{stored.new} frames indexed, {len(outcome.skipped)} skipped", highlight=False)
    with index.writing() as (connection, books):
        add_breakpoints(connection, [asdict(each) for each in truth.breakpoints])
        judge(connection, books, truth.uncertified, "rejected", "demo", "not yet checked")
        judge(connection, books, truth.hidden, "hidden", "demo", "bad quality")
    console.print(
        f"{len(truth.uncertified)} of them not certified, {len(truth.hidden)} hidden for bad quality, "
        f"{len(truth.breakpoints)} breakpoints",
        highlight=False,
    )


def _answer(index: Index, dp_id: str, mode: Mode, stem: Path, console: Console) -> Tree:
    tree = index.associate(dp_id, mode, explain=True)
    print_tree(tree, console, explain=True)
    for form in formats.FORMATS.values():
        stem.with_suffix(form.suffix).write_bytes(form.write(tree, _LINKS))
    folder = stem.with_name(f"{stem.name}_sof")
    folder.mkdir()
    for name, content in sof.split(tree).items():
        (folder / name).write_bytes(content)
    return tree


def _compare(tree: Tree, truth: Truth, findings: _Findings) -> None:
    chosen = {
        slot.label: tuple(file.dp_id for choice in slot.chosen for file in choice.node.files)
        for slot in tree.root.slots
    }
    findings.claim("the tree is complete", tree.root.complete)
    for label, wanted in truth.expected[tree.dp_id].items():
        findings.claim(f"{label} is the group of {wanted[0]}", chosen.get(label) == wanted)
    within = {file.dp_id for file in files(tree.root)}
    caught = [decoy for decoy in truth.decoys if decoy.dp_id in within]
    findings.claim(f"none of {len(truth.decoys)} decoys is in it", not caught)
    for decoy in caught:
        findings.claim(f"{decoy.dp_id} is not chosen: {decoy.why}", False)


def _incomplete(index: Index, folder: Path, truth: Truth, console: Console, findings: _Findings) -> None:
    tree = _answer(index, truth.incomplete_science, "Raw2Raw", folder / "incomplete_raw2raw", console)
    missing = [slot.label for slot in tree.root.slots if not slot.satisfied]
    findings.claim("the tree is incomplete", not tree.root.complete)
    findings.claim(f"it says that {truth.incomplete_reason} is missing", missing == [truth.incomplete_reason])


def _reduce(index: Index, dp_id: str, mode: Mode, folder: Path, jobs: int, console: Console) -> Reduction:
    return reduce(
        index,
        dp_id,
        mode,
        folder / "products",
        jobs=jobs,
        planned=lambda _, plan: print_plan(plan, console),
        report=lambda event: print_event(event, console),
    )


def _products(runs: Mapping[str, Reduction]) -> dict[str, Path]:
    """One file for each PRO.CATG; the last of a category is the one nearest to the science frame."""
    return {
        product.category: product.path
        for run in runs.values()
        for result in run.report.results
        for product in result.products
    }


def _measure(
    folder: Path, truth: Truth, made: Mapping[str, Path], console: Console, findings: _Findings
) -> None:
    console.rule("Measured against the simulation's truth")
    table = Table("", "truth", "measured", "limit of the difference", "unit", "")
    measured: list[Measurement] = check(truth, made)
    for each in measured:
        numbers = (f"{value:.6g}" for value in (each.truth, each.measured, each.limit))
        table.add_row(each.name, *numbers, each.unit, "[green]✓[/]" if each.ok else "[red]✗[/]")
    console.print(table)
    findings.claim(
        f"all {len(measured)} are within their limits", bool(measured) and all(m.ok for m in measured)
    )
    pictures.naco(made["COADDED_IMG"], truth, folder / "naco.png")
    pictures.uves(made["RED_SCI_POINT_BLUE"], truth, folder / "uves.png")


def _masters(
    index: Index,
    folder: Path,
    runs: Mapping[str, Reduction],
    sciences: Mapping[str, str],
    jobs: int,
    console: Console,
    findings: _Findings,
) -> None:
    """Certify the masters that were made, ask again for reduced calibrations, run the same jobs again."""
    calibrations = [
        product for run in runs.values() for result in run.report.results[:-1] for product in result.products
    ]
    names = sorted({product.path.stem for product in calibrations})
    with index.writing() as (connection, books):
        judge(connection, books, names, "certified", "demo", "measured above")
    for name, dp_id in sciences.items():
        console.rule(f"{dp_id} again, with the masters just made")
        tree = _answer(index, dp_id, "Raw2Master", folder / f"{name}_raw2master", console)
        findings.claim("Raw2Master was carried out", tree.mode == "Raw2Master")
        masters = [node for node in _masters_of(tree.root) if not node.category.startswith("LINE_REFER")]
        ours = bool(masters) and all(node.files[0].dp_id in names for node in masters)
        findings.claim(f"its {len(masters)} masters are the ones just made", ours)
        again = _reduce(index, dp_id, "Raw2Raw", folder, jobs, console)
        findings.claim("the same job again re-used every task", _reused(again.report.results))


def _masters_of(root: Node) -> list[Node]:
    return [choice.node for slot in root.slots if not slot.auxiliary for choice in slot.chosen]


def _reused(results: tuple[TaskResult, ...]) -> bool:
    return all(result.state == "reused" for result in results)


def _keep_logs(folder: Path, runs: Mapping[str, Reduction]) -> None:
    """The recipes' logs under names that sort in the order of the runs."""
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    for name, run in runs.items():
        for number, result in enumerate(run.report.results, start=1):
            if result.log is not None and result.log.exists():
                shutil.copyfile(result.log, logs / f"{name}_{number:02}_{result.recipe}.log")
