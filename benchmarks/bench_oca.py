"""How fast rule files are read and headers classified: `python -m benchmarks.bench_oca`.

Reads the rule files of the pipelines that are installed here, and classifies headers of 400 keywords, as
long as those of raw frames, one after the other on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from app.classify import classify
from app.header import Header, Value
from app.oca.parser import parse_file
from app.rulebook import read_book
from benchmarks.report import Line, machine, seconds, show

PLUGINS = Path("/usr/share/cpl-plugins")
INSTRUMENTS = ("amber", "giraf", "hawki", "muse", "naco", "uves", "vimos", "visir")


def rule_file(instrument: str) -> Path:
    """The installed rule file of an instrument."""
    found = sorted(PLUGINS.glob(f"*/gasgano/config/{instrument}.oca"))
    if not found:
        raise SystemExit(f"{instrument}.oca is not here: apt-get install cpl-plugin-{instrument}")
    return found[-1]


def naco_headers() -> Iterator[Header]:
    """Headers of every kind of NACO frame, and of some products."""
    catgs = ("SCIENCE", "CALIB", "ACQUISITION", "TECHNICAL")
    types = ("OBJECT", "SKY", "STD", "DARK", "FLAT,LAMP", "FLAT,SKY", "PSF-CALIBRATOR", "WAVE,LAMP")
    techs = ("IMAGE", "IMAGE,JITTER", "IMAGE,CHOPPING", "SPECTRUM,NODDING", "POLARIMETRY,WOLLASTON")
    filling: dict[str, Value] = {
        f"INS.OPTI{number}.{word}": number for number in range(130) for word in ("ID", "NO", "POSENC")
    }
    seen: dict[str, Value] = {"INSTRUME": "NAOS+CONICA", "MJD-OBS": 54415.1, "DET.DIT": 0.5}
    common = filling | seen
    for catg, kind, tech in product(catgs, types, techs):
        yield Header(common | {"DPR.CATG": catg, "DPR.TYPE": kind, "DPR.TECH": tech})
    for catg in ("MASTER_IMG_FLAT", "IMG_STD_CATALOG", "SPC_ARGON"):
        yield Header(common | {"PRO.CATG": catg})


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    paths = [rule_file(instrument) for instrument in INSTRUMENTS]
    size = sum(path.read_bytes().count(b"\n") for path in paths)
    reading = seconds(lambda: [parse_file(path) for path in paths], rounds) * 1e3

    book = read_book(rule_file("naco").read_text(), "naco.2001-11-01.oca")
    headers = list(naco_headers())
    named = sum("DO.CATG" in classify(book, header)[0] for header in headers)
    speed = len(headers) / seconds(lambda: [classify(book, header) for header in headers], rounds)
    print(machine())
    show(
        "Installed rule files",
        [
            Line(
                f"{len(paths)} files, {size:,} lines, parsed", f"{reading:.0f} ms", "<= 60 ms", reading <= 60
            ),
            Line(
                f"naco.oca, {len(headers)} kinds of header ({named} named) classified",
                f"{speed:,.0f} /s",
                ">= 20,000 /s",
                speed >= 20_000,
            ),
        ],
    )


if __name__ == "__main__":
    main()
