from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.associate import NOTHING, Wish
from app.web.wishes import Faults, pairs, read_wish

PATH = "/calselector/v1/associations"
SCIENCE = "UVES.2012-03-12T04:00:00.000"
BIAS = "UVES.2012-03-12T10:00:00.000"

WISHES = st.builds(
    Wish,
    alternatives=st.integers(0, 100),
    max_age=st.none() | st.floats(0, exclude_min=True, allow_infinity=False),
    exclude=st.frozensets(st.from_regex(r"[A-Z]{3,5}\.20\d\d", fullmatch=True), max_size=3),
    prefer=st.sampled_from([None, "raw", "master"]),
    as_of=st.none() | st.datetimes(timezones=st.just(UTC)),
    min_level=st.none() | st.integers(-9, 9),
)


def _read(values: Mapping[str, list[str]]) -> tuple[Wish, Faults]:
    faults: Faults = []
    return read_wish(values, faults), faults


@given(WISHES)
def test_a_wish_written_into_an_address_is_read_as_the_same(wish: Wish):
    values: dict[str, list[str]] = {}
    for name, value in pairs(wish):
        values.setdefault(name, []).append(value)
    assert _read(values) == (wish, [])


def test_without_parameters_nothing_is_wished():
    assert _read({}) == (NOTHING, [])
    assert pairs(NOTHING) == ()


