"""Whatever the OpenAPI page allows, and what it does not, is answered as the page says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

CHECKS = ("status_code", "content_type", "response_headers")
# Every answer of it computes anew what all frames of an instrument had before: a few stand for many.
LONG = "/calselector/v1/changes"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("of", "phases", "examples"),
    [("--exclude-path", "examples,coverage,fuzzing", 30), ("--include-path", "examples,fuzzing", 3)],
    ids=["all but changes", "changes"],
)
def test_no_request_meets_a_server_error_or_an_undeclared_answer(
    archive, tmp_path: Path, of: str, phases: str, examples: int
) -> None:
    named = ",".join(("not_a_server_error", *(f"{check}_conformance" for check in CHECKS)))
    ran = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis",
            *("run", f"{archive.url}/openapi.json", of, LONG, "--phases", phases, "--checks", named),
            *("--seed", "1", "--max-examples", str(examples), "--request-timeout", "60"),
            *("--suppress-health-check", "all"),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
    page = httpx.get(f"{archive.url}/openapi.json").json()
    operations = sum(map(len, page["paths"].values()))
    tested = 1 if of == "--include-path" else operations - 1
    assert f"{tested} selected" in ran.stdout or f"{tested} tested" in ran.stdout, ran.stdout[-3000:]
