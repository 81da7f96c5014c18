"""Which files of a folder are an archive's: their endings, and a walk that bears what others do meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from app.errors import HeaderError
from app.header import HEADER_SUFFIXES
from app.header import TABLE_SUFFIXES as ALL_TABLES

# Not .hdr.txt and .xml: what lies beside frames under such names are copies of their headers, and trees.
FITS_SUFFIXES = tuple(suffix for suffix in HEADER_SUFFIXES if suffix != ".hdr.txt")
TABLE_SUFFIXES = tuple(suffix for suffix in ALL_TABLES if not suffix.startswith(".xml"))
# As ESO's archive names the night log of a frame: <dp_id>.NL.txt.
LOG_SUFFIXES = (".nl", ".nl.txt")


def find_files(paths: Iterable[Path], skipped: list[HeaderError]) -> list[Path]:
    """The FITS files, headers and tables named or found below folders, in order of their paths.

    A file that is named is taken whatever it is called; below folders only known endings count. Folders
    that begin with a dot are left out, and what goes while we look; one that cannot be listed is added to
    `skipped`, as is a file whose name is not UTF-8. Raises HeaderError for a path that does not exist or
    cannot be looked at.
    """
    found: dict[Path, None] = {}
    for path in paths:
        try:
            path.stat()
        except FileNotFoundError:
            raise HeaderError(str(path), "no such file or folder") from None
        except OSError as error:
            raise HeaderError.of(path, error) from error
        found.update(dict.fromkeys(sorted(_below(path, skipped)) if path.is_dir() else [path]))
    for path in [path for path in found if not _is_text(path)]:
        skipped.append(HeaderError(str(path), "its name is not UTF-8; rename it"))
        del found[path]
    return list(found)


def _below(root: Path, skipped: list[HeaderError]) -> list[Path]:
    found: list[Path] = []

    def closed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            skipped.append(HeaderError(str(error.filename), f"cannot be listed: {error.strerror}"))

    for folder, folders, files in os.walk(root, onerror=closed):
        folders[:] = [name for name in folders if not name.startswith(".")]
        here = (Path(folder, name) for name in files if not name.startswith("."))
        found += [path for path in here if _has_known_ending(path) and _may_be_file(path)]
    return found


def _may_be_file(path: Path) -> bool:
    """Whether a path is no folder, pipe, or broken link; what cannot be looked at is told when it is read."""
    try:
        return path.is_file()
    except OSError:
        return True


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _has_known_ending(path: Path) -> bool:
    return path.name.lower().endswith((*FITS_SUFFIXES, *TABLE_SUFFIXES, *LOG_SUFFIXES))
