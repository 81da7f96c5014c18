"""Small products as the recipes leave them, with the defects that real recipes have, and their raw frames."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time

from processing.phase3.package import Packaged, package

DATE = "2012-04-01T10:11:12"
BEGIN = float(Time("2012-03-15T03:55:00.000").mjd)
CENTRE = (150.0, -30.0)
PIXEL = 1e-5  # degrees
FWHM = 3.2  # pixels
NOISE = 4.0
ZERO_POINT = 22.5  # Vega magnitude of 1 ADU/s

Cards: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """All that a packaging gets."""

    product: Path
    prodcatg: str
    raws: tuple[Path, ...]
    companions: dict[str, Path] = field(default_factory=dict)
    calibrations: tuple[tuple[str, Path], ...] = ()

    def package(self, out: Path) -> Packaged:
        out.mkdir(parents=True, exist_ok=True)
        return package(self.product, self.prodcatg, self.raws, self.companions, out, self.calibrations)

    def sof(self, path: Path, recipe_tag: str = "OBJECT") -> Path:
        lines = [(self.product, self.prodcatg), *((raw, recipe_tag) for raw in self.raws)]
        lines += [(file, f"ANCILLARY.{category}") for category, file in self.companions.items()]
        lines += [(file, tag) for tag, file in self.calibrations]
        path.write_text("".join(f"{file} {tag}\n" for file, tag in lines))
        return path


def write(path: Path, *hdus: Any) -> Path:
    """Write HDUs with their sums."""
    whole = fits.HDUList(list(hdus))
    whole.update_extend()
    for hdu in whole:
        hdu.add_checksum(when=DATE)
    whole.writeto(path)
    return path


def fill(hdu: Any, cards: Cards) -> Any:
    for keyword, value in cards.items():
        hdu.header[f"HIERARCH ESO {keyword}" if " " in keyword else keyword] = value
    return hdu


def observation(instrument: str) -> Cards:
    """What raw frames and products of them have in common."""
    return {
        "DATE": DATE,
        "ORIGIN": "ESO",
        "TELESCOP": "ESO-VLT-U4",
        "INSTRUME": instrument,
        "OBJECT": "FIELD",
        "RA": CENTRE[0],
        "DEC": CENTRE[1],
        "RADESYS": "FK5",
        "EQUINOX": 2000.0,
        "DATE-OBS": "2012-03-15T03:55:00.000",
        "OBS ID": 4711,
        "OBS PROG ID": "088.D-0512(A)",
        "TEL AMBI FWHM START": 0.8,
        "TEL AMBI FWHM END": 0.9,
    }


def raws_of(folder: Path, instrument: str, count: int, seconds: float, extra: Cards) -> tuple[Path, ...]:
    """Raw frames one after the other, of DIT = `seconds` unless `extra` says otherwise."""
    paths = []
    for number in range(count):
        start = Time("2012-03-15T03:55:00.000") + number * (2 * seconds + 10) * u.s
        name = f"{instrument[:4]}.{start.isot}"
        cards = observation(instrument) | {
            "DATE-OBS": start.isot,
            "MJD-OBS": float(start.mjd),
            "EXPTIME": seconds,
            "ARCFILE": f"{name}.fits",
            "DPR CATG": "SCIENCE",
            "DPR TYPE": "OBJECT",
            "DPR TECH": "IMAGE",
            "TPL START": "2012-03-15T03:55:00",
            "TPL EXPNO": number + 1,
        }
        hdu = fits.PrimaryHDU(np.zeros((2, 2), np.float32))
        paths.append(write(folder / f"{name}.fits", fill(hdu, cards | extra)))
    return tuple(paths)


def made_by(recipe: str, category: str, raws: tuple[Path, ...], pipeline: str) -> Cards:
    """The provenance that CPL writes."""
    listed = {f"PRO REC1 RAW{number} NAME": path.name for number, path in enumerate(raws, 1)}
    return {
        "PRO CATG": category,
        "PRO TECH": "IMAGE",
        "PRO REC1 ID": recipe,
        "PRO REC1 PIPE ID": pipeline,
        **listed,
        "ARCFILE": raws[0].name,
        "DATAMD5": "0123456789abcdef0123456789abcdef",
    }


def world(width: int, height: int, place: tuple[float, float] = CENTRE) -> Cards:
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": place[0],
        "CRVAL2": place[1],
        "CRPIX1": width / 2,
        "CRPIX2": height / 2,
        "CD1_1": -PIXEL,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": PIXEL,
    }


def stars(
    width: int, height: int, seed: int = 1, noise: float = NOISE, grid: Sequence[int] = (1, 3, 5)
) -> Any:
    """Gaussian stars at `grid` sixths of both axes, on noise."""
    y, x = np.mgrid[:height, :width]
    image = np.random.default_rng(seed).normal(0, noise, (height, width))
    sigma = FWHM / np.sqrt(8 * np.log(2))
    for row in grid:
        for column in grid:
            dx, dy = x - column * width / 6 - 0.3, y - row * height / 6 + 0.2
            image += 800 * noise * np.exp(-0.5 * (dx**2 + dy**2) / sigma**2)
    return image.astype(np.float32)


def naco(folder: Path, count: int = 4, dit: float = 2.0, ndit: int = 15) -> Case:
    """COADDED_IMG of naco_img_jitter: no Phase 3 keywords, no CUNIT, and the dark is not named."""
    optics = {"INS OPTI4 NAME": "Full_Uszd", "INS OPTI5 NAME": "empty", "INS OPTI6 NAME": "Ks"}
    timing = {"EXPTIME": dit, "DET DIT": dit, "DET NDIT": ndit, "DPR TECH": "IMAGE,JITTER"}
    raws = raws_of(folder, "NAOS+CONICA", count, dit * ndit, optics | timing)
    cards = observation("NAOS+CONICA") | {"EXPTIME": dit, "MJD-OBS": BEGIN} | world(120, 120) | optics
    cards |= made_by("naco_img_jitter", "COADDED_IMG", raws, "naco/4.4.11")
    cards |= {"PRO REC1 CAL1 NAME": "flat.fits", "PRO REC1 CAL1 CATG": "MASTER_IMG_FLAT"}
    counts = np.full((120, 120), count, np.int16)
    counts[:20] = count - 1
    product = write(
        folder / "r.NACO_COADDED_IMG.fits",
        fill(fits.PrimaryHDU(stars(120, 120)), cards),
        fill(fits.ImageHDU(counts), {"EXTNAME": "Contribution Map"}),
    )
    dark = write(folder / "dark.fits", fill(fits.PrimaryHDU(), {"PRO CATG": "NACO_IMG_DARK_AVG"}))
    zero = {"PRO CATG": "ZPOINT_TABLE", "QC ZPOINT": ZERO_POINT, "QC ZPOINTRMS": 0.01, "QC FILTER OBS": "Ks"}
    table = write(folder / "zpoint.fits", fill(fits.PrimaryHDU(), zero))
    calibrations = (("NACO_IMG_DARK_AVG", dark), ("ZPOINT_TABLE", table))
    return Case(product, "SCIENCE.IMAGE", raws, {}, calibrations)


def vimos(folder: Path, count: int = 3, seconds: float = 60.0) -> Case:
    """JITTERED_IMAGE_SCI of vimos_ima_science: a wrong RA, CRDER in arcsec, a limit that noise forbids."""
    raws: tuple[Path, ...] = ()
    for number in range(2):  # two files of each exposure, one per chip
        chip = folder / f"chip{number}"
        chip.mkdir()
        for path in raws_of(chip, "VIMOS", count, seconds, {"INS FILT1 NAME": "R"}):
            name = path.name.replace(".000.fits", f".00{number}.fits")
            with fits.open(path) as hdus:
                hdus[0].header["ARCFILE"] = name
                raws += (write(folder / name, hdus[0].copy()),)
    cards = observation("VIMOS") | {"RA": 80.0, "RADECSYS": "ICRS", "MJD-OBS": BEGIN, "FILTER": "R"}
    cards |= {"FILTER1": "R", "CUNIT1": "deg", "CUNIT2": "deg", "PROCSOFT": "4.1.7", "NCOMBINE": 2 * count}
    cards |= {"ASSON1": "stack_conf_1.fits", "PRODCATG": "SCIENCE.MEFIMAGE", "EXPTIME": count * seconds}
    cards |= made_by("vimos_ima_science", "JITTERED_IMAGE_SCI", raws, "vimos/4.1.7")
    native = {
        "BUNIT": "ADU",
        "PHOTZP": 31.5,
        "PHOTZPER": 0.01,
        "PHOTSYS": "VEGA",
        "PSF_FWHM": FWHM * PIXEL * 3600,
    }
    native |= {"ABMAGLIM": 31.0, "ABMAGSAT": 18.0, "CRDER1": 0.0013, "CRDER2": 0.0013, "QC WCS_RMS": 0.0013}
    native |= {"CSYER1": 0.0, "CSYER2": 0.0, "CUNIT1": "deg", "CUNIT2": "deg"}
    chips, maps = [], []
    for number, name in enumerate(("BRIAN", "Keith")):
        place = world(100, 90, (CENTRE[0], CENTRE[1] + number * 0.002))
        chips.append(fill(fits.ImageHDU(stars(100, 90, number), name=name), place | native))
        maps.append(fill(fits.ImageHDU(np.full((90, 100), 100, np.int32), name=name), place))
    product = write(folder / "stack_1.fits", fill(fits.PrimaryHDU(), cards), *chips)
    weights = {"PRODCATG": "ANCILLARY.WEIGHTMAP", "PRO CATG": "CONFIDENCE_MAP_SCI"}
    confidence = write(folder / "stack_conf_1.fits", fill(fits.PrimaryHDU(), weights), *maps)
    return Case(product, "SCIENCE.MEFIMAGE", raws, {"CONFIDENCE_MAP_SCI": confidence})


def uves(folder: Path, elements: int = 400, seconds: float = 1200.0, unit: str = "ADU") -> Case:
    """RED_SCI_POINT_BLUE of uves_obs_scired with its error bars and the arc lines that calibrated it."""
    raws = raws_of(folder, "UVES", 1, seconds, {"DPR TYPE": "OBJECT,POINT", "DPR TECH": "ECHELLE"})
    axis = {"CTYPE1": "AWAV", "CUNIT1": "Angstrom", "CRVAL1": 3800.0, "CRPIX1": 1.0, "CD1_1": 0.02}
    axis |= {"CDELT1": 0.02, "BUNIT": unit, "LAMRMS": 0.0003, "LAMNLIN": 900, "CSYER1": 0.0001}
    cards = observation("UVES") | {"EXPTIME": seconds, "MJD-OBS": BEGIN} | axis
    cards |= {"INS SLIT2 WID": 1.0, "INS PATH": "BLUE"}
    cards |= made_by("uves_obs_scired", "RED_SCI_POINT_BLUE", raws, "uves/6.1.8")
    flux = np.full(elements, 100.0, np.float32)
    flux[:5] = flux[-3:] = 0.0
    product = write(folder / "r.UVES_RED_SCI_POINT_BLUE.fits", fill(fits.PrimaryHDU(flux), cards))
    error = fill(
        fits.PrimaryHDU(np.full(elements, 2.0, np.float32)), axis | {"PRO CATG": "ERRORBAR_SCI_POINT_BLUE"}
    )
    bars = write(folder / "errorbar.fits", error)
    wave = np.linspace(3795.0, 3812.0, 60)
    columns = {"Ident": wave, "Pixel": np.full(60, 0.02), "Xwidth": np.full(60, 2.0)}
    made = [fits.Column(name, "1D", array=values) for name, values in columns.items()]
    made.append(fits.Column("NLinSol", "1J", array=np.ones(60, np.int32)))
    table = fill(fits.PrimaryHDU(), {"PRO CATG": "LINE_TABLE_BLUE"})
    lines = write(folder / "lines.fits", table, fits.BinTableHDU.from_columns(made, name="LINES"))
    companions = {"ERRORBAR_SCI_POINT_BLUE": bars}
    return Case(product, "SCIENCE.SPECTRUM", raws, companions, (("LINE_TABLE_BLUE", lines),))


def muse(folder: Path, planes: int = 12, seconds: float = 600.0) -> Case:
    """DATACUBE_FINAL of muse_scipost: no limiting magnitude, errors of -1, no category of its white light."""
    raws = raws_of(folder, "MUSE", 1, seconds, {"DPR TECH": "IFU"})
    cards = observation("MUSE") | {"EXPTIME": seconds, "MJD-OBS": BEGIN, "PRODCATG": "SCIENCE.CUBE.IFS"}
    cards |= {"WAVELMIN": 480.0, "WAVELMAX": 930.0, "SPEC_RES": 3000.0, "SKY_RES": 0.9, "PIXNOISE": 4e-20}
    cards |= {"ABMAGLIM": -99.0, "SPECSYS": "BARYCENT", "ASSON1": "IMAGE_FOV_0001.fits"}
    cards |= made_by("muse_scipost", "DATACUBE_FINAL", raws, "muse/2.8.7")
    axes = world(50, 45) | {"CUNIT1": "deg", "CUNIT2": "deg", "CSYER1": -1.0, "CSYER2": -1.0}
    axes |= {"CD1_1": -PIXEL * 5.5, "CD2_2": PIXEL * 5.5, "CTYPE3": "AWAV", "CUNIT3": "angstrom"}
    axes |= {"CRVAL3": 4800.0, "CRPIX3": 1.0, "CD3_3": 375.0, "CD1_3": 0.0, "CD3_1": 0.0}
    unit = "10**(-20)erg.s**(-1).cm**(-2).angstrom**(-1)"
    data = np.random.default_rng(3).normal(0, 4.0, (planes, 45, 50)).astype(np.float32)
    data += 30 * stars(50, 45, noise=0.01, grid=(3,))
    data[:, :2] = np.nan
    product = write(
        folder / "DATACUBE_FINAL.fits",
        fill(fits.PrimaryHDU(), cards),
        fill(fits.ImageHDU(data, name="DATA"), axes | {"BUNIT": unit, "HDUCLAS2": "DATA", "HDUDOC": "DICD"}),
        fill(fits.ImageHDU(np.full_like(data, 16.0), name="STAT"), axes | {"HDUCLAS2": "ERROR"}),
    )
    said = {"OBJECT": "FIELD (white)", "PRODCATG": "ANCILLARY.IMAGE", "PRO CATG": "IMAGE_FOV"}
    whole = np.full((45, 50), np.nan, np.float32)
    whole[2:] = data[:, 2:].mean(axis=0)
    image = fill(fits.ImageHDU(whole, name="DATA"), world(50, 45))
    white = write(folder / "IMAGE_FOV_0001.fits", fill(fits.PrimaryHDU(), said), image)
    return Case(product, "SCIENCE.CUBE.IFS", raws, {"IMAGE_FOV": white})


MAKERS: dict[str, Callable[[Path], Case]] = {"image": naco, "mosaic": vimos, "spectrum": uves, "cube": muse}


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """The products of all kinds, made once: nothing may change them."""
    return {kind: make(tmp_path_factory.mktemp(kind)) for kind, make in MAKERS.items()}


@pytest.fixture(scope="session")
def packaged(cases: dict[str, Case], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Packaged]:
    """All of them packaged, once."""
    return {kind: case.package(tmp_path_factory.mktemp(f"out_{kind}")) for kind, case in cases.items()}


@pytest.fixture(scope="session")
def fitsverify() -> Callable[[Path], str]:
    """What HEASARC's verifier finds in a file, "" if nothing; without it tests fail and say so."""
    program = shutil.which("fitsverify")
    if program is None:
        pytest.fail("fitsverify is not installed; on Debian: apt-get install fitsverify")

    def verify(path: Path) -> str:
        ran = subprocess.run(
            [program, str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return "" if ran.returncode == 0 else ran.stdout

    return verify
