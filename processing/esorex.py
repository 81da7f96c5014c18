"""CPL recipes through esorex: where it is, which pipelines it has, how to call it, what its answers mean."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

# Debian's place, the upstream default, and that of ESO's own kits (MacPorts, RPM, conda: beside the program).
PLUGIN_PLACES = ("/usr/lib/*/cpl/plugins", "/usr/lib/cpl/plugins", "/usr/local/lib/cpl/plugins")
KIT_PLUGINS = "lib/esopipes-plugins"


class EsorexError(Exception):
    """esorex, or the pipeline of an instrument, is not installed; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """An installed pipeline: its instrument (`uves`), version (`6.1.8`) and directory of recipes."""

    instrument: str
    version: str
    path: Path

    @property
    def id(self) -> str:
        """As the recipes write it into PRO.REC1.PIPE.ID: `uves/6.1.8`."""
        return f"{self.instrument}/{self.version}"


@dataclass(frozen=True)
class Esorex:
    """An esorex program, its version, and the directories that hold `<instrument>-<version>` pipelines."""

    program: Path
    version: str
    plugins: tuple[Path, ...]

    @staticmethod
    def find(program: str | Path = "esorex", plugins: Sequence[Path] = ()) -> Esorex:
        """Find esorex (a name on PATH, or a path) and its pipelines, or take the given `plugins` directories.

        Raises EsorexError when something is missing.
        """
        where = shutil.which(program)
        if where is None:
            raise EsorexError(
                f"{program} is not installed or not on PATH; "
                "on Debian: apt-get install esorex cpl-plugin-uves cpl-plugin-naco"
            )
        if shutil.which("setpriv") is None:
            raise EsorexError("setpriv is not installed; on Debian: apt-get install util-linux")
        found = Path(where).absolute()
        version = re.search(r"ESO Recipe Execution Tool, version (\S+)", _ask(found, "--version"))
        if version is None:
            raise EsorexError(
                f"{found} does not answer --version as esorex does; give the path of the right program"
            )
        return Esorex(found, version[1], tuple(plugins) or _plugin_places(found))

    def pipeline(self, instrument: str) -> Pipeline:
        """The newest installed pipeline of an instrument. Raises EsorexError when there is none."""
        found = [
            Pipeline(instrument, path.name.removeprefix(f"{instrument}-"), path)
            for path in self._versions(instrument)
        ]
        if not found:
            places = ", ".join(map(str, self.plugins)) or "any known place"
            raise EsorexError(
                f"no pipeline of {instrument!r} in {places}; "
                f"on Debian: apt-get install cpl-plugin-{instrument}"
            )
        return max(
            found, key=lambda pipeline: [int(number) for number in re.findall(r"\d+", pipeline.version)]
        )

    def pipeline_of(self, recipe: str) -> Pipeline:
        """The newest installed pipeline that has a recipe. Raises EsorexError when none has.

        Recipes do not tell their pipeline by name: GIRAFFE's begin with `gi`, its pipeline is `giraf`.
        """
        if recipe not in self._providers:
            has = ", ".join(sorted({pipeline.id for pipeline in self._providers.values()})) or "none"
            raise EsorexError(
                f"recipe {recipe} is in no installed pipeline (installed: {has}); "
                f"on Debian: apt-get install cpl-plugin-{recipe.partition('_')[0]}"
            )
        return self._providers[recipe]

    def pipelines(self) -> tuple[Pipeline, ...]:
        """The newest installed version of each pipeline, by name."""
        names = {
            path.name.rpartition("-")[0]
            for place in self.plugins
            for path in place.glob("*-[0-9]*")
            if path.is_dir()
        }
        return tuple(self.pipeline(name) for name in sorted(names))

    def recipes(self) -> frozenset[str]:
        """Names of all installed recipes; esorex is asked once."""
        return frozenset(self._providers)

    def parameters(self, recipe: str) -> tuple[dict[str, Any], ...]:
        """What a recipe declares of its parameters, as `--create-config` writes it: takes about 0.1 s.

        Each has `display_name` (the option's), `value` (the default), `valtype` (bool, int, double, string),
        `partype` (value, enum with `valenum`, range with `valmin`, `valmax`) and `description`.
        Raises EsorexError when the recipe is not installed or does not tell.
        """
        place = self.pipeline_of(recipe).path
        with tempfile.TemporaryDirectory(prefix="esorex-") as empty:
            written = Path(empty, "declared.json")
            _ask(self.program, f"--recipe-dir={place}", f"--create-config={written}", recipe)
            if not written.exists():
                raise EsorexError(f"recipe {recipe} does not tell its parameters (esorex --create-config)")
            return tuple(json.loads(written.read_bytes()))

    @cached_property
    def _providers(self) -> dict[str, Pipeline]:
        found: dict[str, Pipeline] = {}
        for pipeline in self.pipelines():
            listing = _ask(self.program, f"--recipe-dir={pipeline.path}", "--recipes")
            # "  uves_cal_mbias        : Creates the master bias frame"; a long synopsis goes on below, deeper
            found |= dict.fromkeys(re.findall(r"^  (\w+)\s*: ", listing, flags=re.MULTILINE), pipeline)
        return found

    def _versions(self, instrument: str) -> list[Path]:
        return [
            path for place in self.plugins for path in place.glob(f"{instrument}-[0-9]*") if path.is_dir()
        ]

    def command(
        self, pipeline: Pipeline, recipe: str, parameters: Sequence[str], sof: Path, output: Path
    ) -> tuple[str, ...]:
        """The command line of one recipe run, to be started in an empty directory of its own.

        esorex makes its products and its log (`.logfile`) in the working directory, and moves them to
        `output` at the end; there it also leaves `products.json`, but only after success. All that a
        configuration file could change is said outright.
        """
        return (
            str(self.program),
            f"--recipe-dir={pipeline.path}",
            f"--output-dir={output}",
            f"--log-dir={output}",
            "--log-file=esorex.log",
            "--log-level=info",
            "--msg-level=info",
            f"--products-sof={output / 'products.json'}",
            "--check-sof-exist=TRUE",
            "--suppress-prefix=TRUE",
            "--suppress-link=TRUE",
            "--output-readonly=FALSE",
            "--no-checksum=FALSE",
            # CPL 7.2 with CFITSIO 4.2 takes DATAMD5 over the first 46080 bytes of a data unit only: a wrong
            # identity, which later products would copy into PRO.REC1.CALn.DATAMD5, is worse than none.
            "--no-datamd5=TRUE",
            recipe,
            *parameters,
            str(sof),
        )

    def environment(self, home: Path) -> dict[str, str]:
        """All that a recipe may see: an ESOREX_* variable or ~/.esorex/esorex.rc would change its behaviour.

        One thread per recipe: independent recipes run side by side instead.
        """
        path = f"{self.program.parent}:/usr/bin:/bin"
        return {"PATH": path, "HOME": str(home), "OMP_NUM_THREADS": "1", "LC_ALL": "C"}


