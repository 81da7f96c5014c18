"""A chain as a W3C PROV document: files are entities, recipe runs activities, programs agents.

The rulebook of the answer that a run was planned from is the plan of the run's association (PROV-DM 5.3.3).
A file that the archive holds is named by the address of its bytes.
"""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import Final, NamedTuple

from prov.identifier import Namespace, QualifiedName
from prov.model import PROV, ProvDocument

from app.formats.links import Links
from app.formats.names import url_name
from app.plan import Origin
from app.provenance.chain import Chain, File, Run
from processing.recipes import is_ours

_KINDS: Final = {"raw": "RawFrame", "product": "Product", "elsewhere": "File"}


class _Names(NamedTuple):
    """Where the names of a document live; `terms` are ours, for what PROV has no word."""

    terms: Namespace
    held: Namespace
    elsewhere: Namespace
    runs: Namespace
    software: Namespace
    rules: Namespace

    def file(self, file: File) -> QualifiedName:
        """The name of a file."""
        return (self.elsewhere if file.kind == "elsewhere" else self.held)[url_name(file.id)]


def write_json(chain: Chain, links: Links) -> bytes:
    """PROV-JSON (W3C member submission of 24 April 2013)."""
    return f"{document(chain, links).serialize(format='json', indent=1)}\n".encode()


def write_notation(chain: Chain, links: Links) -> bytes:
    """PROV-N (W3C recommendation of 30 April 2013)."""
    return document(chain, links).get_provn().encode() + b"\n"


def document(chain: Chain, links: Links) -> ProvDocument:
    """The chain as a document of the library `prov`."""
    made = ProvDocument()
    names = _Names(
        made.add_namespace("calsel", f"{links.service}/provenance/terms#"),
        made.add_namespace("file", links.files),
        made.add_namespace("elsewhere", "urn:x-calselector:file:"),
        made.add_namespace("run", "urn:x-calselector:run:"),
        made.add_namespace("software", "urn:x-calselector:software:"),
        made.add_namespace("rules", "urn:x-calselector:rulebook:"),
    )
    for file in chain.files.values():
        _add_file(made, names, file)
    for run in chain.runs:
        _add_run(made, names, chain, run)
    return made


def _add_file(made: ProvDocument, names: _Names, file: File) -> None:
    known = {"category": file.category, "sha256": file.sha256, "size": file.size}
    made.entity(
        names.file(file),
        [
            (PROV["type"], names.terms[_KINDS[file.kind]]),
            (PROV["label"], file.name),
            *((names.terms[name], value) for name, value in known.items() if value not in (None, "")),
            *((names.terms["unknown"], what) for what in file.unknown),
        ],
    )


def _add_run(made: ProvDocument, names: _Names, chain: Chain, run: Run) -> None:
    activity = names.runs[url_name(run.id)]
    known = {
        "recipe": run.recipe,
        "pipeline": run.pipeline,
        "parameters": shlex.join(run.parameters) or None,
        "contentKey": run.key,
    }
    ended = None
    if run.begun is not None and run.elapsed is not None:
        ended = run.begun + timedelta(seconds=run.elapsed)
    made.activity(
        activity,
        run.begun,
        ended,
        [
            (PROV["type"], names.terms["RecipeRun"]),
            (PROV["label"], run.recipe),
            *((PROV["location"], host) for host in [run.host] if host),
            *((names.terms[name], value) for name, value in known.items() if value is not None),
            *((names.terms["unknown"], what) for what in run.unknown),
        ],
    )
    plan = None if run.origin is None else _plan(made, names, run.origin)
    if run.pipeline:
        more = [] if run.origin is None else [(names.terms["archiveRevision"], run.origin.revision)]
        made.wasAssociatedWith(activity, _software(made, names, run.pipeline), plan, None, more)
    if run.esorex and not is_ours(run.recipe):
        made.wasAssociatedWith(activity, _software(made, names, f"esorex/{run.esorex}"))
    inputs = [chain.files[use.file] for use in run.inputs]
    for use, file in zip(run.inputs, inputs, strict=True):
        made.used(activity, names.file(file), None, None, [(PROV["role"], use.tag)] if use.tag else [])
    for output in run.outputs:
        product = names.file(chain.files[output.file])
        made.wasGeneratedBy(product, activity, ended, None, [(PROV["role"], output.category)])
        for file in dict.fromkeys(inputs):
            made.wasDerivedFrom(product, names.file(file), activity)


def _software(made: ProvDocument, names: _Names, name: str) -> QualifiedName:
    found = names.software[url_name(name.replace("/", "-"))]
    if not made.get_record(found):
        made.agent(found, [(PROV["type"], PROV["SoftwareAgent"]), (PROV["label"], name)])
    return found


def _plan(made: ProvDocument, names: _Names, origin: Origin) -> QualifiedName:
    """The rulebook, by name and content: one file name may have held several."""
    found = names.rules[url_name(f"{origin.rulebook}@{origin.checksum[:12]}")]
    if not made.get_record(found):
        made.entity(
            found,
            [
                (PROV["type"], PROV["Plan"]),
                (PROV["label"], origin.rulebook),
                (names.terms["sha256"], origin.checksum),
            ],
        )
    return found
