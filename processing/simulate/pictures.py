"""The two pictures of the demo: the stacked NACO image and the extracted UVES spectrum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import AutoMinorLocator

from processing.simulate import measure_naco, measure_uves
from processing.simulate.echelle import Line
from processing.simulate.naco import SCALES, SIZE
from processing.simulate.truth import Truth
from processing.simulate.uves import Vector

_BLUE, _ORANGE, _GREY = "#1f5f99", "#d9601a", "#555555"


def naco(image: Path, truth: Truth, png: Path) -> None:
    """The stacked image, its stars circled and labelled with their simulated flux [ADU]."""
    with fits.open(image) as hdus:
        pixels, header = np.array(hdus[0].data, dtype=np.float64), hdus[0].header
    dx, dy = measure_naco.shift(pixels, truth.stars)
    measured = [measure_naco.photometry(pixels, star.x + dx, star.y + dy) for star in truth.stars]
    x0, y0 = round(dx), round(dy)
    pixels = pixels[max(y0, 0) : y0 + SIZE, max(x0, 0) : x0 + SIZE]
    scale, half = SCALES["S27"], SIZE / 2
    noise = 1.4826 * float(np.median(np.abs(pixels - np.median(pixels))))

    figure = Figure(figsize=(8.2, 7.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    low, high = (-half - 0.5) * scale, (half - 0.5) * scale
    shown = axes.imshow(
        pixels,
        origin="lower",
        cmap="inferno",
        norm=AsinhNorm(linear_width=8 * noise, vmin=-3 * noise, vmax=float(pixels.max())),
        extent=(low, high, low, high),
        interpolation="nearest",
    )
    for number, (star, found) in enumerate(zip(truth.stars, measured, strict=True), start=1):
        at = ((star.x - half) * scale, (star.y - half) * scale)
        axes.add_patch(Circle(at, 0.42, fill=False, edgecolor="white", linewidth=0.9, alpha=0.85))
        axes.annotate(
            f"{number}  {star.flux:,.0f} ({100 * (found / star.flux - 1):+.1f} %)",
            at,
            xytext=(12, 11),
            textcoords="offset points",
            color="white",
            fontsize=9,
        )
    axes.set(xlim=(-6.4, 6.4), ylim=(-6.4, 6.4), xlabel="x offset [arcsec]", ylabel="y offset [arcsec]")
    axes.set_title(
        f"NACO, Ks, camera S27: {header.get('OBJECT', 'star field')}, naco_img_jitter of 8 frames\n"
        "circles: the simulated stars, their flux [ADU] and how far the measured one is off",
        fontsize=10.5,
        loc="left",
    )
    bar = figure.colorbar(shown, ax=axes, pad=0.02, shrink=0.94)
    ticks = [tick for tick in (0, 30, 100, 300, 1000, 3000, 10000) if tick < pixels.max()]
    bar.set_ticks(ticks, labels=[f"{tick:,}" for tick in ticks])
    bar.set_label("signal per pixel [ADU]")
    _save(figure, png)


def uves(spectrum: Path, truth: Truth, png: Path) -> None:
    """The extracted spectrum over its whole range, and four of its lines close up."""
    wave, flux = measure_uves.spectrum(spectrum)
    wave, flux = wave[flux > 0], flux[flux > 0]  # the ends, where no order reaches, are 0
    figure = Figure(figsize=(11, 6.4), dpi=150, layout="constrained")
    grid = figure.add_gridspec(2, 4, height_ratios=(1.35, 1))
    top = figure.add_subplot(grid[0, :])
    top.plot(wave, flux / 1000, color=_BLUE, linewidth=0.5)
    for line in truth.lines:
        top.axvline(line.wave, ymin=0.72, ymax=0.755, color=_ORANGE, linewidth=1)
        top.text(
            line.wave,
            0.78,
            line.name,
            transform=top.get_xaxis_transform(),
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=7.5,
            color=_GREY,
        )
    top.set(xlim=(wave[0], wave[-1]), ylim=(0, 1.5 * float(np.percentile(flux, 99.5)) / 1000))
    top.set(xlabel="wavelength in air [Å]", ylabel="flux [1000 ADU]")
    top.set_title(
        "UVES blue arm, 390 nm: uves_obs_scired, extracted and merged orders", fontsize=10.5, loc="left"
    )
    _tidy(top)
    wanted = ("Ti II 3349", "Ca II K", "H delta", "Fe I 4384")
    for column, line in enumerate(line for line in truth.lines if line.name in wanted):
        _closeup(figure.add_subplot(grid[1, column]), wave, flux, line, first=column == 0)
    _save(figure, png)


def _closeup(axes: Axes, wave: Vector, flux: Vector, line: Line, *, first: bool) -> None:
    """One line beside what was put in, with the measured and the true centre."""
    near = np.abs(wave - line.wave) < 6 * line.sigma + 0.3
    x = wave[near] - line.wave
    level = float(np.median(flux[near][np.abs(x) > 3.5 * line.sigma]))
    centre = measure_uves.centre(wave, flux, line)
    axes.plot(x, flux[near] / level, color=_BLUE, linewidth=0.9, label="extracted")
    model = 1 - line.depth * np.exp(-0.5 * (x / line.sigma) ** 2)
    axes.plot(x, model, color=_ORANGE, linewidth=1, linestyle="--", label="simulated")
    axes.axvline(centre - line.wave, color=_GREY, linewidth=0.8, linestyle=":")
    axes.set(ylim=(0, 1.25), xlim=(x[0], x[-1]), xlabel=f"λ − {line.wave:.2f} Å")
    axes.set_title(f"{line.name}:  {(centre - line.wave) * 1000:+.1f} mÅ", fontsize=9.5, loc="left")
    if first:
        axes.set_ylabel("relative flux")
        axes.legend(fontsize=8, frameon=False, loc="lower left")
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_minor_locator(AutoMinorLocator())


def _save(figure: Figure, png: Path) -> None:
    """Drawn without a display; without a program's name in it, equal pictures are equal files."""
    FigureCanvasAgg(figure)
    figure.savefig(png, metadata={"Software": None}, bbox_inches="tight", pad_inches=0.15)