@pytest.mark.parametrize(
    ("word", "time"),
    [
        ("2024-03-01", datetime(2024, 3, 1, tzinfo=UTC)),
        ("2024-03-01t12:00:00z", datetime(2024, 3, 1, 12, tzinfo=UTC)),
        ("2024-03-01T12:00:00.5", datetime(2024, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("2024-03-01T12:00:00+02:00", datetime(2024, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_a_time_without_zone_is_utc(word: str, time: datetime):
    wish, faults = _read({"as_of": [word]})
    assert (wish.as_of, faults) == (time, [])


@pytest.mark.parametrize(
    ("name", "word"),
    [
        *(("alternatives", word) for word in ("-1", "101", "1_0", "1.5", "", "many", "٣", "9" * 5000)),
        *(("max_age", word) for word in ("0", "-3", "nan", "inf", "1e999", "", "week")),
        *(("min_level", word) for word in ("", "10", "-10", "0.5", "1_0", "٣", "calib_plan", "9" * 5000)),
        *(("as_of", word) for word in ("yesterday", "2024-13-01", "2024-03-01T12:00:00 02:00", "", "9" * 99)),
        *(("prefer", word) for word in ("best", "", "raw,master")),
        ("exclude", ""),
        ("exclude", "A\0"),
    ],
)
def test_nonsense_is_named(name: str, word: str):
    wish, (fault,) = _read({name: [word]})
    assert fault.startswith(f"{name}=")
    if name != "exclude":
        assert wish == NOTHING


def test_every_fault_is_told_at_once(client: httpx.Client):
    asked = {
        "alternatives": "x",
        "max_age": "x",
        "min_level": "x",
        "prefer": "x",
        "as_of": "x",
        "explain": "x",
        "mode": "x",
    }
    answer = client.get(PATH, params=asked)
    assert answer.status_code == 400
    told = answer.text.splitlines()
    assert len(told) == 8  # and no dp_id
    assert all(any(name in line for line in told) for name in (*asked, "dp_id"))


def test_names_and_words_ignore_case_but_frames_do_not(client: httpx.Client):
    small = {"dp_id": SCIENCE, "prefer": "master", "explain": "true", "responseformat": "json"}
    great = {"DP_ID": SCIENCE, "PREFER": "MASTER", "Explain": "True", "RESPONSEFORMAT": "JSON"}
    assert client.get(PATH, params=small).content == client.get(PATH, params=great).content


def test_alternatives_are_told_for_each_slot(client: httpx.Client):
    answer = client.get(
        PATH, params={"dp_id": SCIENCE, "alternatives": "2", "responseformat": "json", "prefer": "raw"}
    )
    slots = {slot["label"]: slot for slot in answer.json()["tree"]["slots"]}
    assert [rival["name"] for rival in slots["MASTER_BIAS_BLUE"]["why"]["rivals"]] == [
        "M.UVES.2012-03-13T00:00:00.001"
    ]


def test_an_excluded_frame_is_not_chosen_and_nothing_is_hidden_afterwards(client: httpx.Client):
    before = client.get(PATH, params={"dp_id": SCIENCE})
    without = client.get(PATH, params={"dp_id": SCIENCE, "exclude": BIAS})
    assert without.status_code == 200
    assert BIAS in before.text
    assert f'name="{BIAS}"' not in without.text
    assert client.get(PATH, params={"dp_id": SCIENCE}).content == before.content


def test_before_its_arrival_a_frame_is_unknown(client: httpx.Client):
    for dp_ids in ([SCIENCE], [SCIENCE, "UVES.2012-03-12T05:00:00.000"]):
        answer = client.get(PATH, params={"dp_id": dp_ids, "as_of": "2001-01-01"})
        assert answer.status_code == 404


def test_an_age_limit_refuses_what_is_older(client: httpx.Client):
    asked = {"dp_id": SCIENCE, "responseformat": "json", "max_age": "0.01"}
    slots = client.get(PATH, params=asked).json()["tree"]["slots"]
    assert [slot["label"] for slot in slots if slot["satisfied"]] == ["LINE_REFER_TABLE"]


def test_every_choice_has_its_level_and_the_root_the_worst(client: httpx.Client):
    tree = client.get(PATH, params={"dp_id": SCIENCE, "responseformat": "json"}).json()
    found = {slot["label"]: slot["chosen"][0] for slot in tree["tree"]["slots"]}
    told = {label: (each["match"], each["level"]) for label, each in found.items()}
    assert told == {
        "MASTER_BIAS_BLUE": ("calib_plan", 0),
        "MASTER_FLAT_BLUE": ("calib_plan", 0),
        "LINE_REFER_TABLE": ("N/A", None),
    }
    first = tree["tree"]["children"][0]
    assert (first["match"], first["level"]) == ("N/A", None)
    assert (tree["worst_level"], tree["tree"]["level"]) == (0, None)


def test_a_least_level_refuses_what_is_worse_and_says_so(client: httpx.Client):
    asked = {"dp_id": SCIENCE, "responseformat": "json", "min_level": "-1", "alternatives": "2"}
    tree = client.get(PATH, params=asked).json()
    slots = {slot["label"]: slot for slot in tree["tree"]["slots"]}
    assert [label for label, slot in slots.items() if slot["satisfied"]] == ["LINE_REFER_TABLE"]
    refused = [each["clause"] for each in slots["MASTER_BIAS_BLUE"]["why"]["refused"]]
    assert "min_level -1: level 0" in refused
    assert slots["MASTER_BIAS_BLUE"]["why"]["needed"].count("level -1 or better") == 1
    assert tree["worst_level"] is None
    text = client.post(PATH, data=asked | {"responseformat": "xml", "explain": "true"}).text
    assert "refused by min_level -1: level 0" in text
    assert "asked with alternatives=2, min_level=-1" in text


def test_a_least_level_that_refuses_nothing_changes_nothing(client: httpx.Client):
    asked = {"dp_id": SCIENCE, "explain": "false"}
    assert (
        client.get(PATH, params=asked | {"min_level": "0"}).content == client.get(PATH, params=asked).content
    )


def test_a_wrong_level_is_refused_with_those_that_there_are(client: httpx.Client):
    answer = client.get(PATH, params={"dp_id": SCIENCE, "min_level": "good"})
    assert answer.status_code == 400
    told = "min_level='good' is no level: a whole number from -9 to 9; 0 is the calibration plan"
    assert answer.text.strip() == told


def test_many_frames_with_a_changed_archive_are_refused(client: httpx.Client):
    answer = client.post(PATH, data={"dp_id": [f"U{i}" for i in range(101)], "exclude": BIAS})
    assert answer.status_code == 400
    assert "with exclude or as_of, ask for at most 100 dp_ids" in answer.text


def test_links_back_to_the_question_keep_the_wishes(client: httpx.Client):
    asked = {"dp_id": SCIENCE, "responseformat": "votable", "max_age": "3", "explain": "true"}
    answer = client.get(PATH, params=asked)
    assert f"?dp_id={SCIENCE}&mode=Raw2Raw&explain=true&max_age=3]]" in answer.text
