"""Header rows for the names in a real FORS2 answer, and decoys around them.

A row is made of a file's name and tag alone: how the answer nests and repeats them is not looked at. It holds
DPR and set-up keywords as an ingested header does, never the tag itself. Which of the two CCDs an answer is
of, the filter and the collimator are not in the names: they are chosen here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias
from xml.etree import ElementTree

from app.classify import Frame
from app.header import Header, Value

Keywords: TypeAlias = Mapping[str, Value]

_MJD_ZERO = datetime(1858, 11, 17)
# Exposures of one tag that follow each other faster are one template: biases take 23 s, flats a minute.
_PAUSE = timedelta(seconds=90)
_STEP = timedelta(seconds=23)

_SETUP: Keywords = {
    "INSTRUME": "FORS2",
    "DET.READ.CLOCK": "200Kps/2ports/low_gain",
    "DET.WIN1.BINX": 2,
    "DET.WIN1.BINY": 2,
}
_OPTICS: Keywords = {"INS.FILT1.NAME": "R_SPECIAL", "INS.COLL.NAME": "COLL_SR"}
_OB: Keywords = {"OBS.ID": 2900001, "OBS.PROG.ID": "106.0001.001"}


def _kind(category: str, kind: str, exptime: float, *more: Keywords) -> dict[str, Value]:
    keywords: dict[str, Value] = {
        **_SETUP, "DPR.CATG": category, "DPR.TYPE": kind, "DPR.TECH": "IMAGE", "EXPTIME": exptime
    }  # fmt: skip
    for each in more:
        keywords |= each
    return keywords


# What the header of a frame with this tag says; a bias has the optics that were in by chance.
_KINDS: Mapping[str, Keywords] = {
    "SCIENCE_IMG": _kind("SCIENCE", "OBJECT", 60.0, _OPTICS, _OB),
    "STANDARD_IMG": _kind("CALIB", "STD", 2.0, _OPTICS),
    "SKY_FLAT_IMG": _kind("CALIB", "FLAT,SKY", 4.0, _OPTICS),
    "BIAS": _kind("CALIB", "BIAS", 0.0, {"INS.FILT1.NAME": "b_HIGH", "INS.COLL.NAME": "COLL_HR"}),
    "ACQUISIT_IMG": _kind("ACQUISITION", "OBJECT", 5.0, _OPTICS, _OB),
}
_STATIC = ("FLX_STD_IMG", "PHOT_TABLE")


def read_names(answer: bytes) -> dict[str, str]:
    """The files that an answer mentions, each once, with their tags (DO.CATG)."""
    return {
        each.attrib["name"]: each.attrib["category"] for each in ElementTree.fromstring(answer).iter("file")
    }


def real_rows(names: Mapping[str, str], chip: str) -> Iterator[Frame]:
    """Certified frames of one CCD (DET.CHIP1.ID) for these names and tags; ValueError for an unknown tag."""
    times: dict[str, list[datetime]] = {}
    for name, tag in sorted(names.items()):
        if tag in _STATIC:
            yield _static(name, tag, chip)
        elif tag in _KINDS:
            times.setdefault(tag, []).append(datetime.fromisoformat(name.removeprefix("FORS2.")))
        else:
            raise ValueError(f"{name}: no header is known for the tag {tag}")
    for tag, each in times.items():
        for template in _templates(each):
            yield from _exposures(template, {**_KINDS[tag], "DET.CHIP1.ID": chip})


@dataclass(frozen=True, slots=True)
class Decoy:
    """A template that must not be chosen: `why` says what is wrong with it, `changes` is the difference."""

    why: str
    tag: str
    first: str
    n: int = 1
    changes: Keywords = field(default_factory=dict)
    certified: bool = True
    hidden: int = 0


_HIGH: Keywords = {"DET.READ.CLOCK": "100Kps/2ports/high_gain"}
_UNBINNED: Keywords = {"DET.WIN1.BINX": 1, "DET.WIN1.BINY": 1}
_ANISOTROPIC: Keywords = {"DET.WIN1.BINY": 1}
_OTHER_CHIP: Keywords = {"DET.CHIP1.ID": "Marlene"}


def _biases(morning: str, before: str, after: str) -> list[Decoy]:
    """Decoys of the hours before the biases of `morning`: nearer to all frames of the night but the last."""
    return [
        Decoy("read-out", "BIAS", f"{morning}T03:00:00.100", 5, _HIGH),
        Decoy("binning", "BIAS", f"{morning}T03:20:00.100", 5, _UNBINNED),
        Decoy("binning in x", "BIAS", f"{morning}T03:30:00.100", 5, {"DET.WIN1.BINX": 1}),
        Decoy("binning in y", "BIAS", f"{morning}T03:40:00.100", 5, _ANISOTROPIC),
        Decoy("the other mosaic", "BIAS", f"{morning}T04:00:00.100", 5, _OTHER_CHIP),
        Decoy("too few", "BIAS", f"{morning}T04:20:00.100", 4),
        Decoy("too few that are not hidden", "BIAS", f"{morning}T04:30:00.100", 6, hidden=2),
        Decoy("hidden", "BIAS", f"{morning}T04:40:00.100", 5, hidden=5),
        Decoy("not certified", "BIAS", f"{morning}T05:00:00.100", 5, certified=False),
        Decoy("a dark", "BIAS", f"{morning}T05:10:00.100", 5, {"DPR.TYPE": "DARK"}),
        Decoy("farther, before", "BIAS", f"{before}T09:00:00.100", 5),
        Decoy("farther, after", "BIAS", f"{after}T09:00:00.100", 5),
    ]


# Around the answers of 2021-01-02: science at 00:59, standards at 00:14, 00:27 and 08:47, biases at 09:27;
# sky flats on 2020-12-26 at 00:19, biases at 08:54.
DECOYS: Sequence[Decoy] = (
    *_biases("2020-12-26", before="2020-12-25", after="2020-12-27"),
    *_biases("2021-01-02", before="2021-01-01", after="2021-01-03"),
    Decoy("filter", "SKY_FLAT_IMG", "2021-01-01T00:10:00.100", 5, {"INS.FILT1.NAME": "I_BESS"}),
    Decoy("collimator", "SKY_FLAT_IMG", "2020-12-31T00:10:00.100", 5, {"INS.COLL.NAME": "COLL_HR"}),
    Decoy("read-out", "SKY_FLAT_IMG", "2020-12-30T00:10:00.100", 5, _HIGH),
    Decoy("binning", "SKY_FLAT_IMG", "2020-12-29T00:10:00.100", 5, _UNBINNED),
    Decoy("binning in x", "SKY_FLAT_IMG", "2020-12-29T00:15:00.100", 5, {"DET.WIN1.BINX": 1}),
    Decoy("binning in y", "SKY_FLAT_IMG", "2020-12-29T00:20:00.100", 5, _ANISOTROPIC),
    Decoy("the other mosaic", "SKY_FLAT_IMG", "2020-12-29T00:30:00.100", 5, _OTHER_CHIP),
    Decoy("too few", "SKY_FLAT_IMG", "2020-12-28T00:10:00.100", 3),
    Decoy("too few that are not hidden", "SKY_FLAT_IMG", "2020-12-28T00:20:00.100", 5, hidden=2),
    Decoy("hidden", "SKY_FLAT_IMG", "2020-12-28T00:30:00.100", 5, hidden=5),
    Decoy("not certified", "SKY_FLAT_IMG", "2020-12-27T00:10:00.100", 5, certified=False),
    Decoy("a screen flat", "SKY_FLAT_IMG", "2021-01-01T15:00:00.100", 5, {"DPR.TYPE": "FLAT,LAMP"}),
    Decoy("a flat of spectra", "SKY_FLAT_IMG", "2021-01-01T15:10:00.100", 5, {"DPR.TECH": "SPECTRUM"}),
    Decoy("farther, after", "SKY_FLAT_IMG", "2021-01-10T00:10:00.100", 5),
    Decoy("farther, before", "SKY_FLAT_IMG", "2020-12-20T00:10:00.100", 5),
    Decoy("filter", "STANDARD_IMG", "2021-01-02T00:40:00.100", 1, {"INS.FILT1.NAME": "I_BESS"}),
    Decoy("the other mosaic", "STANDARD_IMG", "2021-01-02T00:45:00.100", 1, _OTHER_CHIP),
    Decoy("hidden", "STANDARD_IMG", "2021-01-02T00:50:00.100", 1, hidden=1),
    Decoy("of spectra", "STANDARD_IMG", "2021-01-02T00:55:00.100", 1, {"DPR.TECH": "MOS"}),
    Decoy("the night before", "STANDARD_IMG", "2021-01-01T09:00:00.100"),
    Decoy("the night after", "STANDARD_IMG", "2021-01-03T00:20:00.100"),
    Decoy("another exposure of the OB", "SCIENCE_IMG", "2021-01-02T00:57:30.100"),
    Decoy("a second one", "SCIENCE_IMG", "2021-01-02T01:01:00.100"),
    Decoy("another OB", "ACQUISIT_IMG", "2021-01-02T00:56:00.100", 1, {"OBS.ID": 2900002}),
    Decoy("another programme", "ACQUISIT_IMG", "2021-01-02T00:56:30.100", 1, {"OBS.PROG.ID": "106.0002.001"}),
    Decoy("the other mosaic", "ACQUISIT_IMG", "2021-01-02T00:56:40.100", 1, _OTHER_CHIP),
)


def decoy_rows(chips: Sequence[str]) -> Iterator[Frame]:
    """Every decoy for each CCD, whose files are a millisecond apart, and older and newer static files."""
    for number, chip in enumerate(chips):
        for decoy in DECOYS:
            first = datetime.fromisoformat(decoy.first) + timedelta(milliseconds=number)
            keywords = {**_KINDS[decoy.tag], "DET.CHIP1.ID": chip, **decoy.changes}
            times = [first + _STEP * step for step in range(decoy.n)]
            yield from _exposures(times, keywords, decoy.certified, decoy.hidden)
        for day, hidden in (("2010-12-20", False), ("2020-12-20", True), ("2021-01-04", False)):
            yield _static(f"M.FORS2.{day}T10:00:00.00{number}", "PHOT_TABLE", chip, hidden)
    for day, hidden in (("2010-12-20", False), ("2018-12-20", True), ("2021-01-04", False)):
        yield _static(f"M.FORS2.{day}T11:00:00.000", "FLX_STD_IMG", "", hidden)
    yield _static("M.FORS2.2020-12-30T12:00:00.000", "PHOT_TABLE", "Marlene")
    yield _static("M.FORS2.2020-12-30T12:00:00.001", "EXTINCT_TABLE", chips[0])


def _templates(times: Sequence[datetime]) -> Iterator[list[datetime]]:
    template: list[datetime] = []
    for time in sorted(times):
        if template and time - template[-1] > _PAUSE:
            yield template
            template = []
        template.append(time)
    yield template


def _exposures(
    times: Sequence[datetime], keywords: Keywords, certified: bool = True, hidden: int = 0
) -> Iterator[Frame]:
    """The frames of one template; the first `hidden` of them are hidden."""
    for number, time in enumerate(times):
        dp_id = f"FORS2.{time.isoformat(timespec='milliseconds')}"
        of_its_own: Keywords = {
            "MJD-OBS": _mjd(time),
            "ARCFILE": f"{dp_id}.fits",
            "TPL.START": times[0].isoformat(timespec="seconds"),
            "TPL.EXPNO": number + 1,
            "TPL.NEXP": len(times),
        }
        header = Header({**keywords, **of_its_own})
        yield Frame(dp_id, header, certified=certified, hidden=number < hidden)


def _static(name: str, category: str, chip: str, hidden: bool = False) -> Frame:
    """A static file, valid from the day it was archived; the catalogue of standards is of no chip."""
    archived = datetime.fromisoformat(name.removeprefix("M.FORS2."))
    keywords: dict[str, Value] = {"INSTRUME": "FORS2", "PRO.CATG": category, "MJD-OBS": _mjd(archived) // 1}
    if category != "FLX_STD_IMG":
        keywords["DET.CHIP1.ID"] = chip
    return Frame(name, Header(keywords), certified=True, hidden=hidden)


def _mjd(time: datetime) -> float:
    return (time - _MJD_ZERO) / timedelta(days=1)
