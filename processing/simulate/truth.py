"""What the simulation put into the sky, and whether the products give it back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from processing.simulate import measure_naco, measure_uves
from processing.simulate.echelle import Line, Order
from processing.simulate.measurement import Measurement
from processing.simulate.naco import Star


@dataclass(frozen=True, slots=True)
class Decoy:
    """A frame that must not be chosen, and the sentence that says why."""

    dp_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """An intervention that no association may cross, in the fields of CalSelector's breakpoint list."""

    mjdObs: float  # noqa: N815 - the public list spells it so
    instrument: str
    dpInstrument: str  # noqa: N815
    rawType: str  # noqa: N815
    proCatg: str  # noqa: N815
    doClass: str  # noqa: N815


@dataclass(frozen=True, slots=True)
class Truth:
    """The sky, the instrument and the bookkeeping of a demo archive.

    `expected` maps a science dp_id to its direct associations: label -> dp_ids of the group that must
    be chosen. `incomplete_science` lacks `incomplete_reason` (a PRO.CATG). No decoy may appear in
    the trees of `uves_science` and `naco_science`.
    """

    stars: tuple[Star, ...]
    lines: tuple[Line, ...]
    orders: tuple[Order, ...]
    uves_science: str
    naco_science: str
    incomplete_science: str
    incomplete_reason: str
    hidden: tuple[str, ...]
    uncertified: tuple[str, ...]
    breakpoints: tuple[Breakpoint, ...]
    decoys: tuple[Decoy, ...]
    expected: Mapping[str, Mapping[str, tuple[str, ...]]]

    def to_json(self) -> str:
        """One JSON object; `from_json` gives an equal Truth back."""
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def from_json(text: str) -> Truth:
        """Read what `to_json` wrote. Raises KeyError or TypeError on another layout."""
        data = json.loads(text)
        return Truth(
            stars=tuple(Star(**star) for star in data["stars"]),
            lines=tuple(Line(**line) for line in data["lines"]),
            orders=tuple(
                Order(order["number"], tuple(order["trace"]), tuple(order["dispersion"]))
                for order in data["orders"]
            ),
            uves_science=data["uves_science"],
            naco_science=data["naco_science"],
            incomplete_science=data["incomplete_science"],
            incomplete_reason=data["incomplete_reason"],
            hidden=tuple(data["hidden"]),
            uncertified=tuple(data["uncertified"]),
            breakpoints=tuple(Breakpoint(**row) for row in data["breakpoints"]),
            decoys=tuple(Decoy(**decoy) for decoy in data["decoys"]),
            expected={
                science: {label: tuple(group) for label, group in slots.items()}
                for science, slots in data["expected"].items()
            },
        )


def check(truth: Truth, products: Mapping[str, Path]) -> list[Measurement]:
    """Measure every product that is given against the truth; `products` maps PRO.CATG to a file.

    Categories that nothing is known about are passed over. Raises OSError for a file that is not there.
    """
    found: list[Measurement] = []
    for category, measure in (
        ("NACO_IMG_DARK_AVG", measure_naco.dark),
        ("MASTER_IMG_FLAT", measure_naco.flat),
        ("COADDED_IMG", lambda path: measure_naco.fluxes(path, truth.stars)),
        ("MASTER_BIAS_BLUE", measure_uves.bias),
        ("ORDER_TABLE_BLUE", lambda path: measure_uves.traces(path, truth.orders)),
        ("LINE_TABLE_BLUE", lambda path: measure_uves.dispersion(path, truth.orders)),
        ("RED_SCI_POINT_BLUE", lambda path: measure_uves.centroids(path, truth.lines)),
    ):
        if category in products:
            found += measure(products[category])
    return found
