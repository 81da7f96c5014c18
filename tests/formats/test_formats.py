from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from app.errors import RequestError, TreeFormatError
from app.formats import FORMATS, filename, multipart, pick, sof, xml
from app.tree import Choice, File, Node, RuleRef, Slot, Step, Tree

Expected = Callable[[str, bytes], None]


@pytest.mark.parametrize("name", FORMATS)
def test_the_invented_cascade_is_written_as_reviewed(name: str, cascade: Tree, expected: Expected):
    expected(f"cascade{FORMATS[name].suffix}", FORMATS[name].write(cascade))


def test_two_trees_are_written_as_reviewed(cascade: Tree, expected: Expected):
    boundary = multipart.make_boundary("Raw2Master", cascade.dp_id)
    expected("two.multipart", b"".join(multipart.stream(_two(cascade), boundary)))


def test_each_tree_is_a_chunk_that_is_made_when_it_is_wanted(cascade: Tree):
    made = _two(cascade)
    chunks = multipart.stream(made, "b")
    assert next(chunks).count(b"--b\r\n") == 1
    assert next(made).mode == "Raw2Master"
    assert list(chunks) == [b"--b--\r\n"]


def test_another_question_has_another_boundary():
    first, second = multipart.make_boundary("Raw2Raw", "A"), multipart.make_boundary("Raw2Raw", "A", "B")
    assert first != second
    assert len(first) == len(second) == 36


def _two(cascade: Tree) -> Iterator[Tree]:
    yield cascade
    yield replace(cascade, mode="Raw2Master")


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("XML", "xml"),
        ("application/xml", "xml"),
        ("application/json; charset=utf-8", "json"),
        ("text/plain", "sof"),
        (" text/x-shellscript ", "script"),
    ],
)
def test_a_format_is_picked_by_name_or_media_type(wanted: str, name: str):
    assert pick(wanted) is FORMATS[name]


def test_an_unknown_format_is_refused_and_the_known_ones_are_named():
    with pytest.raises(RequestError, match=r"'pdf'.*xml, json, sof, script"):
        pick("pdf")


def test_a_file_is_named_by_the_executed_mode(cascade: Tree):
    assert cascade.asked == "Raw2Master"
    assert filename(cascade, ".xml") == "UVES.2012-03-04T02:00:00.000_raw2raw.xml"


def test_a_hostile_dp_id_cannot_leave_a_header_line(cascade: Tree):
    name = filename(replace(cascade, dp_id='x"\r\nSet-Cookie: a=b'), ".xml")
    assert name == "x%22%0D%0ASet-Cookie:%20a=b_raw2raw.xml"


def test_a_file_without_dp_id_is_refused(cascade: Tree):
    with pytest.raises(TreeFormatError, match="without a dp_id"):
        filename(replace(cascade, dp_id=""), ".xml")


ROOT = '<association category="S" certified="true" complete="true" mode="Raw2Raw" type="main">'
FILES = '<mainFiles><file category="S" name="A"/></mainFiles><messages/>'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not XML"),
        ("--boundary", "not XML"),
        (ROOT, "not XML"),
        ('<?xml version="1.0" encoding="nonsense"?><a/>', "not XML"),
        ("<VOTABLE/>", "<VOTABLE>"),
        ('<association category="S"/>', '"mode"'),
        (ROOT.replace('category="S" ', "") + "</association>", '"category"'),
        (ROOT.replace("Raw2Raw", "Raw2Cooked") + "</association>", "Raw2Cooked"),
        (ROOT.replace('complete="true"', 'complete="yes"') + "</association>", 'complete="yes"'),
        (ROOT + FILES + "</association>", "<associatedFiles>"),
        (ROOT + "<mainFiles/><messages/><associatedFiles/></association>", "no science frame"),
        (ROOT + FILES.replace("name", "nom") + "<associatedFiles/></association>", '"name"'),
        (ROOT + FILES.replace("<messages/>", "<messages><message/></messages>") + "</association>", '"text"'),
    ],
)
def test_a_text_that_is_no_tree_is_refused_and_the_fault_named(text: str, complaint: str):
    with pytest.raises(TreeFormatError, match=complaint):
        xml.parse(text.encode())


