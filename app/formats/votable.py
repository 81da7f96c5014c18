"""The files of a cascade as CalSelector's DataLink table (`responseformat=votable`), in its exact layout.

VOTable 1.3, one table, INFO inside TABLE before the FIELDs. Its rows, for each requested dp_id: the frame
itself (`#this`), its siblings, the calibrations in the order of the XML tree, each file once, and last the
tree. The bytes are those of the real table of HARPS.2022-02-19T00:15:10.071. Where that shows nothing:

- the sibling's description, and "master" in the tree row of a Raw2Master answer, follow its wording;
- the size of a file that nobody measured is an empty cell (null), never a guess;
- several dp_ids make one table; ID says which of them a row belongs to, so that each has its own `#this`,
  its own tree row, and every file it needs (DataLink 1.1 §3.3.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from app.errors import TreeFormatError
from app.formats.links import ESO, Links
from app.formats.names import url_name
from app.tree import File, Mode, Tree, files

_ESO: Final = "http://archive.eso.org/rdf/datalink/eso#"
_TREE_BYTES: Final = 1_000_000  # an order of magnitude; CalSelector always says this

_CALIBRATION: Final = (
    "Calibration file associated to the input raw observation(s): "
    "#this (see above) and related siblings (if any)"
)
_SIBLING: Final = (
    "Sibling raw file to be processed together with the input raw observation: #this (see above)"
)

_HEAD: Final = """\
<?xml version="1.0" encoding="utf-8"?>
<VOTABLE version="1.3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
  <RESOURCE type="results">
    <TABLE>
      <INFO name="DOCUMENTATION" \
value="http://archive.eso.org/cms/application_support/calselectorInfo.html" />
      <INFO name="QUERY" value=""><![CDATA[{query}]]></INFO>
      <FIELD name="ID" datatype="char" ucd="meta.id;meta.main" arraysize="*" />
      <FIELD name="access_url" datatype="char" ucd="meta.ref.url" arraysize="*" />
      <FIELD name="service_def" datatype="char" ucd="meta.ref" arraysize="*" />
      <FIELD name="error_message" datatype="char" ucd="meta.code.error" arraysize="*" />
      <FIELD name="semantics" datatype="char" ucd="meta.code" arraysize="*" />
      <FIELD name="description" datatype="char" ucd="meta.note" arraysize="*" />
      <FIELD name="content_type" datatype="char" ucd="meta.code.mime" arraysize="*" />
      <FIELD name="content_length" datatype="long" ucd="phys.size;meta.file" unit="byte" />
      <FIELD name="eso_category" datatype="char" ucd="meta.code.class;meta.dataset" arraysize="*" />
      <FIELD name="eso_datalink" datatype="char" ucd="meta.ref.url" arraysize="*" />
      <DATA>
        <TABLEDATA>
"""
_TAIL: Final = """\
        </TABLEDATA>
      </DATA>
    </TABLE>
  </RESOURCE>
</VOTABLE>"""

_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})


def write(tree: Tree, links: Links = ESO) -> bytes:
    """The table of one cascade. Raises TreeFormatError for a character that XML 1.0 cannot hold."""
    return b"".join(stream((tree,), (tree.dp_id,), tree.asked, links))


def stream(trees: Iterable[Tree], dp_ids: Sequence[str], asked: Mode, links: Links = ESO) -> Iterator[bytes]:
    """One table for the trees of these dp_ids, one chunk for each tree."""
    before = _HEAD.format(query=links.associations(dp_ids, asked, "votable"))
    for tree in trees:
        yield (before + "".join(_rows(tree, links))).encode()
        before = ""
    yield (before + _TAIL).encode()


def _rows(tree: Tree, links: Links) -> Iterator[str]:
    main = {file.dp_id: file for file in tree.root.files}
    siblings = [file for file in main.values() if file.dp_id != tree.dp_id]
    if not main:
        # DataLink 1.1 §3.4: a row for an ID that is not here has its error_message and leads nowhere.
        yield _row(
            tree.dp_id, "", "#this", _this(tree), "", None, "", "",
            f"NotFoundFault: {'; '.join(tree.root.messages)}",
        )  # fmt: skip
        return
    if tree.dp_id in main:
        yield _file(tree, main[tree.dp_id], "#this", _this(tree), links)
    for file in siblings:
        yield _file(tree, file, f"{_ESO}sibling_raw", _SIBLING, links)
    for file in files(tree.root):
        if file.dp_id not in main:
            yield _file(tree, file, "#calibration", _CALIBRATION, links)
    kind = "raw" if tree.mode == "Raw2Raw" else "master"
    yield _row(
        tree.dp_id,
        links.associations((tree.dp_id,), tree.mode),
        f"{_ESO}calSelector_raw2{kind}",
        f"Calibration cascade showing relations among all science and the {kind} calibration files",
        "application/xml",
        _TREE_BYTES,
        "ASSOCIATION_TREE",
        "",
    )


def _this(tree: Tree) -> str:
    root = tree.root
    # Clients look for messages="([^"]*)".
    messages = "; ".join(root.messages).replace('"', "'")
    return _plain(
        f'category="{root.category}" certified="{str(root.certified).lower()}" '
        f'complete="{str(root.complete).lower()}" mode="{tree.mode}" type="main" messages="{messages}"'
    )


def _file(tree: Tree, file: File, semantics: str, description: str, links: Links) -> str:
    return _row(
        tree.dp_id,
        links.file(file.dp_id),
        semantics,
        description,
        "application/fits",
        file.size,
        file.category,
        links.datalink(file.dp_id),
    )


def _row(
    dp_id: str,
    address: str,
    semantics: str,
    description: str,
    content_type: str,
    size: int | None,
    category: str,
    datalink: str,
    error: str = "",
) -> str:
    """A row; addresses are percent-encoded and constants plain, so only the rest has to be made so."""
    return (
        "          <TR>\n"
        f"            <TD>ivo://eso.org/ID?{url_name(dp_id)}</TD>\n"
        f"            {f'<TD><![CDATA[{address}]]></TD>' if address else '<TD />'}\n"
        "            <TD />\n"
        f"            {f'<TD>{_plain(error)}</TD>' if error else '<TD />'}\n"
        f"            <TD>{semantics}</TD>\n"
        f"            <TD>{description}</TD>\n"
        f"            <TD>{content_type}</TD>\n"
        f"            {'<TD />' if size is None else f'<TD>{size}</TD>'}\n"
        f"            <TD>{_plain(category)}</TD>\n"
        f"            {f'<TD>{datalink}</TD>' if datalink else '<TD />'}\n"
        "          </TR>\n"
    )


def _plain(text: str) -> str:
    if bad := _FORBIDDEN.search(text):
        raise TreeFormatError(
            f"{text!r} holds the character U+{ord(bad[0]):04X}, which XML cannot; "
            "rename the file or mend its header"
        )
    # The columns are of datatype char, which is ASCII (VOTable 1.3 §2.1).
    return text.encode("ascii", "backslashreplace").decode().translate(_ESCAPES)
