import hashlib
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from astropy.io import fits

from processing.simulate import SimulationError, archive, echelle, naco, uves
from processing.simulate.echelle import Order
from processing.simulate.fits import mjd
from processing.simulate.nightlog import LOG, Template, named
from processing.simulate.truth import Truth, check

ORDERS = (Order(103, (1500.0,), (90.0, 4493.5)),)
TRUTH = archive.bookkeeping(ORDERS)
# Plan windows [days] of the rule books and the template that each direct association must find.
DIRECT = [
    ("UVES", "science", "bias", 4.0),
    ("UVES", "science", "order", 1.5),
    ("UVES", "science", "arc", 1.5),
    ("UVES", "science", "flat", 3.0),
    ("UVES", "incomplete", "bias", 4.0),
    ("UVES", "incomplete", "order-346", 1.5),
    ("UVES", "incomplete", "flat-346", 3.0),
    ("NACO", "jitter", "dark", 1.0),
    ("NACO", "jitter", "twilight", 14.0),
    ("NACO", "twilight", "twilight-dark", 1.0),
]
# What the rules compare beside the kind of frame, by kind.
UVES_KEYS = {
    "BIAS": ("DET.CHIPS", "DET.WIN1.BINX", "DET.WIN1.BINY", "DET.READ.SPEED"),
    "ORDERDEF": ("DET.WIN1.BINX", "INS.MODE", "INS.GRAT1.WLEN"),
    "WAVE": ("DET.WIN1.BINX", "INS.MODE", "INS.GRAT1.WLEN", "INS.SLIT2.WID"),
    "FLAT": ("DET.READ.SPEED", "INS.MODE", "INS.GRAT1.WLEN", "INS.SLIT2.WID"),
}
NACO_KEYS = {
    "DARK": ("DET.DIT", "DET.NCORRS.NAME", "DET.MODE.NAME", "INS.OPTI7.NAME"),
    "TWFLAT": ("INS.OPTI4.NAME", "INS.OPTI5.NAME", "INS.OPTI6.NAME", "INS.OPTI7.NAME", "DET.WIN.NX"),
}


def _distance(entry: Template, trigger: Template) -> timedelta:
    return abs(entry.times()[0] - trigger.times()[0])


def _matches(entry: Template, wanted: Template, trigger: Template) -> bool:
    keys = (UVES_KEYS if wanted.instrument == "UVES" else NACO_KEYS)[wanted.kind]
    of, to = archive.cards(entry, 0), archive.cards(trigger, 0)
    return (entry.instrument, entry.kind) == (wanted.instrument, wanted.kind) and all(
        of[key] == to[key] for key in keys
    )


def _cut(entry: Template, trigger: Template) -> bool:
    """Whether a breakpoint that concerns this kind lies between the two."""
    ends = sorted(mjd(one.times()[0]) for one in (entry, trigger))
    return any(
        ends[0] < point.mjdObs < ends[1]
        and point.instrument == entry.instrument
        and (point.rawType == "ANY" or entry.kind == "BIAS")
        for point in archive.BREAKPOINTS
    )


@pytest.mark.parametrize(("instrument", "trigger", "wanted", "plan"), DIRECT)
def test_the_right_group_is_the_nearest_that_may_be_used(
    instrument: str, trigger: str, wanted: str, plan: float
) -> None:
    start, right = named(instrument, trigger), named(instrument, wanted)
    usable = [
        entry
        for entry in LOG
        if _matches(entry, right, start) and entry.certified and not entry.hidden and not _cut(entry, start)
    ]
    assert min(usable, key=lambda entry: _distance(entry, start)) is right
    assert _distance(right, start) <= timedelta(days=plan)


@pytest.mark.parametrize(
    ("instrument", "trigger", "wanted"), [(i, t, w) for i, t, w, _ in DIRECT if not w.endswith("346")]
)
def test_each_right_group_has_a_decoy_nearer_in_time(instrument: str, trigger: str, wanted: str) -> None:
    start, right = named(instrument, trigger), named(instrument, wanted)
    same = [e for e in LOG if (e.instrument, e.kind) == (right.instrument, right.kind) and e.why]
    if trigger == "incomplete":  # its biases are the certified ones; the decoys lie before them
        assert same
    else:
        assert min(_distance(entry, start) for entry in same) < _distance(right, start)


