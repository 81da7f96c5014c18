"""Spectra whose recipe made a flux-calibrated twin."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from processing.phase3.package import Packaged, write_lists

UNIT = "erg/cm^2/Angstrom/s"
TWIN, BARS = "FLUXCAL_SCI_POINT_BLUE", "FLUXCAL_ERRORBAR_SCI_POINT_BLUE"
# What one ADU becomes, blue to red, and the part of it that is extinction.
RESPONSE = np.linspace(3e-16, 1e-16, 400)
EXTINCTION = 10 ** (0.4 * np.linspace(0.8, 0.2, 400))


def twins(case: Any, folder: Path, noise: Any = 1.0, drop: slice = slice(390, 400), **cards: Any) -> Any:
    """The case with the flux-calibrated spectrum; its error is `noise` times what it should be."""
    made = {}
    for category, root, factor in ((TWIN, case.product, 1.0), (BARS, error_bars(case), noise)):
        with fits.open(root) as hdus:
            header, values = hdus[0].header.copy(), hdus[0].data * RESPONSE * EXTINCTION * factor
            values[drop] = 0.0
            header.update({"BUNIT": UNIT, "HIERARCH ESO PRO CATG": category, **cards})
            made[category] = folder / f"{category}.fits"
            fits.PrimaryHDU(values.astype(np.float32), header).writeto(made[category])
    return replace(case, companions={**case.companions, **made})


def error_bars(case: Any) -> Path:
    path: Path = case.companions["ERRORBAR_SCI_POINT_BLUE"]
    return path


def row(made: Packaged) -> Any:
    with fits.open(made.files[0].path) as hdus:
        return hdus[1].data[0]


def problems(made: Packaged) -> list[str]:
    return [str(each) for each in made.problems]


def test_the_calibrated_flux_is_the_flux_and_the_reduced_is_kept(
    cases: dict[str, Any], packaged: dict[str, Packaged], tmp_path: Path, fitsverify: Callable[[Path], str]
) -> None:
    made = twins(cases["spectrum"], tmp_path).package(tmp_path / "out")
    primary, header = (fits.getheader(made.files[0].path, hdu) for hdu in (0, 1))
    names = [header[f"TTYPE{column}"] for column in range(1, 7)]
    assert names == ["WAVE", "FLUX", "ERR", "QUAL", "FLUX_REDUCED", "ERR_REDUCED"]
    assert (primary["FLUXCAL"], primary["FLUXERR"], primary["TOT_FLUX"]) == ("ABSOLUTE", -2.0, False)
    assert header["TUNIT2"] == header["TUNIT3"] == "erg.s**(-1).cm**(-2).angstrom**(-1)"
    assert header["TUNIT5"] == header["TUNIT6"] == "adu"
    assert (header["TUTYP5"], header["TUCD5"].endswith(";stat.uncalib")) == ("eso:Data.FluxAxis.Value", True)
    cells, before = row(made), row(packaged["spectrum"])
    assert cells["FLUX"] == pytest.approx(before["FLUX"] * RESPONSE * EXTINCTION * (cells["FLUX"] != 0))
    for name in ("FLUX", "ERR"):
        assert (cells[f"{name}_REDUCED"] == before[name]).all()
    assert "ERR" not in [note.keyword for note in made.mended]
    assert problems(made) == problems(packaged["spectrum"])
    assert [file.category for file in made.files] == ["RED_SCI_POINT_BLUE"]
    assert not any("FLUXCAL" in remark or "errorbar" in remark for remark in made.remarks)
    assert fitsverify(made.files[0].path) == ""


def test_where_there_was_no_response_the_flux_is_flagged_and_the_range_ends(
    cases: dict[str, Any], tmp_path: Path
) -> None:
    made = twins(cases["spectrum"], tmp_path).package(tmp_path / "out")
    cells = row(made)
    assert np.flatnonzero(cells["QUAL"] == 0)[[0, -1]].tolist() == [5, 389]
    assert fits.getval(made.files[0].path, "WAVELMAX") == pytest.approx(cells["WAVE"][389] / 10)


def test_an_error_without_extinction_is_mended_and_told(cases: dict[str, Any], tmp_path: Path) -> None:
    made = twins(cases["spectrum"], tmp_path, 1 / EXTINCTION).package(tmp_path / "out")
    cells = row(made)
    good = cells["QUAL"] == 0
    parts = [cells[f"ERR{of}"][good] / cells[f"FLUX{of}"][good] for of in ("", "_REDUCED")]
    assert parts[0] == pytest.approx(parts[1], rel=1e-6)
    assert fits.getval(made.files[0].path, "SNR") == pytest.approx(50.0)
    write_lists(made, tmp_path)
    told = json.loads((tmp_path / "report.json").read_text())["mended"]
    (sentence,) = [note["sentence"] for note in told if note["keyword"] == "ERR"]
    assert sentence.startswith("was 0.48 to 0.82 of what it is")


def test_an_error_that_holds_that_of_the_response_too_is_left_alone(
    cases: dict[str, Any], tmp_path: Path
) -> None:
    made = twins(cases["spectrum"], tmp_path, 1.2).package(tmp_path / "out")
    cells = row(made)
    good = cells["QUAL"] == 0
    assert cells["ERR"][good] / cells["FLUX"][good] == pytest.approx(1.2 * 0.02)
    assert "ERR" not in [note.keyword for note in made.mended]


def test_a_twin_of_other_wavelengths_is_not_taken(cases: dict[str, Any], tmp_path: Path) -> None:
    made = twins(cases["spectrum"], tmp_path, CRVAL1=3801.0).package(tmp_path / "out")
    assert fits.getval(made.files[0].path, "FLUXCAL") == "UNCALIBRATED"
    assert any(f"{TWIN}.fits is not used: its wavelengths" in remark for remark in made.remarks)
    assert "FLUX_REDUCED" not in row(made).array.names


def test_a_twin_without_error_leaves_it_unknown(cases: dict[str, Any], tmp_path: Path) -> None:
    case = twins(cases["spectrum"], tmp_path)
    made = replace(case, companions={k: v for k, v in case.companions.items() if k != BARS}).package(
        tmp_path / "out"
    )
    assert row(made).array.names == ["WAVE", "FLUX", "QUAL", "FLUX_REDUCED", "ERR_REDUCED"]
    assert "SNR" in [note.keyword for note in made.absent]
    assert any("TTYPE3" in problem for problem in problems(made))


def test_error_bars_of_another_unit_than_the_twin_are_not_taken(
    cases: dict[str, Any], tmp_path: Path
) -> None:
    case = twins(cases["spectrum"], tmp_path)
    fits.setval(case.companions[BARS], "BUNIT", value="10^-16 erg/cm^2/Angstrom/s")
    made = case.package(tmp_path / "out")
    assert "ERR" not in row(made).array.names
    assert any(f"{BARS}.fits is not used: its length or unit" in remark for remark in made.remarks)
