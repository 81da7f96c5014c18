from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from processing.products import ProductFile, faults, listed_products, read_product

CATEGORY = "MASTER_BIAS_BLUE"


def write(
    path: Path, pixels: NDArray[np.generic] | None, category: str = CATEGORY, sums: bool = True
) -> Path:
    """A product with its image in the first extension."""
    primary = fits.PrimaryHDU()
    primary.header["HIERARCH ESO PRO CATG"] = category
    fits.HDUList([primary, fits.ImageHDU(pixels)]).writeto(path, checksum=sums)
    return path


def flip_last_pixel(path: Path) -> None:
    """Flip one bit in the data of the last HDU of a 40 x 40 float image."""
    content = bytearray(path.read_bytes())
    content[-2880 * 3 + 100] ^= 1
    path.write_bytes(content)


@pytest.fixture
def image() -> NDArray[np.float32]:
    return np.arange(1600, dtype=np.float32).reshape(40, 40)


def test_a_sound_product_has_no_fault(tmp_path: Path, image: NDArray[np.float32]) -> None:
    assert faults(write(tmp_path / "a.fits", image), CATEGORY) == ()


def test_unsigned_and_table_data_are_sound_too(tmp_path: Path) -> None:
    write(tmp_path / "a.fits", np.full((40, 40), 40000, dtype=np.uint16))
    table = fits.BinTableHDU.from_columns([fits.Column("WAVE", "1D", array=np.array([1.0, np.nan]))])
    primary = fits.PrimaryHDU()
    primary.header["HIERARCH ESO PRO CATG"] = CATEGORY
    fits.HDUList([primary, table]).writeto(tmp_path / "b.fits", checksum=True)
    assert faults(tmp_path / "a.fits", CATEGORY) == ()
    assert faults(tmp_path / "b.fits", CATEGORY) == ()


def test_one_flipped_bit_is_a_fault_of_its_hdu(tmp_path: Path, image: NDArray[np.float32]) -> None:
    path = write(tmp_path / "a.fits", image)
    flip_last_pixel(path)
    assert faults(path, CATEGORY) == ("HDU 1: DATASUM is wrong", "HDU 1: CHECKSUM is wrong")


def test_a_product_without_sums_is_a_fault(tmp_path: Path, image: NDArray[np.float32]) -> None:
    found = faults(write(tmp_path / "a.fits", image, sums=False), CATEGORY)
    assert found[:2] == ("HDU 0: DATASUM is missing", "HDU 0: CHECKSUM is missing")


def test_a_product_of_another_category_is_a_fault(tmp_path: Path, image: NDArray[np.float32]) -> None:
    (found,) = faults(write(tmp_path / "a.fits", image, category="MASTER_DARK_BLUE"), CATEGORY)
    assert found == f"was reported as {CATEGORY}, but its header says PRO.CATG 'MASTER_DARK_BLUE'"


@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_a_truncated_product_is_a_fault(tmp_path: Path, image: NDArray[np.float32]) -> None:
    path = write(tmp_path / "a.fits", image)
    whole = path.read_bytes()
    path.write_bytes(whole[:-2880])
    assert (
        faults(path, CATEGORY)[0]
        == f"is {len(whole) - 2880} bytes long where its headers ask for {len(whole)}"
    )


@pytest.mark.parametrize("content", [b"", b"not FITS at all", b"SIMPLE  = "])
def test_what_is_not_fits_is_a_fault(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.fits").write_bytes(content)
    (found,) = faults(tmp_path / "a.fits", CATEGORY)
    assert found.startswith("is not readable as FITS")


def test_a_missing_product_is_a_fault(tmp_path: Path) -> None:
    (found,) = faults(tmp_path / "a.fits", CATEGORY)
    assert "No such file" in found


def test_an_empty_table_is_an_answer(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU()
    primary.header["HIERARCH ESO PRO CATG"] = "CRMASK_BLUE"
    table = fits.BinTableHDU.from_columns([fits.Column("XPOS", "J")], nrows=0)
    fits.HDUList([primary, table]).writeto(tmp_path / "a.fits", checksum=True)
    assert faults(tmp_path / "a.fits", "CRMASK_BLUE") == ()


@pytest.mark.parametrize("pixels", [None, np.full((40, 40), np.nan, dtype=np.float32)])
def test_a_product_without_any_value_is_a_fault(tmp_path: Path, pixels: NDArray[np.float32] | None) -> None:
    found = faults(write(tmp_path / "a.fits", pixels), CATEGORY)
    assert found == ("holds no data: no table, and no pixel that is not NaN",)


def test_the_list_of_products_is_read_without_their_directory(tmp_path: Path) -> None:
    report = tmp_path / "products.json"
    report.write_text(r'[{"name": "\/a b\/..\/out\/masterbias_blue.fits", "category": "MASTER_BIAS_BLUE"}]')
    assert listed_products(report) == (("masterbias_blue.fits", "MASTER_BIAS_BLUE"),)


def test_a_recipe_that_reports_nothing_made_nothing(tmp_path: Path) -> None:
    (tmp_path / "left_over.fits").write_bytes(b"")
    assert listed_products(tmp_path / "products.json") == ()


def test_a_product_is_known_by_the_hash_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(b"bytes")
    assert read_product(path, CATEGORY) == ProductFile(
        path, CATEGORY, hashlib.sha256(b"bytes").hexdigest(), 5
    )
