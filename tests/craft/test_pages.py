"""The tables of what is covered, in the README of the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.config import ROOT
from app.craft.pages import Proof, recipe_list, sources, write_pages
from app.errors import RuleError
from processing.esorex import Esorex, EsorexError
from processing.simulate.chains import CHAINS

RULES = ROOT / "rules"
README = "before\n<!-- made by `calsel rules pages` from here -->\nold\n<!-- to here -->\nafter\n"
PROOF = Proof("toy", "TOY.2010-01-10T03:00:00.000", "SCI", frozenset({"toy_bias", "toy_science"}))


@pytest.fixture
def rules(folder: Path) -> Path:
    (folder.parent / "recipes.txt").write_text("# packaged\ntoy-1.0: toy_bias\n")
    return folder.parent


def rows(made: str, first: str) -> list[list[str]]:
    lines = made.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| version | {first}"))
    told = []
    for line in lines[start + 2 :]:
        if not line:
            break
        told.append([cell.strip() for cell in line.strip("|").split("|")])
    return told


def test_a_mode_has_its_rows_its_packaged_recipes_and_its_chain(rules: Path) -> None:
    assert rows(write_pages(README, rules, [PROOF]), "mode") == [
        ["toy.2000-01-01.oca", "SCI", "4 rows", "–", "1 of 2", "toy"],
        ["toy.2000-01-01.oca", "SCI_RED", "–", "–", "1 of 2", "–"],
    ]


def test_a_chain_of_other_nights_of_another_instrument_or_without_its_recipe_proves_nothing(
    rules: Path,
) -> None:
    others = [
        Proof("early", "TOY.1999-01-10T03:00:00.000", "SCI", PROOF.recipes),
        Proof("other", "UVES.2010-01-10T03:00:00.000", "SCI", PROOF.recipes),
        Proof("bias", PROOF.science, "SCI", frozenset({"toy_bias"})),
    ]
    assert {row[-1] for row in rows(write_pages(README, rules, others), "mode")} == {"–"}


def test_what_the_comments_say_of_associations_is_counted(rules: Path) -> None:
    assert rows(write_pages(README, rules, []), "sources") == [
        ["toy.2000-01-01.oca", "0", "3", "33 %", "0 %", "0 %", "67 %"]
    ]
    book = rules / "toy" / "toy.2000-01-01.oca"
    book.write_text(
        book.read_text().replace(
            "  minRet = 1; maxRet = 1;", "  // Keys documented, windows inferred.\n  minRet = 1;"
        )
    )
    assert rows(write_pages(README, rules, []), "sources")[0][3:] == ["33 %", "33 %", "0 %", "33 %"]


def test_sources_are_the_names_in_the_head_of_a_book() -> None:
    head = [
        "// Toy.",
        "//",
        "// Sources named in the comments:",
        "//   QC        ESO's pages",
        "//             more",
    ]
    assert sources([*head, "//   the list  of breakpoints", '// "documented" means', "//   not  one"]) == [
        "QC",
        "the list",
    ]


def test_only_what_is_between_the_marks_changes_and_making_it_again_changes_nothing(rules: Path) -> None:
    made = write_pages(README, rules, [PROOF])
    assert made.startswith("before\n<!--")
    assert made.endswith("<!-- to here -->\nafter\n")
    assert "old" not in made
    assert write_pages(made, rules, [PROOF]) == made


def test_a_readme_without_marks_is_refused(rules: Path) -> None:
    with pytest.raises(RuleError, match="there must be a line"):
        write_pages("nothing here\n", rules, [])


def test_the_readme_of_our_rules_is_up_to_date() -> None:
    readme = (RULES / "README.md").read_text(encoding="utf-8")
    proofs = [Proof(c.name, c.science, c.raw_type, frozenset(c.recipes)) for c in CHAINS.values()]
    assert write_pages(readme, RULES, proofs) == readme, "run 'calsel rules pages'"


def test_the_list_of_packaged_recipes_is_that_of_the_installed_pipelines() -> None:
    try:
        esorex = Esorex.find()
        installed = {pipeline.path.name for pipeline in esorex.pipelines()}
    except EsorexError as error:
        pytest.skip(str(error))
    listed = recipe_list((RULES / "recipes.txt").read_text(encoding="utf-8"))
    here = {name: found for name, found in listed.items() if name in installed}
    if not here:
        pytest.skip("none of the listed pipelines is installed here in this version")
    found = {name: [r for r in esorex.recipes() if esorex.pipeline_of(r).path.name == name] for name in here}
    assert {name: sorted(names) for name, names in here.items()} == {n: sorted(r) for n, r in found.items()}
