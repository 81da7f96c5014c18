"""What every way of writing a chain keeps of it, for chains with hostile names, too."""

from __future__ import annotations

import io
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from xml.etree import ElementTree

import prov
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prov.model import ProvActivity, ProvDocument, ProvEntity

from app.errors import RequestError
from app.formats import links_of
from app.plan import Origin
from app.provenance import FORMATS, Chain, File, Output, Run, Use, pick
from app.provenance.w3c import document

LINKS = links_of("https://calsel.example.org")
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "TOY.2012-03-12T04:49:17.000",
    "a'b",
    "$(touch x)",
    "-rf",
    "..",
    "a/b",
    "é λ",
    "<&>",
    'q"',
    "a\\b",
    "%41",
]
NAMES = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(codec="utf-8"), min_size=1, max_size=12))
TAGS = st.sampled_from(["BIAS", "FLAT", "", "A B'", "<x>"])
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    """Runs each of which takes files that are there already, and makes one or two products."""
    names = iter(draw(st.lists(NAMES, min_size=12, max_size=12, unique=True)))
    files = {
        name: File(name, f"{name}.fits", draw(st.sampled_from(["raw", "elsewhere"])), "", None, draw(SUMS))
        for name in [next(names), next(names)]
    }
    runs: list[Run] = []
    for number in range(draw(st.integers(0, 4))):
        taken = draw(st.lists(st.sampled_from(list(files)), min_size=1, max_size=4))
        outputs = []
        for n in range(draw(st.integers(1, 2))):
            name = next(names)
            files[name] = File(name, f"{name}.fits", "product", f"CATG{n}", 2880, draw(SUMS))
            outputs.append(Output(f"CATG{n}", 1, name))
        run = Run(
            f"run{number}",
            "toy_recipe",
            "toy/1.0",
            tuple(draw(st.lists(NAMES.map("--x={}".format), max_size=2))),
            tuple(Use(draw(TAGS), file) for file in taken),
            tuple(outputs),
        )
        known = {"begun": draw(MOMENTS), "elapsed": 1.5, "host": "vista", "esorex": "3.13.6", "key": "k"}
        known["origin"] = Origin("toy.2000-01-01.oca", "ab" * 32, 7)
        runs.append(replace(run, **known) if draw(st.booleans()) else replace(run, unknown=("who knows",)))
    used = {each.file for run in runs for each in (*run.inputs, *run.outputs)}
    asked = runs[-1].outputs[0].file if runs else next(iter(files))
    kept = {name: file for name, file in files.items() if name in used | {asked}}
    return Chain(asked, MappingProxyType(kept), tuple(runs))


SUMS = st.one_of(st.none(), st.integers(0, 2**256 - 1).map("{:064x}".format))


@given(chains())
@settings(max_examples=100)
def test_prov_json_is_read_back_as_the_same_document(chain: Chain) -> None:
    written = FORMATS["json"].write(chain, LINKS)
    back = prov.read(io.BytesIO(written), format="json")
    assert back == document(chain, LINKS)
    assert FORMATS["json"].write(chain, LINKS) == written


@given(chains())
@settings(max_examples=100)
def test_prov_has_every_file_and_every_run_once_and_every_use(chain: Chain) -> None:
    back = document(chain, LINKS)
    rules = 1 if any(run.origin for run in chain.runs) else 0
    assert len(list(back.get_records(ProvEntity))) == len(chain.files) + rules
    assert len(list(back.get_records(ProvActivity))) == len(chain.runs)
    names = [record.get_type().localpart for record in back.get_records()]
    assert names.count("Usage") == sum(len(run.inputs) for run in chain.runs)
    assert names.count("Generation") == sum(len(run.outputs) for run in chain.runs)


@given(chains())
@settings(max_examples=100)
def test_the_drawing_is_well_formed_and_names_every_file_and_run(chain: Chain) -> None:
    root = ElementTree.fromstring(FORMATS["svg"].write(chain, LINKS))
    tooltips = [each.findtext(f"{SVG}title") or "" for each in root.iter(f"{SVG}g")]
    shown = "\n".join(tooltips)
    visible = [name for name in chain.files if name.isprintable()]
    assert all(name in shown for name in visible)
    assert sum(each.get("class") == "run" for each in root.iter(f"{SVG}g")) == len(chain.runs)


@given(chains())
@settings(max_examples=100)
def test_no_two_boxes_of_the_drawing_overlap_and_arrows_go_to_the_right(chain: Chain) -> None:
    root = ElementTree.fromstring(FORMATS["svg"].write(chain, LINKS))
    boxes = [each.find(f"{SVG}rect") for each in root.iter(f"{SVG}g")]
    places = [tuple(float(box.get(name)) for name in ("x", "y", "width", "height")) for box in boxes]
    for n, (x, y, width, height) in enumerate(places):
        assert not any(abs(x - u) < width and abs(y - v) < height for u, v, _, _ in places[:n])
    for way in root.iter(f"{SVG}path"):
        if way.get("class") == "edge":
            points = [float(word.split(",")[0].lstrip("MCL")) for word in way.get("d").split()]
            assert points == sorted(points)


