from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from processing.simulate import archive, naco, pictures
from processing.simulate.echelle import Order, stellar
from processing.simulate.fits import write_image

TRUTH = archive.bookkeeping((Order(103, (1500.0,), (90.0, 4493.5)),))


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    noise = np.random.default_rng(1).normal(0, 2, (naco.SIZE, naco.SIZE)).astype(np.float32)
    write_image(tmp_path / "stack.fits", naco.field(naco.STARS, 0.0, 0.0) + noise, {"OBJECT": "FIELD"})
    return tmp_path / "stack.fits"


@pytest.fixture
def spectrum(tmp_path: Path) -> Path:
    wave = np.arange(3280.0, 4515.0, 0.0135)
    hdu = fits.PrimaryHDU(stellar(archive.LINES, 9000.0)(wave))
    hdu.header.update({"CRVAL1": 3280.0, "CDELT1": 0.0135, "CRPIX1": 1.0})
    hdu.writeto(tmp_path / "spectrum.fits")
    return tmp_path / "spectrum.fits"


def test_the_star_field_becomes_the_same_png_twice(stack: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        pictures.naco(stack, TRUTH, tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first.startswith(b"\x89PNG")
    assert first == second


def test_the_spectrum_becomes_a_png(spectrum: Path, tmp_path: Path) -> None:
    pictures.uves(spectrum, TRUTH, tmp_path / "uves.png")
    assert (tmp_path / "uves.png").read_bytes().startswith(b"\x89PNG")
