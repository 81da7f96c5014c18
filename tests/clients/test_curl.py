"""curl in bash, as users paste it; a proxy that is not there stands for the rest of the world."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
needs_xmllint = pytest.mark.skipif(shutil.which("xmllint") is None, reason="needs xmllint (libxml2-utils)")


@pytest.fixture
def paste(archive, tmp_path: Path):
    """Runs lines of bash in an empty folder, with the service as $ESO and a frame as $DP_ID."""

    def run(script: str, **more: str) -> str:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
            "ALL_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1",
            "ESO": archive.url,
            "DP_ID": archive.science,
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path, env=env | more, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_tree_keeps_the_name_that_the_service_gives(paste, tmp_path: Path, archive):
    paste('curl -fsSOJ "$ESO/calselector/v1/associations?dp_id=$DP_ID&mode=raw2raw"')
    (tree,) = tmp_path.iterdir()
    assert tree.name == f"{archive.science}_raw2raw.xml"
    assert tree.read_bytes().startswith(b"<?xml")


def test_many_frames_by_post(paste, archive):
    printed = paste(
        'curl -fsS "$ESO/calselector/v1/associations" -d dp_id="$DP_ID" -d dp_id="$OTHER" -d mode=Raw2Raw',
        OTHER=archive.truth.naco_science,
    )
    assert printed.count("Content-Disposition: attachment; filename=") == 2


def test_an_unknown_frame_among_others_is_told_in_its_own_part(paste, archive):
    ask = 'curl -sS -w "%{http_code}" "$ESO/calselector/v1/associations" -d dp_id=UVES.X'
    printed = paste(f'{ask} -d dp_id="$DP_ID"')
    assert printed.endswith("200")
    assert f'filename="{archive.science}_raw2raw.xml"' in printed
    said = "No association could be established: UVES.X is not in this archive"
    assert printed.partition('filename="UVES.X_raw2raw.xml"')[2].count(said) == 1
    assert paste(ask).endswith("404")


def test_every_calibration_of_a_frame_is_fetched(paste, archive, tmp_path: Path):
    paste(
        """
        curl -fsS "$ESO/calselector/v1/associations?dp_id=$DP_ID&mode=raw2raw" |
          tr -d '\\n' | grep -o 'name="[^"]*"' | cut -d'"' -f2 | sort -u |
          xargs -P 4 -I{} curl -fsSOJ "$ESO/dataPortal/file/{}"
        """
    )
    found = {path.name.removesuffix(".gz").removesuffix(".fits") for path in tmp_path.iterdir()}
    assert {archive.science, *archive.calibrations} <= found
    for path in tmp_path.iterdir():
        assert _sha256(path) == _sha256(archive.folder / path.name)


@pytest.mark.skipif(shutil.which("wget") is None, reason="needs wget")
def test_a_list_of_files_by_wget_as_in_the_scripts_of_eso_s_portal(paste, archive, tmp_path: Path):
    wanted = sorted(archive.calibrations)
    paste(
        'printf "%s\\n" $WANTED | sed "s|^|$ESO/dataPortal/file/|" | '
        "xargs -L 1 -P 2 wget -q --content-disposition",
        WANTED=" ".join(wanted),
    )
    assert sorted(path.name.partition(".fits")[0] for path in tmp_path.iterdir()) == wanted


def test_an_interrupted_download_goes_on(paste, archive, tmp_path: Path):
    whole = (archive.folder / f"{archive.science}.fits").read_bytes()
    (tmp_path / "frame.fits").write_bytes(whole[:1000])
    paste('curl -fsS -C - -o frame.fits "$ESO/dataPortal/file/$DP_ID"')
    assert (tmp_path / "frame.fits").read_bytes() == whole


def test_a_token_opens_a_locked_frame(paste, archive, tmp_path: Path):
    printed = paste(
        """
        curl -sS -o /dev/null -w '%{http_code} ' "$ESO/dataPortal/file/$LOCKED"
        token=$(curl -fsSG "$ESO/sso/oidc/token" \\
          --data-urlencode 'response_type=id_token token' -d grant_type=password -d client_id=clientid \\
          -d client_secret=clientSecret -d username=ann --data-urlencode 'password=correct horse' |
          grep -o '"id_token" *: *"[^"]*"' | cut -d'"' -f4)
        curl -sS -OJ -w '%{http_code}' -H "Authorization: Bearer $token" "$ESO/dataPortal/file/$LOCKED"
        """,
        LOCKED=archive.locked,
    )
    assert printed == "401 200"
    assert _sha256(tmp_path / f"{archive.locked}.fits") == _sha256(archive.folder / f"{archive.locked}.fits")


def test_a_manifest_script_runs_as_it_comes(paste, archive, tmp_path: Path):
    paste(
        'curl -fsS "$ESO/calselector/v1/associations?dp_id=$DP_ID&mode=raw2raw&responseformat=script" | '
        "bash -s"
    )
    found = {path.name.removesuffix(".gz").removesuffix(".fits") for path in tmp_path.rglob("*")}
    assert {archive.science, *archive.calibrations} <= found


def test_rows_as_csv_and_json(paste, archive):
    ask = (
        'curl -fsS "$ESO/tap_obs/sync" -d REQUEST=doQuery -d LANG=ADQL -d FORMAT=$FORMAT '
        "--data-urlencode \"QUERY=SELECT dp_id, dp_type FROM dbo.raw WHERE dp_id = '$DP_ID'\""
    )
    assert paste(ask, FORMAT="csv").split() == ["dp_id,dp_type", f'{archive.science},"OBJECT,POINT"']
    told = json.loads(paste(ask, FORMAT="json"))
    assert [column["name"] for column in told["metadata"]] == ["dp_id", "dp_type"]
    assert told["data"] == [[archive.science, "OBJECT,POINT"]]


def test_the_header_is_a_page(paste):
    printed = paste('curl -fsS "$ESO/hdr?DpId=$DP_ID"')
    assert "MJD-OBS =" in printed.partition("<pre>")[2]


def test_a_night_log_is_text(paste, archive, tmp_path: Path):
    paste('curl -fsSOJ "$ESO/dataPortal/file/$DP_ID.NL"')
    assert "Grade:      A" in (tmp_path / f"{archive.science}.NL.txt").read_text()


def test_links_lead_on(paste, archive, tmp_path: Path):
    paste('curl -fsSLOJ "$ESO/datalink/links?ID=ivo://eso.org/ID?$DP_ID&eso_download=file"')
    assert _sha256(tmp_path / f"{archive.science}.fits") == _sha256(
        archive.folder / f"{archive.science}.fits"
    )


def test_breakpoints_are_a_list(paste):
    printed = json.loads(paste('curl -fsS "$ESO/calselector/v1/breakpoints"'))
    assert {"mjdObs", "instrument", "dpInstrument", "rawType", "proCatg", "doClass"} == set(printed[0])


@needs_xmllint
@pytest.mark.parametrize(
    "path",
    [
        "/calselector/v1/associations?dp_id={0}&mode=raw2raw",
        "/calselector/v1/associations?dp_id={0}&mode=raw2raw&responseformat=votable",
        "/datalink/links?ID={0}",
        "/tap_obs/capabilities",
        "/tap_obs/availability",
        "/tap_obs/tables",
        "/tap_obs/sync?REQUEST=doQuery&LANG=ADQL&QUERY=SELECT+*+FROM+dbo.raw",
    ],
)
def test_xmllint_finds_nothing(paste, archive, path):
    paste(
        'curl -fsS "$ESO$WANTED" | xmllint --noout --nonet --pedantic -', WANTED=path.format(archive.science)
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
