"""A product of a real recipe, from raw frames to the archive."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time

from processing.esorex import Esorex
from processing.graph import InputFile, InputProduct, Plan, Task
from processing.names import input_name
from processing.phase3.package import package
from processing.products import faults
from processing.runner import run

PIXEL = 0.02715 / 3600

WriteFrames = Callable[..., tuple[InputFile, ...]]


def observed(frames: tuple[InputFile, ...]) -> tuple[InputFile, ...]:
    """The frames with what a telescope writes besides what the recipe cannot do without."""
    for frame in frames:
        path = Path(frame.path)
        with fits.open(path, mode="update") as hdus:
            header = hdus[0].header
            header["MJD-OBS"] = float(Time(header["DATE-OBS"]).mjd)
            header.update({"ORIGIN": "ESO", "TELESCOP": "ESO-VLT-U4", "OBJECT": "STAR", "RADESYS": "FK5"})
            header.update({"RA": 150.0, "DEC": -30.0, "EQUINOX": 2000.0})
            header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": -30.0})
            header.update({"CRPIX1": 256.0, "CRPIX2": 256.0, "CD1_1": -PIXEL, "CD1_2": 0.0})
            header.update({"CD2_1": 0.0, "CD2_2": PIXEL})
            said = {"DPR CATG": "SCIENCE", "OBS ID": 7, "OBS PROG ID": "60.A-9999(A)", "INS OPTI6 NAME": "Ks"}
            for keyword, value in said.items():
                header[f"HIERARCH ESO {keyword}"] = value
    return tuple(
        replace(frame, sha256=hashlib.sha256(Path(frame.path).read_bytes()).hexdigest()) for frame in frames
    )


def test_a_real_naco_image_becomes_an_archive_product(
    esorex: Esorex,
    write_objects: WriteFrames,
    plan: Plan,
    store: Path,
    tmp_path: Path,
    fitsverify: Callable[[Path], str],
) -> None:
    objects = observed(write_objects(tmp_path / "objects"))
    dark = InputProduct("NACO_IMG_DARK_AVG", "DARK", "NACO_IMG_DARK_AVG")
    options = ("--combine_method=first",)
    jitter = Task("JITTER", "naco_img_jitter", "r.science", (*objects, dark), ("COADDED_IMG",), options)
    report = run(Plan((jitter, *plan.tasks)), store, esorex=esorex)
    assert report.ok, report.results
    image, master = (result.products[0].path for result in report.results)
    out = tmp_path / "out"
    out.mkdir()
    raws = [Path(frame.path) for frame in objects]
    made = package(image, "SCIENCE.IMAGE", raws, {}, out, [("NACO_IMG_DARK_AVG", master)])
    for file in made.files:
        assert fitsverify(file.path) == ""
        assert faults(file.path, file.category) == ()
    wrong = {problem.keyword for problem in made.problems if problem.severity == "error"}
    assert wrong == {"PHOTZP", "PHOTSYS", "ABMAGLIM", "ABMAGSAT", "FLUXCAL"}  # no standard star was observed
    header = fits.getheader(made.files[0].path)
    width = 3.0 * np.sqrt(8 * np.log(2)) * 0.02715  # the star's sigma is 3 pixels
    assert header["PSF_FWHM"] == pytest.approx(width, rel=0.02)
    assert (header["TEXPTIME"], header["EXPTIME"], header["NCOMBINE"]) == (8.0, 8.0, 4)
    assert header["ESO PRO REC1 CAL1 CATG"] == "NACO_IMG_DARK_AVG"
    assert header["ESO PRO REC1 CAL1 NAME"] == input_name(master.name)
    (note,) = (note for note in made.mended if "did not name" in note.sentence)
    assert note.keyword == "PRO.REC1.CAL1"
    assert note.sentence.startswith(f"names {input_name(master.name)} (NACO_IMG_DARK_AVG: {master.name}), ")
