from __future__ import annotations

import re
import warnings
from collections.abc import Mapping

import pytest
from astropy.io import fits
from astropy.io.fits.card import Undefined as AstropyUndefined
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.header import UNDEFINED, Header, Value, parse_header, parse_text
from app.header.cards import _CARD


def block(*cards: str) -> bytes:
    data = "".join(card.ljust(80) for card in (*cards, "END")).encode("latin-1")
    return data.ljust(-(-len(data) // 2880) * 2880)


def typed(header: Mapping[str, Value]) -> dict[str, tuple[type, Value]]:
    """1, 1.0 and True are equal in Python; here they must not be."""
    return {name: (type(value), value) for name, value in header.items()}


def by_astropy(data: bytes) -> dict[str, Value]:
    """astropy's reading of the same bytes with our names; the first card of a keyword counts."""
    header = fits.Header.fromstring(data.decode("latin-1"))
    found: dict[str, Value] = {}
    absent: set[str] = set()
    for card in header.cards:
        name = card.rawkeyword.upper().removeprefix("ESO ").replace(" ", ".")
        # Without a value indicator a card is a comment to the standard and a string to astropy.
        if card._invalid or name in found or name in absent or name in ("", "COMMENT", "HISTORY", "CONTINUE"):
            continue
        try:
            value = card.rawvalue
        except fits.VerifyError:
            value = None
        if value is None or isinstance(value, AstropyUndefined | complex):
            absent.add(name)
        else:
            found[name] = value
    return found


# astropy ends a string at a doubled quote with a comment behind it ("pretty darn close", says its source).
MISREAD_BY_ASTROPY = re.compile(r"'' *(?:/|$)")

WORD = st.text("ABCXYZ0189_-", min_size=1, max_size=8)
NAMES = st.one_of(
    WORD.filter(lambda word: word not in ("END", "COMMENT", "HISTORY", "CONTINUE", "HIERARCH", "XTENSION")),
    st.lists(WORD, min_size=1, max_size=4).map(lambda words: " ".join(["HIERARCH ESO", *words])),
    st.lists(WORD, min_size=2, max_size=3).map(lambda words: " ".join(["HIERARCH", *words])),
)
INTEGERS = st.tuples(st.sampled_from(["", "+", "-", "00", "-0"]), st.integers(0, 10**12)).map(
    lambda t: f"{t[0]}{t[1]}"
)
REALS = st.tuples(
    st.sampled_from(["", "+", "-"]),
    st.sampled_from(["1.", ".5", "0.0", "3.25", "007.5", "12", "58916.70534866"]),
    st.sampled_from(["", "E5", "e-3", "D+02", "d7", "E05", "D-12"]),
).map("".join)
TEXTS = st.text("AZaz019 '/&=.:-(),", max_size=40).filter(lambda text: text.strip() == "" or text[-1] != "&")
STRINGS = TEXTS.map(lambda text: "'" + text.replace("'", "''") + "'")
COMMENTS = st.sampled_from(["", " / a comment", "/tight", " / it's 5 / 'x' = 3", " /"])
VALUES = st.one_of(
    INTEGERS, REALS, STRINGS, st.sampled_from(["T", "F", "", "(1.0, 2.0)", "NAN", "2020-03-08"])
)


def card(name: str, value: str, comment: str) -> str:
    if name.startswith("HIERARCH "):
        return f"{name} = {value}{comment}"[:80]
    return f"{name:8}= {value:>20}{comment}"[:80]


CARDS = st.one_of(
    st.builds(card, NAMES, VALUES, COMMENTS).filter(lambda image: not MISREAD_BY_ASTROPY.search(image)),
    st.sampled_from(
        ["", "COMMENT = 'no value' / at all", "HISTORY x = 5", "        = 7", "ESO-LOG 00:01> x = 3"]
    ),
)


# astropy warns of cards that are none (ESO-LOG); that is what we skip without a word.
@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
@settings(max_examples=300)
@given(st.lists(CARDS, max_size=30))
@example(["OBJECT  = 'AXIS: 2' / a record-valued card to astropy, a name to us", "OBJECT  = 5"])
@example(["A       =", "A       = 5 / the first card of a keyword counts, without a value too"])
@example(["HIERARCH ESO DET NDIT=5", "HIERARCH ESO DET DIT  =1.5D1", "hierarch ESO DET X = 1", "lower   = 5"])
@example(
    ["ABC= 5", "X       =5", "HIERARCH ESO NO VALUE", "A       = - 5", "B       = 5 E 3", "C       = 5 6"]
)
def test_the_fast_path_and_astropy_read_the_same_values_of_the_same_types(cards: list[str]) -> None:
    data = block(*cards)
    assert typed(parse_header(data)) == typed(by_astropy(data))


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
@settings(max_examples=500)
@given(st.text("'/ TF5.+-ED(,)&=", max_size=24).filter(lambda text: not MISREAD_BY_ASTROPY.search(text)))
def test_any_jumble_behind_the_equals_sign_is_read_as_astropy_reads_it(jumble: str) -> None:
    data = block(f"KEYWORD = {jumble}", f"HIERARCH ESO KEY WORD = {jumble}")
    assert typed(parse_header(data)) == typed(by_astropy(data))


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(10**15), 10**15),
    # astropy cuts reals at 20 characters.
    st.integers(-(10**12), 10**12).map(lambda number: number / 1000),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(
        lambda text: text.rstrip(" ")
    ),
)


