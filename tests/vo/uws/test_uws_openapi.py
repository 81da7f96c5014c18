"""The OpenAPI page of jobs holds for jobs that exist; tests/clients does the same for all else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

Site = Any  # tests/vo/uws/conftest.py


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "paths"),
    # Without the address that deletes the job; and the events of one that is PENDING have no end.
    [("PENDING", "^/jobs/.job./.part.$"), ("COMPLETED", "^/jobs/.job./")],
)
def test_every_answer_about_a_job_is_declared(site: Site, tmp_path: Path, phase: str, paths: str) -> None:
    job = site.create(**({} if phase == "PENDING" else {"PHASE": "RUN"}))
    if phase == "COMPLETED":
        site.work(job)
    made = [each["dp_id"] for each in site.json(job)["results"]][:1]
    known = [f'"path.job" = "{job.rpartition("/")[2]}"', *(f'"path.dp_id" = "{dp_id}"' for dp_id in made)]
    (tmp_path / "schemathesis.toml").write_text("\n".join(("[parameters]", *known, "")))
    checks = ("status_code", "content_type", "response_headers")
    named = ",".join(("not_a_server_error", *(f"{check}_conformance" for check in checks)))
    ran = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis",
            *("run", f"{site.client.base_url}/openapi.json", "--seed", "1", "--max-examples", "30"),
            *("--phases", "examples,coverage,fuzzing", "--checks", named, "--suppress-health-check", "all"),
            *("--include-path-regex", paths),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert site.client.get(job).status_code == 200
