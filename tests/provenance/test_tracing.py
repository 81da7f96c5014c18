from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime

import pytest

from app.errors import LoginError, RequestError, UnknownFrameError
from app.formats import links_of
from app.plan import Origin
from app.provenance import FORMATS, Output, Use, tracing
from app.rights import User
from processing.names import input_name


def build(archive) -> None:
    """Two biases -> bias; a flat and the bias -> flat and bad pixels; science with all of them -> image."""
    biases = [archive.raw(f"TOY.B{n}") for n in range(2)]
    (bias,) = archive.made([("r.B", "MASTER_BIAS")], [("BIAS", path) for path in biases])
    flats = archive.made(
        [("r.F", "MASTER_FLAT"), ("r.P", "BAD_PIXELS")], [("FLAT", archive.raw("TOY.F0")), ("M_BIAS", bias)]
    )
    inputs = [("SCI", archive.raw("TOY.S0")), ("M_BIAS", bias), ("M_FLAT", flats[0]), ("BPM", flats[1])]
    archive.made([("r.S", "IMAGE"), ("r.W", "WEIGHT")], inputs)
    archive.ingest()


def test_a_product_is_followed_back_to_its_raw_frames_and_shared_files_come_once(archive) -> None:
    build(archive)
    chain = archive.trace("r.S")
    assert [run.outputs[0].file for run in chain.runs] == ["r.B", "r.F", "r.S"]
    assert set(chain.files) == {"TOY.B0", "TOY.B1", "r.B", "TOY.F0", "r.F", "r.P", "TOY.S0", "r.S"}
    assert [file.id for file in chain.leaves()] == ["TOY.B0", "TOY.B1", "TOY.F0", "TOY.S0"]
    assert {file.kind for file in chain.leaves()} == {"raw"}
    assert list(chain.unknown()) == []


def test_a_run_has_all_that_its_task_said(archive) -> None:
    build(archive)
    run = archive.trace("r.S").runs[1]
    assert (run.recipe, run.pipeline, run.parameters) == ("toy_recipe", "toy/1.0", ("--kappa=3",))
    assert run.inputs == (Use("FLAT", "TOY.F0"), Use("M_BIAS", "r.B"))
    assert run.outputs == (Output("MASTER_FLAT", 1, "r.F"), Output("BAD_PIXELS", 1, "r.P"))
    assert (run.begun, run.elapsed, run.host) == (datetime(2026, 3, 1, 10, 0, 0, 250000, UTC), 1.5, "vista")
    assert (run.esorex, run.origin) == ("3.13.6", Origin("toy.2000-01-01.oca", "ab" * 32, 7))


def test_what_was_ingested_is_still_known_when_the_products_folder_is_away(archive) -> None:
    build(archive)
    before = archive.trace("r.S")
    shutil.rmtree(archive.folder)
    assert archive.trace("r.S") == before


def test_of_several_products_of_one_category_each_has_its_number(archive) -> None:
    raw = archive.raw("TOY.1")
    products = archive.made([("r.A1", "SPECTRUM"), ("r.A2", "SPECTRUM")], [("RAW", raw)])
    archive.made([("r.Z", "ALL")], [("S", products[1])])
    archive.ingest()
    assert archive.trace("r.Z").runs[0].outputs == (Output("SPECTRUM", 2, "r.A2"),)


def test_an_input_whose_bytes_are_not_here_any_more_is_told_and_not_replaced_by_its_namesake(archive) -> None:
    raw = archive.raw("TOY.1")
    archive.made([("r.A", "MASTER")], [("RAW", raw)])
    archive.raw("TOY.1", OTHER=1)
    archive.ingest()
    chain = archive.trace("r.A")
    (leaf,) = chain.leaves()
    assert (leaf.kind, leaf.name) == ("elsewhere", "TOY.1.fits")
    assert leaf.id.startswith("TOY.1@")
    assert list(chain.unknown()) == [f"{leaf.id}: the archive holds no file of this content"]


def test_a_copy_under_another_name_is_the_same_file(archive) -> None:
    raw = archive.product("M.TOY.1", "TABLE")
    archive.made([("r.A", "MASTER")], [("TABLE", raw)])
    (archive.folder / "other").mkdir()
    shutil.copy(raw, archive.folder / "other" / "A.TOY.1.fits")
    archive.ingest()
    assert [file.id for file in archive.trace("r.A").leaves()] == ["M.TOY.1"]