@pytest.mark.parametrize(
    "trap", [lambda e: not e.certified, lambda e: e.hidden, lambda e: "breakpoint" in e.why]
)
def test_a_trap_differs_from_the_right_group_in_nothing_else(trap: Callable[[Template], bool]) -> None:
    for entry in filter(trap, LOG):
        rights = [e for e in LOG if e.name and (e.kind, e.setup) == (entry.kind, entry.setup)]
        assert rights, entry


def test_the_incomplete_science_frame_has_an_arc_only_outside_the_window() -> None:
    science = named("UVES", "incomplete")
    arcs = [e for e in LOG if e.kind == "WAVE" and e.setup == science.setup]
    assert [_distance(arc, science) > timedelta(days=7) for arc in arcs] == [True]
    assert TRUTH.incomplete_reason not in TRUTH.expected[TRUTH.incomplete_science]


def test_lamp_flats_lie_outside_their_window_of_seven_days() -> None:
    lamps = [entry for entry in LOG if entry.kind == "LAMPFLAT"]
    assert lamps
    assert all(_distance(entry, named("NACO", "jitter")) > timedelta(days=7) for entry in lamps)


def test_the_acquisition_belongs_to_the_observation_block_of_the_science_frames() -> None:
    acquisition, science = (archive.cards(named("NACO", n), 0) for n in ("acquisition", "jitter"))
    assert all(acquisition[key] == science[key] for key in ("OBS.ID", "OBS.PROG.ID"))
    others = [archive.cards(e, 0)["OBS.ID"] for e in LOG if e.kind == "ACQUISITION" and not e.name]
    assert others
    assert science["OBS.ID"] not in others


def test_the_archive_spans_at_least_five_nights() -> None:
    nights = {(time - timedelta(hours=16)).date() for entry in LOG for time in entry.times()}
    assert len(nights) >= 5


def test_no_two_frames_share_a_dp_id_or_a_time() -> None:
    for instrument in ("UVES", "NACO"):
        times = [t for entry in LOG if entry.instrument == instrument for t in entry.times()]
        assert max(Counter(times).values()) == 1


def test_frames_of_an_instrument_do_not_overlap() -> None:
    for instrument in ("UVES", "NACO"):
        spans = sorted(
            (e.times()[0], e.times()[-1] + timedelta(seconds=e.about.exptime))
            for e in LOG
            if e.instrument == instrument
        )
        assert all(first[1] < second[0] for first, second in pairwise(spans))


def test_a_decoy_is_never_expected() -> None:
    expected = {dp_id for slots in TRUTH.expected.values() for group in slots.values() for dp_id in group}
    decoys = {decoy.dp_id for decoy in TRUTH.decoys}
    assert not expected & decoys
    assert set(TRUTH.hidden) | set(TRUTH.uncertified) <= decoys
    assert not decoys & {TRUTH.uves_science, TRUTH.naco_science, TRUTH.incomplete_science}


def test_the_frames_of_a_template_share_all_but_their_own_keywords() -> None:
    own = {"MJD-OBS", "DATE-OBS", "UTC", "LST", "ARCFILE", "TPL.EXPNO"}
    moving = {"SEQ.CUMOFFSETX", "SEQ.CUMOFFSETY", "CRPIX1", "CRPIX2", "INS.LAMP2.SET"}
    for entry in LOG:
        first = archive.cards(entry, 0)
        for number in range(1, entry.n):
            other = archive.cards(entry, number)
            assert {key for key in first if first[key] != other[key]} <= own | moving


@pytest.mark.parametrize(
    ("keyword", "kind"),
    [
        ("EXPTIME", float),
        ("MJD-OBS", float),
        ("TPL.NEXP", int),
        ("TPL.EXPNO", int),
        ("OBS.ID", int),
        ("DET.NDIT", int),
        ("DET.NCORRS", int),
        ("INS.LAMP2.SET", int),
        ("DET.DIT", float),
        ("SEQ.CUMOFFSETX", float),
        ("DET.CHIPS", int),
        ("DET.WIN1.BINX", int),
        ("DET.OUT1.PRSCX", int),
        ("INS.GRAT1.WLEN", float),
        ("INS.SLIT2.WID", float),
        ("DET.OUT1.GAIN", float),
        ("CRVAL1", float),
        ("CDELT1", float),
    ],
)
def test_every_header_value_has_the_type_that_the_recipes_read(keyword: str, kind: type) -> None:
    found = [value for e in LOG if (value := archive.cards(e, 0).get(keyword)) is not None]
    assert found
    assert {type(value) for value in found} == {kind}


