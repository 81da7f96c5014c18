"""Trees as HTTP responses: one whole, several as a stream."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from app.archive.index import Index
from app.errors import UnknownFrameError
from app.formats import Format, filename, links_of, manifest, multipart, script, tell, votable
from app.tree import Tree
from app.web.absent import UnknownThenError, absent, is_absent
from app.web.asked import Asked
from app.web.validators import entity_tag, is_known

# Caches keep an answer by what was accepted (RFC 9110 §12.5.5), and ask whether it still holds (RFC 9111).
_KEPT: Final = {"Vary": "Accept", "Cache-Control": "no-cache"}


def reply(index: Index, asked: Asked, public_url: str, if_none_match: str | None = None) -> Response:
    """The answer; `public_url` is the start of its links.

    With `if_none_match`, the tags of answers that the client has, it gets a tag, and 304 where it has the
    answer: that costs one query. Raises UnknownFrameError, before the first byte is sent, where none of the
    dp_ids is in the archive.
    """
    if if_none_match is None:
        return _answer(index, asked, public_url)[0]
    tag, revision = entity_tag(index, asked, public_url)
    if is_known(tag, if_none_match):
        return Response(status_code=304, headers=_KEPT | {"ETag": tag})
    response, tree = _answer(index, asked, public_url)
    # What arrives while several trees are on their way may be in some of them: the bytes are not promised.
    exact = tree is not None and tree.revision == revision
    response.headers["ETag"] = tag if exact else f"W/{tag}"
    return response


def _answer(index: Index, asked: Asked, public_url: str) -> tuple[Response, Tree | None]:
    """The answer, and the tree where it is a single one."""
    if len(asked.dp_ids) == 1:
        try:
            tree = _tree(index, asked, asked.dp_ids[0])
        except UnknownFrameError as error:
            if asked.wish.as_of is None or index.unknown(asked.dp_ids):
                raise
            raise UnknownThenError(error.dp_id, asked.wish.as_of) from None
        return _one(tree, asked, public_url), tree
    if len(index.unknown(asked.dp_ids)) == len(asked.dp_ids):
        raise UnknownFrameError(*asked.dp_ids)
    trees: Iterable[Tree] = _trees(index, asked)
    if asked.wish.rewrites:  # all may have been unknown then; these are few
        trees = list(trees)
        if all(map(is_absent, trees)):
            if asked.wish.as_of is not None:
                raise UnknownThenError(", ".join(asked.dp_ids), asked.wish.as_of)
            raise UnknownFrameError(*asked.dp_ids)
    return _several(iter(trees), asked, public_url), None


def _trees(index: Index, asked: Asked) -> Iterator[Tree]:
    for dp_id in asked.dp_ids:
        try:
            yield _tree(index, asked, dp_id)
        except UnknownFrameError:
            yield absent(dp_id, asked.mode, asked.wish.as_of)


def _tree(index: Index, asked: Asked, dp_id: str) -> Tree:
    tree = index.associate(dp_id, asked.mode, explain=asked.counted, wish=asked.wish)
    return tree if asked.format.name == "json" else tell(tree, explain=asked.told)


def _one(tree: Tree, asked: Asked, public_url: str) -> Response:
    body = asked.format.write(tree, links_of(public_url, asked.further))
    # CalSelector's header has no "attachment"; astroquery.eso only looks for the name.
    place = 'filename="{}"' if asked.format.name == "xml" else 'inline; filename="{}"'
    headers = {"Content-Disposition": place.format(filename(tree, asked.format.suffix))}
    return Response(body, headers=_KEPT | headers, media_type=asked.format.media_type)


def _several(trees: Iterator[Tree], asked: Asked, public_url: str) -> Response:
    media_type = asked.format.media_type
    links = links_of(public_url, asked.further)
    match asked.format.name:
        case "xml":
            boundary = multipart.make_boundary(asked.mode, *asked.dp_ids)
            media_type = multipart.media_type(boundary)
            chunks = multipart.stream(trees, boundary)
        case "json":
            chunks = _array(trees, asked.format)
        case "script":
            chunks = script.stream(trees, links)
        case "votable":
            chunks = votable.stream(trees, asked.dp_ids, asked.mode, links)
        case "csv":
            chunks = manifest.stream(trees, asked.dp_ids, links)
        case _:
            chunks = _sections(trees, asked.format)
    # Most of what can go wrong does so at the first tree: then there is still a status to say it with.
    first = next(chunks)
    return StreamingResponse(itertools.chain([first], chunks), headers=_KEPT, media_type=media_type)


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
