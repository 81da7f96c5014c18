"""What the standards ask of a TAP service (as the validator taplint checks), and what clients must not do."""

# ruff: noqa: E501 - a query stands on a line

from __future__ import annotations

import csv
import io
import threading
import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import httpx
import psycopg
import pytest
from astropy.io.votable import parse, validate
from sqlalchemy import make_url

from app.vo import asking, tap

Ask = Callable[..., list[list[Any]]]
Refuse = Callable[[str], str]
SYNC = "/tap_obs/sync"
# The queries of TAP that PostgreSQL works on; they go by cursors.
_SLOW = (
    "FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE 'FETCH %'"
)
VOTABLE = "application/x-votable+xml"


def status(document: bytes) -> list[tuple[str, str | None]]:
    root = ElementTree.fromstring(document)
    name = "{http://www.ivoa.net/xml/VOTable/v1.3}"
    infos = root.findall(f"{name}RESOURCE/{name}INFO[@name='QUERY_STATUS']")
    return [(info.attrib["value"], info.text) for info in infos]


def test_a_votable_is_valid_and_all_its_columns_are_described(client: httpx.Client) -> None:
    told = client.get(SYNC, params={"query": "select * from dbo.raw", "lang": "adql"})
    assert told.headers["content-type"] == VOTABLE
    assert status(told.content) == [("OK", None)]
    table = parse(io.BytesIO(told.content), verify="exception").get_first_table()
    assert len(table.array) == 32
    assert all(field.description and field.ucd for field in table.fields)
    assert validate(io.BytesIO(told.content), io.StringIO())


def test_every_table_is_valid_and_agrees_with_tap_schema(client: httpx.Client, ask: Ask) -> None:
    names = [name for (name,) in ask("SELECT table_name FROM TAP_SCHEMA.tables ORDER BY table_index")]
    assert names[:5] == ["dbo.raw", "ist.kmos", "ist.naco", "ist.uves", "ivoa.ObsCore"]
    for name in names:
        told = client.get(SYNC, params={"QUERY": f"SELECT TOP 2 * FROM {name}"})
        fields = parse(io.BytesIO(told.content), verify="exception").get_first_table().fields
        columns = ask(
            "SELECT column_name, datatype, arraysize, unit, ucd, xtype FROM TAP_SCHEMA.columns "
            f"WHERE table_name = '{name}' ORDER BY column_index"
        )
        names_told = [f'"{f.name}"' if f.name == "size" else f.name for f in fields]  # a reserved word
        declared = [
            [told_name, f.datatype, f.arraysize, f.unit and str(f.unit), f.ucd, f.xtype]
            for told_name, f in zip(names_told, fields, strict=True)
        ]
        assert columns == declared
    schemas = [name for (name,) in ask("SELECT schema_name FROM TAP_SCHEMA.schemas")]
    assert {name.partition(".")[0] for name in names} == set(schemas)


def test_formats_hold_the_same_rows(client: httpx.Client) -> None:
    query = "SELECT dp_id, target, ra, tpl_expno FROM dbo.raw ORDER BY dp_id"
    told = client.get(SYNC, params={"QUERY": query, "RESPONSEFORMAT": "json"})
    assert told.headers["content-type"] == "application/json"
    rows = told.json()["data"]
    assert [each["name"] for each in told.json()["metadata"]] == ["dp_id", "target", "ra", "tpl_expno"]
    comma = client.post(SYNC, data={"QUERY": query, "FORMAT": "text/csv"})
    assert comma.headers["content-type"].startswith("text/csv")
    assert list(csv.reader(io.StringIO(comma.text, newline=""))) == [
        ["dp_id", "target", "ra", "tpl_expno"],
        *([("" if value is None else str(value)) for value in row] for row in rows),
    ]
    table = parse(io.BytesIO(client.get(SYNC, params={"QUERY": query}).content)).get_first_table().to_table()
    assert list(table["dp_id"]) == [row[0] for row in rows]
    assert [
        None if mask else value for value, mask in zip(table["ra"].data, table["ra"].mask, strict=True)
    ] == [row[2] for row in rows]
    assert list(table["target"]) == [row[1] for row in rows]


