"""pyvo: DataLink and TAP as the users of the Virtual Observatory ask for them."""

from __future__ import annotations

import io
import re
from urllib.request import urlopen

import httpx
import pytest
import requests
from astropy.io.votable import parse
from astropy.table import Table
from pyvo.dal import TAPService
from pyvo.dal.adhoc import DatalinkResults
from pyvo.dal.exceptions import DALQueryError
from pyvo.io.vosi import parse_availability
from pyvo.utils import vocabularies

N_HIDDEN_UVES = 1  # of the simulated archive: an arc
ESO = "http://archive.eso.org/rdf/datalink/eso#"


@pytest.fixture(autouse=True)
def vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terms of DataLink that pyvo would fetch from www.ivoa.net/rdf/datalink/core; those used here."""
    narrower = {"this": [], "calibration": ["bias", "dark", "flat"], "progenitor": [], "derivation": []}
    core = {"terms": {term: {"narrower": words} for term, words in narrower.items()}}
    monkeypatch.setattr(vocabularies, "get_vocabulary", {"datalink/core": core}.__getitem__)


@pytest.fixture
def tap(archive) -> TAPService:
    return TAPService(f"{archive.url}/tap_obs")


def links(archive, dp_id: str) -> DatalinkResults:
    return DatalinkResults.from_result_url(f"{archive.url}/datalink/links?ID=ivo://eso.org/ID?{dp_id}")


def test_links_of_a_science_frame(archive):
    found = links(archive, archive.science)
    assert [row.semantics for row in found] == [
        "#this",
        f"{ESO}calSelector_raw2raw",
        f"{ESO}calSelector_raw2master",
        f"{ESO}night_log",
    ]
    (this,) = found.bysemantics("#this")
    assert this.content_type == "application/fits"
    body = requests.get(this.access_url, timeout=60).content
    assert body == (archive.folder / f"{archive.science}.fits").read_bytes()
    assert len(body) == this.content_length
    (log,) = found.bysemantics(f"{ESO}night_log")
    assert "Grade:      A" in requests.get(log.access_url, timeout=60).text


@pytest.mark.parametrize(("mode", "wanted"), [("raw2raw", "calibrations"), ("raw2master", "masters")])
def test_the_way_from_a_frame_to_its_calibrations_to_their_bytes(archive, mode, wanted):
    (service,) = links(archive, archive.science).bysemantics(f"{ESO}calSelector_{mode}")
    cascade = DatalinkResults.from_result_url(service.access_url)
    (this,) = cascade.bysemantics("#this")
    assert (
        f'mode="{mode.title().replace("2R", "2R").replace("2M", "2M")}"'.lower() in this.description.lower()
    )
    rows = list(cascade.bysemantics("#calibration"))
    assert getattr(archive, wanted) <= {row.access_url.rpartition("/")[2] for row in rows}
    for row in rows:
        (file,) = DatalinkResults.from_result_url(row["eso_datalink"]).bysemantics("#this")
        assert file.access_url == row.access_url
        assert requests.head(row.access_url, timeout=60).status_code == 200
        assert row["eso_category"]
    *_, tree = cascade
    assert tree.semantics == f"{ESO}calSelector_{mode}"
    assert tree["eso_category"] == "ASSOCIATION_TREE"
    assert requests.get(tree.access_url, timeout=60).content.startswith(b"<?xml")


@pytest.mark.parametrize(("frame", "complete"), [("science", "true"), ("locked", "false")])
def test_eso_s_helper_reads_what_a_cascade_is(archive, frame, complete):
    """As printCalselectorInfo of ESO's eso_programmatic.py does, which warns of all that is not as asked."""
    (service,) = links(archive, archive.science).bysemantics(f"{ESO}calSelector_raw2raw")
    url = service.access_url.replace(archive.science, getattr(archive, frame))
    (this,) = DatalinkResults.from_result_url(url).bysemantics("#this")
    said = {
        word: found[1].lower() if (found := re.search(f'{word}="([^"]+)"', this.description)) else ""
        for word in ("category", "complete", "certified", "mode")
    }
    assert said == {
        "category": "sci_point_ech_blue", "complete": complete, "certified": "true", "mode": "raw2raw"
    }  # fmt: skip


def test_links_of_a_product_lead_to_what_it_was_made_from(archive):
    found = links(archive, archive.product)
    assert len(list(found.bysemantics("#this"))) == 1
    (source,) = found.bysemantics("#progenitor")
    assert source.access_url.endswith(f"/{archive.science}")


def test_a_missing_and_a_locked_file_have_a_row_that_says_so(archive):
    for dp_id, fault in (
        (archive.locked, "DefaultFault"),
        ("UVES.2099-01-01T00:00:00.000", "NotFoundFault"),
    ):
        (row,) = links(archive, dp_id)
        assert row.error_message.startswith(fault)


def test_sync_answers_are_tables(tap, archive):
    found = tap.search(f"SELECT dp_id, mjd_obs, exposure FROM dbo.raw WHERE dp_id = '{archive.science}'")
    (row,) = found
    assert row["dp_id"] == archive.science
    assert row["exposure"] == 1200
    assert found.fieldnames == ("dp_id", "mjd_obs", "exposure")
    counted = tap.run_sync("SELECT COUNT(*) AS n FROM ist.uves")
    assert counted[0]["n"] == len(list(archive.folder.glob("UVES.*.fits*"))) - N_HIDDEN_UVES


