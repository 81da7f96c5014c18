"""A recipe's product becomes an archive product: converted, described, checked, its original left alone."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from astropy.io import fits

from processing.phase3 import cubes, images, spectra, standard
from processing.phase3.ancillaries import Ancillary, file_name
from processing.phase3.check import check
from processing.phase3.inputs import Inputs, read_inputs
from processing.phase3.notes import Note, Notes, PackagingError
from processing.phase3.problems import Problem
from processing.phase3.report import REPORT


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file of the archive product: path, PRO.CATG, PRODCATG; the science product is first."""

    path: Path
    category: str
    prodcatg: str


@dataclass(frozen=True, slots=True)
class Packaged:
    """The files, what was mended, what is absent and why, what the checker still says."""

    files: tuple[PackagedFile, ...]
    mended: tuple[Note, ...]
    absent: tuple[Note, ...]
    remarks: tuple[str, ...]
    problems: tuple[Problem, ...]

    def report(self) -> dict[str, object]:
        """As `report.json` has it: names of files instead of paths."""
        facts = asdict(self)
        facts["files"] = [{**asdict(file), "path": file.path.name} for file in self.files]
        return facts


def package(
    product: Path,
    prodcatg: str,
    raws: Sequence[Path],
    companions: Mapping[str, Path],
    out: Path,
    calibrations: Sequence[tuple[str, Path]] = (),
) -> Packaged:
    """Write the archive product of `product` into the folder `out`, which exists.

    `raws` are the raw frames of its recipe, `companions` other products of the same run by PRO.CATG,
    `calibrations` the rest of the recipe's input as (tag, path). The same inputs make the same bytes: DATE is
    the product's. Raises PackagingError; OSError when a file cannot be read or written.
    """
    if prodcatg not in standard.KINDS:
        raise PackagingError(f"{prodcatg!r} is no known PRODCATG; take one of {', '.join(standard.KINDS)}")
    notes = Notes()
    with warnings.catch_warnings():
        # astropy mends what recipes write a little off the standard; the check has its own rules.
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)
        inputs = read_inputs(product, raws, companions, calibrations, notes)
        with fits.open(product) as hdus:
            made, ancillaries = _make(inputs, hdus, prodcatg, notes)
            name = file_name(product)
            files = tuple(_write([Ancillary(name, inputs.category, made), *ancillaries], inputs, out))
    problems = check(files[0].path, [frame.path for frame in inputs.targets])
    return Packaged(files, tuple(notes.mended), tuple(notes.absent), tuple(notes.remarks), problems)


def _make(
    inputs: Inputs, hdus: fits.HDUList, prodcatg: str, notes: Notes
) -> tuple[fits.HDUList, list[Ancillary]]:
    match prodcatg:
        case standard.IMAGE:
            return images.single(inputs, hdus, notes)
        case standard.MOSAIC:
            return images.mosaic(inputs, hdus, notes)
        case standard.SPECTRUM:
            return spectra.spectrum(inputs, hdus, notes)
        case _:
            return cubes.cube(inputs, hdus, notes)


def _write(files: Sequence[Ancillary], inputs: Inputs, out: Path) -> Iterator[PackagedFile]:
    """Write files with their sums, whose comments say the product's DATE instead of now."""
    for file in files:
        path = out / file.name
        file.hdus.update_extend()
        for hdu in file.hdus:
            hdu.add_checksum(when=inputs.header["DATE"])
        file.hdus.writeto(path, overwrite=True, output_verify="exception")
        yield PackagedFile(path, file.category, file.hdus[0].header["PRODCATG"])


def write_lists(packaged: Packaged, out: Path) -> None:
    """`products.json` as esorex writes it, and `report.json`."""
    products = [{"name": file.path.name, "category": file.category} for file in packaged.files]
    (out / "products.json").write_text(json.dumps(products, indent=2) + "\n")
    (out / REPORT).write_text(json.dumps(packaged.report(), indent=2) + "\n")
