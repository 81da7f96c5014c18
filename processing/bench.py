"""One task from inputs to verdict: looked up by content, else run in a private directory and judged."""

from __future__ import annotations

import platform
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Literal, TypeAlias, assert_never

from processing import process
from processing.esorex import Esorex, EsorexError, Pipeline
from processing.graph import InputFile, InputProduct, Task, tag_of, without
from processing.phase3.report import REPORT
from processing.process import Limits, Outcome
from processing.products import ProductFile, listed_products, read_product, sha256
from processing.recipes import command, is_ours, pipeline_of, read_as
from processing.store import DamagedEntryError, Store, content_key, write_manifest
from processing.verdict import full_disk, heals, missing, product_faults, verdict

State: TypeAlias = Literal["done", "reused", "failed", "blocked"]


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What became of one task.

    `key` is its content key ("" when its inputs could not be had), `products` are checked and in the store,
    `log` is the kept esorex log, `elapsed` the seconds that this run spent on it, `peak_mb` the recipe's
    highest resident memory in MB (0 when none ran); `reason` says why the task failed, is blocked, or had
    to be done again. `heals`: it failed of what another attempt may not meet (a crash, a full disk, an input
    that this host cannot read). `killed`: we ended it ourselves, at a limit or on request.
    """

    task: str
    recipe: str
    state: State
    key: str = ""
    products: tuple[ProductFile, ...] = ()
    log: Path | None = None
    elapsed: float = 0.0
    peak_mb: float = 0.0
    reason: str = ""
    heals: bool = False
    killed: bool = False


class SupersededError(Exception):
    """A run whose products nobody waits for any more: not published."""


class InputError(Exception):
    """An input that is missing, or is not what the plan was made for."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where tasks are carried out: a store, an esorex, limits of each run, and a flag that ends them all.

    `permit` is asked just before products are published; when it says no, they are thrown away.
    """

    store: Store
    esorex: Esorex
    limits: Limits
    stop: Event
    permit: Callable[[], bool] = lambda: True
    _hashes: dict[tuple[str, int, int], str] = field(default_factory=dict)

    def carry_out(
        self, task: Task, upstream: Mapping[str, TaskResult], started: Callable[[Path], None]
    ) -> TaskResult:
        """Reuse or make the products of a task whose needs (`upstream`, by task id) are settled.

        `started` is called just before a recipe is, with the file that will hold what it says. Raises
        SupersededError without permission to publish, OSError only when the store cannot be used.
        """
        begun = time.monotonic()
        try:
            pipeline = pipeline_of(self.esorex, task.recipe)
            inputs = [source for wanted in task.inputs for source in self._files(wanted, upstream)]
        except (EsorexError, InputError) as error:
            return TaskResult(
                task.id,
                task.recipe,
                "failed",
                elapsed=time.monotonic() - begun,
                reason=str(error),
                heals=isinstance(error.__cause__, OSError),  # the file may come back, or another host see it
            )
        key = content_key(task.recipe, pipeline.id, task.parameters, inputs)
        note = without(task, {name for name, result in upstream.items() if not result.products})
        try:
            products = self.store.find(key)
        except DamagedEntryError as error:
            products, note = None, f"made again, as the stored entry was damaged: {error}"
        if products is None:
            return self._make(task, pipeline, inputs, key, note, started)
        lacking = missing(task, {product.category for product in products})
        return TaskResult(
            task.id,
            task.recipe,
            "failed" if lacking else "reused",
            key,
            () if lacking else products,
            self.store.path(key) / "esorex.log",
            time.monotonic() - begun,
            reason=lacking or note,
        )

    def _files(self, wanted: InputFile | InputProduct, upstream: Mapping[str, TaskResult]) -> list[InputFile]:
        match wanted:
            case InputFile():
                return [self._unchanged(wanted)]
            case InputProduct():
                made = [(tag_of(wanted, p.category), p) for p in upstream[wanted.task].products]
                taken = [InputFile(tag, str(p.path), p.sha256) for tag, p in made if tag is not None]
                if not taken and not wanted.others and not wanted.optional:
                    raise InputError(
                        f"{wanted.task!r} made no {wanted.category}, which is needed as {wanted.tag}"
                    )
                return taken
            case _:
                assert_never(wanted)

    def _unchanged(self, wanted: InputFile) -> InputFile:
        """The input itself, if its bytes are the plan's: no recipe sees a flipped bit, and keys would lie."""
        try:
            status = Path(wanted.path).stat()
            place = (wanted.path, status.st_size, status.st_mtime_ns)
            found = self._hashes.get(place) or sha256(Path(wanted.path))
        except OSError as error:
            raise InputError(
                f"input {wanted.path} ({wanted.tag}) cannot be read: {error.strerror}"
            ) from error
        if len(self._hashes) > 10_000:  # a worker lives for months
            self._hashes.clear()
        self._hashes[place] = found
        if found != wanted.sha256:
            raise InputError(
                f"input {wanted.path} ({wanted.tag}) is not the file of the plan: its SHA-256 is {found}, "
                f"not {wanted.sha256}; restore it, or ingest it again and make a new plan"
            )
        return wanted

    def _make(
        self,
        task: Task,
        pipeline: Pipeline,
        inputs: Sequence[InputFile],
        key: str,
        note: str,
        started: Callable[[Path], None],
    ) -> TaskResult:
        room = self.store.private_directory()
        begun = datetime.now(UTC)
        started(room / "terminal.log")
        try:
            outcome = self._run(room, task, pipeline, inputs)
            listed = listed_products(room / "out" / "products.json") if outcome.code == 0 else ()
            log = _log(room)
            if reason := verdict(task, outcome, listed, log) or product_faults(room / "out", listed):
                reason += full_disk(outcome)
            entry = room / "entry"
            log.rename(entry / "esorex.log")
            (room / "task.sof").rename(entry / "task.sof")
            if reason and (room / "terminal.log").exists():  # last words of a crash are in no other log
                (room / "terminal.log").rename(entry / "terminal.log")
            if (room / "out" / REPORT).exists():
                (room / "out" / REPORT).rename(entry / REPORT)
            if reason:  # on a full disk there is room for what remains to be written only without these
                shutil.rmtree(room / "out")
                shutil.rmtree(room / "run")
            products = () if reason else _named(task, key, room / "out", listed, entry)
            facts = {
                "key": key,
                "reason": reason,
                "begun": begun.isoformat(),
                "host": platform.node(),
                "esorex": self.esorex.version,
                **_facts(task, pipeline, inputs, outcome),
            }
            write_manifest(entry, facts, products)
            if not self.permit():
                raise SupersededError(f"{task.id} has been given to another, or nobody wants it")
            if reason:
                place = self.store.keep_failure(key, entry)
            else:
                products, place = self.store.keep(key, entry), self.store.path(key)
        finally:
            shutil.rmtree(room)
        return TaskResult(
            task.id,
            task.recipe,
            "failed" if reason else "done",
            key,
            products,
            place / "esorex.log",
            outcome.elapsed,
            outcome.peak_mb,
            reason or note,
            heals=bool(reason) and heals(outcome),
            killed=bool(outcome.killed),
        )

    def _run(self, room: Path, task: Task, pipeline: Pipeline, inputs: Sequence[InputFile]) -> Outcome:
        """Run the recipe in `room`: links in `in`, started in `run`, products to `out`.

        All paths are relative, so that a blank in the store's own path cannot split a line of the SOF.
        """
        for name in ("run", "out", "home", "entry"):
            (room / name).mkdir()
        names = [read_as(task.recipe, Path(source.path).name) for source in inputs]
        lines = [
            f"../{_link(room, Path('in', f'{number:03d}', name), source)} {source.tag}\n"
            for number, (name, source) in enumerate(zip(names, inputs, strict=True))
        ]
        (room / "task.sof").write_text("".join(lines))
        sof, out = Path("../task.sof"), Path("../out")
        return process.run(
            command(self.esorex, pipeline, task.recipe, task.parameters, sof, out),
            cwd=room / "run",
            env=self.esorex.environment(room / "home"),
            output=room / "terminal.log",
            limits=self.limits,
            stop=self.stop,
        )


