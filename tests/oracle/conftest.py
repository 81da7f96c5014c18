"""A second opinion on OCA: naive readings of the language, held against the service's answers."""

from __future__ import annotations

import sys
from pathlib import Path

# The naive interpreter and the readers of the pools stand beside tests; with importlib mode pytest adds no
# folder itself.
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "rules")]
