from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time

from processing.phase3.check import check
from processing.phase3.package import Packaged
from processing.phase3.problems import Problem

# (kind, HDU, keyword, value or None to remove it, keyword of the error that must follow)
BROKEN = [
    ("image", 0, "PRODCATG", "SCIENCE.PICTURE", "PRODCATG"),
    ("image", 0, "FILTER", None, "FILTER"),
    ("image", 0, "PHOTZP", None, "PHOTZP"),
    ("image", 0, "PHOTSYS", "JOHNSON", "PHOTSYS"),
    ("image", 0, "PSF_FWHM", 0.0, "PSF_FWHM"),
    ("image", 0, "ABMAGLIM", -99.0, "ABMAGLIM"),
    ("image", 0, "ABMAGSAT", 98.0, "ABMAGLIM"),
    ("image", 0, "RA", 80.0, "RA"),
    ("image", 0, "RA", 361.0, "RA"),
    ("image", 0, "DEC", 30.0, "RA"),
    ("image", 0, "RADESYS", "FK4", "RADESYS"),
    ("image", 0, "EQUINOX", None, "EQUINOX"),
    ("image", 0, "EQUINOX", 1950.0, "EQUINOX"),
    ("image", 0, "EXPTIME", 121.0, "EXPTIME"),
    ("image", 0, "EXPTIME", 0.0, "EXPTIME"),
    ("image", 0, "TEXPTIME", 1000.0, "TEXPTIME"),
    ("image", 0, "MJD-END", 50000.0, "MJD-END"),
    ("image", 0, "MJD-END", 99999.0, "MJD-END"),
    ("image", 0, "MJD-OBS", 40000.0, "MJD-OBS"),
    ("image", 0, "NCOMBINE", 0, "NCOMBINE"),
    ("image", 0, "NCOMBINE", "4", "NCOMBINE"),
    ("image", 0, "PROG_ID", None, "PROG_ID"),
    ("image", 0, "PROG_ID", "MULTI", "PROG_ID"),
    ("image", 0, "OBID1", None, "OBID1"),
    ("image", 0, "OBID02", 12, "OBID02"),
    ("image", 0, "OBID3", 12, "OBID2"),
    ("image", 0, "OBID2", 4711, "OBIDi"),
    ("image", 0, "PROV1", None, "PROV1"),
    ("image", 0, "PROV2", None, "PROV2"),
    ("image", 0, "FILTER1", "Ks", "FILTER"),
    ("image", 0, "FLUXCAL", "UNCALIBRATED", "FLUXCAL"),
    ("image", 0, "REFERENC", "a paper of mine", "REFERENC"),
    ("image", 0, "DATE", "01/04/12", "DATE"),
    ("image", 0, "TIMESYS", "TDB", "TIMESYS"),
    ("image", 0, "ORIGIN", "GTC", "NOESODAT"),
    ("image", 0, "ORIGFILE", "other.fits", "ORIGFILE"),
    ("image", 0, "CDELT1", 1e-5, "CDELT1"),
    ("image", 0, "CUNIT1", "arcsec", "CUNIT1"),
    ("image", 0, "CTYPE1", "PIXEL", "CTYPE1"),
    ("image", 0, "CD2_2", None, "CD2_2"),
    ("image", 0, "STREHL", 1.5, "STREHL"),
    ("mosaic", 1, "PRODCATG", "SCIENCE.MEFIMAGE", "PRODCATG"),
    ("mosaic", 1, "ORIGFILE", "stack_1.fits", "ORIGFILE"),
    ("mosaic", 1, "EXTNAME", None, "EXTNAME"),
    ("mosaic", 1, "EXTNAME", "KEITH", "EXTNAME"),
    ("mosaic", 2, "BUNIT", None, "BUNIT"),
    ("mosaic", 2, "PSF_FWHM", -2.0, "PSF_FWHM"),
    ("spectrum", 0, "SPECSYS", "MARS", "SPECSYS"),
    ("spectrum", 0, "FLUXERR", 5.0, "FLUXERR"),
    ("spectrum", 0, "TOT_FLUX", True, "TOT_FLUX"),
    ("spectrum", 0, "CONTNORM", "F", "CONTNORM"),
    ("spectrum", 0, "BUNIT", "adu", "BUNIT"),
    ("spectrum", 0, "SPEC_BIN", 1.0, "SPEC_BIN"),
    ("spectrum", 0, "WAVELMIN", 300.0, "WAVELMIN"),
    ("spectrum", 0, "WAVELMAX", 500.0, "WAVELMAX"),
    ("spectrum", 0, "WAVELMIN", 390.0, "WAVELMIN"),
    ("spectrum", 0, "SPEC_RES", -1.0, "SPEC_RES"),
    ("spectrum", 1, "OBJECT", "OTHER", "OBJECT"),
    ("spectrum", 1, "RA", 150.1, "RA"),
    ("spectrum", 1, "TELAPSE", 1.0, "TELAPSE"),
    ("spectrum", 1, "TMID", 56000.0, "TMID"),
    ("spectrum", 1, "SPEC_VAL", 1.0, "SPEC_VAL"),
    ("spectrum", 1, "SPEC_BW", 100.0, "SPEC_BW"),
    ("spectrum", 1, "NELEM", 399, "TFORM1"),
    ("spectrum", 1, "VOCLASS", "SPECTRUM v3.0", "VOCLASS"),
    ("spectrum", 1, "VOPUB", "NASA", "VOPUB"),
    ("spectrum", 1, "APERTURE", 1.0, "APERTURE"),
    ("spectrum", 1, "TDMIN1", 3000.0, "TDMIN1"),
    ("spectrum", 1, "TDMAX1", 5000.0, "TDMAX1"),
    ("spectrum", 1, "TUTYP2", "Spectrum.Flux", "TUTYP2"),
    ("spectrum", 1, "TUCD1", "em.freq", "TUCD1"),
    ("spectrum", 1, "TUCD4", None, "TUCD4"),
    ("spectrum", 1, "TUNIT3", "Jy", "TUNIT3"),
    ("spectrum", 1, "TUNIT1", "furlong", "TUNIT1"),
    ("spectrum", 1, "TTYPE1", "LAMBDA", "TTYPE1"),
    ("cube", 0, "ASSON1", None, "ASSON1"),
    ("cube", 0, "FILTER", "white", "FILTER"),
    ("cube", 0, "SPEC_BIN", 0.125, "SPEC_BIN"),
    ("cube", 0, "PIXNOISE", -1.0, "PIXNOISE"),
    ("cube", 0, "SKY_RES", None, "SKY_RES"),
    ("cube", 1, "HDUCLASS", "NASA", "HDUCLASS"),
    ("cube", 1, "HDUCLAS2", "ERROR", "HDUCLAS2"),
    ("cube", 1, "ERRDATA", "NOISE", "ERRDATA"),
    ("cube", 1, "SCIDATA", "DATA", "SCIDATA"),
    ("cube", 1, "CD3_3", None, "CD3_3"),
    ("cube", 2, "SCIDATA", "OTHER", "SCIDATA"),
    ("cube", 2, "HDUCLAS3", "VARIANCE", "HDUCLAS3"),
    ("cube", 2, "CRVAL1", 10.0, "CRVAL1"),
]


