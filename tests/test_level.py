from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.level import HIGHEST, LOWEST, Window, label, level_of, read_level, sides, told

WINDOWS = st.lists(
    st.none()
    | st.tuples(st.integers(-5, 0), st.integers(0, 5)).map(lambda ends: (float(ends[0]), float(ends[1]))),
    max_size=5,
)


@pytest.mark.parametrize(
    ("level", "word", "people"),
    [
        (None, "N/A", "N/A"),
        (-1, "calib_plan", "calib_plan (level -1)"),
        (0, "calib_plan", "calib_plan"),
        (1, "extended", "extended"),
        (2, "extended", "extended (level 2)"),
    ],
)
def test_a_level_has_calselectors_word_and_its_number_where_the_word_does_not_say_it(
    level: int | None, word: str, people: str
) -> None:
    assert label(level) == word
    assert told(word, level) == people


def test_the_plan_is_the_first_window_in_days() -> None:
    windows: list[Window | None] = [None, (-3, 3), (-1, 1), (-3, 3), (-9, 3), (-9, 1)]
    assert sides(windows) == (0, 0, -1, 0, 1, 0)
    assert sides([None, None]) == (0, 0)


def test_a_rule_without_windows_has_no_level() -> None:
    assert level_of([], []) is None


@given(WINDOWS, st.data())
def test_to_be_inside_one_window_more_is_never_worse(
    windows: list[Window | None], data: st.DataObject
) -> None:
    where = sides(windows)
    inside = data.draw(st.lists(st.booleans(), min_size=len(where), max_size=len(where)))
    before = level_of(where, inside)
    for n in range(len(inside)):
        better = level_of(where, [*inside[:n], True, *inside[n + 1 :]])
        assert before is not None
        assert better is not None
        assert better <= before


@given(WINDOWS.filter(any), st.floats(-8, 8))
def test_the_word_is_calib_plan_only_inside_the_first_window(
    windows: list[Window | None], days: float
) -> None:
    plan = next(window for window in windows if window)
    inside = [window is None or window[0] <= days <= window[1] for window in windows]
    if label(level_of(sides(windows), inside)) == "calib_plan":
        assert plan[0] <= days <= plan[1]


def test_one_window_makes_the_level_0_or_1() -> None:
    assert [level_of(sides([(-1.0, 1.0)]), [held]) for held in (True, False)] == [0, 1]


@pytest.mark.parametrize("word", ["0", "-1", "+3", str(LOWEST), str(HIGHEST)])
def test_a_level_is_read(word: str) -> None:
    assert read_level(word) == int(word)


@pytest.mark.parametrize("word", ["", "-", "10", "-10", "1.0", "1_0", "٣", "plan", " 1", "1\n", "9" * 5000])
def test_what_is_no_level_is_refused_with_what_is(word: str) -> None:
    with pytest.raises(ValueError, match=r"a whole number from -9 to 9; 0 is the calibration plan"):
        read_level(word)
