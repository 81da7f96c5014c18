"""A chain as a bash script: fetches what it starts from, then runs esorex recipe by recipe.

Every run gets a private directory and the options and environment of `processing.esorex`, so the products
have the same pixels; their headers differ by dates. Run again, it goes on where it stopped. It needs bash 3.2
or later, esorex with the same pipelines, and curl unless all files are in a local folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Final

from app.formats.links import Links
from app.formats.names import one_line, url_name
from app.provenance.chain import Chain, File, Output, Run
from app.provenance.shell import FUNCTIONS, HEAD
from processing.esorex import PLUGIN_PLACES, Esorex, Pipeline
from processing.recipes import read_as

_ENDINGS: Final = (".fits", ".fit", ".fts", ".gz", ".fz", ".z")


def write(chain: Chain, links: Links) -> bytes:
    """The script. What is not known of the chain stands at its top, and is told when it runs."""
    leaves = chain.leaves()
    at = {file.id: f"files/{_local(file)}" for file in leaves}
    lines = [
        f"title={quote(one_line(f'{chain.dp_id}: {len(leaves)} files, {len(chain.runs)} recipe runs'))}",
        f"default_url={quote(links.files)}",
        _esorex_lines(),
        FUNCTIONS,
        "work() {",
        *(f"note {quote(one_line(what))}" for what in chain.unknown()),
        "# get: name in the URL, here, on the disk it was made on; size in bytes, SHA-256 ('-': not known)",
        *(_get(file, at[file.id]) for file in leaves),
    ]
    for number, run in enumerate(chain.runs, 1):
        lines += _step(number, run, chain, at)
        at |= {output.file: _product(chain.files[output.file]) for output in run.outputs}
    lines += [f"done_with {quote(at[chain.dp_id])}", "}", 'main "$@"', ""]
    return (HEAD + "\n".join(lines)).encode()


def _esorex_lines() -> str:
    """The options and the environment of every run, as the workshop gives them."""
    here = Esorex(Path("esorex"), "", ())
    command = here.command(Pipeline("", "", Path()), "", (), Path(), Path("../out"))
    options = [
        "--products-sof=../out/products.sof" if word.startswith("--products-sof=") else word
        for word in command[2:]
        if word.startswith("--")
    ]
    environment = here.environment(Path())
    kept = [f"{name}={value}" for name, value in environment.items() if name not in ("PATH", "HOME")]
    return (
        f"options=({' '.join(map(quote, options))})\n"
        f"environment=({' '.join(map(quote, kept))})\n"
        f"plugin_places=({' '.join(PLUGIN_PLACES)})"
    )


def _local(file: File) -> str:
    """A name of its own in the folder of files, ending as the file's own does."""
    ending = "".join(suffix for suffix in Path(file.name).suffixes[-2:] if suffix.lower() in _ENDINGS)
    return f"{url_name(file.id)}{ending or '.fits'}"


def _product(file: File) -> str:
    return f"products/{url_name(file.id)}.fits"


def _get(file: File, place: str) -> str:
    size = "-" if file.size is None else str(file.size)
    words = (url_name(file.id), place, one_line(file.name), size, file.sha256 or "-")
    return "get " + " ".join(map(quote, words))


def _step(number: int, run: Run, chain: Chain, at: dict[str, str]) -> Iterator[str]:
    """A run: skipped when its products are there."""
    body = [
        *(_take(run.recipe, use.tag, chain.files[use.file], at) for use in run.inputs),
        " ".join(["    reduce", *map(quote, run.parameters)]),
        *(_give(output, chain.files[output.file]) for output in run.outputs),
        "    end",
    ]
    identity = hashlib.sha256("\n".join((run.id, *body)).encode()).hexdigest()[:8]
    name = url_name(f"{number:03d}_{run.recipe}_{identity}")
    words = (name, run.recipe, run.pipeline or "-", run.esorex or "-")
    yield ""
    yield f"# {one_line(_told(run))}"
    yield f"if begin {' '.join(map(quote, words))}; then"
    yield from body
    yield "fi"


def _told(run: Run) -> str:
    facts = (
        run.pipeline,
        f"run {run.begun.isoformat(timespec='seconds')}" if run.begun else "",
        f"on {run.host}" if run.host else "",
        f"in {run.elapsed:.1f} s" if run.elapsed is not None else "",
        f"by {run.origin}" if run.origin else "",
    )
    return f"{run.recipe}: {', '.join(filter(None, facts))}"


def _take(recipe: str, tag: str, file: File, at: dict[str, str]) -> str:
    if not tag:
        return f"    note {quote(one_line(f'{file.id} was taken as well, under which tag is not known'))}"
    own = Path(at[file.id]).name
    name = read_as(recipe, own)
    words = (at[file.id], one_line(tag), *([] if name == own else [name]))
    return " ".join(["    take", *map(quote, words)])


def _give(output: Output, file: File) -> str:
    return f"    give {quote(one_line(output.category))} {output.number} {quote(_product(file))}"
