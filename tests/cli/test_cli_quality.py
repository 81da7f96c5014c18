from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from app.cli.trend import sparkline
from processing.simulate.fits import write_image

Calsel = Callable[..., Result]


def _dark(folder: Path, name: str, day: int, ron: float, hot: int = 100) -> Path:
    path = folder / f"{name}.fits"
    cards = {
        "INSTRUME": "NAOS+CONICA",
        "MJD-OBS": 56000.5 + day,
        "PRO.CATG": "NACO_IMG_DARK_AVG",
        "DET.DIT": 2.0,
        "DET.MODE.NAME": "HighDynamic",
        **{f"QC.{key}": ron for key in ("RON1", "RON2")},
        "QC.DARKMED": 100.0,
        "QC.NBHOTPIX": hot,
        "QC.NBDEVPIX": 0,
    }
    write_image(path, np.zeros((2, 2), np.float32), cards)
    return path


@pytest.fixture
def darks(calsel: Calsel, tmp_path: Path) -> Calsel:
    """Darks of eight nights, the last two noisy (twice and much more); none judged."""
    folder = tmp_path / "darks"
    folder.mkdir()
    for day in range(6):
        _dark(folder, f"DARK{day}", day, 3.9 + day / 100)
    _dark(folder, "DARK6", 6, 7.8)
    _dark(folder, "DARK7", 7, 40.0)
    assert calsel("ingest", folder).exit_code == 0
    return calsel


def test_scores_certify_only_when_told_and_only_what_is_good(darks: Calsel) -> None:
    dry = darks("certify", "--scored", "good", "--dry-run")
    assert dry.stdout.splitlines()[-1] == "7 of 8 would be certified"
    assert "not certified" in darks("frames", "--instrument", "NAOS").stdout
    first = [f"DARK{n}" for n in range(6)]
    assert darks("certify", "--scored", "good", *first).stdout.splitlines()[-1] == "6 of 6 certified"
    # Now there is a history, by which the seventh is noisy.
    told = darks("certify", "--scored", "good", "--instrument", "naco", "--who", "night").stdout
    assert told.splitlines()[-1] == "0 of 2 certified"
    assert "bad       DARK6  QC.RON1 " in told
    assert "MAD from the median 3.925" in told
    history = darks("history", "DARK0").stdout
    assert "certified" in history
    assert "scored good by naco/qc.toml " in history


def test_what_a_person_rejected_stays_rejected(darks: Calsel) -> None:
    darks("certify", "DARK0", "--reject", "--reason", "stripes")
    assert "DARK0" not in darks("certify", "--scored", "good").stdout
    assert darks("certify", "--scored", "good", "--category", "OTHER").stdout == "0 of 0 certified\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name the frames"),
        (("X", "--dry-run"), "go with --scored"),
        (("--scored", "good", "--hide"), "--scored certifies"),
        (("--scored", "bad"), "is not 'good'"),
    ],
)
def test_certify_says_what_does_not_go_together(calsel: Calsel, arguments: Any, told: str) -> None:
    ran = calsel("certify", *arguments)
    assert (ran.exit_code, told in ran.stderr) == (2, True)


def test_a_product_is_shown_with_its_worst_number_first(darks: Calsel) -> None:
    lines = darks("qc", "DARK7").stdout.splitlines()
    assert lines[0].startswith("DARK7  NAOS+CONICA NACO_IMG_DARK_AVG  not certified: bad  (naco/qc.toml ")
    assert lines[1].split() == "bad QC.RON1 40 ADU 1 to 8 (outside 0.5 to 20)".split()
    assert [line.split()[1] for line in lines[1:]] == [
        "QC.RON1",
        "QC.RON2",
        "QC.DARKMED",
        "QC.NBDEVPIX",
        "QC.NBHOTPIX",
    ]