@pytest.mark.parametrize("form", ["votable", VOTABLE, "text/xml", "VOTable", "application/x-votable+xml;serialization=tabledata"])  # fmt: skip
def test_votable_has_many_names(client: httpx.Client, form: str) -> None:
    told = client.get(SYNC, params={"QUERY": "SELECT COUNT(*) FROM dbo.raw", "FORMAT": form})
    assert (told.status_code, told.headers["content-type"]) == (200, VOTABLE)


def test_a_cut_is_marked_behind_the_table_and_in_the_header(client: httpx.Client) -> None:
    for most, shown, said in ((0, 0, "OVERFLOW"), (31, 31, "OVERFLOW"), (32, 32, "OK"), (10**30, 32, "OK")):
        told = client.get(SYNC, params={"QUERY": "SELECT dp_id FROM dbo.raw", "MAXREC": str(most)})
        assert told.content.count(b"<TR>") == shown
        assert told.headers["x-query-status"] == said
        assert [word for word, _ in status(told.content)] == ["OK"] + ["OVERFLOW"] * (said == "OVERFLOW")
    json = client.get(
        SYNC, params={"QUERY": "SELECT dp_id FROM dbo.raw", "MAXREC": "3", "FORMAT": "json"}
    ).json()
    assert json["overflow"] is True and len(json["data"]) == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no QUERY is given"),
        ({"QUERY": " "}, "no QUERY is given"),
        ({"QUERY": "select 1", "LANG": "PQL"}, "LANG='PQL' is not understood"),
        ({"QUERY": "select 1", "REQUEST": "getCapabilities"}, "REQUEST='getCapabilities' is not possible"),
        ({"QUERY": "select 1", "FORMAT": "fits"}, "FORMAT='fits' is not offered"),
        ({"QUERY": "select 1", "MAXREC": "many"}, "MAXREC='many' is no number"),
        ({"QUERY": "select 1", "MAXREC": "-1"}, "MAXREC='-1' is no number"),
        ({"QUERY": "select 1", "UPLOAD": "a,http://x"}, "UPLOAD is not supported"),
        (
            {"QUERY": "select dp_id from dbo.raw", "query": "select ra from dbo.raw"},
            "QUERY is given several times",
        ),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wrong_parameter_is_told_in_a_votable(
    client: httpx.Client, given: dict[str, str], message: str, method: str
) -> None:
    told = (
        client.get(SYNC, params=given)
        if method == "GET"
        else client.post(SYNC, data={"PHASE": "RUN", **given})
    )
    assert (told.status_code, told.headers["content-type"]) == (400, VOTABLE)
    ((word, text),) = status(told.content)
    assert word == "ERROR" and text is not None and message in text
    parse(io.BytesIO(told.content), verify="exception")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT path FROM dbo.raw", "there is no column path in dbo.raw"),
        ("SELECT * FROM frame", "there is no table frame"),
        ("SELECT * FROM pg_catalog.pg_user", "there is no table pg_catalog.pg_user"),
        ("SELECT * FROM dbo.rav", "did you mean dbo.raw?"),
        ("SELECT * FROM ist.apex_quicklooks", "there is no table ist.apex_quicklooks"),
        ('SELECT "frame id" FROM dbo.raw', "there is no column frame id"),
        ("SELECT a.dp_id FROM dbo.raw b", "no table of this query is called a"),
        ("SELECT dp_id FROM dbo.raw a JOIN dbo.raw b ON a.dp_id = b.dp_id", "dp_id is a column of several tables"),
        ("SELECT a.dp_id FROM dbo.raw a JOIN dbo.raw a ON a.ra = a.dec", "two tables are called a"),
        ("SELECT * FROM dbo.raw WHERE ra = 'north'", "'north' is no number, but \"ra\" is one"),
        ("SELECT * FROM dbo.raw WHERE ra = 'nan'", "is no number that is finite"),
        ("SELECT * FROM dbo.raw WHERE ra < 1e999", "1e999 is no number that is finite"),
        ("SELECT * FROM dbo.raw WHERE ra < dp_id", "\"dp_id\" is a text, but \"ra\" is a number"),
        ("SELECT * FROM dbo.raw WHERE ra LIKE '2%'", "LIKE is for texts"),
        ("SELECT SUM(dp_id) FROM dbo.raw", "SUM takes a number"),
        ("SELECT MIN(MIN(ra)) FROM dbo.raw", "MIN cannot stand here"),
        ("SELECT ra FROM dbo.raw WHERE COUNT(*) > 1", "COUNT cannot stand here"),
        ("SELECT dp_id, COUNT(*) FROM dbo.raw", "must stand in GROUP BY"),
        ("SELECT *, COUNT(*) FROM dbo.raw", "* cannot stand beside COUNT"),
        ("SELECT dp_cat FROM dbo.raw GROUP BY dp_cat ORDER BY ra", "must stand in GROUP BY"),
        ("SELECT DISTINCT dp_cat FROM dbo.raw ORDER BY ra", "SELECT DISTINCT orders by what it selects"),
        ("SELECT ra FROM dbo.raw ORDER BY 2", "ORDER BY 2: there is no such item"),
        ("SELECT POINT(ra, dec) FROM dbo.raw", "POINT cannot stand here"),
        ("SELECT * FROM dbo.raw WHERE INTERSECTS(s_region, CIRCLE('ICRS', 1, 2, 3)) > 0", "compared with = 1 or = 0"),
        ("SELECT * FROM dbo.raw WHERE INTERSECTS(s_region, CIRCLE('GALACTIC', 1, 2, 3)) = 1", "'GALACTIC' is not"),
        ("SELECT * FROM dbo.raw WHERE INTERSECTS(s_region, CIRCLE('ICRS', 1, 92, 3)) = 1", "-90 to 90 degrees"),
        ("SELECT * FROM dbo.raw WHERE INTERSECTS(s_region, CIRCLE('ICRS', 1, 2, -3)) = 1", "the radius of a CIRCLE"),
        ("SELECT * FROM dbo.raw WHERE INTERSECTS(s_region, CIRCLE('ICRS', 1, 2, ra)) = 1", "the radius of a CIRCLE"),
        ("SELECT * FROM dbo.raw WHERE INTERSECTS(s_region, CIRCLE('ICRS', 1, 2)) = 1", "CIRCLE takes POINT"),
        ("SELECT * FROM dbo.raw WHERE INTERSECTS(s_region) = 1", "INTERSECTS takes 2 arguments"),
        ("SELECT * FROM dbo.raw WHERE CONTAINS(CIRCLE('ICRS', 1, 2, 3), s_region) = 1", "CIRCLE comes second"),
        ("SELECT * FROM dbo.raw WHERE INTERSECTS(s_region, s_region) = 1", "takes one CIRCLE"),
        ("SELECT * FROM dbo.raw WHERE dp_id IN (SELECT ra FROM dbo.raw)", "gives one column, a text"),
        ("SELECT * FROM dbo.raw WHERE dp_id IN (SELECT * FROM dbo.raw)", "gives one column, a text"),
        ("SELECT pg_sleep(10) FROM dbo.raw", "the function pg_sleep is not supported"),
        ("SELECT * FROM dbo.raw WHERE dp_id = current_setting('x')", "the function current_setting"),
        ("SELECT * FROM dbo.raw; DROP TABLE frame", "a second statement is not possible"),
        ("SELECT " + ", ".join(["ra"] * 1001) + " FROM dbo.raw", "more than 1000 columns"),
        ("SELECT t0.ra FROM dbo.raw t0 " + " ".join(f"JOIN dbo.raw t{n} ON 1=1" for n in range(1, 17)), "more than 16 tables"),
        ("DELETE FROM dbo.raw", "only SELECT is possible"),
        ("SELECT dp_id FROM dbo.raw UNION SELECT dp_id FROM ivoa.ObsCore", "UNION is not supported"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_told_by_name(refuse: Refuse, query: str, message: str) -> None:
    told = refuse(query).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert told.startswith("line 1, column ") and message in told


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE frame; --",
        "\\'; SELECT pg_sleep(9); --",
        "%(v0)s",
        "{}",
        "$1",
        "x' OR 'a'='a",
        "]]>",
        "\u202e\x01",
    ],
)
def test_sql_in_a_text_is_a_text(ask: Ask, text: str) -> None:
    quoted = text.replace("'", "''")
    assert ask(f"SELECT dp_id FROM dbo.raw WHERE target = '{quoted}' OR target LIKE '{quoted}'") == []
    assert ask(f"SELECT TOP 1 '{quoted}' AS a FROM dbo.raw")[0] == [text]
    assert ask("SELECT COUNT(*) FROM dbo.raw") == [[32]]


