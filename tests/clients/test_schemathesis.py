"""Whatever the OpenAPI page allows, and what it does not, is answered as the page says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

CHECKS = ("status_code", "content_type", "response_headers")


@pytest.mark.slow
def test_no_request_meets_a_server_error_or_an_undeclared_answer(archive, tmp_path: Path) -> None:
    named = ",".join(("not_a_server_error", *(f"{check}_conformance" for check in CHECKS)))
    ran = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis",
            *("run", f"{archive.url}/openapi.json", "--checks", named),
            *("--phases", "examples,coverage,fuzzing"),
            *("--seed", "1", "--max-examples", "30", "--request-timeout", "60"),
            *("--suppress-health-check", "all"),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
    page = httpx.get(f"{archive.url}/openapi.json", timeout=60).json()
    operations = sum(map(len, page["paths"].values()))
    assert f"{operations} selected" in ran.stdout or f"{operations} tested" in ran.stdout, ran.stdout[-3000:]
