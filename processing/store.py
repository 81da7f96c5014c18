"""The store of finished work, addressed by content: an entry is whole or it is not there.

<root>/<key[:2]>/<key>/   products, task.json, esorex.log, task.sof
<root>/failed/<key>/      the latest failed attempt: log, SOF and task.json
<root>/.work/             private directories of runs that go on
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processing.graph import InputFile
from processing.products import ProductFile, read_product

MANIFEST = "task.json"


class DamagedEntryError(Exception):
    """A stored entry whose files are not what its task.json says."""


def content_key(recipe: str, version: str, parameters: Sequence[str], inputs: Sequence[InputFile]) -> str:
    """SHA-256 (hex) of what a recipe run depends on: equal keys, equal products but for their dates.

    `version` is the pipeline's (`uves/6.1.8`). File names and the order of inputs do not count, tags and
    contents do; parameters count in their order, as esorex lets the last of two win.
    """
    said = {
        "recipe": recipe,
        "version": version,
        "parameters": list(parameters),
        "inputs": sorted([source.tag, source.sha256] for source in inputs),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@contextmanager
def open_store(root: Path) -> Iterator[Store]:
    """A store with a work directory of our own, which goes at the end; those of dead runs go at the start.

    A run holds a lock in its work directory while it lives, and the kernel drops the lock with it.
    """
    works = root.absolute() / ".work"
    works.mkdir(parents=True, exist_ok=True)
    with _gate(works):
        for old in [path for path in works.iterdir() if path.is_dir()]:
            with (old / "lock").open("w") as alive, suppress(BlockingIOError):
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(old)
        work = Path(tempfile.mkdtemp(dir=works))
        own = (work / "lock").open("w")
        fcntl.flock(own, fcntl.LOCK_EX)
    with own:
        try:
            yield Store(root.absolute(), work)
        finally:
            with _gate(works):  # nobody may look for dead runs while this one is half gone
                shutil.rmtree(work)


@contextmanager
def _gate(works: Path) -> Iterator[None]:
    """Wait until nobody else makes or removes work directories."""
    with (works / "lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class Store:
    """A store and the work directory of this run, on one file system so that a rename is atomic."""

    root: Path
    work: Path

    def private_directory(self) -> Path:
        """A new empty directory in this run's work directory."""
        return Path(tempfile.mkdtemp(dir=self.work))

    def path(self, key: str) -> Path:
        """Where the entry of a key is, or would be."""
        return self.root / key[:2] / key

    def find(self, key: str) -> tuple[ProductFile, ...] | None:
        """The products of a key, each read again and compared with its SHA-256; None when there is no entry.

        Raises DamagedEntryError when the entry does not hold what it should.
        """
        entry = self.path(key)
        if not entry.exists():
            return None
        try:
            listed = json.loads((entry / MANIFEST).read_bytes())["products"]
            return tuple(_verified(entry, item) for item in listed)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedEntryError(f"{entry} cannot be read: {error!r}") from error

    def keep(self, key: str, made: Path) -> tuple[ProductFile, ...]:
        """Move a complete entry into its place, and return its products there.

        When another run was first, its sound entry stays and is the answer; a damaged one makes room.
        """
        place = self.path(key)
        while not _moved(made, place):
            try:
                theirs = self.find(key)
            except DamagedEntryError:
                self._discard(place)
                continue
            if theirs is not None:
                return theirs
        self._discard(self.root / "failed" / key)
        manifest = json.loads((place / MANIFEST).read_bytes())
        return tuple(_product(place, item) for item in manifest["products"])

    def keep_failure(self, key: str, left: Path) -> Path:
        """Keep what a failed attempt left, instead of that of an earlier one; returns its place."""
        place = self.root / "failed" / key
        while not _moved(left, place):
            self._discard(place)
        return place

    def _discard(self, place: Path) -> None:
        with suppress(FileNotFoundError):  # another run may discard it too
            place.rename(self.private_directory() / "discarded")


def write_manifest(entry: Path, facts: Mapping[str, Any], products: Sequence[ProductFile]) -> None:
    """Write task.json: the given facts, and the products by file name."""
    listed = [
        {"name": p.path.name, "category": p.category, "sha256": p.sha256, "size": p.size} for p in products
    ]
    (entry / MANIFEST).write_text(json.dumps({**facts, "products": listed}, indent=2) + "\n")


def _product(entry: Path, item: Mapping[str, Any]) -> ProductFile:
    return ProductFile(entry / item["name"], item["category"], item["sha256"], item["size"])


def _verified(entry: Path, item: Mapping[str, Any]) -> ProductFile:
    wanted = _product(entry, item)
    if read_product(wanted.path, wanted.category) != wanted:
        raise DamagedEntryError(f"{wanted.path} has changed since it was made")
    return wanted


def _moved(source: Path, place: Path) -> bool:
    """Rename a directory into its place at once; False when something is there already."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True
