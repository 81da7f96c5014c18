from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from click.testing import Result

Calsel = Callable[..., Result]

PRIMARY = {
    "PRODCATG": "SCIENCE.SPECTRUM",
    "ORIGIN": "ESO",
    "TELESCOP": "ESO-VLT-U2",
    "INSTRUME": "UVES",
    "OBJECT": "STAR",
    "RA": 150.0,
    "DEC": -30.0,
    "RADESYS": "ICRS",
    "EXPTIME": 864.0,
    "TEXPTIME": 864.0,
    "MJD-OBS": 56000.0,
    "MJD-END": 56000.01,
    "PROG_ID": "088.D-0512(A)",
    "OBID1": 4711,
    "NCOMBINE": 1,
    "OBSTECH": "ECHELLE",
    "FLUXCAL": "UNCALIBRATED",
    "PROCSOFT": "uves/6.1.8",
    "REFERENC": "",
    "PROV1": "UVES.2012-03-14T00:00:00.000",
    "DATE": "2012-04-01T10:11:12",
    "SPECSYS": "TOPOCENT",
    "CONTNORM": False,
    "TOT_FLUX": False,
    "FLUXERR": -1.0,
    "WAVELMIN": 380.0,
    "WAVELMAX": 381.0,
    "SPEC_BIN": 0.1,
    "SNR": 50.0,
    "SPEC_RES": 40000.0,
    "EXT_OBJ": False,
    "SPEC_ERR": 1e-6,
    "SPEC_SYE": 1e-5,
    "RA_ERR": 1e-4,
    "DEC_ERR": 1e-4,
    "ORIGFILE": "spectrum.fits",
}
TABLE = {
    "OBJECT": "STAR",
    "RA": 150.0,
    "DEC": -30.0,
    "EXTNAME": "SPECTRUM",
    "NELEM": 11,
    "VOCLASS": "SPECTRUM v1.0",
    "VOPUB": "ESO/SAF",
    "TITLE": "STAR",
    "APERTURE": 3e-4,
    "TELAPSE": 864.0,
    "TMID": 56000.005,
    "SPEC_VAL": 380.5,
    "SPEC_BW": 1.0,
    "TDMIN1": 380.0,
    "TDMAX1": 381.0,
    "TUTYP1": "Spectrum.Data.SpectralAxis.Value",
    "TUTYP2": "Spectrum.Data.FluxAxis.Value",
    "TUTYP3": "Spectrum.Data.FluxAxis.Accuracy.StatError",
    "TUCD1": "em.wl",
    "TUCD2": "phot.flux.density;em.wl",
    "TUCD3": "stat.error;phot.flux.density;em.wl",
}


@pytest.fixture
def spectrum(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small spectrum that obeys the standard, but for the given cards of its primary header."""

    def write(**changes: object) -> Path:
        wave = np.linspace(380.0, 381.0, 11)
        columns = [
            fits.Column(name, "11D", unit, array=[values])
            for name, unit, values in (("WAVE", "nm", wave), ("FLUX", "adu", wave), ("ERR", "adu", wave))
        ]
        table = fits.BinTableHDU.from_columns(columns)
        table.header.update(TABLE)
        primary = fits.PrimaryHDU()
        primary.header.update({**PRIMARY, **changes})
        path = tmp_path / "spectrum.fits"
        fits.HDUList([primary, table]).writeto(path, checksum=True)
        return path

    return write


def test_a_sound_product_passes(bare: Calsel, spectrum: Callable[..., Path]) -> None:
    path = spectrum()
    told = bare("check-product", path)
    assert (told.exit_code, told.stdout) == (0, f"{path}: all right\n")
    assert told.stderr == "1 file, 0 errors, 0 warnings\n"


def test_a_broken_rule_is_told_with_its_place_and_its_source(
    bare: Calsel, spectrum: Callable[..., Path]
) -> None:
    path = spectrum(EXPTIME=1000.0)
    told = bare("check-product", path)
    assert told.exit_code == 1
    assert told.stdout == (
        f"{path}:\n"
        "  error: HDU 0, EXPTIME: is 1000.000 s, more than TEXPTIME, 864.000 s, the sum of all exposures "
        "[ESO-044286 v8, 5.1]\n"
    )
    assert told.stderr == "1 file, 1 error, 0 warnings\n"


def test_raw_frames_are_looked_for_in_a_folder_and_below(
    bare: Calsel, spectrum: Callable[..., Path], tmp_path: Path
) -> None:
    path, night = spectrum(), tmp_path / "raw" / "2012-03-13"
    night.mkdir(parents=True)
    told = bare("check-product", path, "--raw", tmp_path / "raw")
    assert told.exit_code == 1
    assert "PROV1: names UVES.2012-03-14T00:00:00.000, which is not among the files given" in told.stdout
    raw = fits.PrimaryHDU()
    raw.header.update({k: PRIMARY[k] for k in ("TELESCOP", "INSTRUME", "MJD-OBS", "EXPTIME")})
    raw.header.update({"HIERARCH ESO OBS ID": 4711, "HIERARCH ESO OBS PROG ID": "088.D-0512(A)"})
    raw.writeto(night / "UVES.2012-03-14T00:00:00.000.fits")
    assert bare("check-product", path, "--raw", tmp_path / "raw").exit_code == 0


def test_what_is_no_fits_file_is_told_as_such(bare: Calsel, tmp_path: Path) -> None:
    path = tmp_path / "notes.fits"
    path.write_text("no FITS")
    told = bare("check-product", path)
    assert told.exit_code == 1
    assert "error: file: the header of HDU 0 has no END before the end of the file" in told.stdout


def test_warnings_can_be_left_out(bare: Calsel, spectrum: Callable[..., Path]) -> None:
    path = spectrum(RADECSYS="ICRS")
    assert "warning: HDU 0, RADECSYS" in bare("check-product", path).stdout
    told = bare("check-product", "--quiet", path)
    assert (told.exit_code, told.stdout) == (0, f"{path}:\n")
