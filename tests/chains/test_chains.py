"""Every simulated chain through the real path: raw frames, tree, recipes, truth, and again as masters."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from astropy.io import fits

from app.archive import qc
from app.archive.database import connect
from app.archive.index import Index
from app.archive.quality import judge
from app.chaindemo import by_category, chosen_files, masters
from app.config import ROOT
from app.ingest import ingest, use_rules
from app.rulebook import load_library
from app.rulebook.thresholds import load_standards
from app.tree import files
from app.worker import reduce
from processing.names import input_name
from processing.phase3.check import check
from processing.recipes import PACKAGING
from processing.runner import RunReport
from processing.simulate import uves_chain, uves_red_chain
from processing.simulate.chain import Chain
from processing.simulate.chains import CHAINS
from processing.simulate.measure_uves_flux import fluxes_of
from processing.simulate.measurement import Measurement

SEED = 1
# GIRAFFE's chain ends with a master dark.
NO_SCIENCE = ("giraffe",)
# What no frame of these chains tells, so what no archive product of them may say: VISIR's magnitudes.
LACKING = {
    "visir": {"ABMAGSAT", "ABMAGLIM", "PHOTZP", "PHOTSYS", "FLUXCAL"},
}
# Of the chains that end with a calibrated flux: chip -> star and where [Angstrom] its flux is measured.
FLUXES = {
    "uves": {"BLUE": (uves_chain.TARGET, uves_chain.WINDOWS)},
    "uves-red": {
        chip.name: (uves_red_chain.TARGET, windows) for chip, windows in uves_red_chain.WINDOWS.items()
    },
}


@pytest.fixture
def index(database_url: str) -> Iterator[Index]:
    engine = connect(database_url)
    yield Index(engine)
    engine.dispose()


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_is_found_by_its_own_name(name: str) -> None:
    assert CHAINS[name].name == name


@pytest.mark.slow
@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_a_chain_gives_its_truth_back_and_its_masters_serve(
    chain: Chain, index: Index, tmp_path: Path
) -> None:
    archive, products = tmp_path / "archive", tmp_path / "products"
    archive.mkdir()
    chain.build(archive, SEED)
    raw = {path.stem for path in archive.glob("*.fits")}
    use_rules(index, load_library(ROOT / "rules"), ROOT / "rules")
    outcome = ingest(index, [archive], certified=True)
    assert (outcome.stored.new, outcome.skipped) == (len(raw), [])

    tree = index.associate(chain.science, "Raw2Raw", explain=True)
    assert tree.root.complete, tree
    assert tree.root.category == chain.raw_type
    wanted = {file.dp_id for file in files(tree.root)}
    assert chain.decoys, "a chain whose archive holds nothing wrong proves nothing"
    assert chain.decoys.keys() <= raw
    assert wanted & chain.decoys.keys() == set()

    first = reduce(index, chain.science, "Raw2Raw", products)
    assert states(first.report) == [(recipe, "done", "") for recipe in sorted(chain.recipes)]
    made = by_category(first.report)
    assert chain.product in made
    numbers = chain.measure(made, SEED)
    assert numbers
    assert all(number.ok for number in numbers), table(numbers)

    own = masters(first.report)
    standards = load_standards(ROOT / "rules", load_library(ROOT / "rules"))
    with index.connection() as connection:
        for dp_id in own:
            scores = [each for each in qc.scores(connection, standards, dp_id) if each.threshold]
            assert qc.grade(scores) != "bad", scores  # a warning is no lie: the gain of two noisy flats
            assert all(each.value is not None for each in scores), scores
    with index.writing() as (connection, books):
        judge(connection, books, own, "certified", "test", "measured")
    tree = index.associate(chain.science, "Raw2Master", explain=True)
    assert tree.mode == "Raw2Master", tree
    chosen = chosen_files(tree.root)
    assert chosen & set(own)
    assert chosen <= {*own, *wanted}, "a master of somebody else"
    from_masters = reduce(index, chain.science, "Raw2Master", products)
    assert from_masters.report.ok, states(from_masters.report)

    again = reduce(index, chain.science, "Raw2Raw", products, packaged=True)
    packaged = [result for result in again.report.results if result.recipe == PACKAGING]
    rest = [result for result in again.report.results if result.recipe != PACKAGING]
    assert sorted(result.recipe for result in rest) == sorted(chain.recipes)
    assert {result.state for result in rest} == {"reused"}
    assert bool(packaged) == (chain.name not in NO_SCIENCE)
    named_whole(again.report)
    for result in packaged:
        assert (result.state, result.reason) == ("done", "")
        raws = [archive / f"{dp_id}.fits" for dp_id in raw]
        for product in result.products:
            verify(product.path)
        if chain.name in FLUXES:
            calibrated(chain.name, result.products[0].path)
        problems = check(result.products[0].path, raws)
        wrong = {problem.keyword for problem in problems if problem.severity == "error"}
        assert wrong == LACKING.get(chain.name, set()), problems


def verify(path: Path) -> None:
    """HEASARC's fitsverify, which judges by the FITS standard."""
    told = subprocess.run(["fitsverify", "-e", "-q", path], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def named_whole(report: RunReport) -> None:
    """No name of an input is cut in a header: each is one under which a recipe of the chain read a file.

    Recipes of UVES copy names from what they take in.
    """
    folders = [result.log.parent for result in report.results if result.log]
    tasks = [json.loads((folder / "task.json").read_bytes()) for folder in folders]
    known = {input_name(item["name"]) for task in tasks for item in task["inputs"]}
    for product in (product for result in report.results for product in result.products):
        header = fits.getheader(product.path)
        named = {header[k] for k in header if re.fullmatch(r"ESO PRO REC\d+ (RAW|CAL)\d+ NAME", k)}
        assert named <= known, product.path.name


def calibrated(name: str, path: Path) -> None:
    """The flux is the star's, its error as large a part of it as that of the reduced spectrum."""
    with fits.open(path) as hdus:
        row, primary = hdus[1].data[0], hdus[0].header
        assert (primary["FLUXCAL"], hdus[1].header["TUNIT5"]) == ("ABSOLUTE", "adu")
        star, windows = FLUXES[name][primary["ESO PRO CATG"].rpartition("_")[2]]
        numbers = fluxes_of(row["WAVE"], row["FLUX"], star, windows)
        assert all(number.ok for number in numbers), table(numbers)
        good = row["QUAL"] == 0
        parts = [row[f"ERR{of}"][good] / row[f"FLUX{of}"][good] for of in ("", "_REDUCED")]
    assert good.sum() > 0.8 * len(good)  # the response ends before the spectrum does
    assert parts[0] == pytest.approx(parts[1], rel=1e-5)


def states(report: RunReport) -> list[tuple[str, str, str]]:
    return sorted((result.recipe, result.state, result.reason) for result in report.results)


def table(numbers: Sequence[Measurement]) -> str:
    rows = [
        f"{'ok ' if n.ok else 'BAD'} {n.name:45} truth {n.truth:<12.6g} measured {n.measured:<12.6g} "
        f"limit {n.limit:.3g} {n.unit}"
        for n in numbers
    ]
    return "\n".join(["", *rows])
