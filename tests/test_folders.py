from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import HeaderError
from app.folders import find_files


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """A folder with files of all kinds, one of them in a folder of its own."""
    for name in (
        "s1.fits",
        "s0.fits",
        "c.FITS",
        "late/b.fits.gz",
        ".cache/x.fits",
        ".y.fits",
        "notes.md",
        "t.vot",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "link.fits").symlink_to(tmp_path / "gone")
    (tmp_path / "folder.fits").mkdir()
    return tmp_path


def test_files_are_found_below_folders_in_order_without_hidden_ones_and_others(night: Path) -> None:
    skipped: list[HeaderError] = []
    found = [str(path.relative_to(night)) for path in find_files([night], skipped)]
    assert found == ["c.FITS", "late/b.fits.gz", "s0.fits", "s1.fits", "t.vot"]
    assert not skipped


def test_a_file_that_is_named_is_taken_once_whatever_it_is_called(night: Path) -> None:
    assert find_files([night / "notes.md", night / "notes.md"], []) == [night / "notes.md"]
    with pytest.raises(HeaderError, match="no such file or folder"):
        find_files([night / "gone"], [])


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (FileNotFoundError(2, "No such file or directory"), []),
        (PermissionError(13, "Permission denied"), ["late: cannot be listed: Permission denied"]),
        (OSError(116, "Stale file handle"), ["late: cannot be listed: Stale file handle"]),
    ],
)
def test_a_folder_that_goes_is_left_out_and_a_closed_one_is_told(
    night: Path, fault: OSError, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def faulty(path: str) -> Iterator[Any]:
        if path.endswith("/late"):
            raise type(fault)(fault.errno, fault.strerror, path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", faulty)
    skipped: list[HeaderError] = []
    found = [path.name for path in find_files([night], skipped)]
    assert found == ["c.FITS", "s0.fits", "s1.fits", "t.vot"]
    assert [str(error) for error in skipped] == [f"{night}/{each}" for each in told]
