"""Follows a product back through the archive, generation by generation, to what nobody here made."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from types import MappingProxyType
from typing import Final, TypeAlias

from app.archive.files import Holding, demand_readable, holding, holdings
from app.archive.finding import Connection
from app.archive.making import Given, Making, makings, of_content, recorded
from app.errors import RequestError
from app.header import Header
from app.plan import Origin
from app.provenance.chain import Chain, File, Kind, Output, Run, Use
from app.rights import User
from processing.names import input_name

# A MUSE cube with all its calibrations has some 500.
MOST: Final = 10_000
_RECIPE: Final = re.compile(r"\w+")
_PIPELINE: Final = re.compile(r"\w+/[\w.+-]+")
_PARAMETER: Final = re.compile(r"PRO\.REC1\.PARAM(\d+)\.NAME")
_SOURCE: Final = re.compile(r"(PRO\.REC1\.(?:RAW|CAL)\d+)\.NAME")
_ENDING: Final = re.compile(r"\.(?:fits|fit|fts)(?:\.gz|\.fz|\.z)?$", re.IGNORECASE)
_HEADER_ONLY: Final = (
    "only the product's header tells of it: no host, time, rules, nor checksums of its inputs, and "
    "parameters as the recipe spells them, which esorex may refuse (UVES writes BOTH where it takes both)"
)

# Name and SHA-256: what a run says of an input.
_Reference: TypeAlias = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class _Told:
    """A run as one of its products tells of it; inputs by tag and reference."""

    run: Run
    inputs: tuple[tuple[str, _Reference], ...]
    products: tuple[Given, ...]


@dataclass(slots=True)
class _Traced:
    """What has been found so far."""

    files: dict[str, File] = field(default_factory=dict)
    ids: dict[_Reference, str] = field(default_factory=dict)
    maker: dict[str, _Told] = field(default_factory=dict)


def trace(connection: Connection, dp_id: str, user: User) -> Chain:
    """The whole history of a file, as far as it is known here.

    Raises UnknownFrameError; LoginError or ForbiddenError where the file, or a product before it, is locked
    for this user; RequestError when more than 10,000 files are in it.
    """
    found = holding(connection, dp_id, user)
    traced = _Traced()
    generation = {dp_id: found}
    while generation:
        traced.files |= {name: _file(each) for name, each in generation.items()}
        products = [name for name, each in generation.items() if not each.raw]
        demand_readable(connection, products, user)
        told = _told(connection, {name: generation[name] for name in products})
        for name in products:
            if name in told:
                traced.maker[name] = told[name]
            else:
                traced.files[name] = _orphan(generation[name])
        wanted = {reference for each in told.values() for _, reference in each.inputs}
        generation = _resolve(connection, wanted - traced.ids.keys(), traced)
        if len(traced.files) + len(generation) > MOST:
            raise RequestError(f"the history of {dp_id} has more than {MOST} files: too many to tell at once")
    return _chain(dp_id, traced)


def _file(found: Holding, *unknown: str) -> File:
    name = f"{found.dp_id}{found.suffix}" if found.path is None else found.path.rpartition("/")[2]
    if found.sha256 is None:
        unknown = (*unknown, "only its header is here: its checksum is not known")
    kind: Kind = "raw" if found.raw else "product"
    return File(found.dp_id, name, kind, found.category, found.size, found.sha256, unknown)


def _orphan(found: Holding) -> File:
    return _file(found, "neither a task.json nor its header says how it was made")


def _resolve(connection: Connection, wanted: Iterable[_Reference], traced: _Traced) -> dict[str, Holding]:
    """Which files the references mean; those that the archive holds and that are new."""
    ordered = sorted(wanted, key=lambda reference: (reference[0], reference[1] or ""))
    same = of_content(connection, [checksum for _, checksum in ordered if checksum])
    by_name = holdings(connection, [stem(name) for name, checksum in ordered if checksum is None])
    for name, checksum in ordered:
        if checksum is None:
            held = [stem(name)] if stem(name) in by_name else []
        else:
            held = sorted(same.get(checksum, ()), key=lambda dp_id: (dp_id != stem(name), dp_id))
        if held:
            traced.ids[name, checksum] = held[0]
        else:
            absent = _absent(name, checksum)
            traced.ids[name, checksum] = absent.id
            traced.files[absent.id] = absent
    new = {traced.ids[reference] for reference in ordered} - traced.files.keys()
    found = holdings(connection, sorted(new))
    return {dp_id: found[dp_id] for dp_id in sorted(new)}


def _absent(name: str, checksum: str | None) -> File:
    identity = f"{stem(name)}@{checksum[:12]}" if checksum else stem(name)
    why = "the archive holds no file of this " + ("content" if checksum else "name")
    return File(identity, name, "elsewhere", sha256=checksum, unknown=(why,))


def _told(connection: Connection, products: Mapping[str, Holding]) -> dict[str, _Told]:
    known = makings(connection, products)
    others = recorded(connection, [name for name in products if name not in known])
    told = {name: _of_task(each) for name, each in known.items()}
    for name, (header, sources) in others.items():
        if _RECIPE.fullmatch(str(header.get("PRO.REC1.ID", ""))):
            told[name] = _of_header(name, products[name].category, header, sources)
    return told


def _of_task(made: Making) -> _Told:
    origin = Origin.read(made.origin)
    run = Run(
        # What was made again has the key of the first.
        id=f"{made.key[:16]}-{made.begun.astimezone(UTC):%Y%m%dT%H%M%S.%f}",
        recipe=made.recipe,
        pipeline=made.pipeline,
        parameters=made.parameters,
        begun=made.begun,
        elapsed=made.elapsed,
        host=made.host,
        esorex=made.esorex,
        key=made.key,
        origin=origin,
        unknown=() if origin else ("it was not noted from which rules it was planned",),
    )
    return _Told(run, tuple((each.tag, (each.name, each.sha256)) for each in made.inputs), made.products)


def _of_header(dp_id: str, category: str, header: Header, sources: Sequence[str]) -> _Told:
    """A run as CPL writes it into its products (PRO.REC1.*): all parameters, the defaults as well.

    `sources` are those that the archive knows; some recipes leave inputs out of the header, and FITS cuts
    names where they are long. Products whose headers say the same of a run are of one run.
    """
    parameters = [
        f"--{name}={_shown(header.get(f'PRO.REC1.PARAM{match[1]}.VALUE', ''))}"
        for card, name in header.items()
        if (match := _PARAMETER.fullmatch(card))
    ]
    inputs = [
        (str(header.get(f"{match[1]}.CATG", "")), _uncut(str(name), sources))
        for card, name in header.items()
        if (match := _SOURCE.fullmatch(card))
    ]
    pipeline = str(header.get("PRO.REC1.PIPE.ID", ""))
    named = {stem(name) for _, name in inputs}
    inputs += [("", source) for source in sources if source not in named]
    said = repr((header["PRO.REC1.ID"], pipeline, parameters, inputs))
    run = Run(
        id=hashlib.sha256(said.encode()).hexdigest()[:16],
        recipe=str(header["PRO.REC1.ID"]),
        pipeline=pipeline if _PIPELINE.fullmatch(pipeline) else "",
        parameters=tuple(parameters),
        unknown=(_HEADER_ONLY,),
    )
    return _Told(run, tuple((tag, (name, None)) for tag, name in inputs), (Given(dp_id, category, ""),))


def _uncut(name: str, sources: Sequence[str]) -> str:
    """The one source that was read as this, or whose name begins so; else the name itself."""
    begun = [s for s in sources if s.startswith(stem(name)) or input_name(f"{s}.fits") == name]
    return begun[0] if len(begun) == 1 else name


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _chain(dp_id: str, traced: _Traced) -> Chain:
    """The runs that led to a file, each after what it needs: depth first, in the order of inputs."""
    made: dict[str, list[str]] = {}
    products: dict[str, dict[Given, None]] = {}
    for name, told in sorted(traced.maker.items()):
        made.setdefault(told.run.id, []).append(name)
        products.setdefault(told.run.id, {}).update(dict.fromkeys(told.products))
    runs: dict[str, Run] = {}
    begun: set[str] = set()
    stack = [(dp_id, False)]
    while stack:
        name, settled = stack.pop()
        if name not in traced.maker:
            continue
        told = traced.maker[name]
        inputs = tuple(Use(tag, traced.ids[reference]) for tag, reference in told.inputs)
        if settled:
            circular = [
                f"{use.file} is named as its input, and was made from its products"
                for use in inputs
                if use.file in traced.maker and traced.maker[use.file].run.id not in runs
            ]
            outputs = _outputs(products[told.run.id], [traced.files[each] for each in made[told.run.id]])
            runs[told.run.id] = replace(
                told.run,
                inputs=inputs,
                outputs=tuple(outputs),
                unknown=(*told.run.unknown, *dict.fromkeys(circular)),
            )
        elif told.run.id not in begun:
            begun.add(told.run.id)
            stack.append((name, True))
            stack += [(use.file, False) for use in reversed(inputs)]
    named: list[str] = []
    for run in runs.values():
        named += [*(use.file for use in run.inputs), *(output.file for output in run.outputs)]
    files = {name: traced.files[name] for name in (*named, dp_id)}
    return Chain(dp_id, MappingProxyType(files), tuple(runs.values()))


def _outputs(products: Iterable[Given], files: Iterable[File]) -> Iterator[Output]:
    """Those products of a run that are in the chain."""
    names = {file.id: file.id for file in files}
    sums = {file.sha256: file.id for file in files}
    seen: Counter[str] = Counter()
    for each in products:
        seen[each.category] += 1
        file = names.get(stem(each.name)) or sums.get(each.sha256)
        if file is not None:
            yield Output(each.category, seen[each.category], file)


def stem(name: str) -> str:
    """A file's name without the endings of FITS files: where it is known by its name, its dp_id."""
    return _ENDING.sub("", name)
