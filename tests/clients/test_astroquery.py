"""astroquery.eso, unchanged but for its base URLs."""

from __future__ import annotations

import ast
import hashlib
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import astroquery
import pytest
import requests
from astropy.table import Table
from astroquery.exceptions import MaxResultsWarning, NoResultsWarning
from pyvo.dal.exceptions import DALServiceError

from app.config import ROOT

# astroquery asks for a row more than its limit, and tells of it by a warning of its own; pyvo's, of the same
# cut, comes with it (astroquery's own tests leave it out, too).
cut_off = pytest.mark.filterwarnings("ignore::pyvo.dal.exceptions.DALOverflowWarning")
SCIENCE = "088.D-0512(A)"


def test_instruments_are_listed(eso):
    listed = eso.list_instruments()
    books = {path.name for path in (ROOT / "rules").iterdir() if any(path.glob("*.oca"))}
    # ESO's table is ist.efosc, by the start of the dp_ids, and INSTRUME is EFOSC.
    assert listed == sorted({name.replace("efosc2", "efosc") for name in books})
    assert set(listed) <= eso_s_instruments()


def test_surveys_are_listed(eso):
    assert eso.list_surveys() == ["NACO", "UVES"]


def test_all_frames_of_a_run_are_found_with_the_columns_that_eso_has(eso, archive):
    found = eso.query_main(column_filters={"prog_id": SCIENCE, "dp_cat": "SCIENCE"})
    assert archive.science in found["dp_id"]
    assert set(found.colnames) == eso_s_columns()
    row = found[list(found["dp_id"]).index(archive.science)]
    assert row["instrument"] == "UVES"
    assert row["access_url"] == f"{archive.url}/dataPortal/file/{archive.science}"
    assert row["datalink_url"].startswith(f"{archive.url}/datalink/links?ID=ivo://eso.org/ID?")


@pytest.mark.parametrize(
    ("filters", "n"),
    [
        ({"dp_type": "BIAS", "exp_start": "between '2012-03-14T10:00' and '2012-03-15'"}, 5),
        ({"dp_type": "in ('LAMP,FMTCHK', 'LAMP,ORDERDEF')", "tpl_start": "like '2012-03-14T10%'"}, 2),
        ({"exposure": "> 1000", "instrument": "UVES"}, 2),
        ({"dp_id": "like 'NACO%'", "dp_cat": "ACQUISITION"}, 2),
        ({"dp_id": "not like 'FORS2%'", "dp_tech": "not in ('IMAGE', 'IMAGE,JITTER')", "exposure": 1200}, 2),
    ],
)
def test_column_filters_of_every_kind(eso, filters, n):
    assert len(eso.query_main(column_filters=filters, columns="dp_id, exp_start")) == n
    assert eso.query_main(column_filters=filters, count_only=True) == n


def test_several_instruments_at_once(eso):
    found = eso.query_main(
        ["UVES", "NACO"], columns=["dp_id", "instrument"], column_filters={"dp_cat": "SCIENCE"}
    )
    assert found.colnames == ["dp_id", "instrument"]
    assert set(found["instrument"]) == {"UVES", "NACO"}


def test_a_cone_holds_what_points_into_it(eso):
    inside = {"cone_ra": 150.0, "cone_dec": -30.0, "cone_radius": 0.1}
    assert len(eso.query_instrument("uves", **inside, column_filters={"dp_cat": "SCIENCE"})) == 2
    with pytest.warns(NoResultsWarning):
        assert len(eso.query_instrument("uves", **inside | {"cone_dec": 47.2})) == 0


def test_help_prints_the_columns(eso, capsys):
    eso.query_main(help=True)
    eso.query_instrument("uves", help=True)
    printed = capsys.readouterr().out
    assert "tpl_start" in printed
    assert "ins_grat1_wlen" in printed


def test_headers_are_those_of_the_files(eso, archive):
    table = eso.get_headers([archive.science, archive.truth.naco_science])
    assert list(table["DP.ID"]) == [archive.science, archive.truth.naco_science]
    assert [value.strip() for value in table["INSTRUME"]] == ["UVES", "NAOS+CONICA"]
    assert table["MJD-OBS"][0] == pytest.approx(56000.125, abs=0.001)
    assert table["HIERARCH ESO DPR CATG"][0].strip() == "SCIENCE"


