"""Raw NACO frames, small but good enough for the real recipes, and the esorex that runs them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from processing.esorex import Esorex, EsorexError
from processing.graph import InputFile, Plan, Task
from processing.products import sha256

SIZE = 512  # pixels; the default border of 200 pixels of naco_img_dark leaves something of it

WriteFrames: TypeAlias = Callable[..., tuple[InputFile, ...]]


@pytest.fixture(scope="session")
def esorex() -> Esorex:
    """The installed esorex; these tests run real recipes, so without it they fail and say what to install."""
    try:
        found = Esorex.find()
        found.pipeline("naco")
    except EsorexError as error:
        pytest.fail(str(error))
    return found


@pytest.fixture
def write_darks() -> WriteFrames:
    """Writes `count` darks of 100 ADU and 4 ADU noise into a directory; returns them as a plan's inputs."""

    def write(directory: Path, count: int = 3, seed: int = 1) -> tuple[InputFile, ...]:
        noise = np.random.default_rng(seed)
        pixels = [100 + noise.normal(0, 4, (SIZE, SIZE)) for _ in range(count)]
        return tuple(
            _write(
                directory,
                f"0{seed}:{minute:02d}",
                frame,
                "CAL_DARK",
                {"DPR TYPE": "DARK", "DPR TECH": "IMAGE"},
            )
            for minute, frame in enumerate(pixels)
        )

    return write


@pytest.fixture
def write_objects() -> WriteFrames:
    """Writes jittered exposures of one star: sky 500 ADU, a Gaussian of 5000 ADU that moves by the offset."""

    def write(directory: Path, count: int = 4) -> tuple[InputFile, ...]:
        noise = np.random.default_rng(7)
        y, x = np.mgrid[:SIZE, :SIZE]
        frames = []
        for number in range(count):
            dx, dy = 20.0 * (number % 2), 20.0 * (number // 2)
            distance = (x - SIZE / 2 - dx) ** 2 + (y - SIZE / 2 - dy) ** 2
            star = 5000 * np.exp(-distance / (2 * 3.0**2))
            frame = 600 + star + noise.normal(0, 5, (SIZE, SIZE))
            keywords: dict[str, str | float] = {
                "DPR TYPE": "OBJECT",
                "DPR TECH": "IMAGE,JITTER",
                "SEQ CUMOFFSETX": dx,
                "SEQ CUMOFFSETY": dy,
            }
            frames.append(_write(directory, f"09:{number:02d}", frame, "IM_JITTER_OBJ", keywords))
        return tuple(frames)

    return write


@pytest.fixture
def dark_task() -> Callable[..., Task]:
    """Makes the task that combines darks with naco_img_dark."""

    def make(inputs: tuple[InputFile, ...], **changes: object) -> Task:
        said: dict[str, object] = {
            "id": "DARK",
            "recipe": "naco_img_dark",
            "name": "r.NACO.2010-01-01T01:00:00.000",
            "inputs": inputs,
            "expects": ("NACO_IMG_DARK_AVG",),
        }
        return Task(**(said | changes))  # type: ignore[arg-type]

    return make


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "store"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of 8 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def darks(tmp_path: Path, write_darks: WriteFrames) -> tuple[InputFile, ...]:
    """Three darks."""
    return write_darks(tmp_path / "raw")


@pytest.fixture
def plan(darks: tuple[InputFile, ...], dark_task: Callable[..., Task]) -> Plan:
    """The one task that combines them."""
    return Plan((dark_task(darks),))


def _write(
    directory: Path, clock: str, pixels: NDArray[np.float64], tag: str, keywords: dict[str, str | float]
) -> InputFile:
    """One raw frame with the keywords that naco_img_dark and naco_img_jitter cannot do without."""
    hdu = fits.PrimaryHDU(pixels.astype(np.float32))
    start = f"2010-01-01T{clock}:00.000"
    hdu.header["INSTRUME"] = "NAOS+CONICA"
    hdu.header["DATE-OBS"] = start
    hdu.header["ARCFILE"] = f"NACO.{start}.fits"
    hdu.header["EXPTIME"] = 2.0
    setup = {
        "DET DIT": 2.0,
        "DET NDIT": 1,
        "DET NCORRS": 2,
        "DET NCORRS NAME": "Double_RdRstRd",
        "DET MODE NAME": "HighDynamic",
        "INS OPTI7 NAME": "S27",
    }
    for keyword, value in {**setup, **keywords}.items():
        hdu.header[f"HIERARCH ESO {keyword}"] = value
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"NACO.{start}.fits"
    hdu.writeto(path)
    return InputFile(tag, str(path), sha256(path))
