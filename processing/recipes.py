"""Recipes in Python, run like ESO's: in a process of their own, from an SOF, into a list of products."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from processing.esorex import Esorex, Pipeline
from processing.names import input_name

PACKAGING: Final = "sdp_package"
# Part of every content key: a change in what these recipes write is a new version.
VERSION: Final = "3"
# The pipeline that they make up.
OURS: Final = f"calselector/{VERSION}"
# The module that is run for a recipe, with the SOF and --output-dir.
_MODULES: Final[Mapping[str, str]] = {PACKAGING: "processing.phase3"}


def is_ours(recipe: str) -> bool:
    """Whether a recipe is one of these."""
    return recipe in _MODULES


def read_as(recipe: str, name: str) -> str:
    """What a file of this name is called where a recipe reads it: ours name their products by it in full."""
    return re.sub(r"\s", "_", name) if is_ours(recipe) else input_name(name)


def pipeline_of(esorex: Esorex, recipe: str) -> Pipeline:
    """The pipeline of any recipe, ESO's or ours. Raises EsorexError when it is not installed."""
    if is_ours(recipe):
        return Pipeline("calselector", VERSION, Path(__file__).parent)
    return esorex.pipeline_of(recipe)


def command(
    esorex: Esorex, pipeline: Pipeline, recipe: str, parameters: Sequence[str], sof: Path, output: Path
) -> tuple[str, ...]:
    """The command line of a run of any recipe."""
    if is_ours(recipe):
        # -P would keep the working directory out of the module path, which is empty anyway.
        return (sys.executable, "-m", _MODULES[recipe], *parameters, str(sof), f"--output-dir={output}")
    return esorex.command(pipeline, recipe, parameters, sof, output)
