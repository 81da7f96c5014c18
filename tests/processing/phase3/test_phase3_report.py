from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from processing.phase3.package import Packaged, write_lists
from processing.phase3.report import report_beside, told


def reported(packaged: Packaged, folder: Path) -> Path:
    """The science product, with its report beside it."""
    write_lists(packaged, folder)
    return packaged.files[0].path


def test_what_is_absent_wrong_or_mended_is_told_in_short_sentences(
    cases: dict[str, Any], tmp_path: Path
) -> None:
    made = replace(cases["image"], calibrations=cases["image"].calibrations[:1]).package(tmp_path)
    absent, saturation, wrong, *mended = told(reported(made, tmp_path))
    assert absent == (
        "absent: PHOTZP, PHOTSYS, ABMAGLIM: no zero point is known: the recipe found none, and no "
        "ZPOINT_TABLE was given"
    )
    assert saturation.startswith("absent: ABMAGSAT: ")
    assert wrong == (
        "not up to the archive's standard (5 errors of 'calsel check-product'): FLUXCAL, PHOTZP, PHOTSYS, "
        "ABMAGLIM, ABMAGSAT"
    )
    assert mended == [
        "mended: EXPTIME was 2.0, is 120.0: the total integration time per pixel is meant",
        "mended: PRO.REC1.CAL2 names dark.fits (NACO_IMG_DARK_AVG), which naco_img_jitter took in and did "
        "not name",
    ]


def test_everything_that_a_packaging_noted_is_told_with_its_hdu(
    cases: dict[str, Any], tmp_path: Path
) -> None:
    for kind, case in cases.items():
        made = case.package(tmp_path / kind)
        said = told(reported(made, tmp_path / kind))
        for note in made.mended:
            place = f" (HDU {note.hdu})" if note.hdu else ""
            assert f"mended: {note.keyword}{place} {note.sentence}" in said
        for note in made.absent:
            place = f" (HDU {note.hdu})" if note.hdu else ""
            (line,) = (
                s for s in said if s.startswith("absent: ") and s.endswith(f"{place}: {note.sentence}")
            )
            assert note.keyword in line
        assert set(made.remarks) <= set(said)
        assert ("not up to the archive's standard" in "".join(said)) == (kind == "image")


def test_every_file_of_the_product_has_the_report_and_no_other_file(
    packaged: dict[str, Packaged], tmp_path: Path
) -> None:
    made = packaged["image"]
    folder = made.files[0].path.parent
    write_lists(made, folder)
    assert len(made.files) == 2
    assert [report_beside(file.path) for file in made.files] == [folder / "report.json"] * 2
    assert report_beside(folder / "stranger.fits") is None
    assert told(folder / "stranger.fits") == []
    assert report_beside(tmp_path / made.files[0].path.name) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", json.dumps({"files": ["product.fits"]})])
def test_a_report_that_somebody_else_wrote_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    assert told(tmp_path / "product.fits") == []
