"""How bright a star may be: the well of the detector, less what the background fills of it."""

from __future__ import annotations

from dataclasses import replace
from math import log10, pi, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from processing.phase3.package import Packaged

# Of the stars in conftest's image [pixels], its zero point for 1 ADU in a DIT of 2 s, AB of Ks.
FWHM, ZERO_POINT = 3.2, 22.5 + 2.5 * log10(2.0) + 1.85


def packaged(case: Any, folder: Path, mode: str, readout: str, background: float = 5000.0) -> Packaged:
    """The case with raw frames of such a read-out over a background in ADU, the last with 1000 more."""
    folder.mkdir(exist_ok=True)
    raws = []
    for path in case.raws:
        with fits.open(path) as hdus:
            header = hdus[0].header.copy()
        header["HIERARCH ESO DET MODE NAME"], header["HIERARCH ESO DET NCORRS NAME"] = mode, readout
        level = background + (1000.0 if path == case.raws[-1] else 0.0)
        raws.append(folder / path.name)
        fits.PrimaryHDU(np.full((4, 4), level, np.float32), header).writeto(raws[-1])
    made: Packaged = replace(case, raws=tuple(raws)).package(folder / "out")
    return made


def limit(made: Packaged) -> float | str:
    """ABMAGSAT, or why there is none."""
    header = fits.getheader(made.files[0].path)
    told = {note.keyword: note.sentence for note in made.absent}
    return float(header["ABMAGSAT"]) if "ABMAGSAT" in header else told["ABMAGSAT"]


@pytest.mark.parametrize(
    ("mode", "readout", "well"),
    [("HighDynamic", "Double_RdRstRd", 15_000), ("HighSensitivity", "FowlerNsamp", 9_200)],
)
def test_a_star_that_fills_the_well_is_the_limit(
    cases: dict[str, Any], tmp_path: Path, mode: str, readout: str, well: int
) -> None:
    made = packaged(cases["image"], tmp_path / "a", mode, readout)
    sigma = FWHM / sqrt(8 * np.log(2))
    flux = (well - 6000.0) * 2 * pi * sigma**2
    assert limit(made) == pytest.approx(ZERO_POINT - 2.5 * log10(flux), abs=0.03)
    assert not [problem for problem in made.problems if problem.severity == "error"]


@pytest.mark.parametrize(
    ("mode", "readout", "background", "why"),
    [
        ("HighDynamic", "Uncorr", 5000.0, "the read-out Uncorr leaves an offset"),
        ("Burst", "Double_RdRstRd", 5000.0, "at which level the detector saturates"),
        ("HighDynamic", "Double_RdRstRd", 14_500.0, "alone, 15500 ADU, saturates the detector"),
    ],
)
def test_where_the_level_is_not_known_there_is_no_limit(
    cases: dict[str, Any], tmp_path: Path, mode: str, readout: str, background: float, why: str
) -> None:
    assert why in str(limit(packaged(cases["image"], tmp_path / "a", mode, readout, background)))


def test_without_a_zero_point_a_level_is_no_magnitude(cases: dict[str, Any], tmp_path: Path) -> None:
    case = replace(cases["image"], calibrations=())
    made = packaged(case, tmp_path / "a", "HighDynamic", "Double_RdRstRd")
    assert "no zero point is known" in str(limit(made))


def test_the_limit_of_the_recipe_stays(packaged_mosaic: Packaged) -> None:
    assert fits.getheader(packaged_mosaic.files[0].path, 1)["ABMAGSAT"] == 18.0


@pytest.fixture
def packaged_mosaic(cases: dict[str, Any], tmp_path: Path) -> Packaged:
    made: Packaged = cases["mosaic"].package(tmp_path / "mosaic")
    return made
