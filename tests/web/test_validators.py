from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import pytest

from app.archive.database import connect
from app.archive.index import Index
from app.archive.storing import store
from app.classify import Frame
from app.config import Settings
from app.header import Header
from app.web.validators import is_known

PATH = "/calselector/v1/associations"
SCIENCE = "UVES.2012-03-12T04:00:00.000"
ALONE = "UVES.2012-03-12T05:00:00.000"

Served = Callable[[Settings], AbstractContextManager[httpx.Client]]


def test_an_answer_at_hand_is_not_sent_again(client: httpx.Client):
    first = client.get(PATH, params={"dp_id": SCIENCE})
    tag = first.headers["etag"]
    assert tag[0] == tag[-1] == '"'
    again = client.get(PATH, params={"dp_id": SCIENCE}, headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")
    for answer in (first, again):
        assert answer.headers["etag"] == tag
        assert answer.headers["vary"] == "Accept, Origin"
        assert answer.headers["cache-control"] == "no-cache"


def test_the_tag_is_of_the_question(client: httpx.Client):
    questions: list[dict[str, str | list[str]]] = [
        {"dp_id": SCIENCE},
        {"dp_id": ALONE},
        {"dp_id": [SCIENCE, ALONE]},
        {"dp_id": [ALONE, SCIENCE]},
        {"dp_id": SCIENCE, "mode": "Raw2Master"},
        {"dp_id": SCIENCE, "responseformat": "votable"},
        {"dp_id": SCIENCE, "explain": "true"},
        {"dp_id": SCIENCE, "max_age": "3"},
        {"dp_id": SCIENCE, "min_level": "0"},
        {"dp_id": SCIENCE, "min_level": "1"},
    ]
    tags = [client.get(PATH, params=each).headers["etag"] for each in questions]
    assert len(set(tags)) == len(tags)
    same = {"DP_ID": SCIENCE, "mode": "raw2raw", "responseformat": "XML"}
    assert client.get(PATH, params=same).headers["etag"] == tags[0]
    accepted = client.get(PATH, params={"dp_id": SCIENCE}, headers={"Accept": "application/x-votable+xml"})
    assert accepted.headers["etag"] == tags[5]


def test_a_stream_of_several_trees_has_a_weak_tag_that_works(client: httpx.Client):
    asked = {"dp_id": [SCIENCE, ALONE]}
    tag = client.get(PATH, params=asked).headers["etag"]
    assert tag.startswith('W/"')
    assert client.get(PATH, params=asked, headers={"If-None-Match": tag}).status_code == 304


def test_a_post_has_no_tag(client: httpx.Client):
    assert "etag" not in client.post(PATH, data={"dp_id": SCIENCE}).headers


def test_an_error_has_no_tag(client: httpx.Client):
    assert "etag" not in client.get(PATH, params={"dp_id": "UVES.X"}).headers


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ('"b"', False),
        ("a", False),
        ("*", False),
        ("", False),
    ],
)
def test_the_tags_of_a_header(header: str, known: bool):
    assert is_known('"a"', header) is known


def test_what_arrives_changes_the_tag(
    database_url: str, serve: Callable[..., AbstractContextManager[httpx.Client]]
):
    engine = connect(database_url)
    index = Index(engine)
    _arrive(index, "UVES.A")
    with serve(Settings(database_url=database_url)) as client:
        first = client.get(PATH, params={"dp_id": "UVES.A"})
        known = {"If-None-Match": first.headers["etag"]}
        assert client.get(PATH, params={"dp_id": "UVES.A"}, headers=known).status_code == 304
        _arrive(index, "UVES.B")
        assert client.get(PATH, params={"dp_id": "UVES.A"}, headers=known).status_code == 200
    engine.dispose()


def _arrive(index: Index, dp_id: str) -> None:
    with index.connection() as connection:
        store(connection, index.rules(connection).books, [Frame(dp_id, Header({"INSTRUME": "UVES"}))])
