from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import RequestError
from app.formats import FORMATS
from app.web.negotiate import NotAcceptableError, choose, prefers_json

RANGES = ["*/*", "text/*", "application/*", "application/json", "application/xml", "text/plain", "image/png"]
QUALITIES = st.integers(0, 1000).map(lambda thousandths: f"{thousandths / 1000:.3f}")
ACCEPTS = st.dictionaries(st.sampled_from(RANGES), QUALITIES, min_size=1)


@given(ACCEPTS, st.randoms(use_true_random=False))
def test_the_order_of_the_ranges_does_not_matter(accept, random):
    shuffled = list(accept.items())
    random.shuffle(shuffled)
    assert _chosen(_header(accept.items())) == _chosen(_header(shuffled))


@given(ACCEPTS)
def test_what_is_named_with_the_highest_quality_is_chosen(accept):
    accept |= {"text/x-shellscript": "1.0", "*/*": "0.2"}
    others = {each: quality for each, quality in accept.items() if quality != "1.000"}
    assert _chosen(_header(others.items())) == "script"


@given(ACCEPTS)
def test_what_is_excluded_is_never_chosen(accept):
    assert _chosen(_header((accept | {"application/json": "0"}).items())) != "json"


@given(ACCEPTS, st.sampled_from(list(FORMATS)))
def test_responseformat_wins_whatever_is_accepted(accept, name):
    assert choose(name, _header(accept.items())).name == name


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("", "xml"),
        ("text/html, image/gif, *; q=.2, */*; q=.2", "xml"),  # Java's HttpURLConnection
        ("text/xml", "xml"),
        ("multipart/form-data", "xml"),
        ("APPLICATION/JSON", "json"),
        ("application/json;indent=2;q=0.9, application/xml;q=0.8", "json"),
        ("application/*, application/xml;q=0.1", "json"),
        ("text/*;q=0.5, application/xml;q=0.4", "sof"),
        (", application/json ,", "json"),
    ],
)
def test_headers_of_real_clients(accept: str, name: str):
    assert choose(None, accept).name == name


@pytest.mark.parametrize(
    ("accept", "json"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", True),
        ("application/json, */*;q=0.1", True),
        ("application/json;q=x", False),
    ],
)
def test_errors_are_text_unless_json_is_liked_better(accept: str, json: bool):
    assert prefers_json(accept) is json


def test_an_unknown_format_is_named_with_those_there_are():
    with pytest.raises(RequestError, match="no format 'png'; there are xml, json, sof, script"):
        choose("png", "*/*")


def _header(accept: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{media};q={quality}" for media, quality in accept)


def _chosen(accept: str) -> str | None:
    try:
        return choose(None, accept).name
    except NotAcceptableError:
        return None
