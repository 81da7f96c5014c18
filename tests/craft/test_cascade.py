"""A book as a map: table, page, graph."""

from __future__ import annotations

import itertools
import math
import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app.config import ROOT
from app.craft.cascade import Cascade, as_html, as_text, cascade, span
from app.craft.drawing import as_svg
from app.rulebook import load_book

BOOKS = sorted((ROOT / "rules").glob("*/*.oca"))


@pytest.fixture
def toy(folder: Path) -> Cascade:
    return cascade(load_book(folder / "toy.2000-01-01.oca"))


def test_the_table_has_raw_types_across_calibrations_down_and_windows_in_the_cells(toy: Cascade) -> None:
    assert as_text(toy, 160).splitlines() == [
        "toy.2000-01-01.oca, from the night of 2000-01-01",
        "min,max  plan in days (extended validity); 'before': not after the frames",
        "",
        "             BIAS      * SCI         * SCI_RED",
        "recipe       toy_bias  toy_science   toy_science",
        "MASTER_BIAS            1,1 ±1 (±7)   1,1 ±1 (±7)",
        "LINES                  1,2 (before)  1,2 (before)",
        "BIAS                   0,1           0,1",
        "",
        "* is offered to requests; rows: made, static, raw",
    ]


def test_what_a_rule_says_not_to_be_offered_has_no_star(folder: Path) -> None:
    book = folder / "toy.2000-01-01.oca"
    red = 'INS.MODE == "RED" then { RAW.TYPE = "SCI_RED"; }'
    assert red in book.read_text()
    book.write_text(book.read_text().replace(red, f"{red[:-1]}EXPOSE_TO_CALSELECTOR = F; }}"))
    (head,) = [line for line in as_text(cascade(load_book(book)), 160).splitlines() if "BIAS  " in line][:1]
    assert head.split() == ["BIAS", "*", "SCI", "SCI_RED"]


def test_a_narrow_table_comes_in_blocks_that_lose_no_raw_type(toy: Cascade) -> None:
    lines = as_text(toy, 45).splitlines()
    assert max(map(len, lines[2:-2])) <= 45
    heads = [line.split() for line, below in itertools.pairwise(lines) if below.startswith("recipe")]
    assert heads == [["BIAS", "*", "SCI"], ["*", "SCI_RED"]]


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ((-7.0, 7.0), "±7"),
        ((-0.5, 0.5), "±0.5"),
        ((-3.0, 1.0), "-3..+1"),
        ((-math.inf, 0.0), "before"),
        ((-3.0, math.inf), "-3.."),
    ],
)
def test_a_window_is_told_in_few_letters(days: tuple[float, float], told: str) -> None:
    assert span(days) == told


def test_the_page_has_a_column_for_each_raw_type_and_the_line_of_each_cell(toy: Cascade) -> None:
    page = as_html(toy)
    assert page.count("<tr") == 1 + 3
    assert '<td title="toy.2000-01-01.oca:19">1,1 ±1 (±7)</td>' in page
    assert "toy_science<br>SPECTRUM" in page


def test_the_graph_has_a_box_for_each_raw_type_and_an_arrow_for_each_need(toy: Cascade) -> None:
    root = ElementTree.fromstring(as_svg(toy))
    name = "{http://www.w3.org/2000/svg}"
    boxes = root.findall(f"{name}g")
    assert [box.findtext(f"{name}text") for box in boxes] == ["BIAS", "SCI", "SCI_RED"]
    assert [box.get("class") for box in boxes] == ["needed", "offered", "offered"]
    titles = [path.findtext(f"{name}title") for path in root.findall(f"{name}path")]
    assert titles == ["MASTER_BIAS 1,1 ±1 (±7)"] * 2
    bias, sci, _ = (float(box.find(f"{name}rect").get("x")) for box in boxes)
    assert bias < sci


@pytest.mark.parametrize("book", BOOKS, ids=lambda path: path.name)
def test_every_book_of_ours_can_be_shown_and_no_box_covers_another(book: Path) -> None:
    found = cascade(load_book(book))
    assert len(as_text(found, 120).splitlines()) > len(found.rows)
    assert as_html(found).count("<tr") == 1 + len(found.rows)
    svg = as_svg(found)
    ElementTree.fromstring(svg)
    boxes = [
        tuple(map(float, each))
        for each in re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="(\d+)" height="(\d+)"', svg)
    ]
    assert len(boxes) == len(found.columns)
    for (x, y, wide, tall), (x2, y2, wide2, tall2) in combinations(boxes, 2):
        assert x + wide < x2 or x2 + wide2 < x or y + tall < y2 or y2 + tall2 < y
