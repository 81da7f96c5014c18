"""The readers of pools and tables under the name that tests knew them by."""

from app.classify import Frame as Row
from app.craft.tables import Expectation, read_expected, read_pool
from app.tree import Mode

__all__ = ["Expectation", "Mode", "Row", "read_expected", "read_pool"]
