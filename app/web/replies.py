"""Trees as HTTP responses: one whole, several as a stream."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from app.archive.index import Index
from app.errors import UnknownFrameError
from app.formats import Format, filename, multipart, script
from app.tree import Tree
from app.web.asked import Asked

_NEGOTIATED: Final = {"Vary": "Accept"}  # for caches, RFC 9110 §12.5.5


def reply(index: Index, asked: Asked, files_url: str) -> Response:
    """The answer. `files_url` is where the download script gets its files, with a slash at the end.

    Raises UnknownFrameError, before the first byte is sent.
    """
    counted = asked.format.name == "json"  # the only format that tells the counts, which cost time
    if len(asked.dp_ids) == 1:
        tree = index.associate(asked.dp_ids[0], asked.mode, explain=counted)
        return _one(tree, asked.format, files_url)
    unknown = index.unknown(asked.dp_ids)
    if unknown:
        raise UnknownFrameError(*unknown)
    trees = (index.associate(dp_id, asked.mode, explain=counted) for dp_id in asked.dp_ids)
    return _several(trees, asked, files_url)


def _one(tree: Tree, wanted: Format, files_url: str) -> Response:
    body = script.write(tree, files_url) if wanted.name == "script" else wanted.write(tree)
    # CalSelector's header has no "attachment"; astroquery.eso only looks for the name.
    place = 'filename="{}"' if wanted.name == "xml" else 'inline; filename="{}"'
    headers = {"Content-Disposition": place.format(filename(tree, wanted.suffix))}
    return Response(body, headers=_NEGOTIATED | headers, media_type=wanted.media_type)


def _several(trees: Iterator[Tree], asked: Asked, files_url: str) -> Response:
    media_type = asked.format.media_type
    match asked.format.name:
        case "xml":
            boundary = multipart.make_boundary(asked.mode, *asked.dp_ids)
            media_type = multipart.media_type(boundary)
            chunks = multipart.stream(trees, boundary)
        case "json":
            chunks = _array(trees, asked.format)
        case "script":
            chunks = iter([script.write_many(trees, files_url)])
        case _:
            chunks = _sections(trees, asked.format)
    # Most of what can go wrong does so at the first tree: then there is still a status to say it with.
    first = next(chunks)
    return StreamingResponse(itertools.chain([first], chunks), headers=_NEGOTIATED, media_type=media_type)


def _array(trees: Iterator[Tree], wanted: Format) -> Iterator[bytes]:
    before = b"[\n"
    for tree in trees:
        yield before + wanted.write(tree)
        before = b",\n"
    yield b"]\n"


def _sections(trees: Iterator[Tree], wanted: Format) -> Iterator[bytes]:
    before = ""
    for tree in trees:
        yield f"{before}# ==== {tree.dp_id}, {tree.mode}\n\n".encode() + wanted.write(tree)
        before = "\n"
