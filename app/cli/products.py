"""`calsel check-product`: whether a file obeys the archive's standard for science products."""

from __future__ import annotations

from pathlib import Path

import click

from processing.phase3.check import check


@click.command("check-product", short_help="Check archive science products.")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--raw",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the raw frames are that PROVi names: times, runs and OBs are compared with theirs.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
def check_command(files: tuple[Path, ...], folder: Path | None, quiet: bool) -> None:
    """Check FILES by ESO's Science Data Products Standard (images, spectra, cubes); exit 1 on errors.

    Each problem is told with its HDU, its keyword, what to do about it, and the section of the standard.
    """
    raws = None if folder is None else sorted(path for path in folder.rglob("*.fits*") if path.is_file())
    errors = warnings = 0
    for file in files:
        problems = check(file, raws)
        errors += sum(problem.severity == "error" for problem in problems)
        warnings += sum(problem.severity == "warning" for problem in problems)
        click.echo(f"{file}: {'' if problems else 'all right'}".rstrip())
        for problem in problems:
            if problem.severity == "error" or not quiet:
                click.secho(f"  {problem}", fg="red" if problem.severity == "error" else None)
    counts = ((len(files), "file"), (errors, "error"), (warnings, "warning"))
    click.echo(", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts), err=True)
    if errors:
        raise SystemExit(1)


COMMANDS = (check_command,)
