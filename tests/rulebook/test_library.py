from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from app.errors import NoRulebookError, RuleError
from app.rulebook import library, load_book, load_library, night_date, night_of, read_book

RULES = Path(__file__).parents[2] / "rules"
EMPTY = "// rules of {}\n"


def book(name: str, text: str | None = None):  # type: ignore[no-untyped-def]
    return read_book(EMPTY.format(name) if text is None else text, name)


def mjd(day: str, hour: float) -> float:
    return (date.fromisoformat(day) - date(1858, 11, 17)).days + hour / 24


@pytest.mark.parametrize(
    ("day", "hour", "night"),
    [
        ("2012-03-12", 4.0, "2012-03-11"),
        ("2012-03-12", 11.999, "2012-03-11"),
        ("2012-03-12", 12.0, "2012-03-12"),
        ("2012-03-12", 23.9, "2012-03-12"),
    ],
)
def test_a_night_goes_from_noon_to_noon_ut(day: str, hour: float, night: str) -> None:
    assert night_date(night_of(mjd(day, hour))) == date.fromisoformat(night)


def test_the_version_of_a_night_is_the_latest_that_begins_on_it_or_before() -> None:
    books = library([book(f"toy.{day}.oca") for day in ("2010-06-01", "2001-01-01", "2005-01-01")])
    picks = {
        day: books.pick("TOY", night_of(mjd(day, 20))).name
        for day in ("2001-01-01", "2004-12-31", "2005-01-01", "2020-01-01")
    }
    assert picks == {
        "2001-01-01": "toy.2001-01-01.oca",
        "2004-12-31": "toy.2001-01-01.oca",
        "2005-01-01": "toy.2005-01-01.oca",
        "2020-01-01": "toy.2010-06-01.oca",
    }


def test_the_morning_after_belongs_to_the_night_before() -> None:
    books = library([book("toy.2001-01-01.oca"), book("toy.2005-01-01.oca")])
    assert books.pick("TOY", night_of(mjd("2005-01-01", 9))).name == "toy.2001-01-01.oca"


def test_versions_in_two_folders_that_cover_one_instrume_are_picked_by_night_too() -> None:
    names = "// INSTRUME: CAM\n// {}"
    books = library([book("b.2001-01-01.oca", names.format(1)), book("a.2005-01-01.oca", names.format(2))])
    assert books.pick("CAM", night_of(mjd("2006-01-01", 1))).name == "a.2005-01-01.oca"


def test_an_unknown_instrument_is_told_which_there_are() -> None:
    with pytest.raises(NoRulebookError, match=r"no rulebook for INSTRUME 'X'; there are: CAM, TOY"):
        library([book("toy.2001-01-01.oca"), book("c.2001-01-01.oca", "// INSTRUME: CAM")]).pick("X", 0)


def test_a_night_before_the_first_version_is_told_when_they_begin() -> None:
    with pytest.raises(
        NoRulebookError, match=r"TOY begin on the night of 2001-01-01; the night of 2000-05-05"
    ):
        library([book("toy.2001-01-01.oca")]).pick("TOY", night_of(mjd("2000-05-05", 20)))


def test_the_instrume_line_names_every_value_that_a_book_covers() -> None:
    assert book("naco.2001-01-01.oca", "// INSTRUME: NAOS+CONICA NACO").instrumes == ("NAOS+CONICA", "NACO")
    assert book("uves.2001-01-01.oca").instrumes == ("UVES",)


def test_two_versions_of_one_night_are_refused() -> None:
    one = book("toy.2001-01-01.oca")
    with pytest.raises(RuleError, match="begin on the same night"):
        library([one, book("toy.2001-01-01.oca", "// other")])


def test_two_versions_with_one_text_are_refused() -> None:
    with pytest.raises(RuleError, match=r"toy.2001-01-01.oca and toy.2002-01-01.oca hold the same text"):
        library([book("toy.2001-01-01.oca", "// x"), book("toy.2002-01-01.oca", "// x")])


@pytest.mark.parametrize("name", ["toy.oca", "toy.2001-1-1.oca", "Toy.2001-01-01.oca", "toy.2001-13-01.oca"])
def test_a_file_name_without_an_instrument_and_a_first_night_is_refused(name: str) -> None:
    with pytest.raises(RuleError, match=r"first night"):
        book(name)


def test_every_diagnostic_of_a_bad_file_is_in_the_message() -> None:
    with pytest.raises(RuleError) as caught:
        book("toy.2001-01-01.oca", "if A == then { B = 1; }\nif C ! 1 then { D = 1; }\n")
    assert "toy.2001-01-01.oca:1:" in str(caught.value)
    assert "toy.2001-01-01.oca:2:" in str(caught.value)


def test_an_action_that_is_executed_but_not_defined_or_defined_twice_is_refused() -> None:
    with pytest.raises(RuleError, match=r":1: no action GONE is defined"):
        book("toy.2001-01-01.oca", "select execute(GONE) from rawFiles where T;")
    with pytest.raises(RuleError, match=r":2: action A is defined twice"):
        book("toy.2001-01-01.oca", "action A { }\naction A { }")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="no rulebook"):
        load_library(tmp_path)


def test_the_shipped_rulebooks_load_and_name_their_instruments() -> None:
    books = load_library(RULES)
    assert books.of("UVES") and books.of("NAOS+CONICA")


def test_a_file_without_a_classification_rule_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "toy.2000-01-01.oca"
    path.write_text("// INSTRUME: TOY\n")
    with pytest.raises(RuleError, match="no classification rule is in it"):
        load_book(path)
