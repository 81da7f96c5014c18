"""How fast rule files are read and headers classified: `python -m benchmarks.bench_oca`.

Reads the rule files of the pipelines that are installed here, and classifies headers of 400 keywords, as
long as those of raw frames, one after the other on one core. The best of the rounds counts, as the others
were disturbed.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from time import perf_counter

from app.header import Maybe
from app.oca.evaluate import EMPTY, compile_test, compile_value
from app.oca.parser import load, parse_file

PLUGINS = Path("/usr/share/cpl-plugins")
INSTRUMENTS = ("amber", "giraf", "hawki", "muse", "naco", "uves", "vimos", "visir")

Keywords = dict[str, Maybe]


def machine() -> str:
    """Processor, number of its cores that this process may use, and Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0))
    return f"{names[0] if names else platform.machine()}, {cores} cores, Python {platform.python_version()}"


def rule_file(instrument: str) -> Path:
    """The installed rule file of an instrument."""
    found = sorted(PLUGINS.glob(f"*/gasgano/config/{instrument}.oca"))
    if not found:
        raise SystemExit(f"{instrument}.oca is not here: apt-get install cpl-plugin-{instrument}")
    return found[-1]


def classifier(path: Path) -> Callable[[Keywords], Keywords]:
    """All rules run, the last assignment wins, conditions see what earlier rules assigned."""
    rules = [
        (compile_test(rule.condition), [(assign.key, compile_value(assign.value)) for assign in rule.assigns])
        for rule in load(path).class_rules
    ]

    def classify(header: Keywords) -> Keywords:
        keywords = dict(header)
        for test, assigns in rules:
            if test(keywords, EMPTY, EMPTY):
                for key, value in assigns:
                    keywords[key] = value(keywords, EMPTY, EMPTY)
        return keywords

    return classify


def naco_headers() -> Iterator[Keywords]:
    """Headers of every kind of NACO frame, and of some products."""
    catgs = ("SCIENCE", "CALIB", "ACQUISITION", "TECHNICAL")
    types = ("OBJECT", "SKY", "STD", "DARK", "FLAT,LAMP", "FLAT,SKY", "PSF-CALIBRATOR", "WAVE,LAMP")
    techs = ("IMAGE", "IMAGE,JITTER", "IMAGE,CHOPPING", "SPECTRUM,NODDING", "POLARIMETRY,WOLLASTON")
    filling: Keywords = {
        f"INS.OPTI{number}.{word}": number for number in range(130) for word in ("ID", "NO", "POSENC")
    }
    seen: Keywords = {"INSTRUME": "NAOS+CONICA", "MJD-OBS": 54415.1, "DET.DIT": 0.5}
    common = filling | seen
    for catg, kind, tech in product(catgs, types, techs):
        yield common | {"DPR.CATG": catg, "DPR.TYPE": kind, "DPR.TECH": tech}
    for catg in ("MASTER_IMG_FLAT", "IMG_STD_CATALOG", "SPC_ARGON"):
        yield common | {"PRO.CATG": catg}


def best(work: Callable[[], object], rounds: int) -> float:
    """Seconds that the fastest of the rounds took."""
    times = []
    for _ in range(rounds):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    paths = [rule_file(instrument) for instrument in INSTRUMENTS]
    print(machine())

    def read_all() -> None:
        for path in paths:
            parse_file(path)

    lines = sum(path.read_bytes().count(b"\n") for path in paths)
    print(f"{len(paths)} rule files, {lines} lines, read in {best(read_all, rounds) * 1e3:.0f} ms")

    classify = classifier(rule_file("naco"))
    headers = list(naco_headers())

    def classify_all() -> None:
        for header in headers:
            classify(header)

    named = sum("DO.CATG" in classify(header) for header in headers)
    speed = len(headers) / best(classify_all, rounds)
    print(f"naco.oca: {speed:,.0f} headers/s ({len(headers)} kinds of header, {named} of them classified)")


if __name__ == "__main__":
    main()
