from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import HeaderError
from app.folders import FITS_SUFFIXES, TABLE_SUFFIXES, find_files
from app.header import HEADER_SUFFIXES
from app.header import TABLE_SUFFIXES as ALL_TABLES


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


def test_a_file_that_cannot_be_looked_at_is_left_to_its_reader(
    night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = os.stat

    def faulty(path: Any, **given: Any) -> os.stat_result:
        if str(path).endswith("s1.fits"):
            raise OSError(116, "Stale file handle", str(path))
        return stat(path, **given)

    monkeypatch.setattr(os, "stat", faulty)
    assert night / "s1.fits" in find_files([night], [])
    with pytest.raises(HeaderError, match=r"s1.fits: cannot be read: Stale file handle"):
        find_files([night / "s1.fits"], [])


def test_a_file_whose_name_is_no_text_is_told(night: Path) -> None:
    (night / "s1.fits").rename(night / os.fsdecode(b"s\xff.fits"))
    skipped: list[HeaderError] = []
    assert [path.name for path in find_files([night], skipped)] == ["c.FITS", "b.fits.gz", "s0.fits", "t.vot"]
    (told,) = skipped
    assert told.reason == "its name is not UTF-8; rename it"


def test_all_that_is_read_is_found_but_copies_of_headers_and_trees() -> None:
    assert {*HEADER_SUFFIXES, *ALL_TABLES} - {*FITS_SUFFIXES, *TABLE_SUFFIXES} == {
        ".hdr.txt",
        ".xml",
        ".xml.gz",
    }
