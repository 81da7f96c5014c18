"""A small archive of products: of ours with their task.json, of others with PRO.REC1 alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from astropy.io import fits

from app.archive.database import connect
from app.archive.index import Index
from app.ingest import ingest
from app.provenance import Chain, trace
from app.rights import User

ORIGIN = f"toy.2000-01-01.oca sha256:{'ab' * 32} revision 7"

Inputs: TypeAlias = Sequence[tuple[str, Path]]


@pytest.fixture
def index(database_url: str) -> Iterator[Index]:
    engine = connect(database_url)
    yield Index(engine)
    engine.dispose()


class Archive:
    """A folder of frames; `ingest` puts all of them into the index."""

    def __init__(self, index: Index, folder: Path) -> None:
        self.index = index
        self.folder = folder

    def raw(self, dp_id: str, **keywords: object) -> Path:
        return self._write(self.folder / f"{dp_id}.fits", ARCFILE=f"{dp_id}.fits", **keywords)

    def product(self, name: str, category: str, **keywords: object) -> Path:
        path = self.folder / name / f"{name}.fits"
        path.parent.mkdir(parents=True, exist_ok=True)
        return self._write(path, PRO_CATG=category, **keywords)

    def made(self, products: Sequence[tuple[str, str]], inputs: Inputs, **changes: Any) -> list[Path]:
        """Products (name, PRO.CATG) of one run, each with its task.json, as a store's entry has it."""
        paths = [self.product(name, category) for name, category in products]
        task = {
            "key": hashlib.sha256(repr(products).encode()).hexdigest(),
            "reason": "",
            "begun": "2026-03-01T10:00:00.250000+00:00",
            "host": "vista",
            "esorex": "3.13.6",
            "task": f"ACTION {products[0][0]}",
            "recipe": "toy_recipe",
            "pipeline": "toy/1.0",
            "parameters": ["--kappa=3"],
            "origin": ORIGIN,
            "inputs": [{"tag": tag, "name": path.name, "sha256": checksum(path)} for tag, path in inputs],
            "code": 0,
            "elapsed": 1.5,
            "peak_mb": 20.0,
            "products": [
                {"name": path.name, "category": category, "sha256": checksum(path), "size": 2880}
                for path, (_, category) in zip(paths, products, strict=True)
            ],
        }
        for path in paths:
            (path.parent / "task.json").write_text(json.dumps(task | changes))
        return paths

    def ingest(self, **options: Any) -> None:
        assert ingest(self.index, [self.folder], **options).skipped == []

    def trace(self, dp_id: str, user: User | None = None) -> Chain:
        with self.index.connection() as connection:
            return trace(connection, dp_id, user or User())

    def _write(self, path: Path, **keywords: object) -> Path:
        header = fits.Header()
        header["INSTRUME"] = "TOY"
        for name, value in {"MARK": path.stem, **keywords}.items():
            header[f"HIERARCH ESO {name.replace('_', ' ')}" if "_" in name else name] = value
        fits.PrimaryHDU(header=header).writeto(path, overwrite=True)
        return path


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def archive(index: Index, tmp_path: Path) -> Archive:
    folder = tmp_path / "archive"
    folder.mkdir()
    return Archive(index, folder)
