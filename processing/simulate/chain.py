"""What a simulated chain is: frames that the real recipes take, and how their products are measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from processing.simulate.measurement import Measurement


@dataclass(frozen=True, slots=True)
class Chain:
    """One recipe chain on simulated frames, from raw files to a product.

    `science` is the dp_id that is asked for, a frame of `raw_type` (RAW.TYPE), `recipes` are the recipes that
    must run for it, each as often as it must. `build(folder, seed)` writes `<dp_id>.fits` of every frame and
    static file, the same bytes for the same seed; `measure` is given the products (PRO.CATG -> files, in the
    order they were made) and compares them with what was simulated. `product` is the PRO.CATG that one is
    after. `decoys` are frames of the archive that must not be in the tree, each with the sentence that says
    why.
    """

    name: str
    science: str
    raw_type: str
    recipes: tuple[str, ...]
    product: str
    build: Callable[[Path, int], None]
    measure: Callable[[Mapping[str, tuple[Path, ...]], int], list[Measurement]]
    decoys: Mapping[str, str] = field(default_factory=dict)
