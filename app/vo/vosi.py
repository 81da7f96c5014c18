"""What the service says of itself: VOSI 1.1 availability, tables, and capabilities (TAPRegExt 1.0)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import escape

from app.vo.schema.catalogue import Catalogue
from app.vo.schema.column import Column
from app.vo.schema.describing import SCHEMAS, is_indexed, is_standard, keys
from app.vo.schema.table import Table

_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XSI: Final = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_VS: Final = 'xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
# ADQL 2.0's geometrical functions that are understood; UPPER, LOWER and ILIKE are 2.1's.
_GEOMETRY: Final = ("POINT", "CIRCLE", "CONTAINS", "INTERSECTS", "DISTANCE")
_FORMATS: Final = (
    ("application/x-votable+xml", "votable"),
    ("text/csv", "csv"),
    ("application/json", "json"),
)


def availability(*, up: bool, note: str) -> bytes:
    """VOSI availability."""
    return (
        f'{_HEAD}<vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0">\n'
        f"  <vosi:available>{'true' if up else 'false'}</vosi:available>\n"
        f"  <vosi:note>{escape(note)}</vosi:note>\n</vosi:availability>\n"
    ).encode()


def capabilities(url: str, default: int, hard: int, seconds: int) -> bytes:
    """VOSI capabilities of the TAP service at `url`; limits in rows and seconds."""
    return (
        f'{_HEAD}<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0" {_XSI}\n'
        '    xmlns:vr="http://www.ivoa.net/xml/VOResource/v1.0"\n'
        f'    xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0" {_VS}>\n'
        '  <capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">\n'
        f"{_interface(url, 'base')}"
        '    <dataModel ivo-id="ivo://ivoa.net/std/ObsCore#core-1.1">ObsCore-1.1</dataModel>\n'
        "    <language>\n"
        "      <name>ADQL</name>\n"
        '      <version ivo-id="ivo://ivoa.net/std/ADQL#v2.0">2.0</version>\n'
        '      <version ivo-id="ivo://ivoa.net/std/ADQL#v2.1">2.1</version>\n'
        "      <description>A subset: one SELECT with joins, no arithmetic. Errors say what is not "
        "supported.</description>\n"
        f"{_features('adqlgeo', _GEOMETRY)}"
        f"{_features('adql-string', ('LOWER', 'UPPER', 'ILIKE'))}"
        "    </language>\n"
        f"{''.join(map(_format, _FORMATS))}"
        f"    <executionDuration>\n      <default>{seconds}</default>\n      <hard>{seconds}</hard>\n"
        "    </executionDuration>\n"
        f'    <outputLimit>\n      <default unit="row">{default}</default>\n'
        f'      <hard unit="row">{hard}</hard>\n'
        "    </outputLimit>\n"
        "  </capability>\n"
        f"{_capability('VOSI#capabilities', f'{url}/capabilities')}"
        f"{_capability('VOSI#availability', f'{url}/availability')}"
        f"{_capability('VOSI#tables-1.1', f'{url}/tables')}"
        f"{_capability('DALI#examples', f'{url}/examples')}"
        "</vosi:capabilities>\n"
    ).encode()


def tables(catalogue: Catalogue, *, columns: bool) -> bytes:
    """VOSI tables: every schema with its tables, and their columns where these are wanted."""
    schemas = []
    for name, description in SCHEMAS.items():
        own = [each for each in catalogue.tables.values() if each.name.partition(".")[0] == name]
        inside = "".join(_table(each, columns) for each in own)
        schemas.append(
            f"  <schema>\n    <name>{name}</name>\n    <description>{escape(description)}</description>\n"
            f"{inside}  </schema>\n"
        )
    return (
        f'{_HEAD}<vosi:tableset xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0" {_XSI} {_VS}>\n'
        f"{''.join(schemas)}</vosi:tableset>\n"
    ).encode()


def table(described: Table) -> bytes:
    """VOSI tables: one table with its columns."""
    inside = _inside(described, columns=True)
    return (
        f'{_HEAD}<vosi:table type="table" xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0" {_XSI} {_VS}>'
        f"{inside}</vosi:table>\n"
    ).encode()


def _interface(url: str, use: str) -> str:
    return (
        '    <interface xsi:type="vs:ParamHTTP" role="std" version="1.1">\n'
        f'      <accessURL use="{use}">{escape(url)}</accessURL>\n'
        "    </interface>\n"
    )


def _capability(standard: str, url: str) -> str:
    return (
        f'  <capability standardID="ivo://ivoa.net/std/{standard}">\n'
        f"{_interface(url, 'full')}  </capability>\n"
    )


def _features(kind: str, forms: Iterable[str]) -> str:
    each = "".join(f"        <feature><form>{form}</form></feature>\n" for form in forms)
    opened = f'      <languageFeatures type="ivo://ivoa.net/std/TAPRegExt#features-{kind}">\n'
    return f"{opened}{each}      </languageFeatures>\n"


def _format(known: tuple[str, str]) -> str:
    mime, alias = known
    return f"    <outputFormat><mime>{mime}</mime><alias>{alias}</alias></outputFormat>\n"


def _table(described: Table, columns: bool) -> str:
    return f'    <table type="table">\n{_inside(described, columns=columns)}    </table>\n'


def _inside(described: Table, *, columns: bool) -> str:
    inside = "".join(_column(described, each) for each in described.columns) if columns else ""
    others = "".join(_foreign_key(*each) for each in keys(described)) if columns else ""
    return (
        f"      <name>{escape(described.name)}</name>\n"
        f"      <description>{escape(described.description)}</description>\n{inside}{others}"
    )


def _foreign_key(target: str, column: str, there: str) -> str:
    pair = f"<fromColumn>{column}</fromColumn><targetColumn>{there}</targetColumn>"
    return f"      <foreignKey><targetTable>{target}</targetTable><fkColumn>{pair}</fkColumn></foreignKey>\n"


def _column(table: Table, column: Column) -> str:
    size = ' arraysize="*"' if column.kind == "text" else ""
    told = {
        "name": column.written,
        "description": column.description,
        "unit": column.unit,
        "ucd": column.ucd,
        "utype": column.utype,
    }
    words = "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in told.items() if text)
    kind = f'<dataType xsi:type="vs:VOTableType"{size}>{column.datatype}</dataType>'
    standard = ' std="true"' if is_standard(table, column) else ""
    flag = "<flag>indexed</flag>" if is_indexed(table, column) else ""
    return f"      <column{standard}>{words}{kind}{flag}</column>\n"
