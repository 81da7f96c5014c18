"""One number of a product beside the number that was simulated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """`limit` is the largest allowed |measured - truth|, in the same unit."""

    name: str
    truth: float
    measured: float
    limit: float
    unit: str

    @property
    def ok(self) -> bool:
        """Whether the product is within the limit (a NaN is not)."""
        return abs(self.measured - self.truth) <= self.limit
