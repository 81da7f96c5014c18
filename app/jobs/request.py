"""What may be asked of a job: read from its parameters, refused with everything that is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal, TypeAlias, get_args

from app.archive import recipes
from app.archive.finding import Connection
from app.errors import RequestError
from app.jobs import offered
from app.level import read_level
from app.tree import Mode

Strategy: TypeAlias = Literal["archive", "desktop", "qc1", "quicklook"]
STRATEGIES: Final[tuple[Strategy, ...]] = get_args(Strategy)
# How urgent a job is when it does not say: what somebody waits for at the telescope goes first.
PRIORITIES: Final[Mapping[Strategy, int]] = {"quicklook": 30, "desktop": 20, "archive": 10, "qc1": 0}
MODES: Final[Mapping[str, Mode]] = {"raw2raw": "Raw2Raw", "raw2master": "Raw2Master"}
MOST_DP_IDS = 1000
LOWEST, HIGHEST = -100, 100
# As C reads them: Python would also take 1_000, or the digits of other scripts.
_NUMBERS: Final = {
    "int": re.compile(r"[+-]?[0-9]{1,18}"),
    "double": re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"),
}

# DPR.CATG of what `qc1` reduces.
CALIBRATION: Final = "CALIB"
_PERIOD: Final = ("instrument", "night", "last_night")
NAMES: Final = ("dp_id", "mode", "strategy", "until", *_PERIOD, "action", "priority", "min_level")


@dataclass(frozen=True, slots=True)
class Request:
    """A job's parameters, read.

    `mode` is None where the strategy says it. `options` are esorex options by recipe. `instrument`, `night`
    and `last_night` (local dates of the evenings) are a `qc1` job's; `action` is that of the group which a
    `qc1` job of a dp_id is of, for a frame that several actions take, and set in a period's children.
    `min_level` refuses calibrations of a worse level (`app.level`).
    """

    dp_ids: tuple[str, ...]
    strategy: Strategy
    until: str = ""
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    instrument: str = ""
    night: date | None = None
    last_night: date | None = None
    action: str = ""
    priority: int = 0
    min_level: int | None = None

    @property
    def mode(self) -> Mode:
        """Masters where the strategy is made of them."""
        return "Raw2Master" if self.strategy in ("archive", "quicklook") else "Raw2Raw"


def read_request(connection: Connection, given: Mapping[str, Sequence[str]]) -> Request:
    """The request that these parameters make; names in any case, recipe parameters as `recipe.name`.

    Raises RequestError with a line for each thing that is wrong: unknown dp_ids, parameters that do not
    exist, values that a recipe does not take, what no active rulebook of the frames' instruments offers.
    """
    return _Reader(connection, given).read()


class _Reader:
    """Collects everything that is wrong before it refuses."""

    def __init__(self, connection: Connection, given: Mapping[str, Sequence[str]]) -> None:
        self.connection = connection
        self.wrong: list[str] = []
        self.plain: dict[str, list[str]] = {}
        self.recipes: dict[str, dict[str, str]] = {}
        for name, values in given.items():
            if not all(text.isprintable() for text in (name, *values)):
                self.wrong.append(f"{name[:50]!r}: holds a character that cannot be printed")
                continue
            recipe, dot, parameter = name.partition(".")
            if dot:
                self._recipe(recipe.lower(), parameter, list(values))
            elif name.lower() in NAMES:
                self.plain.setdefault(name.lower(), []).extend(value for value in values if value)
            else:
                self.wrong.append(
                    f"{name}: no such parameter; there are {', '.join(NAMES)}, and <recipe>.<parameter>"
                )

    def read(self) -> Request:
        dp_ids = tuple(dict.fromkeys(self.plain.pop("dp_id", [])))
        strategy = self._strategy()
        night, last = self._date("night"), self._date("last_night")
        instrument = self._one("instrument").lower()
        request = Request(
            dp_ids=dp_ids,
            strategy=strategy,
            until=self._one("until"),
            options=self._options(),
            instrument=instrument,
            night=night,
            last_night=last or night,
            action=self._one("action"),
            priority=self._priority(strategy),
            min_level=self._min_level(strategy),
        )
        self._subject(request)
        if len(dp_ids) <= MOST_DP_IDS:
            self.wrong += offered.faults(
                self.connection, dp_ids, instrument, request.until, request.options, request.action
            )
        if self.wrong:
            raise RequestError("\n".join(self.wrong))
        return request

    def _strategy(self) -> Strategy:
        said, asked = self._one("strategy").lower(), self._one("mode")
        mode = asked.lower()
        if mode and mode not in MODES:
            self.wrong.append(f"mode: {asked!r} is neither Raw2Raw nor Raw2Master")
        if not said:
            return "archive" if mode == "raw2master" else "desktop"
        for strategy in STRATEGIES:
            if said == strategy:
                if mode in MODES and MODES[mode] != Request((), strategy).mode:
                    wanted = Request((), strategy).mode
                    self.wrong.append(f"mode: strategy {strategy} is {wanted}; leave one of the two out")
                return strategy
        self.wrong.append(f"strategy: {said!r} is none of {', '.join(STRATEGIES)}")
        return "desktop"

    def _subject(self, request: Request) -> None:
        """What the job is of: frames, or for `qc1` a period of an instrument."""
        period = bool(request.instrument or request.last_night)
        if request.strategy == "qc1" and not request.dp_ids:
            if not (request.instrument and request.night):
                self.wrong.append("strategy qc1 needs instrument and night (YYYY-MM-DD), or dp_id")
        elif period:
            self.wrong.append("instrument, night and last_night are for strategy qc1 without dp_id")
        elif not request.dp_ids:
            self.wrong.append("dp_id: name at least one frame")
        if request.night and request.last_night and request.last_night < request.night:
            self.wrong.append(f"last_night {request.last_night} is before night {request.night}")
        if request.action and not (request.strategy == "qc1" and request.dp_ids):
            self.wrong.append("action is for strategy qc1 with dp_id")
        if len(request.dp_ids) > MOST_DP_IDS:
            self.wrong.append(f"dp_id: {len(request.dp_ids)} frames; a job takes at most {MOST_DP_IDS}")
            return
        rows = self.connection.execute(
            "SELECT dp_id, keywords ->> 'DPR.CATG' FROM frame WHERE dp_id = ANY(%s)", [list(request.dp_ids)]
        )
        known: dict[str, str | None] = dict(rows.fetchall())
        for dp_id in request.dp_ids:
            if dp_id not in known:
                self.wrong.append(f"dp_id: {dp_id} is not in the archive")
            elif request.strategy == "qc1" and known[dp_id] != CALIBRATION:
                self.wrong.append(
                    f"dp_id: {dp_id} has DPR.CATG {known[dp_id]}; strategy qc1 reduces {CALIBRATION} frames, "
                    "the others reduce science"
                )

    def _recipe(self, recipe: str, parameter: str, values: list[str]) -> None:
        if len(values) > 1:
            self.wrong.append(f"{recipe}.{parameter}: given {len(values)} times")
        self.recipes.setdefault(recipe, {})[parameter] = values[-1] if values else ""

    def _options(self) -> dict[str, tuple[str, ...]]:
        options: dict[str, tuple[str, ...]] = {}
        for recipe, wanted in sorted(self.recipes.items()):
            found = recipes.declared(self.connection, recipe)
            if found is None:
                self.wrong.append(f"{recipe}: no worker has declared this recipe, so nothing can be set")
                continue
            known = {str(each["display_name"]).lower(): each for each in found.parameters}
            said: list[str] = []
            for name, value in sorted(wanted.items()):
                if name.lower() not in known:
                    self.wrong.append(f"{recipe}.{name}: {recipe} has {', '.join(sorted(known)) or 'none'}")
                    continue
                parameter = known[name.lower()]
                if fault := fault_of(parameter, value):
                    self.wrong.append(f"{recipe}.{name}: {fault}")
                said.append(f"--{parameter['display_name']}={value}")
            options[recipe] = tuple(said)
        return options

    def _one(self, name: str) -> str:
        values = list(dict.fromkeys(self.plain.get(name, [])))
        if len(values) > 1:
            self.wrong.append(f"{name}: given as {' and '.join(values)}; only one can be")
        return values[0] if values else ""

    def _date(self, name: str) -> date | None:
        text = self._one(name)
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            self.wrong.append(f"{name}: {text!r} is no date; write YYYY-MM-DD, the date of the evening")
            return None

    def _min_level(self, strategy: Strategy) -> int | None:
        text = self._one("min_level")
        if text and strategy == "quicklook":
            self.wrong.append(
                "min_level: quicklook takes the last masters, however old; leave one of the two out"
            )
        try:
            return read_level(text) if text else None
        except ValueError as error:
            self.wrong.append(f"min_level: {text!r} {error}")
            return None

    def _priority(self, strategy: Strategy) -> int:
        text = self._one("priority") or str(PRIORITIES[strategy])
        number = int(text) if _NUMBERS["int"].fullmatch(text) else HIGHEST + 1
        if not LOWEST <= number <= HIGHEST:
            self.wrong.append(f"priority: {text!r} is no whole number from {LOWEST} to {HIGHEST}")
        return number


def fault_of(declared: Mapping[str, Any], value: str) -> str:
    """Why a recipe does not take a value for a parameter; "" when it does."""
    kind = declared["valtype"]
    if any(character.isspace() and character != " " for character in value):
        return f"{value!r} holds a line break or a tab"
    if kind == "bool" and value.upper() not in ("TRUE", "FALSE"):
        return f"{value!r} is neither TRUE nor FALSE"
    if kind in ("int", "double"):
        if not _NUMBERS[kind].fullmatch(value):
            return f"{value!r} is no {'whole number' if kind == 'int' else 'number'}"
        number = int(value) if kind == "int" else float(value)
        if declared["partype"] == "range" and not declared["valmin"] <= number <= declared["valmax"]:
            return f"{value} is not from {declared['valmin']} to {declared['valmax']}"
        if declared["partype"] == "enum" and number not in declared["valenum"]:
            return f"{value} is none of {', '.join(map(str, declared['valenum']))}"
    elif declared["partype"] == "enum" and value not in declared["valenum"]:
        return f"{value!r} is none of {', '.join(map(str, declared['valenum']))}"
    return ""