def test_the_header_of_every_frame_is_read(eso, archive, answers):
    dp_ids = [dp_id for dp_id in archive.dp_ids if dp_id != archive.locked]
    table = eso.get_headers([*dp_ids, *answers])  # of the latter only keywords are known
    assert list(table["DP.ID"]) == [*dp_ids, *answers]
    assert set(table["INSTRUME"]) == {"FORS2   ", "UVES    ", "NAOS+CONICA"}


def test_a_header_that_may_not_be_had_is_a_row_that_says_so(eso, archive):
    table = eso.get_headers([archive.science, archive.locked, "UVES.X"])
    assert list(table["DP.ID"]) == [archive.science, archive.locked, "UVES.X"]
    fine, locked, unknown = table["ERROR"]
    assert fine == ""
    assert locked.startswith(f"{archive.locked} is proprietary, it is released on ")
    assert unknown.startswith('dp_id "UVES.X" is not in this archive')
    filled = {str(table[name][1]) for name in table.colnames} - {archive.locked, locked}
    assert filled <= {"", "0", "0.0", "False"}, "nothing of its header is told"


def test_catalogues_are_told_to_be_elsewhere(eso):
    with pytest.raises(DALServiceError, match="there are no catalogues here, as ESO has them at /tap_cat"):
        eso.list_catalogs()


def test_associated_files_of_one_frame_and_their_tree(eso, archive, tmp_path: Path):
    found = eso.get_associated_files([archive.science], mode="raw", savexml=True, destination=str(tmp_path))
    assert archive.calibrations <= set(found)
    assert not {decoy.dp_id for decoy in archive.truth.decoys} & set(found)
    (tree,) = tmp_path.glob("*.xml")
    assert tree.name == f"{archive.science}_raw2raw.xml"
    assert ET.parse(tree).getroot().attrib["mode"] == "Raw2Raw"


def test_processed_calibrations_take_the_place_of_raw_ones(eso, archive, tmp_path: Path):
    found = eso.get_associated_files(
        [archive.science], mode="processed", savexml=True, destination=str(tmp_path)
    )
    assert archive.masters <= set(found)
    assert archive.packed not in found
    assert (tmp_path / f"{archive.science}_raw2master.xml").is_file()


def test_eso_s_two_public_answers_byte_for_byte(eso, answers, tmp_path: Path):
    for asked in ([next(iter(answers))], list(answers)):
        folder = tmp_path / str(len(asked))
        eso.get_associated_files(asked, mode="raw", savexml=True, destination=str(folder))
        for dp_id in asked:
            assert (folder / f"{dp_id}_raw2raw.xml").read_bytes() == answers[dp_id]


def test_several_frames_in_one_request(eso, archive, tmp_path: Path):
    asked = [archive.science, archive.truth.naco_science]
    found = eso.get_associated_files(asked, mode="raw", savexml=True, destination=str(tmp_path))
    assert archive.calibrations <= set(found)
    assert {path.name for path in tmp_path.iterdir()} == {f"{dp_id}_raw2raw.xml" for dp_id in asked}


def test_an_unknown_frame_does_not_cost_the_others_their_calibrations(eso, archive, tmp_path: Path):
    asked = ["UVES.X", archive.science]
    found = eso.get_associated_files(asked, mode="raw", savexml=True, destination=str(tmp_path))
    assert set(found) == set(eso.get_associated_files([archive.science], mode="raw"))
    root = ET.parse(tmp_path / "UVES.X_raw2raw.xml").getroot()
    assert [message.attrib["text"] for message in root.iter("message")] == [
        "No association could be established: UVES.X is not in this archive"
    ]


@pytest.mark.parametrize("asked", [["UVES.X"], ["UVES.X", "UVES.Y"]])
def test_frames_that_are_all_unknown_are_an_error(eso, asked):
    with pytest.raises(requests.HTTPError, match="404"):
        eso.get_associated_files(asked, mode="raw")


def test_calibrations_among_science_frames_do_no_harm(eso, archive, tmp_path: Path):
    found = eso.get_associated_files(archive.dp_ids, mode="raw", savexml=True, destination=str(tmp_path))
    assert not set(found) & set(archive.dp_ids)
    assert {f"{dp_id}_raw2raw.xml" for dp_id in archive.dp_ids} <= {path.name for path in tmp_path.iterdir()}
    for path in tmp_path.iterdir():
        assert ET.parse(path).getroot().tag == "association"