@given(st.dictionaries(NAMES.filter(lambda name: len(name) < 32), SCALARS, max_size=12))
def test_what_astropy_writes_is_what_we_read(values: dict[str, bool | int | float | str]) -> None:
    header = fits.Header()
    expected: dict[str, Value] = {}
    for name, value in values.items():
        dotted = name.removeprefix("HIERARCH ").removeprefix("ESO ").replace(" ", ".")
        if dotted in expected:
            continue
        header[name] = value
        expected[dotted] = value
    written = header.tostring().encode("ascii")
    if b"CONTINUE" not in written:
        assert typed(parse_header(written)) == typed(expected)


@given(st.text("ABC xyz-.&", min_size=69, max_size=300).filter(lambda t: t[-1] not in " &"), st.booleans())
def test_a_long_string_over_continue_cards_is_one_value(text: str, commented: bool) -> None:
    header = fits.Header()
    header["LONGTEXT"] = (text, "and a comment" if commented else "")
    header["AFTER"] = 5
    data = header.tostring().encode("ascii")
    assert typed(parse_header(data)) == typed({"LONGTEXT": header["LONGTEXT"], "AFTER": 5})


def test_a_long_string_whose_first_card_looks_whole_is_not_cut() -> None:
    data = block(
        "LONGTEXT= 'one &' / says", "CONTINUE  'two&' / nothing", "CONTINUE  ' three'", "NEXT    = 1"
    )
    assert dict(parse_header(data)) == {"LONGTEXT": "one two three", "NEXT": 1}


def test_a_quote_before_a_slash_stays_in_the_string_as_the_standard_says() -> None:
    assert parse_header(block("OBJECT  = 'a'' / b' / comment"))["OBJECT"] == "a' / b"


def test_eso_names_are_dotted_and_other_hierarch_names_too() -> None:
    header = parse_header(
        block(
            "HIERARCH ESO INS FILT1 NAME = 'U'", "HIERARCH LCO X Y = 1", "MJD-OBS = 1.5", "HIERARCH ESO A = T"
        )
    )
    assert dict(header) == {"INS.FILT1.NAME": "U", "LCO.X.Y": 1, "MJD-OBS": 1.5, "A": True}


def test_leading_blanks_of_a_string_count_and_trailing_ones_do_not() -> None:
    header = parse_header(block("A       = '  x  '", "B       = '   '", "C       = ''", "D       = ''''"))
    assert dict(header) == {"A": "  x", "B": "", "C": "", "D": "'"}


@pytest.mark.parametrize("value", ["", "/ nothing but a comment", "(1.0, 2.0)", "NAN", "-inf", "2020-03-08"])
def test_a_keyword_without_a_value_that_rules_can_use_is_absent(value: str) -> None:
    header = parse_header(block(f"HIERARCH ESO TEL X = {value}", f"PLAIN   = {value}", "GOOD    = 1"))
    assert dict(header) == {"GOOD": 1}


def test_bytes_beyond_ascii_are_read_as_latin_1() -> None:
    header = parse_header(
        block(
            "OBSERVER= 'Mu\xf1oz'",
            "TEMP    = 5 / [\xb0C] ambient",
            "ODD     = 1 E 2 / \xb5",
            "X\xc9      = 3",
        )
    )
    assert header["OBSERVER"] == "Mu\xf1oz"
    assert header["TEMP"] == 5
    assert header["ODD"] == 100.0


@given(st.binary(max_size=400))
def test_no_bytes_make_the_parser_fail(junk: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(parse_header(junk), Header)
        assert isinstance(parse_text(junk.decode("latin-1")), Header)


def test_nothing_behind_the_end_card_is_read() -> None:
    assert dict(parse_header(block("A       = 1") + block("B       = 2"))) == {"A": 1}


def test_lines_of_text_may_be_short_or_longer_than_a_card() -> None:
    text = "A       = 5\nHIERARCH ESO X = 'y' / " + "long " * 20 + "\r\nEMPTY   =\nB       = 'it''s'\nEND"
    assert dict(parse_text(text)) == {"A": 5, "X": "y", "B": "it's"}


def test_the_usual_cards_do_not_need_astropy() -> None:
    usual = (
        "MJD-OBS =       58916.70353210 / x",
        "HIERARCH ESO OBS ID = 2485392 / y",
        "OBJECT  = 'it''s'",
        "A       = T",
    )
    assert all(_CARD.match(image.ljust(80)) for image in usual)


@given(st.dictionaries(WORD, SCALARS))
def test_a_header_is_a_value(values: dict[str, Value]) -> None:
    source = dict(values)
    header = Header(source)
    same = Header(dict(reversed(list(values.items()))))
    assert header == same
    assert hash(header) == hash(same)
    source["NEW"] = 1
    assert header == same
    assert header.get("absent", UNDEFINED) is UNDEFINED
    assert "absent" not in header
    assert len(repr(Header({"ARCFILE": "X.fits", **values}))) < 80
