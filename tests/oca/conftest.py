"""The rule files of the pipelines that are installed here."""

from collections.abc import Callable
from pathlib import Path

import pytest

PLUGINS = Path("/usr/share/cpl-plugins")


@pytest.fixture(scope="session")
def installed() -> Callable[[str], Path]:
    def find(instrument: str) -> Path:
        found = sorted(PLUGINS.glob(f"*/gasgano/config/{instrument}.oca"))
        if not found:
            pytest.skip(f"{instrument}.oca is not here: apt-get install cpl-plugin-{instrument}")
        return found[-1]

    return find