def test_sql_in_a_name_is_a_name(ask: Ask, refuse: Refuse) -> None:
    name = 'a" FROM frame; DROP TABLE frame --'
    quoted = name.replace('"', '""')
    assert "there is no column" in refuse(f'SELECT "{quoted}" FROM dbo.raw')
    assert ask(f'SELECT TOP 1 t."dp_id" AS "{quoted}" FROM dbo.raw AS "t" ORDER BY "{quoted}"')
    assert "there is no table" in refuse(f'SELECT * FROM "{quoted}"')


def test_ten_thousand_dp_ids_are_looked_up(ask: Ask) -> None:
    names = ", ".join(f"'UVES.2012-03-12T{n:05}'" for n in range(10_000))
    found = ask(f"SELECT dp_id FROM dbo.raw WHERE dp_id IN ({names}, 'UVES.2012-03-12T00:00:00.123')")
    assert found == [["UVES.2012-03-12T00:00:00.123"]]


def test_what_is_too_long_or_too_deep_is_refused(client: httpx.Client, refuse: Refuse) -> None:
    assert "characters; the most is 1048576" in refuse(f"SELECT '{'x' * 1_100_000}' FROM dbo.raw")
    assert "parentheses within each other" in refuse(f"SELECT * FROM dbo.raw WHERE {'(' * 100_000}")
    assert "more than 1000 conditions" in refuse(
        f"SELECT * FROM dbo.raw WHERE {' AND '.join(['ra > 1'] * 20_000)}"
    )
    sync = f"{client.base_url}{SYNC}"
    told = httpx.post(sync, data={"QUERY": "x" * 5_000_000}, timeout=60)
    assert (told.status_code, told.headers["content-type"]) == (413, VOTABLE)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    pieces = httpx.post(sync, content=(b"x" * 65_536 for _ in range(100)), headers=kind, timeout=60)
    assert pieces.status_code == 413 and b"the most" in pieces.content
    upload = client.post(SYNC, data={"QUERY": "SELECT 1"}, files={"t": b"x"})
    assert upload.status_code == 400 and b"UPLOAD is not supported" in upload.content


