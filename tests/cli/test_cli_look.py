from __future__ import annotations

from collections.abc import Callable

from click.testing import Result

from processing.simulate.truth import Truth

Calsel = Callable[..., Result]


def test_frames_are_listed_by_instrument_night_and_category(ask: Calsel, truth: Truth) -> None:
    listed = ask("frames", "--instrument", "uves", "--night", "2012-03-13", "--category", "BIAS_BLUE")
    lines = listed.output.splitlines()
    wanted = truth.expected[truth.uves_science]["MASTER_BIAS_BLUE"]
    assert [dp_id for dp_id in wanted if any(dp_id in line for line in lines)] == list(wanted)
    assert all(line.startswith("2012-03-13  UVES.") and "  BIAS_BLUE  " in line for line in lines)
    assert ask("frames", "--instrument", "MUSE").output == ""


def test_a_list_that_is_cut_says_so(ask: Calsel) -> None:
    listed = ask("frames", "--limit", "3")
    assert len(listed.stdout.splitlines()) == 3
    assert "there are more: narrow the question" in listed.stderr


def test_the_list_says_what_is_hidden_or_not_certified(ask: Calsel, truth: Truth) -> None:
    lines = {line.split()[1]: line for line in ask("frames").output.splitlines() if line.startswith("2012")}
    assert all(lines[dp_id].endswith("  hidden") for dp_id in truth.hidden)
    assert all(lines[dp_id].endswith("  not certified") for dp_id in truth.uncertified)


def test_the_history_tells_who_said_what(ask: Calsel, truth: Truth) -> None:
    lines = ask("history", truth.uncertified[0]).output.splitlines()
    assert [line.split("  ")[1:3] for line in lines] == [["ingested"], ["rejected", "test"]]


def test_the_history_of_an_unknown_frame_is_refused(ask: Calsel) -> None:
    answer = ask("history", "UVES.NOT.THERE")
    assert (answer.exit_code, "'UVES.NOT.THERE' is not in this archive" in answer.output) == (1, True)
