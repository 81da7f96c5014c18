"""Real clients of ESO's TAP service, and the queries that they send, against a live server."""

# ruff: noqa: E501 - a query stands on a line

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

Ask = Callable[..., list[list[Any]]]

pyvo = pytest.importorskip("pyvo", reason="pyvo is needed: pip install -e '.[dev]'")


# pyvo leaves the connections of its sessions to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Has what a test leaves collected before the next one, where warnings are errors again."""
    yield
    gc.collect()


@pytest.fixture
def base(client: httpx.Client) -> str:
    return f"{str(client.base_url).rstrip('/')}/tap_obs"


@pytest.fixture
def service(base: str) -> Any:
    return pyvo.dal.TAPService(base)


@pytest.fixture
def eso(base: str) -> Iterator[Any]:
    utils = pytest.importorskip(
        "astroquery.eso.utils", reason="astroquery.eso with TAP is needed, from 0.4.12 on"
    )
    assert utils._UserParams
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from astroquery.eso import Eso, conf
    with conf.set_temp("tap_obs_url", base), conf.set_temp("tap_cat_url", base):
        yield Eso()


# What facts of the archive's clients say that they send: astroquery.eso 0.4.12 (utils.py, core.py),
# eso-download 0.1.24, eso-downloader 0.1.
SENT = [
    ("select table_name from TAP_SCHEMA.tables where schema_name='ist' order by table_name", 3),
    ("select distinct obs_collection from ivoa.ObsCore", 1),
    ("select column_name, datatype, unit, xtype from TAP_SCHEMA.columns where table_name = 'dbo.raw'", 62),
    ("select column_name, datatype, unit, ucd from TAP_SCHEMA.columns where table_name = 'dbo.raw'", 62),
    ("select top 1 table_name from TAP_SCHEMA.tables", 1),
    ("select count(*) from dbo.raw", 1),
    ("select * from dbo.raw", 32),
    ("select top 5 * from dbo.raw where instrument in ('UVES', 'NACO')", 5),
    ("select * from dbo.raw where instrument in ('uves') and dp_cat = 'SCIENCE'", 4),
    ("select * from dbo.raw where 'Uves' = instrument and dp_cat = 'SCIENCE'", 4),
    ("select * from dbo.raw where instrument <> 'uves' and instrument not in ('kmos')", 15),
    ("select distinct obs_collection from ivoa.ObsCore where obs_collection in ('sphere', 'uves')", 1),
    ("select * from dbo.raw where dp_cat = 'science'", 0),
    ("select * from dbo.raw where instrument in ('UVES') and dp_cat = 'SCIENCE'", 4),
    ("select dp_id, object from dbo.raw where dp_id like  'UVES.2012-03-12T0%'", 15),
    ("select dp_id from dbo.raw where dp_cat in  ('SCIENCE', 'CALIB') and exp_start between  '2012-03-12T01' and '2012-03-12T03'", 4),
    ("select dp_id from dbo.raw where dp_type not like  '%A%'", 15),
    ("select dp_id from dbo.raw where dp_type not in  ('BIAS')", 23),
    ("select dp_id from dbo.raw where exposure not between  0 and 15", 14),
    ("select dp_id from dbo.raw where exp_start < '2012-03-12T02' and exposure > 5 and ob_id != 200000001", 4),
    ("select * from ist.naco where intersects(s_region, circle('ICRS', 266.4, -29.0, 0.05))=1", 4),
    ("select count(*) from ist.UVES where intersects(s_region, circle('ICRS', 266.4, -29.0, 0.05))=1 and ob_id = '200000002'", 1),
    ("select dp_id, ra, dec from dbo.raw order by ra desc", 32),
    ("select * from ivoa.ObsCore where obs_collection in ('UVES') and calib_level = 2 and dataproduct_type = 'spectrum'", 1),
    ("select * from ivoa.ObsCore where obs_collection in ('VVV')", 0),
    ("select count(*) from ivoa.ObsCore where intersects(s_region, circle('ICRS', 266.41683, -29.00781, 0.1))=1", 1),
    ("select * from ivoa.ObsCore where proposal_id ='088.D-0512(A)' and target_name like '%SGR%' and instrument_name ='UVES' and facility_name ='ESO-VLT-U2' and obs_release_date between '2013-01-01' and '2014-01-01'", 1),
    ("select * from dbo.raw where prog_id ='088.D-0512(A)' and dp_cat ='SCIENCE' and target like '%SGR%' and date_obs >='2012-03-01'", 4),
    ("\n    SELECT dp_id, datalink_url, ob_id FROM dbo.raw\n    WHERE prog_id = '088.D-0512(A)' AND dp_cat = 'SCIENCE'\n", 9),
    ("SELECT table_name FROM TAP_SCHEMA.tables WHERE schema_name='safcat' ORDER BY table_name", 0),
    ("SELECT table_name FROM TAP_SCHEMA.tables WHERE schema_name='safcat' AND cat_id IN ( SELECT t1.cat_id FROM TAP_SCHEMA.tables t1 LEFT JOIN TAP_SCHEMA.tables t2 ON (t1.title = t2.title AND t1.version < t2.version) WHERE t2.title IS NULL) ORDER BY table_name", 0),
    ("SELECT dp_id FROM dbo.raw WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 266.4, -29.0, 0.05))", 8),
    ("SELECT dp_id FROM dbo.raw WHERE CONTAINS(POINT(ra, dec), CIRCLE(POINT(0, 0), 0.01)) = 1", 1),
    ("SELECT dp_id FROM dbo.raw WHERE CONTAINS(POINT('ICRS', 266.4, -29.0), CIRCLE('ICRS', ra, dec, 0.05)) = 1", 8),
    ("SELECT r.dp_id, o.dp_id FROM ivoa.ObsCore AS o JOIN dbo.raw AS r ON o.obs_id = r.dp_id", 1),
    ("SELECT instrument, COUNT(*) AS n FROM dbo.raw GROUP BY instrument ORDER BY n DESC, instrument", 3),
    ("SELECT DISTINCT UPPER(dp_type) AS t FROM dbo.raw WHERE dp_type ILIKE '%flat%' ORDER BY t", 1),
    ("SELECT dp_id FROM dbo.raw WHERE dp_id IN (SELECT obs_id FROM ivoa.ObsCore)", 1),
]  # fmt: skip


