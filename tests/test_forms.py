from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import pairwise
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from app import forms
from app.errors import RequestError
from app.forms import LARGEST, MANY, TooLargeError

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
PIECE = bytes(64 * 1024)


def _read(
    query: str = "",
    body: Iterable[bytes] | None = None,
    kind: str | None = URLENCODED,
    length: int | None = None,
) -> dict[str, list[str]]:
    """What a door reads of a POST (of a GET without a body) whose body arrives in these pieces."""
    headers = [] if kind is None else [(b"content-type", kind.encode())]
    headers += [] if length is None else [(b"content-length", str(length).encode())]
    pieces = iter(() if body is None else body)

    async def receive() -> dict[str, object]:
        piece = next(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    scope = {
        "type": "http",
        "method": "GET" if body is None else "POST",
        "query_string": query.encode(),
        "headers": headers,
    }
    return dict(asyncio.run(forms.read(Request(scope, receive))))


def _multipart(fields: Iterable[tuple[str, str]], more: str = "") -> bytes:
    parts = (
        f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'
        for name, value in fields
    )
    return f"{''.join(parts)}--b--\r\n".encode()


_NAMES = st.sampled_from(["dp_id", "DP_ID", "Mode", "x", "größe"])
# A multipart value ends where its boundary begins, whatever it is.
_VALUES = st.text(st.characters(codec="utf-8"), max_size=20).filter(lambda text: "--b" not in text)


@given(st.lists(st.tuples(_NAMES, _VALUES), min_size=1, max_size=8))
def test_address_form_and_multipart_say_the_same(fields: list[tuple[str, str]]):
    said: dict[str, list[str]] = {}
    for name, value in fields:
        said.setdefault(name.lower(), []).append(value)
    encoded = urlencode(fields)
    assert _read(encoded) == said
    assert _read(body=[encoded.encode()]) == said
    assert _read(body=[_multipart(fields)], kind=MULTIPART) == said


@given(st.lists(st.integers(0, 60), max_size=5))
def test_it_does_not_matter_how_a_form_is_cut_on_its_way(cuts: list[int]):
    whole = _multipart([("DP_ID", "A"), ("mode", "Raw2Raw")])
    marks = sorted({0, *cuts, len(whole)})
    pieces = [whole[start:end] for start, end in pairwise(marks)]
    assert _read(body=pieces, kind=MULTIPART) == {"dp_id": ["A"], "mode": ["Raw2Raw"]}


def test_the_address_comes_before_the_form():
    assert _read("a=1&b=2", [b"A=3"]) == {"a": ["1", "3"], "b": ["2"]}


def test_an_empty_post_has_its_address_only_whatever_its_kind():
    for kind in (None, URLENCODED, MULTIPART, "text/plain"):
        assert _read("PHASE=RUN", [], kind) == {"phase": ["RUN"]}


def test_a_form_that_says_it_is_too_large_is_not_read_at_all():
    def body() -> Iterator[bytes]:
        pytest.fail("it was read")
        yield b""

    with pytest.raises(TooLargeError, match="the form has 104857600 bytes, the most is 4194304; send less"):
        _read(body=body(), length=100 * 1024 * 1024)


@pytest.mark.parametrize("kind", [URLENCODED, MULTIPART, "text/plain"])
def test_an_endless_form_is_read_no_further_than_to_the_limit(kind: str):
    pulled = 0

    def body() -> Iterator[bytes]:
        nonlocal pulled
        while True:
            pulled += len(PIECE)
            yield PIECE

    with pytest.raises(TooLargeError, match="more than 4194304 bytes"):
        _read(body=body(), kind=kind)
    assert pulled == LARGEST + len(PIECE)


def test_the_largest_form_is_read():
    body = b"dp_id=" + b"A" * (LARGEST - 6)
    assert len(_read(body=[body], length=len(body))["dp_id"][0]) == LARGEST - 6


def test_more_fields_than_the_limit_are_refused_before_they_are_made():
    many = "&".join(["a"] * MANY)
    assert len(_read(body=[many.encode()])["a"]) == MANY
    for query, body in ((f"{many}&a", None), ("", [f"{many}&a".encode()])):
        with pytest.raises(TooLargeError, match=f"more than {MANY} parameters"):
            _read(query, body)
    with pytest.raises(TooLargeError, match=f"more than {MANY} parameters"):
        _read(body=[_multipart([("a", "")] * (MANY + 1))], kind=MULTIPART)


@pytest.mark.parametrize(
    ("query", "body", "kind"),
    [
        ("dp_id=%ff", None, None),
        ("%c3=1", None, None),
        ("", b"dp_id=%E4", URLENCODED),
        ("", b"dp_id=\xe4", URLENCODED),
        ("", _multipart([("a", "?")]).replace(b"?", b"\xe4"), MULTIPART),
        ("", _multipart([("?", "a")]).replace(b"?", b"\xe4"), MULTIPART),
    ],
)
def test_what_is_not_utf8_is_told_and_not_guessed(query: str, body: bytes | None, kind: str | None):
    with pytest.raises(RequestError, match="is not in UTF-8"):
        _read(query, None if body is None else [body], kind)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (
            b"{}",
            "application/json",
            "the Content-Type of the form is 'application/json'; send application/x-",
        ),
        (b"dp_id=A", None, "the Content-Type of the form is missing"),
        (b"dp_id=A", "multipart/form-data", "cannot be read|breaks off"),
        (b"dp_id=A", MULTIPART, "cannot be read|breaks off"),
        (_multipart([("a", "1")])[:-9], MULTIPART, "breaks off"),
        (_multipart([("a", "1"), ("b", "2")])[:40], MULTIPART, "breaks off"),
        (_multipart([("a", "1")]), "multipart/form-data; boundary=c", "cannot be read|breaks off"),
        (_multipart([("a", "1")]), f"multipart/form-data; boundary={'c' * 5000}", "cannot be read|breaks"),
        (_multipart([("a", "1")], "\r\nX: " + "y" * 10_000), MULTIPART, "cannot be read"),
        (
            _multipart([("list", "1")], '; filename="x"'),
            MULTIPART,
            "UPLOAD is not supported: 'list' is a file",
        ),
    ],
)
def test_a_form_that_cannot_be_read_is_told_why(body: bytes, kind: str | None, said: str):
    with pytest.raises(RequestError, match=said):
        _read(body=[body], kind=kind)


def test_a_parameter_that_may_come_once_may_be_repeated_but_not_changed():
    assert forms.single({"a": ["1", "1"], "b": [""]}) == {"a": "1", "b": ""}
    with pytest.raises(RequestError, match="MAXREC is given several times"):
        forms.single({"maxrec": ["1", "2"]})
