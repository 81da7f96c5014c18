"""Every simulated chain by the name of its rulebook."""

from __future__ import annotations

from processing.simulate.chain import Chain

CHAINS: dict[str, Chain] = {}
