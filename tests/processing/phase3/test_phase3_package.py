from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from processing.names import input_name
from processing.phase3.ancillaries import file_name
from processing.phase3.notes import Cards, Notes, PackagingError
from processing.phase3.package import Packaged
from processing.products import faults

KINDS = ["image", "mosaic", "spectrum", "cube"]


def keywords(notes: tuple[Any, ...]) -> set[str]:
    return {note.keyword for note in notes}


def errors(packaged: Packaged) -> list[str]:
    return [problem.keyword for problem in packaged.problems if problem.severity == "error"]


def header(packaged: Packaged, hdu: int = 0) -> fits.Header:
    return fits.getheader(packaged.files[0].path, hdu)


def content(packaged: Packaged) -> dict[str, str]:
    return {file.path.name: hashlib.sha256(file.path.read_bytes()).hexdigest() for file in packaged.files}


@pytest.mark.parametrize("kind", KINDS)
def test_fitsverify_finds_nothing_in_any_packaged_file(
    packaged: dict[str, Packaged], kind: str, fitsverify: Callable[[Path], str]
) -> None:
    for file in packaged[kind].files:
        assert fitsverify(file.path) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_every_packaged_file_passes_the_check_that_recipes_products_pass(
    packaged: dict[str, Packaged], kind: str
) -> None:
    for file in packaged[kind].files:
        assert faults(file.path, file.category) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_the_checker_misses_only_what_the_report_says_could_not_be_computed(
    packaged: dict[str, Packaged], kind: str
) -> None:
    assert set(errors(packaged[kind])) == ({"ABMAGSAT"} if kind == "image" else set())
    assert set(errors(packaged[kind])) <= keywords(packaged[kind].absent)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_inputs_make_the_same_bytes(
    cases: dict[str, Any], packaged: dict[str, Packaged], kind: str, tmp_path: Path
) -> None:
    assert content(cases[kind].package(tmp_path)) == content(packaged[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_the_original_stays_as_it_was(cases: dict[str, Any], kind: str, tmp_path: Path) -> None:
    before = cases[kind].product.read_bytes()
    cases[kind].package(tmp_path)
    assert cases[kind].product.read_bytes() == before


@pytest.mark.parametrize("kind", KINDS)
def test_provenance_is_the_archive_names_of_the_raw_frames_in_time_order(
    packaged: dict[str, Packaged], cases: dict[str, Any], kind: str
) -> None:
    made = header(packaged[kind])
    names = sorted(path.name.removesuffix(".fits") for path in cases[kind].raws)
    assert [made[f"PROV{number}"] for number in range(1, made["NCOMBINE"] + 1)] == names


def test_an_infrared_exposure_lasts_dit_times_ndit(packaged: dict[str, Packaged]) -> None:
    made = header(packaged["image"])
    assert (made["TEXPTIME"], made["EXPTIME"], made["NDIT"]) == (4 * 30.0, 120.0, 15)
    assert (made["MJD-END"] - made["MJD-OBS"]) * 86400 == pytest.approx(3 * 70 + 30, abs=0.01)


def test_files_of_one_exposure_count_as_files_but_their_time_counts_once(
    packaged: dict[str, Packaged],
) -> None:
    made = header(packaged["mosaic"])
    assert (made["NCOMBINE"], made["TEXPTIME"]) == (6, 180.0)


def test_a_count_of_exposures_becomes_an_exposure_map_in_seconds(packaged: dict[str, Packaged]) -> None:
    science, ancillary = packaged["image"].files
    assert header(packaged["image"])["ASSON1"] == ancillary.path.name
    with fits.open(ancillary.path) as hdus:
        assert (hdus[0].header["PRODCATG"], hdus[0].header["BUNIT"]) == ("ANCILLARY.EXPMAP", "s")
        assert np.unique(hdus[0].data).tolist() == [90.0, 120.0]
    assert science.category == "COADDED_IMG"


def test_the_zero_point_of_the_standard_star_counts_for_one_dit(packaged: dict[str, Packaged]) -> None:
    made = header(packaged["image"])
    assert made["PHOTZP"] == pytest.approx(22.5 + 2.5 * np.log10(2.0))
    assert (made["PHOTSYS"], made["PHOTZPER"], made["FLUXCAL"]) == ("VEGA", 0.01, "ABSOLUTE")


def test_star_width_and_limit_of_an_image_are_those_it_was_made_with(packaged: dict[str, Packaged]) -> None:
    made = header(packaged["image"])
    assert made["PSF_FWHM"] == pytest.approx(3.2 * 1e-5 * 3600, rel=0.01)
    optimal = 5 * 4.0 * 3.2 * np.sqrt(np.pi / (2 * np.log(2)))
    assert made["ABMAGLIM"] == pytest.approx(made["PHOTZP"] + 1.85 - 2.5 * np.log10(optimal), abs=0.1)


def test_without_a_zero_point_nothing_is_invented(cases: dict[str, Any], tmp_path: Path) -> None:
    made = replace(cases["image"], calibrations=()).package(tmp_path)
    why = {note.keyword: note.sentence for note in made.absent}
    assert keywords(made.absent) == {"PHOTZP", "PHOTSYS", "ABMAGLIM", "ABMAGSAT"}
    assert "no ZPOINT_TABLE was given" in why["ABMAGLIM"]
    assert header(made)["FLUXCAL"] == "UNCALIBRATED"


def test_the_zero_point_of_another_filter_is_refused(cases: dict[str, Any], tmp_path: Path) -> None:
    table = tmp_path / "h_band.fits"
    with fits.open(dict(cases["image"].calibrations)["ZPOINT_TABLE"]) as hdus:
        hdus[0].header["HIERARCH ESO QC FILTER OBS"] = "H"
        hdus.writeto(table)
    made = replace(cases["image"], calibrations=(("ZPOINT_TABLE", table),)).package(tmp_path)
    assert [n.sentence for n in made.absent if n.keyword == "PHOTZP"] == [
        "the zero point of h_band.fits is of filter 'H', the image is of 'Ks'"
    ]


def test_the_dark_that_the_recipe_forgot_is_named(packaged: dict[str, Packaged]) -> None:
    made = header(packaged["image"])
    assert made["ESO PRO REC1 CAL2 NAME"] == "dark.fits"
    assert made["ESO PRO REC1 CAL2 CATG"] == "NACO_IMG_DARK_AVG"
    assert "PRO.REC1.CAL2" in keywords(packaged["image"].mended)


def test_a_forgotten_dark_of_a_long_name_is_named_as_the_recipe_read_it(
    cases: dict[str, Any], tmp_path: Path
) -> None:
    case = cases["image"]
    (tag, dark), zero = case.calibrations
    long = tmp_path / "r.NACO.2012-03-15T11:00:04.624_NACO_IMG_DARK_AVG_6acb2782.fits"
    long.symlink_to(dark)
    made = replace(case, calibrations=((tag, long), zero)).package(tmp_path / "out")
    assert header(made)["ESO PRO REC1 CAL2 NAME"] == input_name(long.name)
    (said,) = (note.sentence for note in made.mended if note.keyword == "PRO.REC1.CAL2")
    assert input_name(long.name) in said
    assert long.name in said


def test_raw_frames_that_a_recipe_read_under_a_shorter_name_are_its_sources(
    cases: dict[str, Any], tmp_path: Path
) -> None:
    case, stranger = cases["image"], tmp_path / f"{'another_' * 8}.fits"
    raws = [tmp_path / f"my_own_copy_of_the_frame_{path.name}" for path in case.raws]
    product = tmp_path / case.product.name
    with fits.open(case.product) as hdus:
        for number, (path, source) in enumerate(zip(raws, case.raws, strict=True), 1):
            path.symlink_to(source)
            hdus[0].header[f"HIERARCH ESO PRO REC1 RAW{number} NAME"] = input_name(path.name)
        hdus.writeto(product)
    with fits.open(case.raws[0]) as hdus:
        hdus[0].header["ARCFILE"] = "NACO.2012-03-15T09:00:00.000.fits"
        hdus.writeto(stranger)
    made = replace(case, product=product, raws=(*raws, stranger)).package(tmp_path / "out")
    assert header(made)["NCOMBINE"] == len(raws)
    assert made.remarks == (
        "NACO.2012-03-15T09:00:00.000 does not count: the product does not name it as its source",
    )


@pytest.mark.parametrize(
    ("keyword", "room"),
    [("OBJECT", 68), ("HIERARCH ESO PRO REC1 CAL3 NAME", 45), ("HIERARCH ESO PRO REC1 CAL100 NAME", 43)],
)
def test_what_a_card_cannot_hold_is_refused_and_never_cut(keyword: str, room: int) -> None:
    cards = Cards(fits.Header(), 0, Notes())
    cards.put(keyword, "x" * room)
    assert fits.Header.fromstring(cards.new.tostring())[keyword] == "x" * room
    for value in ("x" * (room + 1), "'" + "x" * (room - 1)):
        with pytest.raises(PackagingError, match=rf"^{keyword} would be .*, longer than the {room} char"):
            cards.put(keyword, value)


def test_a_place_outside_of_the_pixels_becomes_their_centre(packaged: dict[str, Packaged]) -> None:
    made = header(packaged["mosaic"])
    assert (made["RA"], made["DEC"]) == pytest.approx((150.0, -29.999), abs=2e-5)
    assert any("outside" in note.sentence for note in packaged["mosaic"].mended if note.keyword == "RA")


def test_errors_of_the_coordinates_are_turned_from_arcseconds_to_degrees(
    packaged: dict[str, Packaged],
) -> None:
    assert header(packaged["mosaic"], 1)["CRDER1"] == pytest.approx(0.0013 / 2 / 3600)


def test_a_limit_that_the_noise_forbids_is_computed_anew(packaged: dict[str, Packaged]) -> None:
    optimal = 5 * 4.0 * 3.2 * np.sqrt(np.pi / (2 * np.log(2)))
    for chip in (1, 2):
        expected = 31.5 + 0.21 - 2.5 * np.log10(optimal)
        assert header(packaged["mosaic"], chip)["ABMAGLIM"] == pytest.approx(expected, abs=0.15)


def test_what_the_recipe_knows_better_is_kept(packaged: dict[str, Packaged]) -> None:
    chip = header(packaged["mosaic"], 2)
    assert (chip["PHOTZP"], chip["PHOTZPER"], chip["ABMAGSAT"]) == (31.5, 0.01, 18.0)
    assert (chip["EXTNAME"], chip["BUNIT"]) == ("KEITH", "adu")


def test_a_spectrum_becomes_one_row_of_arrays(packaged: dict[str, Packaged]) -> None:
    with fits.open(packaged["spectrum"].files[0].path) as hdus:
        row, made = hdus[1].data[0], hdus[1].header
        assert row["WAVE"] == pytest.approx(3800 + 0.02 * np.arange(400), abs=1e-9)
        assert set(row["FLUX"][5:-3]) == {100.0} and set(row["ERR"]) == {2.0}
        assert np.flatnonzero(row["QUAL"]).tolist() == [0, 1, 2, 3, 4, 397, 398, 399]
    assert [made[f"TUCD{column}"] for column in (1, 4)] == ["em.wl;obs.atmos", "meta.code.qual"]
    assert (made["TUNIT1"], made["TUNIT2"], made["NELEM"]) == ("angstrom", "adu", 400)
    assert made["APERTURE"] == pytest.approx(1 / 3600)


def test_quality_of_a_spectrum_comes_from_its_error_bars_and_arc_lines(packaged: dict[str, Packaged]) -> None:
    made = header(packaged["spectrum"])
    assert made["SNR"] == 50.0
    assert made["SPEC_RES"] == pytest.approx(3803.97 / (0.02 * 2.0 * np.sqrt(8 * np.log(2))), rel=1e-3)
    assert (made["WAVELMIN"], made["WAVELMAX"]) == pytest.approx((380.01, 380.792))
    assert (made["LAMRMS"], made["SPEC_ERR"], made["SPEC_SYE"]) == pytest.approx((3e-5, 1e-6, 1e-5))
    assert (made["FLUXCAL"], made["FLUXERR"], made["SPECSYS"], made["EXT_OBJ"]) == (
        "UNCALIBRATED",
        -1.0,
        "TOPOCENT",
        False,
    )


def test_a_spectrum_without_error_bars_says_so(cases: dict[str, Any], tmp_path: Path) -> None:
    made = replace(cases["spectrum"], companions={}).package(tmp_path)
    assert "SNR" in keywords(made.absent) and "SNR" not in header(made)
    assert {"SNR", "TTYPE3"} <= set(errors(made))


def test_a_cube_gets_the_recipes_white_light_image_under_its_right_name(
    packaged: dict[str, Packaged],
) -> None:
    science, white = packaged["cube"].files
    assert header(packaged["cube"])["ASSON1"] == white.path.name
    assert (white.category, white.prodcatg) == ("IMAGE_FOV", "ANCILLARY.IMAGE.WHITELIGHT")
    assert science.prodcatg == "SCIENCE.CUBE.IFS"


def test_a_missing_white_light_image_is_made(cases: dict[str, Any], tmp_path: Path) -> None:
    made = replace(cases["cube"], companions={}).package(tmp_path)
    with fits.open(made.files[1].path) as hdus, fits.open(cases["cube"].product) as source:
        expected = source["DATA"].data[:, 2:].mean(axis=0)
        assert hdus[0].data[2:] == pytest.approx(expected, abs=1e-4)
        assert np.isnan(hdus[0].data[:2]).all()
    assert errors(made) == []


def test_the_limit_of_a_cube_is_that_of_its_white_light(packaged: dict[str, Packaged]) -> None:
    made = header(packaged["cube"])
    fwhm = 0.9 / (5.5e-5 * 3600)
    flux = 1e-20 * 5 * 4.0 / np.sqrt(12) * fwhm * np.sqrt(np.pi / (2 * np.log(2)))
    per_hertz = flux * 4800 * 9300 / 2.99792458e18
    assert made["ABMAGLIM"] == pytest.approx(-2.5 * np.log10(per_hertz) - 48.6, abs=0.2)


def test_errors_that_fits_forbids_are_removed_and_told(packaged: dict[str, Packaged]) -> None:
    assert "CSYER1" not in header(packaged["cube"], 1)
    assert {"CSYER1", "CSYER2"} <= keywords(packaged["cube"].absent)


@pytest.mark.parametrize("change", [{"HIERARCH ESO DPR TYPE": "SKY"}, {"HIERARCH ESO DPR CATG": "CALIB"}])
def test_frames_that_are_not_on_target_do_not_count(
    cases: dict[str, Any], tmp_path: Path, change: dict[str, str]
) -> None:
    *targets, last = cases["image"].raws
    other = tmp_path / last.name
    with fits.open(last) as hdus:
        hdus[0].header.update(change)
        hdus.writeto(other)
    made = replace(cases["image"], raws=(*targets, other)).package(tmp_path / "out")
    assert (header(made)["NCOMBINE"], header(made)["TEXPTIME"]) == (3, 90.0)
    assert any("not on target" in remark for remark in made.remarks)


def test_frames_that_the_product_does_not_name_do_not_count(cases: dict[str, Any], tmp_path: Path) -> None:
    stranger = tmp_path / "NAOS.2012-03-20T00:00:00.000.fits"
    with fits.open(cases["image"].raws[0]) as hdus:
        hdus[0].header["ARCFILE"] = stranger.name
        hdus[0].header["MJD-OBS"] += 5
        hdus.writeto(stranger)
    made = replace(cases["image"], raws=(*cases["image"].raws, stranger)).package(tmp_path / "out")
    assert header(made)["NCOMBINE"] == 4


def test_several_programmes_and_blocks_are_all_listed(cases: dict[str, Any], tmp_path: Path) -> None:
    first, *rest = cases["image"].raws
    other = tmp_path / first.name
    with fits.open(first) as hdus:
        hdus[0].header.update({"HIERARCH ESO OBS PROG ID": "090.A-0001(B)", "HIERARCH ESO OBS ID": 4712})
        hdus.writeto(other)
    made = replace(cases["image"], raws=(other, *rest)).package(tmp_path / "out")
    said = header(made)
    assert [said[k] for k in ("PROG_ID", "PROGID1", "PROGID2")] == ["MULTI", "090.A-0001(B)", "088.D-0512(A)"]
    assert (said["OBID1"], said["OBID2"]) == (4712, 4711)
    assert set(errors(made)) == {"ABMAGSAT"}


def test_a_long_name_is_cut_and_stays_unique() -> None:
    keys = ("c7ebc5a3", "0123abcd")
    stems = [f"r.UVES.2012-03-14T03:00:04.659_ERRORBAR_WCALIB_FF_SCI_POINT_BLUE_{key}" for key in keys]
    names = {file_name(Path(f"{stem}.fits"), part) for stem in stems for part in ("", "whitelight")}
    assert len(names) == 4 and all(len(name) <= 68 for name in names)


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        ("image", {"prodcatg": "SCIENCE.CATALOG"}, "no known PRODCATG"),
        ("image", {"raws": ()}, "no raw science frame was given"),
        ("image", {"prodcatg": "SCIENCE.MEFIMAGE"}, "holds 1 image extensions"),
        ("image", {"prodcatg": "SCIENCE.SPECTRUM"}, "has 2 axes"),
        ("mosaic", {"prodcatg": "SCIENCE.CUBE.IFS"}, "holds no cube"),
        ("spectrum", {"prodcatg": "SCIENCE.IMAGE"}, "holds no image of two axes"),
        ("spectrum", {"product": Path("absent.fits")}, "absent.fits cannot be read"),
    ],
)
def test_what_cannot_be_packaged_is_refused_with_a_reason(
    cases: dict[str, Any], tmp_path: Path, kind: str, change: dict[str, Any], told: str
) -> None:
    with pytest.raises(PackagingError, match=told):
        replace(cases[kind], **change).package(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cut_name_still_says_frame_and_category() -> None:
    name = file_name(Path("r.UVES.2011-01-21T03:00:00.183_FLUXCAL_SCI_POINT_BLUE_c7ebc5a3.fits"))
    assert name.startswith("UVES.2011-01-21T03:00:00.183_FLUXCAL_SCI_POINT_BLUE_")
    assert name.endswith("_sdp.fits")
    assert len(name) == 67
