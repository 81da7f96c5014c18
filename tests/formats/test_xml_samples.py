from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from app.formats import filename, multipart, xml
from app.tree import files, walk

TREES = Path(__file__).parents[2].parent / "shared" / "samples" / "trees"
SINGLE = TREES / "FORS2.2021-01-02T00_59_12.533_raw2raw.xml"
MULTIPART = TREES / "FORS2.2021-01-02T00_59_12.533_raw2raw_multipart.xml"
BOUNDARY = b"uFQlfs9nBIDEAIoz0_ZM-O2SXKsZ2iSd4h7H"

pytestmark = pytest.mark.skipif(
    not TREES.is_dir(), reason="real CalSelector answers (../shared/samples/trees) are not here"
)


def _parts(body: bytes, content_type: str) -> list[Message]:
    """As astroquery reads a multipart answer."""
    message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    parts = message.get_payload()
    assert isinstance(parts, list)
    return [part for part in parts if isinstance(part, Message)]


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def test_a_real_answer_parsed_and_written_again_is_byte_identical():
    assert xml.write(xml.parse(SINGLE.read_bytes())) == SINGLE.read_bytes()


def test_a_real_answer_has_the_measured_number_of_files_and_groups():
    tree = xml.parse(SINGLE.read_bytes())
    assert SINGLE.read_bytes().count(b"<file ") == 190
    assert len(files(tree.root)) == 51
    assert [node.category for node in walk(tree.root)].count("BIAS") == 2, "shared, not repeated"


def test_a_real_multipart_answer_written_again_differs_in_the_line_ends_only():
    real = MULTIPART.read_bytes()
    parts = _parts(real, multipart.media_type(BOUNDARY.decode()))
    trees = [xml.parse(_payload(part)) for part in parts]
    assert [filename(tree, ".xml") for tree in trees] == [part.get_filename() for part in parts]
    body = b"".join(multipart.stream(trees, BOUNDARY.decode()))
    # The stored copy lost the CRs of its header lines.
    assert body.replace(b"\r\n", b"\n") == real


def test_each_tree_of_a_multipart_answer_survives_the_clients_parser():
    tree = xml.parse(SINGLE.read_bytes())
    body = b"".join(multipart.stream([tree, tree], "b"))
    parts = _parts(body, multipart.media_type("b"))
    assert [_payload(part) for part in parts] == [SINGLE.read_bytes()] * 2
    assert [int(part["Content-Length"]) for part in parts] == [SINGLE.stat().st_size] * 2