def test_a_child_of_unknown_type_or_endless_depth_is_refused():
    child = ROOT.replace('mode="Raw2Raw"', 'match="N/A"')
    odd = f"{ROOT}{FILES}<associatedFiles>{child.replace('main', 'odd')}{FILES}<associatedFiles/>"
    with pytest.raises(TreeFormatError, match='type="odd"'):
        xml.parse(f"{odd}</association></associatedFiles></association>".encode())
    opened = f"{FILES}<associatedFiles>"
    closed = "</associatedFiles></association>"
    deep = f"{ROOT}{opened}" + f"{child}{opened}" * 200 + closed * 201
    with pytest.raises(TreeFormatError, match="deep"):
        xml.parse(deep.encode())


def test_identical_children_of_one_parent_are_both_kept():
    child = ROOT.replace('mode="Raw2Raw"', 'match="N/A"') + FILES + "<associatedFiles/></association>"
    text = f"{ROOT}{FILES}<associatedFiles>{child}{child}</associatedFiles></association>"
    assert xml.write(xml.parse(text.encode())).count(b"<file ") == 3


def test_the_master_cascade_has_one_sof_with_the_masters():
    master = Node("MASTER_BIAS", (File("M.UVES.1", "MASTER_BIAS_REDL"),), True, True, kind="file")
    slot = _chosen("MASTER_BIAS", master)
    root = Node("SCI", (File("S", "SCI_RED"),), True, True, (slot,), step=Step("uves_obs_scired"))
    made = sof.split(Tree("S", "Raw2Master", "Raw2Master", root))
    assert list(made) == ["01_uves_obs_scired_S.sof"]
    assert made["01_uves_obs_scired_S.sof"].splitlines()[-2:] == [
        b"S.fits SCI_RED",
        b"M.UVES.1.fits MASTER_BIAS_REDL",
    ]


def test_a_sof_says_which_product_no_recipe_makes(cascade: Tree):
    flat = replace(cascade.root.slots[0].chosen[0].node, step=None)
    choice = replace(cascade.root.slots[0].chosen[0], node=flat)
    root = replace(cascade.root, slots=(replace(cascade.root.slots[0], chosen=(choice,)),))
    last = sof.steps(replace(cascade, root=root))[-1]
    assert last.lines == ("UVES.2012-03-04T02:00:00.000.fits SCI_POINT_RED",)
    assert choice.product is not None
    assert any(choice.product.name in note and "no recipe is known" in note for note in last.notes)


def test_a_tree_without_recipes_has_a_sof_text_that_says_so(cascade: Tree):
    text = sof.write(xml.parse(xml.write(cascade)))
    assert text == b"# UVES.2012-03-04T02:00:00.000: no recipe is known for any group of this cascade\n"


def test_a_blank_in_a_tag_is_refused_because_esorex_stumbles_over_it():
    root = Node("SCI", (File("S", "SCI RED"),), True, True, step=Step("r"))
    with pytest.raises(TreeFormatError, match="'SCI RED'"):
        sof.steps(Tree("S", "Raw2Raw", "Raw2Raw", root))


def test_a_blank_in_a_dp_id_is_encoded_in_a_sof():
    root = Node("SCI", (File("S 1\n", "SCI"),), True, True, step=Step("r"))
    assert sof.steps(Tree("S", "Raw2Raw", "Raw2Raw", root))[0].lines == ("S%201%0A.fits SCI",)


def _chosen(label: str, node: Node) -> Slot:
    return Slot(label, RuleRef("a.oca", 1), 1, 1, False, (Choice(node, None, "calib_plan", 0.5),))


def test_a_root_without_files_is_written_as_xerces_writes_an_empty_element():
    written = xml.write(Tree("S", "Raw2Raw", "Raw2Raw", Node("SCI", (), False, False)))
    assert b"\n    <mainFiles/>\n    <messages/>\n    <associatedFiles/>\n</association>\n" in written


@pytest.mark.parametrize(
    ("name", "mjd"),
    [
        ("FORS2.1858-11-18T12:00:00.000", 1.5),
        ("FORS2.1858-11-18T12_00_00.000", 1.5),  # as on disks without ':'
        ("FORS2.2021-13-02T00:00:00.000", None),
        ("M.FORS2.2021-01-02T00:00:00.000", None),
    ],
)
def test_a_parsed_file_has_the_time_of_its_dp_id(name: str, mjd: float | None):
    text = ROOT + FILES.replace('name="A"', f'name="{name}"') + "<associatedFiles/></association>"
    assert xml.parse(text.encode()).root.mjd == mjd