@pytest.mark.parametrize("mode", ["raw", "processed"])
def test_data_come_with_their_calibrations(eso, archive, mode, tmp_path: Path):
    files = eso.retrieve_data([archive.science], with_calib=mode, destination=str(tmp_path))
    wanted = archive.calibrations if mode == "raw" else archive.masters
    assert {*wanted, archive.science} <= {Path(file).stem for file in files}
    assert {Path(file).name for file in files} == {path.name for path in tmp_path.iterdir()}
    written = tmp_path / f"{archive.science}.fits"
    assert _sha256(written) == _sha256(archive.folder / written.name)


def test_a_packed_file_is_unpacked(eso, archive, tmp_path: Path):
    assert eso.retrieve_data(archive.packed, destination=str(tmp_path)) == str(
        tmp_path / f"{archive.packed}.fits"
    )


def test_a_locked_frame_needs_its_owner(eso, archive, passwords, tmp_path: Path):
    assert eso.retrieve_data([archive.locked], destination=str(tmp_path)) == []
    eso.login(username="ann")
    assert eso.authenticated()
    (file,) = eso.retrieve_data([archive.locked], destination=str(tmp_path))
    assert _sha256(Path(file)) == _sha256(archive.folder / f"{archive.locked}.fits")
    assert (
        eso.query_main(column_filters={"dp_id": archive.locked}, authenticated=True)["dp_id"]
        == archive.locked
    )


def test_calibrations_of_a_locked_frame_are_public(eso, archive, tmp_path: Path):
    files = eso.retrieve_data([archive.locked], with_calib="raw", destination=str(tmp_path))
    assert set(archive.truth.expected[archive.locked]["MASTER_FLAT_BLUE"]) <= {
        Path(file).stem for file in files
    }
    assert not list(tmp_path.glob(f"{archive.locked}*"))


def test_a_wrong_password_is_no_login(eso, passwords):
    passwords["ann"] = "guessed"
    eso.login(username="ann")
    assert not eso.authenticated()


# What astroquery/eso/tests/test_eso_remote.py asks of the real service, where it does not depend on what the
# archive has; the names of its tests are kept.


@cut_off
def test_query_tap_service(eso):
    eso.ROW_LIMIT = 6
    with pytest.warns(MaxResultsWarning):
        table = eso.query_tap("select * from ivoa.ObsCore")
    assert isinstance(table, Table)
    assert len(table) == 6


@cut_off
def test_row_limit(eso):
    eso.ROW_LIMIT = 5
    for ask in (lambda: eso.query_instrument("UVES"), lambda: eso.query_surveys("NACO"), eso.query_main):
        with pytest.warns(MaxResultsWarning):
            assert len(ask()) == 5


def test_top(eso):
    eso.ROW_LIMIT = None  # not cut off, so nothing is to be warned of
    assert len(eso.query_instrument("UVES", top=5)) == 5
    assert len(eso.query_surveys("NACO", top=5)) == 5
    assert len(eso.query_main(top=5)) == 5


def test_empty_return(eso):
    survey = eso.list_surveys()[0]
    with pytest.warns(NoResultsWarning):
        found = eso.query_surveys(surveys=survey, cone_ra=202.469575, cone_dec=47.195258, cone_radius=1.0)
    assert len(found) == 0


def test_multisurvey(eso):
    found = eso.query_surveys(surveys=["NACO", "UVES"], cone_ra=150.0, cone_dec=-30.0, cone_radius=180.0)
    assert "target_name" in found.colnames
    assert set(found["obs_collection"]) == {"NACO", "UVES"}


def test_sgrastar_column_filters(eso):
    ask = {"columns": "obs_collection, calib_level, multi_ob, filter, s_pixel_scale, instrument_name"}
    spelt = {"calib_level": "= 2", "instrument_name": "like '%ACO%'"}
    plain = {"calib_level": 2, "instrument_name": "NACO"}
    found = [eso.query_surveys("NACO, UVES", column_filters=filters, **ask) for filters in (spelt, plain)]
    assert [len(table) for table in found] == [6, 6]
    assert all(found[0].values_equal(found[1]))
    with pytest.warns(NoResultsWarning):  # no product here says whether it is of several blocks
        assert len(eso.query_surveys("NACO", column_filters={"multi_ob": "like '%M%'"}, **ask)) == 0