def test_trends_are_drawn_in_the_terminal_and_as_a_picture(darks: Calsel, tmp_path: Path) -> None:
    trends = darks("qc", "--instrument", "naco", "--category", "NACO_IMG_DARK_AVG").stdout.splitlines()
    assert len(trends) == 5
    assert "QC.RON1" in trends[4 - 1]
    assert trends[3].endswith("8 values ▁▁▁▁▁▁▂█")
    values = darks("qc", "--instrument", "naco", "--parameter", "RON1", "--limit", 3).stdout.splitlines()
    assert [line.split()[0] for line in values] == ["2012-03-19", "2012-03-20", "2012-03-21"]
    picture = tmp_path / "trend.png"
    done = darks("qc", "--instrument", "naco", "--parameter", "QC.RON1", "--plot", picture)
    assert done.stdout == f"8 values in {picture}\n"
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "name products"),
        (("X", "--instrument", "naco"), 2, "name products, or an instrument"),
        (("--instrument", "naco", "--plot", "x.png"), 2, "name it with --parameter"),
        (("UNKNOWN",), 1, "is not in this archive"),
        (("--instrument", "hawki"), 1, "nothing was recorded"),
        (("--instrument", "naco", "--parameter", "RON1", "--plot", "x.doc"), 1, "pictures end in"),
    ],
)
def test_qc_says_what_it_wants(darks: Calsel, arguments: Any, code: int, told: str) -> None:
    ran = darks("qc", *arguments)
    assert (ran.exit_code, told in ran.stderr) == (code, True), ran.stderr


def test_wrong_thresholds_are_refused_when_they_are_activated(
    calsel: Calsel, two_books: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "rules"
    (rules / "naco").mkdir(parents=True)
    for path in (two_books / "naco").iterdir():
        (rules / "naco" / path.name).write_bytes(path.read_bytes())
    (rules / "naco/qc.toml").write_text('[NACO_IMG_DARK_AVG."QC.X"]\ngood = 1\n')
    refused = calsel("rules", "activate", rules=rules)
    assert refused.exit_code == 1
    assert 'naco/qc.toml [NACO_IMG_DARK_AVG."QC.X"]: good is [low, high]' in refused.stderr


def test_changes_are_told_in_words_rows_and_json(ask: Calsel) -> None:
    told = ask("changes", "--since", "2000-01-01")
    assert (told.exit_code, told.stdout) == (0, "")
    assert told.stderr.startswith("0 changed; ask next --since 20")
    rows = list(csv.reader(io.StringIO(ask("changes", "--since", "2000-01-01", "--format", "csv").stdout)))
    assert [row[0] for row in rows] == ["dp_id"]


def test_a_hidden_calibration_changes_who_used_it(
    calsel: Calsel, frames: Path, truth: Any, database_url: str
) -> None:
    assert calsel("ingest", frames, "--certified").exit_code == 0
    listed = calsel("changes", "--since", "2000-01-01").stderr
    until = listed.split()[-1]
    biases = sorted(path.stem for path in frames.glob("UVES.2012-03-14T10:2*"))
    assert biases
    assert calsel("certify", *biases, "--hide", "--reason", "light leak").exit_code == 0
    told = calsel("changes", "--since", until).stdout
    assert "UVES.2012-03-14T03:00:04.659" in told
    assert f"because: hidden {biases[0]} light leak" in told
    lines = calsel(
        "changes", "--since", until, "--format", "json", "--instrument", "uves"
    ).stdout.splitlines()
    assert "UVES.2012-03-14T03:00:04.659" in [json.loads(line)["dp_id"] for line in lines]
    assert calsel("changes", "--since", until, "--instrument", "naco").stdout == ""


@pytest.mark.parametrize("arguments", [(), ("--since", "2020-01-01", "--notify"), ("--since", "soon")])
def test_changes_want_a_time_or_a_webhook(calsel: Calsel, arguments: Any) -> None:
    assert calsel("changes", *arguments).exit_code == 2


def test_notify_needs_somebody_to_tell(calsel: Calsel) -> None:
    assert "CALSEL_WEBHOOK names nobody" in calsel("changes", "--notify").stderr
    assert calsel("changes", "--notify", webhook="http://127.0.0.1:9/").stdout == "nothing to tell\n"
    refused = calsel("changes", "--notify", webhook="ftp://x")
    assert "CALSEL_WEBHOOK: must start with http" in refused.stderr


@given(st.lists(st.floats(), max_size=60))
def test_a_sparkline_has_a_bar_for_each_of_the_last_numbers(values: list[float]) -> None:
    finite = [value for value in values if abs(value) < float("inf")]
    drawn = sparkline(values)
    assert len(drawn) == min(40, len(finite))
    if len(set(finite[-40:])) > 1:
        last = finite[-40:]
        assert drawn[last.index(max(last))] == "█"
        assert drawn[last.index(min(last))] == "▁"
