"""Whatever the OpenAPI page allows, and what it does not, is answered as the page says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_no_request_meets_a_server_error_or_an_undeclared_answer(archive, tmp_path: Path) -> None:
    checks = ("not_a_server_error", "status_code", "content_type", "response_headers")
    named = ",".join(check if "_a_" in check else f"{check}_conformance" for check in checks)
    ran = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis",
            *("run", f"{archive.url}/openapi.json", "--seed", "1", "--max-examples", "30"),
            *("--phases", "examples,coverage,fuzzing", "--checks", named, "--suppress-health-check", "all"),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
