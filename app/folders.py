"""Which files of a folder are an archive's: their endings, and a walk that bears what others do meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from app.errors import HeaderError

FITS_SUFFIXES = (".fits", ".fit", ".fits.gz", ".fits.fz", ".fits.z", ".hdr")
TABLE_SUFFIXES = (".csv", ".csv.gz", ".vot", ".votable", ".vot.gz")
# As ESO's archive names the night log of a frame: <dp_id>.NL.txt.
LOG_SUFFIXES = (".nl", ".nl.txt")


def find_files(paths: Iterable[Path], skipped: list[HeaderError]) -> list[Path]:
    """The FITS files, headers and tables named or found below folders, in order of their paths.

    A file that is named is taken whatever it is called; below folders only known endings count. Folders
    that begin with a dot are left out, and what goes while we look; one that cannot be listed is added to
    `skipped`. Raises HeaderError for a path that does not exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise HeaderError(str(path), "no such file or folder")
        found.update(dict.fromkeys(sorted(_below(path, skipped)) if path.is_dir() else [path]))
    return list(found)


def _below(root: Path, skipped: list[HeaderError]) -> list[Path]:
    found: list[Path] = []

    def closed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            skipped.append(HeaderError(str(error.filename), f"cannot be listed: {error.strerror}"))

    for folder, folders, files in os.walk(root, onerror=closed):
        folders[:] = [name for name in folders if not name.startswith(".")]
        here = (Path(folder, name) for name in files if not name.startswith("."))
        found += [path for path in here if _has_known_ending(path) and path.is_file()]
    return found


def _has_known_ending(path: Path) -> bool:
    return path.name.lower().endswith((*FITS_SUFFIXES, *TABLE_SUFFIXES, *LOG_SUFFIXES))
