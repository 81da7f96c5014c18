"""What each strategy plans; nothing runs here, so frames need no pixels and no pipeline its recipes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from app.archive import jobruns, jobs
from app.archive.database import connect
from app.archive.finding import Connection
from app.archive.index import Index
from app.archive.jobs import Job
from app.archive.quality import judge
from app.archive.recipes import remember
from app.config import ROOT
from app.errors import RequestError
from app.ingest import ingest, use_rules
from app.jobs import planning
from app.jobs.planning import plan_job
from app.jobs.request import Request
from app.jobs.submitting import amend, run, submit
from app.rulebook import load_library
from processing.simulate.archive import cards
from processing.simulate.fits import write_image
from processing.simulate.nightlog import named

JITTER, DARK, FLAT, FLAT_DARK = (named("NACO", n) for n in ("jitter", "dark", "twilight", "twilight-dark"))
SCIENCE = JITTER.dp_ids()[0]


@pytest.fixture
def index(database_url: str, tmp_path: Path) -> Iterator[Index]:
    engine = connect(database_url)
    found = Index(engine)
    rules, raw = tmp_path / "rules", tmp_path / "raw"
    rules.mkdir()
    raw.mkdir()
    (rules / "naco").symlink_to(ROOT / "rules" / "naco")
    use_rules(found, load_library(rules), rules)
    for template in (JITTER, DARK, FLAT, FLAT_DARK):
        for number, dp_id in enumerate(template.dp_ids()):
            write_image(raw / f"{dp_id}.fits", np.zeros((2, 2), np.float32), cards(template, number))
    ingest(found, [raw], certified=True)
    yield found
    engine.dispose()


def planned(index: Index, **given: str) -> Job:
    """A job, planned as a worker would."""
    with index.connection() as connection:
        job = submit(connection, {name.replace("__", "."): [value] for name, value in given.items()})
        run(connection, job)
    plan_job(index, job, lambda recipe: f"{recipe.partition('_')[0]}/1")
    with index.connection() as connection:
        return jobs.find(connection, job)


def recipes(index: Index, job: Job) -> list[str]:
    with index.connection() as connection:
        return [each.recipe for each in jobruns.runs_of(connection, job.id)]


def master(index: Index, folder: Path, category: str, like: str, **more: object) -> str:
    """A certified master with the set-up of a raw frame."""
    folder.mkdir(exist_ok=True)
    header = fits.getheader(folder.parent / "raw" / f"{like}.fits")
    for keyword in ("ESO DPR CATG", "ESO DPR TYPE", "ESO DPR TECH", "ARCFILE"):
        header.remove(keyword, ignore_missing=True)
    header["HIERARCH ESO PRO CATG"] = category
    for keyword, value in more.items():
        header[keyword.replace("_", "-")] = value
    path = folder / f"{category}_{len(list(folder.iterdir()))}.fits"
    fits.PrimaryHDU(np.zeros((2, 2), np.float32), header).writeto(path)
    ingest(index, [path])
    with index.writing() as (connection, books):
        judge(connection, books, [path.stem], "certified", "tester")
    return path.stem


def test_desktop_reduces_everything_from_raw_and_packages_the_product(index: Index) -> None:
    job = planned(index, dp_id=SCIENCE, strategy="desktop")
    assert job.phase == "EXECUTING"
    assert recipes(index, job) == [
        *("naco_img_dark", "naco_img_dark", "naco_img_twflat", "naco_img_jitter", "sdp_package")
    ]
    assert [(answer["dp_id"], answer["mode"]) for answer in job.answers] == [(SCIENCE, "Raw2Raw")]
    assert job.answers[0]["rulebook"].startswith("naco.")


def test_archive_falls_back_to_raw_where_a_master_is_missing_and_says_so(index: Index) -> None:
    job = planned(index, dp_id=SCIENCE, strategy="archive")
    assert len(recipes(index, job)) == 5
    assert any("Raw2Raw answers instead" in message for message in job.messages)


def test_archive_takes_certified_masters(index: Index, tmp_path: Path) -> None:
    for category, like in (("NACO_IMG_DARK_AVG", DARK), ("MASTER_IMG_FLAT", FLAT)):
        master(index, tmp_path / "masters", category, like.dp_ids()[0])
    master(index, tmp_path / "masters", "MASTER_IMG_FLAT_BADPIX", FLAT.dp_ids()[0])
    job = planned(index, dp_id=SCIENCE, strategy="archive")
    assert recipes(index, job) == ["naco_img_jitter", "sdp_package"]


def test_quicklook_never_reduces_a_calibration_and_says_what_is_missing(index: Index) -> None:
    job = planned(index, dp_id=SCIENCE, strategy="quicklook")
    assert job.phase == "ERROR"
    assert job.error is not None
    assert "needs NACO_IMG_DARK_AVG (1 needed, 0 found)" in job.error


def test_quicklook_takes_the_last_certified_master_however_old_and_none_of_later(
    index: Index, tmp_path: Path
) -> None:
    for mjd in (55000.0, 55500.0, 56002.0):
        for category, like in (
            ("NACO_IMG_DARK_AVG", DARK),
            ("MASTER_IMG_FLAT", FLAT),
            ("MASTER_IMG_FLAT_BADPIX", FLAT),
        ):
            master(index, tmp_path / "masters", category, like.dp_ids()[0], MJD_OBS=mjd)
    job = planned(index, dp_id=SCIENCE, strategy="quicklook")
    assert recipes(index, job) == ["naco_img_jitter", "sdp_package"]
    with index.connection() as connection:
        inputs = jobruns.runs_of(connection, job.id)[0].task["inputs"]
    assert [Path(i["path"]).stem for i in inputs if i["tag"] == "MASTER_IMG_FLAT"] == ["MASTER_IMG_FLAT_4"]


def test_qc1_makes_a_job_for_each_group_of_calibrations_of_a_period(index: Index) -> None:
    job = planned(index, strategy="qc1", instrument="naco", night="2012-03-14", last_night="2012-03-18")
    with index.connection() as connection:
        children = jobs.children(connection, job.id)
        tokens = connection.execute(
            "SELECT count(*) FROM procrastinate_jobs WHERE queue_name = 'plan'"
        ).fetchone()
    of = {(child.parameters["action"][0], child.parameters["dp_id"][0]) for child in children}
    groups = (("ACTION_DARK", DARK), ("ACTION_TIMGFLAT", FLAT), ("ACTION_DARK", FLAT_DARK))
    assert of == {(action, template.dp_ids()[0]) for action, template in groups}
    assert {child.phase for child in children} == {"QUEUED"}
    assert tokens is not None
    assert tokens[0] >= 3
    for child in children:
        plan_job(index, child.id, lambda recipe: "naco/1")
    with index.connection() as connection:
        made = {child.id: [r.recipe for r in jobruns.runs_of(connection, child.id)] for child in children}
    assert sorted(made.values()) == [
        ["naco_img_dark"],
        ["naco_img_dark"],
        ["naco_img_dark", "naco_img_twflat"],
    ]
    assert job.phase == "EXECUTING"


def test_a_period_that_two_workers_plan_at_once_is_divided_once(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    with index.connection() as connection:
        job = submit(connection, {name: [value] for name, value in PERIOD.items()})
        run(connection, job)
    read = planning.read_request

    def late(connection: Connection, given: Mapping[str, Sequence[str]]) -> Request:
        monkeypatch.setattr(planning, "read_request", read)
        plan_job(index, job, lambda recipe: "naco/1")  # the other one, meanwhile
        return read(connection, given)

    monkeypatch.setattr(planning, "read_request", late)
    plan_job(index, job, lambda recipe: "naco/1")
    with index.connection() as connection:
        asked = [child.parameters["dp_id"][0] for child in jobs.children(connection, job)]
    assert sorted(asked) == sorted(set(asked)) != []


def test_qc1_of_a_night_without_calibrations_says_so(index: Index) -> None:
    job = planned(index, strategy="qc1", instrument="naco", night="2013-01-01")
    assert job.phase == "ERROR"
    assert job.error == ("no group of naco calibrations that a recipe reduces from 2013-01-01 to 2013-01-01")


def test_until_plans_only_as_far_as_a_category(index: Index) -> None:
    job = planned(index, dp_id=SCIENCE, until="MASTER_IMG_FLAT")
    assert recipes(index, job) == ["naco_img_dark", "naco_img_twflat"]
    wrong = planned(index, dp_id=SCIENCE, until="ARC_MAP")
    assert wrong.phase == "ERROR"
    assert wrong.error is not None
    assert "nothing in its plan makes that; it makes COADDED_IMG, MASTER_IMG_FLAT" in wrong.error


def test_a_job_refuses_calibrations_of_a_worse_level_and_so_do_its_children(index: Index) -> None:
    assert recipes(index, planned(index, dp_id=SCIENCE, min_level="1"))
    job = planned(index, dp_id=SCIENCE, min_level="-1")
    assert job.phase == "ERROR"
    assert job.error is not None
    assert "needs NACO_IMG_DARK_AVG (1 needed, 0 found)" in job.error
    period = planned(index, strategy="qc1", instrument="naco", night="2012-03-14", MIN_LEVEL="0")
    with index.connection() as connection:
        (child, *_) = jobs.children(connection, period.id)
    assert child.parameters["MIN_LEVEL"] == ["0"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"min_level": "best"}, "min_level: 'best' is no level: a whole number from -9 to 9"),
        (
            {"min_level": "0", "strategy": "quicklook"},
            "min_level: quicklook takes the last masters, however old",
        ),
    ],
)
def test_a_level_that_makes_no_sense_for_a_job_is_refused(
    index: Index, more: dict[str, str], said: str
) -> None:
    given = {name: [value] for name, value in more.items()}
    with index.connection() as connection, pytest.raises(RequestError, match=said):
        submit(connection, {"dp_id": [SCIENCE]} | given)


def test_of_several_frames_those_go_on_that_can_be_planned(index: Index) -> None:
    with index.connection() as connection:
        job = submit(connection, {"dp_id": [SCIENCE, DARK.dp_ids()[0]]})
        run(connection, job)
    plan_job(index, job, lambda recipe: "naco/1")
    with index.connection() as connection:
        found = jobs.find(connection, job)
    assert found.phase == "EXECUTING"
    assert found.error is not None
    assert DARK.dp_ids()[0] in found.error or "no recipe reduces" in found.error


def test_everything_that_is_wrong_is_told_at_once(index: Index) -> None:
    wrong = {
        "dp_id": ["NACO.1", SCIENCE],
        "mode": ["Raw2Nothing"],
        "strategy": ["slow"],
        "night": ["yesterday"],
        "priority": ["5_0"],
        "naco_img_dark.x": ["1"],
        "colour": ["blue"],
    }
    with index.connection() as connection, pytest.raises(RequestError) as told:
        submit(connection, wrong)
    lines = str(told.value).splitlines()
    for word in ("NACO.1", "Raw2Nothing", "slow", "yesterday", "5_0", "naco_img_dark", "colour"):
        assert sum(word in line for line in lines) == 1, (word, lines)


PERIOD = {"strategy": "qc1", "instrument": "naco", "night": "2012-03-14"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"dp_id": SCIENCE, "uves_obs_scired.debug": "TRUE"},
            r"^uves_obs_scired: no active rulebook of NAOS\+CONICA runs this recipe; run are .*naco_img_dark",
        ),
        (PERIOD | {"uves_obs_scired.debug": "TRUE"}, "^uves_obs_scired: no active rulebook of naco runs"),
        (
            {"dp_id": SCIENCE, "until": "MASTER_BIAS"},
            r"^until: no active rulebook of NAOS\+CONICA makes 'MASTER_BIAS'; made are .*MASTER_IMG_FLAT",
        ),
        (PERIOD | {"until": "MASTER_BIAS"}, "^until: no active rulebook of naco makes 'MASTER_BIAS'"),
        (
            PERIOD | {"instrument": "Hubble"},
            "^instrument: no active rulebook covers 'hubble'; there are naco$",
        ),
        (
            {"dp_id": SCIENCE, "last_night": "2012-03-18"},
            "^instrument, night and last_night are for strategy qc1 without dp_id$",
        ),
    ],
)
def test_what_no_active_rulebook_offers_is_refused_at_creation(
    index: Index, given: dict[str, str], said: str
) -> None:
    declared = [{"display_name": "debug", "valtype": "bool", "partype": "value"}]
    with index.connection() as connection:
        remember(connection, "uves/1", {"uves_obs_scired": declared})
        with pytest.raises(RequestError, match=said):
            submit(connection, {name: [value] for name, value in given.items()})


def test_parameters_of_a_recipe_that_the_rulebooks_run_are_taken_for_frames_and_for_periods(
    index: Index,
) -> None:
    declared = [{"display_name": "debug", "valtype": "bool", "partype": "value"}]
    with index.connection() as connection:
        remember(connection, "naco/1", {"naco_img_dark": declared})
    planned(index, dp_id=SCIENCE, naco_img_dark__debug="TRUE")
    period = planned(index, naco_img_dark__debug="TRUE", until="NACO_IMG_DARK_AVG", **PERIOD)
    with index.connection() as connection:
        (child, *_) = jobs.children(connection, period.id)
    plan_job(index, child.id, lambda recipe: "naco/1")
    with index.connection() as connection:
        assert jobruns.runs_of(connection, child.id)[0].task["parameters"][-1] == "--debug=TRUE"


def test_of_a_period_with_until_only_the_groups_that_make_it_are_asked_for(index: Index) -> None:
    nights = {**PERIOD, "last_night": "2012-03-17"}
    whole, darks = planned(index, **nights), planned(index, until="NACO_IMG_DARK_AVG", **nights)
    with index.connection() as connection:
        asked = [
            [child.parameters["action"] for child in jobs.children(connection, each.id)]
            for each in (whole, darks)
        ]
    assert ["ACTION_TIMGFLAT"] in asked[0]
    assert asked[1] == [each for each in asked[0] if each == ["ACTION_DARK"]] != []
    none = planned(index, until="COADDED_IMG", **nights)
    assert (none.phase, str(none.error).partition(" from ")[0]) == (
        "ERROR",
        "no group of naco calibrations that a recipe reduces to COADDED_IMG",
    )


def test_a_calibration_that_is_asked_for_as_science_is_led_to_qc1(index: Index) -> None:
    job = planned(index, dp_id=DARK.dp_ids()[0])
    assert (job.phase, str(job.error).endswith("; strategy=qc1 reduces calibrations")) == ("ERROR", True)


def test_a_wrong_instrument_hides_no_other_fault(index: Index) -> None:
    with index.connection() as connection, pytest.raises(RequestError) as told:
        submit(connection, {"dp_id": [SCIENCE], "instrument": ["x"], "until": ["NOTHING"]})
    assert [line.partition(":")[0] for line in str(told.value).splitlines()][-2:] == ["instrument", "until"]


def test_an_action_is_asked_for_a_calibration_of_several_groups(index: Index) -> None:
    dark = DARK.dp_ids()[0]
    with index.connection() as connection:
        submit(connection, {"dp_id": [dark], "strategy": ["qc1"], "action": ["ACTION_DARK"]})
        for given, said in (
            (
                {"dp_id": [SCIENCE], "strategy": ["qc1"]},
                f"{SCIENCE} has DPR.CATG SCIENCE; strategy qc1",
            ),
            (
                {"dp_id": [dark], "strategy": ["qc1"], "action": ["ACTION_BIAS"]},
                "there are ACTION_DARK, ",
            ),
            ({"dp_id": [SCIENCE], "action": ["ACTION_DARK"]}, "action is for strategy qc1 with dp_id"),
        ):
            with pytest.raises(RequestError, match=said):
                submit(connection, given)


def test_a_pending_job_can_be_amended_and_a_running_one_cannot(index: Index) -> None:
    with index.connection() as connection:
        job = submit(connection, {"dp_id": [SCIENCE]})
        amend(connection, jobs.find(connection, job), {"until": ["MASTER_IMG_FLAT"]})
        assert jobs.find(connection, job).parameters == {"dp_id": [SCIENCE], "until": ["MASTER_IMG_FLAT"]}
        run(connection, job)
        with pytest.raises(jobs.PhaseError, match="PENDING only"):
            amend(connection, jobs.find(connection, job), {"until": ["COADDED_IMG"]})
