from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.phase3.check import check
from processing.phase3.integrity import inspect
from processing.phase3.package import Packaged
from processing.phase3.problems import Problem


def errors(problems: tuple[Problem, ...]) -> set[str]:
    return {problem.keyword for problem in problems if problem.severity == "error"}


def test_missing_sums_are_told_and_the_rest_is_checked(packaged: dict[str, Packaged], tmp_path: Path) -> None:
    path = tmp_path / packaged["spectrum"].files[0].path.name
    with fits.open(packaged["spectrum"].files[0].path) as hdus:
        for hdu in hdus:
            del hdu.header["CHECKSUM"], hdu.header["DATASUM"]
        del hdus[0].header["SNR"]
        hdus.writeto(path)
    assert errors(check(path)) == {"CHECKSUM", "DATASUM", "SNR"}


@settings(max_examples=150)
@given(data=st.data(), change=st.integers(1, 255))
def test_a_flipped_byte_anywhere_is_found(
    packaged: dict[str, Packaged], data: st.DataObject, change: int
) -> None:
    path = packaged["spectrum"].files[0].path
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= change
    with tempfile.TemporaryDirectory() as folder:
        flipped = Path(folder) / path.name
        flipped.write_bytes(content)
        assert errors(check(flipped)) != set()


@settings(max_examples=50)
@given(length=st.integers(0, 40_000))
def test_a_torn_file_is_found(packaged: dict[str, Packaged], length: int) -> None:
    path = packaged["spectrum"].files[0].path
    with tempfile.TemporaryDirectory() as folder:
        torn = Path(folder) / path.name
        torn.write_bytes(path.read_bytes()[:length])
        assert (errors(check(torn)) == set()) == (length >= path.stat().st_size)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), size=st.integers(0, 3000))
def test_our_sums_are_those_of_astropy(
    tmp_path_factory: pytest.TempPathFactory, seed: int, size: int
) -> None:
    path = tmp_path_factory.mktemp("sums") / "some.fits"
    values = np.random.default_rng(seed).integers(-(2**31), 2**31, size, dtype=np.int32)
    fits.HDUList([fits.PrimaryHDU(values), fits.ImageHDU(values[::-1])]).writeto(path, checksum=True)
    whole, damage = inspect(path)
    assert damage == ()
    assert [str(unit.data_sum) for unit in whole] == [fits.getval(path, "DATASUM", hdu) for hdu in (0, 1)]
