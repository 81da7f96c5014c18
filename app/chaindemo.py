"""`calsel demo --chain`: one simulated recipe chain, from raw frames to its product and back as masters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from app.archive.index import Index
from app.archive.quality import judge
from app.ingest import ingest, use_rules
from app.rulebook import load_library
from app.stage import DemoError, Findings, fresh_index, keep_logs, prepare
from app.terminal import make_console, print_event, print_plan, print_tree, progress
from app.tree import Mode, Node, Tree, files
from app.worker import Reduction, reduce
from processing.esorex import Esorex
from processing.runner import RunReport
from processing.simulate.chain import Chain
from processing.simulate.chains import CHAINS


def demo_chain(
    name: str, folder: Path, rules: Path, home: Path, *, jobs: int = 2, seed: int = 1
) -> list[str]:
    """Run one chain and leave everything in `folder`; returns the claims that did not hold.

    `home` is where the embedded PostgreSQL of the demo lives, `rules` the rulebooks' folder. Raises
    DemoError for a chain that is not there or a folder that no demo made, EsorexError when a recipe's
    pipeline is missing.
    """
    if name not in CHAINS:
        raise DemoError(f"there is no chain {name!r}; there are: {', '.join(CHAINS)}")
    chain = CHAINS[name]
    esorex = Esorex.find()
    for recipe in sorted(set(chain.recipes)):  # before a former demo is emptied
        esorex.pipeline_of(recipe)
    console = make_console()
    findings = Findings(console)
    prepare(folder, home)
    archive = folder / "archive"
    archive.mkdir()
    console.rule(f"The simulated frames of the chain {name}")
    with console.status("simulating"):
        chain.build(archive, seed)
    sizes = [path.stat().st_size for path in archive.iterdir()]
    console.print(f"{len(sizes)} files, {sum(sizes) / 1e6:.0f} MB", highlight=False)
    with fresh_index(home) as index:
        use_rules(index, load_library(rules), rules)
        with progress(console) as report:
            outcome = ingest(index, [archive], certified=True, report=report)
        console.print(f"{outcome.stored.new} frames indexed", highlight=False)
        findings.claim("none of them was skipped", not outcome.skipped)
        console.rule(f"Which raw calibrations belong to {chain.science}?")
        tree = _ask(index, chain, "Raw2Raw", console)
        findings.claim("the tree is complete", tree.root.complete)
        findings.without(tree, chain.decoys)
        if tree.root.complete:
            _run(index, chain, folder, jobs, seed, findings)
    return findings.finish(folder, chain.science)


def _run(index: Index, chain: Chain, folder: Path, jobs: int, seed: int, findings: Findings) -> None:
    console = findings.console
    console.rule(f"The recipe chain of {chain.science}")
    first = _reduce(index, chain, "Raw2Raw", folder, jobs, console)
    keep_logs(folder, {chain.name: first.report})
    ran = sorted(result.recipe for result in first.report.results if result.state == "done")
    findings.claim("every recipe ran for real and made what it had to", first.report.ok)
    findings.claim(f"it took {len(ran)} runs of {len(set(ran))} recipes", ran == sorted(chain.recipes))
    if findings.broken:
        return
    console.rule("Measured against the simulation's truth")
    made = by_category(first.report)
    findings.measured(chain.measure(made, seed))
    findings.claim(f"{chain.product} was made", chain.product in made)
    for path in made.get(chain.product, ()):
        console.print(f"  {path}", markup=False, highlight=False, soft_wrap=True)
    names = masters(first.report)
    with index.writing() as (connection, books):
        judge(connection, books, names, "certified", "demo", "measured above")
    console.rule("Again, with the masters just made")
    tree = _ask(index, chain, "Raw2Master", console)
    findings.claim("Raw2Master was carried out", tree.mode == "Raw2Master")
    chosen = chosen_files(tree.root)
    static = {file.dp_id for file in files(first.tree.root)}
    ours = [dp_id for dp_id in chosen if dp_id in names]
    findings.claim(
        f"its {len(ours)} masters are the ones just made", bool(ours) and chosen <= {*names, *static}
    )
    again = _reduce(index, chain, "Raw2Raw", folder, jobs, console)
    reused = all(result.state == "reused" for result in again.report.results)
    findings.claim("the same job again re-used every task", reused)


def by_category(report: RunReport) -> Mapping[str, tuple[Path, ...]]:
    """The products of a run, PRO.CATG -> files in the order of the plan."""
    made: dict[str, tuple[Path, ...]] = {}
    for result in report.results:
        for product in result.products:
            made[product.category] = (*made.get(product.category, ()), product.path)
    return made


def masters(report: RunReport) -> list[str]:
    """The names of all that a run made before its last task, the science's."""
    return sorted({product.path.stem for result in report.results[:-1] for product in result.products})


def chosen_files(root: Node) -> set[str]:
    """The dp_ids of what the science recipe and its first steps read beside the science frames."""
    found: set[str] = set()
    for slot in root.slots:
        for choice in () if slot.auxiliary else slot.chosen:
            found |= chosen_files(choice.node) if slot.own else {choice.node.files[0].dp_id}
    return found


def _ask(index: Index, chain: Chain, mode: Mode, console: Console) -> Tree:
    tree = index.associate(chain.science, mode, explain=True)
    print_tree(tree, console)
    return tree


def _reduce(index: Index, chain: Chain, mode: Mode, folder: Path, jobs: int, console: Console) -> Reduction:
    return reduce(
        index,
        chain.science,
        mode,
        folder / "products",
        jobs=jobs,
        planned=lambda _, plan: print_plan(plan, console),
        report=lambda event: print_event(event, console),
    )
