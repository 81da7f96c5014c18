"""A FITS header as an immutable value, with ESO's dotted names and typed values exactly as read."""

from app.header.cards import parse_header, parse_text
from app.header.files import HEADER_SUFFIXES, header_text, read_extensions, read_header
from app.header.tables import TABLE_SUFFIXES, read_table
from app.header.value import UNDEFINED, Header, Maybe, Undefined, Value

__all__ = [
    "HEADER_SUFFIXES",
    "TABLE_SUFFIXES",
    "UNDEFINED",
    "Header",
    "Maybe",
    "Undefined",
    "Value",
    "header_text",
    "parse_header",
    "parse_text",
    "read_extensions",
    "read_header",
    "read_table",
]