@given(chains())
@settings(max_examples=25)
def test_the_script_is_bash_that_does_nothing_but_what_it_should(chain: Chain) -> None:
    script = FORMATS["script"].write(chain, LINKS)
    assert subprocess.run(["bash", "-n"], input=script, capture_output=True).stderr == b""
    told = (
        "get() { echo get; }\nbegin() { echo begin; }\n" + "take() { :; }\nreduce() { :; }\ngive() { :; }\n"
    )
    told += "end() { :; }\nnote() { :; }\ndone_with() { :; }\nmain() { work; }\n"
    quiet = script.replace(b"\nwork() {", b"\n" + told.encode() + b"work() {")
    ran = subprocess.run(["bash", "-s"], input=quiet, capture_output=True, cwd="/proc")
    assert ran.stderr == b""
    said = ran.stdout.decode().split("\n")
    assert said.count("get") == len(chain.leaves())
    assert said.count("begin") == len(chain.runs)


def _chain() -> Chain:
    files = {
        **{
            f"TOY.{n}": File(f"TOY.{n}", f"TOY.{n}.fits", "raw", size=2880, sha256="0" * 64) for n in range(3)
        },
        "r.B": File("r.B", "r.B.fits", "product", "MASTER_BIAS", 2880, "1" * 64),
    }
    run = Run(
        "k-1",
        "toy_bias",
        "toy/1.0",
        ("--kappa=3",),
        tuple(Use("BIAS", f"TOY.{n}") for n in range(3)),
        (Output("MASTER_BIAS", 1, "r.B"),),
        datetime(2026, 3, 1, 10, tzinfo=UTC),
        2.0,
        "vista",
        "3.13.6",
        "k",
        Origin("toy.oca", "ab" * 32, 7),
    )
    return Chain("r.B", MappingProxyType(files), (run,))


def test_prov_tells_recipe_pipeline_times_host_rules_and_checksums() -> None:
    made = prov.read(io.BytesIO(FORMATS["json"].write(_chain(), LINKS)), format="json")
    assert isinstance(made, ProvDocument)
    (activity,) = made.get_records(ProvActivity)
    said = {name.localpart: value for name, value in activity.attributes}
    begun = datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert (said["startTime"], said["endTime"]) == (begun, begun + timedelta(seconds=2))
    assert (said["recipe"], said["pipeline"], said["parameters"]) == ("toy_bias", "toy/1.0", "--kappa=3")
    assert (said["location"], said["contentKey"]) == ("vista", "k")
    text = made.get_provn()
    assert "file <https://calsel.example.org/dataPortal/file/>" in text
    assert f'calsel:sha256="{"ab" * 32}"' in text
    assert (
        "wasAssociatedWith(run:k-1, software:toy-1.0, rules:toy.oca@abababababab, [calsel:archiveRevision=7])"
        in text
    )
    assert 'used(run:k-1, file:TOY.0, -, [prov:role="BIAS"])' in text


def test_prov_n_is_read_back_as_the_same_document() -> None:
    back = prov.read(io.BytesIO(FORMATS["provn"].write(_chain(), LINKS)), format="provn")
    assert back == document(_chain(), LINKS)


def test_frames_that_one_run_took_under_one_tag_share_a_box() -> None:
    root = ElementTree.fromstring(FORMATS["svg"].write(_chain(), LINKS))
    looks = [(each.get("class"), each.findtext(f"{SVG}text")) for each in root.iter(f"{SVG}g")]
    assert looks == [("raw", "BIAS"), ("asked", "MASTER_BIAS"), ("run", "toy_bias")]
    lines = [each.text for each in root.iter(f"{SVG}text")]
    assert "3 files, TOY.0" in lines
    assert "toy/1.0 on vista" in lines
    assert "2026-03-01 10:00:00Z, 2.0 s" in lines


def test_what_is_not_known_is_in_every_format() -> None:
    chain = _chain()
    run = replace(chain.runs[0], unknown=("nobody noted it",))
    for form in FORMATS.values():
        assert b"nobody noted it" in form.write(replace(chain, runs=(run,)), LINKS)


def test_a_format_is_picked_by_its_name_whatever_its_case() -> None:
    assert pick(" SVG ").name == "svg"
    with pytest.raises(RequestError, match="no format png; there are json, svg, script, provn"):
        pick("png")
