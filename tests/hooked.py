"""An esorex whose recipes meet something: a script runs before each, or in its place."""

from __future__ import annotations

from pathlib import Path


def hook(path: Path, esorex: str | Path, script: str) -> None:
    """Make `path` a program that runs a shell script before every recipe, and then `esorex`.

    Listings and versions are not recipes. A script that exits is all that happens.
    """
    path.write_text(f'#!/bin/sh\ncase "$*" in *--output-dir*) {script};; esac\nexec {esorex} "$@"\n')
    path.chmod(0o755)
