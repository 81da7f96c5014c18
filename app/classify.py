"""What a frame is, and which rules said so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.header import UNDEFINED, Header, Maybe
from app.oca.evaluate import EMPTY
from app.rulebook import Rulebook

UNCLASSIFIED = "UNCLASSIFIED"
# What names a frame's tag, the first found wins: Gasgano reads DO.CATG, then PRO.CATG, Reflex REFLEX.CATG;
# ESO's quality control sets DO.CLASS beside RAW.TYPE.
TAG_KEYS = ("DO.CATG", "DO.CLASS", "REFLEX.CATG", "PRO.CATG")


@dataclass(frozen=True, slots=True)
class Frame:
    """A file of the archive.

    `dp_id` has no extension. `size` in bytes, `sha256` of the file's bytes (hex) and `path` are None
    where only a header is known. `mtime_ns` tells a changed file from a known one without reading it.
    `release_date` is ISO 8601 UTC. `measured` are the numbers of quality control in a product's extensions,
    by keyword and EXTNAME: `QC.DARK.MED@CHIP1.INT1`.
    """

    dp_id: str
    header: Header
    size: int | None = None
    sha256: str | None = None
    path: str | None = None
    mtime_ns: int | None = None
    certified: bool = False
    hidden: bool = False
    release_date: str | None = None
    measured: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Classified:
    """A frame and what the rules derived.

    `fired` holds the lines of the rules that were true, in order; `keywords` is the header with the
    derived names laid over it, which is what every later rule sees.
    """

    dp_id: str
    derived: Mapping[str, Maybe]
    fired: tuple[int, ...]
    keywords: Mapping[str, Maybe]
    hidden: bool = False
    certified: bool = False

    @property
    def tag(self) -> str:
        """The category that a SOF needs: DO.CATG, else DO.CLASS, REFLEX.CATG, PRO.CATG."""
        return tag(self.keywords)

    @property
    def raw_type(self) -> str:
        """The category of its group: RAW.TYPE, else the tag."""
        return raw_type(self.keywords)


def classify(book: Rulebook, header: Header) -> tuple[dict[str, Maybe], dict[str, Maybe], tuple[int, ...]]:
    """Run all classification rules, first to last; the last assignment wins.

    Returns the keywords with what was derived, the derived ones alone, and the lines of the rules that
    fired. Conditions see what earlier rules derived (documented for Gasgano; counted in its eight files).
    """
    keywords: dict[str, Maybe] = {**header.to_dict()}
    derived: dict[str, Maybe] = {}
    fired: list[int] = []
    for rule in book.class_rules:
        if rule.test(keywords, EMPTY, EMPTY):
            fired.append(rule.line)
            for key, value in rule.assigns:
                derived[key] = keywords[key] = value(keywords, EMPTY, EMPTY)
    return keywords, derived, tuple(fired)


def classified(book: Rulebook, frame: Frame) -> Classified:
    """The frame as the book sees it."""
    keywords, derived, fired = classify(book, frame.header)
    return Classified(frame.dp_id, derived, fired, keywords, frame.hidden, frame.certified)


def tag(keywords: Mapping[str, Maybe]) -> str:
    """The category that a SOF needs."""
    return next((v for v in map(keywords.get, TAG_KEYS) if isinstance(v, str) and v), UNCLASSIFIED)


def raw_type(keywords: Mapping[str, Maybe]) -> str:
    """The category of a raw group."""
    value = keywords.get("RAW.TYPE", UNDEFINED)
    return value if isinstance(value, str) and value else tag(keywords)


def is_raw(header: Mapping[str, Maybe]) -> bool:
    """A raw frame has no PRO.CATG; static calibrations and recipe products do."""
    return header.get("PRO.CATG", UNDEFINED) is UNDEFINED


def unsupported_category(header: Mapping[str, Maybe]) -> str:
    """CalSelector's placeholder for a type it has no rule for, built from DPR (a user's report)."""
    words = [str(header.get(key, "UNKNOWN")) for key in ("DPR.CATG", "DPR.TYPE")]
    return "_".join(words).replace(",", "_").replace(" ", "_")
