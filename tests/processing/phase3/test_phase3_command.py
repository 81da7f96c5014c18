from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from processing.phase3.__main__ import main
from processing.products import faults, listed_products


def test_it_behaves_as_a_recipe_does(cases: dict[str, Any], tmp_path: Path) -> None:
    sof = cases["spectrum"].sof(tmp_path / "package.sof", "SCI_POINT_BLUE")
    ran = subprocess.run(
        [sys.executable, "-m", "processing.phase3", str(sof), "--output-dir", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    products = listed_products(tmp_path / "out" / "products.json")
    assert products == (("UVES_RED_SCI_POINT_BLUE_sdp.fits", "RED_SCI_POINT_BLUE"),)
    assert faults(tmp_path / "out" / products[0][0], products[0][1]) == ()


@pytest.mark.parametrize("full", ["product", "list", "terminal"])
def test_a_full_disk_has_an_exit_code_of_its_own(
    cases: dict[str, Any], tmp_path: Path, small_disk: Path, full: str
) -> None:
    sof = cases["image"].sof(tmp_path / "package.sof")
    out = small_disk if full == "product" else tmp_path / "out"
    out.mkdir(exist_ok=True)
    if full == "product":
        (out / "filler").write_bytes(bytes(shutil.disk_usage(out).free - 50_000))
    if full == "list":
        (out / "products.json").symlink_to("/dev/full")
    with Path("/dev/full" if full == "terminal" else os.devnull).open("w") as terminal:
        ran = subprocess.run(
            [sys.executable, "-m", "processing.phase3", str(sof), "--output-dir", str(out)],
            stdout=terminal,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ran.returncode == 5
    assert ran.stderr.startswith("[ ERROR ] sdp_package: ")


@pytest.mark.parametrize("kind", ["image", "mosaic", "spectrum", "cube"])
def test_a_set_of_frames_makes_what_the_function_makes(
    cases: dict[str, Any], packaged: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    assert main([str(cases[kind].sof(tmp_path / "p.sof")), "--output-dir", str(tmp_path / "out")]) == 0
    for file in packaged[kind].files:
        assert (tmp_path / "out" / file.path.name).read_bytes() == file.path.read_bytes()


def test_the_report_tells_what_was_mended_what_is_absent_and_what_is_still_wrong(
    cases: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(cases["image"].sof(tmp_path / "p.sof")), "--output-dir", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["files"][1] == {
        "path": "NACO_COADDED_IMG_sdp_expmap.fits",
        "category": "COADDED_IMG_EXPMAP",
        "prodcatg": "ANCILLARY.EXPMAP",
    }
    assert [note["keyword"] for note in report["mended"]] == ["EXPTIME", "PRO.REC1.CAL2"]
    assert [note["keyword"] for note in report["absent"]] == ["ABMAGSAT"]
    assert report["problems"][0] == {
        "severity": "error",
        "hdu": 0,
        "keyword": "ABMAGSAT",
        "sentence": "is missing, and is mandatory here",
        "source": "ESO-044286 v8, table 8",
    }
    assert "error: HDU 0, ABMAGSAT: is missing" in capsys.readouterr().out


def test_raw_frames_and_calibrations_are_told_apart_by_their_headers(
    cases: dict[str, Any], tmp_path: Path
) -> None:
    case = cases["image"]
    lines = [f"{case.product} SCIENCE.IMAGE"]
    lines += [f"{path} ANY" for path in (*case.raws, dict(case.calibrations)["NACO_IMG_DARK_AVG"])]
    (tmp_path / "p.sof").write_text("# what went in\n\n" + "\n".join(lines))
    assert main([str(tmp_path / "p.sof"), "--output-dir", str(tmp_path)]) == 0
    header = fits.getheader(tmp_path / "NACO_COADDED_IMG_sdp.fits")
    assert (header["NCOMBINE"], header["ESO PRO REC1 CAL2 CATG"]) == (4, "ANY")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("", "has 0 lines with a tag SCIENCE."),
        ("{product} SCIENCE.IMAGE\n{product} SCIENCE.IMAGE\n", "has 2 lines"),
        ("{product} SCIENCE.IMAGE\nno_such.fits OBJECT\n", "line 2: there is no file no_such.fits"),
        ("{product}\n", "line 1: .* is not a path and a tag"),
        ("{product} SCIENCE.PICTURE\n{raw} OBJECT\n", "'SCIENCE.PICTURE' is no known PRODCATG"),
        ("{product} SCIENCE.IMAGE\n", "no raw science frame was given"),
        ("{product} SCIENCE.IMAGE\n{sof} OBJECT\n", "p.sof cannot be read as FITS"),
        ("{sof} SCIENCE.IMAGE\n{raw} OBJECT\n", "p.sof cannot be read as FITS"),
        ("{raw} SCIENCE.IMAGE\n{raw} OBJECT\n", "has no PRO.CATG"),
    ],
)
def test_bad_input_ends_with_1_and_a_sentence(
    cases: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str, told: str
) -> None:
    case, sof = cases["image"], tmp_path / "p.sof"
    sof.write_text(lines.format(product=case.product, raw=case.raws[0], sof=sof))
    assert main([str(sof), "--output-dir", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("[ ERROR ] sdp_package: ")
    assert said.count("\n") == 1
    assert re.search(told, said)
    assert not (tmp_path / "out" / "products.json").exists()


def test_a_missing_set_of_frames_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.sof")]) == 1
    assert "does not exist" in capsys.readouterr().err
