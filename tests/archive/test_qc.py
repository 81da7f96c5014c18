"""Numbers of quality control: recorded once, as the header has them, and compared with their like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from alembic import command
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from app.archive import qc
from app.archive.database import alembic_config
from app.archive.index import Index
from app.archive.quality import judge
from app.archive.storing import store
from app.classify import Frame
from app.errors import UnknownFrameError
from app.header import Header
from app.rulebook.thresholds import Standard, Standards, Threshold, Trend

MakeFrame = Callable[..., Frame]
TREND = Threshold("QC.RON", "inferred", "ADU", good=(0, 10), trend=Trend(3, 6, last=4, least=2, floor=0.1))
SKY = Threshold("QC.SKY", "inferred", good=(0, 1))
STANDARDS: Standards = {("TOY", "MASTER_BIAS"): Standard(("DET.READ",), (TREND, SKY), "toy/qc.toml 1234")}


def put(index: Index, *frames: Frame) -> None:
    with index.writing() as (connection, books):
        store(connection, books, frames)


def say(index: Index, verdict: Any, *dp_ids: str, who: str = "me") -> None:
    with index.writing() as (connection, books):
        judge(connection, books, dp_ids, verdict, who, "seen")


def master(make: MakeFrame, name: str, mjd: float | None, ron: float, **more: Any) -> Frame:
    return make(name, "", mjd, **{"PRO.CATG": "MASTER_BIAS", "QC.RON": ron, **more})


def rows(index: Index) -> list[Any]:
    with index.connection() as connection:
        return connection.execute(
            "SELECT f.dp_id, v.instrume, v.category, v.parameter, v.value, v.mjd "
            "FROM qc_value v JOIN frame f ON f.id = v.frame_id ORDER BY 1, 4"
        ).fetchall()


def scores(index: Index, dp_id: str) -> dict[str, tuple[str, int]]:
    with index.connection() as connection:
        found = qc.scores(connection, STANDARDS, dp_id)
    return {each.parameter: (each.score.grade, each.score.past) for each in found}


def test_the_numbers_of_products_are_recorded_and_no_texts_nor_those_of_raw_frames(
    index: Index, make: MakeFrame
) -> None:
    more = {"QC.DID": "TOY-1", "QC.OK": True, "PRO.DATANCOM": 5, "PRO.REC1.ID": "x", "QCX": 1}
    put(index, master(make, "M", 55000.5, 2.5, **more), make("B", "BIAS", **{"QC.RON": 1.0}))
    where = ("M", "TOY", "MASTER_BIAS")
    assert rows(index) == [
        (*where, "PRO.DATANCOM", 5.0, 55000.5),
        (*where, "QC.OK", 1.0, 55000.5),
        (*where, "QC.RON", 2.5, 55000.5),
    ]


def test_twice_is_once_and_a_changed_product_has_its_new_numbers(index: Index, make: MakeFrame) -> None:
    put(index, master(make, "M", 55000.5, 2.5, **{"QC.SKY": 1.0}))
    first = rows(index)
    put(index, master(make, "M", 55000.5, 2.5, **{"QC.SKY": 1.0}))
    assert rows(index) == first
    put(index, master(make, "M", 55000.5, 3.5))
    assert [row[3:5] for row in rows(index)] == [("QC.RON", 3.5)]


_NAMES = st.sampled_from(["QC.RON", "QC.A B", "PRO.DATAAVG", "PRO.CATG2", "QC", "XQC.RON", "QC.ü"])
_VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "1.5", "T"]),
)


@settings(max_examples=25)
@given(headers=st.lists(st.dictionaries(_NAMES, _VALUES), min_size=1, max_size=5), raw=st.booleans())
def test_upgrading_records_what_ingesting_would_have(
    make_shared_database: Callable[[], str], headers: list[dict[str, Any]], raw: bool
) -> None:
    from app.archive.database import connect

    engine = connect(make_shared_database(), pool_size=2)
    try:
        index = Index(engine)
        frames = []
        for n, header in enumerate(headers):
            base: dict[str, Any] = {"INSTRUME": "TOY", "MJD-OBS": 55000.0 + n}
            frames.append(
                Frame(f"M{n}", Header(base | ({} if raw and n == 0 else {"PRO.CATG": "C"}) | header))
            )
        put(index, *frames)
        ingested = rows(index)
        _again(engine)
        assert rows(index) == ingested
    finally:
        engine.dispose()


def _again(engine: Engine) -> None:
    """Migration 0005 (and what follows) anew."""
    config = alembic_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
        command.upgrade(config, "head")


def test_history_is_of_certified_products_of_the_set_up_before_and_no_more_than_asked_for(
    index: Index, make: MakeFrame
) -> None:
    put(index, *(master(make, f"M{n}", 55000.0 + n, 2.0 + n / 100) for n in range(7)))
    put(index, *(master(make, f"SLOW{n}", 55000.5 + n, 9.0, **{"DET.READ": "slow"}) for n in range(3)))
    assert scores(index, "M6") == {"QC.RON": ("good", 0), "QC.SKY": ("unscored", 0)}
    say(index, "certified", "M0", "M1", "M2", "M3", "M4", "M5", "M6", "SLOW0", "SLOW1", "SLOW2")
    assert [scores(index, f"M{n}")["QC.RON"][1] for n in range(7)] == [0, 1, 2, 3, 4, 4, 4]
    say(index, "hidden", "M5")
    say(index, "rejected", "M4")
    assert scores(index, "M6")["QC.RON"] == ("good", 4)
    put(index, master(make, "ODD", 55010.0, 9.0), master(make, "NEXT", 55010.0, 2.05))
    assert scores(index, "ODD")["QC.RON"] == ("bad", 4)
    put(index, master(make, "TIMELESS", None, 9.0))
    assert scores(index, "TIMELESS")["QC.RON"] == ("good", 0)


def test_lists_hold_the_newest_in_time_order(index: Index, make: MakeFrame) -> None:
    put(index, *(master(make, f"M{n}", 55000.0 + n, 2.0 + n, **{"QC.SKY": 0.5}) for n in range(4)))
    with index.connection() as connection:

        def names(**asked: Any) -> list[str]:
            found = qc.measured(connection, STANDARDS, **asked)
            return [f"{each.dp_id} {each.parameter}" for each in found]

        assert names(parameter="RON") == [f"M{n} QC.RON" for n in range(4)]
        assert names(limit=3) == ["M2 QC.SKY", "M3 QC.RON", "M3 QC.SKY"]
        assert names(since=55001.0, until=55002.0) == ["M1 QC.RON", "M1 QC.SKY"]
        assert names(dp_ids=["M0"], category="MASTER_BIAS", instrumes=["TOY"]) == ["M0 QC.RON", "M0 QC.SKY"]
        assert names(category="OTHER") == names(instrumes=["UVES"]) == names(dp_ids=[]) == []


def test_what_a_person_rejected_waits_for_no_score(index: Index, make: MakeFrame) -> None:
    put(index, *(master(make, f"M{n}", 55000.0 + n, 2.0) for n in range(5)), make("B", "BIAS"))
    say(index, "certified", "M0")
    say(index, "rejected", "M1")
    say(index, "hidden", "M2")
    say(index, "certified", "M3")
    put(index, master(make, "M3", 55003.0, 2.5))  # other content: ingest takes the certification away
    with index.connection() as connection:
        assert qc.unjudged(connection) == ["M3", "M4"]
        assert qc.unjudged(connection, dp_ids=["M4", "M0"], instrumes=["TOY"]) == ["M4"]
        assert qc.unjudged(connection, category="OTHER") == []


def test_an_unknown_product_is_told(index: Index) -> None:
    with index.connection() as connection, pytest.raises(UnknownFrameError):
        qc.scores(connection, STANDARDS, "NONE")