def test_a_row_leads_to_its_links_and_to_its_bytes(tap, archive):
    (row,) = tap.search(
        f"SELECT dp_id, datalink_url, access_url FROM dbo.raw WHERE dp_id='{archive.science}'"
    )
    (this,) = DatalinkResults.from_result_url(row["datalink_url"]).bysemantics("#this")
    assert this.access_url == row["access_url"]


def test_a_cut_off_answer_is_marked(tap):
    found = tap.search("SELECT dp_id FROM dbo.raw", maxrec=3)
    assert len(found) == 3
    assert found.status[0] == "OVERFLOW"


def test_a_whole_answer_is_not_marked(tap):
    found = tap.search("SELECT TOP 3 dp_id FROM dbo.raw", maxrec=3)
    assert len(found) == 3
    assert found.status[0] == "OK"


def test_what_cannot_be_asked_is_an_error_that_names_it(tap):
    with pytest.raises(DALQueryError, match="nosuch"):
        tap.search("SELECT nosuch FROM dbo.raw")
    with pytest.raises(DALQueryError, match="DELETE"):
        tap.search("DELETE FROM dbo.raw")


def test_the_pages_about_the_service(tap):
    with urlopen(f"{tap.baseurl}/availability", timeout=60) as page:
        assert parse_availability(page.read).available
    assert {"dbo.raw", "ist.uves", "ivoa.ObsCore"} <= set(tap.tables.keys())
    columns = {column.name: column for column in tap.tables["dbo.raw"].columns}
    assert columns["mjd_obs"].unit == "d"
    assert columns["dp_id"].ucd == "meta.id;meta.main"
    assert tap.maxrec
    (adql,) = [language for language in tap.get_tap_capability().languages if language.name == "ADQL"]
    assert adql.versions


def test_tap_schema_and_the_tables_page_say_the_same(tap):
    listed = tap.search("SELECT table_name, column_name FROM TAP_SCHEMA.columns", maxrec=100_000)
    described = {(table.name, column.name) for table in tap.tables.values() for column in table.columns}
    assert {(row["table_name"], row["column_name"]) for row in listed} == described


def test_every_example_of_the_service_is_answered(tap):
    examples = tap.examples
    assert examples
    for example in examples:
        assert example.execute().fieldnames


@pytest.mark.parametrize("form", ["csv", "json"])
def test_other_formats_have_the_same_rows(archive, form):
    query = "SELECT TOP 20 dp_id, mjd_obs, object FROM dbo.raw ORDER BY dp_id"
    ask = {"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": query}
    answer = httpx.post(f"{archive.url}/tap_obs/sync", data=ask | {"FORMAT": form}, timeout=60)
    reference = Table(TAPService(f"{archive.url}/tap_obs").search(query).to_table())
    if form == "csv":
        rows = [list(row) for row in Table.read(answer.text, format="ascii.csv")]
    else:
        rows = answer.json()["data"]
    assert [row[0] for row in rows] == list(reference["dp_id"])
    assert [row[1] for row in rows] == pytest.approx(list(reference["mjd_obs"]))


@pytest.mark.parametrize(
    "path",
    [
        "/datalink/links?ID={science}",
        "/datalink/links?ID={product}",
        "/datalink/links?ID={master}",
        "/datalink/links?ID={locked}",
        "/datalink/links?ID=nothing%20here",
        "/datalink/links",
        "/calselector/v1/associations?dp_id={science}&mode=raw2raw&responseformat=votable",
        "/calselector/v1/associations?dp_id={science}&mode=raw2master&responseformat=votable",
        "/calselector/v1/associations?dp_id={locked}&mode=raw2raw&responseformat=votable",
        "/calselector/v1/associations?dp_id={packed}&mode=raw2raw&responseformat=votable",
        "/tap_obs/sync?REQUEST=doQuery&LANG=ADQL&QUERY=SELECT * FROM dbo.raw",
        "/tap_obs/sync?REQUEST=doQuery&LANG=ADQL&QUERY=SELECT * FROM dbo.raw&MAXREC=0",
        "/tap_obs/sync?REQUEST=doQuery&LANG=ADQL&QUERY=SELECT * FROM dbo.raw&MAXREC=2",
        "/tap_obs/sync?REQUEST=doQuery&LANG=ADQL&QUERY=SELECT * FROM ist.naco",
        "/tap_obs/sync?REQUEST=doQuery&LANG=ADQL&QUERY=SELECT * FROM ivoa.ObsCore",
        "/tap_obs/sync?REQUEST=doQuery&LANG=ADQL&QUERY=SELECT * FROM TAP_SCHEMA.columns",
        "/tap_obs/sync?REQUEST=doQuery&LANG=ADQL&QUERY=SELECT <",
        "/tap_obs/sync",
    ],
)
def test_every_votable_is_read_strictly_without_a_warning(archive, path):
    (master,) = sorted(archive.masters)[:1]
    names = {"science": archive.science, "product": archive.product, "master": master}
    names |= {"locked": archive.locked, "packed": archive.packed}
    answer = httpx.get(archive.url + path.format(**names), timeout=60)
    assert answer.status_code in (200, 400)
    # astropy's warnings are errors in this suite; `exception` makes errors of faults that it could mend.
    parse(io.BytesIO(answer.content), verify="exception")
