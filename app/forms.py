"""The parameters of a request, from its address and its form; every door reads them here.

Names ignore case (IVOA DALI 1.1 §3). A form is application/x-www-form-urlencoded or multipart/form-data,
in UTF-8, and bounded: it is refused as soon as it is known to be too large, and never held beyond that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

from anyio import to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from app.errors import RequestError

Fields: TypeAlias = Mapping[str, list[str]]  # values in the order given, by name in lower case

LARGEST: Final = 4 * 1024 * 1024  # bytes: a query of a million characters, encoded, or some 40,000 dp_ids
MANY: Final = 50_000  # fields, of an address or of a form
_SMALL: Final = 64 * 1024  # bytes that are parsed at once; more would keep the event loop from others
_SHOWN: Final = 200  # characters of a name that an error repeats
_SPLIT: Final = "send less, or several requests"
_KINDS: Final = "application/x-www-form-urlencoded or multipart/form-data"

_Pairs: TypeAlias = list[tuple[str, str]]


class TooLargeError(RequestError):
    """More than one request may send or ask for."""


async def read(request: Request) -> Fields:
    """The parameters of the address and, of a POST, those of its form behind them.

    Raises TooLargeError for a form of more than LARGEST bytes or MANY fields, RequestError for one that
    cannot be read: torn, not UTF-8, of another kind, or with a file in it.
    """
    given = _urlencoded(request.scope["query_string"], "address")
    if request.method == "POST":
        given += await _form(request)
    fields: dict[str, list[str]] = {}
    for name, value in given:
        fields.setdefault(name.lower(), []).append(value)
    return fields


def single(fields: Fields) -> dict[str, str]:
    """The parameters where none may be given twice with different values; RequestError where one is."""
    for name, values in fields.items():
        if any(value != values[0] for value in values):
            raise RequestError(f"{name.upper()[:_SHOWN]} is given several times; give it once")
    return {name: values[0] for name, values in fields.items()}


async def _form(request: Request) -> _Pairs:
    kind, options = parse_options_header(request.headers.get("content-type"))
    body = await _body(request)
    if not body:
        return []
    match kind:
        case b"application/x-www-form-urlencoded":
            parse, detail = _urlencoded, "form"
        case b"multipart/form-data":
            parse, detail = _multipart, options.get(b"boundary", b"").decode("latin-1")
        case _:
            given = repr(kind.decode("latin-1")[:_SHOWN]) if kind else "missing"
            raise RequestError(f"the Content-Type of the form is {given}; send {_KINDS}")
    if len(body) <= _SMALL:
        return parse(body, detail)
    return await to_thread.run_sync(parse, body, detail)


async def _body(request: Request) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > LARGEST:
        raise TooLargeError(f"the form has {length} bytes, the most is {LARGEST}; {_SPLIT}")
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > LARGEST:  # in chunks, whose number nobody knows before
                raise TooLargeError(f"the form has more than {LARGEST} bytes, which is the most; {_SPLIT}")
    except ClientDisconnect:
        raise RequestError("the form broke off") from None  # nobody hears it, but the log shall not cry
    return bytes(body)


def _urlencoded(body: bytes, where: str, /) -> _Pairs:
    _count(body.count(b"&") + 1, where)
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise RequestError(f"a parameter of the {where} is not in UTF-8; encode it so") from None


def _count(number: int, where: str) -> None:
    if number > MANY:
        raise TooLargeError(f"the {where} has more than {MANY} parameters, which is the most; {_SPLIT}")


def _multipart(body: bytes, boundary: str, /) -> _Pairs:
    parts = _Parts()
    try:
        MultipartParser(boundary, parts.callbacks()).write(body)  # type: ignore[arg-type]
    except FormParserError as error:
        raise RequestError(f"the multipart/form-data form cannot be read: {error}") from None
    if not parts.ended:
        raise RequestError("the multipart/form-data form breaks off, or has another boundary")
    try:
        return [(name.decode(), value.decode()) for name, value in parts.found]
    except UnicodeDecodeError:
        raise RequestError("a parameter of the form is not in UTF-8; encode it so") from None


class _Parts:
    """Name and value of each part of a multipart/form-data form (RFC 7578)."""

    def __init__(self) -> None:
        self.found: list[tuple[bytes, bytes]] = []
        self.ended = False
        self._header, self._content = bytearray(), bytearray()
        self._name, self._value = b"", bytearray()

    def callbacks(self) -> dict[str, object]:
        """What the parser calls, by its names for them."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._last,
        }

    def _begin(self) -> None:
        _count(len(self.found) + 1, "form")
        self._name, self._value = b"", bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._content.decode("latin-1"))
            self._name = options.get(b"name", b"")
            if b"filename" in options:
                shown = self._name.decode("latin-1")[:_SHOWN]
                raise RequestError(f"UPLOAD is not supported: {shown!r} is a file; send it as a field")
        self._header, self._content = bytearray(), bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end(self) -> None:
        self.found.append((self._name, bytes(self._value)))

    def _last(self) -> None:
        self.ended = True