def test_the_time_in_the_name_is_the_time_in_the_header() -> None:
    for entry in LOG:
        for number, dp_id in enumerate(entry.dp_ids()):
            header = archive.cards(entry, number)
            assert header["ARCFILE"] == f"{dp_id}.fits"
            assert dp_id.endswith(f".{header['DATE-OBS']}")
            assert header["TPL.START"] < header["DATE-OBS"]


def test_truth_survives_json() -> None:
    assert Truth.from_json(TRUTH.to_json()) == TRUTH


def test_products_that_nothing_is_known_about_are_passed_over(tmp_path: Path) -> None:
    assert check(TRUTH, {"BKG_FLAT_BLUE": tmp_path / "absent.fits"}) == []


def test_a_missing_product_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check(TRUTH, {"COADDED_IMG": tmp_path / "absent.fits"})


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_a_seed_gives_the_same_bytes_again_and_another_seed_others(tmp_path: Path) -> None:
    entries = [named("NACO", "dark"), next(e for e in LOG if e.setup == uves.Setup(binning=2))]
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / folder).mkdir()
        studio = archive.Studio(seed, {}, echelle.lamp_lines(seed), uves.response(seed))
        for entry in entries:
            studio.write(entry, tmp_path / folder)
    first, again, other = (_digests(tmp_path / folder) for folder in "abc")
    assert first == again
    assert first.keys() == other.keys()
    assert not set(first.values()) & set(other.values())


def test_written_frames_are_valid_fits_with_ascending_exposure_numbers(tmp_path: Path) -> None:
    entry = replace(named("NACO", "jitter"), n=2)
    studio = archive.Studio(1, {}, echelle.lamp_lines(1), uves.response(1))
    studio.write(entry, tmp_path)
    for number, path in enumerate(sorted(tmp_path.iterdir()), start=1):
        with fits.open(path) as hdus:
            hdus.verify("exception")
            assert hdus[0].data.shape == (naco.SIZE, naco.SIZE)
            assert hdus[0].header["ESO TPL EXPNO"] == number


@pytest.mark.parametrize("kind", ["FMTCHK", "ORDERDEF", "FLAT", "WAVE", "SCIENCE"])
def test_every_kind_of_uves_frame_puts_light_on_its_order_only(kind: str) -> None:
    studio = archive.Studio(1, {390.0: ORDERS}, echelle.lamp_lines(1), uves.response(1))
    light = studio.light(kind, uves.Setup())
    assert light is not None
    assert light[:, 1480:1520].max() > 100
    assert light[:, :1400].max() == light[:, 1600:].max() == 5.0  # the parasitic light, everywhere alike


def test_an_unknown_kind_of_uves_frame_is_refused() -> None:
    studio = archive.Studio(1, {390.0: ORDERS}, echelle.lamp_lines(1), uves.response(1))
    with pytest.raises(ValueError, match="TFLAT"):
        studio.light("TFLAT", uves.Setup())


def test_without_esorex_the_error_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SimulationError, match="esorex is not installed"):
        echelle.predict(uves.Setup())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("esorex") is None, reason="esorex with the UVES pipeline is not installed")
def test_the_whole_archive_is_built_twice_with_the_same_bytes(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    truth = archive.build(tmp_path / "a", report=lambda _, done, total: steps.append((done, total)))
    again = archive.build(tmp_path / "b")
    assert truth == again == Truth.from_json((tmp_path / "a" / "truth.json").read_text())
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")
    assert steps == [(n, len(LOG)) for n in range(1, len(LOG) + 1)]
    names = {path.stem for path in (tmp_path / "a").glob("*.fits")}
    listed = {decoy.dp_id for decoy in truth.decoys} | {truth.uves_science, truth.naco_science}
    assert listed <= names
    assert all(set(group) <= names for slots in truth.expected.values() for group in slots.values())
