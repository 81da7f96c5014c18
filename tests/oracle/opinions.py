"""One archive seen twice: through the service's index, and by the naive reading of the same books."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from difflib import ndiff
from pathlib import Path

from holding import oracle_lines, service_lines
from naive_cascade import Oracle
from naive_groups import know
from naive_rules import parse

from app.archive.index import Index
from app.archive.quality import add_breakpoints
from app.archive.storing import store
from app.classify import Frame
from app.craft.trials import breakpoints_of
from app.ingest import use_rules
from app.rulebook import load_library
from app.tree import Mode

REFUSED = "not supported"


class Opinions:
    """`folder` is one instrument's, alone in its parent; its rows go into the empty `index`."""

    def __init__(self, folder: Path, rows: Sequence[Frame], index: Index) -> None:
        self.rows, self.index = rows, index
        use_rules(index, load_library(folder.parent), folder.parent)
        with index.writing() as (connection, books):
            store(
                connection,
                books,
                [Frame(row.dp_id, row.header, certified=row.certified, hidden=row.hidden) for row in rows],
            )
            add_breakpoints(connection, breakpoints_of(folder))
        breakpoints = breakpoints_of(folder)
        self.oracles = []
        for path in sorted(folder.glob("*.oca")):
            rules = parse(path.read_text(encoding="utf-8"))
            files = [
                know(rules, row.dp_id, row.header.to_dict(), row.certified) for row in rows if not row.hidden
            ]
            self.oracles.append((_first_night(path), Oracle(rules, files, breakpoints)))

    def compare(self, mode: Mode) -> tuple[int, list[str]]:
        """How many frames are answered, and the answers that differ, line by line."""
        answered, different = 0, []
        for row in self.rows:
            if row.hidden or "MJD-OBS" not in row.header:
                continue
            service, oracle = self._service(row.dp_id, mode), self._oracle(row, mode)
            answered += service != [REFUSED]
            if service != oracle:
                different.append("\n".join([f"\n{row.dp_id} {mode}", *ndiff(service, oracle)]))
        return answered, different

    def _service(self, dp_id: str, mode: Mode) -> list[str]:
        tree = self.index.associate(dp_id, mode)
        if tree.root.action is None:
            assert "not supported" in tree.root.messages[0]
            return [REFUSED]
        return [tree.mode, *service_lines(tree.root)]

    def _oracle(self, row: Frame, mode: Mode) -> list[str]:
        """By the book in force in the frame's night, which lasts from noon to noon."""
        night = int(float(row.header["MJD-OBS"]) - 0.5)
        book = next((each for first, each in reversed(self.oracles) if first <= night), None)
        done, node = (mode, None) if book is None else book.associate(row.dp_id, mode)
        return [REFUSED] if node is None else [done, *oracle_lines(node)]


def _first_night(path: Path) -> int:
    return (date.fromisoformat(path.stem.split(".", 1)[1]) - date(1858, 11, 17)).days
