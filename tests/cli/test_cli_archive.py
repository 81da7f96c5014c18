from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from app.header.files import header_text
from processing.simulate.truth import Truth

Calsel = Callable[..., Result]
ENTRY = {
    "mjdObs": 56000.5,
    "instrument": "UVES",
    "dpInstrument": "UVES",
    "rawType": "BIAS_BLUE",
    "proCatg": "ANY",
    "doClass": "ANY",
}


@pytest.fixture
def few(frames: Path, truth: Truth, tmp_path: Path) -> list[Path]:
    """Three darks in a folder of this test's own."""
    folder = tmp_path / "few"
    folder.mkdir()
    names = truth.expected[truth.naco_science]["NACO_IMG_DARK_AVG"]
    for name in names:
        (folder / f"{name}.fits").write_bytes((frames / f"{name}.fits").read_bytes())
    return sorted(folder.iterdir())


def test_a_new_archive_takes_the_rulebooks_and_ingesting_twice_changes_nothing(
    calsel: Calsel, few: list[Path]
) -> None:
    told = calsel("ingest", few[0].parent)
    assert told.exit_code == 0
    assert told.stderr.splitlines() == [
        "rulebooks: naco.2001-11-01.oca, uves.2000-01-01.oca, uves.2004-10-14.oca",
        "files: 3",
        "3 new, 0 changed, 0 unchanged, 0 skipped",
    ]
    assert told.stdout == ""
    assert calsel("ingest", few[0].parent).stderr == "files: 3\n0 new, 0 changed, 3 unchanged, 0 skipped\n"


def test_the_archive_folder_of_the_settings_is_read_and_made(
    calsel: Calsel, few: list[Path], tmp_path: Path
) -> None:
    assert "3 new" in calsel("ingest", archive=few[0].parent).stderr
    told = calsel("ingest", archive=tmp_path / "new")
    assert (tmp_path / "new").is_dir()
    assert told.exit_code == 1
    assert f"{tmp_path / 'new'}: no file to ingest" in told.stderr


def test_bad_files_are_told_by_name_and_reason_and_the_rest_goes_in(calsel: Calsel, few: list[Path]) -> None:
    torn, empty, garbage = (few[0].with_name(f"{name}.fits") for name in ("torn", "empty", "garbage"))
    torn.write_bytes(few[0].read_bytes()[:3000])
    empty.touch()
    garbage.write_text("garbage")
    told = calsel("ingest", few[0].parent)
    assert told.exit_code == 1
    assert "3 new, 0 changed, 0 unchanged, 3 skipped" in told.stderr
    skipped = [line for line in told.stderr.splitlines() if line.startswith("skipped ")]
    assert skipped[:2] == [
        f"skipped {empty}: not FITS: the file is empty",
        f"skipped {garbage}: not FITS: begins with b'garbage' instead of SIMPLE",
    ]
    assert skipped[2].startswith(f"skipped {torn}: ") and skipped[2].endswith("copy it again")


@pytest.mark.parametrize("content", [None, "hello"])
def test_a_folder_without_fits_files_is_told_with_the_endings_that_count(
    calsel: Calsel, tmp_path: Path, content: str | None
) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    if content:
        (folder / "readme.txt").write_text(content)
    told = calsel("ingest", folder)
    assert told.exit_code == 1
    assert f"calsel: {folder}: no file to ingest; names end in .fits .fits.gz .fits.fz" in told.stderr


def test_a_missing_path_is_a_usage_error(calsel: Calsel, tmp_path: Path) -> None:
    told = calsel("ingest", tmp_path / "missing")
    assert told.exit_code == 2
    assert f"Path '{tmp_path / 'missing'}' does not exist." in told.stderr


