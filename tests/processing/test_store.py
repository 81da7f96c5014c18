from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.graph import InputFile
from processing.products import ProductFile, read_product
from processing.store import DamagedEntryError, Store, content_key, open_store, write_manifest

KEY = "ab" * 32

hashes = st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")
inputs = st.lists(
    st.builds(InputFile, st.sampled_from(["BIAS_BLUE", "FLAT_BLUE"]), st.text(), hashes), max_size=5
)


def entry(store: Store, content: bytes) -> Path:
    """A complete entry with one product, not in its place yet."""
    made = store.private_directory()
    (made / "product.fits").write_bytes(content)
    write_manifest(made, {}, [read_product(made / "product.fits", "MASTER_BIAS_BLUE")])
    return made


def content(products: tuple[ProductFile, ...] | None) -> bytes:
    assert products is not None
    (product,) = products
    return product.path.read_bytes()


def test_the_key_of_a_run_stays_the_same_from_version_to_version() -> None:
    sources = [InputFile("BIAS_BLUE", "/a", "1" * 64), InputFile("BIAS_BLUE", "/b", "0" * 64)]
    key = content_key("uves_cal_mbias", "uves/6.1.8", ["--clean_traps=TRUE"], sources)
    assert key == "e1e5cd63c4ecde7d553effc02f3c21fc52d93762cfe04dd2d84231e67b95d1e7"


@given(inputs, st.randoms())
def test_names_and_order_of_inputs_do_not_count(sources: list[InputFile], chance: object) -> None:
    moved = [
        InputFile(source.tag, f"/elsewhere/{number}", source.sha256) for number, source in enumerate(sources)
    ]
    chance.shuffle(moved)  # type: ignore[attr-defined]
    assert content_key("r", "uves/6", [], moved) == content_key("r", "uves/6", [], sources)


@given(inputs, hashes)
def test_recipe_version_parameters_tags_and_every_input_count(sources: list[InputFile], other: str) -> None:
    one = InputFile("BIAS_BLUE", "/a", other)
    keys = {
        content_key("r", "uves/6", [], sources),
        content_key("s", "uves/6", [], sources),
        content_key("r", "uves/7", [], sources),
        content_key("r", "uves/6", ["--a=1"], sources),
        content_key("r", "uves/6", ["--a=1", "--b=1"], sources),
        content_key("r", "uves/6", ["--b=1", "--a=1"], sources),
        content_key("r", "uves/6", [], [*sources, one]),
        content_key("r", "uves/6", [], [*sources, one, one]),
        content_key("r", "uves/6", [], [*sources, InputFile("FLAT_BLUE", "/a", other)]),
    }
    assert len(keys) == 9


def test_an_entry_that_is_kept_is_found(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        assert store.find(KEY) is None
        kept = store.keep(KEY, entry(store, b"bytes"))
        assert store.find(KEY) == kept
        assert kept[0].path == tmp_path / "ab" / KEY / "product.fits"


def test_who_comes_second_takes_the_entry_of_the_first(tmp_path: Path) -> None:
    with open_store(tmp_path) as first, open_store(tmp_path) as second:
        mine, theirs = entry(first, b"first"), entry(second, b"second")
        assert content(first.keep(KEY, mine)) == b"first"
        assert content(second.keep(KEY, theirs)) == b"first"


def test_a_damaged_entry_is_told_and_makes_room_for_a_sound_one(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        (kept,) = store.keep(KEY, entry(store, b"bytes"))
        kept.path.write_bytes(b"bites")
        with pytest.raises(DamagedEntryError, match=r"product\.fits has changed since it was made"):
            store.find(KEY)
        assert content(store.keep(KEY, entry(store, b"bytes"))) == b"bytes"
        assert content(store.find(KEY)) == b"bytes"


def test_only_the_latest_failure_is_kept(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for log in (b"first", b"second"):
            left = store.private_directory()
            (left / "esorex.log").write_bytes(log)
            place = store.keep_failure(KEY, left)
        assert place == tmp_path / "failed" / KEY
        assert (place / "esorex.log").read_bytes() == b"second"


def test_a_run_that_lives_keeps_its_work_while_others_come_and_go(tmp_path: Path) -> None:
    with open_store(tmp_path) as living:
        room = living.private_directory()
        with open_store(tmp_path) as other:
            assert other.work != living.work
        assert room.exists()
        assert not other.work.exists()
    assert not living.work.exists()


def test_who_comes_while_another_goes_does_not_trip_over_what_that_has_not_removed_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove, half_gone, go_on = shutil.rmtree, Event(), Event()

    def slowly(path: Path) -> None:
        (path / "lock").unlink()
        half_gone.set()
        go_on.wait(60)
        remove(path)

    with ThreadPoolExecutor() as aside:
        with ExitStack() as living:
            living.enter_context(open_store(tmp_path))
            monkeypatch.setattr(shutil, "rmtree", slowly)
            leaving = aside.submit(living.pop_all().close)
        assert half_gone.wait(60)
        monkeypatch.setattr(shutil, "rmtree", remove)

        def come() -> None:
            with open_store(tmp_path):
                pass

        coming = aside.submit(come)
        with pytest.raises(TimeoutError):
            coming.result(timeout=0.2)
        go_on.set()
        leaving.result()
        coming.result()
    assert [path.name for path in (tmp_path / ".work").iterdir()] == ["lock"]
