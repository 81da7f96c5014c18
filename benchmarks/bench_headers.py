"""Headers per second of the fast path against astropy's, in one run: `python -m benchmarks.bench_headers`.

Writes files of 400 cards, as long as an ESO raw header, into a temporary directory and reads them all by
every way, on one core.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits

from app.header import Header, parse_header, read_header
from benchmarks.report import Line, machine, seconds, show


def written(folder: Path, count: int, cards: int) -> list[Path]:
    """`count` plain files of one 64×64 image and a header of `cards` cards, and each again as .gz."""
    paths = []
    for number in range(count):
        primary = fits.PrimaryHDU(np.zeros((64, 64), dtype=np.int16))
        header = primary.header
        header["INSTRUME"] = "UVES"
        header["MJD-OBS"] = (55000 + number / 7, "Obs start")
        while len(header) < cards:
            index = len(header)
            key = f"HIERARCH ESO INS OPTI{index} "
            header[key + "NAME"] = (f"FILTER {number}-{index}", "Optical element name")
            header[key + "NO"] = (number * index, "Slot")
            header[key + "POS"] = (number + index / 7, "[deg] Position")
            header[key + "ST"] = (index % 2 == 0, "Status")
        path = folder / f"UVES.{number:05}.fits"
        primary.writeto(path)
        with gzip.open(path.with_suffix(".fits.gz"), "wb") as packed:
            packed.write(path.read_bytes())
        paths.append(path)
    return paths


def by_astropy(path: Path) -> Header:
    """What everybody does: getheader, then a dictionary with dotted names."""
    header = fits.getheader(path, 0)
    return Header({key.removeprefix("ESO ").replace(" ", "."): header[key] for key in header})


def rate(read: Callable[[Path], object], paths: list[Path], rounds: int) -> float:
    """Headers per second, best of the rounds."""
    return len(paths) / seconds(lambda: [read(path) for path in paths], rounds)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--cards", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        plain = written(Path(name), options.files, options.cards)
        packed = [path.with_suffix(".fits.gz") for path in plain]
        blocks = {path: path.read_bytes() for path in plain}
        for path in plain:
            if read_header(path) != by_astropy(path):
                raise SystemExit(f"{path.name}: the fast path and astropy disagree")
        base = rate(by_astropy, plain, 2)
        lines = [Line("astropy.io.fits.getheader", f"{base:,.0f} /s")]
        for label, read, paths in (
            ("read_header, .fits", read_header, plain),
            ("read_header, .fits.gz", read_header, packed),
            ("parse_header, in memory", lambda path: parse_header(blocks[path]), plain),
        ):
            speed = rate(read, paths, options.rounds)
            lines.append(Line(label, f"{speed:,.0f} /s, {speed / base:.1f} × astropy"))
    print(machine())
    show(f"Headers of {options.cards} cards read", lines)


if __name__ == "__main__":
    main()
