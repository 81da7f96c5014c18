from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import HeaderError
from app.header import header_text, parse_header, read_extensions, read_header

SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples" / "headers"
real_headers = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no sample headers at {SAMPLES}")
BLOCK = 2880


def frame(shape: tuple[int, ...] = (50, 60), cards: int = 60) -> fits.PrimaryHDU:
    header = fits.Header()
    header["INSTRUME"] = "HAWKI"
    header["MJD-OBS"] = (55000.25, "Obs start")
    header["COMMENT"] = "nobody's"
    for number in range(cards):
        header[f"HIERARCH ESO INS FILT{number} NAME"] = f"J{number}"
    return fits.PrimaryHDU(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), header)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "HAWKI.2010-01-01T00:00:00.000.fits"
    frame().writeto(path)
    return path


@pytest.fixture
def mosaic(tmp_path: Path) -> Path:
    """An empty primary HDU, two images, a table with variable-length columns: heap and PCOUNT."""
    path = tmp_path / "MEF.fits"
    primary = fits.PrimaryHDU(header=frame().header)
    images = [fits.ImageHDU(np.ones((40, 50), np.float32), name=f"CHIP{chip}") for chip in (1, 2)]
    ragged = np.empty(3, dtype=object)
    ragged[:] = [np.arange(n, dtype=np.int32) for n in (900, 5, 700)]
    table = fits.BinTableHDU.from_columns([fits.Column("X", "PJ()", array=ragged)])
    fits.HDUList([primary, *images, table]).writeto(path)
    return path


@pytest.mark.parametrize("suffix", [".fits", ".fit", ".FITS", ".fits.gz", ".fits.fz", ".fits.Z"])
def test_every_suffix_gives_the_same_header(plain: Path, tmp_path: Path, suffix: str) -> None:
    expected = read_header(plain)
    path = tmp_path / f"copy{suffix}"
    # A .Z that holds gzip, as archives have served; the LZW kind has its own test.
    packed = suffix in (".fits.gz", ".fits.Z")
    path.write_bytes(gzip.compress(plain.read_bytes()) if packed else plain.read_bytes())
    assert read_header(path) == expected
    assert expected["INS.FILT59.NAME"] == "J59"
    assert expected["NAXIS1"] == 60
    assert header_text(path) == header_text(plain)


def test_lzw_as_the_unix_tool_compress_makes_it_is_read(tmp_path: Path) -> None:
    source = Path(fits.__file__).parent / "tests" / "data" / "lzw.fits.Z"
    if not source.is_file():
        pytest.skip("this astropy came without its test data, where the LZW file is")
    path = tmp_path / "lzw.fits.Z"
    shutil.copy(source, path)
    expected = fits.getheader(path, 0)
    names = [key for key in expected if key not in ("COMMENT", "HISTORY", "")]
    assert {key.removeprefix("ESO ").replace(" ", "."): expected[key] for key in names} == dict(
        read_header(path)
    )
    path.write_bytes(source.read_bytes()[:600])
    with pytest.raises(HeaderError, match=r"no END card|cannot be unpacked"):
        read_header(path)


def test_a_header_that_fpack_moved_into_an_extension_is_put_together_again(
    plain: Path, tmp_path: Path
) -> None:
    with fits.open(plain) as hdus:
        image = fits.CompImageHDU(hdus[0].data, hdus[0].header)
    path = tmp_path / "packed.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    expected = dict(read_header(plain))
    # astropy leaves out EXTEND when it packs an image.
    assert dict(read_header(path)) == {key: expected[key] for key in expected if key != "EXTEND"}


def test_the_primary_header_of_a_packed_mosaic_is_not_mixed_with_its_extensions(tmp_path: Path) -> None:
    path = tmp_path / "packed.fits.fz"
    chip = fits.ImageHDU(np.ones((40, 50), np.int16), name="CHIP1")
    chip.header["HIERARCH ESO DET CHIP ID"] = "A"
    packed = fits.CompImageHDU(chip.data, chip.header)
    fits.HDUList([fits.PrimaryHDU(header=frame().header), packed]).writeto(path)
    data = path.read_bytes()
    if b"ZTENSION" not in data:
        # FITS 4.0 §10.1.2 wants ZTENSION of an extension; astropy says ZSIMPLE of every image.
        path.write_bytes(data.replace(b"ZSIMPLE =                    T", b"ZTENSION= 'IMAGE   '          "))
    header = read_header(path)
    assert header["INS.FILT0.NAME"] == "J0"
    assert header["NAXIS"] == 0
    assert "DET.CHIP.ID" not in header