def errors(problems: tuple[Problem, ...]) -> set[str]:
    return {problem.keyword for problem in problems if problem.severity == "error"}


@pytest.fixture
def alter(tmp_path: Path) -> Callable[..., Path]:
    """Changes one card of a copy of a product (None removes it); the header's sum is taken out."""

    def change(packaged: Packaged, hdu: int, keyword: str, value: Any) -> Path:
        folder = tmp_path / "altered"
        shutil.copytree(packaged.files[0].path.parent, folder)
        path = folder / packaged.files[0].path.name
        with fits.open(path) as hdus:
            place = hdus[hdu].fileinfo()
            content = path.read_bytes()
        # astropy would write a table's header as its columns say.
        header = fits.Header.fromstring(content[place["hdrLoc"] : place["datLoc"]].decode())
        del header["CHECKSUM"]
        if value is None:
            del header[keyword]
        else:
            header[keyword] = value
        altered = content[: place["hdrLoc"]] + header.tostring().encode() + content[place["datLoc"] :]
        path.write_bytes(altered)
        return path

    return change


@pytest.mark.parametrize(("kind", "hdu", "keyword", "value", "told"), BROKEN)
def test_each_broken_rule_is_told(
    packaged: dict[str, Packaged],
    alter: Callable[..., Path],
    kind: str,
    hdu: int,
    keyword: str,
    value: Any,
    told: str,
) -> None:
    sound = errors(packaged[kind].problems)
    found = check(alter(packaged[kind], hdu, keyword, value))
    assert told in errors(found) - sound


@pytest.mark.parametrize("kind", ["image", "mosaic", "spectrum", "cube"])
def test_a_card_that_no_rule_is_about_changes_nothing(
    packaged: dict[str, Packaged], alter: Callable[..., Path], kind: str
) -> None:
    found = check(alter(packaged[kind], 0, "AIRMASS", 1.2))
    assert [problem for problem in found if problem.keyword != "CHECKSUM"] == list(packaged[kind].problems)


