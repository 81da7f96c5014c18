from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

from app.archive.books import activate, active_books, pending
from app.archive.index import Index
from app.archive.storing import store
from app.classify import Frame
from app.rulebook import Rulebook, library, read_book

MakeFrame = Callable[..., Frame]
Dump = Callable[[], dict[str, list[Any]]]


def later(toy: Rulebook) -> Rulebook:
    return read_book(toy.text.replace("BIAS_RAW", "BIAS_NEW"), toy.name)


def put(index: Index, *frames: Frame) -> None:
    with index.writing() as (connection, books):
        store(connection, books, frames)


def tags(dump: Dump) -> list[str]:
    return [row[1] for row in dump()["classified"]]


def test_what_an_activation_would_change_is_told_before_and_after(index: Index, toy: Rulebook) -> None:
    second = read_book("// two", "toy.2010-01-01.oca")
    with index.connection() as connection:
        assert not pending(connection, library([toy]))
        change = pending(connection, library([later(toy), second]))
        assert (change.added, change.replaced, change.removed) == ((second.name,), (toy.name,), ())
        assert activate(connection, library([later(toy), second])) == change
        assert not activate(connection, library([later(toy), second]))
        assert pending(connection, library([second])).removed == (toy.name,)


def test_a_new_version_says_anew_what_every_frame_is(
    index: Index, toy: Rulebook, make: MakeFrame, dump: Dump
) -> None:
    put(index, make("B0", "BIAS"), make("B1", "BIAS"))
    with index.connection() as connection:
        told: list[tuple[int, int]] = []
        activate(connection, library([later(toy)]), lambda _, done, total: told.append((done, total)))
    assert tags(dump) == ["BIAS_NEW", "BIAS_NEW"]
    assert told == [(2, 2)]


def test_activating_later_is_the_same_as_activating_first(
    index: Index, toy: Rulebook, make: MakeFrame, dump: Dump
) -> None:
    frames = [make(f"{kind}{n}", kind, 55000.0 + n, ODD=n) for kind in ("BIAS", "FLAT") for n in range(3)]
    put(index, *frames)
    first = dump()
    with index.connection() as connection:
        activate(connection, library([read_book("// nothing", "other.2000-01-01.oca")]))
        assert connection.execute("SELECT count(*) FROM match_key").fetchone() == (0,)
        activate(connection, library([toy]))
    assert dump() == first


def test_keywords_that_only_the_new_version_names_are_at_hand(
    index: Index, toy: Rulebook, make: MakeFrame, dump: Dump
) -> None:
    put(index, make("B0", "BIAS", ODD=5))
    assert "ODD" not in dump()["frames"][0][1]
    with index.connection() as connection:
        activate(connection, library([read_book(toy.text + "\nif ODD == 5 then { A = 1; }", toy.name)]))
    assert dump()["frames"][0][1]["ODD"] == 5


def test_a_version_that_is_taken_back_returns_with_its_history(index: Index, toy: Rulebook) -> None:
    with index.connection() as connection:
        activate(connection, library([later(toy)]))
        activate(connection, library([toy]))
        rows = connection.execute("SELECT book_id, active FROM book_event ORDER BY id").fetchall()
        assert [active for _, active in rows] == [True, False, True, False, True]
        assert [each.checksum for each in active_books(connection).values()] == [toy.checksum]


def test_a_version_that_is_renamed_is_picked_by_its_new_first_night(index: Index, toy: Rulebook) -> None:
    with index.connection() as connection:
        assert [book.name for book in index.rules(connection).library.books] == [toy.name]
        activate(connection, library([read_book(toy.text, "toy.2005-05-05.oca")]))
        assert [book.name for book in index.rules(connection).library.books] == ["toy.2005-05-05.oca"]


def test_frames_that_wait_for_an_activation_are_stored_under_the_new_version(
    index: Index, toy: Rulebook, make: MakeFrame, dump: Dump
) -> None:
    with index.connection() as connection:
        index.rules(connection)  # the old ones are known
        activate(connection, library([later(toy)]))
        waiting = Thread(target=put, args=(index, make("B0", "BIAS")))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
    waiting.join()
    assert tags(dump) == ["BIAS_NEW"]