def test_apex_retrieval(eso):
    # ESO keeps APEX's quick looks in a table of their own; here there is none, and the error says so.
    with pytest.warns(NoResultsWarning):
        assert len(eso.query_apex_quicklooks(column_filters={"project_id": "E-095.F-9802A-2015"})) == 0


@cut_off
def test_each_instrument_sgrastar(eso):
    eso.ROW_LIMIT = 1  # so there are more, or none at all
    told = set()
    for instrument in eso.list_instruments():
        with pytest.warns((NoResultsWarning, MaxResultsWarning)) as warned:
            found = eso.query_instrument(instrument, cone_ra=150.0, cone_dec=-30.0, cone_radius=1.0)
        assert len(found) == (0 if warned[-1].category is NoResultsWarning else 1)
        told.add((instrument, len(found)))
    assert {("uves", 1), ("xshooter", 0)} <= told


@cut_off
def test_each_survey_sgrastar(eso):
    eso.ROW_LIMIT = 5
    assert len(eso.query_surveys("UVES", cone_ra=150.0, cone_dec=-30.0, cone_radius=1.0)) == 1
    with pytest.warns(MaxResultsWarning):
        assert len(eso.query_surveys("NACO")) == 5


def test_retrieve_data(eso, archive, tmp_path: Path):
    result = eso.retrieve_data(archive.science, destination=str(tmp_path))
    assert isinstance(result, str)
    assert archive.science in result
    result = eso.retrieve_data([archive.science, archive.truth.naco_science], destination=str(tmp_path))
    assert isinstance(result, list)
    assert len(result) == 2


def test_retrieve_data_authenticated(eso, archive, passwords, tmp_path: Path):
    eso.login(username="ann")
    result = eso.retrieve_data(archive.locked, destination=str(tmp_path))
    assert isinstance(result, str)
    assert archive.locked in result


@pytest.mark.parametrize("continuation", [False, True])
def test_what_is_there_is_fetched_again_by_continuation_only(eso, archive, continuation, tmp_path: Path):
    file = tmp_path / f"{archive.science}.fits"
    file.write_bytes(b"old")
    eso.retrieve_data(archive.science, destination=str(tmp_path), continuation=continuation)
    assert (file.read_bytes() == b"old") is not continuation


def test_without_calibrations_only_what_was_asked_for_comes(eso, archive, tmp_path: Path):
    (file,) = eso.retrieve_data([archive.science], with_calib=None, destination=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [Path(file).name]
    with pytest.raises(ValueError, match="with_calib"):
        eso.retrieve_data([archive.science], with_calib="none", destination=str(tmp_path))


def test_help(eso):
    for instrument in eso.list_instruments():
        eso.query_instrument(instrument, help=True)


@cut_off
def test_mixed_case_instrument(eso):
    eso.ROW_LIMIT = 5
    cone = {"cone_ra": 150.0, "cone_dec": -30.0, "cone_radius": 1.0}
    with pytest.warns(MaxResultsWarning):
        lower = eso.query_instrument("uves", **cone)
    with pytest.warns(MaxResultsWarning):
        mixed = eso.query_instrument("uVeS", **cone)
    assert all(lower.values_equal(mixed))


@cut_off
def test_main_by_target_and_object(eso):
    eso.ROW_LIMIT = 5
    with pytest.warns(MaxResultsWarning):
        found = eso.query_main(column_filters={"target": "STAR-FIELD", "object": "STAR-FIELD"})
    assert len(found) == 5
    assert set(found["object"]) == set(found["target"]) == {"STAR-FIELD"}


def eso_s_columns() -> set[str]:
    """Those of dbo.raw in an answer of ESO's that astroquery's tests carry; its row number has no name."""
    path = Path(astroquery.__path__[0]) / "eso/tests/data/query_main_sgra.csv"
    return set(path.read_text().partition("\n")[0].split(",")) - {""}


def eso_s_instruments() -> set[str]:
    """Those that astroquery's tests of the real service find there."""
    text = (Path(astroquery.__path__[0]) / "eso/tests/test_eso_remote.py").read_text()
    return set(ast.literal_eval(re.search(r"instrument_list = (\[.*?\])", text, re.DOTALL)[1]))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
