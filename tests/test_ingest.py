from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from app.archive.database import connect
from app.archive.index import Index
from app.archive.storing import Stored
from app.errors import HeaderError
from app.folders import find_files
from app.ingest import ingest, read_frame, stale_rules, use_rules
from app.rulebook import load_library

DATA = Path(__file__).parent / "data/associate"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules/toy"
    folder.mkdir(parents=True)
    shutil.copy(DATA / "toy.2000-01-01.oca", folder)
    return folder.parent


@pytest.fixture
def index(database_url: str, rules: Path) -> Iterator[Index]:
    engine = connect(database_url)
    made = Index(engine)
    use_rules(made, load_library(rules), rules)
    yield made
    engine.dispose()


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """A folder with two science frames of one template and a bias."""
    folder = tmp_path / "night"
    folder.mkdir()
    for n in range(2):
        write(folder / f"s{n}.fits", f"SCI{n}", "SCIENCE", n)
    write(folder / "b.fits", "BIAS0", "BIAS", 5)
    return folder


def write(path: Path, dp_id: str, kind: str, n: int, **more: Any) -> None:
    header = fits.Header({"INSTRUME": "TOY", "MJD-OBS": 55000.0 + n / 100, "ARCFILE": f"{dp_id}.fits"})
    header["HIERARCH ESO DPR CATG"] = "SCIENCE" if kind == "SCIENCE" else "CALIB"
    header["HIERARCH ESO DPR TYPE"] = kind
    header["HIERARCH ESO TPL START"] = kind
    header.update(more)
    fits.PrimaryHDU(np.zeros((2, 2), "i2"), header).writeto(path, overwrite=True)


def paths(index: Index) -> dict[str, str]:
    with index.connection() as connection:
        return dict(connection.execute("SELECT dp_id, path FROM frame ORDER BY 1").fetchall())


def test_a_frame_knows_its_name_size_checksum_and_place(night: Path) -> None:
    frame = read_frame(night / "s0.fits")
    data = (night / "s0.fits").read_bytes()
    assert (frame.dp_id, frame.size, frame.sha256) == ("SCI0", len(data), sha256(data).hexdigest())
    assert frame.path == str((night / "s0.fits").resolve())


def test_a_product_is_named_by_its_file_and_not_by_the_arcfile_it_inherited(tmp_path: Path) -> None:
    path = tmp_path / "r.TOY_0000.fits"
    fits.PrimaryHDU(header=fits.Header({"ARCFILE": "X.fits", "HIERARCH ESO PRO CATG": "M"})).writeto(path)
    assert read_frame(path).dp_id == "r.TOY_0000"


