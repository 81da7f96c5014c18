"""The cascade: ask for candidates, decide with `evaluate`, rank, recurse, stop on cycles."""

from app.associate.answering import UNSUPPORTED, Associator, associate, unsupported
from app.associate.ports import Archive, Breakpoint, Candidate, Dataset, Question
from app.associate.wish import NOTHING, Wish

__all__ = [
    "NOTHING",
    "UNSUPPORTED",
    "Archive",
    "Associator",
    "Breakpoint",
    "Candidate",
    "Dataset",
    "Question",
    "Wish",
    "associate",
    "unsupported",
]
