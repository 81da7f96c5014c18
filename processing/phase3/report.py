"""What a packaging has to say (report.json), as the person reads it who asked for the product."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

REPORT: Final = "report.json"


def report_beside(product: Path) -> Path | None:
    """The report of the packaging that made a file; None where none did, or where it is not here."""
    return None if _read(product) is None else product.with_name(REPORT)


def told(product: Path) -> list[str]:
    """The report of the packaging that made a file in short sentences; none where none did.

    What is absent and why, what the checker finds wrong with it, what was mended, what else there is to know.
    """
    report = _read(product)
    return [] if report is None else list(_sentences(report))


def _read(product: Path) -> Mapping[str, Any] | None:
    try:
        report = json.loads(product.with_name(REPORT).read_bytes())
        return report if product.name in [file["path"] for file in report["files"]] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a file of that name that somebody else wrote, or none


def _sentences(report: Mapping[str, Any]) -> Iterator[str]:
    reasons: dict[tuple[int, str], list[str]] = {}
    for note in report["absent"]:
        reasons.setdefault((note["hdu"], note["sentence"]), []).append(note["keyword"])
    for (hdu, why), keywords in reasons.items():
        yield f"absent: {_listed(keywords)}{_place(hdu)}: {why}"
    errors = [each for each in report["problems"] if each["severity"] == "error"]
    if errors:
        count = "an error" if len(errors) == 1 else f"{len(errors)} errors"
        wrong = _listed([each["keyword"] or each["sentence"] for each in errors])
        yield f"not up to the archive's standard ({count} of 'calsel check-product'): {wrong}"
    for note in report["mended"]:
        yield f"mended: {note['keyword']}{_place(note['hdu'])} {note['sentence']}"
    yield from report["remarks"]


def _listed(keywords: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(keywords))


def _place(hdu: int) -> str:
    return f" (HDU {hdu})" if hdu else ""