@pytest.mark.parametrize(
    "value", ["", "2012A&A...123..456B", "1924MNRAS..84..308E", "doi:10.1051/0004-6361/2017"]
)
def test_a_reference_is_nothing_a_bibcode_or_a_doi(
    packaged: dict[str, Packaged], alter: Callable[..., Path], value: str
) -> None:
    assert "REFERENC" not in errors(check(alter(packaged["spectrum"], 0, "REFERENC", value)))


def test_an_error_of_coordinates_in_the_wrong_unit_is_suspected(
    packaged: dict[str, Packaged], alter: Callable[..., Path]
) -> None:
    found = check(alter(packaged["mosaic"], 1, "CRDER1", 0.0085))
    assert [problem.keyword for problem in found if "30.6 arcsec" in problem.sentence] == ["CRDER1"]


def test_the_clock_decides_what_the_future_is(packaged: dict[str, Packaged]) -> None:
    path = packaged["spectrum"].files[0].path
    assert errors(check(path, now=float(Time("2012-03-15T04:00:00").mjd))) == {"MJD-END"}
    assert errors(check(path, now=float(Time("2012-03-15T04:16:00").mjd))) == set()


def test_a_long_string_over_several_cards_is_told(
    packaged: dict[str, Packaged], alter: Callable[..., Path]
) -> None:
    assert "CONTINUE" in errors(check(alter(packaged["image"], 0, "COMMENTS", "x" * 100)))


def test_a_file_name_may_have_68_characters(packaged: dict[str, Packaged], tmp_path: Path) -> None:
    long = tmp_path / f"{'x' * 64}.fits"
    shutil.copy(packaged["spectrum"].files[0].path, long)
    assert any("its name has 69 characters" in problem.sentence for problem in check(long))


def test_a_wave_that_does_not_rise_and_an_infinite_flux_are_told(
    packaged: dict[str, Packaged], tmp_path: Path
) -> None:
    path = tmp_path / packaged["spectrum"].files[0].path.name
    with fits.open(packaged["spectrum"].files[0].path) as hdus:
        hdus[1].data["WAVE"][0, 7] = 1.0
        hdus[1].data["FLUX"][0, 8] = np.inf
        hdus.writeto(path, checksum=True)
    assert errors(check(path)) == {"TTYPE1", "TTYPE2"}


def test_a_sound_product_agrees_with_its_raw_frames(
    packaged: dict[str, Packaged], cases: dict[str, Any]
) -> None:
    for kind, made in packaged.items():
        assert check(made.files[0].path, cases[kind].raws) == made.problems


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PROG_ID", "100.A-0001(A)"),
        ("TELESCOP", "ESO-VLT-U1"),
        ("INSTRUME", "HAWKI"),
        ("FILTER", "H"),
        ("MJD-OBS", 56001.1),
        ("NCOMBINE", 3),
        ("TEXPTIME", 130.0),
        ("EXPTIME", 1.0),
    ],
)
def test_what_disagrees_with_the_raw_frames_is_told(
    packaged: dict[str, Packaged], cases: dict[str, Any], alter: Callable[..., Path], keyword: str, value: Any
) -> None:
    path = alter(packaged["image"], 0, keyword, value)
    assert keyword in errors(check(path, cases["image"].raws)) - errors(check(path))


def test_a_missing_raw_frame_is_told(packaged: dict[str, Packaged], cases: dict[str, Any]) -> None:
    assert "PROV4" in errors(check(packaged["image"].files[0].path, cases["image"].raws[:3]))


def test_raw_frames_are_found_by_archive_name_when_files_are_called_otherwise(
    packaged: dict[str, Packaged], cases: dict[str, Any], tmp_path: Path
) -> None:
    renamed = [
        shutil.copy(path, tmp_path / f"{number}.fits") for number, path in enumerate(cases["image"].raws)
    ]
    assert "PROV1" not in errors(check(packaged["image"].files[0].path, map(Path, renamed)))


def test_an_ancillary_of_no_known_category_is_told(packaged: dict[str, Packaged], tmp_path: Path) -> None:
    shutil.copytree(packaged["cube"].files[0].path.parent, tmp_path / "out")
    white = tmp_path / "out" / packaged["cube"].files[1].path.name
    fits.setval(white, "PRODCATG", value="ANCILLARY.POSTCARD")
    found = check(tmp_path / "out" / packaged["cube"].files[0].path.name)
    assert ["ANCILLARY.POSTCARD" in problem.sentence for problem in found if problem.keyword == "ASSON1"] == [
        True,
        False,  # and then there is no white-light image any more
    ]