def test_an_archive_folder_that_cannot_be_made_is_named(calsel: Calsel, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = calsel("ingest", archive=tmp_path / "file" / "archive")
    assert (told.exit_code, told.stderr) == (1, f"calsel: {tmp_path}/file/archive: Not a directory\n")


def test_a_changed_rules_folder_waits_for_activate_and_says_so(
    calsel: Calsel, few: list[Path], tmp_path: Path
) -> None:
    calsel("ingest", few[0])
    book = tmp_path / "rules" / "toy" / "toy.2000-01-01.oca"
    book.parent.mkdir(parents=True)
    book.write_text('if DPR.TYPE == "BIAS" then { RAW.TYPE = "BIAS"; }\n')
    told = calsel("ingest", few[0], rules=tmp_path / "rules")
    assert told.exit_code == 0
    assert "run 'calsel rules activate' to use it" in told.stderr
    assert "toy.2000-01-01.oca, naco.2001-11-01.oca, uves.2000-01-01.oca, uves.2004-10-14.oca" in told.stderr


def test_certify_hide_show_and_reject_say_what_they_did(calsel: Calsel, few: list[Path]) -> None:
    calsel("ingest", few[0].parent)
    names = [path.stem for path in few]
    assert calsel("certify", *names).stdout == "3 certified\n"
    assert (
        calsel("certify", names[0], "--hide", "--reason", "light leak", "--who", "me").stdout == "1 hidden\n"
    )
    assert calsel("certify", names[0], "--show").stdout == "1 shown\n"
    assert calsel("certify", names[0], "--reject", "--reason", "stripes").stdout == "1 rejected\n"


def test_a_hidden_calibration_is_not_chosen_until_it_is_shown(
    calsel: Calsel, frames: Path, truth: Truth
) -> None:
    calsel("ingest", frames, "--certified")
    flats = truth.expected[truth.uves_science]["MASTER_FLAT_BLUE"]
    assert flats[0] in calsel("associate", truth.uves_science).stdout
    calsel("certify", *flats, "--hide", "--reason", "clouds")
    assert flats[0] not in calsel("associate", truth.uves_science).stdout
    calsel("certify", *flats, "--show")
    assert flats[0] in calsel("associate", truth.uves_science).stdout


@pytest.mark.parametrize("option", ["--hide", "--show", "--reject", "--who=me"])
def test_an_unknown_dp_id_stops_a_verdict_and_changes_nothing(
    calsel: Calsel, few: list[Path], option: str
) -> None:
    calsel("ingest", few[0])
    told = calsel("certify", few[0].stem, "UVES.unknown", option, "--reason=dust")
    assert (told.exit_code, told.stdout) == (1, "")
    assert "dp_id 'UVES.unknown' is not in this archive" in told.stderr


def test_two_verdicts_at_once_are_refused(calsel: Calsel) -> None:
    for option in ("--reject", "--hide"):
        told = calsel("certify", "UVES.x", option)
        assert (told.exit_code, "--reject and --hide need --reason" in told.stderr) == (2, True)
    told = calsel("certify", "UVES.x", "--reject", "--hide")
    assert told.exit_code == 2
    assert "--reject, --hide and --show exclude each other" in told.stderr


def test_breakpoints_are_loaded_once_and_listed(calsel: Calsel, tmp_path: Path) -> None:
    file = tmp_path / "breakpoints.json"
    file.write_text(json.dumps([ENTRY]))
    assert json.loads(calsel("breakpoints", "list", "--format", "json").stdout) == []
    assert calsel("breakpoints", "load", file).stdout == "1 new breakpoints\n"
    assert calsel("breakpoints", "load", file).stdout == "0 new breakpoints\n"
    assert calsel("breakpoints", "list").stdout == "56000.5000 UVES BIAS_BLUE ANY ANY\n"
    listed = calsel("breakpoints", "list", "--format", "json").stdout
    assert json.loads(listed) == [ENTRY]
    file.write_text(listed)
    assert calsel("breakpoints", "remove", file).stdout == "1 breakpoints removed\n"
    assert calsel("breakpoints", "list").stdout == ""
    told = calsel("breakpoints", "remove", file)
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr.startswith("calsel: breakpoint 0 is not in force, so none is taken back: ")


@pytest.mark.parametrize(
    "wrong",
    [
        {key: value for key, value in ENTRY.items() if key != "doClass"},
        ENTRY | {"mjdObs": "56000.5"},
        ENTRY | {"mjdObs": True},
        ENTRY | {"instrument": None},
        ENTRY | {"rawType": ["BIAS_BLUE"]},
        5,
        "UVES",
    ],
)
def test_a_wrong_breakpoint_is_named_and_leaves_the_right_ones_out_too(
    calsel: Calsel, tmp_path: Path, wrong: object
) -> None:
    file = tmp_path / "breakpoints.json"
    file.write_text(json.dumps([ENTRY, wrong]))
    told = calsel("breakpoints", "load", file)
    assert told.exit_code == 1
    assert told.stderr.startswith(
        "calsel: breakpoint 1 must have mjdObs, instrument, dpInstrument, rawType, proCatg, doClass"
    )
    assert told.stderr.endswith(f": {wrong}\n")
    assert calsel("breakpoints", "list").stdout == ""


@pytest.mark.parametrize("text", ["[{", "", "{}", "5", '"text"', "null"])
def test_a_breakpoints_file_that_is_no_json_list_is_named(calsel: Calsel, tmp_path: Path, text: str) -> None:
    file = tmp_path / "breakpoints.json"
    file.write_text(text)
    for change in ("load", "remove"):
        told = calsel("breakpoints", change, file)
        assert (told.exit_code, told.stdout) == (1, "")
        assert told.stderr.startswith(f"calsel: {file}: no")


def test_db_upgrade_makes_the_tables_and_shows_no_password(
    bare: Calsel, make_database: Callable[..., str]
) -> None:
    url = make_database(empty=True)
    told = bare("associate", "X", database_url=url)
    assert told.exit_code == 1
    assert "schema none" in told.stderr and "run 'calsel db upgrade'" in told.stderr
    assert bare("db", "upgrade", database_url=url).stdout.endswith(": up to date\n")
    assert "dp_id 'X' is not in this archive" in bare("associate", "X", database_url=url).stderr
    assert bare("db", "status", database_url=url).stdout.endswith(": answers\n")


def test_db_stop_leaves_a_server_of_ones_own_alone(calsel: Calsel) -> None:
    told = calsel("db", "stop")
    assert (told.exit_code, told.stdout) == (1, "")
    assert "CALSEL_DATABASE_URL names a server of your own" in told.stderr


def test_db_status_and_stop_of_a_home_without_a_server_start_none(bare: Calsel, tmp_path: Path) -> None:
    told = bare("db", "status", home=tmp_path)
    assert told.stdout == (
        "embedded: stopped; the next command starts it\n"
        f"data {tmp_path}/postgres/data\nlog  {tmp_path}/postgres/server.log\n"
    )
    assert bare("db", "stop", home=tmp_path).stdout == "was not running\n"
    assert list(tmp_path.iterdir()) == []


def test_watch_indexes_what_arrives_tells_a_torn_file_once_and_ends_with_ctrl_c(
    database_url: str, few: list[Path], two_books: Path, tmp_path: Path, clean_environment: None
) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", "from app.cli import main; main()", "ingest", "--watch", "--every", "0.05",
         str(watched)],
        env={**os.environ, "CALSEL_DATABASE_URL": database_url, "CALSEL_RULES": str(two_books)},
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    try:
        assert "0 new, 0 changed, 0 unchanged, 0 skipped" in next(line for line in lines if "new" in line)
        # A name that no look finds, renamed when whole.
        (watched / "arriving").write_bytes(few[0].read_bytes())
        (watched / "arriving").rename(watched / few[0].name)
        assert next(lines).startswith("1 new")
        (watched / "zero.fits").touch()
        assert next(lines) == "0 new, 0 changed, 1 unchanged, 1 skipped\n"
        assert next(lines) == f"skipped {watched / 'zero.fits'}: not FITS: the file is empty\n"
        (watched / "arriving").write_bytes(few[1].read_bytes())
        (watched / "arriving").rename(watched / few[1].name)
        assert next(lines).startswith("1 new")
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=120)[1]
    assert "Traceback" not in rest
    assert rest.strip().endswith("Aborted!")
    assert process.returncode == 1


def test_a_header_text_is_indexed_without_its_file(calsel: Calsel, few: list[Path], tmp_path: Path) -> None:
    text = tmp_path / "frame.hdr"
    text.write_text(header_text(few[0]))
    assert "1 new" in calsel("ingest", text).stderr
    assert calsel("certify", few[0].stem).stdout == "1 certified\n"
