"""A second opinion on OCA: naive readings of the language, held against the service's answers."""

from __future__ import annotations

import sys
from pathlib import Path

# The naive interpreter stands beside the tests; with importlib mode pytest adds no folder itself.
sys.path.insert(0, str(Path(__file__).parent))
