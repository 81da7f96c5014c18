"""What goes into a packaging: the product, the raw frames it was made from, and files that belong to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from astropy.io import fits

from processing.names import input_name
from processing.phase3.headers import indexed, text
from processing.phase3.notes import Notes, PackagingError
from processing.phase3.raws import Raw, RawError, Summary, read_raw, stem, summary


@dataclass(frozen=True, slots=True)
class Inputs:
    """The read inputs. `targets` are the raw frames that count; `calibrations` are (tag, path)."""

    product: Path
    header: fits.Header
    category: str
    targets: tuple[Raw, ...]
    made: Summary
    companions: Mapping[str, Path]
    calibrations: Sequence[tuple[str, Path]]

    @property
    def recipe(self) -> str:
        """The recipe that made the product: the last of PRO.RECi.ID."""
        return text(self.header, f"ESO PRO REC{self.last} ID") or ""

    @property
    def last(self) -> int:
        """The highest i of PRO.RECi."""
        return max(
            (int(found[1]) for k in self.header if (found := re.match(r"ESO PRO REC(\d+) ID$", k))), default=1
        )

    def file_of(self, root: str) -> Path | None:
        """The companion or calibration whose category begins with `root`, of the product's own detector."""
        candidates = [*sorted(self.companions.items()), *self.calibrations]
        found = [(category, path) for category, path in candidates if category.startswith(root)]
        return next((path for category, path in self.own_first(found)), None)

    def own_first(self, files: Iterable[tuple[str, Path]]) -> list[tuple[str, Path]]:
        """Files by category, those of the product's own detector first: UVES says _BLUE, _REDL or _REDU."""
        detector = self.category.rpartition("_")[2]
        return sorted(files, key=lambda file: not file[0].endswith(f"_{detector}"))


def read_inputs(
    product: Path,
    raws: Sequence[Path],
    companions: Mapping[str, Path],
    calibrations: Sequence[tuple[str, Path]],
    notes: Notes,
) -> Inputs:
    """Read all headers. Raises PackagingError."""
    try:
        header = fits.getheader(product, 0)
        frames = [read_raw(path) for path in raws]
    except RawError as wrong:
        raise PackagingError(f"raw frame {wrong}") from wrong
    except OSError as wrong:
        raise PackagingError(f"product {product} cannot be read as FITS: {wrong}") from wrong
    category = text(header, "ESO PRO CATG")
    if category is None:
        raise PackagingError(f"{product} has no PRO.CATG; package a recipe's product")
    if text(header, "DATE") is None:
        raise PackagingError(f"{product} has no DATE; package the file as the recipe wrote it")
    targets = _targets(product, header, frames, notes)
    return Inputs(product, header, category, targets, summary(targets), dict(companions), tuple(calibrations))


def _names(frame: Raw) -> set[str]:
    """What a product may call its source: by ARCFILE, by file, or by what the file was to the recipe."""
    return {frame.name, stem(frame.path.name), stem(input_name(frame.path.name))}


def _targets(product: Path, header: fits.Header, frames: Sequence[Raw], notes: Notes) -> tuple[Raw, ...]:
    """The frames on target that the product says it was made from, in time order."""
    on_target = [frame for frame in frames if frame.on_target]
    for frame in frames:
        if frame not in on_target:
            kind = frame.type or frame.category or "unknown"
            notes.remarks.append(f"{frame.name} ({kind}) is not on target and does not count (standard 5.15)")
    said = {stem(str(name)) for name in indexed(header, "PROV")} or {
        stem(str(header[k])) for k in header if re.match(r"ESO PRO REC\d+ RAW\d+ NAME$", k)
    }
    known = [frame for frame in on_target if _names(frame) & said]
    for frame in on_target:
        if known and frame not in known:
            notes.remarks.append(f"{frame.name} does not count: the product does not name it as its source")
    if not on_target:
        raise PackagingError(
            f"no raw science frame was given for {product}; name those of the recipe's own set of frames"
        )
    if not known:
        notes.remarks.append(f"{product.name} names no raw frame that was given: all of those count")
    return tuple(sorted(known or on_target, key=lambda frame: (frame.begin, frame.name)))
