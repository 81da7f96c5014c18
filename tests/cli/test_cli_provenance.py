from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from astropy.io import fits
from click.testing import Result

Calsel = Callable[..., Result]


@pytest.fixture
def archive(tmp_path: Path, calsel: Calsel) -> Calsel:
    """A master of others, which is locked for the public."""
    header = fits.Header({"INSTRUME": "UVES", "DATE-OBS": "2012-03-12T04:00:00"})
    said = {"PRO CATG": "IMAGE", "PRO SCIENCE": True, "PRO REC1 ID": "uves_obs_scired"}
    for name, value in said.items():
        header[f"HIERARCH ESO {name}"] = value
    fits.PrimaryHDU(header=header).writeto(tmp_path / "M.1.fits")
    assert calsel("ingest", tmp_path / "M.1.fits", proprietary_days=36_500).exit_code == 0
    return calsel


def test_the_chain_is_printed_and_what_is_not_known_told_beside_it(archive: Calsel) -> None:
    answer = archive("provenance", "M.1")
    assert answer.exit_code == 0
    assert {"entity", "activity"} <= json.loads(answer.stdout).keys()
    assert answer.stderr.startswith(
        "not known: uves_obs_scired of M.1: only the product's header tells of it"
    )


def test_a_format_is_written_into_a_file(archive: Calsel, tmp_path: Path) -> None:
    answer = archive(
        "provenance", "M.1", "--format", "SVG", "-o", tmp_path / "M.1.svg", public_url="http://x"
    )
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert (tmp_path / "M.1.svg").read_bytes().startswith(b"<svg")


def test_what_is_not_there_is_refused(archive: Calsel) -> None:
    answer = archive("provenance", "M.2")
    assert (answer.exit_code, "'M.2' is not in this archive" in answer.stderr) == (1, True)
