"""Every simulated chain by the name of its rulebook."""

from __future__ import annotations

from processing.simulate import (
    giraffe,
    hawki_chain,
    muse,
    naco_chain,
    uves_chain,
    uves_red_chain,
    vimos,
    visir_chain,
)
from processing.simulate.chain import Chain

CHAINS: dict[str, Chain] = {
    "giraffe": giraffe.CHAIN,
    "hawki": hawki_chain.CHAIN,
    "muse": muse.CHAIN,
    "naco": naco_chain.CHAIN,
    "uves": uves_chain.CHAIN,
    "uves-red": uves_red_chain.CHAIN,
    "vimos": vimos.CHAIN,
    "visir": visir_chain.CHAIN,
}
