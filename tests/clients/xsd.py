"""The IVOA's XML schemas, as validators; nothing is asked of the network.

Those of VOSI, VOResource, VODataService, TAPRegExt and UWS come with Debian's package `stilts`, VOTable's
with astropy.

    sys.path.insert(0, str(ROOT / "tests/clients"))
    from xsd import assert_valid
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from zipfile import ZipFile

import astropy.io.votable
import pytest
from lxml import etree

JAR = Path("/usr/share/java/starlink-ttools.jar")
NEEDED = f"needs {JAR}: apt-get install stilts ('make test' does it)"
_INSIDE = "uk/ac/starlink/ttools/taplint"
_IVOA = "http://www.ivoa.net/xml"
_VOTABLE = f"{_IVOA}/VOTable/v1.3"
# The newest file of each namespace, which is what https://www.ivoa.net/xml has there.
_NAMESPACES = {
    f"{_IVOA}/VOResource/v1.0": "VOResource-v1.1.xsd",
    f"{_IVOA}/VODataService/v1.1": "VODataService-v1.2.xsd",
    f"{_IVOA}/TAPRegExt/v1.0": "TAPRegExt-v1.0-Erratum1.xsd",
    f"{_IVOA}/VOSIAvailability/v1.0": "VOSIAvailability-v1.0.xsd",
    f"{_IVOA}/VOSICapabilities/v1.0": "VOSICapabilities-v1.0.xsd",
    f"{_IVOA}/VOSITables/v1.0": "VOSITables-v1.1.xsd",
    f"{_IVOA}/UWS/v1.0": "UWS-v1.1.xsd",
}
# Where those files look for others that have another address than their namespace.
_ADDRESSES = {
    f"{_IVOA}/VOResource/VOResource-v1.0.xsd": "VOResource-v1.1.xsd",
    f"{_IVOA}/STC/stc-v1.30.xsd": "stc-v1.30.xsd",
    f"{_IVOA}/Xlink/xlink.xsd": "xlink.xsd",
    "http://www.w3.org/2001/xml.xsd": "xmlnamespace.xsd",
}


def assert_valid(document: bytes) -> None:
    """Fail with the schema's words unless this is a valid document of the IVOA's; skip without schemas."""
    root = etree.fromstring(document, etree.XMLParser(no_network=True))
    namespace = etree.QName(root).namespace
    if namespace == _VOTABLE:
        schema = _votable(root.attrib["version"])
    else:
        assert namespace in _NAMESPACES, f"{root.tag} is no document of the IVOA's"
        schema = _ivoa()
    assert schema.validate(root), "\n".join(f"line {e.line}: {e.message}" for e in schema.error_log)


@cache
def _ivoa() -> etree.XMLSchema:
    """One schema of all namespaces, as `xsi:type` leads from each to others."""
    if not JAR.is_file():
        pytest.skip(NEEDED)
    imports = "".join(f'<xs:import namespace="{name}" schemaLocation="{name}"/>' for name in _NAMESPACES)
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Shipped())
    text = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}</xs:schema>'
    return etree.XMLSchema(etree.fromstring(text, parser))


@cache
def _votable(version: str) -> etree.XMLSchema:
    folder = Path(astropy.io.votable.__path__[0]) / "data"
    return etree.XMLSchema(etree.parse(folder / f"VOTable.v{version}.xsd"))


class _Shipped(etree.Resolver):
    def resolve(self, url: str, public_id: str, context: object) -> object:
        name = _NAMESPACES.get(url) or _ADDRESSES.get(url)
        if name is None:
            return None
        with ZipFile(JAR) as jar:
            return self.resolve_string(jar.read(f"{_INSIDE}/{name}"), context, base_url=url)