def _facts(
    task: Task, pipeline: Pipeline, inputs: Sequence[InputFile], outcome: Outcome
) -> dict[str, object]:
    """What task.json says of the recipe, of its inputs and of its end; time in seconds, memory in MB."""
    return {
        "task": task.id,
        "recipe": task.recipe,
        "pipeline": pipeline.id,
        "parameters": task.parameters,
        "origin": task.origin,
        "inputs": [{"tag": s.tag, "name": Path(s.path).name, "sha256": s.sha256} for s in inputs],
        "code": outcome.code,
        "elapsed": round(outcome.elapsed, 3),
        "peak_mb": round(outcome.peak_mb, 1),
    }


def _link(room: Path, link: Path, source: InputFile) -> Path:
    """Link an input at `link` below `room`; a directory for each keeps equal names apart."""
    (room / link).parent.mkdir(parents=True)
    (room / link).symlink_to(Path(source.path).absolute())
    return link


def _log(room: Path) -> Path:
    """The log of the run; esorex moves it out of its working directory only when it ends by itself."""
    candidates = (room / "out" / "esorex.log", room / "run" / ".logfile", room / "terminal.log")
    return next(path for path in candidates if path.exists())


def _named(
    task: Task, key: str, out: Path, listed: Sequence[tuple[str, str]], entry: Path
) -> tuple[ProductFile, ...]:
    """Move products into their entry under names of their own: recipes use the same few again and again.

    The stem becomes the dp_id, so it follows from task, category and content alone; a number tells several
    products of one category apart, in the order of the recipe's list. Our own recipes name theirs so already.
    """
    total = Counter(category for _, category in listed)
    seen: Counter[str] = Counter()
    products = []
    for name, category in listed:
        seen[category] += 1
        number = f"_{seen[category]:04d}" if total[category] > 1 else ""
        stem = re.sub(r"[^\w.:+-]", "_", f"{task.name}_{category}_{key[:8]}{number}")
        path = entry / (name if is_ours(task.recipe) else f"{stem}.fits")
        (out / name).rename(path)
        products.append(read_product(path, category))
    return tuple(products)
