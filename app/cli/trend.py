"""A number over time: as a line of small bars, and as a picture with its limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from app.archive.qc import Measured
from app.errors import RequestError

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 40


def sparkline(values: Sequence[float]) -> str:
    """The last values as bars from the lowest to the highest of them."""
    last = [value for value in values if math.isfinite(value)][-_WIDTH:]
    if not last:
        return ""
    low, high = min(last), max(last)
    if low == high:
        return _BARS[0] * len(last)
    # Halved first: the distance of two floats may be more than a float can be.
    return "".join(
        _BARS[round((value / 2 - low / 2) / (high / 2 - low / 2) * (len(_BARS) - 1))] for value in last
    )


def plot(values: Sequence[Measured], path: Path) -> None:
    """Draw one number of one category over MJD-OBS: filled where certified, with limits and median.

    Raises RequestError for several numbers or categories, and for a name that says no kind of picture.
    """
    # Here, as matplotlib takes a second to import.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kinds = {(each.instrume, each.category, each.parameter, each.unit) for each in values}
    if len(kinds) > 1:
        told = ", ".join(sorted(f"{category} {parameter}" for _, category, parameter, _ in kinds)[:5])
        raise RequestError(f"a picture shows one number of one category, not {told}; name it with --category")
    ((instrume, category, parameter, unit),) = kinds
    timed = [each for each in values if each.mjd is not None and each.value is not None]
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for certified, style in ((True, "o"), (False, "x")):
        shown = [each for each in timed if each.certified is certified]
        name = "certified" if certified else "not certified"
        axes.plot([e.mjd or 0.0 for e in shown], [e.value or 0.0 for e in shown], style, label=name)
    medians = [each for each in timed if each.score.median is not None]
    if medians:
        axes.plot([e.mjd or 0.0 for e in medians], [e.score.median or 0.0 for e in medians], label="median")
    threshold = values[-1].threshold
    for limits, colour in (
        (threshold.good if threshold else None, "tab:orange"),
        (threshold.usable if threshold else None, "tab:red"),
    ):
        for limit in limits or ():
            if math.isfinite(limit):
                axes.axhline(limit, color=colour, linewidth=0.8)
    axes.set(title=f"{instrume} {category}", xlabel="MJD-OBS (d)", ylabel=f"{parameter} {unit}".rstrip())
    axes.legend()
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise RequestError(f"{path}: pictures end in .png, .pdf or .svg")
    figure.savefig(path, dpi=120)
