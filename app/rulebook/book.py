"""A rule file made ready to use: every expression compiled once, every association with its key sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.header import UNDEFINED, Maybe, Undefined
from app.oca.conditions import Condition, Test, canonical
from app.oca.evaluate import Compiled
from app.oca.syntax import RuleFile
from app.rulebook.keysets import KeySet, Side
from app.rulebook.kinds import Expected

# Keywords that the service itself uses, whatever the rules say.
BASE_KEYWORDS = frozenset(
    "INSTRUME MJD-OBS EXPTIME DATE-OBS ARCFILE OBJECT RA DEC DPR.CATG DPR.TYPE DPR.TECH "
    "TPL.ID TPL.START TPL.EXPNO TPL.NEXP OBS.ID OBS.NAME OBS.PROG.ID OBS.TARG.NAME PRO.CATG "
    "RAW.TYPE DO.CATG DO.CLASS REFLEX.CATG "
    # What archive science products have in place of DPR and ARCFILE (ESO-044286 §5.2, 5.12).
    "PRODCATG PROV1 MJD-END WAVELMIN WAVELMAX ABMAGLIM".split()
)

# What a product does not inherit from its first raw frame: CPL erases DPR, ARCFILE and friends
# (cpl_dfs.c), and a product has a category of its own.
NOT_INHERITED = frozenset(
    "RAW.TYPE DO.CATG DO.CLASS REFLEX.CATG REFLEX.TARGET PACK.DIR CATG EXPOSE_TO_CALSELECTOR "
    "ARCFILE ORIGFILE CHECKSUM DATASUM".split()
)


@dataclass(frozen=True, slots=True)
class RuleRef:
    """A line of a rule file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Step:
    """The recipe that a group's action runs, with its command-line options."""

    recipe: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClassBook:
    """A classification rule: its test, its assignments (keyword, value) and its line."""

    test: Test
    assigns: tuple[tuple[str, Compiled], ...]
    line: int


@dataclass(frozen=True, slots=True)
class OrgBook:
    """An organisation rule; `index` is its place in the file.

    `per_frame` and `per_template` come from SIG.FRAME and SIG.TEMPLATE, `uses_last` from `LF.`.
    A rule with neither trigger nor `group by` takes each file alone: no shipped file has one.
    """

    index: int
    action: str
    raw_only: bool
    test: Test
    group_by: tuple[str, ...]
    per_frame: bool
    per_template: bool
    uses_last: bool
    minimum: int
    maximum: int | None
    tag: str | None
    ref: RuleRef


@dataclass(frozen=True, slots=True)
class Wanted:
    """An association rule: `wide` finds every file of the category, `tight` those with the input's set-up."""

    index: int
    label: str
    minimum: int
    maximum: int
    auxiliary: bool
    condition: Condition
    wide: KeySet
    tight: KeySet
    ref: RuleRef

    @property
    def own(self) -> bool:
        """What is asked for is made of the same exposure: a step of its reduction, no calibration of it.

        A product begins when its first raw frame does, so `inputFile.MJD-OBS == MJD-OBS` says this.
        """
        return ("MJD-OBS", "MJD-OBS") in self.condition.joins

    @property
    def category(self) -> str:
        """The PRO.CATG (or other literal category) that is asked for, else the label."""
        literals = dict(self.condition.literals)
        names = ("PRO.CATG", "DO.CATG", "RAW.TYPE", "DO.CLASS", "REFLEX.CATG")
        return next((str(literals[name]) for name in names if name in literals), self.label)


@dataclass(frozen=True, slots=True)
class Promise:
    """A `product` block: a virtual product of every group that runs the action."""

    index: int
    assigns: tuple[tuple[str, Compiled], ...]
    category: str | None
    ref: RuleRef


@dataclass(frozen=True, slots=True)
class ActionBook:
    """What a group needs, what is run on it, what comes out."""

    name: str
    wanted: tuple[Wanted, ...]
    step: Step | None
    promises: tuple[Promise, ...]
    ref: RuleRef

    def may_make(self, category: str) -> bool:
        """It promises this PRO.CATG, or one that a rule computes, which is known with the frames only."""
        return any(promise.category in (category, None) for promise in self.promises)


@dataclass(frozen=True, slots=True)
class Rulebook:
    """One version of one instrument's rules.

    `name` is the file name, `start` its first night (MJD of the noon it begins at), `instrumes` the
    INSTRUME values it covers, `checksum` the SHA-256 of the text (hex), `kinds` the types of keywords.
    `keysets` are told apart by side, first literal's keyword and its value; `leading` are these keywords.
    """

    name: str
    instrument: str
    instrumes: tuple[str, ...]
    start: int
    text: str
    checksum: str
    rules: RuleFile
    class_rules: tuple[ClassBook, ...]
    org_rules: tuple[OrgBook, ...]
    actions: Mapping[str, ActionBook]
    makers: Mapping[str, tuple[str, ...]]
    hot: frozenset[str]
    keysets: Mapping[tuple[Side, str, str], tuple[KeySet, ...]]
    leading: Mapping[Side, tuple[str, ...]]
    kinds: Mapping[str, Expected]

    def made(self, category: str) -> bool:
        """Some action makes it; a PRO.CATG that none makes is static."""
        return category in self.makers

    def reduced(self, category: str) -> bool:
        """Some recipe makes it, so there may be masters; else the raw group itself is the calibration."""
        return any(self.actions[maker].step for maker in self.makers.get(category, ()))

    def keys_of(self, side: Side, keywords: Mapping[str, Maybe]) -> Iterator[int]:
        """Every match key of a candidate with these keywords, once (`X == 1` and `X == "1"` share theirs)."""
        seen: set[int] = set()
        for name in self.leading[side]:
            found = keywords.get(name, UNDEFINED) if name else ""
            if isinstance(found, Undefined):
                continue
            for keyset in self.keysets.get((side, name, canonical(found) if name else ""), ()):
                key = keyset.key_of(self.checksum, keywords)
                if key is not None and key not in seen:
                    seen.add(key)
                    yield key