def _plugin_places(program: Path) -> tuple[Path, ...]:
    root = Path("/")
    places = [path for pattern in PLUGIN_PLACES for path in sorted(root.glob(pattern.lstrip("/")))]
    places.append(program.resolve().parent.parent / KIT_PLUGINS)
    return tuple(path for path in places if path.is_dir())


def _ask(program: Path, *options: str) -> str:
    """What esorex prints. It leaves a log where it runs and reads settings in HOME: both are empty here."""
    with tempfile.TemporaryDirectory(prefix="esorex-") as empty:
        answer = subprocess.run(
            [str(program), *options],
            cwd=empty,
            env={"PATH": "/usr/bin:/bin", "HOME": empty, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
            text=True,
            errors="replace",
        )
    return answer.stdout


# cpl_error.h of CPL 7.2 (_cpl_error_code_), in words; then what esorex 3.13 adds, as measured.
_MEANINGS = {
    1: "the recipe failed without a cause of its own; often too few frames",
    2: "the recipe lost track of its own errors",
    3: "an input or output stream could not be duplicated",
    4: "an input or output stream could not be set up",
    5: "a file could not be read or written; often a full disk",
    6: "an input file is not good FITS: torn, empty or garbage",
    7: "a file was open already",
    8: "a file could not be created",
    9: "a file is missing: the SOF itself or a frame in it",
    10: "something needed is missing: a keyword, or all frames of a tag",
    11: "a position beyond the data was asked for",
    12: "the recipe handed itself an empty value",
    13: "the inputs do not fit together (such as frames of different size), or the recipe is unknown",
    14: "an input or parameter has a value that the recipe refuses",
    15: "a result has a value that cannot be",
    16: "the recipe does not support this mode",
    17: "a matrix was singular",
    18: "a division by zero",
    19: "a keyword or parameter has the wrong type",
    20: "a type that the recipe does not know",
    21: "a loop was left before its end",
    22: "the world coordinate system could not be read",
    66: "products could not be moved to the output directory: full or read-only",
    254: "a configuration file or option is wrong",
    255: "the recipe gave up without a CPL error, or an option is unknown to it",
}


def meaning(code: int) -> str:
    """What an exit status of esorex means, for people; -N or 128+N: ended by signal N."""
    number = -code if code < 0 else code - 128
    if number in {member.value for member in signal.Signals} and code not in _MEANINGS:
        name = signal.Signals(number).name
        crash = number in {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
        return f"the recipe crashed ({name})" if crash else f"ended from outside by {name}"
    return _MEANINGS.get(code, "not a code that CPL or esorex documents")


_ERROR_LINE = re.compile(r"\[ ERROR \] [^:]*: (?:\[tid=\d+\] )?\s*(?:\[\d+/\d+\] )?(.+)")
# CPL lists its error stack from the cause up; these lines of it say nothing.
_EMPTY_WORDS = re.compile(r"Dumping all|Execution of recipe|[Pp]ropagating (an?|error)|^'[\w ]+' \(\d+\) at")


def errors(log: str, last: int = 3) -> tuple[str, ...]:
    """The last telling ERROR lines of an esorex log, without decoration, oldest first.

    For the reader only: some recipes print errors and succeed, so these never decide an outcome.
    """
    telling = [line for line in _ERROR_LINE.findall(log) if not _EMPTY_WORDS.search(line)]
    return tuple(telling[-last:])
