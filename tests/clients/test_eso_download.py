"""Two programs that download observations with their calibrations: eso-download and eso-downloader."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import eso_downloader.auth
import eso_downloader.cli
import eso_downloader.tap
import pytest
from eso_download import cli

RUN = "088.D-0512(A)"


@pytest.fixture
def eso_download(eso, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Runs `eso-download` into a folder; it makes its client of the class that `eso` has pointed here."""

    def run(*arguments: str) -> list[str]:
        outdir = tmp_path / "downloads"
        monkeypatch.setattr(sys, "argv", ["eso-download", *arguments, "--outdir", str(outdir)])
        cli.main()
        return sorted(path.name for path in outdir.glob("*"))

    return run


def test_a_run_is_downloaded_with_its_raw_calibrations(eso_download, archive, tmp_path: Path):
    names = eso_download("raw", "--run-id", RUN, "--file-cat", "SCIENCE", "--with-calib", "raw")
    assert f"{archive.science}.fits" in names
    assert f"{archive.locked}.fits" not in names
    assert {f"{dp_id}.fits" for dp_id in archive.calibrations} <= set(names)
    for name in names:
        if name.startswith("UVES") and name != f"{archive.packed}.fits":
            assert (tmp_path / "downloads" / name).read_bytes() == (archive.folder / name).read_bytes()


def test_a_run_is_downloaded_with_its_masters(eso_download, archive):
    names = eso_download(
        "raw", "--run-id", RUN, "--instrument", "UVES", "--file-cat", "SCIENCE", "--with-calib", "processed"
    )
    assert {f"{dp_id}.fits" for dp_id in archive.masters} <= set(names)


def test_its_owner_gets_a_locked_frame(eso_download, archive, passwords):
    names = eso_download("raw", "--user", "ann", "--run-id", RUN, "--file-cat", "SCIENCE")
    assert f"{archive.locked}.fits" in names


def test_records_only(eso_download, archive, tmp_path: Path):
    names = eso_download(
        "raw", "--ra", "150.0", "--dec", "-30.0", "--start-date", "2012-03-14", "--end-date", "2012-03-15",
        "--target-name", "STAR", "--metadata-only",
    )  # fmt: skip
    assert names == ["query_results.csv"]
    with (tmp_path / "downloads/query_results.csv").open(newline="") as stream:
        assert archive.science in [row["dp_id"] for row in csv.DictReader(stream)]


def test_the_number_of_records(eso_download, capsys):
    assert eso_download("raw", "--run-id", RUN, "--file-cat", "SCIENCE", "--count-only") == []
    assert "Found 10 datasets" in capsys.readouterr().out


def test_products_are_downloaded(eso_download, archive):
    names = eso_download("phase3", "--proposal-id", RUN, "--instrument", "UVES", "--target-name", "STAR")
    assert f"{archive.product}.fits" in names


def test_eso_downloader_follows_the_links_of_a_run(
    archive, passwords, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
):
    monkeypatch.setattr(eso_downloader.auth, "JWT_CREATION_URL", f"{archive.url}/sso/oidc/token")
    monkeypatch.setattr(eso_downloader.tap, "ESO_TAP_OBS", f"{archive.url}/tap_obs")
    # It was written for a pyvo that took the session without its name (0.1 is of 2023).
    tap_service = eso_downloader.tap.TAPService
    monkeypatch.setattr(
        eso_downloader.tap, "TAPService", lambda url, session: tap_service(url, session=session)
    )
    # It means the package `jwt`, of which PyJWT has the name; without it, it does not read its token.
    monkeypatch.setitem(sys.modules, "jwt", None)
    config = tmp_path / "eso.ini"
    config.write_text(f"[DEFAULT]\nusername = ann\nbase_dir = {tmp_path}/data\n")
    assert eso_downloader.cli.main(["--config", str(config), RUN]) == 0
    printed = capsys.readouterr().out
    assert "failed" not in printed, printed
    (folder,) = (tmp_path / "data").glob(f"*/{archive.science}")
    names = {path.name for path in folder.iterdir()}
    assert f"{archive.science}.fits" in names
    assert archive.calibrations <= {name.removesuffix(".gz").removesuffix(".fits") for name in names}
    # Only this frame has a night log, and with it a grade.
    assert [path.name for path in (tmp_path / "data").glob("*/*")] == [archive.science]