def test_what_postgresql_cannot_compute_is_told(refuse: Refuse) -> None:
    told = refuse("SELECT DISTANCE(POINT(1e-200, 0), POINT(0, 0)) FROM dbo.raw")
    assert told == "this cannot be computed: value out of range: underflow"


def test_an_answer_that_grows_too_large_is_cut_and_marked(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_BYTES", 1 << 14)
    told = client.get(SYNC, params={"QUERY": "SELECT * FROM dbo.raw"})
    assert [word for word, _ in status(told.content)] == ["OK", "OVERFLOW"]
    assert 1 << 14 < len(told.content) < 1 << 16


def test_a_long_answer_arrives_whole_and_its_length_is_told(client: httpx.Client) -> None:
    joins = " ".join(f"JOIN dbo.raw AS t{n} ON t{n}.mjd_obs > 0" for n in range(1, 3))
    query = f"SELECT t0.dp_id, t1.dp_id, t2.dp_id FROM dbo.raw AS t0 {joins}"
    told = client.get(SYNC, params={"QUERY": query, "FORMAT": "csv", "MAXREC": "100000"})
    assert int(told.headers["content-length"]) == len(told.content) > 1 << 20
    assert told.text.count("\r\n") == 32**3 + 1
    assert told.text.startswith("dp_id,dp_id_2,dp_id_3\r\n")


def test_the_resources_of_vosi_are_there(client: httpx.Client) -> None:
    models = pytest.importorskip("vo_models", reason="vo-models is needed: pip install -e '.[dev]'")
    from vo_models.vosi.availability.models import Availability
    from vo_models.vosi.tables.models import VOSITableSet

    assert models
    available = client.get("/tap_obs/availability")
    assert available.headers["content-type"].startswith("text/xml")
    assert Availability.from_xml(available.content).available
    told = VOSITableSet.from_xml(client.get("/tap_obs/tables").content)
    tables = {table.table_name: table for schema in told.tableset_schema for table in schema.table}
    assert len(tables["dbo.raw"].column) == 62
    root = ElementTree.fromstring(client.get("/tap_obs/capabilities").content)
    assert root.tag == "{http://www.ivoa.net/xml/VOSICapabilities/v1.0}capabilities"
    standards = {each.attrib["standardID"] for each in root}
    assert standards == {
        f"ivo://ivoa.net/std/{name}"
        for name in ("TAP", "VOSI#capabilities", "VOSI#availability", "VOSI#tables-1.1", "DALI#examples")
    }
    addresses = [each.text or "" for each in root.iter("accessURL")]
    assert len(addresses) == 5
    for address in addresses[1:]:
        path = address.removeprefix("https://calsel.example.org")
        assert client.get(path).status_code == 200
    assert client.get("/tap_obs/tables/dbo.raw").status_code == 200
    assert client.get("/tap_obs/tables/frame").status_code == 404
    assert b"<column>" not in client.get("/tap_obs/tables", params={"detail": "min"}).content
    assert client.get("/tap_obs/tables", params={"detail": "x"}).status_code == 400


@pytest.mark.parametrize("path", ["async", "async/17/phase"])
def test_jobs_are_not_offered_and_the_answer_says_what_is(client: httpx.Client, path: str) -> None:
    for told in (client.get(f"/tap_obs/{path}"), client.post(f"/tap_obs/{path}", data={"QUERY": "x"})):
        assert (told.status_code, told.headers["content-type"]) == (404, VOTABLE)
        assert "only synchronous queries are offered" in str(status(told.content))


def test_others_are_answered_while_slow_queries_run(client: httpx.Client, url: str) -> None:
    joins = " ".join(f"JOIN dbo.raw AS t{n} ON t{n}.ra < 1000" for n in range(1, 7))
    slow = {"QUERY": f"SELECT COUNT(*) FROM dbo.raw AS t0 {joins}"}  # 26^6 pairs: minutes of work
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(client.get(SYNC, params=slow, timeout=60).status_code))
        for _ in range(3)  # two are worked on together
    ]
    libpq = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(libpq, autocommit=True) as beside:
        for thread in threads:
            thread.start()
        while not codes and len(beside.execute(f"SELECT pid {_SLOW}").fetchall()) < 2:
            time.sleep(0.01)
        for _ in range(5):
            assert client.get("/health").status_code == 200
        assert codes == []
        # As PostgreSQL itself ends them when their time is over.
        while any(thread.is_alive() for thread in threads):
            beside.execute(f"SELECT pg_cancel_backend(pid) {_SLOW}")
            time.sleep(0.01)
    assert codes == [400] * 3


