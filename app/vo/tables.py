"""Rows of an answer as VOTable, CSV or JSON, piece by piece.

VOTable 1.4 with DALI 1.1's INFO elements: QUERY_STATUS before the table, and OVERFLOW behind it where there
would have been more rows.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol
from xml.sax.saxutils import escape, quoteattr

import orjson

from app.vo.schema.column import Column

# What XML 1.0 has no characters for.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_LARGEST: Final = 2**63
_REPEATED: Final = 10_000  # characters of the query that its answer repeats


class Rows(Protocol):
    """Rows that know, when they are read, whether there are more than may be told."""

    overflow: bool

    def __iter__(self) -> Iterator[Sequence[Any]]: ...


def votable(columns: Sequence[Column], rows: Rows, query: str) -> Iterator[bytes]:
    """The rows as VOTable in TABLEDATA."""
    yield _head("OK", "", _info("QUERY", query[:_REPEATED])).encode()
    fields = "".join(map(_field, columns))
    yield f"<TABLE>\n{fields}<DATA>\n<TABLEDATA>\n".encode()
    cells = [_XML[column.datatype] for column in columns]
    for row in rows:
        told = [
            "<TD/>" if value is None else f"<TD>{cell(value)}</TD>"
            for cell, value in zip(cells, row, strict=True)
        ]
        yield f"<TR>{''.join(told)}</TR>\n".encode()
    yield b"</TABLEDATA>\n</DATA>\n</TABLE>\n"
    if rows.overflow:
        yield _info("QUERY_STATUS", "OVERFLOW").encode()
    yield b"</RESOURCE>\n</VOTABLE>\n"


def error_votable(message: str) -> bytes:
    """The document that tells an error (DALI 1.1 §4.4)."""
    return f"{_head('ERROR', message)}</RESOURCE>\n</VOTABLE>\n".encode()


def comma_separated(columns: Sequence[Column], rows: Rows, _query: str) -> Iterator[bytes]:
    """The rows as CSV (RFC 4180) with a first line of names."""
    text = io.StringIO()
    writer = csv.writer(text)
    for row in itertools.chain([[column.name for column in columns]], _plain(columns, rows)):
        writer.writerow(row)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def _plain(columns: Sequence[Column], rows: Rows) -> Iterator[list[Any]]:
    cells = [_PLAIN[column.datatype] for column in columns]
    for row in rows:
        yield [None if value is None else cell(value) for cell, value in zip(cells, row, strict=True)]


def json(columns: Sequence[Column], rows: Rows, _query: str) -> Iterator[bytes]:
    """The rows as `{"metadata": [{"name": …}], "data": [[…]], "overflow": false}`, as ESO's TAP has them."""
    names = [
        {
            "name": column.name,
            "datatype": column.datatype,
            "unit": column.unit,
            "ucd": column.ucd,
            "description": column.description,
        }
        for column in columns
    ]
    yield b'{"metadata":' + orjson.dumps(names) + b',"data":['
    before = b"\n"
    for row in _plain(columns, rows):
        yield before + orjson.dumps(row)
        before = b",\n"
    yield b'\n],"overflow":' + (b"true" if rows.overflow else b"false") + b"}\n"


def _head(status: str, message: str, more: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
        f'<RESOURCE type="results">\n{_info("QUERY_STATUS", status, message)}{more}'
    )


def _info(name: str, value: str, content: str = "") -> str:
    return f"<INFO name={quoteattr(name)} value={_attribute(value)}>{_text(content)}</INFO>\n"


def _field(column: Column) -> str:
    words = {
        "name": column.name,
        "datatype": column.datatype,
        "arraysize": "*" if column.kind == "text" else "",
        "unit": column.unit,
        "ucd": column.ucd,
        "utype": column.utype,
        "xtype": column.xtype,
    }
    attributes = " ".join(f"{name}={_attribute(value)}" for name, value in words.items() if value)
    return f"<FIELD {attributes}><DESCRIPTION>{_text(column.description)}</DESCRIPTION></FIELD>\n"


def _text(value: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", value), {"\r": "&#13;"})


def _attribute(value: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", value))


def _ascii(value: str) -> str:
    """VOTable's char is ASCII; what may be more is declared unicodeChar."""
    return _text(_NOT_ASCII.sub("?", value))


def _whole(value: float) -> int | None:
    """A whole number, or nothing where a header has a fraction, or more than fits."""
    number = int(value) if math.isfinite(value) and value == int(value) else None
    return number if number is not None and abs(number) < _LARGEST else None


def _real(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _written(value: Callable[[Any], Any]) -> Callable[[Any], str]:
    def write(cell: Any) -> str:
        number = value(cell)
        return "" if number is None else repr(number)

    return write


def _same(value: str) -> str:
    return value


_XML: Final = MappingProxyType(
    {
        "char": _ascii,
        "unicodeChar": _text,
        "int": _written(_whole),
        "long": _written(_whole),
        "double": _written(_real),
    }
)
_PLAIN: Final[MappingProxyType[str, Callable[[Any], Any]]] = MappingProxyType(
    {"char": _same, "unicodeChar": _same, "int": _whole, "long": _whole, "double": _real}
)

Writer = Callable[[Sequence[Column], Rows, str], Iterable[bytes]]
