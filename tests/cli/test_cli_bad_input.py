"""What the terminal says of frames that no rules can be right for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Calsel = Callable[..., Result]
UNSUPPORTED = "No association could be established: this file type is not supported"


@pytest.mark.parametrize(
    ("instrume", "mjd", "said"),
    [
        ("'OTHER   '", "56000.1", "there is no rulebook for INSTRUME 'OTHER'"),
        ("'UVES    '", "50000.1", "the rulebooks of UVES begin on the night of 2000-01-01"),
        ("'UVES    '", "'today   '", "MJD-OBS in the header is text, and it has to be a number"),
    ],
    ids=["instrument", "night", "type"],
)
def test_each_fault_of_a_header_has_its_own_words(
    calsel: Calsel, tmp_path: Path, instrume: str, mjd: str, said: str
) -> None:
    cards = {
        "SIMPLE": "T",
        "BITPIX": "8",
        "NAXIS": "0",
        "INSTRUME": instrume,
        "MJD-OBS": mjd,
        "ARCFILE": "'X.2012-03-14T00:00:00.000.fits'",
    }
    lines = [f"{name:8}= {value:>20}" for name, value in cards.items()]
    lines += ["HIERARCH ESO DPR CATG = 'SCIENCE'", "HIERARCH ESO DPR TYPE = 'OBJECT'", "END"]
    text = tmp_path / "frame.hdr"
    text.write_text("\n".join(lines))
    assert calsel("ingest", text).exit_code == 0
    told = calsel("associate", "X.2012-03-14T00:00:00.000")
    assert told.exit_code == 3
    assert UNSUPPORTED in told.stdout
    assert said in told.stdout.replace("\n", " ")