def test_a_crowd_is_sent_away_with_a_word(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap, "_WAITING", 0)
    told = client.get(SYNC, params={"QUERY": "SELECT COUNT(*) FROM dbo.raw"})
    assert (told.status_code, told.headers["retry-after"]) == (503, "10")
    assert status(told.content) == [("ERROR", "too many queries wait; try again later")]


def test_large_answers_that_nobody_fetches_take_a_bounded_room_and_small_ones_need_none(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    joins = " ".join(f"JOIN dbo.raw AS t{n} ON t{n}.mjd_obs > 0" for n in range(1, 3))
    large = {"QUERY": f"SELECT * FROM dbo.raw AS t0 {joins}", "FORMAT": "csv", "MAXREC": "5000"}
    with client.stream("GET", SYNC, params=large, timeout=60) as first:
        size = int(first.headers["content-length"])
        assert size > 6_000_000  # more than sockets hold
        monkeypatch.setattr(tap, "_KEPT", size + size // 2)
        told = client.get(SYNC, params=large, timeout=60)
        assert (told.status_code, told.headers["retry-after"]) == (503, "10")
        assert status(told.content) == [
            ("ERROR", "too many large answers are still being fetched; try again later")
        ]
        assert client.get(SYNC, params={"QUERY": "SELECT COUNT(*) FROM dbo.raw"}).status_code == 200
        assert len(first.read()) == size
    assert client.get(SYNC, params=large, timeout=60).status_code == 200
