from __future__ import annotations

import gzip
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from matplotlib.image import imread

from app.preview import SIDE, has_preview, picture, preview

RAMP = np.arange(12.0).reshape(3, 4)


def _see(path: Path) -> np.ndarray:
    """The picture as another program reads it: rows from above, 0 black to 1 white."""
    assert has_preview(path)
    made = preview(path)
    assert made is not None
    return imread(BytesIO(made), format="png")


def _file(path: Path, *hdus: fits.hdu.base._BaseHDU) -> Path:
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path


def test_an_image_stands_as_astronomers_see_it(tmp_path: Path):
    fits.PrimaryHDU(RAMP).writeto(tmp_path / "x.fits")
    seen = _see(tmp_path / "x.fits")
    assert seen.shape == (3, 4)
    assert seen[2, 0] == seen.min() == 0, "the first pixel is below on the left"
    assert seen[0, 3] == seen.max() == 1
    assert (np.diff(seen[::-1].ravel()) > 0).all()


@pytest.mark.parametrize(
    ("shape", "seen"), [((1200, 900), (600, 450)), ((2, 6000), (2, 600)), ((3000, 601), (600, 121))]
)
def test_a_large_image_becomes_small(tmp_path: Path, shape: tuple[int, int], seen: tuple[int, int]):
    path = _file(tmp_path / "x.fits", fits.ImageHDU(np.zeros(shape, np.float32)))
    assert _see(path).shape == seen
    assert max(seen) <= SIDE


def test_a_cube_shows_the_mean_of_its_planes_where_they_have_values(tmp_path: Path):
    cube = np.stack([RAMP, RAMP * np.nan, 3 * RAMP])
    assert np.array_equal(_see(_file(tmp_path / "c.fits", fits.ImageHDU(cube))), _see_ramp(tmp_path))


def test_integers_with_an_offset_look_as_they_are(tmp_path: Path):
    path = _file(tmp_path / "u.fits", fits.ImageHDU(RAMP.astype(np.uint16)))
    assert np.array_equal(_see(path), _see_ramp(tmp_path))


def test_packed_files_are_shown_too(tmp_path: Path):
    square = np.tile(RAMP.astype(np.int32), (8, 8))
    path = _file(tmp_path / "x.fits.fz", fits.CompImageHDU(square))
    plain = _file(tmp_path / "y.fits", fits.ImageHDU(square))
    (tmp_path / "y.fits.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert np.array_equal(_see(path), _see(plain))
    assert np.array_equal(_see(tmp_path / "y.fits.gz"), _see(plain))


def test_a_spectrum_is_a_line(tmp_path: Path):
    flux = np.ones(3000)
    flux[1500:1505] = 5
    image = _file(tmp_path / "i.fits", fits.ImageHDU(flux))
    column = fits.Column("FLUX", "3000D", array=flux[np.newaxis])
    table = _file(tmp_path / "t.fits", fits.BinTableHDU.from_columns([column]))
    seen = _see(image)
    assert np.array_equal(seen, _see(table))
    assert seen.shape == (200, 600)
    assert np.flatnonzero(seen[0] == 0).tolist() == [300, 301], "up where the flux is, and down again"
    assert (seen.min(axis=0) == 0).all()


def test_a_table_without_flux_shows_nothing(tmp_path: Path):
    table = fits.BinTableHDU.from_columns([fits.Column("WAVE", "D", array=[1.0])])
    path = _file(tmp_path / "t.fits", table)
    assert not has_preview(path)
    assert preview(path) is None


@pytest.mark.filterwarnings("ignore:Error validating header")
@pytest.mark.parametrize("content", [b"", b"no FITS", b"SIMPLE  =                    T"])
def test_what_is_no_fits_is_an_error(tmp_path: Path, content: bytes):
    (tmp_path / "x.fits").write_bytes(content)
    with pytest.raises(OSError):
        preview(tmp_path / "x.fits")


@settings(max_examples=60)
@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.int16]),
        arrays.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5),
    )
)
def test_whatever_the_values_a_picture_is_made(data: np.ndarray):
    made = picture(data)
    assert made.dtype == np.uint8
    assert made.size > 0


def _see_ramp(folder: Path) -> np.ndarray:
    return _see(_file(folder / "ramp.fits", fits.ImageHDU(RAMP)))
