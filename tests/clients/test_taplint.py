"""TAP 1.1, VOSI 1.1, TAPRegExt 1.0, VODataService 1.2, ObsCore 1.1 and DataLink 1.1, clause by clause.

taplint and datalinklint, the validators that registries of the VO run, come first; what follows is what they
leave out, and needs neither Java nor them.
"""

from __future__ import annotations

import csv
import io
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from xml.etree import ElementTree

import httpx
import pytest
from astropy.io.votable import parse
from lxml import etree

from app.config import ROOT

sys.path.insert(0, str(ROOT / "tests/clients"))
from xsd import assert_valid

VOTABLE = "application/x-votable+xml"
# All but those of jobs, uploads and observing plans, which are not offered.
STAGES = "TMV TME TMS TMC CPV CAP AVV QGE QPO MDQ OBS EXA"
# Whatever a document names outside this machine is looked for where nobody is.
_NOWHERE = [
    f"-J-D{scheme}.proxy{name}" for scheme in ("http", "https") for name in ("Host=127.0.0.1", "Port=9")
]
stilts = pytest.mark.skipif(
    shutil.which("stilts") is None, reason="needs stilts: apt-get install stilts ('make test' does it)"
)


def lint(*words: str) -> str:
    command = ["stilts", *_NOWHERE, "-J-Dhttp.nonProxyHosts=127.0.0.1", *words, "report=EWF", "maxrepeat=50"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@stilts
def test_taplint_finds_nothing(archive):
    said = lint("taplint", f"tapurl={archive.url}/tap_obs", f"stages={STAGES}")
    assert "Totals: Errors: 0; Warnings: 0; Failures: 0" in said, said


@stilts
@pytest.mark.parametrize("what", ["science", "packed", "locked", "product", "nothing of this name", ""])
def test_datalinklint_finds_nothing(archive, what):
    dp_id = getattr(archive, what, what)
    said = lint(
        "datalinklint", f"votable={archive.url}/datalink/links{f'?ID={dp_id}' * bool(what)}".replace(" ", "+")
    )
    # Off line STILTS knows the words of DataLink 1.0; this one is younger (VEP-002).
    younger = said.count("E-SMCO-01 Unknown predicate 'documentation' from core DataLink vocabulary")
    assert younger == (what == "product")
    assert f"Totals: Errors: {younger}; Warnings: 0; Failures: 0" in said, said


@pytest.fixture
def tap(archive):
    with httpx.Client(base_url=f"{archive.url}/tap_obs", timeout=60) as client:
        yield client


def ask(tap: httpx.Client, query: str, **more: str) -> httpx.Response:
    told = tap.get("/sync", params={"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": query, **more})
    assert told.status_code == 200, told.text
    return told


def rows(tap: httpx.Client, query: str) -> list[list[object]]:
    return ask(tap, query, FORMAT="json", MAXREC="100000").json()["data"]


def table_names(tap: httpx.Client) -> list[str]:
    return [name for (name,) in rows(tap, "SELECT table_name FROM TAP_SCHEMA.tables ORDER BY table_index")]


# --- documents against the schemas


@pytest.mark.parametrize(
    "path",
    [
        "/tap_obs/availability",
        "/tap_obs/capabilities",
        "/tap_obs/tables",
        "/tap_obs/tables?detail=min",
        "/tap_obs/tables/dbo.raw",
        "/tap_obs/tables/TAP_SCHEMA.columns",
        "/tap_obs/tables/no.such",
        "/tap_obs/sync?QUERY=SELECT * FROM dbo.raw",
        "/tap_obs/sync?QUERY=SELECT * FROM ivoa.ObsCore",
        "/tap_obs/sync?QUERY=SELECT * FROM TAP_SCHEMA.columns&MAXREC=1",
        "/tap_obs/sync?QUERY=DUFF",
        "/tap_obs/sync",
        "/datalink/links?ID={science}",
        "/datalink/links?ID={product}",
        "/datalink/links?ID={locked}&ID=<&ID=x",
        "/datalink/links",
    ],
)
def test_every_document_is_valid_by_its_schema(archive, path):
    names = {"science": archive.science, "product": archive.product, "locked": archive.locked}
    assert_valid(httpx.get(archive.url + path.format(**names), timeout=60).content)


def test_the_schema_of_jobs_tells_a_job_from_none():
    text = (
        '<uws:jobs xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" version="1.1"><uws:jobref id="1">'
        "<uws:phase>{}</uws:phase></uws:jobref></uws:jobs>"
    )
    assert_valid(text.format("PENDING").encode())
    with pytest.raises(AssertionError, match="FINISHED"):
        assert_valid(text.format("FINISHED").encode())


# --- metadata: TAP_SCHEMA, /tables and the answers agree


def test_what_describes_a_table_agrees_with_what_it_answers(tap):
    page = ElementTree.fromstring(tap.get("/tables").content)
    described = {table.findtext("name"): table for table in page.iter("table")}
    assert list(described) == table_names(tap)
    for name, table in described.items():
        told = rows(
            tap,
            'SELECT column_name, datatype, arraysize, "size", unit, ucd, utype, description, indexed, std '
            f"FROM TAP_SCHEMA.columns WHERE table_name = '{name}' ORDER BY column_index",
        )
        on_page = [
            [
                *(column.findtext(word) for word in ("name", "dataType")),
                column.find("dataType").get("arraysize"),
                None,
                *(column.findtext(word) for word in ("unit", "ucd", "utype", "description")),
                int("indexed" in [flag.text for flag in column.iter("flag")]),
                int(column.get("std", "false") == "true"),
            ]
            for column in table.iter("column")
        ]
        assert told == on_page
        answer = parse(io.BytesIO(ask(tap, f"SELECT TOP 1 * FROM {name}").content)).get_first_table()
        fields = [
            [
                f'"{f.name}"' if f.name == "size" else f.name,
                *(f.datatype, f.arraysize, None, f.unit and str(f.unit), f.ucd, f.utype, f.description),
            ]
            for f in answer.fields
        ]
        assert fields == [each[:-2] for each in told]


def test_every_column_can_be_asked_for_by_its_name_as_told(tap):
    for name in table_names(tap):
        columns = [
            column
            for (column,) in rows(
                tap, f"SELECT column_name FROM TAP_SCHEMA.columns WHERE table_name = '{name}'"
            )
        ]
        # ADQL 2.0 §2.1.4: letters, digits and underscores, a letter first; anything else in quotes.
        assert all(re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*|"[^"]+"', column) for column in columns)
        assert len({column.lower() for column in columns}) == len(columns)
        told = ask(tap, f"SELECT TOP 1 {', '.join(columns)} FROM {name}", FORMAT="json").json()
        assert [each["name"] for each in told["metadata"]] == [column.strip('"') for column in columns]


def test_the_keys_lead_from_columns_to_columns(tap):
    columns = {tuple(row) for row in rows(tap, "SELECT table_name, column_name FROM TAP_SCHEMA.columns")}
    joined = rows(
        tap,
        "SELECT from_table, from_column, target_table, target_column FROM TAP_SCHEMA.keys AS k "
        "JOIN TAP_SCHEMA.key_columns AS c ON k.key_id = c.key_id",
    )
    assert len(joined) == 5
    for source, column, target, there in joined:
        assert {(source, column), (target, there)} <= columns
        wanted = {value for (value,) in rows(tap, f"SELECT {column} FROM {source}")}
        assert wanted <= {value for (value,) in rows(tap, f"SELECT {there} FROM {target}")}


def is_of(value: object, datatype: str) -> bool:
    match datatype:
        case "int":
            return isinstance(value, int) and abs(value) < 2**31
        case "long":
            return isinstance(value, int) and abs(value) < 2**63
        case "double":
            return isinstance(value, (int, float)) and math.isfinite(value)
        case "char":
            return isinstance(value, str) and value.isascii()
        case "unicodeChar":
            return isinstance(value, str)
    return False


def test_values_are_of_the_declared_type_and_the_same_in_every_format(tap):
    for name in table_names(tap):
        query = f"SELECT TOP 40 * FROM {name}"
        told = ask(tap, query, FORMAT="json").json()
        types = [each["datatype"] for each in told["metadata"]]
        for row in told["data"]:
            assert all(v is None or is_of(v, kind) for v, kind in zip(row, types, strict=True))
        comma = list(csv.reader(io.StringIO(ask(tap, query, FORMAT="csv").text, newline="")))
        assert comma[0] == [each["name"] for each in told["metadata"]]
        assert comma[1:] == [["" if v is None else str(v) for v in row] for row in told["data"]]
        table = ElementTree.fromstring(ask(tap, query).content)
        cells = [
            [td.text or "" for td in tr] for tr in table.iter("{http://www.ivoa.net/xml/VOTable/v1.3}TR")
        ]
        assert cells == comma[1:]


# --- queries: parameters, formats, limits, errors


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("lang", ["ADQL", "ADQL-2.0", "ADQL-2.1", "adql"])
def test_each_declared_language_by_get_and_post(tap, method, lang):
    given = {
        "request": "doQuery",
        "Lang": lang,
        "query": "SELECT TOP 1 dp_id FROM dbo.raw",
        "DUMMY": "ignored",
    }
    told = tap.request(method, "/sync", **{"params" if method == "GET" else "data": given})
    assert (told.status_code, told.headers["content-type"]) == (200, VOTABLE)
    assert told.content.count(b"<TR>") == 1


@pytest.mark.parametrize("word", ["RESPONSEFORMAT", "FORMAT"])
def test_each_declared_format_by_all_its_names(tap, word):
    capabilities = ElementTree.fromstring(tap.get("/capabilities").content)
    formats = list(capabilities.iter("outputFormat"))
    assert len(formats) == 3
    for declared in formats:
        mime = declared.findtext("mime")
        for name in (mime, mime.upper(), *(alias.text for alias in declared.iter("alias"))):
            told = ask(tap, "SELECT TOP 2 dp_id, ra FROM dbo.raw", **{word: name})
            assert told.headers["content-type"].partition(";")[0] == mime


def cut(answer: httpx.Response, form: str) -> tuple[int, bool]:
    """How many rows there are, and whether the answer says that there are more."""
    match form:
        case "votable":
            # DALI 1.1 §4.4.1: the mark stands behind the table.
            behind = answer.content.partition(b"</TABLE>")[2]
            return answer.content.count(b"<TR>"), b'name="QUERY_STATUS" value="OVERFLOW"' in behind
        case "json":
            return len(answer.json()["data"]), answer.json()["overflow"]
    return answer.text.count("\r\n") - 1, answer.headers["x-query-status"] == "OVERFLOW"


@pytest.mark.parametrize("form", ["votable", "csv", "json"])
def test_maxrec_cuts_and_marks_in_every_format(tap, form):
    query = "SELECT dp_id, ra, object FROM dbo.raw"
    ((every,),) = rows(tap, "SELECT COUNT(*) FROM dbo.raw")
    for most in (0, 1, every - 1, every, every + 1):
        answer = ask(tap, query, FORMAT=form, MAXREC=str(most))
        assert cut(answer, form) == (min(most, every), most < every)
    assert cut(ask(tap, query.replace("SELECT", "SELECT TOP 3"), FORMAT=form, MAXREC="3"), form) == (3, False)
    # MAXREC=0 is how clients ask for the columns alone (DALI 1.1 §3.4.4).
    if form == "votable":
        fields = parse(io.BytesIO(ask(tap, query, MAXREC="0").content)).get_first_table().fields
        assert [field.name for field in fields] == ["dp_id", "ra", "object"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"QUERY": "DUFF QUERY"},
        {"QUERY": "SELECT nosuch FROM dbo.raw"},
        {"QUERY": "SELECT dp_id FROM dbo.raw", "LANG": "PQL"},
        {"QUERY": "SELECT dp_id FROM dbo.raw", "REQUEST": "getCapabilities"},
        {"QUERY": "SELECT dp_id FROM dbo.raw", "RESPONSEFORMAT": "application/fits"},
        {"QUERY": "SELECT dp_id FROM dbo.raw", "MAXREC": "-1"},
        {"QUERY": "SELECT dp_id FROM dbo.raw", "UPLOAD": "t,http://127.0.0.1/t.vot"},
        {"QUERY": "DUFF QUERY", "RESPONSEFORMAT": "csv"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_error_is_a_votable_that_says_so(tap, given: Mapping[str, str], method):
    told = tap.request(method, "/sync", **{"params" if method == "GET" else "data": given})
    assert (told.status_code, told.headers["content-type"]) == (400, VOTABLE)
    document = parse(io.BytesIO(told.content), verify="exception")
    (resource,) = document.resources
    (info,) = (info for info in resource.infos if info.name == "QUERY_STATUS")
    assert (resource.type, info.value) == ("results", "ERROR")
    assert info.content.strip()
    assert_valid(told.content)


# --- capabilities: what is declared is there, what is not is refused

FEATURES = {
    "POINT": "CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 150.0, -30.0, 1.0)) = 1",
    "CIRCLE": "INTERSECTS(s_region, CIRCLE('ICRS', 150.0, -30.0, 1.0)) = 1",
    "CONTAINS": "CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 150.0, -30.0, 1.0)) = 1",
    "INTERSECTS": "INTERSECTS(CIRCLE('ICRS', 150.0, -30.0, 1.0), s_region) = 1",
    "DISTANCE": "DISTANCE(POINT('ICRS', ra, dec), POINT('ICRS', 150.0, -30.0)) < 1.0",
    "LOWER": "LOWER(instrument) = 'uves'",
    "UPPER": "UPPER(instrument) = 'UVES'",
    "ILIKE": "instrument ILIKE 'uVeS'",
}
NOT_DECLARED = (
    "AREA(s_region) > 1",
    "BOX('ICRS', 1, 2, 3, 4) = 1",
    "CENTROID(s_region) = 1",
    "COORD1(s_region) > 1",
    "CONTAINS(POINT('ICRS', ra, dec), POLYGON('ICRS', 1, 2, 3, 4, 5, 6)) = 1",
    "REGION('x') = 1",
    "ABS(ra) > 1",
    "gavo_match('x', object) = 1",
)


def test_each_declared_function_selects_and_no_other_is_taken(tap):
    capabilities = ElementTree.fromstring(tap.get("/capabilities").content)
    assert {form.text for form in capabilities.iter("form")} == set(FEATURES)
    assert list(capabilities.iter("uploadMethod")) == []
    for condition in FEATURES.values():
        found = {kind for (kind,) in rows(tap, f"SELECT DISTINCT instrument FROM dbo.raw WHERE {condition}")}
        assert "UVES" in found, condition
    for condition in NOT_DECLARED:
        told = tap.get("/sync", params={"QUERY": f"SELECT dp_id FROM dbo.raw WHERE {condition}"})
        assert told.status_code == 400
        assert condition.partition("(")[0] in told.text or "POLYGON" in told.text


def test_declared_limits_are_those_that_hold(tap):
    limit = ElementTree.fromstring(tap.get("/capabilities").content).find(".//outputLimit")
    default, hard = (int(limit.findtext(word)) for word in ("default", "hard"))
    assert 0 < default <= hard
    product = "SELECT a.dp_id FROM dbo.raw AS a JOIN dbo.raw AS b ON a.mjd_obs > b.mjd_obs"
    answer = ask(tap, product, FORMAT="csv")
    assert cut(answer, "csv") == (default, True)


def test_each_capability_is_where_it_says(tap, archive):
    capabilities = ElementTree.fromstring(tap.get("/capabilities").content)
    declared = {each.get("standardID"): each.findtext(".//accessURL") for each in capabilities}
    assert declared.pop("ivo://ivoa.net/std/TAP") == f"{archive.url}/tap_obs"
    assert len(declared) >= 4
    for address in declared.values():
        assert httpx.get(address, timeout=60).status_code == 200


def test_the_examples_are_xhtml_with_the_properties_of_dali(tap):
    page = tap.get("/examples")
    assert page.headers["content-type"].partition(";")[0] == "application/xhtml+xml"
    root = etree.fromstring(page.content)
    examples = root.xpath("//*[@typeof='example']")
    assert len(examples) >= 5
    for example in examples:
        assert example.get("resource") == f"#{example.get('id')}"
        (name,), (query,) = example.xpath(".//*[@property='name']"), example.xpath(".//*[@property='query']")
        assert name.text and ask(tap, query.text, MAXREC="5")


# --- ObsCore 1.1, table 6: the columns that must be there

_OBS = "obscore:"
MANDATORY = {
    "dataproduct_type": ("char", None, "meta.code.class", "ObsDataset.dataProductType"),
    "calib_level": ("int", None, "meta.code;obs.calib", "ObsDataset.calibLevel"),
    "obs_collection": ("char", None, "meta.id", "DataID.collection"),
    "obs_id": ("char", None, "meta.id", "DataID.observationID"),
    "obs_publisher_did": ("char", None, "meta.ref.ivoid", "Curation.publisherDID"),
    "access_url": ("char", None, "meta.ref.url", "Access.reference"),
    "access_format": ("char", None, "meta.code.mime", "Access.format"),
    "access_estsize": ("long", "kbyte", "phys.size;meta.file", "Access.size"),
    "target_name": ("char", None, "meta.id;src", "Target.name"),
    "s_ra": ("double", "deg", "pos.eq.ra", "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1"),
    "s_dec": ("double", "deg", "pos.eq.dec", "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2"),
    "s_fov": ("double", "deg", "phys.angSize;instr.fov", "Char.SpatialAxis.Coverage.Bounds.Extent.diameter"),
    "s_region": ("char", None, "pos.outline;obs.field", "Char.SpatialAxis.Coverage.Support.Area"),
    "s_resolution": ("double", "arcsec", "pos.angResolution", "Char.SpatialAxis.Resolution.Refval.value"),
    "s_xel1": ("long", None, "meta.number", "Char.SpatialAxis.numBins1"),
    "s_xel2": ("long", None, "meta.number", "Char.SpatialAxis.numBins2"),
    "t_min": ("double", "d", "time.start;obs.exposure", "Char.TimeAxis.Coverage.Bounds.Limits.StartTime"),
    "t_max": ("double", "d", "time.end;obs.exposure", "Char.TimeAxis.Coverage.Bounds.Limits.StopTime"),
    "t_exptime": ("double", "s", "time.duration;obs.exposure", "Char.TimeAxis.Coverage.Support.Extent"),
    "t_resolution": ("double", "s", "time.resolution", "Char.TimeAxis.Resolution.Refval.value"),
    "t_xel": ("long", None, "meta.number", "Char.TimeAxis.numBins"),
    "em_min": ("double", "m", "em.wl;stat.min", "Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit"),
    "em_max": ("double", "m", "em.wl;stat.max", "Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit"),
    "em_res_power": ("double", None, "spect.resolution", "Char.SpectralAxis.Resolution.ResolPower.refVal"),
    "em_xel": ("long", None, "meta.number", "Char.SpectralAxis.numBins"),
    "o_ucd": ("char", None, "meta.ucd", "Char.ObservableAxis.ucd"),
    "pol_states": ("char", None, "meta.code;phys.polarization", "Char.PolarizationAxis.stateList"),
    "pol_xel": ("long", None, "meta.number", "Char.PolarizationAxis.numBins"),
    "facility_name": ("char", None, "meta.id;instr.tel", "Provenance.ObsConfig.Facility.name"),
    "instrument_name": ("char", None, "meta.id;instr", "Provenance.ObsConfig.Instrument.name"),
}  # fmt: skip


def test_obscore_has_the_mandatory_columns_as_the_standard_has_them(tap):
    told = rows(
        tap,
        "SELECT column_name, datatype, unit, ucd, utype, std FROM TAP_SCHEMA.columns "
        "WHERE table_name = 'ivoa.ObsCore'",
    )
    found = {name: tuple(rest) for name, *rest in told}
    assert set(MANDATORY) <= set(found)
    for name, (datatype, unit, ucd, utype) in MANDATORY.items():
        # A target's name may be in any script.
        kinds = {datatype, "unicodeChar"} if datatype == "char" else {datatype}
        assert found[name][0] in kinds, name
        assert found[name][1:3] == (unit, ucd), name
        assert found[name][3].lower() == f"{_OBS}{utype}".lower(), name
        assert found[name][4] == 1, name
    query = "SELECT obs_publisher_did, calib_level, obs_collection, obs_id FROM ivoa.ObsCore"
    assert rows(tap, query)
    assert all(None not in row for row in rows(tap, query))  # §4: these must not be null


# --- DataLink 1.1

LINKS = {
    "ID": ("char", "meta.id;meta.main", None),
    "access_url": ("char", "meta.ref.url", None),
    "service_def": ("char", "meta.ref", None),
    "error_message": ("char", "meta.code.error", None),
    "semantics": ("char", "meta.code", None),
    "description": ("char", "meta.note", None),
    "content_type": ("char", "meta.code.mime", None),
    "content_length": ("long", "phys.size;meta.file", "byte"),
}
# http://www.ivoa.net/rdf/datalink/core
CORE = set(
    """
    this progenitor derivation auxiliary weight error noise calibration bias dark flat preview preview-image
    preview-plot proc cutout thumbnail package documentation coderived counterpart detached-header
    """.split()
)
FAULTS = ("NotFoundFault", "UsageFault", "TransientFault", "FatalFault", "DefaultFault")


def links(archive, *ids: str, **more: str):
    told = httpx.get(
        f"{archive.url}/datalink/links", params=[*(("ID", each) for each in ids), *more.items()], timeout=60
    )
    assert told.status_code == 200
    assert re.fullmatch(rf"{re.escape(VOTABLE)}; ?content=datalink", told.headers["content-type"])
    (resource,) = parse(io.BytesIO(told.content), verify="exception").resources
    assert resource.type == "results"
    (table,) = resource.tables
    return table


def test_links_have_the_standard_s_columns(archive):
    table = links(archive, archive.science)
    told = {f.name: (f.datatype, f.ucd, str(f.unit) if f.unit else None) for f in table.fields}
    assert told | LINKS == told
    assert all(f.arraysize == "*" for f in table.fields if f.datatype == "char")


def test_each_link_is_of_one_kind_and_means_what_the_vocabulary_says(archive):
    masters = sorted(archive.masters)
    asked = [archive.science, archive.product, archive.packed, archive.locked, masters[0], "nothing <here>"]
    table = links(archive, *asked).to_table()
    assert len(table) > len(asked)
    for row in table:
        # §3.2: of these three each row has exactly one.
        assert [bool(row[name]) for name in ("access_url", "service_def", "error_message")].count(True) == 1
        word = row["semantics"]
        assert word.removeprefix("#") in CORE if word.startswith("#") else word.startswith("http://")
        assert not row["error_message"] or row["error_message"].partition(":")[0] in FAULTS
        assert bool(row["content_type"]) or bool(row["error_message"])
    # §3.4: an ID that is not known has a row of its own, under the name by which it was asked for.
    (unknown,) = [row for row in table if row["ID"] == "nothing <here>"]
    assert unknown["error_message"].startswith("NotFoundFault: ")
    # §2.1.1: without ID, a table without rows.
    assert len(links(archive).to_table()) == 0


@pytest.mark.parametrize("form", ["votable", VOTABLE, f"{VOTABLE};content=datalink", "VOTable"])
def test_links_in_each_format_that_must_be_understood(archive, form):
    asked = dict.fromkeys(("RESPONSEFORMAT",), form)
    assert len(links(archive, archive.science, **asked).to_table()) == 4
    asked = {"ID": archive.science, "RESPONSEFORMAT": "application/fits"}
    refused = httpx.get(f"{archive.url}/datalink/links", params=asked, timeout=60)
    assert refused.status_code == 400


def test_links_lead_to_what_they_promise(archive):
    for dp_id in (archive.science, archive.product):
        for row in links(archive, dp_id).to_table():
            told = httpx.get(row["access_url"], timeout=60)
            assert told.status_code == 200
            kind = told.headers["content-type"].replace("; ", ";")
            assert kind.partition(";")[0] == str(row["content_type"]).partition(";")[0]
            if row["semantics"] == "#this":
                assert len(told.content) == row["content_length"]
