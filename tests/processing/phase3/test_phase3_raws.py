from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from processing.phase3.raws import RawError, filter_name, integration, read_raw, stem, summary


def header(**cards: Any) -> fits.Header:
    made = fits.Header()
    for keyword, value in cards.items():
        name = keyword.replace("__", "-").replace("_", " ")
        made[f"HIERARCH ESO {name}" if " " in name else name] = value
    return made


@pytest.mark.parametrize(
    ("cards", "seconds"),
    [
        ({"EXPTIME": 1200.0}, 1200.0),
        ({"EXPTIME": 2.0, "DET_DIT": 2.0, "DET_NDIT": 15}, 30.0),  # NACO, HAWK-I
        ({"EXPTIME": 30.0, "DET_DIT": 2.0, "DET_NDIT": 15}, 30.0),  # VIRCAM
        ({"EXPTIME": 1.0, "DET_DIT": 0.02, "DET_NDIT": 50, "DET_CHOP_NCYCLES": 5}, 5.0),  # VISIR
        ({}, None),
    ],
)
def test_a_raw_file_integrates_as_its_instrument_counts(cards: dict[str, Any], seconds: float | None) -> None:
    assert integration(header(**cards)) == seconds


@pytest.mark.parametrize(
    ("cards", "name"),
    [
        ({"INS_FILT1_NAME": "OPEN", "INS_FILT2_NAME": "Ks"}, "Ks"),
        ({"INS_FILT3_NAME": "R"}, "R"),
        ({"INS_FILT1_NAME": "PAH1", "INS_FILT2_NAME": "PAH1"}, "PAH1"),
        ({"INS_FILT1_NAME": "J", "INS_FILT2_NAME": "ND"}, "J+ND"),
        (
            {
                "INSTRUME": "NAOS+CONICA",
                "INS_OPTI4_NAME": "Full_Uszd",
                "INS_OPTI5_NAME": "empty",
                "INS_OPTI6_NAME": "H",
            },
            "H",
        ),
        ({}, None),
    ],
)
def test_the_filter_is_what_stands_in_the_light(cards: dict[str, Any], name: str | None) -> None:
    assert filter_name(header(**cards)) == name


@pytest.mark.parametrize("suffix", ["", ".fits", ".fits.fz", ".fits.gz", ".fits.Z"])
def test_an_archive_name_has_no_suffix(suffix: str) -> None:
    assert stem(f"UVES.2012-03-14T03:00:04.659{suffix}") == "UVES.2012-03-14T03:00:04.659"


def test_times_of_several_frames_go_from_the_first_start_to_the_last_end(cases: dict[str, Any]) -> None:
    frames = [read_raw(path) for path in cases["image"].raws]
    made = summary(frames[::-1])
    assert made.begin == frames[0].begin
    assert made.end == pytest.approx(frames[-1].begin + 30 / 86400, abs=1e-9)
    assert (made.seconds, made.shortest, made.filters) == (120.0, 30.0, ("Ks",))


def test_a_frame_without_a_time_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "raw.fits"
    fits.PrimaryHDU().writeto(path)
    with pytest.raises(RawError, match="no MJD-OBS or no EXPTIME"):
        read_raw(path)


def test_a_count_of_nods_counts_files_in_pairs(
    cases: dict[str, Any], tmp_path: Path, fitsverify: Callable[[Path], str]
) -> None:
    nodded = []
    for number, path in enumerate(cases["image"].raws):
        nodded.append(tmp_path / path.name)
        with fits.open(path) as hdus:
            hdus[0].header["HIERARCH ESO SEQ NODPOS"] = "ABBA"[number]
            hdus.writeto(nodded[-1])
    product = tmp_path / "product.fits"
    with fits.open(cases["image"].product) as hdus:
        hdus[1].data[:] = 2
        hdus.writeto(product)
    made = replace(cases["image"], raws=tuple(nodded), product=product).package(tmp_path / "out")
    exposures = fits.getdata(made.files[1].path)
    assert np.unique(exposures).tolist() == [120.0]
    assert fitsverify(made.files[1].path) == ""
