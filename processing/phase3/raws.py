"""What the raw frames of a product tell: who observed when, for how long, through what."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from astropy.io import fits

from processing.phase3.headers import number, text

_DAY = 86400.0
_T = TypeVar("_T")

# Positions of a wheel that hold no filter, in lower case (NACO's Full and Full_Uszd are field masks).
_NO_FILTER = ("", "open", "free", "empty", "clear", "full", "full_uszd", "none", "-")
# Where an instrument's filter names stand; {} is the number of the wheel.
_WHEELS = {"NAOS+CONICA": ("ESO INS OPTI{} NAME", (4, 5, 6))}
_ANY_WHEEL = ("ESO INS FILT{} NAME", range(1, 10))


class RawError(Exception):
    """A raw frame that cannot be read or does not say when it was taken."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A raw frame: `name` is its ARCFILE without suffix, `seconds` its integration time, `begin` its MJD-OBS.

    `exposure` is the same for the files that several detectors wrote of one exposure.
    """

    path: Path
    name: str
    telescope: str
    instrument: str
    category: str
    type: str
    technique: str
    filter: str
    programme: str
    block: int | None
    begin: float
    seconds: float
    ndit: int | None
    exposure: tuple[str, ...]
    header: fits.Header

    @property
    def on_target(self) -> bool:
        """Whether it counts as science: sky and other off-target frames do not (standard 5.15)."""
        off = {"SKY", "OFFSET"} & set(self.type.split(",") + self.technique.split(","))
        return self.category in ("SCIENCE", "") and not off


@dataclass(frozen=True, slots=True)
class Summary:
    """What several raw frames have in common: distinct names, and times (MJD and seconds)."""

    telescopes: tuple[str, ...]
    instruments: tuple[str, ...]
    programmes: tuple[str, ...]
    filters: tuple[str, ...]
    techniques: tuple[str, ...]
    blocks: tuple[int, ...]
    begin: float
    end: float
    seconds: float
    shortest: float


def stem(name: str) -> str:
    """The ARCFILE of a raw file's name: without suffix (`UVES.2012-03-14T03:00:04.659`)."""
    for suffix in (".fits", ".fits.fz", ".fits.gz", ".fits.Z"):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def read_raw(path: Path) -> Raw:
    """Read a raw frame's primary header. Raises RawError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fits.verify.VerifyWarning)
            header = fits.getheader(path, 0)
    except OSError as wrong:
        raise RawError(f"{path} cannot be read as FITS: {wrong}") from wrong
    begin, seconds = number(header, "MJD-OBS"), integration(header)
    if begin is None or seconds is None:
        raise RawError(f"{path} has no MJD-OBS or no EXPTIME, so that its times are not known")
    block, ndit = header.get("ESO OBS ID"), header.get("ESO DET NDIT")
    name = stem(text(header, "ARCFILE") or path.name)
    return Raw(
        path=path,
        name=name,
        telescope=text(header, "TELESCOP") or "",
        instrument=text(header, "INSTRUME") or "",
        category=text(header, "ESO DPR CATG") or "",
        type=text(header, "ESO DPR TYPE") or "",
        technique=text(header, "ESO DPR TECH") or "",
        filter=filter_name(header) or "",
        programme=text(header, "ESO OBS PROG ID") or "",
        block=block if isinstance(block, int) else None,
        begin=begin,
        seconds=seconds,
        ndit=ndit if isinstance(ndit, int) else None,
        exposure=_exposure(header, name),
        header=header,
    )


def integration(header: fits.Header) -> float | None:
    """Seconds that one raw file integrated.

    EXPTIME of infrared instruments is DIT alone (standard 5.1, footnote 12), of others the whole exposure.
    A chopped file holds that many reads in each half of its cycles, and only one half is on target.
    """
    exposed = number(header, "EXPTIME")
    dit, ndit = number(header, "ESO DET DIT"), number(header, "ESO DET NDIT")
    cycles = number(header, "ESO DET CHOP NCYCLES")
    if dit is not None and ndit is not None and cycles:
        return dit * ndit * cycles
    if exposed is not None and dit is not None and ndit is not None and abs(exposed - dit) < 1e-6:
        return dit * ndit
    return exposed


def filter_name(header: fits.Header) -> str | None:
    """The filter in the light: the one wheel position that is no hole, or several with '+' between."""
    pattern, wheels = _WHEELS.get(str(header.get("INSTRUME")), _ANY_WHEEL)
    names = [text(header, pattern.format(wheel)) or "" for wheel in wheels]
    return "+".join(_distinct(name for name in names if name.lower() not in _NO_FILTER)) or None


def summary(raws: Sequence[Raw]) -> Summary:
    """Sum up raw frames, at least one; an exposure that several files hold counts once."""
    exposures = {raw.exposure: raw for raw in raws}.values()
    return Summary(
        telescopes=_distinct(raw.telescope for raw in raws if raw.telescope),
        instruments=_distinct(raw.instrument for raw in raws if raw.instrument),
        programmes=_distinct(raw.programme for raw in raws if raw.programme),
        filters=_distinct(raw.filter for raw in raws if raw.filter),
        techniques=_distinct(raw.technique for raw in raws if raw.technique),
        blocks=_distinct(raw.block for raw in raws if raw.block is not None),
        begin=min(raw.begin for raw in raws),
        end=max(raw.begin + raw.seconds / _DAY for raw in raws),
        seconds=sum(raw.seconds for raw in exposures),
        shortest=min(raw.seconds for raw in raws),
    )


def _distinct(values: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(values))


def _exposure(header: fits.Header, name: str) -> tuple[str, ...]:
    """VIMOS writes one file per quadrant: they share OB, template start and exposure number."""
    keywords = ("ESO OBS ID", "ESO TPL START", "ESO TPL EXPNO")
    if all(keyword in header for keyword in keywords):
        return tuple(str(header[keyword]) for keyword in keywords)
    return (name,)