@pytest.mark.parametrize(("query", "count"), SENT)
def test_the_queries_that_clients_send_are_answered(ask: Ask, query: str, count: int) -> None:
    assert len(ask(query)) == count


def test_pyvo_reads_answers_metadata_and_errors(service: Any) -> None:
    found = service.search(
        "SELECT TOP 3 dp_id, ra, target, tpl_expno FROM dbo.raw ORDER BY exp_start, dp_id"
    ).to_table()
    assert list(found["dp_id"]) == [
        "NACO.2012-03-12T00:00:00.123",
        "UVES.2012-03-12T00:00:00.123",
        "NACO.2012-03-12T00:42:00.123",
    ]
    assert found["ra"].unit == "deg"
    assert found["tpl_expno"].dtype.kind == "i"
    assert {"dbo.raw", "ist.uves", "ist.naco", "ivoa.ObsCore", "TAP_SCHEMA.columns"} <= set(
        service.tables.keys()
    )
    assert [column.name for column in service.tables["dbo.raw"].columns][12] == "dp_id"
    assert (service.maxrec, service.hardlimit) == (20_000, 15_000_000)
    assert len(service.examples) == 5
    assert all(len(example.execute()) >= 0 for example in service.examples)
    with pytest.raises(
        pyvo.dal.DALQueryError, match=r"there is no column objekt in dbo\.raw \(did you mean object"
    ):
        service.search("SELECT objekt FROM dbo.raw")


def test_pyvo_is_told_that_rows_were_left_out(service: Any) -> None:
    def told(query: str, maxrec: int) -> tuple[int, str]:
        found = service.search(query, maxrec=maxrec)
        return len(found), found.status[0]

    assert told("SELECT dp_id FROM dbo.raw", 7) == (7, "OVERFLOW")
    assert told("SELECT dp_id FROM dbo.raw", 32) == (32, "OK")
    assert told("SELECT TOP 7 dp_id FROM dbo.raw", 7) == (7, "OK")


def test_pyvo_is_told_that_there_are_no_jobs(service: Any) -> None:
    with pytest.raises(pyvo.dal.DALServiceError):
        service.run_async("SELECT dp_id FROM dbo.raw")


def test_astroquery_lists_and_queries(eso: Any) -> None:
    from astroquery.exceptions import NoResultsWarning

    assert eso.list_instruments() == ["kmos", "naco", "uves"]
    assert list(eso.list_surveys()) == ["UVES"]
    with pytest.warns(NoResultsWarning):
        assert list(eso.list_catalogs()) == []  # none are served here
    table = eso.query_main(instruments="UVES, NACO", column_filters={"dp_cat": "SCIENCE", "exposure": "< 20"})
    assert len(table) == 8
    assert table.colnames[:6] == ["object", "ra", "dec", "dp_id", "date_obs", "prog_id"]
    assert eso.query_main(count_only=True) == 32
    one = eso.query_instrument(
        "UvEs", cone_ra=266.4, cone_dec=-29.0, cone_radius=0.05, columns="dp_id, ra, dec"
    )
    assert len(one) == 4
    assert len(eso.query_surveys(surveys="UVES")) == 1
    eso.query_main(help=True)
    eso.query_instrument("naco", help=True)


def test_astroquery_warns_of_a_cut(eso: Any) -> None:
    from astroquery.exceptions import MaxResultsWarning, NoResultsWarning

    eso.ROW_LIMIT = 5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pyvo.dal.exceptions.DALOverflowWarning)
        with pytest.warns(MaxResultsWarning):
            assert len(eso.query_main()) == 5
    with pytest.warns(NoResultsWarning):
        assert len(eso.query_main(column_filters={"target": "nothing"})) == 0
    eso.ROW_LIMIT = None
    assert len(eso.query_main(top=5)) == 5
