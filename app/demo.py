"""`calsel demo`: the whole river once, on a simulated archive, measured against the simulation's truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from app import formats
from app.archive.index import Index
from app.archive.quality import add_breakpoints, judge
from app.formats import sof
from app.ingest import ingest, use_rules
from app.rulebook import load_library
from app.stage import Findings, fresh_index, keep_logs, prepare
from app.terminal import make_console, print_event, print_plan, print_tree, progress
from app.tree import Mode, Node, Tree
from app.worker import Reduction, reduce
from processing.bench import TaskResult
from processing.esorex import Esorex
from processing.simulate import archive, pictures
from processing.simulate.truth import Truth, check

# Where `calsel serve` answers unless told otherwise.
_LINKS = formats.links_of("http://localhost:8000")


def demo(folder: Path, rules: Path, home: Path, *, jobs: int = 2, seed: int = 1) -> list[str]:
    """Run the demo and leave everything in `folder`; returns the claims that did not hold.

    `home` is where the embedded PostgreSQL of the demo lives, `rules` the rulebooks' folder. Raises
    DemoError when `folder` holds something that no demo made, EsorexError when a pipeline is missing.
    """
    esorex = Esorex.find()
    for instrument in ("uves", "naco"):  # before a former demo is emptied
        esorex.pipeline(instrument)
    console = make_console()
    findings = Findings(console)
    prepare(folder, home)
    console.rule("A simulated archive: UVES blue and NACO imaging")
    with progress(console) as report:
        truth = archive.build(folder / "archive", seed, lambda _, done, n: report("templates", done, n))
    with fresh_index(home) as index:
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
        keep_logs(folder, {name: run.report for name, run in runs.items()})
    return findings.finish(folder, truth.uves_science)


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


def _compare(tree: Tree, truth: Truth, findings: Findings) -> None:
    chosen = {
        slot.label: tuple(file.dp_id for choice in slot.chosen for file in choice.node.files)
        for slot in tree.root.slots
    }
    findings.claim("the tree is complete", tree.root.complete)
    for label, wanted in truth.expected[tree.dp_id].items():
        findings.claim(f"{label} is the group of {wanted[0]}", chosen.get(label) == wanted)
    findings.without(tree, {decoy.dp_id: decoy.why for decoy in truth.decoys})


def _incomplete(index: Index, folder: Path, truth: Truth, console: Console, findings: Findings) -> None:
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
    folder: Path, truth: Truth, made: Mapping[str, Path], console: Console, findings: Findings
) -> None:
    console.rule("Measured against the simulation's truth")
    findings.measured(check(truth, made))
    pictures.naco(made["COADDED_IMG"], truth, folder / "naco.png")
    pictures.uves(made["RED_SCI_POINT_BLUE"], truth, folder / "uves.png")


def _masters(
    index: Index,
    folder: Path,
    runs: Mapping[str, Reduction],
    sciences: Mapping[str, str],
    jobs: int,
    console: Console,
    findings: Findings,
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