def test_a_file_that_goes_once_it_is_found_is_told_and_the_rest_goes_in(
    index: Index, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def and_gone(paths: Sequence[Path], skipped: list[HeaderError]) -> list[Path]:
        found = find_files(paths, skipped)
        (night / "b.fits").unlink()
        return found

    monkeypatch.setattr("app.ingest.find_files", and_gone)
    outcome = ingest(index, [night])
    assert outcome.stored == Stored(new=2)
    assert [str(error) for error in outcome.skipped] == [
        f"{night}/b.fits: cannot be read: No such file or directory"
    ]


def test_ingest_classifies_groups_and_tells_progress(index: Index, night: Path) -> None:
    told: list[tuple[int, int]] = []
    outcome = ingest(index, [night], certified=True, report=lambda _, done, total: told.append((done, total)))
    assert outcome.stored == Stored(new=3)
    assert told == [(1, 3), (2, 3), (3, 3)]
    tree = index.associate("SCI1")
    assert [file.dp_id for file in tree.root.files] == ["SCI0", "SCI1"]
    assert all(file.certified for file in tree.root.files)


def test_ingesting_twice_changes_nothing_and_a_changed_file_is_updated(index: Index, night: Path) -> None:
    ingest(index, [night])
    assert ingest(index, [night]).stored == Stored(unchanged=3)
    write(night / "b.fits", "BIAS0", "FLAT", 5)
    assert ingest(index, [night]).stored == Stored(changed=1, unchanged=2)


def test_a_touched_file_is_read_again_and_is_no_change(index: Index, night: Path) -> None:
    ingest(index, [night])
    (night / "b.fits").touch()
    assert ingest(index, [night]).stored == Stored(unchanged=3)


def test_a_file_that_moved_is_known_by_its_new_place(index: Index, night: Path) -> None:
    ingest(index, [night])
    (night / "b.fits").rename(night / "moved.fits")
    assert ingest(index, [night]).stored == Stored(unchanged=3)
    assert paths(index)["BIAS0"].endswith("moved.fits")


def test_a_bad_file_is_skipped_and_told_and_the_rest_goes_in(index: Index, night: Path) -> None:
    (night / "a_torn.fits").write_bytes((night / "b.fits").read_bytes()[:2000])
    (night / "empty.fits").write_bytes(b"")
    outcome = ingest(index, [night])
    assert outcome.stored == Stored(new=3)
    assert [Path(error.path).name for error in outcome.skipped] == ["a_torn.fits", "empty.fits"]


@pytest.mark.parametrize("card", [b"ODD     = 99999999999999999999", b"ODD     = 1E400", b"ODD     = 'a\0b'"])
def test_a_card_that_the_index_cannot_hold_costs_its_own_file_only(
    index: Index, night: Path, card: bytes
) -> None:
    odd = (night / "b.fits").read_bytes().replace(b"END".ljust(80), card.ljust(80) + b"END".ljust(80))
    (night / "odd.fits").write_bytes(odd[:2880] + odd[2960:])
    outcome = ingest(index, [night])
    assert outcome.stored == Stored(new=3)
    assert ["ODD = " in str(error) for error in outcome.skipped] == [True]


def test_the_order_of_the_files_does_not_matter(index: Index, night: Path) -> None:
    for name in ("s1", "b", "s0"):
        ingest(index, [night / f"{name}.fits"])
    assert [file.dp_id for file in index.associate("SCI1").root.files] == ["SCI0", "SCI1"]


def test_rules_and_the_breakpoints_beside_them_are_taken_over_once(index: Index, rules: Path) -> None:
    (rules / "toy/breakpoints.json").write_text(
        '[{"mjdObs":55000.5,"instrument":"TOY","dpInstrument":"TOY","rawType":"ANY","proCatg":"ANY","doClass":"ANY"}]'
    )
    book = rules / "toy/toy.2000-01-01.oca"
    book.write_text(book.read_text() + "// changed\n")
    assert stale_rules(index, load_library(rules)).replaced == (book.name,)
    assert use_rules(index, load_library(rules), rules).replaced == (book.name,)
    assert not stale_rules(index, load_library(rules))
    with index.connection() as connection:
        assert [each.mjd for each in index.rules(connection).breakpoints] == [55000.5]


def test_the_numbers_of_a_products_extensions_are_recorded_by_their_names(
    index: Index, tmp_path: Path
) -> None:
    primary, chips = fits.PrimaryHDU(), [fits.ImageHDU(name="CHIP1.INT1"), fits.ImageHDU()]
    primary.header["INSTRUME"] = "TOY"
    primary.header["HIERARCH ESO PRO CATG"] = "MASTER_BIAS"
    primary.header["HIERARCH ESO QC RON"] = 3.0
    for chip in chips:
        for keyword, value in {"QC RON": 2.5, "QC DID": "TOY-1", "DET DIT": 1.0}.items():
            chip.header[f"HIERARCH ESO {keyword}"] = value
    path = tmp_path / "bias.fits"
    fits.HDUList([primary, *chips]).writeto(path)
    assert read_frame(path).measured == {"QC.RON@CHIP1.INT1": 2.5, "QC.RON@2": 2.5}
    ingest(index, [path])
    with index.connection() as connection:
        rows = connection.execute("SELECT parameter, value FROM qc_value ORDER BY 1").fetchall()
    assert rows == [("QC.RON", 3.0), ("QC.RON@2", 2.5), ("QC.RON@CHIP1.INT1", 2.5)]


def test_the_extensions_of_raw_frames_are_nobodys(tmp_path: Path) -> None:
    chip = fits.ImageHDU(name="CHIP1")
    chip.header["HIERARCH ESO QC RON"] = 2.5
    fits.HDUList([fits.PrimaryHDU(), chip]).writeto(tmp_path / "raw.fits")
    assert read_frame(tmp_path / "raw.fits").measured == {}
