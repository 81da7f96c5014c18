"""Quality over HTTP: verdicts take a role and are all or nothing, numbers are scored, changes are listed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.archive.database import connect
from app.archive.index import Index
from app.archive.storing import store
from app.classify import Frame
from app.config import Settings
from app.header import Header
from app.ingest import use_rules
from app.rulebook import load_library

PATH = "/certifications"
CHANGES = "/calselector/v1/changes"
USERS = {
    "ann": {"password": "a", "roles": ["certifier", "else"]},
    "bob": {"password": "b", "roles": ["else"]},
}
THRESHOLDS = """
[MASTER_BIAS_BLUE]
setup = ["DET.READ.SPEED"]
[MASTER_BIAS_BLUE."QC.OUT1.RON.RAW"]
unit = "ADU"
good = [1, 3]
usable = [0, inf]
source = "inferred: for the test"
[MASTER_BIAS_BLUE."QC.MISSING"]
good = [0, 1]
source = "inferred: for the test"
"""
MJD = 55998.0


def _frame(dp_id: str, mjd: float, **more: Any) -> Frame:
    keywords = {
        "INSTRUME": "UVES",
        "MJD-OBS": mjd,
        "DET.READ.SPEED": "225kHz,1x1,low",
        "INS.GRAT1.WLEN": 390.0,
        "DPR.TECH": "ECHELLE",
        "TPL.START": dp_id,
        **more,
    }
    release = keywords.pop("release", None)
    return Frame(dp_id, Header(keywords), size=100, release_date=release)


SCIENCE = {"DPR.CATG": "SCIENCE", "DPR.TYPE": "OBJECT,POINT"}
BIAS = {"DPR.CATG": "CALIB", "DPR.TYPE": "BIAS", "TPL.START": "biases"}
MASTER = {"PRO.CATG": "MASTER_BIAS_BLUE"}


@pytest.fixture
def url(database_url: str, rules: Path) -> str:
    engine = connect(database_url)
    index = Index(engine)
    use_rules(index, load_library(rules), rules)
    locked = {"PRO.CATG": "RED", "PRO.SCIENCE": True, "release": "2112-01-01T00:00:00Z"}
    put(
        index,
        _frame("SCI", MJD + 0.1, **SCIENCE),
        *(_frame(f"B{n}", MJD + 0.4 + n / 1000, **BIAS) for n in range(3)),
        *(_frame(f"M{n}", MJD + 0.5 + n, **MASTER, **{"QC.OUT1.RON.RAW": 2.0 + n}) for n in range(3)),
        _frame("SECRET", MJD + 0.1, **locked, **{"QC.SNR": 4.5}),
    )
    engine.dispose()
    return database_url


def put(index: Index, *frames: Frame) -> None:
    with index.writing() as (connection, books):
        store(connection, books, frames)


@pytest.fixture
def service(url: str, serve, tmp_path: Path) -> Iterator[httpx.Client]:
    (tmp_path / "users.json").write_bytes(orjson.dumps(USERS))
    (tmp_path / "rules/uves").mkdir(parents=True)
    (tmp_path / "rules/uves/qc.toml").write_text(THRESHOLDS)
    rules = tmp_path / "rules"
    with serve(
        Settings(database_url=url, home=tmp_path, dev_users=tmp_path / "users.json", rules=rules)
    ) as client:
        client.headers["accept"] = "application/json"
        yield client


@pytest.fixture
def say(service: httpx.Client) -> Callable[..., httpx.Response]:
    """Posts a verdict as a user."""

    def post(who: str | None, body: Any) -> httpx.Response:
        headers = {}
        if who:
            given = {"grant_type": "password", "username": who, "password": USERS[who]["password"]}
            token = service.post("/sso/oidc/token", data=given).json()["id_token"]
            headers = {"Authorization": f"Bearer {token}"}
        return service.post(PATH, content=orjson.dumps(body), headers=headers)

    return post


def history(service: httpx.Client, *dp_ids: str) -> Any:
    return service.get(PATH, params={"dp_id": dp_ids}).json()


def test_certifying_takes_the_role_and_keeps_who_when_and_why(service: httpx.Client, say) -> None:
    body = {"dp_ids": ["M0", "M1"], "verdict": "certified"}
    nobody, other = say(None, body), say("bob", body)
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, 'Bearer realm="CalSelector"')
    assert other.status_code == 403
    assert "takes the role 'certifier', which the token of bob does not name" in other.json()["error"]
    assert history(service, "M0") == []
    start = datetime.now(UTC)
    done = say("ann", body)
    done_by = datetime.now(UTC)
    assert done.status_code == 201
    assert [each["dp_id"] for each in done.json()] == ["M0", "M1"]
    assert history(service, "M0", "M1") == done.json()
    (first, _) = done.json()
    assert (first["verdict"], first["who"], first["was"], first["reason"]) == ("certified", "ann", False, "")
    slack = timedelta(minutes=1)  # between two clocks
    assert start - slack <= datetime.fromisoformat(first["at"]) <= done_by + slack
    assert say("ann", {"dp_ids": ["M0"], "verdict": "rejected", "reason": " noisy "}).status_code == 201
    assert [(e["verdict"], e["reason"]) for e in history(service, "M0")] == [
        ("certified", ""),
        ("rejected", "noisy"),
    ]
    answer = service.get(PATH, params={"dp_id": "M0"}, headers={"accept": "text/csv"})
    assert [row["verdict"] for row in csv.DictReader(io.StringIO(answer.text))] == ["certified", "rejected"]


@pytest.mark.parametrize("verdict", ["rejected", "hidden"])
def test_taking_away_needs_a_reason(say, verdict: str) -> None:
    for reason in ({}, {"reason": ""}, {"reason": "  "}):
        refused = say("ann", {"dp_ids": ["M0"], "verdict": verdict, **reason})
        assert (refused.status_code, f"a frame is {verdict} for a reason" in refused.text) == (400, True)


def test_one_unknown_frame_leaves_all_as_they_were(service: httpx.Client, say) -> None:
    refused = say("ann", {"dp_ids": ["M0", "NONE", "NEITHER"], "verdict": "certified"})
    assert refused.status_code == 404
    assert "2 dp_ids are not in this archive: 'NONE', 'NEITHER'" in refused.json()["error"]
    assert history(service, "M0") == []


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ([], ["no JSON object"]),
        ({}, ["dp_ids is a list", "verdict is one of certified, rejected, hidden, shown"]),
        ({"dp_ids": [], "verdict": "good"}, ["dp_ids is a list", "verdict is one of"]),
        ({"dp_ids": "M0", "verdict": "certified"}, ["dp_ids is a list"]),
        ({"dp_ids": [1], "verdict": "certified"}, ["dp_ids is a list"]),
        ({"dp_ids": ["M\0"], "verdict": "certified"}, ["printable characters only"]),
        ({"dp_ids": ["M0"], "verdict": "hidden", "reason": 1}, ["reason is a text"]),
        ({"dp_ids": ["M0"], "verdict": "certified", "reason": "x\0"}, ["reason is a text"]),
        ({"dp_ids": ["M0"], "verdict": "certified", "by": "me"}, ["there is no by"]),
    ],
)
def test_everything_that_is_wrong_is_told_at_once(say, body: Any, faults: list[str]) -> None:
    refused = say("ann", body)
    assert refused.status_code == 400
    assert [fault for fault in faults if fault not in refused.json()["error"]] == []


def test_no_json_too_many_and_questions_without_sense_are_refused(service: httpx.Client, say) -> None:
    assert say("ann", {"dp_ids": ["x"] * 10_001, "verdict": "certified"}).status_code == 413
    token = say("ann", {"dp_ids": ["M0"], "verdict": "shown"}).request.headers["authorization"]
    assert service.post(PATH, content=b"{", headers={"Authorization": token}).status_code == 400
    assert service.get(PATH).status_code == 400
    assert service.get(PATH, params={"dp_id": "NONE"}).status_code == 404
    assert service.get(PATH, params={"dp_id": "SECRET"}).status_code == 401
    assert service.get(PATH, params={"dp_id": "M0"}, headers={"accept": "image/png"}).status_code == 406


def test_another_role_may_be_the_one(url: str, serve, tmp_path: Path) -> None:
    (tmp_path / "users.json").write_bytes(orjson.dumps(USERS))
    given = Settings(
        database_url=url, home=tmp_path, dev_users=tmp_path / "users.json", certifier_role="else"
    )
    with serve(given) as client:
        login = {"grant_type": "password", "username": "bob", "password": "b"}
        token = client.post("/sso/oidc/token", data=login).json()["id_token"]
        body = orjson.dumps({"dp_ids": ["M0"], "verdict": "certified"})
        done = client.post(PATH, content=body, headers={"Authorization": f"Bearer {token}"})
        assert done.status_code == 201


def test_numbers_are_listed_with_scores_and_limits(service: httpx.Client) -> None:
    found = service.get("/qc", params={"instrument": "uves", "parameter": "OUT1.RON.RAW"}).json()
    assert found["truncated"] is False
    assert [(v["dp_id"], v["value"], v["score"]) for v in found["values"]] == [
        ("M0", 2.0, "good"),
        ("M1", 3.0, "good"),
        ("M2", 4.0, "warning"),
    ]
    first = found["values"][0]
    assert (first["unit"], first["good_low"], first["good_high"], first["usable_high"]) == ("ADU", 1, 3, None)
    newest = service.get("/qc", params={"instrument": "UVES", "limit": 1, "category": "MASTER_BIAS_BLUE"})
    assert ([v["dp_id"] for v in newest.json()["values"]], newest.json()["truncated"]) == (["M2"], True)
    assert newest.headers["truncated"] == "true"
    later = service.get(
        "/qc", params={"instrument": "uves", "since": "2012-03-13T12:00:00", "until": "2013-01-01"}
    )
    assert [v["dp_id"] for v in later.json()["values"]] == ["M1", "M2"]
    table = service.get("/qc", params={"dp_id": "M0", "responseformat": "csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [(row["parameter"], row["value"], row["score"], row["usable_high"]) for row in rows] == [
        ("QC.OUT1.RON.RAW", "2.0", "good", "inf"),
        ("QC.MISSING", "", "unscored", "1.0"),
    ]


def test_numbers_of_locked_products_are_not_told(service: httpx.Client) -> None:
    assert "SECRET" not in service.get("/qc").text
    assert service.get("/qc", params={"dp_id": "SECRET"}).status_code == 401
    assert service.get("/qc", params={"dp_id": "NONE"}).status_code == 404


@pytest.mark.parametrize(
    "question",
    [
        {"limit": "0"},
        {"limit": "10001"},
        {"limit": "x"},
        {"since": "yesterday"},
        {"categry": "X"},
        {"category": ["A", "B"]},
        {"category": "a\0"},
        {"responseformat": "xml"},
    ],
)
def test_a_question_that_makes_no_sense_is_told_what_does(service: httpx.Client, question: Any) -> None:
    assert service.get("/qc", params=question).status_code == 400


def test_what_has_changed_is_listed_page_by_page(service: httpx.Client, url: str) -> None:
    since = datetime.now(UTC).isoformat()
    engine = connect(url)
    put(
        Index(engine),
        *(_frame(f"N{n}", MJD + 0.2 + n / 1000, **BIAS | {"TPL.START": "new"}) for n in range(3)),
    )
    engine.dispose()
    answer = service.get(CHANGES, params={"since": since})
    found = answer.json()
    assert answer.status_code == 200
    assert [(each["dp_id"], each["slots"][0]["path"]) for each in found["changes"]] == [
        ("SCI", "MASTER_BIAS_BLUE")
    ]
    slot = found["changes"][0]["slots"][0]
    assert (slot["before"][0]["dp_id"], slot["after"][0]) == (
        "B0",
        {"dp_id": "N0", "files": 3, "certified": False},
    )
    assert {cause["subject"] for cause in found["changes"][0]["causes"]} == {"N0", "N1", "N2"}
    assert (found["truncated"], found["next"], "link" in answer.headers) == (False, None, False)
    assert service.get(CHANGES, params={"since": found["until"]}).json()["changes"] == []
    table = service.get(CHANGES, params={"since": since, "responseformat": "csv", "limit": 1})
    (row,) = csv.DictReader(io.StringIO(table.text))
    assert (row["before"], row["after"], row["complete_after"]) == ("B0", "N0", "false")
    assert service.get(CHANGES, params={"since": since, "instrument": "naco"}).json()["compared"] == 0


@pytest.mark.parametrize(
    "question",
    [{}, {"since": "x"}, {"since": ["2020-01-01", "2021-01-01"]}, {"since": "2020-01-01", "mode": "raw"}],
)
def test_changes_since_nonsense_are_refused(service: httpx.Client, question: Any) -> None:
    assert service.get(CHANGES, params=question).status_code == 400


def test_what_is_cut_leads_to_the_rest(service: httpx.Client, url: str) -> None:
    engine = connect(url)
    index = Index(engine)
    put(index, _frame("SCJ", MJD + 0.15, **SCIENCE))
    since = datetime.now(UTC).isoformat()
    put(index, *(_frame(f"N{n}", MJD + 0.2 + n / 1000, **BIAS | {"TPL.START": "new"}) for n in range(3)))
    engine.dispose()
    first = service.get(CHANGES, params={"since": since, "limit": 1})
    assert (first.json()["next"], first.json()["truncated"]) == ("SCI", True)
    link = first.headers["link"]
    assert link.endswith('>; rel="next"')
    second = service.get(link.partition(">")[0].removeprefix("<"))
    assert [each["dp_id"] for each in second.json()["changes"]] == ["SCJ"]
    assert second.json()["next"] is None
