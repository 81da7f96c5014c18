from __future__ import annotations

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from processing.names import LONGEST, input_name

DARK = "r.NACO.2012-03-15T11:00:04.624_NACO_IMG_DARK_AVG_6acb2782.fits"
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/"), min_size=1)


@pytest.mark.parametrize(
    "name",
    [
        "NACO.2012-03-15T03:55:04.642.fits",
        "VIMOS.2012-03-15T03:55:04.642.fits.fz",
        "M.UVES.2009-11-05T10:00:00.001.fits",
        "x" * LONGEST,
    ],
)
def test_a_name_that_a_card_holds_stays(name: str) -> None:
    assert input_name(name) == name


def test_the_name_of_a_master_keeps_its_frame_and_loses_its_category() -> None:
    assert input_name(DARK) == "r.NACO.2012-03-15T11:00:04.624_f50a22.fits"
    longer = input_name(DARK.replace("NACO.", "VIMOS."))
    assert longer.startswith("r.VIMOS.2012-03-15T11:00:04.624_")
    assert len(longer) == LONGEST


def test_products_of_one_run_have_names_of_their_own() -> None:
    names = [
        DARK.replace("AVG", kind).replace(".fits", number + ".fits")
        for kind in ("AVG", "HOT", "COLD", "DEV")
        for number in ("", *(f"_{each:04d}" for each in range(1, 50)))
    ]
    assert len({input_name(name) for name in names}) == len(names)


def test_what_an_sof_cannot_hold_and_what_counts_twice_in_a_card_is_replaced() -> None:
    assert input_name("Barnard's star 1.fits") == "Barnard_s_star_1.fits"


@pytest.mark.parametrize("ending", ["", ".fits", ".fits.gz", ".fits.fz", ".fits.Z", ".FITS"])
def test_the_ending_stays(ending: str) -> None:
    name = input_name(f"{'master_flat_' * 6}{ending}")
    assert name.startswith("master_flat_master_flat")
    assert name.endswith(ending)
    assert ("." in name) == bool(ending)


@given(NAMES, st.sampled_from(["", ".fits", ".fits.fz"]), st.sampled_from(["RAW1", "CAL99", "RAW999"]))
def test_every_name_fits_into_its_card_whole(name: str, ending: str, of: str) -> None:
    given_name = input_name(name + ending)
    assert given_name
    card = fits.Card.fromstring(f"HIERARCH ESO PRO REC1 {of} NAME= '{given_name}'")
    assert len(str(card).rstrip()) <= 80
    assert card.value == given_name.rstrip()
    assert input_name(given_name) == given_name