@pytest.mark.parametrize("name", ["plain", "mosaic"])
def test_a_file_torn_at_any_block_is_refused(name: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(name)
    data = path.read_bytes()
    whole = read_header(path)
    with fits.open(path) as hdus:
        # Torn between two HDUs a file is whole FITS; nothing in it says that there was more.
        seams = {hdu.fileinfo()["hdrLoc"] for hdu in hdus} - {0}
    for size in range(0, len(data), BLOCK):
        path.write_bytes(data[:size])
        if size in seams:
            assert read_header(path) == whole
            continue
        with pytest.raises(HeaderError, match="empty" if size == 0 else "torn") as caught:
            read_header(path)
        assert caught.value.path == str(path)
    path.write_bytes(data)
    assert read_header(path) == whole


@settings(max_examples=50)
@given(cut=st.integers(0, 10**9))
def test_a_file_that_lost_a_pixel_is_refused_and_one_that_lost_padding_is_not(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cut") / "x.fits"
    hdu = frame()
    hdu.writeto(path)
    data = path.read_bytes()
    needed = len(hdu.header.tostring()) + 50 * 60 * 2
    cut %= len(data)
    path.write_bytes(data[:cut])
    if cut >= needed:
        assert read_header(path)["INSTRUME"] == "HAWKI"
    else:
        with pytest.raises(HeaderError):
            read_header(path)


def test_random_groups_are_as_long_as_their_parameters_and_arrays(tmp_path: Path) -> None:
    path = tmp_path / "groups.fits"
    groups = fits.GroupData(np.zeros((10, 4, 5)), bitpix=-32, parnames=["U", "V"], pardata=[1.0, 2.0])
    fits.HDUList([fits.GroupsHDU(groups)]).writeto(path)
    assert read_header(path)["GROUPS"] is True
    header = len(read_header(path)) and len(fits.getheader(path).tostring())
    path.write_bytes(path.read_bytes()[: header + 10 * (2 + 20) * 4 - 1])
    with pytest.raises(HeaderError, match="torn"):
        read_header(path)


@settings(max_examples=50)
@given(
    junk=st.binary(max_size=9000),
    suffix=st.sampled_from([".fits", ".fits.gz", ".fits.Z", ".fits.fz", ".hdr"]),
    marked=st.booleans(),
)
def test_garbage_is_a_header_error_with_the_file_name(
    junk: bytes, suffix: str, marked: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("junk") / f"junk{suffix}"
    magic = {".fits.gz": b"\x1f\x8b\x08", ".fits.Z": b"\x1f\x9d\x90"}.get(suffix, b"SIMPLE  =  T")
    path.write_bytes(magic + junk if marked else junk)
    with pytest.raises(HeaderError, match=re.escape(path.name)):
        read_header(path)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.fits", b"", "the file is empty"),
        ("a.hdr", b" \n", "the file is empty"),
        ("a.fits.gz", gzip.compress(b"", mtime=0), "the file is empty"),
        ("a.fits", b"<html>404</html>", "not FITS: begins with b'<html>404</html>' instead of SIMPLE"),
        ("a.hdr", b"<html>404</html>", "begins with b'<html>404</html>' instead of SIMPLE"),
        ("a.hdr", b"SIMPLE  =  T\nNAXIS   =   0\n", "the header has no END line"),
        ("a.fits", b"SIMPLE  =  T".ljust(80) + b"END".ljust(2800), "NAXIS of HDU 1 is missing"),
        ("a.fits.gz", gzip.compress(b"SIMPLE  =  T".ljust(9000), mtime=0)[:30], "torn"),
        ("a.jpg", b"", "no FITS file by its name; known are .fits"),
    ],
)
def test_the_reason_says_what_is_wrong(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(HeaderError) as caught:
        read_header(path)
    assert caught.value.path == str(path)
    assert reason in caught.value.reason


def test_a_file_that_cannot_be_opened_is_a_header_error(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match="No such file"):
        read_header(tmp_path / "gone.fits")
    (tmp_path / "folder.fits").mkdir()
    with pytest.raises(HeaderError, match="Is a directory"):
        read_header(tmp_path / "folder.fits")


def test_a_header_longer_than_the_first_read_is_found_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "long.fits"
    frame(cards=2500).writeto(path)
    assert read_header(path)["INS.FILT2499.NAME"] == "J2499"


def test_the_word_end_inside_a_card_ends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.hdr"
    header = frame().header
    header["OBJECT"] = "END" + " " * 60 + "END"
    header.totextfile(path, endcard=True)
    assert read_header(path) == parse_header(header.tostring().encode("ascii"))


@pytest.mark.parametrize("newline", ["\n", "\r\n", ""])
def test_header_text_may_have_any_line_ends_or_none(tmp_path: Path, newline: str) -> None:
    path = tmp_path / "x.hdr"
    path.write_bytes(frame().header.tostring(sep=newline, padding=False).encode("ascii"))
    assert read_header(path) == parse_header(frame().header.tostring().encode("ascii"))
    assert header_text(path).splitlines()[-1] == "END"


def test_header_text_is_every_card_as_it_stands(plain: Path) -> None:
    expected = [card.image.rstrip() for card in fits.getheader(plain).cards]
    assert header_text(plain).split("\n") == [*expected, "END", ""]


@real_headers
def test_the_real_headers_are_read_completely() -> None:
    paths = sorted(SAMPLES.glob("*.hdr"))
    assert sum(path.name.startswith("SPHER") for path in paths) == 8
    assert sum(path.name.startswith("MATIS") for path in paths) == 1
    for path in paths:
        lines = path.read_text("latin-1").split("\n")
        expected = [
            line.split("=")[0].removeprefix("HIERARCH ESO").strip() for line in lines if "=" in line[:60]
        ]
        expected = [name.replace(" ", ".") for name in expected if not name.startswith("COMMENT")]
        assert list(read_header(path)) == list(dict.fromkeys(expected))


@real_headers
def test_the_real_headers_are_read_as_astropy_reads_them() -> None:
    for path in sorted(SAMPLES.glob("*.hdr")):
        # Without ESO, as some lines are 84 long and astropy knows 80 columns.
        lines = path.read_text("latin-1").replace("HIERARCH ESO", "HIERARCH").split("\n")
        cards = [fits.Card.fromstring(line[:80]) for line in lines]
        header = read_header(path)
        for card in cards:
            name = card.keyword.replace(" ", ".")
            if name not in ("COMMENT", "END", ""):
                assert (type(header[name]), header[name]) == (type(card.value), card.value)


@real_headers
def test_values_of_real_headers() -> None:
    sphere = read_header(SAMPLES / "SPHER.2020-03-08T07:05:15.511.hdr")
    assert sphere["DPR.TYPE"] == "OBJECT,CENTER"
    assert sphere["MJD-OBS"] == pytest.approx(58916.295318, abs=1e-5)
    assert sphere["INS2.SENS201.VAL"] == 1.09e-05
    matisse = read_header(SAMPLES / "MATIS.2019-08-28T23:28:25.205.hdr")
    assert matisse["DATASUM"] == "         0"
    assert matisse["INSTRUME"] == "MATISSE"
    assert matisse["UTC"] == 84503.750


def test_the_headers_of_extensions_come_in_their_order(mosaic: Path, plain: Path, tmp_path: Path) -> None:
    assert [header.get("EXTNAME") for header in read_extensions(mosaic)] == ["CHIP1", "CHIP2", None]
    assert read_extensions(plain) == []
    packed = tmp_path / "mosaic.fits.gz"
    packed.write_bytes(gzip.compress(mosaic.read_bytes()))
    assert read_extensions(packed) == []
    text = tmp_path / "mosaic.hdr"
    text.write_text(header_text(mosaic))
    assert read_extensions(text) == []
    mosaic.write_bytes(mosaic.read_bytes()[:-BLOCK])
    with pytest.raises(HeaderError, match="the data of HDU 4 should end at byte"):
        read_extensions(mosaic)
