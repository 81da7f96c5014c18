from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.header import Value
from app.oca.conditions import canonical
from app.oca.evaluate import equal
from app.rulebook import KeySet, read_book

SPELLINGS: list[Value] = [
    1,
    1.0,
    "1",
    "1.0",
    "01",
    "+1",
    "1e0",
    True,
    "T",
    "t",
    "TRUE",
    0,
    -0.0,
    "-0",
    False,
    "f",
    "",
]
VALUES = st.one_of(
    st.sampled_from(SPELLINGS),
    st.text(max_size=3),
    st.integers(),
    st.sampled_from(
        [2**53, 2**53 + 1, float(2**53), "9007199254740993", 10**400, "1e400", "inf", "nan", " 1 ", "1_0"]
    ),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers().map(str),
)
TOY = """
action A
{
  select file as X from calibFiles where PRO.CATG == "X" and inputFile.K == K and L == inputFile.M;
  select file as Y from calibFiles where PRO.CATG == "Y" and N == 1;
  select file as Y from calibFiles where PRO.CATG == "Y" and N == "1";
  select file as ANY from calibFiles where K like "%";
  select file as R from rawFiles where RAW.TYPE == "R";
  maxRet = 0;
  select file as OFF from calibFiles where PRO.CATG == "OFF";
}
"""
BOOK = read_book(TOY, "toy.2000-01-01.oca")


@given(VALUES, VALUES)
def test_values_that_are_equal_have_one_canonical_text(one: Value, other: Value) -> None:
    assert not equal(one, other) or canonical(one) == canonical(other)


@given(st.sampled_from(SPELLINGS), st.sampled_from(SPELLINGS))
def test_equal_spellings_have_one_key_on_both_sides(one: Value, other: Value) -> None:
    keyset = KeySet("calib", (("C", "x"),), ("K",))
    if equal(one, other):
        assert keyset.key_of("salt", {"C": "x", "K": one}) == keyset.key_for("salt", [other])


def test_different_values_rulebooks_sides_and_names_have_different_keys() -> None:
    keysets = [KeySet("calib", (), ("K",)), KeySet("raw", (), ("K",)), KeySet("calib", (), ("L",))]
    keys = [each.key_for(salt, [value]) for each in keysets for salt in "ab" for value in ("x", "y", 1, 2)]
    assert len(set(keys)) == len(keys)


def test_a_missing_keyword_or_another_literal_has_no_key() -> None:
    keyset = KeySet("calib", (("C", "x"),), ("K",))
    assert keyset.key_of("", {"C": "x"}) is None
    assert keyset.key_of("", {"K": 1}) is None
    assert keyset.key_of("", {"C": "y", "K": 1}) is None


def keys_of(**keywords: Any) -> list[int]:
    return list(BOOK.keys_of("calib", {key.replace("_", "."): value for key, value in keywords.items()}))


def test_a_candidate_has_a_key_for_every_association_it_may_serve_and_for_no_other() -> None:
    wanted = BOOK.actions["A"].wanted[0]
    found = keys_of(PRO_CATG="X", K=5, L="l")
    assert wanted.wide.key_for(BOOK.checksum, ()) in found
    assert wanted.tight.key_for(BOOK.checksum, [5.0, "l"]) in found
    assert wanted.tight.key_for(BOOK.checksum, [5.0, "m"]) not in found
    assert len(found) == 3  # wide, tight, and the one without a category


def test_rules_that_write_a_constant_differently_share_one_key() -> None:
    found = keys_of(PRO_CATG="Y", N=1)
    assert len(found) == len(set(found)) == 2


def test_an_association_that_is_switched_off_and_the_other_side_have_no_keys() -> None:
    assert len(keys_of(PRO_CATG="OFF")) == 1
    assert list(BOOK.keys_of("raw", {"RAW.TYPE": "R"})) == [
        BOOK.actions["A"].wanted[4].wide.key_for(BOOK.checksum, ())
    ]
