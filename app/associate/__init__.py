"""The cascade: ask for candidates, decide with `evaluate`, rank, recurse, stop on cycles."""

from app.associate.cascade import associate, unsupported
from app.associate.ports import Archive, Breakpoint, Candidate, Dataset, Question

__all__ = ["Archive", "Breakpoint", "Candidate", "Dataset", "Question", "associate", "unsupported"]
