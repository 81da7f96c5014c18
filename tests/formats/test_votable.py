from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from astropy.io import votable as astropy_votable
from hypothesis import given
from hypothesis import strategies as st
from pyvo.dal.adhoc import DatalinkResults

from app.errors import TreeFormatError
from app.formats import links_of, votable
from app.tree import NOT_APPLICABLE, Choice, File, Node, RuleRef, Slot, Tree, files

TREES = Path(__file__).parents[2].parent / "shared" / "samples" / "trees"
REAL = TREES / "HARPS_TOI2458_raw2master.votable.xml"
NS = "{http://www.ivoa.net/xml/VOTable/v1.3}"
COLUMNS = [
    *("ID", "access_url", "service_def", "error_message", "semantics", "description"),
    *("content_type", "content_length", "eso_category", "eso_datalink"),
]
ESO = "http://archive.eso.org/rdf/datalink/eso#"
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=1)


def _rows(written: bytes) -> list[dict[str, str]]:
    rows = ElementTree.fromstring(written).iter(f"{NS}TR")
    return [dict(zip(COLUMNS, (cell.text or "" for cell in row), strict=True)) for row in rows]


def _datalink(written: bytes) -> DatalinkResults:
    return DatalinkResults(astropy_votable.parse(io.BytesIO(written), verify="exception"))


def _calibrated(science: Sequence[File], *calibrations: File, messages: tuple[str, ...] = ()) -> Tree:
    slots = tuple(
        Slot(
            file.category,
            RuleRef("a.oca", 1),
            1,
            1,
            False,
            (Choice(Node(file.category, (file,), True, True, kind="file"), None, NOT_APPLICABLE, None),),
        )
        for file in calibrations
    )
    root = Node("SCIENCE_FP", tuple(science), False, True, slots, messages)
    return Tree(science[0].dp_id, "Raw2Master", "Raw2Raw", root)


@pytest.mark.skipif(
    not REAL.is_file(), reason="real CalSelector answers (../shared/samples/trees) are not here"
)
def test_the_files_of_a_real_answer_written_by_us_are_that_answer_byte_for_byte():
    real = REAL.read_bytes()
    made = [
        File(row["access_url"].rpartition("/")[2], row["eso_category"], None, int(row["content_length"]))
        for row in _rows(real)[:-1]
    ]
    assert len(made) > 40
    assert votable.write(_calibrated(made[:1], *made[1:])).decode() == real.decode()


def test_astropy_reads_it_without_a_warning_and_an_unknown_size_is_null(cascade: Tree):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parsed = astropy_votable.parse(io.BytesIO(votable.write(cascade)), verify="exception")
    table = parsed.get_first_table().to_table()
    assert table.colnames == COLUMNS
    assert table["content_length"].dtype == "int64"
    known = [file.size for file in files(cascade.root)]
    assert None in known
    assert [None if size is None else int(size) for size in table["content_length"].tolist()] == [
        *known,
        1_000_000,
    ]


def test_pyvo_finds_the_frame_its_calibrations_and_the_tree(cascade: Tree):
    links = _datalink(votable.write(cascade, links_of("https://calsel.example.org")))
    (this,) = links.bysemantics("#this", include_narrower=False)
    assert this.access_url == f"https://calsel.example.org/dataPortal/file/{cascade.dp_id}"
    calibrations = list(links.bysemantics("#calibration", include_narrower=False))
    assert len(calibrations) == len(files(cascade.root)) - 1
    (tree,) = links.bysemantics(f"{ESO}calSelector_raw2raw", include_narrower=False)
    assert tree.access_url == (
        f"https://calsel.example.org/calselector/v1/associations?dp_id={cascade.dp_id}&mode=Raw2Raw"
    )
    assert links[-1]["eso_category"] == "ASSOCIATION_TREE"


def test_the_rows_are_the_frame_its_siblings_then_each_file_once_in_the_order_of_the_tree(cascade: Tree):
    one, two = (replace(cascade.root.files[0], dp_id=f"UVES.2012-03-04T0{i}:00:00.000") for i in (1, 3))
    root = replace(cascade.root, files=(one, *cascade.root.files, two), slots=cascade.root.slots[:4])
    rows = _rows(votable.write(replace(cascade, root=root)))
    names = [row["access_url"].rpartition("/")[2] for row in rows[:-1]]
    assert names[:3] == [cascade.dp_id, one.dp_id, two.dp_id]
    assert names[3:] == [file.dp_id for file in files(root)][3:]
    assert [row["semantics"] for row in rows[:4]] == [
        "#this",
        f"{ESO}sibling_raw",
        f"{ESO}sibling_raw",
        "#calibration",
    ]
    assert {row["ID"] for row in rows} == {f"ivo://eso.org/ID?{cascade.dp_id}"}


def test_a_raw2master_answer_ends_with_the_tree_of_masters(cascade: Tree):
    last = _rows(votable.write(replace(cascade, mode="Raw2Master")))[-1]
    assert last["semantics"] == f"{ESO}calSelector_raw2master"
    assert last["access_url"].endswith("&mode=Raw2Master")
    assert (last["content_length"], last["content_type"], last["eso_datalink"]) == (
        "1000000",
        "application/xml",
        "",
    )


def test_messages_keep_the_quotes_that_clients_look_for():
    said = _rows(votable.write(_calibrated([File("A", "S")], messages=('no "X"', "nor Y"))))[0]["description"]
    assert said.endswith(''' type="main" messages="no 'X'; nor Y"''')


def test_several_frames_are_one_table_in_which_each_has_its_own_rows(cascade: Tree):
    other = replace(cascade, dp_id="B", root=replace(cascade.root, files=(File("B", "S"),)))
    written = b"".join(votable.stream((cascade, other), (cascade.dp_id, "B"), "Raw2Raw"))
    alone = [_rows(votable.write(tree)) for tree in (cascade, other)]
    assert _rows(written) == alone[0] + alone[1]
    assert f"dp_id={cascade.dp_id}&dp_id=B&mode=Raw2Raw".encode() in written
    assert len(_datalink(written)) == len(alone[0]) + len(alone[1])


def test_what_was_asked_beyond_calselector_is_kept_in_the_links(cascade: Tree):
    links = links_of("http://here", (("explain", "true"), ("as_of", "2024-03-01T12:00:00+00:00")))
    written = votable.write(cascade, links)
    kept = "&explain=true&as_of=2024-03-01T12:00:00%2B00:00"
    assert f"&mode=Raw2Master{kept}&responseformat=votable]]".encode() in written
    assert f"&mode=Raw2Raw{kept}]]".encode() in written


@given(TEXT, TEXT, TEXT)
def test_no_name_can_leave_its_cell(dp_id: str, category: str, message: str):
    tree = _calibrated([File(dp_id, category)], File(f"{dp_id}]]>", "C"), messages=(message,))
    written = votable.write(tree)
    this, calibration, last = _rows(written)
    assert this["ID"] == calibration["ID"] == last["ID"]
    assert unquote(this["ID"]) == f"ivo://eso.org/ID?{dp_id}"
    assert this["eso_category"] == category.encode("ascii", "backslashreplace").decode()
    assert len(_datalink(written)) == 3


def test_a_character_that_xml_cannot_hold_is_refused():
    with pytest.raises(TreeFormatError, match=r"U\+0000"):
        votable.write(_calibrated([File("A", "S\0")]))