def test_of_a_product_of_others_the_header_is_told_and_what_it_lacks(archive) -> None:
    archive.raw("TOY.1")
    archive.product(
        "M.1",
        "MASTER",
        PRO_REC1_ID="toy_recipe",
        PRO_REC1_PIPE_ID="toy/0.9",
        PRO_REC1_PARAM1_NAME="kappa",
        PRO_REC1_PARAM1_VALUE="3.5",
        PRO_REC1_RAW1_NAME="TOY.1.fits",
        PRO_REC1_RAW1_CATG="BIAS",
        PRO_REC1_CAL1_NAME="M.GONE.fits",
        PRO_REC1_CAL1_CATG="TABLE",
    )
    archive.ingest()
    chain = archive.trace("M.1")
    (run,) = chain.runs
    assert (run.recipe, run.pipeline, run.parameters) == ("toy_recipe", "toy/0.9", ("--kappa=3.5",))
    assert run.inputs == (Use("BIAS", "TOY.1"), Use("TABLE", "M.GONE"))
    assert (run.begun, run.host, run.origin, run.key) == (None, None, None, None)
    said = list(chain.unknown())
    assert said[0] == "M.GONE: the archive holds no file of this name"
    assert said[1].startswith(
        "toy_recipe of M.1: only the product's header tells of it: no host, time, rules"
    )


def test_products_whose_headers_tell_of_one_run_are_of_one_run(archive) -> None:
    told = {"PRO_REC1_ID": "toy_flat", "PRO_REC1_RAW1_NAME": "TOY.1.fits", "PRO_REC1_RAW1_CATG": "FLAT"}
    archive.raw("TOY.1")
    flat, mask = (archive.product(f"M.{name}", name, **told) for name in ("FLAT", "MASK"))
    archive.made([("r.S", "IMAGE")], [("F", flat), ("M", mask)])
    archive.ingest()
    first, second = archive.trace("r.S").runs
    assert [output.file for output in first.outputs] == ["M.FLAT", "M.MASK"]
    assert second.recipe == "toy_recipe"


def test_a_name_that_fits_cut_is_found_by_its_beginning(archive, index) -> None:
    archive.raw("TOY.2012-01-01T00:00:00.000_LONG_NAME")
    cut = {"PRO_REC1_ID": "toy", "PRO_REC1_RAW1_NAME": "TOY.2012-01-01T00:00:00", "PRO_REC1_RAW1_CATG": "RAW"}
    archive.product("M.1", "MASTER", **cut)
    archive.ingest()
    with index.connection() as connection:  # as it was noted by the task.json of a time before this
        connection.execute("UPDATE provenance SET dp_id = 'TOY.2012-01-01T00:00:00.000_LONG_NAME'")
    assert archive.trace("M.1").runs[0].inputs == (Use("RAW", "TOY.2012-01-01T00:00:00.000_LONG_NAME"),)


def test_a_name_that_was_shortened_for_the_recipe_is_known_by_the_whole(archive, index) -> None:
    masters = [f"r.TOY.2012-01-01T00:00:00.000_MASTER_{name}_6acb2782" for name in ("DARK", "FLAT")]
    told = {"PRO_REC1_ID": "toy"}
    for number, name in enumerate(masters, 1):
        archive.product(name, "MASTER")
        told |= {f"PRO_REC1_CAL{number}_NAME": input_name(f"{name}.fits"), f"PRO_REC1_CAL{number}_CATG": "M"}
    archive.product("r.S", "IMAGE", **told)
    archive.ingest()
    with index.connection() as connection:  # as a task.json noted it
        rows = connection.execute("SELECT position, dp_id FROM provenance ORDER BY position").fetchall()
        assert [len(dp_id) < 43 for _, dp_id in rows] == [True, True]
        for position, _ in rows:
            connection.execute(
                "UPDATE provenance SET dp_id = %s WHERE position = %s", [masters[position], position]
            )
    (run,) = archive.trace("r.S").runs
    assert run.inputs == tuple(Use("M", name) for name in masters)


@pytest.mark.parametrize("recipe", ["--config=/tmp/x", "a b", ""])
def test_a_recipe_that_cannot_be_one_is_not_taken_for_one(archive, recipe: str) -> None:
    archive.product("M.1", "MASTER", PRO_REC1_ID=recipe)
    archive.ingest()
    chain = archive.trace("M.1")
    assert chain.runs == ()
    assert chain.file.unknown == ("neither a task.json nor its header says how it was made",)


