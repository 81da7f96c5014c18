"""The pools of the rulebooks, each in an index of its own."""

from __future__ import annotations

import sys
from pathlib import Path

# The readers of the tables stand beside these tests; with importlib mode pytest adds no folder itself.
sys.path.insert(0, str(Path(__file__).parent))
