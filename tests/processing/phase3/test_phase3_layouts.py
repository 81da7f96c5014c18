"""Products that are laid out in other ways than the usual ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from processing.phase3.check import check
from processing.phase3.package import Packaged
from processing.phase3.problems import Problem
from processing.phase3.standard import PIXELS


def errors(problems: tuple[Problem, ...]) -> set[str]:
    return {problem.keyword for problem in problems if problem.severity == "error"}


def changed(case: Any, folder: Path, hdu: int = 0, drop: tuple[str, ...] = (), **cards: Any) -> Any:
    """The case with another product: keywords dropped, others set."""
    path = folder / case.product.name
    with fits.open(case.product) as hdus:
        for keyword in drop:
            del hdus[hdu].header[keyword]
        hdus[hdu].header.update(cards)
        hdus.writeto(path)
    return replace(case, product=path)


def absent(packaged: Packaged) -> dict[str, str]:
    return {note.keyword: note.sentence for note in packaged.absent}


def as_extensions(packaged: Packaged, path: Path, **science: Any) -> Path:
    """A packaged image as an extension with its errors beside it (standard 6.2.1.2)."""
    with fits.open(packaged.files[0].path) as hdus:
        primary, data = hdus[0].header.copy(), hdus[0].data.copy()
    scheme = {"HDUCLASS": "ESO", "HDUDOC": "SDP", "HDUVERS": "SDP version 8", "HDUCLAS1": "IMAGE"}
    image, noise = fits.ImageHDU(data, name="SCI"), fits.ImageHDU(np.ones_like(data), name="ERR")
    image.header.update({k: primary[k] for k in (*PIXELS, "ASSON1") if k in primary and k != "ASSON1"})
    image.header.update({**scheme, "HDUCLAS2": "DATA", "ERRDATA": "ERR", "ABMAGSAT": 10.0, **science})
    noise.header.update({**scheme, "HDUCLAS2": "ERROR", "HDUCLAS3": "RMSE", "SCIDATA": "SCI"})
    for keyword in (*PIXELS, "ASSON1", "NAXIS1", "NAXIS2", "ORIGFILE"):
        primary.remove(keyword, ignore_missing=True)
    fits.HDUList([fits.PrimaryHDU(header=primary), image, noise]).writeto(path, checksum=True)
    return path


def test_an_image_may_lie_in_an_extension_beside_its_errors(
    packaged: dict[str, Packaged], tmp_path: Path
) -> None:
    assert errors(check(as_extensions(packaged["image"], tmp_path / "image.fits"))) == set()


@pytest.mark.parametrize(
    ("card", "told"),
    [
        ({"HDUCLAS2": "SCIENCE"}, "HDUCLAS2"),
        ({"ERRDATA": "NOISE"}, "ERRDATA"),
        ({"PHOTSYS": "ST"}, "PHOTSYS"),
        ({"CTYPE1": "RA---ZZZ", "CTYPE2": "DEC--TAN"}, "CTYPE1"),
    ],
)
def test_an_image_in_an_extension_obeys_the_scheme(
    packaged: dict[str, Packaged], tmp_path: Path, card: dict[str, str], told: str
) -> None:
    assert told in errors(check(as_extensions(packaged["image"], tmp_path / "image.fits", **card)))


def test_an_image_of_an_extension_is_packaged_in_one_hdu(cases: dict[str, Any], tmp_path: Path) -> None:
    case, product = cases["image"], tmp_path / "extension.fits"
    with fits.open(case.product) as hdus:
        header = hdus[0].header.copy()
        axes = [k for k in header if k.startswith(("CTYPE", "CRVAL", "CRPIX", "CD"))]
        image = fits.ImageHDU(hdus[0].data, name="DATA")
        image.header.update({**{k: header[k] for k in axes}, "HDUCLAS2": "DATA"})
        other = fits.ImageHDU(hdus[0].data, name="EXTRA")
        for keyword in ("NAXIS1", "NAXIS2", *axes):
            del header[keyword]
        fits.HDUList([fits.PrimaryHDU(header=header), image, other]).writeto(product)
    made = replace(case, product=product).package(tmp_path / "out")
    with fits.open(made.files[0].path) as hdus:
        assert (len(hdus), hdus[0].header["NAXIS"], hdus[0].header["CUNIT1"]) == (1, 2, "deg")
        assert "HDUCLAS2" not in hdus[0].header
    assert errors(made.problems) == {"ABMAGSAT"}
    assert "extension EXTRA is not delivered: it is not known what it holds" in made.remarks


def test_an_image_without_celestial_coordinates_says_so(
    cases: dict[str, Any], tmp_path: Path, fitsverify: Callable[[Path], str]
) -> None:
    made = changed(cases["image"], tmp_path, CTYPE1="PIXEL", CTYPE2="PIXEL").package(tmp_path / "out")
    assert "no celestial coordinates" in absent(made)["CRVALi CTYPEi CDi_j"]
    assert "has no size on the sky" in absent(made)["PSF_FWHM"]
    assert {"CTYPE1", "PSF_FWHM"} <= errors(made.problems)
    assert fitsverify(made.files[0].path) == ""


def test_a_flux_calibrated_spectrum_says_so(cases: dict[str, Any], tmp_path: Path) -> None:
    unit = "erg/cm^2/Angstrom/s"
    case = changed(cases["spectrum"], tmp_path, BUNIT=unit)
    bars = tmp_path / "bars.fits"
    with fits.open(case.companions["ERRORBAR_SCI_POINT_BLUE"]) as hdus:
        hdus[0].header["BUNIT"] = unit
        hdus.writeto(bars)
    made = replace(case, companions={"FLUXCAL_ERRORBAR_SCI_POINT_BLUE": bars}).package(tmp_path / "out")
    primary, table = (fits.getheader(made.files[0].path, hdu) for hdu in (0, 1))
    assert (primary["FLUXCAL"], primary["FLUXERR"]) == ("ABSOLUTE", -2.0)
    assert table["TUNIT2"] == table["TUNIT3"] == "erg.s**(-1).cm**(-2).angstrom**(-1)"
    assert errors(made.problems) == set()


def test_a_spectrum_in_vacuum_nanometres_with_steps_alone_is_understood(
    cases: dict[str, Any], tmp_path: Path
) -> None:
    axis = {"CTYPE1": "WAVE", "CUNIT1": "nm", "CRVAL1": 380.0, "CDELT1": 0.002}
    made = changed(cases["spectrum"], tmp_path, drop=("CD1_1",), **axis).package(tmp_path / "out")
    with fits.open(made.files[0].path) as hdus:
        assert hdus[1].data["WAVE"][0] == pytest.approx(3800 + 0.02 * np.arange(400), abs=1e-9)
        assert hdus[1].header["TUCD1"] == "em.wl"
    assert errors(made.problems) == set()


def test_error_bars_of_another_unit_are_not_taken(cases: dict[str, Any], tmp_path: Path) -> None:
    made = changed(cases["spectrum"], tmp_path, BUNIT="erg/cm^2/Angstrom/s").package(tmp_path / "out")
    assert "no error spectrum" in absent(made)["SNR"]
    assert any("errorbar.fits" in remark and "not delivered" in remark for remark in made.remarks)


def test_a_slit_arc_lines_or_frame_that_nobody_tells_is_not_invented(
    cases: dict[str, Any], tmp_path: Path
) -> None:
    drop = ("ESO INS SLIT2 WID", "ESO PRO REC1 ID")
    case = replace(changed(cases["spectrum"], tmp_path, drop=drop), calibrations=())
    made = case.package(tmp_path / "out")
    assert absent(made).keys() == {"APERTURE", "SPEC_RES", "SPECSYS"}
    assert errors(made.problems) == {"APERTURE", "SPEC_RES", "SPECSYS"}


def test_what_a_recipe_does_not_say_of_its_cube_is_computed(cases: dict[str, Any], tmp_path: Path) -> None:
    drop = ("WAVELMIN", "WAVELMAX", "SKY_RES", "PIXNOISE")
    made = changed(cases["cube"], tmp_path, drop=drop).package(tmp_path / "out")
    header = fits.getheader(made.files[0].path)
    assert (header["WAVELMIN"], header["WAVELMAX"]) == (480.0, 892.5)
    assert header["PIXNOISE"] == pytest.approx(4e-20)
    assert header["SKY_RES"] == pytest.approx(3.2 * 5.5e-5 * 3600, rel=0.02)  # the star in the field
    assert errors(made.problems) == set()


def test_without_a_star_the_seeing_monitor_tells_the_resolution(
    cases: dict[str, Any], tmp_path: Path
) -> None:
    case = cases["cube"]
    product = tmp_path / "dark_sky.fits"
    with fits.open(case.product) as hdus:
        del hdus[0].header["SKY_RES"]
        hdus[1].data[:] = np.random.default_rng(1).normal(0, 4, hdus[1].data.shape)
        hdus.writeto(product)
    made = replace(case, product=product).package(tmp_path / "out")
    assert fits.getval(made.files[0].path, "SKY_RES") == pytest.approx(0.85)


def test_a_cube_of_counts_has_no_magnitudes(cases: dict[str, Any], tmp_path: Path) -> None:
    case = changed(cases["cube"], tmp_path, hdu=1, BUNIT="count")
    other = tmp_path / "more"
    other.mkdir()
    made = changed(case, other, drop=("PIXNOISE", "SPEC_RES")).package(tmp_path / "out")
    assert {"ABMAGLIM", "PIXNOISE", "SPEC_RES"} <= absent(made).keys()
    assert errors(made.problems) == {"ABMAGLIM", "PIXNOISE", "SPEC_RES"}
    assert fits.getval(made.files[0].path, "FLUXCAL") == "UNCALIBRATED"


def test_a_white_light_image_of_another_size_is_not_taken(cases: dict[str, Any], tmp_path: Path) -> None:
    small = tmp_path / "small.fits"
    with fits.open(cases["cube"].companions["IMAGE_FOV"]) as hdus:
        hdus[1].data = hdus[1].data[:20, :20]
        hdus.writeto(small)
    made = replace(cases["cube"], companions={"IMAGE_FOV": small}).package(tmp_path / "out")
    assert [file.prodcatg for file in made.files[1:]] == ["ANCILLARY.IMAGE.WHITELIGHT", "ANCILLARY.IMAGE"]
    assert errors(made.problems) == set()


def test_data_of_another_observatory_need_no_block_but_say_so(cases: dict[str, Any], tmp_path: Path) -> None:
    made = changed(cases["spectrum"], tmp_path, ORIGIN="GTC").package(tmp_path / "out")
    assert fits.getval(made.files[0].path, "NOESODAT") is True
    assert errors(made.problems) == set()


@pytest.mark.parametrize(
    ("cards", "told"),
    [
        ({"ASSON1": "preview.png", "ASSOC1": "ANCILLARY.PREVIEW"}, [("error", "ASSOM1")]),
        ({"ASSON1": "map.fits", "ASSOC1": "ANCILLARY.VARMAP"}, [("warning", "ASSOC1")]),
        ({"ASSON1": "nowhere.fits"}, [("warning", "ASSON1")]),
        ({"ASSON1": "p.png", "ASSOC1": "ANCILLARY.PREVIEW", "ASSOM1": "0" * 32}, []),
    ],
)
def test_an_associated_file_tells_its_kind_in_itself_or_beside(
    packaged: dict[str, Packaged], tmp_path: Path, cards: dict[str, str], told: list[tuple[str, str]]
) -> None:
    path = tmp_path / packaged["spectrum"].files[0].path.name
    with fits.open(packaged["spectrum"].files[0].path) as hdus:
        hdus[0].header.update(cards)
        hdus.writeto(path, checksum=True)
    # astropy leaves out the unit of QUAL, which is empty, when it writes the table again
    found = [(problem.severity, problem.keyword) for problem in check(path)]
    assert [each for each in found if each != ("error", "TUNIT4")] == told


def test_maps_of_single_exposures_do_not_go_along_with_the_stack(
    cases: dict[str, Any], tmp_path: Path
) -> None:
    case, companions = cases["mosaic"], {}
    for category, native in (
        ("CONFIDENCE_MAP_SCI", "stack_conf_1.fits"),
        ("CONFIDENCE_MAP", "exp_conf_1.fits"),
    ):
        companions[category] = tmp_path / native
        with fits.open(case.companions["CONFIDENCE_MAP_SCI"]) as hdus:
            hdus[0].header["PIPEFILE"] = native
            hdus.writeto(companions[category])
    made = replace(case, companions=companions).package(tmp_path / "out")
    assert [file.category for file in made.files] == ["JITTERED_IMAGE_SCI", "CONFIDENCE_MAP_SCI"]
    assert made.remarks == (
        "exp_conf_1.fits (CONFIDENCE_MAP) is not delivered: the product names others (ASSONi)",
    )


def test_two_companions_of_one_kind_get_names_of_their_own(cases: dict[str, Any], tmp_path: Path) -> None:
    case = cases["mosaic"]
    file = case.companions["CONFIDENCE_MAP_SCI"]
    made = replace(case, companions={"CONFIDENCE_A": file, "CONFIDENCE_B": file}).package(tmp_path)
    assert [each.path.name for each in made.files[1:]] == [
        "stack_1_sdp_weightmap.fits",
        "stack_1_sdp_weightmap2.fits",
    ]
    assert fits.getval(made.files[0].path, "ASSON2") == "stack_1_sdp_weightmap2.fits"
    assert errors(made.problems) == set()


def test_a_cube_with_steps_alone_gets_its_matrix(cases: dict[str, Any], tmp_path: Path) -> None:
    case = changed(cases["cube"], tmp_path, hdu=1, drop=("CD3_3",), CDELT3=375.0)
    made = case.package(tmp_path / "out")
    header = fits.getheader(made.files[0].path, 1)
    assert header["CD3_3"] == 375.0 and "CDELT3" not in header
    assert errors(made.problems) == set()
