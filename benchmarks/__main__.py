"""Every benchmark, each in a process of its own, whose memory is then its own: `make bench`.

Options are those of `benchmarks.bench_cascade`, such as `--frames 100000` for a shorter run. The exit code
tells only whether the benchmarks ran: a goal that was missed is told in the table.
"""

from __future__ import annotations

import subprocess
import sys

RUNS = (
    ["benchmarks.bench_headers"],
    ["benchmarks.bench_oca"],
    ["benchmarks.bench_cascade", *sys.argv[1:]],
    ["benchmarks.bench_diff"],
    ["benchmarks.bench_jobs"],
)


def main() -> int:
    """Run them one after the other; 1 when one of them failed."""
    codes = [subprocess.run([sys.executable, "-m", *run], check=False).returncode for run in RUNS]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
