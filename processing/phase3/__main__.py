"""`python -m processing.phase3 package.sof --output-dir OUT`: packages as a recipe does.

A line of the SOF is `path TAG`: the product with its PRODCATG (`SCIENCE.SPECTRUM`), its companions as
`ANCILLARY.<PRO.CATG>`, and what its recipe took in under the recipe's own tags: headers tell raw frames from
calibrations.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from astropy.io import fits

from processing.phase3.notes import PackagingError
from processing.phase3.package import package, write_lists

_SCIENCE = "SCIENCE."
_ANCILLARY = "ANCILLARY."
# The exit code when a disk is full or failing: that of ESO's recipes for a file that could not be read or
# written (cpl_error.h, CPL_ERROR_FILE_IO). Another attempt may go well.
_DISK = 5
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")


@dataclass(slots=True)
class SetOfFrames:
    """What the lines of an SOF mean."""

    product: Path
    prodcatg: str
    raws: list[Path] = field(default_factory=list)
    companions: dict[str, Path] = field(default_factory=dict)
    calibrations: list[tuple[str, Path]] = field(default_factory=list)


def read_sof(path: Path) -> SetOfFrames:
    """Read an SOF; paths are relative to where the program runs, as esorex has it. Raises PackagingError."""
    if not path.exists():
        raise PackagingError(f"{path} does not exist; give the SOF of the packaging")
    lines = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2:
            raise PackagingError(f"{path}, line {number}: {line!r} is not a path and a tag")
        if not Path(words[0]).exists():
            raise PackagingError(f"{path}, line {number}: there is no file {words[0]}")
        lines.append((Path(words[0]), words[1]))
    sciences = [(file, tag) for file, tag in lines if tag.startswith(_SCIENCE)]
    if len(sciences) != 1:
        raise PackagingError(
            f"{path} has {len(sciences)} lines with a tag {_SCIENCE}…; exactly one names the product"
        )
    frames = SetOfFrames(*sciences[0])
    for file, tag in lines:
        if tag.startswith(_SCIENCE):
            continue
        if tag.startswith(_ANCILLARY):
            frames.companions[tag.removeprefix(_ANCILLARY)] = file
        elif _is_raw(file):
            frames.raws.append(file)
        else:
            frames.calibrations.append((tag, file))
    return frames


def _is_raw(path: Path) -> bool:
    """CPL removes DPR.* from products; static files have PRO.CATG."""
    try:
        header = fits.getheader(path, 0)
    except OSError as wrong:
        raise PackagingError(f"{path} cannot be read as FITS: {wrong}") from wrong
    return "ESO DPR CATG" in header and "ESO PRO CATG" not in header


def main(arguments: Sequence[str] | None = None) -> int:
    """Package one product; 0, or with a message on stderr 5 for a full or failing disk, 1 for all else."""
    parser = argparse.ArgumentParser(
        prog="python -m processing.phase3", description="Package for an archive."
    )
    parser.add_argument("sof", type=Path, help="lines of path and tag")
    parser.add_argument("--output-dir", type=Path, default=Path(), help="where products go")
    options = parser.parse_args(arguments)
    out: Path = options.output_dir
    try:
        frames = read_sof(options.sof)
        out.mkdir(parents=True, exist_ok=True)
        made = package(
            frames.product, frames.prodcatg, frames.raws, frames.companions, out, frames.calibrations
        )
        write_lists(made, out)
        for problem in made.problems:
            sys.stdout.write(f"[WARNING] sdp_package: {problem}\n")
        sys.stdout.flush()
    except (PackagingError, OSError) as wrong:
        with suppress(OSError):  # the terminal may be a file on that disk
            sys.stderr.write(f"[ ERROR ] sdp_package: {wrong}\n")
        return _DISK if _of_the_disk(wrong) else 1
    return 0


def _of_the_disk(wrong: BaseException | None) -> bool:
    """Whether a full or failing disk is behind an error.

    astropy raises a new error without a number; numpy (tofile) has none for pixels that were written in part.
    """
    while wrong is not None:
        numbers = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
        if isinstance(wrong, OSError) and (wrong.errno in numbers or _SHORT_WRITE.search(str(wrong))):
            return True
        wrong = wrong.__cause__ or wrong.__context__
    return False


if __name__ == "__main__":
    # Not sys.exit: what a full disk has not taken is written once more then, and Python ends with 120.
    os._exit(main())
