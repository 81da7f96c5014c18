"""The tables of the rulebooks, and what real answers and lists of ESO say of the books."""

from __future__ import annotations

import sys
from pathlib import Path

# The pool made from a real answer stands beside its test; with importlib mode pytest adds no folder itself.
sys.path.insert(0, str(Path(__file__).parent))
