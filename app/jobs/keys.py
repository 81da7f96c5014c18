"""Plan keys: two jobs that want the same recipe on the same frames want the same run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson

from app.archive.wanting import WantedRun
from processing.graph import InputFile, InputProduct, Plan, Task, tag_of


def wanted_runs(plan: Plan, pipeline_of: Callable[[str], str], final: Sequence[str]) -> list[WantedRun]:
    """The runs of a plan in its order; `final` names the tasks (by id) that were asked for.

    The key of a run is the SHA-256 of its recipe, pipeline, parameters, what it must make, and its inputs:
    files by content, products by the key of the run that makes them. So it is known before anything runs.
    """
    found: dict[str, WantedRun] = {}
    for task in plan.tasks:
        pipeline = pipeline_of(task.recipe)
        inputs = [_as_json(wanted, found) for wanted in task.inputs]
        said = {
            "recipe": task.recipe,
            "pipeline": pipeline,
            "parameters": task.parameters,
            "expects": task.expects,
            "inputs": sorted((_identity(each) for each in inputs), key=repr),
        }
        key = hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
        body = {
            "id": task.id,
            "recipe": task.recipe,
            "name": task.name,
            "parameters": task.parameters,
            "expects": task.expects,
            "inputs": inputs,
            "origin": task.origin,
        }
        taken = [i for i in task.inputs if isinstance(i, InputProduct)]
        demands = {found[i.task].id for i in taken if not i.optional}
        optional = {found[i.task].id for i in taken} - demands
        found[task.id] = WantedRun(
            key,
            task.recipe,
            pipeline,
            body,
            tuple(sorted(demands)),
            task.id in final,
            tuple(sorted(optional)),
        )
    return list(found.values())


def runnable(body: Mapping[str, Any], made: Mapping[str, Sequence[Mapping[str, Any]]]) -> Task:
    """The task of a run whose needs are done: each product that it takes is a file now.

    Raises KeyError when a run that it needs made no product of the category, which cannot be: runs are done
    only with all that they were to make.
    """
    inputs: list[InputFile] = []
    for each in body["inputs"]:
        if "run" not in each:
            inputs.append(InputFile(each["tag"], each["path"], each["sha256"]))
            continue
        wanted = InputProduct(each["tag"], each["run"], each["category"], each.get("others", False))
        files = [(tag_of(wanted, item["category"]), item) for item in made[each["run"]]]
        taken = [InputFile(tag, item["path"], item["sha256"]) for tag, item in files if tag is not None]
        if not taken and not wanted.others and not each.get("optional"):
            raise KeyError(f"run {each['run']} made no {each['category']}")
        inputs += taken
    return Task(
        id=body["id"],
        recipe=body["recipe"],
        name=body["name"],
        inputs=tuple(inputs),
        expects=tuple(body["expects"]),
        parameters=tuple(body["parameters"]),
        origin=body.get("origin", ""),
    )


# How the reason of such a run begins.
_WITHOUT: Final = "made without "


def made_without(reason: str) -> bool:
    """Whether a run that is done had to do without something (`lacking`)."""
    return reason.startswith(_WITHOUT)


def lacking(body: Mapping[str, Any], made: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """What a run has to do without, as the run that should have made it failed; "" when it has everything."""
    lost = [each["category"] for each in body["inputs"] if each.get("optional") and not made[each["run"]]]
    return f"{_WITHOUT}{', '.join(lost)}, whose recipe failed" if lost else ""


def there(products: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all files of a run that is done are still where they were, with their sizes.

    Their content is compared when they are used: hashing here would read every byte of every answer.
    """
    try:
        return all(Path(item["path"]).stat().st_size == item["size"] for item in products)
    except OSError:
        return False


def with_parameters(plan: Plan, options: Mapping[str, Sequence[str]]) -> Plan:
    """The plan with further options for some recipes; of two for one parameter esorex takes the last."""
    return Plan(
        tuple(
            replace(task, parameters=(*task.parameters, *options.get(task.recipe, ()))) for task in plan.tasks
        )
    )


def until(plan: Plan, category: str) -> tuple[Plan, list[str]]:
    """Only what is needed to make a PRO.CATG, and the ids of the tasks that make it (none: not planned)."""
    final = [task.id for task in plan.tasks if category in task.expects]
    needed = set(final)
    for task in reversed(plan.tasks):
        if task.id in needed:
            needed |= {wanted.task for wanted in task.inputs if isinstance(wanted, InputProduct)}
    return Plan(tuple(task for task in plan.tasks if task.id in needed)), final


def _as_json(wanted: InputFile | InputProduct, found: Mapping[str, WantedRun]) -> dict[str, Any]:
    if isinstance(wanted, InputFile):
        return {"tag": wanted.tag, "path": wanted.path, "sha256": wanted.sha256}
    said = {"tag": wanted.tag, "run": found[wanted.task].id, "category": wanted.category}
    more = {name: True for name in ("others", "optional") if getattr(wanted, name)}
    return {**said, **more}


def _identity(item: Mapping[str, Any]) -> tuple[str, ...]:
    if "run" in item:
        return (item["tag"], item["run"], item["category"], *sorted(item.keys() & {"others", "optional"}))
    return (item["tag"], item["sha256"])
