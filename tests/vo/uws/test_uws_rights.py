from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, TypeAlias

import pytest
from pyvo.io.uws import parse_job

from app.rights.tokens import Gate

Site = Any  # tests/vo/uws/conftest.py
Bearer: TypeAlias = Callable[[str], dict[str, str]]


@pytest.fixture
def anns(site: Site, bearer: Bearer) -> str:
    job: str = site.create(bearer("ann"))
    return job


def test_a_job_tells_its_owner(site: Site, bearer: Bearer, anns: str) -> None:
    document = site.client.get(anns, headers=bearer("ann")).content
    assert parse_job(BytesIO(document)).ownerid == "ann"
    assert site.client.get(f"{anns}/owner", headers=bearer("ann")).text == "ann"
    nobodys = site.create()
    assert site.text(nobodys, "owner") == ""


def doors(site: Site, job: str) -> Iterator[Callable[[dict[str, str]], int]]:
    parts = (
        "phase executionduration destruction quote owner error parameters results events results/x".split()
    )
    for path in (job, *(f"{job}/{part}" for part in parts)):
        yield lambda headers, path=path: site.client.get(path, headers=headers).status_code
    for path, given in (
        (job, {"ACTION": "DELETE"}),
        (f"{job}/phase", {"PHASE": "RUN"}),
        (f"{job}/destruction", {"DESTRUCTION": "2030-01-01T00:00:00Z"}),
        (f"{job}/executionduration", {"EXECUTIONDURATION": "1"}),
        (f"{job}/parameters", {"strategy": "archive"}),
    ):
        yield (
            lambda headers, path=path, given=given: (
                site.client.post(path, data=given, headers=headers).status_code
            )
        )
    yield lambda headers: site.client.delete(job, headers=headers).status_code


def test_nobody_else_sees_or_changes_a_job(site: Site, bearer: Bearer, anns: str) -> None:
    before = site.client.get(anns, headers=bearer("ann")).content
    for door in doors(site, anns):
        assert (door({}), door(bearer("bob"))) == (401, 403)
    assert site.client.get(anns, headers=bearer("ann")).content == before
    wrong = site.client.get(anns, headers={"Authorization": "Bearer x.y.z"})
    assert (wrong.status_code, "invalid_token" in wrong.headers["www-authenticate"]) == (401, True)


def test_a_list_holds_ones_own_jobs(site: Site, bearer: Bearer, anns: str) -> None:
    nobodys = site.create()

    def listed(headers: dict[str, str]) -> list[str]:
        answer = site.client.get("/jobs", params={"responseformat": "json"}, headers=headers)
        return [f"/jobs/{row['id']}" for row in answer.json()["jobs"]]

    assert anns in listed(bearer("ann"))
    assert anns not in listed(bearer("bob")) + listed({})
    # It belongs to whoever knows its address.
    assert nobodys not in listed({}) + listed(bearer("ann"))
    assert site.client.get(nobodys).status_code == 200


@pytest.fixture
def without_issuer(site: Site) -> Iterator[None]:
    gate = site.app.state.gate
    site.app.state.gate = Gate()
    yield
    site.app.state.gate = gate


def test_where_nobody_can_log_in_all_jobs_of_nobody_are_listed(
    site: Site, anns: str, without_issuer: None
) -> None:
    nobodys = site.create()
    rows = site.client.get("/jobs", params={"responseformat": "json"}).json()["jobs"]
    assert nobodys in [f"/jobs/{row['id']}" for row in rows]
    assert anns not in [f"/jobs/{row['id']}" for row in rows]


def test_a_locked_frame_is_reduced_for_its_programme_only(site: Site, bearer: Bearer) -> None:
    def create(headers: dict[str, str]) -> int:
        given = {"dp_id": [site.science, site.secret]}
        return int(site.client.post("/jobs", data=given, headers=headers).status_code)

    assert [create(headers) for headers in ({}, bearer("bob"), bearer("ann"))] == [401, 403, 303]


def test_a_locked_frame_does_not_get_in_by_a_later_change(site: Site, bearer: Bearer) -> None:
    for headers, refused in (({}, 401), (bearer("bob"), 403)):
        job = site.create(headers)
        given = {"DP_ID": site.secret}
        assert site.client.post(f"{job}/parameters", data=given, headers=headers).status_code == refused
        seen = site.client.get(job, params={"responseformat": "json"}, headers=headers).json()
        assert seen["parameters"]["dp_id"] == [site.science]


def test_the_jobs_of_a_period_are_their_owners_too(site: Site, bearer: Bearer) -> None:
    ann = bearer("ann")
    job = site.create(ann, PHASE="RUN", dp_id=[], strategy="qc1", instrument="naco", night="2012-03-15",
                      last_night="2012-03-17")  # fmt: skip
    site.plan(job)
    seen = site.client.get(job, params={"responseformat": "json"}, headers=ann).json()
    child = f"/jobs/{seen['jobs'][0]['id']}"
    assert site.client.get(child).status_code == 401
    assert site.client.get(child, headers=ann).status_code == 200
