"""Which format a client wants: `responseformat` where it is given, else the Accept header.

RFC 9110 §12.5.1: each media range has a quality from 0 ("not acceptable") to 1, the most specific
range that matches counts. Of equally good formats the first of FORMATS is taken, which is
CalSelector's own XML: so it answers clients that accept everything, and browsers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.errors import RequestError
from app.formats import FORMATS, Format, pick

# Several XML trees travel as multipart/form-data; text/xml is what older clients call XML. They count where
# they are named, not where text/* or */* would match them.
_ALSO: Final = {"xml": ("text/xml", "multipart/form-data")}


class NotAcceptableError(RequestError):
    """The client accepts none of the formats there are."""


def choose(responseformat: str | None, accept: str) -> Format:
    """The format to answer in.

    Raises RequestError for a responseformat or a quality that does not exist, NotAcceptableError
    when Accept leaves nothing.
    """
    if responseformat is not None:
        return pick(responseformat)
    ranges = _ranges(accept)
    best = max(FORMATS.values(), key=lambda each: _best(each, ranges))
    if _best(best, ranges) > 0:
        return best
    known = ", ".join(each.media_type.partition(";")[0] for each in FORMATS.values())
    raise NotAcceptableError(
        f"nothing here is written as {accept!r}: accept one of {known}, "
        f"or ask for responseformat={'|'.join(FORMATS)}"
    )


def liked_best(accept: str, media_types: Sequence[str]) -> str:
    """The media type that Accept likes best, of equals the first.

    Raises NotAcceptableError when it leaves none, RequestError for a quality that does not exist.
    """
    ranges = _ranges(accept)
    best = max(media_types, key=lambda each: _quality(each.partition(";")[0], ranges))
    if _quality(best.partition(";")[0], ranges) > 0:
        return best
    raise NotAcceptableError(f"nothing here is written as {accept!r}: accept one of {', '.join(media_types)}")


def prefers_json(accept: str) -> bool:
    """Whether an error is better told in JSON than in plain text."""
    try:
        ranges = _ranges(accept)
    except RequestError:
        return False
    return _quality("application/json", ranges) > _quality("text/plain", ranges)


def _ranges(accept: str) -> dict[str, float]:
    """Media range -> quality; no header at all accepts everything."""
    ranges: dict[str, float] = {}
    for item in accept.split(","):
        media, *parameters = (word.strip().lower() for word in item.split(";"))
        if media:
            # Java's HttpURLConnection says "*; q=.2".
            ranges["*/*" if media == "*" else media] = _q(parameters, item)
    return ranges or {"*/*": 1.0}


def _q(parameters: list[str], item: str) -> float:
    for name, _, value in (parameter.partition("=") for parameter in parameters):
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = -1.0
            if not 0 <= quality <= 1:
                raise RequestError(
                    f"the Accept header has {item.strip()!r}; qualities are 0 to 1, such as q=0.5"
                )
            return quality
    return 1.0


def _best(wanted: Format, ranges: dict[str, float]) -> float:
    own = _quality(wanted.media_type.partition(";")[0], ranges)
    return max(own, *(ranges.get(media, 0.0) for media in _ALSO.get(wanted.name, ())), 0.0)


def _quality(media: str, ranges: dict[str, float]) -> float:
    family = media.partition("/")[0]
    return next((ranges[each] for each in (media, f"{family}/*", "*/*") if each in ranges), 0.0)