def test_headers_that_name_each_other_end_and_say_so(archive) -> None:
    for name, other in (("M.1", "M.2"), ("M.2", "M.1")):
        told = {"PRO_REC1_ID": f"toy_{name[-1]}", "PRO_REC1_CAL1_NAME": f"{other}.fits"}
        archive.product(name, "MASTER", **told)
    archive.product("M.3", "MASTER", PRO_REC1_ID="toy_3", PRO_REC1_CAL1_NAME="M.3.fits")
    archive.ingest()
    chain = archive.trace("M.1")
    assert [run.recipe for run in chain.runs] == ["toy_2", "toy_1"]
    assert chain.runs[0].unknown[1:] == ("M.1 is named as its input, and was made from its products",)
    assert [file.id for file in chain.leaves()] == ["M.1"]
    assert all(form.write(chain, links_of("http://here")) for form in FORMATS.values())
    assert len(archive.trace("M.3").runs) == 1


def test_a_raw_frame_has_a_chain_of_one(archive) -> None:
    archive.raw("TOY.1")
    archive.ingest()
    chain = archive.trace("TOY.1")
    assert (list(chain.files), chain.runs, [file.id for file in chain.leaves()]) == (["TOY.1"], (), ["TOY.1"])


def test_what_is_not_here_has_no_chain(archive) -> None:
    with pytest.raises(UnknownFrameError, match=r"'TOY\.none' is not in this archive"):
        archive.trace("TOY.none")


def test_a_chain_that_is_too_long_is_refused(archive, monkeypatch: pytest.MonkeyPatch) -> None:
    build(archive)
    monkeypatch.setattr(tracing, "MOST", 5)
    with pytest.raises(RequestError, match="has more than 5 files"):
        archive.trace("r.S")


def test_a_product_that_comes_from_a_locked_one_is_locked_and_raw_frames_lock_nothing(archive) -> None:
    science = archive.raw("TOY.S", DPR_CATG="SCIENCE", **{"DATE-OBS": "2012-03-12T04:00:00"})
    locked = archive.product("r.L", "IMAGE", PRO_SCIENCE=True, **{"DATE-OBS": "2012-03-12T04:00:00"})
    archive.made([("r.A", "STACK")], [("I", locked)])
    archive.made([("r.SKYFLAT", "FLAT")], [("SKY", science)])
    archive.ingest(proprietary_days=36_500)
    assert len(archive.trace("r.SKYFLAT").runs) == 1
    for dp_id in ("r.L", "r.A"):
        with pytest.raises(LoginError, match=r"r\.L is proprietary"):
            archive.trace(dp_id)
    assert archive.trace("r.A", User("eve", frozenset({"*"}))).runs


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"products": []}',
        '{"key": "k", "recipe": "a\\u0000b", "pipeline": "t/1", "parameters": [], "inputs": [], "host": "h", '
        '"products": [{"name": "r.A.fits", "category": "C", "sha256": "SUM"}], "elapsed": 1, "peak_mb": 1, '
        '"begun": "2026-01-01T00:00:00Z", "esorex": "3"}',
    ],
)
def test_a_task_json_that_somebody_else_wrote_is_not_believed(archive, text: str) -> None:
    path = archive.product("r.A", "MASTER")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    (path.parent / "task.json").write_text(text.replace("SUM", found))
    archive.ingest()
    assert archive.trace("r.A").runs == ()
    if "a\\u0000b" in text:  # which is all that is wrong with it
        (path.parent / "task.json").write_text(text.replace("SUM", found).replace("\\u0000", ""))
        path.touch()
        archive.ingest()
        assert archive.trace("r.A").runs[0].recipe == "ab"


def test_the_task_of_other_products_is_not_believed(archive) -> None:
    archive.made([("r.A", "MASTER")], [])
    stranger = archive.product("r.B", "MASTER")
    shutil.copy(archive.folder / "r.A/task.json", stranger.parent)
    archive.ingest()
    assert archive.trace("r.B").runs == ()


def test_a_product_that_became_another_forgets_how_the_first_was_made(archive) -> None:
    archive.made([("r.A", "MASTER")], [])
    archive.ingest()
    assert archive.trace("r.A").runs
    archive.product("r.A", "MASTER", OTHER=1)
    archive.ingest()
    assert archive.trace("r.A").runs == ()


def test_names_keep_what_they_are() -> None:
    assert [tracing.stem(name) for name in ("a.fits", "a.fits.fz", "a.FITS.Z", "a.b", "r.x.fits.gz")] == [
        "a", "a", "a", "a.b", "r.x",
    ]  # fmt: skip
